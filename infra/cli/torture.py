"""``run.py torture``: real kills of a real engine; source checkout only."""

from argparse import Namespace
from importlib import import_module
from pathlib import Path

from domain.errors import OncefillError

ROOT = Path(__file__).parents[2]


def run(args: Namespace, *, root: Path = ROOT) -> int:
    """Run the torture, which lives beside the tests: it needs actors and infra together.

    Raises:
        OncefillError: This is an installed wheel, which does not carry it.
    """
    if not (root / "tests" / "torture").is_dir():
        message = "the torture is in the source checkout only; clone it and run it there"
        raise OncefillError(message)
    code: int = import_module("tests.torture.command").run(args)
    return code
