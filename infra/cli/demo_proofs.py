"""What proves that a scene of the demo was shown: the journal, read after the engine has stopped.

Each proof returns what was shown, in a few words, or None when it was not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.events import Accepted, CancelRequested, Source, SubmitDoubted, SubmitFailed
from domain.journal import Record
from domain.order import Order, evolve
from domain.position import PositionChanged
from domain.terms import ZERO, OrderStatus, OrderType, SignalId
from infra.cli.render import amount, number, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the journal says about one order."""

    order: Order
    events: tuple[Any, ...] = ()
    changes: tuple[PositionChanged, ...] = ()


def collect(records: Iterable[Record]) -> dict[SignalId, Evidence]:
    """Return the evidence on every order by its signal id, from a whole journal."""
    events: dict[str, list[Any]] = {}
    changes: dict[str, list[PositionChanged]] = {}
    for record in records:
        if isinstance(record.event, PositionChanged):
            changes.setdefault(record.event.client_order_id, []).append(record.event)
        elif record.stream.startswith("order/"):
            events.setdefault(record.stream.removeprefix("order/"), []).append(record.event)
    found: dict[SignalId, Evidence] = {}
    for key, of_order in events.items():
        order: Order | None = None
        for event in of_order:
            order = evolve(order, event)
        assert order is not None, "a stream has at least one event"
        found[order.signal.signal_id] = Evidence(
            order=order, events=tuple(of_order), changes=tuple(changes.get(key, ()))
        )
    return found


def _is_filled(seen: Evidence, order_type: OrderType) -> bool:
    order = seen.order
    return order.status is OrderStatus.FILLED and order.signal.order_type is order_type


def market(seen: Evidence) -> str | None:
    """Prove a filled market order."""
    px = seen.order.avg_px
    return f"filled at {amount(px)}" if px and _is_filled(seen, OrderType.MARKET) else None


def limit(seen: Evidence) -> str | None:
    """Prove a limit order filled at its limit or better."""
    px, limit_px = seen.order.avg_px, seen.order.signal.limit_px
    if px is None or limit_px is None or not _is_filled(seen, OrderType.LIMIT) or px > limit_px:
        return None
    return f"filled at {amount(px)}, limit {number(limit_px)}"


def rejection(seen: Evidence) -> str | None:
    """Prove a rejection by its reason."""
    return seen.order.reason if seen.order.status is OrderStatus.REJECTED else None


def partial(seen: Evidence) -> str | None:
    """Prove an order filled in parts."""
    fills = seen.order.fills
    if len(fills) <= 1 or seen.order.status is not OrderStatus.FILLED:
        return None
    return f"{len(fills)} fills: {' + '.join(f'{fill.last_qty:,}' for fill in fills)}"


def cancel(seen: Evidence) -> str | None:
    """Prove an order that was cancelled because somebody asked."""
    is_asked = any(isinstance(event, CancelRequested) for event in seen.events)
    if not is_asked or seen.order.status is not OrderStatus.CANCELLED:
        return None
    return f"off the book, {seen.order.cum_qty:,} of {seen.order.order_qty:,} filled"


def retry(seen: Evidence) -> str | None:
    """Prove two waits, and an order after them."""
    failures = [event for event in seen.events if isinstance(event, SubmitFailed)]
    waits = [event.retry_in_s for event in failures if event.is_counted]
    if waits != [1.0, 2.0] or seen.order.status is not OrderStatus.FILLED:
        return None
    return f"waited 1 s and 2 s, sent on attempt {seen.order.attempts}"


def lost(seen: Evidence) -> str | None:
    """Prove an order whose answer was lost: asked for, found, and sent once."""
    doubts = [event for event in seen.events if isinstance(event, SubmitDoubted)]
    found = [event for event in seen.events if isinstance(event, Accepted)]
    # A poll of all orders may be quicker than the question about this one.
    is_found = bool(found) and found[0].source in (Source.LOOKUP, Source.POLL)
    if not doubts or not is_found or seen.order.attempts != 1:
        return None
    doubt_s = (found[0].at - doubts[0].at).total_seconds()
    return f"in doubt for {doubt_s:.1f} s, found by {found[0].source.lower()}, sent once"


def close(seen: Evidence) -> str | None:
    """Prove that the whole order closed a position."""
    closed = [change for change in seen.changes if change.closed_qty]
    if not closed or sum(change.closed_qty for change in closed) != seen.order.order_qty:
        return None
    gross = sum((change.realized_gross for change in closed), ZERO)
    return f"realized {signed(gross)} before fees and tax"
