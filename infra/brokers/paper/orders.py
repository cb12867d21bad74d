"""The broker's own values: an order in its book, an execution, an account."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from domain.broker import BrokerFill, BrokerOrder, BrokerState
from domain.money import exact, round_half_even
from domain.terms import (
    ZERO,
    AccountId,
    BrokerOrderId,
    ClientOrderId,
    OrderType,
    Side,
    Symbol,
    TimeInForce,
)

_AVG_PX_STEP = Decimal("1E-10")
OPEN_STATES = frozenset({BrokerState.ACCEPTED, BrokerState.PARTIAL})


class Due(StrEnum):
    """What was accepted for an order and takes effect later."""

    CANCEL = "CANCEL"
    REJECT = "REJECT"  # The exchange is going to refuse it; until then nothing trades.


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """One order in the broker's book.

    Attributes:
        seq: The order of arrival: time priority, and the key inside the book.
        broker_order_id: Starts again each trade date, so it is a key only together with it.
        reserve_px: Cash held back for each open share of a buy; zero for a sell.
        reserve_fee: Cash held back for the commission while the buy is open.
        exec_count: Executions so far; their numbers start at 1 in each order.
        due: What happens at ``due_at``, or None.
    """

    seq: int
    account_id: AccountId
    trade_date: date
    broker_order_id: BrokerOrderId
    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    order_qty: Decimal
    limit_px: Decimal | None
    reserve_px: Decimal
    reserve_fee: Decimal
    cum_qty: Decimal = ZERO
    exec_count: int = 0
    state: BrokerState = BrokerState.ACCEPTED
    reason: str = ""
    due: Due | None = None
    due_at: datetime | None = None
    accepted_at: datetime
    transact_time: datetime

    @property
    def leaves_qty(self) -> Decimal:
        """Return the quantity that may still trade."""
        return self.order_qty - self.cum_qty if self.is_open else ZERO

    @property
    def is_open(self) -> bool:
        """True while the order works at the broker."""
        return self.state in OPEN_STATES

    @property
    def reserved_cash(self) -> Decimal:
        """Return the cash that this order holds back."""
        if self.side is Side.SELL or not self.is_open:
            return ZERO
        with exact():
            return self.reserve_px * self.leaves_qty + self.reserve_fee

    def told(self) -> BrokerOrder:
        """Return the order as the broker tells it."""
        return BrokerOrder(
            client_order_id=self.client_order_id,
            broker_order_id=self.broker_order_id,
            trade_date=self.trade_date,
            symbol=self.symbol,
            side=self.side,
            order_type=self.order_type,
            order_qty=self.order_qty,
            limit_px=self.limit_px,
            cum_qty=self.cum_qty,
            state=self.state,
            reason=self.reason,
            transact_time=self.transact_time,
            placed_at=self.accepted_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of the order with number ``order_seq``, and what is told about it."""

    order_seq: int
    account_id: AccountId
    fill: BrokerFill


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Shares of one symbol; negative is short. ``avg_px`` is the average cost, fees left out."""

    qty: Decimal = ZERO
    avg_px: Decimal = ZERO

    def after(self, side: Side, last_qty: Decimal, last_px: Decimal) -> Self:
        """Return the holding after one execution; what crosses zero opens at ``last_px``."""
        signed = side.sign * last_qty
        qty = self.qty + signed
        if qty == 0:
            return type(self)()
        if self.qty * signed >= 0:
            with exact():
                cost = self.avg_px * abs(self.qty) + last_px * last_qty
                return type(self)(qty=qty, avg_px=round_half_even(cost / abs(qty), _AVG_PX_STEP))
        return type(self)(qty=qty, avg_px=self.avg_px if self.qty * qty > 0 else last_px)


@dataclass(slots=True, kw_only=True)
class Account:
    """Cash and shares of one account, folded from its executions and open orders.

    Attributes:
        cash: Opening cash, less buys, plus sells, less commissions and taxes.
        reserved_cash: Held back for open buys.
        reserved_qty: Shares held back for open sells.
    """

    cash: Decimal
    holdings: dict[Symbol, Holding] = field(default_factory=dict)
    reserved_cash: Decimal = ZERO
    reserved_qty: dict[Symbol, Decimal] = field(default_factory=dict)

    def book(self, fill: BrokerFill) -> None:
        """Count one execution."""
        with exact():
            charges = (fill.commission or ZERO) + (fill.tax or ZERO)
            self.cash -= fill.side.sign * fill.last_qty * fill.last_px + charges
        held = self.holdings.get(fill.symbol, Holding())
        self.holdings[fill.symbol] = held.after(fill.side, fill.last_qty, fill.last_px)

    def reserve(self, order: PaperOrder, sign: int) -> None:
        """Hold back (+1) or let go of (-1) what ``order`` needs while it is open."""
        with exact():
            self.reserved_cash += sign * order.reserved_cash
        if order.side is Side.SELL:
            held = self.reserved_qty.get(order.symbol, ZERO)
            self.reserved_qty[order.symbol] = held + sign * order.leaves_qty

    def sellable(self, symbol: Symbol) -> Decimal:
        """Return the shares held that no open sell claims; negative when short."""
        held = self.holdings.get(symbol, Holding()).qty
        return held - self.reserved_qty.get(symbol, ZERO)
