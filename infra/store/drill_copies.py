"""Where the drill tampers: copies of the store, never the store itself.

A file is copied into a folder. A schema on a server is copied, as it is at one moment, into two
new schemas of the same database, which are dropped at the end; only what belongs to the record is
copied, without the engine's holder and the note of halts.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from shutil import copyfile
from sqlite3 import connect
from typing import Final, Protocol

from sqlalchemy import Connection, MetaData, delete, insert, select

from infra.store.dialect import DIALECT, TRIGGERS
from infra.store.drivers import PostgresPlace
from infra.store.places import Place, explained, triggers_of, writers_of
from infra.store.schema import is_passing
from infra.store.tables import META, StoreRow

_TABLES: Final = tuple(StoreRow.metadata.sorted_tables)
_NEW: Final = "oncefill_drill_"


class Copies(Protocol):
    """An untouched copy, and others of it that are tampered with."""

    @property
    def original(self) -> Place:
        """The copy that stays as the store was."""
        ...

    def fresh(self) -> Place:
        """Return the copy to tamper with, made anew from the untouched one."""
        ...


@contextmanager
def copies_of(store: Place, folder: Path) -> Iterator[Copies]:
    """Copy a store; an engine may run on it.

    Args:
        store: It is only read.
        folder: Where copies of files are put; schemas are dropped by themselves.

    Raises:
        StoreError: It cannot be copied: the server's user has to be allowed to create schemas.
    """
    if isinstance(store, Path):
        yield _Files(store, folder)
        return
    schemas = _Schemas(store)
    try:
        schemas.make()
        yield schemas
    finally:
        schemas.drop()


def drop_guards(connection: Connection) -> None:
    """Get the journal's triggers out of the way."""
    if connection.dialect.name == DIALECT.name:
        for trigger in TRIGGERS:
            connection.exec_driver_sql(f"DROP TRIGGER {trigger.split()[2]}")
    else:
        connection.exec_driver_sql("ALTER TABLE journal DISABLE TRIGGER USER")


def put_guards(connection: Connection) -> None:
    """Put the journal's triggers back in place."""
    if connection.dialect.name == DIALECT.name:
        for trigger in TRIGGERS:
            connection.exec_driver_sql(trigger)
    else:
        connection.exec_driver_sql("ALTER TABLE journal ENABLE TRIGGER USER")


class _Files:
    """Copies of a file."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.original, self._tampered = folder / "original.db", folder / "tampered.db"
        with closing(connect(store)) as source, closing(connect(self.original)) as copy:
            source.backup(copy)
            # Without a log beside it the file is all there is to copy.
            copy.execute("PRAGMA journal_mode = DELETE")

    def fresh(self) -> Path:
        copyfile(self.original, self._tampered)
        return self._tampered


class _Schemas:
    """Copies of a schema. Their names are new, so that nothing of anybody's is ever dropped."""

    def __init__(self, store: PostgresPlace) -> None:
        self._store = store
        name = _NEW + token_hex(6)
        self.original = replace(store, name=f"{store} (its copy {name})", schema=name)
        self._tampered = replace(self.original, schema=f"{name}_tampered")
        self._made: list[str] = []

    def make(self) -> None:
        for place, source in ((self.original, self._store), (self._tampered, self.original)):
            with self._writing(place) as connection:
                connection.exec_driver_sql(f"CREATE SCHEMA {place.schema}")
                StoreRow.metadata.create_all(connection, checkfirst=False)
                _fill(connection, source.schema)
                for trigger in triggers_of(connection.dialect.name):
                    connection.exec_driver_sql(trigger)
            self._made.append(place.schema)

    def fresh(self) -> PostgresPlace:
        with self._writing(self._tampered) as connection:
            drop_guards(connection)
            names = ", ".join(table.name for table in _TABLES)
            connection.exec_driver_sql(f"TRUNCATE {names}")
            _fill(connection, self.original.schema)
            put_guards(connection)
        return self._tampered

    def drop(self) -> None:
        with self._writing(self._store) as connection:
            for schema in self._made:
                connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")

    @contextmanager
    def _writing(self, place: PostgresPlace) -> Iterator[Connection]:
        with explained(place), writers_of(place).connect() as connection, connection.begin():
            # All tables are copied as they are at one moment, however long it takes.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield connection


def _fill(connection: Connection, schema: str) -> None:
    for table in _TABLES:
        source = table.to_metadata(MetaData(), schema=schema)
        # In order, so that the same seed means the same rows.
        chosen = select(source).order_by(*source.primary_key.columns)
        connection.execute(insert(table).from_select(table.c.keys(), chosen))
    passing = [key for key in connection.execute(select(META.c.key)).scalars() if is_passing(key)]
    connection.execute(delete(META).where(META.c.key.in_(passing)))
