"""One account's store: opened by one engine at a time, fenced by epochs."""

import os
from pathlib import Path

from sqlalchemy import Engine

from domain.errors import StoreError
from domain.ports import Clock
from domain.terms import AccountId
from infra.store.codec import utc_text
from infra.store.dialect import StoreFile, explained, writer_engine
from infra.store.guard import StoreGuard
from infra.store.halts import record_missing
from infra.store.journal import SqlJournal
from infra.store.lock import StoreLock
from infra.store.schema import bump_epoch, create_schema, is_empty, read_epoch, read_meta


def open_store(path: Path, *, account_id: AccountId, clock: Clock, create: bool = True) -> "Store":
    """Open the account's store for trading; its first journal fences off the engine before.

    Args:
        path: The store's file; its folder is made when missing.
        account_id: Whose store it is. A store belongs to one account for ever.
        clock: For ``recorded_at``.
        create: Make the store when there is none.

    Raises:
        AccountLockedError: Another engine is running on it.
        StoreError: It cannot be used; the text says why and what to do.
    """
    path = path.absolute()
    if not create and not path.exists():
        msg = f"There is no store at {path}; check the path."
        raise StoreError(msg)
    _make_folder(path)
    lock = StoreLock.take(path, account_id=account_id, clock=clock)
    try:
        _make_file(path)
        store = Store(path=path, lock=lock, clock=clock)
        store.prepare(account_id)
    except BaseException:
        lock.release()
        raise
    return store


class Store:
    """An open store: gives out journals and guards, each fenced by the epoch it was made in.

    Attributes:
        path: The store's file.
        epoch: The latest epoch, 0 in a new store; a journal or guard of an earlier one refuses.
    """

    def __init__(self, *, path: Path, lock: StoreLock, clock: Clock) -> None:
        self.path = path
        self.epoch = 0
        self._lock = lock
        self._clock = clock
        self._file = StoreFile(path)
        self._writers: Engine = writer_engine(path)
        self._opened: list[SqlJournal | StoreGuard] = []

    def prepare(self, account_id: AccountId) -> None:
        """Create what is missing and check what is there; ``journal`` is what fences."""
        with explained(self.path), self._writers.connect() as connection, connection.begin():
            if is_empty(connection):
                created_at = utc_text(self._clock.now())
                create_schema(connection, {"account_id": account_id, "created_at": created_at})
            owner = read_meta(connection, self.path).get("account_id")
            if owner != account_id:
                msg = (
                    f"{self.path} belongs to account {owner}, not to {account_id}; one store "
                    "holds one account. Name another file."
                )
                raise StoreError(msg)
            self.epoch = read_epoch(connection)
            record_missing(connection, self.path, self._clock)

    def journal(self) -> SqlJournal:
        """Return a new journal; earlier ones, of this process too, are fenced off by it.

        Raises:
            StoreError: The file cannot be used, or is no longer the one that was opened.
        """
        if fault := self._file.fault():
            msg = f"The store is lost: {fault}; put the file back and start again."
            raise StoreError(msg)
        with explained(self.path), self._writers.connect() as connection, connection.begin():
            self.epoch = bump_epoch(connection)
        journal = SqlJournal(
            engine=self._writers, path=self.path, epoch=self.epoch, clock=self._clock
        )
        self._opened.append(journal)
        return journal

    def guard(self) -> StoreGuard:
        """Return a guard of the current epoch: make the journal first."""
        guard = StoreGuard(path=self.path, epoch=self.epoch)
        self._opened.append(guard)
        return guard

    def close(self) -> None:
        """Close every journal and guard and let the next engine in. No drain may be running."""
        for opened in reversed(self._opened):
            opened.close()
        self._opened.clear()
        self._lock.release()


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
