"""Plain words for what happens to an order: why it is where it is, and what comes next."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, assert_never

from domain.events import (
    Accepted,
    CancelEnded,
    Cancelled,
    CancelOutcome,
    CancelRequested,
    EngineStarted,
    EngineStopped,
    Expired,
    Failed,
    Filled,
    Flagged,
    LookedUp,
    OrderCreated,
    OrderEvent,
    Overdue,
    Proof,
    Quarantined,
    ReconcileBroke,
    Rejected,
    Resolved,
    Restated,
    SignalRefused,
    StandingChanged,
    SubmitDoubted,
    SubmitFailed,
    SubmitStarted,
)
from domain.money import exact, round_half_even, trim
from domain.order import Order
from domain.position import PositionChanged
from domain.terms import ZERO, OrderStatus, OrderType, Standing

_CENT = Decimal("0.01")
_WITHOUT_CENTS = Decimal(1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One order as a screen knows it.

    Attributes:
        last: Its latest event.
        cancel_reason: Why somebody wanted it off the book; empty when nobody did.
        was_in_doubt: An answer about it was lost at some time.
        closed_qty: Shares of other orders' positions that its fills closed.
        realized_gross: What that earned, before fees and taxes.
    """

    order: Order
    last: OrderEvent
    cancel_reason: str = ""
    was_in_doubt: bool = False
    closed_qty: Decimal = ZERO
    realized_gross: Decimal = ZERO


def number(value: Decimal) -> str:
    """Return a number for people: thousands apart, at most two decimals (half even)."""
    whole = trim(value)
    exponent = whole.as_tuple().exponent
    assert isinstance(exponent, int), "money is finite"
    return f"{whole:,}" if exponent >= 0 else f"{round_half_even(value, _CENT):,.2f}"


def money(value: Decimal) -> str:
    """Return a profit or a loss with its sign; nobody reads the cents of a thousand."""
    shown = round_half_even(value, Decimal(1)) if abs(value) >= _WITHOUT_CENTS else value
    return signed(shown)


def signed(value: Decimal) -> str:
    """Return a profit or a loss, always with its sign; nothing is 0."""
    return f"+{number(value)}" if value > 0 else number(value)


def terms(order: Order) -> str:
    """Return how an order trades: MARKET, or LIMIT and its price; DAY is not said."""
    signal = order.signal
    px = "" if signal.limit_px is None else f" {number(signal.limit_px)}"
    in_force = "" if signal.time_in_force == "DAY" else f" {signal.time_in_force}"
    return f"{signal.order_type}{px}{in_force}"


def next_words(seen: Seen, attempts: int) -> str:
    """Return why the order is where it is, or what it waits for.

    Args:
        seen: The order.
        attempts: How many placements the settings allow.
    """
    flag = f"LOOK: {seen.order.flags[-1]}; " if seen.order.flags else ""
    return flag + _status_words(seen, attempts)


def _status_words(seen: Seen, attempts: int) -> str:
    order = seen.order
    match order.status:
        case OrderStatus.PENDING:
            return _unsent_words(seen, attempts)
        case OrderStatus.SUBMITTED | OrderStatus.PARTIAL:
            return _working_words(seen, attempts)
        case OrderStatus.IN_DOUBT:
            asked = "not found yet, " if isinstance(seen.last, LookedUp) else ""
            return f"sent, answer lost; {asked}asking the broker"
        case OrderStatus.FILLED:
            return _filled_words(seen)
        case OrderStatus.CANCELLED:
            return seen.cancel_reason or order.reason
        case OrderStatus.EXPIRED | OrderStatus.REJECTED | OrderStatus.FAILED:
            return order.reason
        case _:
            assert_never(order.status)


def _unsent_words(seen: Seen, attempts: int) -> str:
    if isinstance(seen.last, SubmitFailed) and seen.last.retry_in_s:
        return _wait_words(seen.last, attempts)
    return "waits for its turn to be sent"


def _wait_words(failed: SubmitFailed, attempts: int) -> str:
    attempt = failed.attempt + 1 if failed.is_counted else failed.attempt
    return f"waits {failed.retry_in_s:g} s before attempt {attempt} of {attempts}"


def _working_words(seen: Seen, attempts: int) -> str:
    order = seen.order
    if order.cancel is not None:
        return f"cancel asked: {order.cancel.reason}"
    if order.broker_order_id is None:
        again = f" (attempt {order.attempts} of {attempts})" if order.attempts > 1 else ""
        return f"sent, waits for the answer{again}"
    overdue = "overdue; " if order.is_overdue else ""
    if order.standing is not Standing.WORKING:
        overdue += f"{order.standing.lower()}; "
    if order.cum_qty:
        return f"{overdue}{number(order.leaves_qty)} to go, waits for volume"
    is_limit = order.signal.order_type is OrderType.LIMIT
    return overdue + ("at the broker, waits for its price" if is_limit else "at the broker")


def _filled_words(seen: Seen) -> str:
    order = seen.order
    if seen.closed_qty:
        with exact():
            net = seen.realized_gross - order.commission - order.tax
        return f"P&L {money(net)} after fees"
    if seen.was_in_doubt:
        return "found at the broker, sent once"
    if order.attempts > 1:
        return f"sent on attempt {order.attempts}"
    return f"in {len(order.fills)} parts" if len(order.fills) > 1 else ""


def order_words(event: OrderEvent, seen: Seen, attempts: int) -> str:
    """Return the line of an event for the tape; empty when it says nothing to a trader."""
    match event:
        case OrderCreated():
            return f"{number(seen.order.order_qty)}, {terms(seen.order)}, {event.signal.signal_id}"
        case SubmitStarted() | SubmitFailed() | SubmitDoubted() | LookedUp():
            return _sending_words(event, attempts)
        case Accepted():
            if seen.was_in_doubt:
                return f"found at the broker by {event.source.lower()}; it is sent no second time"
            return f"at the broker as {event.broker_order_id.lstrip('0')}"
        case Filled():
            return _fill_words(event, seen.order)
        case Cancelled() | Expired() | Rejected() | Failed():
            return _end_words(event, seen)
        case _:
            return _note_words(event)


def _note_words(event: OrderEvent) -> str:
    match event:
        case CancelRequested():
            return f"cancel asked: {event.reason}"
        case CancelEnded(outcome=CancelOutcome.REFUSED):
            return f"cancel refused: {event.reason}"
        case Overdue():
            return f"overdue: open for {event.open_for_s:.0f} s"
        case Restated():
            return f"restated to {number(event.order_qty)} by the venue: {event.reason}"
        case StandingChanged():
            return f"{event.standing.lower()} at the venue: {event.reason}"
        case Resolved():
            return f"resolved, {event.verdict.lower()}: {event.reason}"
        case Flagged():
            return f"LOOK, {event.anomaly}: {event.detail}"
        case _:
            return ""


def _sending_words(
    event: SubmitStarted | SubmitFailed | SubmitDoubted | LookedUp, attempts: int
) -> str:
    match event:
        case SubmitStarted():
            return f"attempt {event.attempt} of {attempts}" if event.attempt > 1 else ""
        case SubmitFailed(proof=Proof.EXPIRED):
            return ""
        case SubmitFailed():
            ahead = f", {_wait_words(event, attempts)}" if event.retry_in_s is not None else ""
            return f"not sent{ahead}: {event.reason}"
        case SubmitDoubted():
            return f"answer lost, asking the broker: {event.reason}"
        case LookedUp():
            return event.reason
        case _:
            assert_never(event)


def _fill_words(fill: Filled, order: Order) -> str:
    if fill.last_qty < 0:
        return f"{number(-fill.last_qty)} at {number(fill.last_px)} WITHDRAWN by the broker"
    rest = f"{number(order.leaves_qty)} to go" if order.leaves_qty else "done"
    return f"{number(fill.last_qty)} at {number(fill.last_px)}, {rest}"


def _end_words(event: Cancelled | Expired | Rejected | Failed, seen: Seen) -> str:
    order = seen.order
    reason = seen.cancel_reason if isinstance(event, Cancelled) else ""
    filled = f" with {number(order.cum_qty)} filled" if order.cum_qty else ""
    return f"{type(event).__name__.lower()}{filled}: {reason or event.reason}"


def other_words(event: Any) -> str:
    """Return the line of an event that belongs to no order; empty when it says nothing."""
    match event:
        case PositionChanged() if event.closed_qty:
            return _closed_words(event)
        case SignalRefused():
            return f"signal {event.signal_id} refused: {event.field}: {event.reason}"
        case EngineStarted():
            return "engine started"
        case EngineStopped():
            return f"engine stopped: {event.reason}"
        case Quarantined():
            return f"LOOK: {event.actor} put a {event.message_kind} aside: {event.error}"
        case ReconcileBroke():
            return f"LOOK: {event.subject}: ours {event.ours}, the broker's {event.theirs}"
        case _:
            return ""


def _closed_words(event: PositionChanged) -> str:
    with exact():
        fees = event.commission + event.tax
        net = event.realized_gross - fees
    left = f"{number(event.qty)} left" if event.qty else "flat"
    return (
        f"P&L {money(net)}, {number(event.closed_qty)} closed at {number(event.last_px)}, {left} "
        f"(gross {money(event.realized_gross)}, fees {number(fees)})"
    )
