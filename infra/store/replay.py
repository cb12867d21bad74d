"""The journal played again, stream by stream, into fresh tables: what screens should show.

One order is in memory at a time. Whatever cannot be right on the way is noted.
"""

from typing import Any, Final

from domain.errors import StoreError
from domain.events import ORDER_EVENTS, EngineStarted, Filled
from domain.executions import recorded_fill
from domain.lifecycle import LEGAL_CHANGES
from domain.order import Order, evolve
from domain.position import (
    PositionBook,
    PositionChanged,
    RecordedFill,
    change_for,
    evolve_book,
)
from domain.terms import AccountId, OrderStatus
from infra.store.belonging import BOOK_STREAM, has_topics, is_at_home
from infra.store.codec import CODEC
from infra.store.findings import Check, Findings
from infra.store.projections import (
    BOOK,
    daily_row,
    fill_row,
    order_row,
    position_row,
)
from infra.store.queries import ORDER_STREAM, fill_of
from infra.store.reading import Reader
from infra.store.scratch import Scratch
from infra.store.tables import CHECKPOINTS, DAILY_PNL, FILLS, ORDERS, POSITIONS

# What folding events, or reading values, that were tampered with can raise.
REPLAY_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Replay:
    """Plays one account's journal into ``tables``.

    Attributes:
        epoch: The highest that an engine was started with.
    """

    def __init__(self, account_id: str, tables: Scratch, findings: Findings) -> None:
        self.epoch = 0
        self._account_id = AccountId(account_id)
        self._tables = tables
        self._findings = findings
        self._stream: Any = None
        self._version = 0
        self._order: Order | None = None
        self._seq = self._order_seq = 0
        self._rows = self._streams = self._orders = self._unapplied = 0

    def run(self, reader: Reader) -> tuple[Check, ...]:
        """Play the whole journal; return what was found."""
        for row in reader.stream_rows():
            self._take(row)
        self._end_stream()
        self._fold(reader)
        check = self._findings.check
        return (
            check("streams", f"{self._streams:,} streams of {self._rows:,} rows without a gap"),
            check("events", "all readable"),
            check("topics", "each event's own"),
            check("replay", f"{self._orders:,} orders replayed"),
            check("status changes", "all legal"),
            check(
                "book events",
                f"all follow from the fills; {self._unapplied:,} fills not applied yet",
            ),
        )

    def _take(self, row: tuple[Any, ...]) -> None:
        seq, stream, stream_seq, kind, topics, data = row
        if stream != self._stream:
            self._end_stream()
            self._stream = stream
            self._streams += 1
        self._rows += 1
        self._version += 1
        if stream_seq != self._version:
            self._note("streams", seq, f"{stream_seq} of {stream}, expected {self._version}")
            self._version = stream_seq if isinstance(stream_seq, int) else self._version
        if not isinstance(seq, int) or seq <= self._seq:
            self._note("streams", seq, f"comes after row {self._seq} in {stream}")
        else:
            self._seq = seq
        try:
            event = CODEC.decode(kind, data)
            if not has_topics(event, topics):
                self._note("topics", seq, f"a {kind} is not published as {topics!r}")
            self._apply(seq, str(stream), event)
        except (StoreError, TypeError) as error:
            self._note("events", seq, str(error))
        except REPLAY_ERRORS as error:
            self._note("replay", seq, f"{kind} of {stream} cannot be applied: {error}")

    def _apply(self, seq: int, stream: str, event: Any) -> None:
        if isinstance(event, EngineStarted):
            self.epoch = max(self.epoch, event.epoch)
        is_of_book = isinstance(event, PositionChanged)
        if stream != self._book_stream if is_of_book else not is_at_home(event, stream):
            kind = type(event).__name__
            self._note("streams", seq, f"a {kind} does not belong to {stream}")
        elif isinstance(event, ORDER_EVENTS):
            self._apply_to_order(seq, event)

    def _apply_to_order(self, seq: int, event: Any) -> None:
        before, after = self._order, evolve(self._order, event)
        self._order, self._order_seq = after, seq
        if not _is_legal(before, after):
            was = before.status if before else "nothing"
            kind, key = type(event).__name__, after.client_order_id
            self._note("status changes", seq, f"{kind} made {after.status} of {was}: {key}")
        if isinstance(event, Filled):
            self._tables.add(FILLS, fill_row(recorded_fill(after, event, seq)))

    def _end_stream(self) -> None:
        order = self._order
        if order is not None:
            self._orders += 1
            if self._stream != ORDER_STREAM + order.client_order_id:
                self._note("streams", self._order_seq, f"{self._stream} holds another order")
            self._tables.add(ORDERS, order_row(order, self._order_seq))
        self._order, self._version, self._seq = None, 0, 0

    @property
    def _book_stream(self) -> str:
        return BOOK_STREAM + self._account_id

    def _fold(self, reader: Reader) -> None:
        """Follow the book's own events along the fills: each has to come from the next fill."""
        book = PositionBook.empty(self._account_id)
        fills = map(fill_of, self._tables.rows(FILLS))
        updated: dict[Any, int] = {}
        for seq, kind, data in reader.rows_of(self._book_stream):
            try:
                event = CODEC.decode(kind, data)
                book = self._follow(book, event, next(fills, None), seq)
                updated[event.symbol] = updated[event.trade_date] = seq
            except (StoreError, *REPLAY_ERRORS) as error:
                self._note("book events", seq, f"cannot be applied: {error}")
        self._unapplied = sum(1 for _ in fills)
        self._write_book(book, updated)

    def _follow(
        self, book: PositionBook, event: PositionChanged, fill: RecordedFill | None, seq: int
    ) -> PositionBook:
        if fill is None or change_for(book, fill, event.at) != event:
            self._note("book events", seq, f"does not follow from fill {event.fill_seq}")
        return evolve_book(book, event)

    def _write_book(self, book: PositionBook, updated: dict[Any, int]) -> None:
        for held in book.positions.values():
            self._tables.add(POSITIONS, position_row(held, updated[held.symbol]))
        for day in book.daily.values():
            self._tables.add(DAILY_PNL, daily_row(day, updated[day.day]))
        if book.version:
            self._tables.add(CHECKPOINTS, (BOOK, book.checkpoint, book.version))

    def _note(self, name: str, seq: Any, problem: str) -> None:
        self._findings.note(name, f"row {seq} {problem}")


def _is_legal(before: Order | None, after: Order) -> bool:
    if before is None:
        return after.status is OrderStatus.PENDING
    return after.status is before.status or after.status in LEGAL_CHANGES[before.status]
