"""``run.py torture``: kill, start again, and compare the two books at the end."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from tests.torture.campaign import Campaign
from tests.torture.oracle import placements, problems


def run(args: Namespace) -> int:
    """Return 0 when both books tell the same, else 1; then the folder stays to be looked at."""
    folder = Path(mkdtemp(prefix="oncefill-torture-"))
    campaign = Campaign(folder, kills=args.kills, seed=args.seed, progress=_Progress(args.kills))
    try:
        campaign.run()
        found = problems(folder)
    except AssertionError as error:
        found = [str(error)]
    facts = {
        "kills": args.kills,
        "seed": args.seed,
        "at": dict(sorted(campaign.done.items())),
        **placements(folder),
        "problems": found,
    }
    if args.json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        _show(facts, found, folder)
    if not found:
        rmtree(folder)
    return 1 if found else 0


def _show(facts: dict[str, object], found: Sequence[str], folder: Path) -> None:
    lines = [f"{name}: {value}" for name, value in facts.items() if name != "problems"]
    if found:
        lines += [*found, f"VIOLATED; the books are in {folder}"]
    else:
        lines.append("Both books tell the same.")
    sys.stdout.write("\n".join(lines) + "\n")


class _Progress:
    """One line on a terminal's standard error, rewritten at each kill."""

    def __init__(self, kills: int) -> None:
        self._kills = kills

    def __call__(self, done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == self._kills else ""
            sys.stderr.write(f"\r{done:,} of {self._kills:,} kills{end}")
            sys.stderr.flush()
