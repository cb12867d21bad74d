"""A broker that only remembers: everything fills completely at once. For benchmarks."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import count, takewhile
from typing import TypeVar

from domain.broker import (
    Absent,
    BrokerBalance,
    BrokerCapabilities,
    BrokerFill,
    BrokerNews,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
    CancelAck,
    ClientIdSupport,
    FindResult,
    Found,
    OrderRef,
    OrderRequest,
    Page,
    PlaceAck,
)
from domain.errors import RefusedError
from domain.money import exact
from domain.ports import Clock
from domain.session import ALWAYS_OPEN, Session
from domain.terms import (
    ZERO,
    AccountId,
    BrokerOrderId,
    ClientOrderId,
    ExecId,
    OrderType,
    RequestId,
    Symbol,
    TimeInForce,
)

T = TypeVar("T")


class NullGateway:
    """A BrokerGateway in memory. Fills come with the acknowledgement, at the limit or at ``px``.

    One account whatever it is called, no fees of its own, nothing survives the process.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        px: Decimal = Decimal(70_000),
        cash: Decimal = ZERO,
        session: Session = ALWAYS_OPEN,
    ) -> None:
        self._clock = clock
        self._px = px
        self._cash = cash
        self._session = session
        self._numbers = count(1)
        self._orders: dict[ClientOrderId, BrokerOrder] = {}
        self._fills: list[BrokerFill] = []

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What the null broker can do."""
        return BrokerCapabilities(
            name="null",
            client_ids=ClientIdSupport.UNIQUE,
            order_types=frozenset(OrderType),
            times_in_force=frozenset(TimeInForce),
            has_stream=False,
            has_exec_ids=True,
            shorting=True,
            is_live=False,
        )

    def place_order(self, account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Fill the order completely, at once."""
        del account_id
        if order.client_order_id in self._orders:
            text = f"The client order id {order.client_order_id} was used before."
            raise RefusedError(text, code="DUPLICATE")
        now = self._clock.now()
        trade_date = self._session.trade_date(now)
        told = BrokerOrder(
            client_order_id=order.client_order_id,
            broker_order_id=BrokerOrderId(f"{next(self._numbers):010d}"),
            trade_date=trade_date,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            order_qty=order.order_qty,
            limit_px=order.limit_px,
            cum_qty=order.order_qty,
            state=BrokerState.FILLED,
            reason="",
            transact_time=now,
        )
        fill = self._fill(told)
        self._orders[order.client_order_id] = told
        self._fills.append(fill)
        return PlaceAck(broker_order_id=told.broker_order_id, trade_date=trade_date, fills=(fill,))

    def cancel_order(
        self, account_id: AccountId, ref: OrderRef, request_id: RequestId
    ) -> CancelAck:
        """Refuse: everything is filled already."""
        del account_id, request_id
        text = f"The order {ref.broker_order_id} is filled or unknown: nothing to cancel."
        raise RefusedError(text, code="NOTHING_TO_CANCEL")

    def find_order(self, account_id: AccountId, client_order_id: ClientOrderId) -> FindResult:
        """Return the order placed under ``client_order_id``, or Absent."""
        del account_id
        order = self._orders.get(client_order_id)
        return Absent(is_complete=True) if order is None else Found(order=order)

    def list_orders(self, account_id: AccountId, since: datetime) -> Page[BrokerOrder]:
        """Return all orders placed at or after ``since``, oldest first."""
        del account_id
        newest_first = reversed(self._orders.values())
        return self._page(takewhile(lambda each: each.transact_time >= since, newest_first))

    def list_fills(self, account_id: AccountId, since: datetime) -> Page[BrokerFill]:
        """Return all executions at or after ``since``, oldest first."""
        del account_id
        newest_first = reversed(self._fills)
        return self._page(takewhile(lambda each: each.transact_time >= since, newest_first))

    def list_positions(self, account_id: AccountId) -> Page[BrokerPosition]:
        """Return what the fills add up to; ``avg_px`` is the last price, no average is kept."""
        del account_id
        held: dict[Symbol, Decimal] = {}
        last_px: dict[Symbol, Decimal] = {}
        with exact():
            for fill in self._fills:
                qty = held.get(fill.symbol, ZERO) + fill.side.sign * fill.last_qty
                held[fill.symbol], last_px[fill.symbol] = qty, fill.last_px
        rows = [
            BrokerPosition(symbol=symbol, qty=qty, avg_px=last_px[symbol])
            for symbol, qty in held.items()
            if qty != 0
        ]
        return self._page(reversed(rows))

    def get_balance(self, account_id: AccountId) -> BrokerBalance:
        """Return the opening cash, less what was bought, plus what was sold."""
        with exact():
            spent = sum((f.side.sign * f.last_qty * f.last_px for f in self._fills), ZERO)
            return BrokerBalance(account_id=account_id, currency="KRW", cash=self._cash - spent)

    def subscribe(self, sink: Callable[[BrokerNews], None]) -> None:
        """Tell nothing: there is no stream."""

    def close(self) -> None:
        """Hold nothing, let go of nothing."""

    def _fill(self, order: BrokerOrder) -> BrokerFill:
        return BrokerFill(
            client_order_id=order.client_order_id,
            broker_order_id=order.broker_order_id,
            trade_date=order.trade_date,
            exec_id=ExecId("1"),
            symbol=order.symbol,
            side=order.side,
            last_qty=order.order_qty,
            last_px=self._px if order.limit_px is None else order.limit_px,
            commission=None,
            tax=None,
            transact_time=order.transact_time,
        )

    def _page(self, newest_first: Iterable[T]) -> Page[T]:
        items = tuple(newest_first)[::-1]
        return Page(items=items, is_complete=True, as_of=self._clock.now())
