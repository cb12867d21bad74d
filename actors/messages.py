"""What the actors tell each other. Frozen values; README.md in this folder says who tells whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, TypeAlias

from actors.runtime import Ref
from domain.broker import BrokerFill, BrokerOrder, BrokerPosition, OrderRef, OrderRequest
from domain.errors import InvalidInputError
from domain.events import Source
from domain.order import Order
from domain.ports import BrokerGateway
from domain.signal import Cancel, Resolve, Signal
from domain.terms import (
    AccountId,
    BrokerOrderId,
    ClientOrderId,
    RequestId,
    SignalId,
    StrategyId,
    Symbol,
)

NO_STRATEGY = StrategyId("")


class Line(IntEnum):
    """The lines in front of the broker, most urgent first."""

    CANCEL = 0
    LOOK_UP = 1
    NEW = 2
    POLL = 3


@dataclass(frozen=True, slots=True)
class Ticket:
    """A turn of one order; ``life`` is that of the BrokerActor that gave it."""

    life: int
    serial: int


@dataclass(frozen=True, slots=True)
class Place:
    """Send a new order, unless the monotonic clock is past ``send_by_s``."""

    request: OrderRequest
    attempt: int
    send_by_s: float
    strategy_id: StrategyId = NO_STRATEGY  # For the guard; brokers are not told.


@dataclass(frozen=True, slots=True)
class CancelAtBroker:
    """Ask the broker to take an order off the book."""

    ref: OrderRef
    request_id: RequestId
    number: int


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the broker whether it has an order of ours.

    Attributes:
        since: None asks by our id; a time asks for all orders since, to be told by their looks.
    """

    client_order_id: ClientOrderId
    since: datetime | None = None

    def through(self, gateway: BrokerGateway, account_id: AccountId) -> Any:
        """Return the gateway's answer: a FindResult, or a page of orders."""
        if self.since is None:
            return gateway.find_order(account_id, self.client_order_id)
        return gateway.list_orders(account_id, self.since)


@dataclass(frozen=True, slots=True)
class ListOrders:
    """Ask for all orders that are open or changed since."""

    since: datetime


@dataclass(frozen=True, slots=True)
class ListFills:
    """Ask for all executions since."""

    since: datetime


@dataclass(frozen=True, slots=True)
class ListPositions:
    """Ask for what the broker says we hold."""


Differences: TypeAlias = Mapping[Symbol, tuple[Decimal, Decimal]]
"""Positions that are not the broker's: ours, and theirs, in shares."""

Inquiry: TypeAlias = CancelAtBroker | LookUp | ListOrders | ListFills | ListPositions
BrokerCall: TypeAlias = Place | Inquiry


@dataclass(frozen=True, slots=True)
class Want:
    """An order wants a turn to be placed; older orders have theirs first."""

    order: Ref
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """It is the order's turn: decide now, write it down, then Go."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Go:
    """Make the call, or None: the turn is not needed any more."""

    ticket: Ticket
    order: Ref
    call: Place | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Make a call that needs no turn, when its line allows."""

    asker: Ref
    line: Line
    call: Inquiry


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: ``value``, or ``error`` by what may be done next.

    Attributes:
        asked_s: Monotonic time right before the gateway was called.
        waited_s: Time the call stood in line, the rate limit included.
        quiet_s: Of a lookup: time since this process last ended a placement of that order.
    """

    call: BrokerCall
    value: Any = None
    error: Exception | None = None
    asked_s: float = 0.0
    waited_s: float = 0.0
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """The broker told something about an order."""

    order: BrokerOrder
    source: Source


@dataclass(frozen=True, slots=True)
class FillSeen:
    """The broker told an execution."""

    fill: BrokerFill
    source: Source


@dataclass(frozen=True, slots=True)
class Nudge:
    """Look at the broker soon: something is about to have changed."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Compare everything with the broker once more.

    Attributes:
        done: Called with what differs, when a look that began after this has ended.
    """

    done: Callable[[Differences], None] | None = None


@dataclass(frozen=True, slots=True)
class Follow:
    """An order works at the broker, under that number: include it in the polls."""

    client_order_id: ClientOrderId
    since: datetime
    number: tuple[date, BrokerOrderId] | None = None
    is_again: bool = False  # Said before by this life: nothing is new.


@dataclass(frozen=True, slots=True)
class Unfollow:
    """An order has ended, as far as we know."""

    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class CompareBook:
    """What the broker says we hold, to be compared with our positions.

    Attributes:
        done: Each is called with what differs.
    """

    positions: tuple[BrokerPosition, ...]
    done: tuple[Callable[[Differences], None], ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """An order is no longer waiting to be sent."""

    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class Rested:
    """An order has ended and waits for leave to go.

    Attributes:
        state: The order as it is now, all of it durable.
        given_up: It was sent, and given up because nothing there looked like it: its fingerprint,
            and since when one might.
    """

    order: Ref
    state: Order
    given_up: tuple[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """What an order that rests may do, if nothing came since.

    Attributes:
        version: The order's when it asked.
    """

    version: int


@dataclass(frozen=True, slots=True)
class Stays:
    """An order that was given leave has news to see to first."""

    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class Wake:
    """The journal has grown up to ``seq``."""

    seq: int


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel what is open of this order."""

    reason: str
    requested_by: str
    done: Callable[[], None] | None = None  # Called when the wish is durable.
    fail: Callable[[Exception], None] | None = None  # Called when nobody will do it.


@dataclass(frozen=True, slots=True)
class ResolveOrder:
    """Do what a person decided; ``done`` gets None when it is durable, or why it was not done."""

    wish: Resolve
    done: Callable[[InvalidInputError | None], None]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signal, cancel or resolve is durable.

    Attributes:
        is_duplicate: It was known already; this is the same order.
    """

    signal_id: SignalId
    client_order_id: ClientOrderId
    is_duplicate: bool


Reply: TypeAlias = Callable[[Receipt | Exception], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A wish is durable; tell whoever asked."""

    reply: Reply | None
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Unread:
    """A wish that could not be read. ``signal_id`` is empty when even that was of no use."""

    signal_id: str
    error: InvalidInputError


@dataclass(frozen=True, slots=True)
class Told:
    """A wish from outside, read but not yet checked. ``reply`` is None for a bare tell."""

    wish: Signal | Cancel | Resolve | Unread
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Drain:
    """Let no new order start; ``done`` is called when no call and no turn is out."""

    done: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Send journal records after ``after_seq`` to ``sink``."""

    name: str
    sink: Callable[[Any], None]
    after_seq: int


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop sending to the subscriber of this name."""

    name: str
