"""``run.py simulate``: the product's own actors through days of faults; source checkout only."""

from argparse import Namespace
from importlib import import_module
from pathlib import Path

from domain.errors import OncefillError

ROOT = Path(__file__).parents[2]


def run(args: Namespace, *, root: Path = ROOT) -> int:
    """Run the simulation, which lives beside the tests: it needs actors and infra together.

    Raises:
        OncefillError: This is an installed wheel, which does not carry it.
    """
    if not (root / "tests" / "simulation").is_dir():
        message = "the simulation is in the source checkout only; clone it and run it there"
        raise OncefillError(message)
    code: int = import_module("tests.simulation.command").run(args)
    return code
