"""Composition root and command line: the only file that knows every part.

Its top level uses the standard library alone, so that a bare Python can start it and an old one
can be told that it is too old. A runner's one import: ``from run import start_engine, Signal`` in
a checkout, ``from oncefill import ...`` where the wheel is installed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from domain.settings import Settings
    from domain.signal import Cancel, Signal

__all__ = ["Cancel", "Settings", "Signal", "main", "start_engine"]

OLDEST_PYTHON = (3, 11)

# Names a runner imports from here, and where they live; loaded at first use (PEP 562).
_ELSEWHERE = {
    "Cancel": "domain.signal",
    "Settings": "domain.settings",
    "Signal": "domain.signal",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done. 1: it failed, or a check did. 2: wrong use, wrong input, or too old a Python.
    130: Ctrl-C. ``--help`` and a mistyped command leave through SystemExit, as argparse does.
    """
    problem = unfit(sys.version_info[:3], os.name)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    from infra.cli.main import guarded, parse

    arguments = list(sys.argv[1:] if argv is None else argv)
    args = parse(arguments)
    return guarded(lambda: _perform(args, arguments))


def unfit(version: Sequence[int], system: str) -> str | None:
    """Return why Oncefill cannot run here, as one line, or None."""
    if tuple(version[:2]) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        this = ".".join(map(str, version))
        return (
            f"Oncefill needs Python {oldest} or newer; this is {this} ({sys.executable}). "
            f"Install Python {oldest} or newer and run again with it."
        )
    if system != "posix":
        return "Oncefill runs on Linux and macOS. On Windows, run it inside WSL."
    return None


def start_engine(settings: Settings | None = None, **overrides: Any) -> Any:
    """Start an engine with ``settings``, single fields replaced by ``overrides``."""
    raise NotImplementedError


def _demo(args: Namespace) -> int:
    raise NotImplementedError


def _replay(args: Namespace) -> int:
    raise NotImplementedError


def _bench(args: Namespace) -> int:
    raise NotImplementedError


# Commands that need actors and infra together; the others are infra/cli/<name>.py.
COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "demo": _demo,
    "replay": _replay,
    "bench": _bench,
}


def _perform(args: Namespace, arguments: list[str]) -> int:
    """Run the parsed command, in a Python that has the packages it needs."""
    from infra.cli.bootstrap import prepare
    from infra.cli.main import command

    here = Path(__file__)
    # Where a wheel is installed, this file is oncefill.py and the packages came with it.
    if here.name == "run.py":
        prepare(here.absolute(), arguments, dev=args.command == "test")
    perform = COMMANDS.get(args.command) or command(args.command)
    return perform(args)


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(_ELSEWHERE[name]), name)


if __name__ == "__main__":
    sys.exit(main())
