"""Composition root and command line: the only file that knows every part.

Its top level uses the standard library alone, so that a bare Python can start it and an old one
can be told that it is too old. A runner's one import: ``from run import start_engine, Signal`` in
a checkout, ``from oncefill import ...`` where the wheel is installed.
"""

from __future__ import annotations

import os
import sys
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from actors.engine import Engine
    from actors.runtime import SimulatedSystem
    from domain.settings import Settings
    from domain.signal import Cancel, Signal
    from infra.cli.parts import GatewayMaker

__all__ = ["Cancel", "Settings", "Signal", "main", "start_engine"]

VERSION = "0.1.0"
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


def start_engine(
    settings: Settings | None = None,
    *,
    store: Path | str | None = None,
    folder: Path | None = None,
    gateway: GatewayMaker | None = None,
    **overrides: Any,
) -> Engine:
    """Start an engine on this process's threads, and return it.

    Args:
        settings: None takes the defaults: the paper broker, account ``paper``.
        store: The store's file, or a postgresql:// URL; None is ``.oncefill/main/oncefill.db`` in
            the working folder.
        folder: Where the log and the paper broker's book lie; None is beside the store's file, or
            ``.oncefill/main`` for a URL.
        gateway: Makes the broker on a clock and a scheduler; None is the paper broker on a
            seeded market, with its book beside the store.
        **overrides: Single fields of ``settings`` to replace.

    Raises:
        AccountLockedError: Another engine runs on this store; the text names it.
        StoreError: The store cannot be used; the text says what to do.
    """
    from dataclasses import replace
    from functools import partial

    import structlog

    from actors.engine import Engine, Ports
    from actors.runtime import LiveSystem
    from domain.settings import Settings
    from infra.brokers.paper.default import default_gateway
    from infra.clock import SystemClock, ThreadScheduler
    from infra.log import configure_log
    from infra.store.store import open_store

    chosen = replace(settings or Settings(), **overrides)
    path = store if isinstance(store, Path) else Path(".oncefill", "main", "oncefill.db")
    files = folder or Path(realpath(path)).parent
    clock = SystemClock()
    opened = open_store(store or path, account_id=chosen.account_id, clock=clock)
    if not structlog.is_configured():
        # The runner's own logging stands; without any, nothing that happens goes unwritten.
        configure_log(level="info", console=sys.stderr.isatty(), file=files / "oncefill.log")
    scheduler = ThreadScheduler()
    make = gateway or partial(default_gateway, files / "paper.db", chosen)
    try:
        broker = make(clock, scheduler)
    except BaseException:
        scheduler.stop()
        opened.close()
        raise
    ports = Ports(
        store=opened,
        gateway=broker,
        system=lambda: LiveSystem(clock=clock, policy=chosen.restarts),
        closing=scheduler.stop,
    )
    return Engine(chosen, ports, version=VERSION).start()


def simulate_engine(
    settings: Settings,
    *,
    store: Path,
    gateway: GatewayMaker,
    start: datetime,
    seed: int = 0,
) -> tuple[Engine, SimulatedSystem]:
    """Start an engine in this thread on virtual time; the system's ``run_for`` moves it."""
    from actors.engine import Engine, Ports
    from actors.runtime import SimulatedSystem
    from infra.store.store import open_store

    system = SimulatedSystem(start=start, seed=seed, shuffle=False, policy=settings.restarts)
    opened = open_store(store, account_id=settings.account_id, clock=system)
    ports = Ports(store=opened, gateway=gateway(system, system), system=lambda: system)
    return Engine(settings, ports, version=VERSION).start(), system


def _demo(args: Namespace) -> int:
    from infra.cli.demo import run

    return run(args, start_engine)


def _replay(args: Namespace) -> int:
    from infra.cli.replay import run

    return run(args, simulate_engine)


def _bench(args: Namespace) -> int:
    from infra.cli.bench import run

    return run(args, start_engine)


def _serve(args: Namespace) -> int:
    from infra.cli.serve import run

    return run(args, start_engine)


# Commands that need actors and infra together; the others are infra/cli/<name>.py.
COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "demo": _demo,
    "replay": _replay,
    "bench": _bench,
    "serve": _serve,
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
