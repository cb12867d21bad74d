"""Statements for a ``Driver``: compiled once from the tables, run with plain tuples."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Date,
    Select,
    Table,
    bindparam,
    literal_column,
    update,
)
from sqlalchemy.dialects.sqlite import insert  # As PostgreSQL's: both know ON CONFLICT.

from infra.store.codec import utc_text
from infra.store.dialect import DIALECT
from infra.store.drivers import Driver
from infra.store.tables import Exact, UtcTime

_Row = tuple[Any, ...]

# Where the driver puts a value in a compiled statement.
PLACE: Final[ColumnElement[Any]] = literal_column("?")

# What the columns' own types do for a value, in one call (a test compares the two).
_CONVERTERS: Final[dict[type, Callable[[Any], Any]]] = {
    Exact: str,
    UtcTime: utc_text,
    Date: date.isoformat,
}


def compiled(statement: Select[Any]) -> str:
    """Return the text of a question, its values written out."""
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))


class Insert:
    """INSERT into a table; rows are tuples in the order of its columns.

    With ``updates``, a row whose primary key is known changes those columns of the old one. Core's
    own executemany is half as fast, with its dicts and layers of processors; this converts what
    the driver would not take and hands it tuples.
    """

    def __init__(self, table: Table, *, updates: Collection[str] = ()) -> None:
        statement = insert(table)
        if updates:
            # SQLite writes the index of every column named here, changed or not: name no others.
            changed = {name: statement.excluded[name] for name in updates}
            keys = list(table.primary_key.columns)
            statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        self._sql = _text(statement)
        self._converters = _converters(tuple(table.c))

    def write(self, driver: Driver, rows: Sequence[_Row]) -> None:
        """Insert ``rows`` in their order."""
        if rows:
            plain = _plain(rows, self._converters) if self._converters else rows
            driver.write(self._sql, plain)

    def write_plain(self, driver: Driver, rows: Iterable[_Row]) -> None:
        """Insert rows that are as the driver has them already, however many."""
        driver.write(self._sql, rows)


class Change:
    """UPDATE of rows that are known, by primary key: cheaper than an INSERT that meets them.

    Rows are tuples as for ``Insert``; only the columns ``updates`` are written.
    """

    def __init__(self, table: Table, *, updates: Collection[str]) -> None:
        changing = [column for column in table.c if column.name in updates]
        keys = list(table.primary_key.columns)
        statement = update(table).values({column: bindparam(column.name) for column in changing})
        for key in keys:
            statement = statement.where(key == bindparam(f"key_{key.name}"))
        self._sql = _text(statement)
        columns = list(table.c)
        self._chosen = itemgetter(*(columns.index(column) for column in (*changing, *keys)))
        self._converters = _converters((*changing, *keys))

    def write(self, driver: Driver, rows: Sequence[_Row]) -> bool:
        """Write ``rows``; return False when some were not there."""
        if not rows:
            return True
        chosen = _plain(map(self._chosen, rows), self._converters)
        return driver.write(self._sql, chosen) == len(rows)


_Converters = list[tuple[int, Callable[[Any], Any]]]


def _text(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=DIALECT))


def _converters(columns: Sequence[ColumnElement[Any]]) -> _Converters:
    return [
        (index, _CONVERTERS[type(column.type)])
        for index, column in enumerate(columns)
        if type(column.type) in _CONVERTERS
    ]


def _plain(rows: Iterable[_Row], converters: _Converters) -> Iterable[Sequence[Any]]:
    """One row at a time: thousands kept at once would call the garbage collector."""
    for row in rows:
        values = list(row)
        for index, convert in converters:
            if (value := values[index]) is not None:
                values[index] = convert(value)
        yield values
