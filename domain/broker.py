"""What a broker is told and what it tells: the values that cross the gateway, in FIX's words."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from domain.terms import (
    AccountId,
    BrokerOrderId,
    ClientOrderId,
    ExecId,
    OrderType,
    Side,
    Symbol,
    TimeInForce,
)

T = TypeVar("T")


class BrokerState(StrEnum):
    """Where the broker says an order is (FIX OrdStatus 39).

    What is pending (6, A, E) is ACCEPTED or PARTIAL: such an order is live and can be filled.
    """

    ACCEPTED = "ACCEPTED"  # 0 NEW
    PARTIAL = "PARTIAL"  # 1
    FILLED = "FILLED"  # 2
    DONE_FOR_DAY = "DONE_FOR_DAY"  # 3
    CANCELLED = "CANCELLED"  # 4
    STOPPED = "STOPPED"  # 7: an execution is guaranteed; that is no fill.
    REJECTED = "REJECTED"  # 8: refused after it was accepted.
    SUSPENDED = "SUSPENDED"  # 9
    EXPIRED = "EXPIRED"  # C


# Nothing works there any more; FILLED goes by the fills.
ENDED = frozenset(
    {
        BrokerState.DONE_FOR_DAY,
        BrokerState.CANCELLED,
        BrokerState.REJECTED,
        BrokerState.EXPIRED,
    }
)


class ClientIdSupport(StrEnum):
    """What a broker does with our client order id."""

    NONE = "NONE"  # Not carried at all (KIS).
    TAG = "TAG"  # Carried, not checked.
    UNIQUE = "UNIQUE"  # Carried, a second one is refused.


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerCapabilities:
    """What a broker can do; the engine asks nothing else of it.

    Attributes:
        has_exec_ids: Executions are told one by one. Otherwise only the totals of each order are
            (``BrokerOrder.cum_qty`` with ``cum_amount`` or ``avg_px``), and fills are their
            differences.
    """

    name: str
    client_ids: ClientIdSupport
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    has_stream: bool
    has_exec_ids: bool
    shorting: bool
    is_live: bool  # Real money. Paper and simulators say False.

    @property
    def carries_client_ids(self) -> bool:
        """True when an order can be found again by our own id."""
        return self.client_ids is not ClientIdSupport.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order as it goes to the broker. ``limit_px`` is None for a market order."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    order_qty: Decimal
    order_type: OrderType
    limit_px: Decimal | None
    time_in_force: TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """What finds an order at the broker again; its numbers start anew each trade date."""

    client_order_id: ClientOrderId
    broker_order_id: BrokerOrderId
    trade_date: date
    symbol: Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFill:
    """One execution (ExecType F TRADE), or what became of one that was told before.

    Attributes:
        last_qty: Negative when that much is withdrawn; 0, with ``exec_ref_id``, when all of it is.
        last_px: Price for one share, in the instrument's currency.
        commission: Charged for this fill, or None when the broker does not say.
        tax: Charged for this fill, or None when the broker does not say.
        client_order_id: Ours, or None when the broker does not carry it or it is not ours.
        exec_ref_id: The execution that this one withdraws (ExecType H TRADE_CANCEL) or, with a
            quantity above zero, takes the place of (ExecType G TRADE_CORRECT); chains are followed.
    """

    client_order_id: ClientOrderId | None
    broker_order_id: BrokerOrderId
    trade_date: date
    exec_id: ExecId
    symbol: Symbol
    side: Side
    last_qty: Decimal
    last_px: Decimal
    commission: Decimal | None
    tax: Decimal | None
    transact_time: datetime
    exec_ref_id: ExecId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """The broker's word on one order, as of ``transact_time`` (its last change there).

    Attributes:
        client_order_id: Ours, or None when the broker does not carry it or it is not ours.
        order_qty: As it is by now: the venue may have restated it, and ``limit_px``.
        placed_at: When the broker took it; None when the broker does not say.
        cum_amount: Price times quantity over its executions; None when the broker does not say.
        avg_px: Average price, as the broker rounds it; None when the broker does not say.
    """

    client_order_id: ClientOrderId | None
    broker_order_id: BrokerOrderId
    trade_date: date
    symbol: Symbol
    side: Side
    order_type: OrderType
    order_qty: Decimal
    limit_px: Decimal | None
    cum_qty: Decimal
    state: BrokerState
    reason: str
    transact_time: datetime
    placed_at: datetime | None = None
    cum_amount: Decimal | None = None
    avg_px: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAck:
    """The broker took the order; ``fills`` are those it already told with the answer."""

    broker_order_id: BrokerOrderId
    trade_date: date
    fills: tuple[BrokerFill, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAck:
    """The broker took the cancel request. Only ``is_done`` says that the order is off the book."""

    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Rows of an inquiry. Unless ``is_complete``, what is missing proves nothing."""

    items: tuple[T, ...]
    is_complete: bool
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The broker has exactly one order of ours by that id."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The broker showed no such order; a proof only if complete and asked after the settle time."""

    is_complete: bool


FindResult: TypeAlias = Found | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """What the broker says we hold; negative is short."""

    symbol: Symbol
    qty: Decimal
    avg_px: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerBalance:
    """Cash at the broker, after fees and taxes."""

    account_id: AccountId
    currency: str
    cash: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """The stream says that an order changed."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class FillNews:
    """The stream says that an order was filled, in part or in whole."""

    fill: BrokerFill


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGap:
    """The stream was away: anything may have happened since. Ask."""

    reason: str


BrokerNews: TypeAlias = OrderNews | FillNews | StreamGap
