"""``run.py simulate``: days by the thousand, one day's story, or the hunt for planted bugs."""

import json
import sys
from argparse import Namespace

from domain.errors import InvalidInputError
from tests.simulation.bugs import hunt
from tests.simulation.campaign import Summary, be_silent, run_days, say, story
from tests.simulation.profiles import PROFILES

PROGRESS_DAYS = 50


def run(args: Namespace) -> int:
    """Run what was asked for; return 1 when an invariant was broken, or a bug was not caught."""
    be_silent()
    if args.profile not in PROFILES:
        raise InvalidInputError("profile", f"give one of {', '.join(PROFILES)}")
    if args.bugs:
        return hunt.report(seeds=args.seeds, as_json=args.json)
    if args.story:
        say(story(args.seed or 0, args.profile))
    if args.seed is not None and args.seeds is None:
        seeds = range(args.seed, args.seed + 1)
    else:
        first = args.seed or 0
        seeds = range(first, first + (args.seeds or 1000))
    summary = run_days(seeds, args.profile, progress=_Progress(len(seeds)))
    if args.json:
        say(json.dumps(summary.as_json(), indent=2))
    else:
        _show(summary)
    return 1 if summary.violations else 0


class _Progress:
    """One line on a terminal's standard error, rewritten now and then."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._is_shown = sys.stderr.isatty()

    def __call__(self, summary: Summary) -> None:
        done = summary.counts["days"]
        if self._is_shown and (done % PROGRESS_DAYS == 0 or done == self._days):
            text = f"\r{done:,} of {self._days:,} days, {summary.days_a_minute:,.0f} a minute "
            sys.stderr.write(text + ("\n" if done == self._days else ""))
            sys.stderr.flush()


def _show(summary: Summary) -> None:
    counts = summary.counts
    say(
        f"{counts['days']:,} days, {counts['orders']:,} orders, {counts['fills']:,} executions, "
        f"{counts['calls']:,} requests, {counts['steps']:,} steps"
    )
    say(
        f"{counts['killed']:,} kills, {counts['failed']:,} engines that failed, "
        f"{counts['takeovers']:,} takeovers, {counts['crashes']:,} actor crashes"
    )
    say(
        f"{summary.days_a_minute:,.0f} days a minute of one core "
        f"({summary.cpu_s:.1f} s processor, {summary.wall_s:.1f} s wall)"
    )
    for found in summary.violations:
        say("")
        say(story(found.seed, summary.profile))
        say(
            f"\nAgain: python3 run.py simulate --seed {found.seed} "
            f"--profile {summary.profile} --story"
        )
    say("VIOLATED" if summary.violations else "No invariant was broken.")
