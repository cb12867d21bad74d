"""Fakes that pass the contract suites of the real things."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, assert_never

from domain.errors import (
    ClaimRefusedError,
    ConflictError,
    FencedError,
    HaltedError,
    NotCreatedError,
    NotSentError,
    StoreError,
)
from domain.events import Filled
from domain.executions import recorded_fill
from domain.journal import (
    Answer,
    Append,
    AppendFailed,
    AppendReply,
    Committed,
    FindOrder,
    LoadBook,
    Loaded,
    LoadFills,
    LoadOpenOrders,
    LoadRecords,
    LoadReply,
    LoadStream,
    Query,
    Record,
    StreamEvents,
)
from domain.order import Order
from domain.ports import Clock
from domain.position import PositionBook, RecordedFill
from domain.terms import AccountId, ClientOrderId, StrategyId, Symbol

PAPER = AccountId("paper")


Heard = Callable[[Append, int], None]


@dataclass(slots=True)
class MemoryStore:
    """What is durable: outlives every journal made on it, and every process.

    Attributes:
        fault: Raised by each commit, as if by the disk.
        is_fault_late: The commit that failed is on the disk all the same.
        is_halted: The guard lets nothing leave.
        heard: Told every append and the number of its first event, before anything is answered.
    """

    clock: Clock
    account_id: AccountId = PAPER
    epoch: int = 0
    records: list[Record] = field(default_factory=list)
    streams: dict[str, list[Any]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[RecordedFill] = field(default_factory=list)
    fill_keys: set[tuple[Any, ...]] = field(default_factory=set)
    numbers: dict[tuple[Any, ...], ClientOrderId] = field(default_factory=dict)
    book: PositionBook | None = None
    fault: Exception | None = None
    is_fault_late: bool = False
    is_halted: bool = False
    heard: Heard | None = None

    def journal(self) -> "MemoryJournal":
        """Return a new journal; earlier ones are fenced off by it."""
        self.epoch += 1
        return MemoryJournal(self)


class MemoryProcess:
    """domain.ports.Store of one process: others may have opened the same store."""

    def __init__(self, store: MemoryStore) -> None:
        self.epoch = store.epoch
        self._store = store
        self._opened: list[MemoryJournal | MemoryGuard] = []

    def journal(self) -> "MemoryJournal":
        """Return a new journal; earlier ones, also of other processes, are fenced off by it."""
        journal = self._store.journal()
        self.epoch = journal.epoch
        self._opened.append(journal)
        return journal

    def guard(self) -> "MemoryGuard":
        """Return the guard of the latest journal made here."""
        guard = MemoryGuard(self._store, self.epoch)
        self._opened.append(guard)
        return guard

    def close(self) -> None:
        """Close what was opened here."""
        for opened in self._opened:
            opened.close()


class MemoryGuard:
    """domain.ports.Guard in memory."""

    def __init__(self, store: MemoryStore, epoch: int) -> None:
        self._store = store
        self._epoch = epoch
        self._is_closed = False

    @contextmanager
    def hold(self, *, symbol: Symbol, strategy_id: StrategyId) -> Iterator[None]:
        """Let one order pass, or say why nothing may be sent."""
        if self._is_closed:
            msg = "Not sent: the store could not be read."
            raise NotSentError(msg)
        if self._store.is_halted:
            msg = f"Held back: {symbol} of {strategy_id} is halted."
            raise HaltedError(msg)
        if self._store.epoch != self._epoch:
            msg = f"Not sent: another engine has taken over (epoch {self._store.epoch})."
            raise NotSentError(msg)
        yield

    def close(self) -> None:
        """Say no from now on."""
        self._is_closed = True


class MemoryJournal:
    """domain.ports.Journal in memory: deterministic, the events themselves and no text."""

    def __init__(self, store: MemoryStore) -> None:
        self.epoch = store.epoch
        self._store = store
        self._queue: deque[tuple[Append, AppendReply] | tuple[Query, LoadReply]] = deque()
        self._wake: Callable[[], None] | None = None
        self._is_due = False
        self._watchers: list[Callable[[int, bool], None]] = []
        self._rejected: set[tuple[str, int]] = set()
        self._failure: StoreError | None = None

    def append(self, batch: Append, reply: AppendReply) -> None:
        """Queue events."""
        assert batch.events
        assert len(batch.events) == len(batch.topics)
        if batch.state is not None and batch.version is not None:
            assert batch.state.version == batch.version + len(batch.events)
        self._put((batch, reply))

    def load(self, query: Query, reply: LoadReply) -> None:
        """Queue a question."""
        self._put((query, reply))

    def attach(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever something was queued and no drain is due yet."""
        self._wake = wake
        if self._queue:
            self._call_writer()

    def watch(self, told: Callable[[int, bool], None]) -> None:
        """Have ``told(seq, has_fills)`` called after every commit."""
        self._watchers.append(told)

    def drain(self) -> int:
        """Commit and answer all that is queued."""
        self._refuse_if_failed()
        self._is_due = False
        requests = [self._queue.popleft() for _ in range(len(self._queue))]
        if not requests:
            return 0
        try:
            replies = self._commit([batch_or_query for batch_or_query, _ in requests])
        except StoreError as error:
            self._failure = error
            raise
        for (_, reply), answer in zip(requests, replies, strict=True):
            reply(answer)
        written = [answer.append for answer in replies if isinstance(answer, Committed)]
        if written:
            has_fills = any(isinstance(e, Filled) for append in written for e in append.events)
            for told in self._watchers:
                told(len(self._store.records), has_fills)
        return len(requests)

    def close(self) -> None:
        """Take nothing more."""
        self._failure = self._failure or StoreError("The journal was closed.")

    def _put(self, request: Any) -> None:
        self._refuse_if_failed()
        self._queue.append(request)
        self._call_writer()

    def _call_writer(self) -> None:
        if self._wake is not None and not self._is_due:
            self._is_due = True
            self._wake()

    def _refuse_if_failed(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)

    def _commit(self, requests: list[Append | Query]) -> list[Committed | AppendFailed | Loaded]:
        store = self._store
        if store.epoch != self.epoch:
            msg = f"Another engine has taken over (epoch {store.epoch})."
            raise FencedError(msg)
        if store.fault is not None and not store.is_fault_late:
            msg = f"The store could not be written: {store.fault}."
            raise StoreError(msg)
        replies = [self._serve(request) for request in requests]
        if store.fault is not None:
            msg = f"It is not known whether the store was written: {store.fault}."
            raise StoreError(msg)
        return replies

    def _serve(self, request: Append | Query) -> Committed | AppendFailed | Loaded:
        if isinstance(request, Append):
            return self._write(request)
        return Loaded(request, _answer(self._store, request))

    def _write(self, append: Append) -> Committed | AppendFailed:
        store = self._store
        version = len(store.streams.get(append.stream, ()))
        key = (append.stream, append.life)
        if append.creator is not None and (append.stream, append.creator) in self._rejected:
            msg = f"{append.stream} was begun by another"
            return AppendFailed(append, NotCreatedError(msg))
        first_seq = len(store.records) + 1
        fills = _fills_of(append, first_seq=first_seq)
        keys = {_fill_key(fill) for fill in fills}
        if (
            key in self._rejected
            or append.version not in (None, version)
            or not keys.isdisjoint(store.fill_keys)
        ):
            self._rejected.add(key)
            msg = f"{append.stream} holds {version} events; load it again."
            return AppendFailed(append, ConflictError(msg))
        if _is_claimed(store, append):
            return AppendFailed(append, ClaimRefusedError(f"another order like {append.stream}"))
        _write(store, append, version)
        store.fills += fills
        store.fill_keys |= keys
        if store.heard is not None:
            store.heard(append, first_seq)
        return Committed(append, len(store.records))


def _write(store: MemoryStore, append: Append, version: int) -> None:
    recorded_at = store.clock.now()
    for number, (event, topics) in enumerate(
        zip(append.events, append.topics, strict=True), version + 1
    ):
        record = Record(
            seq=len(store.records) + 1,
            stream=append.stream,
            stream_seq=number,
            kind=type(event).__name__,
            topics=topics,
            event=event,
            recorded_at=recorded_at,
        )
        store.records.append(record)
    store.streams.setdefault(append.stream, []).extend(append.events)
    if isinstance(append.state, Order):
        order = store.orders[append.stream] = append.state
        store.numbers.setdefault((order.broker_order_id, order.trade_date), order.client_order_id)
    elif isinstance(append.state, PositionBook):
        store.book = append.state


def _fills_of(append: Append, *, first_seq: int) -> list[RecordedFill]:
    if not isinstance(append.state, Order):
        return []
    return [
        recorded_fill(append.state, event, seq)
        for seq, event in enumerate(append.events, first_seq)
        if isinstance(event, Filled)
    ]


def _is_claimed(store: MemoryStore, append: Append) -> bool:
    """Return whether another order has in doubt what looks the same at the broker."""
    if not isinstance(append.state, Order) or append.state.claim is None:
        return False
    claims = {stream: order.claim for stream, order in store.orders.items()}
    return any(c == append.state.claim and s != append.stream for s, c in claims.items())


def _fill_key(fill: RecordedFill) -> tuple[Any, ...]:
    return (fill.broker_order_id, fill.trade_date, fill.exec_id)


def _answer(store: MemoryStore, query: Query) -> Answer:
    match query:
        case LoadOpenOrders():
            return tuple(
                _stream(store, stream)
                for stream, order in store.orders.items()
                if not order.status.is_terminal
            )
        case LoadStream():
            return _stream(store, query.stream)
        case LoadRecords():
            return tuple(store.records[query.after_seq :][: query.limit])
        case LoadFills():
            later = [fill for fill in store.fills if fill.seq > query.after_seq]
            return tuple(later[: query.limit])
        case LoadBook():
            return store.book or PositionBook.empty(store.account_id)
        case FindOrder():
            return store.numbers.get((query.broker_order_id, query.trade_date))
        case _:
            assert_never(query)


def _stream(store: MemoryStore, stream: str) -> StreamEvents:
    return StreamEvents(stream=stream, events=tuple(store.streams.get(stream, ())))
