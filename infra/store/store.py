"""One account's store: opened by one engine at a time, fenced by epochs."""

import os
from pathlib import Path

import structlog
from sqlalchemy import Engine

from domain.errors import StoreError
from domain.ports import Clock
from domain.terms import AccountId
from infra.store.codec import utc_text
from infra.store.drivers import Lock
from infra.store.folders import real_path
from infra.store.guard import StoreGuard
from infra.store.halts import record_missing
from infra.store.journal import SqlJournal
from infra.store.noted import HeadFile, read_noted
from infra.store.opening import head_of, require_sound
from infra.store.places import (
    Place,
    explained,
    place_of,
    readers_of,
    take_lock,
    watch_of,
    writers_of,
)
from infra.store.schema import (
    account_of,
    bump_epoch,
    create_schema,
    end_passages,
    is_empty,
    read_epoch,
    read_meta,
    require_sealed,
    upgrade_schema,
)
from infra.store.tables import SCHEMA_VERSION
from infra.store.views import Head

log = structlog.get_logger(__name__)


def open_store(
    named: Path | str, *, account_id: AccountId, clock: Clock, create: bool = True
) -> "Store":
    """Open the account's store for trading; its first journal fences off the engine before.

    Args:
        named: The store's file, its folder made when missing; or a postgresql:// URL.
        account_id: Whose store it is. A store belongs to one account for ever.
        clock: For ``recorded_at``.
        create: Make the store when there is none.

    Raises:
        AccountLockedError: Another engine is running on it.
        StoreError: It cannot be used; the text says why and what to do.
    """
    path = place_of(named)
    if isinstance(path, Path):
        path = real_path(path)
        if not create and not path.exists():
            msg = f"There is no store at {path}; check the path."
            raise StoreError(msg)
        _make_folder(path)
    lock = take_lock(path, account_id=account_id, clock=clock, create=create)
    try:
        if isinstance(path, Path):
            _make_file(path)
        store = Store(path=path, lock=lock, clock=clock)
        store.prepare(account_id)
    except BaseException:
        lock.release()
        raise
    return store


def upgrade_store(place: Place, *, clock: Clock) -> int:
    """Bring the tables of a store up to date while no engine runs on it; return what they were.

    Raises:
        AccountLockedError: An engine is running on it.
        StoreError: There is none, it is newer than this version, or it cannot be used.
    """
    if isinstance(place, Path) and not place.is_file():
        msg = f"There is no store at {place}; check the path."
        raise StoreError(msg)
    with explained(place), readers_of(place).connect() as connection:
        account_id = AccountId(account_of(connection, place))
    lock = take_lock(place, account_id=account_id, clock=clock, create=False)
    try:
        engine = writers_of(place)
        with explained(place), engine.connect() as connection, connection.begin():
            return upgrade_schema(connection, place)
    finally:
        lock.release()


class Store:
    """An open store: gives out journals and guards, each fenced by the epoch it was made in.

    Attributes:
        path: The store's file.
        epoch: The latest epoch, 0 in a new store; a journal or guard of an earlier one refuses.
    """

    def __init__(self, *, path: Place, lock: Lock, clock: Clock) -> None:
        self.path = path
        self.epoch = 0
        self._lock = lock
        self._clock = clock
        self._file = watch_of(path)
        self._writers: Engine = writers_of(path)
        self._head: Head | None = None
        self._head_file: HeadFile | None = None
        self._opened: list[SqlJournal | StoreGuard] = []

    def prepare(self, account_id: AccountId) -> None:
        """Create what is missing and check what is there; ``journal`` is what fences."""
        with explained(self.path), self._writers.connect() as connection, connection.begin():
            if is_empty(connection):
                created_at = utc_text(self._clock.now())
                create_schema(connection, {"account_id": account_id, "created_at": created_at})
            if (version := upgrade_schema(connection, self.path)) != SCHEMA_VERSION:
                log.info("store.upgraded", store=str(self.path), was=version, now=SCHEMA_VERSION)
            meta = read_meta(connection, self.path)
            require_sealed(meta, self.path)
            owner = meta["account_id"]
            if owner != account_id:
                msg = (
                    f"{self.path} belongs to account {owner}, not to {account_id}; one store "
                    "holds one account. Name another file."
                )
                raise StoreError(msg)
            self.epoch = read_epoch(connection)
            noted = read_noted(self.path) if isinstance(self.path, Path) else None
            require_sound(connection, self.path, noted)
            record_missing(connection, self.path, self._clock)
            end_passages(connection)
            self._head = head_of(connection)
        with explained(self.path):
            self._lock.name_holder()
        self._note(is_clean=False)

    def journal(self) -> SqlJournal:
        """Return a new journal; earlier ones, of this process too, are fenced off by it.

        Raises:
            StoreError: The file cannot be used, or is no longer the one that was opened.
        """
        if fault := self._file.fault():
            msg = f"The store is lost: {fault}; put the file back and start again."
            raise StoreError(msg)
        with explained(self.path), self._writers.connect() as connection, connection.begin():
            self.epoch = bump_epoch(connection, self.epoch)
        journal = SqlJournal(
            engine=self._writers, path=self.path, epoch=self.epoch, clock=self._clock
        )
        journal.watch(lambda *_: self._committed(journal.head))
        self._opened.append(journal)
        self._say("store.opened")
        return journal

    def guard(self) -> StoreGuard:
        """Return a guard of the current epoch: make the journal first."""
        guard = StoreGuard(path=self.path, epoch=self.epoch)
        self._opened.append(guard)
        return guard

    def close(self) -> None:
        """Close every journal and guard and let the next engine in. No drain may be running."""
        is_clean = not any(isinstance(one, SqlJournal) and one.has_failed for one in self._opened)
        for opened in reversed(self._opened):
            opened.close()
        self._opened.clear()
        if self._head is not None:
            self._note(is_clean=is_clean and not self._file.fault())
            self._say("store.closed")
            self._head = None
        if self._head_file is not None:
            self._head_file.close()
        self._lock.release()

    def _committed(self, head: Head) -> None:
        self._head = head
        if self._head_file is not None:
            self._head_file.note(head)

    def _note(self, *, is_clean: bool) -> None:
        if self._head is None or not isinstance(self.path, Path):
            return
        try:
            self._head_file = self._head_file or HeadFile(self.path)
            self._head_file.force(self._head, is_clean=is_clean)
        except OSError as error:
            log.warning("head.not_noted", store=str(self.path), reason=error.strerror)

    def _say(self, event: str) -> None:
        """Log where the journal ends: what is cut off later is missed then."""
        if (head := self._head) is not None:
            log.info(event, store=str(self.path), epoch=self.epoch, seq=head.seq, hash=head.hash)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"The folder {path.parent} cannot be made: {error.strerror}. Name another store."
        raise StoreError(msg) from error


def _make_file(path: Path) -> None:
    """The file is made before the database opens it, so that nobody else can ever read it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}. Name another store."
        raise StoreError(msg) from error
