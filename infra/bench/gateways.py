"""Null brokers that are watched, or that fill nothing."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from queue import SimpleQueue
from time import perf_counter

from domain.broker import (
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
    OrderRequest,
    Page,
    PlaceAck,
)
from domain.ports import Clock
from domain.session import ALWAYS_OPEN
from domain.terms import ZERO, AccountId, BrokerOrderId
from infra.brokers.null import NullGateway


class WatchedGateway(NullGateway):
    """A null broker that says when each placement reached it.

    Attributes:
        entries: The time of each, by ``perf_counter``.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.entries: SimpleQueue[float] = SimpleQueue()

    def place_order(self, account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Note the time, then fill the order."""
        self.entries.put(perf_counter())
        return super().place_order(account_id, order)


class RestingGateway(NullGateway):
    """A null broker that takes every order and fills none.

    It keeps nothing but references to the requests, so that an order's memory is the engine's.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._now: Callable[[], datetime] = clock.now
        self._opened_at = clock.now()
        self._resting: list[OrderRequest] = []

    def place_order(self, account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Take the order; it rests from now on."""
        del account_id
        self._resting.append(order)
        return PlaceAck(
            broker_order_id=_number(len(self._resting)),
            trade_date=ALWAYS_OPEN.trade_date(self._opened_at),
        )

    def list_orders(self, account_id: AccountId, since: datetime) -> Page[BrokerOrder]:
        """Return all orders: each is open."""
        del account_id, since
        count = len(self._resting)
        orders = map(self._told, range(1, count + 1), islice(self._resting, count))
        return Page(items=tuple(orders), is_complete=True, as_of=self._now())

    def list_fills(self, account_id: AccountId, since: datetime) -> Page[BrokerFill]:
        """Return nothing."""
        del account_id, since
        return Page(items=(), is_complete=True, as_of=self._now())

    def list_positions(self, account_id: AccountId) -> Page[BrokerPosition]:
        """Return nothing."""
        del account_id
        return Page(items=(), is_complete=True, as_of=self._now())

    def _told(self, number: int, request: OrderRequest) -> BrokerOrder:
        return BrokerOrder(
            client_order_id=request.client_order_id,
            broker_order_id=_number(number),
            trade_date=ALWAYS_OPEN.trade_date(self._opened_at),
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            order_qty=request.order_qty,
            limit_px=request.limit_px,
            cum_qty=ZERO,
            state=BrokerState.ACCEPTED,
            reason="",
            transact_time=self._opened_at,
        )


def _number(count: int) -> BrokerOrderId:
    return BrokerOrderId(f"{count:010d}")
