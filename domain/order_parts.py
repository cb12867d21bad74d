"""Parts of an order: the attempt under way, what ended it, and the wish to cancel."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.terms import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An attempt that has left, or is about to, and has no certain outcome yet.

    Attributes:
        doubt: Why its outcome is unknown; None while its answer is awaited.
        claim: What no other order may have in doubt meanwhile; None where the broker carries ids.
        is_known_there: The broker said that it has an order under our id.
    """

    attempt: int
    since: datetime
    send_by: datetime
    doubt: str | None = None
    claim: str | None = None
    is_known_there: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """What ended the order."""

    status: OrderStatus
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is working at the venue, where that is not what the signal said."""

    order_qty: Decimal
    limit_px: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCancel:
    """A wish to cancel, beside the status (FIX 39=6).

    Attributes:
        requests: How many requests have left for this wish.
        is_asking: One of them has no outcome yet.
        is_acknowledged: The broker took the latest one; reports say when it is done.
    """

    reason: str
    at: datetime
    requests: int = 0
    is_asking: bool = False
    is_acknowledged: bool = False
