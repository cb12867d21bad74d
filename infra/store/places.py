"""Where a store is, a file or a PostgreSQL schema, and which database code serves it.

PostgreSQL's driver is an extra and is imported only when a store is named by URL.
"""

import re
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import StoreError
from domain.ports import Clock
from domain.terms import AccountId
from infra.store import dialect, sqlite_file
from infra.store.drivers import Driver, Gate, HaltNote, Lock, PostgresPlace, Watch
from infra.store.gate import FileGate
from infra.store.halt_note import FileNote
from infra.store.lock import StoreLock

_SCHEMES: Final = ("postgresql", "postgresql+psycopg")
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
DEFAULT_SCHEMA: Final = "oncefill"


Place: TypeAlias = Path | PostgresPlace


def is_url(text: str) -> bool:
    """Return whether a store is named by URL, not by path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text) is not None


def place_of(named: Path | str) -> Place:
    """Return where ``named`` is: a path, or ``postgresql://user@host/database?schema=name``.

    Without ``schema`` it is ``oncefill``. The password belongs into the environment (PGPASSWORD)
    or into ``~/.pgpass``; one in the URL is used and never shown.

    Raises:
        StoreError: The URL is none that a store can have.
    """
    if isinstance(named, Path) or not is_url(named):
        return Path(named)
    try:
        url = make_url(named)
    except (ArgumentError, ValueError) as error:
        msg = "The store's URL cannot be read; write postgresql://user@host/database?schema=name."
        raise StoreError(msg) from error
    if url.drivername not in _SCHEMES:
        msg = f"A store is a file or a postgresql:// address, not {url.drivername}://."
        raise StoreError(msg)
    return _postgres_place(url)


def _postgres_place(url: URL) -> PostgresPlace:
    query = {key: value if isinstance(value, str) else value[0] for key, value in url.query.items()}
    schema = query.pop("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        msg = "The store's schema: give lower case letters, digits and underlines, at most 63."
        raise StoreError(msg)
    options = {
        key: str(value)
        for key, value in url.translate_connect_args(username="user", database="dbname").items()
    }
    shown = URL.create(
        _SCHEMES[0],
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query={key: query[key] for key in ("host", "port") if key in query} | {"schema": schema},
    )
    return PostgresPlace(name=str(shown), schema=schema, options=options | query)


def writers_of(place: Place) -> Engine:
    """Return the engine for what writes."""
    if isinstance(place, Path):
        return dialect.writer_engine(place)
    engine: Engine = _postgres().writer_engine(place)
    return engine


def readers_of(place: Place) -> Engine:
    """Return an engine that cannot write; each of its transactions sees one moment."""
    if isinstance(place, Path):
        return dialect.reader_engine(place)
    engine: Engine = _postgres().reader_engine(place)
    return engine


def driver_of(engine: Engine) -> Driver:
    """Return a writer's connection of ``engine``."""
    if engine.dialect.name == dialect.DIALECT.name:
        return dialect.SqliteDriver(engine)
    driver: Driver = _postgres().PostgresDriver(engine)
    return driver


def gate_of(place: Place) -> Gate:
    """Return where the orders of an engine pass."""
    if isinstance(place, Path):
        return FileGate(place)
    gate: Gate = _postgres("postgres_halts").PostgresGate(place)
    return gate


def note_of(place: Place) -> HaltNote:
    """Return where the halts are noted outside of the journal."""
    if isinstance(place, Path):
        return FileNote(place)
    note: HaltNote = _postgres("postgres_halts").PostgresNote(place)
    return note


def watch_of(place: Place) -> Watch:
    """Return what looks whether the store is still the one that was opened."""
    return dialect.StoreFile(place) if isinstance(place, Path) else _Watched()


def byte_order_of(place: Place) -> str:
    """Return the name of the collation that orders texts by their bytes."""
    return "BINARY" if isinstance(place, Path) else "C"


def guards_missing(place: Place, connection: Connection) -> list[str]:
    """Return which triggers of the journal are not as they were made."""
    if isinstance(place, Path):
        return sqlite_file.guards_missing(connection)
    missing: list[str] = _postgres().guards_missing(connection)
    return missing


def descriptions(connection: Connection) -> list[str]:
    """Return how the database describes the store's tables; a server's are left to it."""
    is_file = connection.dialect.name == dialect.DIALECT.name
    return sqlite_file.descriptions(connection) if is_file else []


def damage(place: Place, connection: Connection) -> list[str]:
    """Return what the database finds wrong with its own file; a server is not asked."""
    return sqlite_file.damage(connection) if isinstance(place, Path) else []


def explained(place: Place) -> AbstractContextManager[None]:
    """Turn a database error into one that says what to do."""
    if isinstance(place, Path):
        return dialect.explained(place)
    explaining: AbstractContextManager[None] = _postgres().server_explained(place)
    return explaining


def take_lock(place: Place, *, account_id: AccountId, clock: Clock, create: bool) -> Lock:
    """Take the account's lock, or raise AccountLockedError, which names the holder."""
    if isinstance(place, Path):
        return StoreLock.take(place, account_id=account_id, clock=clock)
    lock: Lock = _postgres("postgres_lock").PostgresLock.take(
        place, account_id=account_id, clock=clock, create=create
    )
    return lock


def holder_of(place: PostgresPlace) -> tuple[str, bool]:
    """Return what the last engine wrote of itself, and whether an engine holds the lock now."""
    holder: tuple[str, bool] = _postgres("postgres_lock").holder_of(place)
    return holder


def end_lines(place: PostgresPlace) -> str | None:
    """End the lines of the engine that holds the lock; return who it was, None if nobody does.

    Raises:
        AccountLockedError: They may not be ended, or do not end.
    """
    holder: str | None = _postgres("postgres_lock").end_holder(place)
    return holder


def triggers_of(dialect_name: str) -> tuple[str, ...]:
    """Return what keeps the journal append-only, as statements."""
    if dialect_name == dialect.DIALECT.name:
        return dialect.TRIGGERS
    triggers: tuple[str, ...] = _postgres().TRIGGERS
    return triggers


class _Watched:
    """The server watches its files itself."""

    def fault(self) -> None:
        """There is no file to look at."""

    def wal_fault(self) -> None:
        """There is no file to look at."""


def _postgres(module: str = "postgres") -> Any:
    try:
        return import_module(f"infra.store.{module}")
    except ImportError as error:
        msg = "PostgreSQL needs its driver: pip install 'psycopg[binary]'."
        raise StoreError(msg) from error
