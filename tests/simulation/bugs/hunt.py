"""The planted bugs: which seed catches each, and the search for those seeds."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.simulation.bugs.planted import ROOT, bugs
from tests.simulation.campaign import say

SEARCHED_DAYS = 500
SEARCHED = ("mixed", "doubt", "takeover", "crashes", "rush", "machine", "network")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """The day that catches a bug, and by which invariant."""

    profile: str
    seed: int
    invariant: str


def days_with(bug: str, profile: str, first: int, count: int) -> dict[str, Any]:
    """Run days with a planted bug in a process of its own.

    Returns:
        ``days`` run, and ``found``: seed, invariant and text of the first violation, or None.

    Raises:
        AssertionError: The patch does not apply any more, or the days could not be run.
    """
    command = [sys.executable, "-m", "tests.simulation.bugs.planted", bug, profile]
    done = subprocess.run(
        [*command, str(first), str(count)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{bug}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


def report(*, seeds: int | None, as_json: bool) -> int:
    """Look for every planted bug from seed 0 on; return 1 when one is not found."""
    table = {bug: _search(bug, seeds or SEARCHED_DAYS) for bug in bugs()}
    if as_json:
        say(json.dumps(table, indent=2))
    missed = [bug for bug, found in table.items() if found is None]
    say(f"{len(table) - len(missed)} of {len(table)} planted bugs found. {' '.join(missed)}")
    return 1 if missed else 0


def _search(bug: str, seeds: int) -> dict[str, Any] | None:
    for profile in SEARCHED:
        result = days_with(bug, profile, 0, seeds)
        if result["found"] is not None:
            found = {"profile": profile, "days": result["days"], **result["found"]}
            say(f"{bug}: {profile} day {found['days']}, {found['violation'][:90]}")
            return found
    say(f"{bug}: NOT FOUND")
    return None
