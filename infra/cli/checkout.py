"""Commands that live beside the tests: they need actors and infra together; checkout only."""

from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Final

from domain.errors import OncefillError

ROOT: Final = Path(__file__).parents[2]


def run_beside_tests(name: str, args: Namespace, root: Path) -> int:
    """Run ``tests/NAME/command.py`` of the checkout at ``root``; return its exit code.

    Raises:
        OncefillError: This is an installed wheel, which does not carry it.
    """
    if not (root / "tests" / name).is_dir():
        message = f"the {name} is in the source checkout only; clone it and run it there"
        raise OncefillError(message)
    code: int = import_module(f"tests.{name}.command").run(args)
    return code
