"""What the journal is asked and what it answers. Values only; infra.store does the work."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from domain.position import PositionBook, RecordedFill
from domain.terms import BrokerOrderId, ClientOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events for one stream that become durable together, or not at all.

    Attributes:
        stream: ``order/<client_order_id>``, ``position/<account_id>``, ``engine`` or ``signal``.
        version: How many events the stream holds before this one; None for streams that several
            write (``engine``, ``signal``), which are appended to without a check.
        events: Domain events, oldest first.
        topics: One tuple of published names for each event (``order.filled``, ...).
        state: The state after the last event (Order or PositionBook), for the projections;
            None when the stream has none.
        life: The life of the writing actor; after one failed append of a stream the journal
            refuses what that life appends later.
        creator: The life that appends the stream's first events, where that may not be written
            yet: when it is refused, so is this.
    """

    stream: str
    version: int | None
    events: tuple[Any, ...]
    topics: tuple[tuple[str, ...], ...]
    state: Any = None
    life: int = 0
    creator: int | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """An append is durable; its last event has number ``seq``."""

    append: Append
    seq: int


@dataclass(frozen=True, slots=True)
class AppendFailed:
    """An append was not written and never will be."""

    append: Append
    error: Exception


AppendReply: TypeAlias = Callable[[Committed | AppendFailed], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One event as the journal holds it."""

    seq: int
    stream: str
    stream_seq: int
    kind: str
    topics: tuple[str, ...]
    event: Any
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvents:
    """A stream's events from its first; ``len(events)`` is its version."""

    stream: str
    events: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LoadOpenOrders:
    """All streams of orders that are not terminal, in order of creation."""


@dataclass(frozen=True, slots=True)
class LoadStream:
    """One stream's events; empty when there is none."""

    stream: str


@dataclass(frozen=True, slots=True)
class LoadRecords:
    """Records after ``after_seq``, oldest first, at most ``limit``."""

    after_seq: int
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class LoadFills:
    """Booked fills after ``after_seq``, oldest first, at most ``limit``."""

    after_seq: int
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class LoadBook:
    """The position book as of its own checkpoint."""


@dataclass(frozen=True, slots=True)
class FindOrder:
    """The client order id bound to a broker's number of one trade date, or None."""

    broker_order_id: BrokerOrderId
    trade_date: date


Query: TypeAlias = LoadOpenOrders | LoadStream | LoadRecords | LoadFills | LoadBook | FindOrder
Answer: TypeAlias = (
    tuple[StreamEvents, ...]
    | StreamEvents
    | tuple[Record, ...]
    | tuple[RecordedFill, ...]
    | PositionBook
    | ClientOrderId
    | None
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The answer to a query, as of all appends made before it was asked.

    Attributes:
        life: The life of the actor that asked; a later one must not take it for its own.
    """

    query: Query
    answer: Any
    life: int = 0


LoadReply: TypeAlias = Callable[[Loaded], None]
