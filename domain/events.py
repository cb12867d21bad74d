"""What can happen to an order, and to the engine: past participles, each one a journal row.

``at`` is our own wall time (UTC), for people; waits never read it. Money is in the instrument's
currency, quantities are shares.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, get_args

from domain.halt import Halted, Resumed
from domain.signal import Signal
from domain.terms import BrokerOrderId, ClientOrderId, ExecId, RequestId, Standing, Verdict


class Proof(StrEnum):
    """Why we are certain that an attempt did not become an order."""

    NOT_SENT = "NOT_SENT"  # Nothing left this machine.
    EXPIRED = "EXPIRED"  # Its time to be sent had passed; uses no attempt.
    HELD = "HELD"  # The guard let nothing pass, as in a halt; uses no attempt.
    RATE_LIMITED = "RATE_LIMITED"  # The broker did not look at it; uses no attempt.
    ABSENT = "ABSENT"  # A complete lookup asked after the settle time found nothing.
    OPERATOR = "OPERATOR"  # A person looked after the settle time, and says so.


class Source(StrEnum):
    """Which way a piece of broker news came."""

    ANSWER = "ANSWER"
    LOOKUP = "LOOKUP"
    STREAM = "STREAM"
    POLL = "POLL"
    LOOK = "LOOK"  # No id: the only order there that looks like ours and is nobody else's.
    OPERATOR = "OPERATOR"  # A person says which one it is.


class CancelOutcome(StrEnum):
    """How one cancel request ended. None of them is proof that the order is off the book."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    REFUSED = "REFUSED"
    NOT_SENT = "NOT_SENT"
    UNKNOWN = "UNKNOWN"


class Anomaly(StrEnum):
    """Broker news that should not be possible: kept, flagged, reconciled."""

    OVER_FILL = "OVER_FILL"
    FILL_AFTER_END = "FILL_AFTER_END"
    FOUND_AFTER_END = "FOUND_AFTER_END"
    SECOND_BROKER_ORDER = "SECOND_BROKER_ORDER"
    REJECTED_AFTER_FILL = "REJECTED_AFTER_FILL"
    UNEXPECTED_END = "UNEXPECTED_END"
    BUSTED = "BUSTED"  # An execution was withdrawn.
    CORRECTED = "CORRECTED"  # An execution was replaced by another one.
    CONFLICTING_FILL = "CONFLICTING_FILL"  # The id of one that is booked, with other numbers.
    RAISED = "RAISED"  # The venue made the order larger than it was wanted.
    SEVERAL_MATCH = "SEVERAL_MATCH"  # More than one order there looks like the one in doubt.
    NOT_FOUND = "NOT_FOUND"  # Settled, and not there; by policy a person decides.
    UNANSWERED = "UNANSWERED"  # The broker has not answered many lookups of one in doubt.
    KNOWN_BUT_ABSENT = "KNOWN_BUT_ABSENT"  # It says that it has our id, and does not show it.
    IMPOSSIBLE_TOTAL = "IMPOSSIBLE_TOTAL"  # What it says was filled in all cannot be; not booked.


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCreated:
    """A signal became an order. ``digest`` tells a repeated signal from a conflicting one."""

    client_order_id: ClientOrderId
    signal: Signal
    digest: str
    deadline: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitStarted:
    """The order is about to leave: written before it can. Not sent later than ``send_by``."""

    attempt: int
    since: datetime
    send_by: datetime
    claim: str | None = None  # Its fingerprint, where the broker does not carry our ids.


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitFailed:
    """An attempt certainly did not become an order.

    Attributes:
        is_counted: It used one of the attempts.
        retry_in_s: Wait before the next attempt; None when there is none.
    """

    attempt: int
    proof: Proof
    reason: str
    is_counted: bool
    retry_in_s: float | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitDoubted:
    """An attempt may have become an order: its answer was lost."""

    attempt: int
    reason: str
    at: datetime
    is_known_there: bool = False  # The broker says that it has our id already.


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """A lookup of an order in doubt found nothing, or could not be answered.

    Attributes:
        is_settled: It was asked after the settle time.
        is_complete: The answer was whole; a failed lookup proves nothing.
    """

    is_settled: bool
    is_complete: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The broker has the order (ExecType 0 NEW)."""

    broker_order_id: BrokerOrderId
    trade_date: date
    source: Source
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One execution (ExecType F TRADE), with the fees that were charged for it.

    Attributes:
        last_qty: Negative, fees as well, when one is withdrawn (ExecType H TRADE_CANCEL).
        exec_ref_id: The one that it withdraws, or that it replaces (ExecType G TRADE_CORRECT).
        is_fee_from_broker: False when commission and tax come from the market's fee table.
    """

    broker_order_id: BrokerOrderId
    trade_date: date
    exec_id: ExecId
    last_qty: Decimal
    last_px: Decimal
    commission: Decimal
    tax: Decimal
    is_fee_from_broker: bool
    transact_time: datetime
    source: Source
    at: datetime
    exec_ref_id: ExecId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """The venue changed the terms of an open order unasked (ExecType D)."""

    order_qty: Decimal
    limit_px: Decimal | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingChanged:
    """The venue stopped or suspended an open order, or lets it work again (ExecType 7, 9)."""

    standing: Standing
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Somebody wants the rest of the order off the book."""

    reason: str
    requested_by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelStarted:
    """A cancel request is about to leave."""

    number: int
    request_id: RequestId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelEnded:
    """One cancel request ended; the order itself is wherever reports say."""

    number: int
    outcome: CancelOutcome
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The rest of the order is off the book (ExecType 4), or it was never sent."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The broker ended the order with its session (ExecType C)."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The broker said no (ExecType 8). ``code`` is the broker's own."""

    reason: str
    code: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """We gave the order up before it could reach the broker. ``rule`` says which of ours."""

    rule: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """The order has been open longer than its tracking timeout."""

    open_for_s: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """The broker said something that should not be possible; a person should look."""

    anomaly: Anomaly
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A person decided about an order in doubt; what follows stands behind it in the stream."""

    verdict: Verdict
    broker_order_id: BrokerOrderId | None
    trade_date: date | None
    reason: str
    requested_by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRefused:
    """A signal made no order. The field is named, its value is not kept."""

    signal_id: str
    field: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStarted:
    """An engine took the account; ``epoch`` fences off every earlier one."""

    epoch: int
    version: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStopped:
    """The engine ended in order."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message crashed its actor again after a restart and was put aside."""

    actor: str
    message_kind: str
    error: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileBroke:
    """Our record and the broker's differ."""

    subject: str
    ours: str
    theirs: str
    at: datetime


OurOrderEvent: TypeAlias = (
    OrderCreated
    | SubmitStarted
    | SubmitFailed
    | SubmitDoubted
    | LookedUp
    | Failed
    | CancelRequested
    | CancelStarted
    | CancelEnded
    | Overdue
    | Flagged
    | Resolved
)
Report: TypeAlias = Accepted | Filled | Restated | StandingChanged | Cancelled | Expired | Rejected
OrderEvent: TypeAlias = OurOrderEvent | Report
EngineEvent: TypeAlias = (
    SignalRefused | EngineStarted | EngineStopped | Quarantined | ReconcileBroke | Halted | Resumed
)

ORDER_EVENTS: tuple[type, ...] = get_args(OrderEvent)
EVENTS: tuple[type, ...] = (*ORDER_EVENTS, *get_args(EngineEvent))
