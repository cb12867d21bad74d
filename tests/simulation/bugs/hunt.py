"""The planted bugs: which seed catches each, and the search for those seeds."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.simulation.bugs.planted import ROOT, bugs
from tests.simulation.campaign import say

SEARCHED_DAYS = 500
SEARCHED = (
    "mixed",
    "doubt",
    "ghosts",
    "takeover",
    "crashes",
    "rush",
    "machine",
    "network",
    "nameless",
    "totals",
    "halts",
    "busts",
    "zombies",
    "strict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """The day that catches a bug; a few days more, should the order of events have changed."""

    profile: str
    seed: int
    days: int = 40


CATCHES: dict[str, Catch] = {
    name: Catch(profile=profile, seed=seed)
    for name, profile, seed in (
        ("absent_believed_too_early", "strict", 2),
        ("absence_from_a_failed_lookup", "doubt", 53),
        ("absence_from_an_incomplete_scan", "doubt", 116),
        ("acknowledged_before_the_commit", "mixed", 0),
        ("adopt_first_of_many", "nameless", 8),
        ("another_orders_number_adopted", "strict", 48),
        ("bound_orders_ignored", "totals", 3),
        ("bucket_empty_at_boot", "rush", 1),
        ("calls_left_called_twice", "crashes", 4),
        ("cancel_assumed_done", "mixed", 7),
        ("cancels_held_back", "halts", 2),
        ("checkpoint_apart_from_position", "mixed", 0),
        ("compared_with_a_conflict_on_its_way", "crashes", 233),
        ("doubt_forgotten_at_restart", "mixed", 0),
        ("busts_to_nothing_overlooked", "busts", 77),
        ("ended_orders_deaf_to_fills", "mixed", 5),
        ("fill_key_is_the_exec_id", "mixed", 0),
        ("fills_by_message_alone", "mixed", 2),
        ("forgotten_turn", "crashes", 1),
        ("gate_closed_before_the_call", "halts", 89),
        ("halts_in_the_journal_ignored", "halts", 4),
        ("halts_of_strategies_ignored", "halts", 0),
        ("last_look_before_the_thread", "zombies", 80),
        ("late_committed_of_an_earlier_life_believed", "crashes", 0),
        ("no_fencing", "takeover", 3),
        ("no_fingerprint_claim", "nameless", 9),
        ("no_settle", "doubt", 0),
        ("permit_at_turn", "rush", 0),
        ("quiet_time_ignored", "doubt", 49),
        ("resend_on_timeout", "doubt", 0),
        ("restart_sends_again", "crashes", 6),
        ("retry_blocks_cancels", "mixed", 2),
        ("send_by_recomputed", "ghosts", 11),
        ("settle_not_restarted_at_boot", "ghosts", 10),
        ("strict_only_without_ids", "strict", 0),
        ("two_calls_at_once", "crashes", 2),
        ("unknown_ticket_means_not_sent", "crashes", 114),
        ("write_ahead_after_the_send", "mixed", 0),
    )
}


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
