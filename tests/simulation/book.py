"""What the simulated broker keeps of an order."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.broker import (
    BrokerFill,
    BrokerOrder,
    BrokerState,
    OrderRequest,
)
from domain.errors import RefusedError
from domain.fees import charges
from domain.settings import Settings
from domain.terms import ZERO, BrokerOrderId, Side
from infra.brokers.paper.rules import Refusal, refused
from tests.simulation.weather import Habits

OPENING_CASH = Decimal(100_000_000)
MARKET_PX = Decimal(70_000)
OPEN = frozenset({BrokerState.ACCEPTED, BrokerState.PARTIAL})
NAMELESS = BrokerOrderId("9999999999")


@dataclass(slots=True, kw_only=True, eq=False)
class Booked:
    """One order in the broker's book.

    Attributes:
        request: As it came; its client order id is the truth, shown or not.
        is_ours: False for an order that others placed on the account.
        withdrawn_qty: What was executed and taken back.
        shown_from: When it appears in queries.
        rows: What was told of it, and since when: a stale page shows an older one.
    """

    number: BrokerOrderId
    trade_date: Any
    request: OrderRequest
    accepted_at: datetime
    is_ours: bool = True
    state: BrokerState = BrokerState.ACCEPTED
    cum_qty: Decimal = ZERO
    cum_amount: Decimal = ZERO
    withdrawn_qty: Decimal = ZERO
    reason: str = ""
    shown_from: datetime
    transact_time: datetime
    fills: list[BrokerFill] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    rows: list[BrokerOrder] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it still works."""
        return self.state in OPEN

    @property
    def leaves_qty(self) -> Decimal:
        """What may still trade."""
        return max(ZERO, self.request.order_qty - self.cum_qty)


def state_of(booked: Booked) -> BrokerState:
    """Return the state after an execution, or after one was withdrawn: that trades no more."""
    if booked.cum_qty >= booked.request.order_qty:
        return BrokerState.FILLED
    if booked.is_open:
        return BrokerState.PARTIAL if booked.cum_qty else BrokerState.ACCEPTED
    return BrokerState.CANCELLED if booked.state is BrokerState.FILLED else booked.state


def row_at(booked: Booked, at: datetime) -> BrokerOrder | None:
    if booked.times[-1] <= at:
        return booked.rows[-1]
    found = bisect_right(booked.times, at)
    return booked.rows[found - 1] if found else None


def fees_of(
    habits: Habits, settings: Settings, booked: Booked, qty: Decimal, px: Decimal
) -> tuple[Decimal, Decimal]:
    """Return commission and tax of an execution; one that is withdrawn gives them back."""
    if qty < 0:
        commission, tax = fees_of(habits, settings, booked, -qty, px)
        return -commission, -tax
    request = booked.request
    if not habits.has_exec_ids:
        return ZERO, ZERO  # Which execution cost what cannot be told from a total.
    if habits.tells_fees:
        return qty + 1, qty if request.side is Side.SELL else ZERO
    instrument, day = settings.instruments.get(request.symbol), booked.trade_date
    due = charges(
        settings.fees,
        instrument,
        side=request.side,
        last_qty=qty,
        last_px=px,
        trade_date=day,
        session=settings.session,
    )
    return due.commission, due.tax


def refusal() -> RefusedError:
    """Return a business refusal (B10)."""
    return refused(Refusal.NO_CASH, "Not enough cash.")
