"""The journal on SQL: a queue that any thread fills and one thread drains, a commit at a time."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

from sqlalchemy import Engine

from domain.errors import FencedError, StoreError
from domain.journal import Append, AppendFailed, AppendReply, Committed, Loaded, LoadReply, Query
from domain.ports import Clock
from infra.store.codec import CODEC
from infra.store.places import Place
from infra.store.requests import AppendRequest, LoadRequest, Request
from infra.store.views import Head
from infra.store.writer import Writer

REQUESTS_A_COMMIT: Final = 2000


class SqlJournal:
    """domain.ports.Journal on one store, for one engine and its epoch.

    Attributes:
        epoch: What fences this journal; once the store holds another, ``drain`` raises.
    """

    def __init__(self, *, engine: Engine, path: Place, epoch: int, clock: Clock) -> None:
        self.epoch = epoch
        self._writer = Writer(engine=engine, path=path, epoch=epoch, clock=clock)
        self._queue: deque[Request] = deque()
        self._wake: Callable[[], None] | None = None
        # Held from the wake-up that was made until the drain that follows it begins.
        self._is_due = Lock()
        self._watchers: tuple[Callable[[int, bool], None], ...] = ()
        self._failure: StoreError | None = None
        self._has_failed = False

    @property
    def depth(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def has_failed(self) -> bool:
        """Whether an error closed it, so that it is not known what the last commit left."""
        return self._has_failed

    @property
    def head(self) -> Head:
        """Where the journal ended after the last commit."""
        return Head(self._writer.seq, self._writer.hash)

    def append(self, batch: Append, reply: AppendReply) -> None:
        """Encode and queue events; ``reply`` gets Committed or AppendFailed after the commit.

        Raises:
            StoreError: The journal has failed or was closed; nothing was queued.
        """
        assert batch.events, f"an append to {batch.stream} without events"
        assert len(batch.events) == len(batch.topics), f"topics of {batch.stream}"
        if batch.state is not None and batch.version is not None:
            version = batch.version + len(batch.events)
            assert batch.state.version == version, f"state and events of {batch.stream} differ"
        encoded: list[tuple[str, str, str]] = []
        for topics, event in zip(batch.topics, batch.events, strict=True):
            kind, data = CODEC.encode(event)
            encoded.append((kind, " ".join(topics), data))
        self._put(AppendRequest(batch, reply, tuple(encoded)))

    def load(self, query: Query, reply: LoadReply) -> None:
        """Queue a question; ``reply`` gets Loaded, as of every append queued before.

        Raises:
            StoreError: The journal has failed or was closed; nothing was queued.
        """
        self._put(LoadRequest(query, reply))

    def attach(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever something was queued and no drain is due yet."""
        self._wake = wake
        if self._queue:
            self._call_writer()

    def watch(self, told: Callable[[int, bool], None]) -> None:
        """Have ``told(seq, has_fills)`` called after every commit, from the writer's thread."""
        self._watchers = (*self._watchers, told)

    def drain(self) -> int:
        """Commit and answer what was queued when the call began; return how many that was.

        Raises:
            StoreError: As the port says. The journal takes nothing more from then on.
        """
        self._refuse_if_failed()
        if self._is_due.locked():
            # Before the queue is looked at: what comes now wakes the writer once more.
            self._is_due.release()
        waiting = left = len(self._queue)
        try:
            while left:
                left -= self._commit(min(left, REQUESTS_A_COMMIT))
        except BaseException as error:
            self.close(error)
            raise
        return waiting

    def close(self, cause: BaseException | None = None) -> None:
        """Take nothing more and let go of the file; what is queued is never acknowledged."""
        self._has_failed |= cause is not None
        if self._failure is None:
            why = "was closed" if cause is None else f"has failed ({cause})"
            kind = FencedError if isinstance(cause, FencedError) else StoreError
            self._failure = kind(f"The journal {why}; nothing more is written.")
        self._writer.close()

    def _put(self, request: Request) -> None:
        self._refuse_if_failed()
        self._queue.append(request)
        self._call_writer()

    def _call_writer(self) -> None:
        if self._wake is not None and self._is_due.acquire(blocking=False):
            self._wake()

    def _refuse_if_failed(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)

    def _commit(self, count: int) -> int:
        requests = [self._queue.popleft() for _ in range(count)]
        replies = self._writer.commit(requests)
        for request, reply in zip(requests, replies, strict=True):
            _reply(request, reply)
        if any(isinstance(reply, Committed) for reply in replies):
            for told in self._watchers:
                told(self._writer.seq, self._writer.has_fills)
        return count


def _reply(request: Request, reply: Committed | AppendFailed | Loaded) -> None:
    match request, reply:
        case LoadRequest(), Loaded():
            request.reply(reply)
        case AppendRequest(), Committed() | AppendFailed():
            request.reply(reply)
        case _:
            msg = f"{type(reply).__name__} is no answer to {type(request).__name__}"
            raise AssertionError(msg)
