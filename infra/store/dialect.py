"""What differs between databases: SQLite's part. PostgreSQL's is postgres.py."""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from domain.errors import StoreError
from infra.store.drivers import RemoteError, RemoteRowError

# Path.stat takes twice as long, and every commit asks.
_stat: Final = os.stat
BUSY_MS: Final = 5000
BUSY_TRIES: Final = 6  # Half a minute in all; then the engine stops.

# Each call of SQLite lets other threads run and waits for them; a power of two.
ROWS_A_CALL: Final = 32
_ROW: Final = re.compile(r"(?<=VALUES )\([?, ]+\)")

_DAMAGED: Final = ("not a database", "malformed", "decode to UTF-8", "no such")
_HEADER_SIZE: Final = 100  # No database is smaller.

DIALECT: Final[Dialect] = sqlite_dialect()

# What a ``Driver`` raises: whatever went wrong; and that a row may not be beside the others.
DriverError: Final = (sqlite3.Error, RemoteError)
ImpossibleRowError: Final = (sqlite3.IntegrityError, RemoteRowError)

TRIGGERS: Final = (
    """CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    # INSERT OR REPLACE fires no delete trigger: only this one refuses it.
    """CREATE TRIGGER journal_next BEFORE INSERT ON journal
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
    BEGIN SELECT RAISE(ABORT, 'journal rows come one after the other'); END""",
)

# FULL: NORMAL forgot acknowledged signals in simulated power cuts (DESIGN 7).
_WRITER_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


# An engine holds no connection, but knows its statements as text: making that takes milliseconds.
_kept = lru_cache(maxsize=8)


@_kept
def writer_engine(path: Path) -> Engine:
    """Return an engine whose transactions hold the write lock from their first moment."""
    return _engine(path, mode="rw", pragmas=_WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")


@_kept
def reader_engine(path: Path) -> Engine:
    """Return an engine that cannot write; each of its transactions sees one moment."""
    return _engine(path, mode="ro", pragmas=("query_only=ON",), begin="BEGIN")


def _engine(path: Path, *, mode: str, pragmas: tuple[str, ...], begin: str) -> Engine:
    engine = create_engine(
        "sqlite://", creator=lambda: _connect(path, mode, pragmas), poolclass=NullPool
    )

    def begin_unless_begun(connection: Connection) -> None:
        # A Driver has begun its own before it lets Core ask within it.
        if not _raw_of(connection).in_transaction:
            connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begin_unless_begun)
    return engine


def _connect(path: Path, mode: str, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    # The driver's own transactions are off: it begins none that it was not told to.
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
    )
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _raw_of(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection), type(raw).__name__
    return raw


class SqliteDriver:
    """An engine's connection as its driver has it: for the writer, which commits all day.

    Core's layers around a statement take longer than SQLite does for it, and a commit of one
    event has five. Only text compiled from the tables is run here. All methods raise DriverError,
    ``write`` also ImpossibleRowError; both are the driver's own.

    Attributes:
        core: The same connection for questions, within a transaction begun here.
    """

    def __init__(self, engine: Engine) -> None:
        self.core = engine.connect()
        self._raw = _raw_of(self.core)
        self._cursor = self._raw.cursor()

    @contextmanager
    def transaction(self, *, is_writing: bool) -> Iterator[None]:
        """Commit what is done inside, or nothing of it.

        Args:
            is_writing: Hold the write lock from the first moment. Otherwise what is read inside
                is of one moment, and nobody waits for anybody.
        """
        self._begin("BEGIN IMMEDIATE" if is_writing else "BEGIN")
        try:
            yield
            self._raw.commit()
        except BaseException:
            # The first error counts; after some of them SQLite has rolled back by itself.
            with suppress(sqlite3.Error):
                self._raw.rollback()
            raise

    def _begin(self, statement: str) -> None:
        """Begin, also when another program holds the file for a while: nothing is written yet."""
        for tries_left in reversed(range(BUSY_TRIES)):
            try:
                self._cursor.execute(statement)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or not tries_left:
                    raise
            else:
                return

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Keep what is done inside, or nothing of it, within a transaction."""
        self._cursor.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._cursor.execute("ROLLBACK TO part")
                self._cursor.execute("RELEASE part")
            raise
        self._cursor.execute("RELEASE part")

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that ``statement`` finds."""
        return self._cursor.execute(statement, values).fetchall()

    def write(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run ``statement`` for each row; return how many rows it changed."""
        if not statement.startswith("INSERT"):
            return self._cursor.executemany(statement, rows).rowcount
        left, changed = iter(rows), 0
        while chunk := tuple(islice(left, ROWS_A_CALL)):
            while chunk:
                # Powers of two only, so that there are few statements to compile and keep.
                size = 1 << len(chunk).bit_length() - 1
                values = tuple(chain.from_iterable(chunk[:size]))
                changed += self._cursor.execute(of_rows(statement, size), values).rowcount
                chunk = chunk[size:]
        return changed

    def close(self) -> None:
        """Let go of the connection."""
        self.core.close()


@cache
def of_rows(statement: str, count: int) -> str:
    """The INSERT of one row as one of ``count`` rows."""
    return _ROW.sub(lambda row: ", ".join([row[0]] * count), statement, count=1)


class StoreFile:
    """A store's file as it was when it was opened.

    SQLite goes on writing to a file that has no name any more, and finds no fault with it. The
    looks take some microseconds; no file is opened, which would end SQLite's locks.
    """

    def __init__(self, path: Path) -> None:
        # Texts made once: making them takes longer than the system's answer.
        self._path = os.fspath(path)
        self._wal_path = os.path.realpath(path) + "-wal"
        self._file = _identity(_stat(self._path))
        self._wal: tuple[int, int] | None = None
        self._wal_size = 0

    def fault(self) -> str | None:
        """Return what has happened to the file, if anything has."""
        try:
            found = _stat(self._path)
        except OSError as error:
            return _missing(self._path, error)
        if _identity(found) != self._file:
            return f"{self._path} was replaced while the engine ran"
        if found.st_size < _HEADER_SIZE:
            return f"{self._path} was emptied while the engine ran"
        return None

    def wal_fault(self) -> str | None:
        """Return what has happened to the log of commits since the first look at it.

        To be asked within a transaction: as long as its connection is open, SQLite keeps the log.
        """
        try:
            found = _stat(self._wal_path)
        except OSError as error:
            return None if self._wal is None else _missing(self._wal_path, error)
        if self._wal is None:
            self._wal = _identity(found)
        # SQLite begins it anew from its start and never makes it shorter while it is in use.
        if found.st_size < self._wal_size:
            return f"{self._wal_path} was cut short while the engine ran"
        self._wal_size = found.st_size
        is_same = _identity(found) == self._wal
        return None if is_same else f"{self._wal_path} was replaced while the engine ran"


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _missing(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} was deleted while the engine ran"
    return f"{path} could not be looked at ({error.strerror})"


class Probe:
    """A connection that cannot write and begins no transactions: each look is a fresh one."""

    def __init__(self, path: Path) -> None:
        self._raw = _connect(path, "ro", ("query_only=ON",))
        self._cursor = self._raw.cursor()

    def read(self, statement: str) -> list[Any]:
        """Return the rows that ``statement`` finds; raise DriverError."""
        return self._cursor.execute(statement).fetchall()

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a database error into one that says what to do with the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        # A damaged schema, in whose words SQLite complains of it.
        msg = f"{path} is damaged; keep it, and restore a copy."
        raise StoreError(msg) from error
    except DBAPIError as error:
        if any(word in str(error.orig) for word in _DAMAGED):
            what = "is not a store or is damaged; keep it, and name another file or restore a copy"
        elif "readonly" in str(error.orig) or "unable to open" in str(error.orig):
            what = "cannot be opened; check the permissions of the file and of its folder"
        else:
            what = "cannot be used; check the disk"
        msg = f"{path} {what} ({error.orig})."
        raise StoreError(msg) from error
