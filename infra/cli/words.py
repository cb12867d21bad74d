"""Events in the words of a trader: one sentence each."""

from collections.abc import Callable
from typing import Any, Final

from domain.events import (
    Accepted,
    CancelEnded,
    Cancelled,
    CancelOutcome,
    CancelRequested,
    CancelStarted,
    EngineStarted,
    EngineStopped,
    Expired,
    Failed,
    Filled,
    Flagged,
    LookedUp,
    OrderCreated,
    Overdue,
    Proof,
    Quarantined,
    ReconcileBroke,
    Rejected,
    Resolved,
    Restated,
    SignalRefused,
    Source,
    StandingChanged,
    SubmitDoubted,
    SubmitFailed,
    SubmitStarted,
)
from domain.halt import Halted, Resumed
from domain.order import Order
from domain.position import PositionChanged
from domain.settings import Settings
from domain.signal import Signal
from domain.terms import Standing, Verdict
from infra.cli.render import (
    amount,
    duration,
    exchange_time,
    number,
    seconds,
    security,
    signed,
)

# The journal does not hold the engine's settings; a count beyond the default is told without it.
_ATTEMPTS: Final = len(Settings().retry_waits_s) + 1


def terms(signal: Signal) -> str:
    """Return what was ordered: ``BUY 100 005930 삼성전자, LIMIT at 70,000, DAY``."""
    price = "" if signal.limit_px is None else f" at {number(signal.limit_px)}"
    what = f"{signal.side} {number(signal.order_qty)} {security(signal.symbol)}"
    return f"{what}, {signal.order_type}{price}, {signal.time_in_force}"


def attempt_text(attempt: int) -> str:
    """Return ``attempt 3 of 4``."""
    return f"attempt {attempt} of {_ATTEMPTS}" if attempt <= _ATTEMPTS else f"attempt {attempt}"


def describe(event: Any, after: Order | None = None) -> str:
    """Return what happened, in words.

    Args:
        event: Of any stream of the journal.
        after: The order with the event in it, when it is one of an order and known.
    """
    if isinstance(event, Filled):
        return _filled(event, after)
    if isinstance(event, SubmitStarted):
        return _submit_started(event, after)
    if isinstance(event, Cancelled | Expired):
        return _ended(event, after)
    kind = type(event)
    return _WORDS[kind](event) if kind in _WORDS else kind.__name__


def queued(order: Order) -> str | None:
    """Return how long the order waited before its first attempt; None before that."""
    return None if order.submitted_at is None else duration(order.submitted_at - order.created_at)


def _filled(event: Filled, after: Order | None) -> str:
    qty, px = number(event.last_qty), number(event.last_px)
    what = f"filled {qty} at {px}"
    if event.exec_ref_id is not None and event.last_qty > 0:
        what = f"corrected to {qty} at {px} filled"
    elif event.last_qty < 0:
        what = f"the broker withdrew {number(-event.last_qty)} filled at {px}"
    elif after is not None and after.cum_qty == event.last_qty:
        what = f"filled {qty} of {number(after.order_qty)} at {px}"
    elif after is not None:
        done = f"{number(after.cum_qty)} of {number(after.order_qty)}"
        what = f"filled {qty} more at {px}, now {done}"
    fees = f"commission {number(event.commission)}, tax {number(event.tax)}"
    table = "" if event.is_fee_from_broker else " (by our fee table)"
    return f"{what}, {fees}{table}{_BY_SOURCE[event.source]}"


def _submit_started(event: SubmitStarted, after: Order | None) -> str:
    what = f"sending, {attempt_text(event.attempt)}"
    if after is not None and event.attempt == 1 and after.submitted_at == event.since:
        return f"{what}, after {queued(after)} in the queue"
    return what


def _ended(event: Cancelled | Expired, after: Order | None) -> str:
    what = "cancelled" if isinstance(event, Cancelled) else "expired at the end of its session"
    if after is not None:
        what += f", {number(after.cum_qty)} of {number(after.order_qty)} filled"
    return _because(what, event.reason)


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _created(event: OrderCreated) -> str:
    by = f" (strategy {event.signal.strategy_id})" if event.signal.strategy_id else ""
    until = exchange_time(event.deadline).partition(" ")[2]
    return f"signal {event.signal.signal_id} taken{by}: {terms(event.signal)}; send by {until}"


def _submit_failed(event: SubmitFailed) -> str:
    again = "no further attempt"
    if event.retry_in_s is not None:
        following = event.attempt + 1 if event.is_counted else event.attempt
        again = f"waits {seconds(event.retry_in_s)} before {attempt_text(following)}"
    spent = "" if event.is_counted else " (this one does not count)"
    return _because(f"{_BY_PROOF[event.proof]}{spent}; {again}", event.reason)


def _looked_up(event: LookedUp) -> str:
    if event.is_complete and event.is_settled:
        return event.reason
    if event.is_complete:
        return "not there yet, asking again"
    return _because("the broker could not say, asking again", event.reason)


def _accepted(event: Accepted) -> str:
    how = _BY_FINDING.get(event.source, "accepted by the broker")
    return f"{how}, broker number {event.broker_order_id}{_BY_SOURCE[event.source]}"


def _resolved(event: Resolved) -> str:
    by = f" by {event.requested_by}" if event.requested_by else ""
    what = "not at the broker"
    if event.verdict is Verdict.ADOPT:
        what = f"broker order {event.broker_order_id} of {event.trade_date} is it"
    return _because(f"decided{by}: {what}", event.reason)


def _cancel_requested(event: CancelRequested) -> str:
    return _because(f"cancel asked for{_by(event.requested_by)}", event.reason)


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _rejected(event: Rejected) -> str:
    code = f" [{event.code}]" if event.code and event.code not in event.reason else ""
    return _because("rejected by the broker", event.reason) + code


def _restated(event: Restated) -> str:
    price = "" if event.limit_px is None else f" at {number(event.limit_px)}"
    return _because(f"restated by the venue to {number(event.order_qty)}{price}", event.reason)


def _changed(event: PositionChanged) -> str:
    fill = f"{event.side} {number(event.last_qty)} at {number(event.last_px)}"
    gain = f", realized {signed(event.realized_gross)}" if event.closed_qty else ""
    fees = f"commission {amount(event.commission)}, tax {amount(event.tax)}"
    return f"{security(event.symbol)}: {fill}, holds {number(event.qty)}{gain}, {fees}"


_BY_FINDING: Final = {
    Source.LOOKUP: "found at the broker",
    Source.LOOK: "adopted",
    Source.OPERATOR: "adopted",
}
_BY_SOURCE: Final = {
    Source.ANSWER: "",
    Source.LOOKUP: " (found by asking)",
    Source.STREAM: " (told by the stream)",
    Source.POLL: " (found by the regular poll)",
    Source.LOOK: " (the only order there that looks like it)",
    Source.OPERATOR: " (by decision)",
}
_BY_PROOF: Final = {
    Proof.NOT_SENT: "did not reach the broker",
    Proof.EXPIRED: "not sent in time",
    Proof.HELD: "held back",
    Proof.RATE_LIMITED: "turned away by the broker's rate limit",
    Proof.ABSENT: "proved not to be at the broker",
    Proof.OPERATOR: "decided not to be at the broker",
}
_BY_CANCEL: Final = {
    CancelOutcome.ACKNOWLEDGED: "cancel taken by the broker; its report will say when it is done",
    CancelOutcome.REFUSED: "cancel refused by the broker",
    CancelOutcome.NOT_SENT: "the cancel did not reach the broker; trying again",
    CancelOutcome.UNKNOWN: "the cancel's answer was lost; trying again",
}
_BY_STANDING: Final = {
    Standing.WORKING: "working again at the venue",
    Standing.STOPPED: "stopped by the venue: an execution is guaranteed, and not made yet",
    Standing.SUSPENDED: "suspended by the venue",
}
_WORDS: Final[dict[type, Callable[[Any], str]]] = {
    OrderCreated: _created,
    SubmitFailed: _submit_failed,
    SubmitDoubted: lambda e: f"answer lost: {e.reason.rstrip('.')}; asking the broker",
    LookedUp: _looked_up,
    Accepted: _accepted,
    CancelRequested: _cancel_requested,
    CancelStarted: lambda e: f"cancel sent, request {number(e.number)}",
    CancelEnded: lambda e: _because(_BY_CANCEL[e.outcome], e.reason),
    Restated: _restated,
    StandingChanged: lambda e: _because(_BY_STANDING[e.standing], e.reason),
    Rejected: _rejected,
    Failed: lambda e: f"given up, never at the broker: {e.reason}",
    Overdue: lambda e: f"open for {seconds(e.open_for_s)}, longer than it should be",
    Flagged: lambda e: f"check with the broker, {_phrase(e.anomaly)}: {e.detail}",
    Resolved: _resolved,
    SignalRefused: lambda e: f"signal {e.signal_id or '(no id)'} refused: {e.reason}",
    EngineStarted: lambda e: f"engine started, epoch {number(e.epoch)}",
    EngineStopped: lambda e: f"engine stopped: {e.reason}",
    Quarantined: lambda e: f"{e.message_kind} crashed {e.actor} twice and was put aside: {e.error}",
    ReconcileBroke: lambda e: f"{e.subject}: ours {e.ours}, the broker's {e.theirs}",
    Halted: lambda e: f"trading halted for {e.scope}{_by(e.requested_by)}: {e.reason}",
    Resumed: lambda e: f"trading resumed for {e.scope}{_by(e.requested_by)}: {e.reason}",
    PositionChanged: _changed,
}


def _phrase(name: str) -> str:
    return name.lower().replace("_", " ")
