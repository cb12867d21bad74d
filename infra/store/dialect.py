"""What differs between databases, in one place. SQLite only, so far."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    literal_column,
)
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from domain.errors import StoreError
from infra.store.codec import utc_text
from infra.store.tables import Exact, UtcTime

BUSY_MS: Final = 5000

# Where ``exec_driver_sql`` puts a value in a compiled statement.
PLACE: Final[ColumnElement[Any]] = literal_column("?")

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


def writer_engine(path: Path) -> Engine:
    """Return an engine whose transactions hold the write lock from their first moment."""
    return _engine(path, mode="rw", pragmas=_WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")


def reader_engine(path: Path) -> Engine:
    """Return an engine that cannot write; each of its transactions sees one moment."""
    return _engine(path, mode="ro", pragmas=("query_only=ON",), begin="BEGIN")


def probe_engine(path: Path) -> Engine:
    """Return an engine that cannot write and begins no transactions: each look is a fresh one."""
    return _engine(path, mode="ro", pragmas=("query_only=ON",), begin=None)


def _engine(path: Path, *, mode: str, pragmas: tuple[str, ...], begin: str | None) -> Engine:
    uri = f"file:{quote(str(path))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # The driver's own transactions are off: "begin" below is the only one that begins any.
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    if begin is not None:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a database error into one that says what to do with the file."""
    try:
        yield
    except DBAPIError as error:
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            what = "is not a store or is damaged; keep it, and name another file or restore a copy"
        elif "readonly" in str(error.orig) or "unable to open" in str(error.orig):
            what = "cannot be opened; check the permissions of the file and of its folder"
        else:
            what = "cannot be used; check the disk"
        msg = f"{path} {what} ({error.orig})."
        raise StoreError(msg) from error


# What the columns' own types do for a value, in one call (a test compares the two).
_CONVERTERS: Final[dict[type, Callable[[Any], Any]]] = {
    Exact: str,
    UtcTime: utc_text,
    Date: date.isoformat,
}


def compiled(statement: Select[Any]) -> str:
    """Return the statement's text for ``exec_driver_sql``, made once instead of at each call.

    Core takes a tenth of a millisecond a call, and a commit for one order is hardly longer.
    """
    return str(statement.compile(dialect=sqlite_dialect(), compile_kwargs={"literal_binds": True}))


class Bulk:
    """One INSERT of a table, compiled once; rows are tuples in the order of its columns.

    With ``updates``, a row whose primary key is known changes those columns of the old one. Core's
    own executemany is half as fast, with its dicts and layers of processors; this converts what
    the driver would not take and hands it tuples.
    """

    def __init__(self, table: Table, *, updates: Collection[str] = ()) -> None:
        dialect = sqlite_dialect()
        statement = insert(table)
        if updates:
            # SQLite writes the index of every column named here, changed or not: name no others.
            changed = {name: statement.excluded[name] for name in updates}
            keys = list(table.primary_key.columns)
            statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        self._sql = str(statement.compile(dialect=dialect))
        self._converters: list[tuple[int, Callable[[Any], Any]]] = [
            (index, _CONVERTERS[type(column.type)])
            for index, column in enumerate(table.c)
            if type(column.type) in _CONVERTERS
        ]

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert ``rows`` in their order."""
        if rows:
            plain = [self._plain(row) for row in rows] if self._converters else list(rows)
            connection.exec_driver_sql(self._sql, plain)

    def _plain(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for index, convert in self._converters:
            if (value := values[index]) is not None:
                values[index] = convert(value)
        return tuple(values)
