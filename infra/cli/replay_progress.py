"""How far a replay is: a bar on a terminal, elsewhere a line for each year; on standard error."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.cli.replay_market import Step

Told: TypeAlias = Callable[[Step], None]


@contextmanager
def progress(steps: Sequence[Step]) -> Iterator[Told]:
    """Give a function to call after each step."""
    if sys.stderr.isatty():
        with _bar() as bar:
            yield _on_bar(bar, sum(len(step.bars) for step in steps))
    else:
        yield _by_year(steps)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("bars"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _on_bar(bar: Progress, total: int) -> Told:
    task = bar.add_task("Replaying", total=total)

    def told(step: Step) -> None:
        day = _day(step)
        bar.update(task, advance=len(step.bars), description=f"Replaying {day:%Y-%m-%d}")

    return told


def _by_year(steps: Sequence[Step]) -> Told:
    left: dict[int, int] = {}
    bars: dict[int, int] = {}
    for step in steps:
        year = _day(step).year
        left[year] = left.get(year, 0) + 1
        bars[year] = bars.get(year, 0) + len(step.bars)

    def told(step: Step) -> None:
        year = _day(step).year
        left[year] -= 1
        if not left[year]:
            print(f"Replayed {year}: {bars[year]:,} bars", file=sys.stderr, flush=True)

    return told


def _day(step: Step) -> date:
    # Bars carry the exchange's own time.
    return step.at.date()
