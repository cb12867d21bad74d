"""``run.py simulate``: the product's own actors through days of faults; source checkout only."""

from argparse import Namespace
from pathlib import Path

from infra.cli.checkout import ROOT, run_beside_tests


def run(args: Namespace, *, root: Path = ROOT) -> int:
    """Run the simulation that lies in the checkout at ``root``."""
    return run_beside_tests("simulation", args, root)
