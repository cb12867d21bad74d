"""What may happen to an order, and what follows: the rules of its life.

``decide`` judges one event against the facts and says what is written down: the event itself, a
flag beside it, or nothing when it was known. An illegal move of ours raises; the broker's news is
never dropped. ``next_step`` derives what is due from the facts alone, so a restarted actor does
exactly what a running one would.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.broker import ENDED, BrokerOrder, BrokerState
from domain.errors import IllegalMoveError
from domain.events import (
    Accepted,
    Anomaly,
    CancelEnded,
    Cancelled,
    CancelOutcome,
    CancelRequested,
    CancelStarted,
    Expired,
    Failed,
    Filled,
    Flagged,
    LookedUp,
    OrderCreated,
    OrderEvent,
    OurOrderEvent,
    Overdue,
    Rejected,
    Report,
    Resolved,
    Restated,
    Source,
    StandingChanged,
    SubmitDoubted,
    SubmitFailed,
    SubmitStarted,
)
from domain.executions import judge_filled, second, unwanted
from domain.order import Order, evolve, flag_text
from domain.terms import OrderStatus, Standing

S = OrderStatus

LEGAL_CHANGES: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    S.PENDING: frozenset({S.SUBMITTED, S.CANCELLED, S.FAILED, S.PARTIAL, S.FILLED}),
    S.SUBMITTED: frozenset(
        # PENDING: the attempt certainly did not become an order, another may follow.
        {S.PENDING, S.IN_DOUBT, S.PARTIAL, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}
    ),
    S.IN_DOUBT: frozenset({S.PENDING, S.SUBMITTED, S.PARTIAL, S.FILLED, S.REJECTED}),
    # SUBMITTED: all that was filled was withdrawn.
    S.PARTIAL: frozenset({S.FILLED, S.CANCELLED, S.EXPIRED, S.SUBMITTED}),
    # An execution was withdrawn: the order is open again, or as it had ended before.
    S.FILLED: frozenset({S.PARTIAL, S.SUBMITTED, S.CANCELLED, S.EXPIRED}),
    # Back to SUBMITTED or PARTIAL: given up here, then found at the broker after all.
    S.CANCELLED: frozenset({S.FILLED, S.SUBMITTED, S.PARTIAL}),
    S.EXPIRED: frozenset({S.FILLED}),
    S.REJECTED: frozenset({S.SUBMITTED, S.PARTIAL, S.FILLED}),
    S.FAILED: frozenset({S.SUBMITTED, S.PARTIAL, S.FILLED}),
}
"""Every change of status that one journaled event can make; staying as it is always is legal."""


_STANDINGS: Mapping[BrokerState, Standing] = {
    BrokerState.STOPPED: Standing.STOPPED,
    BrokerState.SUSPENDED: Standing.SUSPENDED,
}


class Step(StrEnum):
    """What is due for an order."""

    SUBMIT = "SUBMIT"  # Send it; nothing of unknown fate is out.
    AWAIT = "AWAIT"  # An attempt is under way; its answer, or its loss, comes next.
    LOOK_UP = "LOOK_UP"  # Ask the broker whether it has the order.
    WITHDRAW = "WITHDRAW"  # Cancelled before it was sent: no call is needed.
    CANCEL = "CANCEL"  # Ask the broker to take it off the book.
    FOLLOW = "FOLLOW"  # Working at the broker; reports tell the rest.
    REST = "REST"  # Ended.


def next_step(order: Order, *, max_cancel_requests: int) -> Step:
    """Return what is due, from the facts alone."""
    if order.is_closed:
        return Step.REST
    if order.broker_order_id is not None:
        cancel = order.cancel
        if cancel is None or cancel.is_asking or cancel.is_acknowledged:
            return Step.FOLLOW
        return Step.CANCEL if cancel.requests < max_cancel_requests else Step.FOLLOW
    if order.placement is not None:
        return Step.AWAIT if order.placement.doubt is None else Step.LOOK_UP
    return Step.SUBMIT if order.cancel is None else Step.WITHDRAW


def decide(order: Order, event: OrderEvent) -> tuple[Order, tuple[OrderEvent, ...]]:
    """Return the order after ``event`` and what is to be journaled, in order.

    Raises:
        IllegalMoveError: ``event`` is our own move and the order's facts do not allow it.
    """
    recorded: list[OrderEvent] = []
    for item in _judge(order, event):
        if isinstance(item, Flagged) and flag_text(item) in order.flags:
            continue
        order = evolve(order, item)
        recorded.append(item)
    return order, tuple(recorded)


def _judge(order: Order, event: OrderEvent) -> tuple[OrderEvent, ...]:
    return _judge_report(order, event) if isinstance(event, Report) else _judge_ours(order, event)


def reports_in(order: Order, news: BrokerOrder, source: Source, at: datetime) -> tuple[Report, ...]:
    """Return what the broker's word on an order means, as events to decide on.

    An end is not believed while the broker counts more fills than we have booked: they come
    first, so that an order never ends with a fill missing.
    """
    accepted = Accepted(
        broker_order_id=news.broker_order_id, trade_date=news.trade_date, source=source, at=at
    )
    is_other = order.broker_order_id not in (None, news.broker_order_id)
    if is_other:
        return (accepted,)
    if news.state not in ENDED:
        return (accepted, *_unasked(order, news, at))
    return (accepted,) if news.cum_qty > order.cum_qty else (accepted, _end_in(news, at))


def _unasked(order: Order, news: BrokerOrder, at: datetime) -> tuple[Report, ...]:
    """Return what the venue did to an open order by itself: other terms, or another standing."""
    reports: list[Report] = []
    px = order.limit_px if None in (order.limit_px, news.limit_px) else news.limit_px
    if (news.order_qty, px) != (order.order_qty, order.limit_px):
        restated = Restated(order_qty=news.order_qty, limit_px=px, reason=news.reason, at=at)
        reports.append(restated)
    standing = _STANDINGS.get(news.state, Standing.WORKING)
    if standing is not order.standing:
        reports.append(StandingChanged(standing=standing, reason=news.reason, at=at))
    return tuple(reports)


def _end_in(news: BrokerOrder, at: datetime) -> Report:
    if news.state is BrokerState.CANCELLED:
        return Cancelled(reason=news.reason, at=at)
    if news.state is BrokerState.REJECTED:
        return Rejected(reason=news.reason, code="", at=at)
    # Every order is one of its day: what is done for the day is done.
    is_done = news.state is BrokerState.DONE_FOR_DAY
    return Expired(reason=news.reason or ("done for the day" if is_done else ""), at=at)


def _judge_report(order: Order, event: Report) -> tuple[OrderEvent, ...]:
    match event:
        case Accepted():
            return _judge_accepted(order, event)
        case Filled():
            return judge_filled(order, event)
        case Rejected():
            return _judge_rejected(order, event)
        case Cancelled():
            # Without a broker's number it is our own word, for an order that was never sent.
            is_unsent = order.placement is None and order.cancel is not None
            _require(
                order.is_closed or order.broker_order_id is not None or is_unsent, order, event
            )
            return () if order.is_closed else (event,)
        case Expired():
            return _judge_expired(order, event)
        case Restated():
            return _judge_restated(order, event)
        case StandingChanged():
            is_news = _is_working(order) and event.standing is not order.standing
            return (event,) if is_news else ()
        case _:
            assert_never(event)


def _judge_expired(order: Order, event: Expired) -> tuple[OrderEvent, ...]:
    if order.is_closed:
        return ()
    return (event,) if order.broker_order_id is not None else (_unexpected(event),)


def _is_working(order: Order) -> bool:
    return order.broker_order_id is not None and not order.is_closed


def _judge_restated(order: Order, event: Restated) -> tuple[OrderEvent, ...]:
    """Take the venue's terms for an open order; what is reduced to nothing is cancelled."""
    is_known = (event.order_qty, event.limit_px) == (order.order_qty, order.limit_px)
    if is_known or not _is_working(order):
        return ()
    if event.order_qty <= 0:
        return (Cancelled(reason=event.reason or "restated to nothing", at=event.at),)
    if event.order_qty <= max(order.order_qty, order.signal.order_qty):
        return (event,)
    detail = f"restated to {event.order_qty}, {order.signal.order_qty} were wanted"
    return event, Flagged(anomaly=Anomaly.RAISED, detail=detail, at=event.at)


def _judge_accepted(order: Order, event: Accepted) -> tuple[OrderEvent, ...]:
    if order.broker_order_id is None:
        if order.closure is None:
            return (event,)
        detail = f"broker order {event.broker_order_id} found after {order.status}"
        found = Flagged(anomaly=Anomaly.FOUND_AFTER_END, detail=detail, at=event.at)
        return event, found, unwanted(event)
    if order.broker_order_id == event.broker_order_id:
        return ()
    return (second(order, event),)


def _judge_rejected(order: Order, event: Rejected) -> tuple[OrderEvent, ...]:
    if order.is_closed:
        return ()
    if order.cum_qty:
        # What was filled stands; the rest is off the book all the same.
        flag = Flagged(anomaly=Anomaly.REJECTED_AFTER_FILL, detail=event.reason, at=event.at)
        return flag, Cancelled(reason=event.reason, at=event.at)
    if order.placement is None and order.broker_order_id is None:
        return (_unexpected(event),)
    return (event,)


def _unexpected(event: Rejected | Expired) -> Flagged:
    return Flagged(anomaly=Anomaly.UNEXPECTED_END, detail=event.reason, at=event.at)


def _judge_ours(order: Order, event: OurOrderEvent) -> tuple[OrderEvent, ...]:
    _require(not isinstance(event, OrderCreated), order, event)
    match event:
        case SubmitStarted() | SubmitFailed() | SubmitDoubted() | LookedUp() | Failed():
            return _judge_submit(order, event)
        case CancelRequested():
            return () if order.is_closed or order.cancel is not None else (event,)
        case CancelStarted() | CancelEnded():
            return _judge_cancel(order, event)
        case Overdue():
            return () if order.is_closed or order.is_overdue else (event,)
        case Resolved():
            _require(order.status is S.IN_DOUBT, order, event)
            return (event,)
        case _:
            return (event,)


def _judge_submit(
    order: Order, event: SubmitStarted | SubmitFailed | SubmitDoubted | LookedUp | Failed
) -> tuple[OrderEvent, ...]:
    match event:
        case SubmitStarted():
            is_due = next_step(order, max_cancel_requests=0) is Step.SUBMIT
            _require(is_due and event.attempt == order.attempts + 1, order, event)
        case SubmitFailed() | SubmitDoubted():
            placement = order.placement
            _require(placement is not None and placement.attempt == event.attempt, order, event)
        case LookedUp():
            _require(order.status is S.IN_DOUBT, order, event)
        case Failed():
            is_unsent = order.placement is None and order.broker_order_id is None
            _require(is_unsent and not order.is_closed, order, event)
        case _:
            assert_never(event)
    is_known = isinstance(event, SubmitDoubted) and order.status is S.IN_DOUBT
    return () if is_known else (event,)


def _judge_cancel(order: Order, event: CancelStarted | CancelEnded) -> tuple[OrderEvent, ...]:
    cancel = order.cancel
    if isinstance(event, CancelEnded):
        is_latest = cancel is not None and order.cancel_requests == event.number
        return (event,) if is_latest and not order.is_closed else ()
    is_due = next_step(order, max_cancel_requests=event.number) is Step.CANCEL
    _require(is_due and event.number == order.cancel_requests + 1, order, event)
    return (event,)


def _require(condition: bool, order: Order, event: OrderEvent) -> None:
    if not condition:
        msg = f"{type(event).__name__} while {order.status}: order {order.client_order_id}"
        raise IllegalMoveError(msg)


_TOPICS: Mapping[type, tuple[str, ...]] = {
    OrderCreated: ("order.created",),
    SubmitStarted: ("order.submitted",),
    SubmitDoubted: ("order.in_doubt",),
    LookedUp: ("order.looked_up",),
    Accepted: ("order.accepted",),
    CancelRequested: ("order.cancel_requested",),
    CancelStarted: ("order.cancel_sent",),
    Cancelled: ("order.cancelled",),
    Expired: ("order.expired",),
    Rejected: ("order.rejected",),
    Failed: ("order.failed",),
    Restated: ("order.restated",),
    Overdue: ("order.overdue",),
    Flagged: ("order.flagged",),
    Resolved: ("order.resolved",),
}


def topics_of(event: OrderEvent, after: Order) -> tuple[str, ...]:
    """Return the names under which an event is published; ``after`` is the order with it."""
    match event:
        case Filled(last_qty=qty) if qty < 0:
            return ("order.busted",)
        case Filled():
            if after.status is S.FILLED:
                return ("order.filled",)
            return ("order.partial",) if after.status is S.PARTIAL else ("order.late_fill",)
        case StandingChanged():
            return (f"order.{event.standing.lower()}",)
        case SubmitFailed():
            # A last attempt is followed by Failed, which speaks for both.
            is_last = event.is_counted and event.retry_in_s is None
            return () if is_last else ("order.retry",)
        case CancelEnded():
            is_refused = event.outcome is CancelOutcome.REFUSED
            return ("order.cancel_refused",) if is_refused else ()
        case _:
            return _TOPICS[type(event)]
