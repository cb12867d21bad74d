"""What an execution report means for the ledger of an order: a fill, a bust or a correction.

Nothing executed is dropped, and nothing is counted twice: an execution is known by its broker
order, its day and its id. A correction is a bust and a new fill in one.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from domain.events import Accepted, Anomaly, CancelRequested, Filled, Flagged, OrderEvent
from domain.order import Order, evolve, fill_key
from domain.position import RecordedFill
from domain.terms import ZERO, ExecId, OrderStatus


def judge_filled(order: Order, event: Filled) -> tuple[OrderEvent, ...]:
    """Return what is to be journaled of an execution report, in order."""
    booked = next((fill for fill in order.fills if fill_key(fill) == fill_key(event)), None)
    if booked is not None:
        return _judge_again(booked, event)
    if event.exec_ref_id is not None:
        return _judge_change(order, event)
    if event.last_qty < 0:
        return _judge_bust(order, event)
    return () if _correction_of(order, event) is not None else _booked(order, event)


def recorded_fill(order: Order, fill: Filled, seq: int) -> RecordedFill:
    """Return the execution as the ledger has it; ``seq`` is that of its journal row."""
    return RecordedFill(
        seq=seq,
        client_order_id=order.client_order_id,
        broker_order_id=fill.broker_order_id,
        exec_id=fill.exec_id,
        trade_date=fill.trade_date,
        symbol=order.signal.symbol,
        side=order.signal.side,
        last_qty=fill.last_qty,
        last_px=fill.last_px,
        commission=fill.commission,
        tax=fill.tax,
        transact_time=fill.transact_time,
    )


def second(order: Order, event: Accepted | Filled) -> Flagged:
    """Return the flag of news under another number than the order's."""
    detail = f"broker order {event.broker_order_id} beside {order.broker_order_id}"
    return Flagged(anomaly=Anomaly.SECOND_BROKER_ORDER, detail=detail, at=event.at)


def unwanted(event: Accepted | Filled) -> CancelRequested:
    """Return the wish to cancel what is at the broker after it was given up here."""
    return CancelRequested(
        reason="found at the broker after it had been given up",
        requested_by="oncefill",
        at=event.at,
    )


def _judge_again(booked: Filled, event: Filled) -> tuple[OrderEvent, ...]:
    """What was told before is known; with other numbers and no word of a correction, a conflict."""
    told, known = (event.last_qty, event.last_px), (booked.last_qty, booked.last_px)
    if event.last_qty <= 0 or told == known:
        return ()
    detail = (
        f"execution {event.exec_id}: {told[0]} at {told[1]}, booked as {known[0]} at {known[1]}; "
        "nothing was changed"
    )
    return (Flagged(anomaly=Anomaly.CONFLICTING_FILL, detail=detail, at=event.at),)


def _booked(order: Order, event: Filled) -> tuple[OrderEvent, ...]:
    recorded: list[OrderEvent] = [event]
    if order.broker_order_id not in (None, event.broker_order_id):
        recorded.append(second(order, event))
    ended = order.closure
    is_given_up = order.broker_order_id is None
    if ended is not None and (
        is_given_up or ended.status in (OrderStatus.REJECTED, OrderStatus.FAILED)
    ):
        detail = f"execution {event.exec_id} of {event.last_qty} after {ended.status}"
        recorded.append(Flagged(anomaly=Anomaly.FILL_AFTER_END, detail=detail, at=event.at))
        if is_given_up and order.cum_qty + event.last_qty < order.order_qty:
            recorded.append(unwanted(event))
    if order.cum_qty + event.last_qty > order.order_qty:
        detail = f"execution {event.exec_id} fills more than the {order.order_qty} ordered"
        recorded.append(Flagged(anomaly=Anomaly.OVER_FILL, detail=detail, at=event.at))
    return tuple(recorded)


def _judge_bust(order: Order, event: Filled) -> tuple[OrderEvent, ...]:
    """A withdrawn execution comes off the ledger; one that we never booked is only flagged."""
    is_ours = order.broker_order_id == event.broker_order_id
    is_booked = is_ours and order.cum_qty + event.last_qty >= 0
    flag = _busted(event)
    if is_booked:
        return event, flag
    return (replace(flag, detail=f"{flag.detail}, of {order.cum_qty} booked; {_NOTHING}"),)


def _judge_change(order: Order, event: Filled) -> tuple[OrderEvent, ...]:
    """Judge a report about an earlier execution: withdrawn, or replaced by this one."""
    changed = _standing(order, event)
    if event.last_qty > 0:
        return _judge_correction(order, event, changed)
    if changed is None:
        detail = f"execution {event.exec_ref_id} withdrawn, which is not booked; {_NOTHING}"
        return (Flagged(anomaly=Anomaly.BUSTED, detail=detail, at=event.at),)
    bust = _withdrawal(changed, event)
    return bust, _busted(bust)


def _judge_correction(
    order: Order, event: Filled, changed: Filled | None
) -> tuple[OrderEvent, ...]:
    """A bust and a new fill in one commit; where it was corrected further, that goes off again."""
    bust = None if changed is None else _replaced(changed, event)
    fill = event if changed is None else replace(event, exec_ref_id=changed.exec_id)
    was = f"execution {event.exec_ref_id}, which is not booked,"
    if changed is not None:
        was = f"execution {changed.exec_id} of {changed.last_qty} at {changed.last_px}"
    detail = f"{was} is {event.last_qty} at {event.last_px}, as execution {event.exec_id}"
    flag = Flagged(anomaly=Anomaly.CORRECTED, detail=detail, at=event.at)
    following = _correction_of(order, event)
    booked: tuple[OrderEvent, ...]
    if following is None:
        booked = _booked(order if bust is None else evolve(order, bust), fill)
    else:
        booked = (fill, _replaced(fill, following))
    return *(() if bust is None else (bust,)), *booked, flag


def _standing(order: Order, event: Filled) -> Filled | None:
    """Return what stands of the execution that a report is about; None when nothing does.

    Brokers name either the latest correction of a chain or the execution it began with.
    """
    ledger = [fill for fill in order.fills if fill.broker_order_id == event.broker_order_id]
    fills = [fill for fill in ledger if fill.last_qty > 0]
    found = next((fill for fill in fills if fill.exec_id == event.exec_ref_id), None)
    for _ in fills:
        wanted = event.exec_ref_id if found is None else found.exec_id
        found = next((fill for fill in fills if fill.exec_ref_id == wanted), found)
    if found is None:
        return None
    off = [f for f in ledger if f.last_qty < 0 and f.exec_ref_id == found.exec_id]
    left = replace(
        found,
        last_qty=found.last_qty + _sum(fill.last_qty for fill in off),
        commission=found.commission + _sum(fill.commission for fill in off),
        tax=found.tax + _sum(fill.tax for fill in off),
    )
    return left if 0 < left.last_qty <= order.cum_qty else None


def _correction_of(order: Order, event: Filled) -> Filled | None:
    """Return the correction of this very execution, if it was booked before this came."""
    for fill in order.fills:
        is_same = (fill.broker_order_id, fill.exec_ref_id) == (event.broker_order_id, event.exec_id)
        if is_same and fill.last_qty > 0:
            return fill
    return None


def _replaced(standing: Filled, by: Filled) -> Filled:
    """Return what takes an execution off in favour of its correction."""
    off = ExecId(f"{by.exec_id}:{standing.exec_id}")
    return _withdrawal(standing, replace(by, exec_id=off, last_qty=ZERO))


def _withdrawal(standing: Filled, event: Filled) -> Filled:
    """Return what takes an execution off: all that stands of it, or as much as is told.

    Fees of the whole go back as they were booked.
    """
    if ZERO < -event.last_qty < standing.last_qty:
        return replace(event, last_px=standing.last_px, exec_ref_id=standing.exec_id)
    return replace(
        event,
        last_qty=-standing.last_qty,
        last_px=standing.last_px,
        commission=-standing.commission,
        tax=-standing.tax,
        is_fee_from_broker=standing.is_fee_from_broker,
        exec_ref_id=standing.exec_id,
    )


def _busted(event: Filled) -> Flagged:
    detail = f"execution {event.exec_id}: {-event.last_qty} at {event.last_px} withdrawn"
    return Flagged(anomaly=Anomaly.BUSTED, detail=detail, at=event.at)


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)


_NOTHING = "nothing was taken off"
