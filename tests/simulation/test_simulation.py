"""Days full of faults with no invariant broken; the same on every Python; bugs that are found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.bugs import planted
from tests.simulation.bugs.hunt import CATCHES, days_with
from tests.simulation.campaign import be_silent, digest_of, run_days, story
from tests.simulation.profiles import PROFILES

DIGESTS = Path(__file__).with_name("digests.json")
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _silence():
    be_silent()


@pytest.mark.parametrize("profile", PROFILES)
def test_no_invariant_is_broken(profile):
    days = {"mixed": 60}.get(profile, 8)

    summary = run_days(range(days), profile)

    assert summary.violations == [], story(summary.violations[0].seed, profile)
    assert summary.counts["days"] == days
    assert summary.counts["fills"] > 0


def test_the_days_are_as_bad_as_they_should_be():
    """A simulation in which nothing happens would find nothing."""
    counts = run_days(range(40), "mixed").counts

    named = ("killed", "failed", "takeovers", "crashes", "fills", "calls")
    assert [name for name in named if counts[name] < 5] == []


def test_halts_hold_orders_back():
    counts = run_days(range(6), "halts").counts

    assert counts["halts"] >= 18
    assert counts["held"] >= 18


def test_engines_that_were_stopped_wake_up_to_a_successor():
    counts = run_days(range(8), "zombies").counts

    assert counts["stops"] >= 12
    assert counts["zombies"] >= 8


def test_a_person_is_asked_and_is_refused_what_is_too_early_or_mixed_up():
    counts = run_days(range(12), "strict").counts

    named = ("early", "resolved", "refused verdict", "refused broker_order_id")
    assert [name for name in named if counts[name] < 5] == []


def test_the_same_seed_is_the_same_day_in_every_process_and_on_every_python():
    """Pinned. Write it anew with ``python -m tests.simulation.digests`` when the order changes."""
    pinned = json.loads(DIGESTS.read_text())

    assert {
        profile: {str(seed): digest for seed, digest in digest_of(map(int, seeds), profile).items()}
        for profile, seeds in pinned.items()
    } == pinned


@pytest.mark.parametrize("bug", planted.bugs())
def test_a_planted_bug_is_caught_on_its_day(bug):
    catch = CATCHES[bug]

    found = days_with(bug, catch.profile, catch.seed, catch.days)["found"]

    assert found is not None, f"{bug} is not caught any more; look again: simulate --bugs"
    # A patch that no longer fits the names around it makes actors fail: that catches nothing.
    is_failure = found["invariant"] == "own failure"
    assert is_failure == (bug == "late_committed_of_an_earlier_life_believed"), found


def test_every_catch_is_of_a_bug_that_exists():
    assert sorted(CATCHES) == planted.bugs()


def test_a_patch_that_does_not_apply_is_an_error():
    patch = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n kept\n-gone\n+new\n"
    ((before, after),) = planted.read_patch(patch)["x.py"]

    assert (before, after) == ("kept\ngone\n", "kept\nnew\n")
    assert planted.patched("a\nkept\ngone\n", [(before, after)], "x.py") == "a\nkept\nnew\n"
    for source in ("kept\n", "kept\ngone\nkept\ngone\n"):
        with pytest.raises(planted.StalePatchError, match=r"x\.py"):
            planted.patched(source, [(before, after)], "x.py")


def simulate(*words):
    return subprocess.run(
        [sys.executable, "run.py", "simulate", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_sums_up_its_days():
    done = simulate("--seeds", "3", "--profile", "calm", "--json")

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["counts"]["days"], shown["violations"]) == (3, [])


def test_the_command_tells_the_story_of_a_day():
    done = simulate("--seed", "3", "--story")

    assert done.returncode == 0, done.stderr
    for words in ("Seed 3", "engine 1 starts", "OrderCreated", "No invariant was broken."):
        assert words in done.stdout


def test_an_unknown_profile_is_refused():
    done = simulate("--profile", "sunny")

    assert done.returncode == 2
    assert "profile: give one of mixed" in done.stderr
