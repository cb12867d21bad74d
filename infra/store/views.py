"""What the read side answers: plain frozen values, no rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from domain.terms import (
    AccountId,
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    SignalId,
    StrategyId,
    Symbol,
    TimeInForce,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as its last event left it.

    Attributes:
        reason: Why it is where it is; empty when all went well.
        claim: What no other order may have in doubt, where the broker carries no ids of ours.
        updated_seq: Journal number of its last event.
    """

    client_order_id: ClientOrderId
    signal_id: SignalId
    account_id: AccountId
    symbol: Symbol
    side: Side
    order_type: OrderType
    order_qty: Decimal
    limit_px: Decimal | None
    time_in_force: TimeInForce
    strategy_id: StrategyId
    status: OrderStatus
    is_open: bool
    broker_order_id: BrokerOrderId | None
    trade_date: date | None
    cum_qty: Decimal
    avg_px: Decimal | None
    attempts: int
    reason: str
    created_at: datetime
    submitted_at: datetime | None
    filled_at: datetime | None
    claim: str | None
    updated_seq: int


@dataclass(frozen=True, slots=True)
class Head:
    """Where the journal ends. Note it elsewhere: a journal cut short looks whole without it."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A journal row as it is stored, for the audit."""

    seq: int
    stream: str
    stream_seq: int
    kind: str
    topics: str
    data: str
    recorded_at: str
    prev_hash: str
    hash: str
