"""What a day's report adds up: results by symbol and strategy, and the curve over the day."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.halt import Halted, Resumed
from domain.journal import Record
from domain.money import exact
from domain.terms import ZERO, OrderStatus
from infra.cli.render import amount, exchange_time, number, security, signed
from infra.cli.words import describe
from infra.store.day import Day, FillResult
from infra.store.views import OrderView


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Realized P&L of some executions, and what they cost."""

    name: str
    fills: int
    realized_gross: Decimal
    fees: Decimal
    taxes: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the day had realized net after all executions up to a moment."""

    at: datetime
    net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something to look at: when, which order or part, and what happened; text from outside."""

    at: datetime
    what: str
    about: str
    text: str


def sums_of(name: str, fills: Iterable[FillResult]) -> Sums:
    """Return what the executions realized and cost together."""
    found = tuple(fills)
    with exact():
        return Sums(
            name=name,
            fills=len(found),
            realized_gross=sum((fill.realized_gross for fill in found), ZERO),
            fees=sum((fill.commission for fill in found), ZERO),
            taxes=sum((fill.tax for fill in found), ZERO),
            net=sum((fill.net for fill in found), ZERO),
        )


def sums_by(key: Callable[[FillResult], str], fills: Sequence[FillResult]) -> tuple[Sums, ...]:
    """Return the sums of each group, by name."""
    groups: dict[str, list[FillResult]] = {}
    for fill in fills:
        groups.setdefault(key(fill), []).append(fill)
    return tuple(sums_of(name, groups[name]) for name in sorted(groups))


def by_symbol(day: Day) -> tuple[Sums, ...]:
    """Return the sums of each symbol."""
    return sums_by(lambda fill: fill.symbol, day.fills)


def by_strategy(day: Day) -> tuple[Sums, ...]:
    """Return the sums of each strategy."""
    return sums_by(lambda fill: fill.strategy_id, day.fills)


def not_counted(day: Day) -> int:
    """Return how many booked fills have no result yet."""
    return sum(not fill.is_counted for fill in day.fills)


def curve_of(day: Day) -> tuple[Point, ...]:
    """Return the net result after each execution, in order of time."""
    points = []
    net = ZERO
    for fill in day.fills:
        with exact():
            net += fill.net
        points.append(Point(at=fill.transact_time, net=net))
    return tuple(points)


def problems_of(day: Day) -> tuple[Line, ...]:
    """Return the orders that went wrong and what was flagged, in order of time."""
    lines = [*map(_of_order, day.problems), *map(_of_record, day.trouble)]
    return tuple(sorted(lines, key=lambda line: line.at))


def halts_of(day: Day) -> tuple[Line, ...]:
    """Return what was halted when the day began, then what changed."""
    before = [
        Line(at=halt.at, what="halted before", about=str(halt.scope), text=_why(halt))
        for halt in day.halted
    ]
    changes = [
        Line(
            at=event.at,
            what="halted" if isinstance(event, Halted) else "resumed",
            about=str(event.scope),
            text=_why(event),
        )
        for event in day.halts
    ]
    return (*before, *changes)


def sums_cells(name: str, sums: Sums) -> tuple[str, ...]:
    """Return sums as a table shows them."""
    gross, net = signed(sums.realized_gross), signed(sums.net)
    return name, number(sums.fills), gross, amount(sums.fees), amount(sums.taxes), net


def fill_cells(fill: FillResult) -> tuple[str, ...]:
    """Return an execution as a table shows it."""
    return (
        exchange_time(fill.transact_time),
        security(fill.symbol),
        fill.side.value,
        number(fill.last_qty),
        number(fill.last_px),
        signed(fill.net),
        fill.strategy_id,
    )


def _why(event: Halted | Resumed) -> str:
    by = f", by {event.requested_by}" if event.requested_by else ""
    return f"{event.reason}{by}"


def _of_order(order: OrderView) -> Line:
    about = f"{order.signal_id}, {order.side} {security(order.symbol)}"
    is_open = order.status is OrderStatus.IN_DOUBT
    waiting = "sent, and its answer was lost; the broker is being asked"
    reason = order.reason or (waiting if is_open else "")
    return Line(at=order.created_at, what=order.status.value, about=about, text=reason)


def _of_record(record: Record) -> Line:
    what = record.topics[0] if record.topics else record.kind
    stream = record.stream
    return Line(at=record.recorded_at, what=what, about=stream, text=describe(record.event))
