"""The one writer: many requests in one transaction, checked in memory, chained, projected.

Nothing is believed from an earlier transaction: the head and the epoch are read under the write
lock each time. If the head is not where this writer left it (an operator's command wrote), the
remembered stream versions are forgotten.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError

from domain.errors import (
    ClaimRefusedError,
    ConflictError,
    FencedError,
    NotCreatedError,
    StoreError,
)
from domain.events import Filled
from domain.journal import Append, AppendFailed, Committed, Loaded
from domain.ports import Clock
from infra.store.chain import GENESIS, row_hash
from infra.store.codec import utc_text
from infra.store.dialect import DriverError, ImpossibleRowError
from infra.store.drivers import Driver
from infra.store.places import Place, driver_of, watch_of
from infra.store.projections import Projections
from infra.store.queries import answer
from infra.store.requests import AppendRequest, Request
from infra.store.statements import PLACE, Insert, compiled
from infra.store.tables import JOURNAL, META

Reply: TypeAlias = Committed | AppendFailed | Loaded

REMEMBERED_STREAMS: Final = 50_000
_FILLED: Final = Filled.__name__
_FEW_STREAMS: Final = 10
_MANY_STREAMS: Final = 500
_LAST: Final = select(func.max(JOURNAL.c.seq)).scalar_subquery()
_EPOCH_AND_HEAD: Final = compiled(
    select(META.c.value, JOURNAL.c.seq, JOURNAL.c.hash)
    .select_from(META)
    .outerjoin(JOURNAL, JOURNAL.c.seq == _LAST)
    .where(META.c.key == "epoch")
)
_INSERT: Final = Insert(JOURNAL)
# How SQLite and PostgreSQL name the index of claims when it refused a row.
_CLAIM: Final = ("orders.claim", "orders_claim")


@dataclass(slots=True)
class _Work:
    """One transaction's view: where the journal stands, what was added, who was refused."""

    driver: Driver
    recorded_at: str
    seq: int
    hash: str
    versions: dict[str, int]
    rejected: set[tuple[str, int]]
    has_fills: bool = False


@dataclass(slots=True)
class _Plan:
    """What a run of appends would add, worked out before anything is written."""

    seq: int
    hash: str
    has_fills: bool = False
    versions: dict[str, int] = field(default_factory=dict)
    rejected: set[tuple[str, int]] = field(default_factory=set)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    projections: Projections = field(default_factory=Projections)
    replies: list[Committed | AppendFailed] = field(default_factory=list)


class Writer:
    """Writes one engine's requests; called by one thread at a time.

    Attributes:
        seq: Number of the last journal row this writer has committed or seen.
        hash: That row's hash.
        has_fills: Whether its last commit held a Filled.
    """

    def __init__(self, *, engine: Engine, path: Place, epoch: int, clock: Clock) -> None:
        self.seq, self.hash = 0, GENESIS
        self.has_fills = False
        self._engine = engine
        self._path = path
        self._file = watch_of(path)
        self._epoch = epoch
        self._clock = clock
        self._driver: Driver | None = None
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._rejected: set[tuple[str, int]] = set()

    def commit(self, requests: Sequence[Request]) -> list[Reply]:
        """Write and answer ``requests`` in one transaction; return a reply for each, in order.

        Raises:
            StoreError: The database failed, or its file is no longer the one that was opened, or
                it is not known whether it committed.
            FencedError: Another engine holds the account.
        """
        try:
            try:
                return self._transact(requests, is_careful=False)
            except ImpossibleRowError:
                # Some row is impossible. Find it with a savepoint for each append; doing that
                # always would be 20 times slower.
                return self._transact(requests, is_careful=True)
        except (*DriverError, DBAPIError, UnicodeDecodeError) as error:
            self._refuse_lost_file()
            cause = error.orig if isinstance(error, DBAPIError) else error
            msg = (
                f"The store {self._path} could not be written: {cause}. Nothing of this "
                "commit was acknowledged; check the disk and start again."
            )
            raise StoreError(msg) from error

    def close(self) -> None:
        """Let go of the connection."""
        if self._driver is not None:
            self._driver.close()

    def _transact(self, requests: Sequence[Request], *, is_careful: bool) -> list[Reply]:
        if self._driver is None:
            self._driver = driver_of(self._engine)
        streams = {r.batch.stream for r in requests if isinstance(r, AppendRequest)}
        replies: list[Reply] = []
        with self._driver.transaction(is_writing=bool(streams)):
            work = self._begin(self._driver, streams)
            run: list[AppendRequest] = []
            for request in requests:
                if isinstance(request, AppendRequest):
                    run.append(request)
                    continue
                # A load sees what was queued before it, and nothing else.
                replies += self._write_run(work, run, is_careful=is_careful)
                replies.append(Loaded(request.query, answer(work.driver, request.query)))
                run = []
            replies += self._write_run(work, run, is_careful=is_careful)
            self._refuse_lost_file()
        self._remember(work)
        return replies

    def _refuse_lost_file(self) -> None:
        fault = self._file.fault() or self._file.wal_fault()
        if fault:
            msg = (
                f"The store is lost: {fault}. Nothing of this commit was acknowledged. Put the "
                "file back or restore a copy, compare it with the broker's orders, and start again."
            )
            raise StoreError(msg)

    def _begin(self, driver: Driver, streams: set[str]) -> _Work:
        ((found, seq, digest),) = driver.read(_EPOCH_AND_HEAD)
        epoch = int(found)
        if epoch != self._epoch:
            msg = (
                f"Another engine has taken over {self._path} (epoch {epoch}, this one is "
                f"{self._epoch}); this one writes and sends nothing more."
            )
            raise FencedError(msg)
        if (seq or 0) != self.seq:
            self._versions.clear()
        return _Work(
            driver=driver,
            recorded_at=utc_text(self._clock.now()),
            seq=seq or 0,
            hash=digest or GENESIS,
            versions=self._versions_of(driver, streams),
            rejected=set(self._rejected),
        )

    def _versions_of(self, driver: Driver, streams: set[str]) -> dict[str, int]:
        versions = {stream: self._versions.get(stream, -1) for stream in streams}
        unknown = sorted(stream for stream, version in versions.items() if version < 0)
        size = _FEW_STREAMS if len(unknown) <= _FEW_STREAMS else _MANY_STREAMS
        for start in range(0, len(unknown), size):
            chunk = unknown[start : start + size]
            versions.update(dict.fromkeys(chunk, 0))
            # The last name again and again, so that there are only two statements to compile.
            names = (*chunk, *chunk[-1:] * (size - len(chunk)))
            versions.update(driver.read(_versions_sql(size), names))
        return versions

    def _write_run(
        self, work: _Work, run: Sequence[AppendRequest], *, is_careful: bool
    ) -> list[Committed | AppendFailed]:
        if is_careful:
            return [self._write_alone(work, request) for request in run]
        return self._write(work, run) if run else []

    def _write(self, work: _Work, run: Iterable[AppendRequest]) -> list[Committed | AppendFailed]:
        plan = _plan(work, run)
        _INSERT.write(work.driver, plan.rows)
        plan.projections.write(work.driver)
        work.seq, work.hash = plan.seq, plan.hash
        work.has_fills |= plan.has_fills
        work.versions.update(plan.versions)
        work.rejected |= plan.rejected
        return plan.replies

    def _write_alone(self, work: _Work, request: AppendRequest) -> Committed | AppendFailed:
        append = request.batch
        try:
            with work.driver.savepoint():
                return self._write(work, (request,))[0]
        except ImpossibleRowError as error:
            if any(name in str(error) for name in _CLAIM):
                # The order may go on: its next append is as good as if it had not asked.
                msg = f"Another order like {append.stream} is in doubt; it waits for that one."
                return AppendFailed(append, ClaimRefusedError(msg))
            work.rejected.add((append.stream, append.life))
            msg = f"An event of {append.stream} is impossible beside what is recorded: {error}"
            return AppendFailed(append, ConflictError(msg))

    def _remember(self, work: _Work) -> None:
        self.seq, self.hash = work.seq, work.hash
        self.has_fills = work.has_fills
        self._rejected = work.rejected
        for stream, version in work.versions.items():
            self._versions[stream] = version
            self._versions.move_to_end(stream)
        while len(self._versions) > REMEMBERED_STREAMS:
            self._versions.popitem(last=False)


@cache
def _versions_sql(count: int) -> str:
    """The versions of ``count`` streams; those that hold nothing are left out."""
    stream = JOURNAL.c.stream
    chosen = select(stream, func.max(JOURNAL.c.stream_seq)).where(stream.in_([PLACE] * count))
    return compiled(chosen.group_by(stream))


def _plan(work: _Work, run: Iterable[AppendRequest]) -> _Plan:
    plan = _Plan(seq=work.seq, hash=work.hash)
    for request in run:
        append = request.batch
        version = plan.versions.get(append.stream, work.versions[append.stream])
        refusal = _refusal(append, version, (work.rejected, plan.rejected))
        if refusal is None:
            _add(plan, request, version, work.recorded_at)
            plan.replies.append(Committed(append, plan.seq))
        else:
            plan.rejected.add((append.stream, append.life))
            plan.replies.append(AppendFailed(append, refusal))
    return plan


def _refusal(
    append: Append, version: int, rejected: tuple[set[tuple[str, int]], ...]
) -> ConflictError | None:
    stream = append.stream
    if append.creator is not None and any((stream, append.creator) in seen for seen in rejected):
        return NotCreatedError(f"{stream} was begun by another; its first append here failed.")
    if any((stream, append.life) in seen for seen in rejected):
        msg = f"An earlier append of this life to {append.stream} failed; load the stream again."
        return ConflictError(msg)
    if append.version not in (None, version):
        msg = f"{append.stream} holds {version} events, not {append.version}; load it again."
        return ConflictError(msg)
    return None


def _add(plan: _Plan, request: AppendRequest, version: int, recorded_at: str) -> None:
    """Chain the request's events to the plan: the one loop that runs for every row."""
    append = request.batch
    stream, seq, prev_hash, is_new = append.stream, plan.seq, plan.hash, not version
    for kind, topics, data in request.encoded:
        seq += 1
        version += 1
        if kind == _FILLED:
            plan.has_fills = True
        digest = row_hash((prev_hash, seq, stream, version, kind, topics, data, recorded_at))
        plan.rows.append((seq, stream, version, kind, topics, data, recorded_at, prev_hash, digest))
        prev_hash = digest
    plan.projections.add(append, first_seq=plan.seq + 1, is_new=is_new)
    plan.seq, plan.hash = seq, prev_hash
    plan.versions[stream] = version
