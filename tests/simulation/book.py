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
from domain.terms import (
    ZERO,
    BrokerOrderId,
)
from infra.brokers.paper.rules import Refusal, refused

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


def row_at(booked: Booked, at: datetime) -> BrokerOrder | None:
    if booked.times[-1] <= at:
        return booked.rows[-1]
    found = bisect_right(booked.times, at)
    return booked.rows[found - 1] if found else None


def refusal() -> RefusedError:
    """Return a business refusal (B10)."""
    return refused(Refusal.NO_CASH, "Not enough cash.")
