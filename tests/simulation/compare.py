"""How the record and the broker's book are held against each other, one by one."""

from typing import Any

from domain.broker import BrokerState
from domain.events import Filled
from domain.signal import Signal
from domain.terms import OrderStatus, OrderType
from tests.simulation.book import Booked

ENDS = {
    BrokerState.ACCEPTED: OrderStatus.SUBMITTED,
    BrokerState.PARTIAL: OrderStatus.PARTIAL,
    BrokerState.FILLED: OrderStatus.FILLED,
    BrokerState.CANCELLED: OrderStatus.CANCELLED,
    BrokerState.REJECTED: OrderStatus.REJECTED,
    BrokerState.EXPIRED: OrderStatus.EXPIRED,
}


def says(request: Any, signal: Signal) -> bool:
    """Return whether what leaves is what was signalled."""
    is_whole = request.order_qty > 0 and request.order_qty == int(request.order_qty)
    has_px = request.limit_px is not None
    return (
        is_whole
        and has_px is (request.order_type is OrderType.LIMIT)
        and request.symbol == signal.symbol
        and request.side is signal.side
        and request.order_qty == signal.order_qty
        and request.order_type is signal.order_type
        and request.limit_px == signal.limit_px
        and request.time_in_force is signal.time_in_force
    )


def is_in(fill: Filled, booked: Booked) -> bool:
    """Return whether the broker made that execution of the order."""
    number = int(fill.exec_id)
    theirs = booked.fills[number - 1] if number <= len(booked.fills) else None
    told = (fill.last_qty, fill.last_px)
    return theirs is not None and (theirs.last_qty, theirs.last_px) == told
