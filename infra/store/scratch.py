"""Tables to compare with: in a file that the database makes for itself and takes away again."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, create_engine, literal_column, select, text
from sqlalchemy.pool import NullPool

from infra.store.dialect import SqliteDriver
from infra.store.statements import Insert
from infra.store.tables import CHECKPOINTS, DAILY_PNL, FILLS, ORDERS, POSITIONS

# The checkpoint first: what it says decides what fills count.
PROJECTIONS: Final = (CHECKPOINTS, ORDERS, FILLS, POSITIONS, DAILY_PNL)

PlainRow: TypeAlias = Sequence[Any]

_BATCH: Final = 512
ROWS_AT_ONCE: Final = 1000


class Scratch:
    """The projections, empty at first: rows go in as the writer has them, and come out plain."""

    def __init__(self) -> None:
        engine = create_engine("sqlite://", creator=_connect, poolclass=NullPool)
        self._driver = SqliteDriver(engine)
        self._inserts = {table.name: Insert(table) for table in PROJECTIONS}
        self._waiting: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in PROJECTIONS}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._driver.close()

    def add(self, table: Table, row: tuple[Any, ...]) -> None:
        """Take in a row."""
        waiting = self._waiting[table.name]
        waiting.append(row)
        if len(waiting) >= _BATCH:
            self._write(table)

    def rows(self, table: Table) -> Iterator[PlainRow]:
        """Yield the rows of a table in the order of its key."""
        self._write(table)
        reading = self._driver.core.execution_options(yield_per=ROWS_AT_ONCE)
        yield from reading.execute(plain_rows(table))

    def _write(self, table: Table) -> None:
        self._inserts[table.name].write(self._driver, self._waiting[table.name])
        self._waiting[table.name].clear()


def plain_rows(table: Table, *, collation: str = "BINARY") -> Select[Any]:
    """Return the question for all rows as the database has them, in the order of the key."""
    names: list[ColumnElement[Any]] = [literal_column(f'"{column.name}"') for column in table.c]
    keys: list[ColumnElement[Any]] = [
        # Texts are ordered by their bytes, so that two databases agree.
        literal_column(f'"{key.name}" COLLATE "{collation}"' if _is_text(key) else f'"{key.name}"')
        for key in table.primary_key.columns
    ]
    return select(*names).select_from(text(table.name)).order_by(*keys)


def _is_text(column: Any) -> bool:
    return column.type.python_type is str


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = OFF")
    for table in PROJECTIONS:
        # No types: what goes in comes out.
        names: list[str] = [column.name for column in table.c]
        keys: list[str] = [key.name for key in table.primary_key.columns]
        columns = f"{', '.join(names)}, PRIMARY KEY ({', '.join(keys)})"
        connection.execute(f"CREATE TABLE {table.name} ({columns})")
    connection.execute("BEGIN")
    return connection
