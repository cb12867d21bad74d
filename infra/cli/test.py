"""``run.py test``: the project's tests, in the Python that runs this."""

import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from domain.errors import OncefillError

ROOT = Path(__file__).parents[2]

Call = Callable[[Sequence[str]], int]


def run(args: Namespace, *, call: Call | None = None, root: Path = ROOT) -> int:
    """Run pytest, with branch coverage if asked, and return the first exit code that is not 0."""
    if not (root / "tests").is_dir():
        message = "the tests are in the source checkout only; clone it and run them there"
        raise OncefillError(message)
    call = call or (lambda command: subprocess.call(command, cwd=root))
    pytest = ("pytest", *args.pytest)
    if not args.cov:
        return call([sys.executable, "-m", *pytest])
    coverage = (sys.executable, "-m", "coverage")
    call([*coverage, "erase"])
    passed = call([*coverage, "run", "-m", *pytest])
    # Tests start processes of their own, each with its own data file.
    combined = call([*coverage, "combine", "--quiet"])
    reported = call([*coverage, "report"])
    return passed or combined or reported
