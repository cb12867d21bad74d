"""``run.py torture``: real kills of a real engine; source checkout only."""

from argparse import Namespace
from pathlib import Path

from infra.cli.checkout import ROOT, run_beside_tests


def run(args: Namespace, *, root: Path = ROOT) -> int:
    """Run the torture that lies in the checkout at ``root``."""
    return run_beside_tests("torture", args, root)
