"""Many days, one after the other: what was found, how fast, and the story of what went wrong."""

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from time import perf_counter, process_time
from typing import Any

import structlog

from tests.simulation.day import Day
from tests.simulation.process import Result

# Enough that a day's garbage is collected between days and not within them.
GC_OBJECTS = 200_000
UNSHOWN = frozenset({"at", "client_order_id", "digest", "account_id"})


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a campaign found.

    Attributes:
        cpu_s: Processor time; days are counted by it, for other programs slow a machine down.
    """

    profile: str
    first_seed: int
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Result] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def days_a_minute(self) -> float:
        """Return how many days one core does in a minute."""
        return self.counts["days"] / self.cpu_s * 60 if self.cpu_s else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "profile": self.profile,
            "first_seed": self.first_seed,
            "counts": dict(sorted(self.counts.items())),
            "days_per_cpu_minute": round(self.days_a_minute),
            "wall_s": round(self.wall_s, 1),
            "violations": [
                {"seed": found.seed, "violation": str(found.violation)} for found in self.violations
            ],
        }


def be_silent() -> None:
    """Let the engine's own log say nothing: thousands of days crash on purpose."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(
            structlog.stdlib.NAME_TO_LEVEL["critical"]
        ),
        logger_factory=structlog.ReturnLoggerFactory(),
    )


def run_days(
    seeds: Iterable[int],
    profile: str,
    *,
    progress: Callable[[Summary], None] | None = None,
    most_violations: int = 1,
) -> Summary:
    """Run one day for each seed; stop after so many violations."""
    summary = Summary(profile=profile, first_seed=next(iter(seeds), 0))
    before = gc.get_threshold()
    gc.freeze()  # What is loaded by now stays, and is not looked through again.
    gc.set_threshold(GC_OBJECTS, 50, 50)
    cpu_s, wall_s = process_time(), perf_counter()
    try:
        for seed in seeds:
            result = Day(seed, profile, is_hashed=False).run()
            summary.counts.update(result.counts)
            summary.cpu_s, summary.wall_s = process_time() - cpu_s, perf_counter() - wall_s
            if progress is not None:
                progress(summary)
            if result.violation is not None:
                summary.violations.append(result)
                if len(summary.violations) >= most_violations:
                    break
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    return summary


def digest_of(seeds: Iterable[int], profile: str) -> dict[int, str]:
    """Return the event-log hash of each seed's day."""
    return {seed: Day(seed, profile).run().digest for seed in seeds}


def story(seed: int, profile: str) -> str:
    """Return what happened on one day, for an engineer: all of it for the order concerned."""
    day = Day(seed, profile, tells=True)
    result = day.run()
    found = result.violation
    about = found.order if found is not None else ""
    lines = [
        f"Seed {seed}, profile {profile}: {found or 'no violation'}",
        *_settings(day),
        "",
        f"What happened{f' to order {about}' if about else ''} (s = seconds of the day):",
        *_timeline(day, about),
        "",
        *_ledger(day, about),
    ]
    return "\n".join(lines)


def _settings(day: Day) -> list[str]:
    weather = day.weather
    shown = [
        f"  {weather.settings.timing}",
        f"  {weather.settings.restarts}",
        f"  deadline {weather.settings.signal_deadline}, {weather.habits}",
        f"  {weather.runtime}",
        f"  requests {weather.writes}, inquiries {weather.reads}, stream {weather.stream}",
    ]
    names = (
        "process_kills",
        "takeovers",
        "stops",
        "disk_errors",
        "clock_steps",
        "outages",
        "silences",
    )
    shown.append("  " + ", ".join(f"{name} {getattr(weather, name)}" for name in names))
    return ["Settings and faults:", *shown]


def _timeline(day: Day, about: str) -> list[str]:
    """Journal, wire and process side by side; without an order the whole day's orders in short."""
    rows: list[tuple[float, int, str]] = [
        (at_s, 0, f"wire     {text}" if order else f"process  {text}")
        for at_s, order, text in day.notes or ()
        if not order or order == about
    ]
    for record in day.store.records:
        at_s = (record.recorded_at - day.clock.start).total_seconds()
        is_about = record.stream == f"order/{about}" or (not about and record.stream != "engine")
        if is_about or record.stream == "engine":
            text = f"{record.seq:4} {record.stream[:12]} {_shown(record.event, day.clock.start)}"
            rows.append((at_s, 1, f"journal {text}"))
    for booked in day.exchange.called(about) if about else ():
        at_s = (booked.accepted_at - day.clock.start).total_seconds()
        rows.append((at_s, 2, f"broker   takes it as {booked.number}"))
        for fill in booked.fills:
            at_s = (fill.transact_time - day.clock.start).total_seconds()
            text = f"broker   execution {fill.exec_id}: {fill.last_qty} at {fill.last_px}"
            rows.append((at_s, 3, text))
    return [f"{at_s:10.4f} s  {text}" for at_s, _, text in sorted(rows)]


def _shown(event: Any, start: datetime) -> str:
    """Return an event in one line: times as seconds of the day, what is empty left out."""
    words = []
    for each in fields(event):
        value = getattr(event, each.name)
        if isinstance(value, datetime):
            value = f"{(value - start).total_seconds():.3f}s"
        elif is_dataclass(value):
            value = f"({_shown(value, start)})"
        if each.name not in UNSHOWN and value not in (None, ""):
            words.append(f"{each.name}={value}")
    return f"{type(event).__name__} {' '.join(words)}"


def _ledger(day: Day, about: str) -> list[str]:
    lines = ["Here and at the broker at the end:"]
    for known, order in day.oracle.orders.items():
        if about and known != about:
            continue
        theirs = day.exchange.called(known)
        shown = ", ".join(f"{each.number} {each.state} {each.cum_qty}" for each in theirs)
        lines.append(
            f"  {order.signal.signal_id} {known}: {order.status} {order.cum_qty} here, "
            f"{shown or 'nothing'} there {' '.join(order.flags)}"
        )
    return lines


def say(text: str, *, end: str = "\n") -> None:
    """Write to standard output at once."""
    sys.stdout.write(text + end)
    sys.stdout.flush()
