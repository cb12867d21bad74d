"""PostgreSQL: one schema for each account. Imported only where a store is named by URL."""

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from itertools import chain, islice
from typing import Any, Final, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.string import TextLoader
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from domain.errors import StoreError
from infra.store.dialect import ROWS_A_CALL, of_rows
from infra.store.drivers import PostgresPlace, RemoteError, RemoteRowError

TRIGGERS: Final = (
    """CREATE FUNCTION journal_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation'; END
    $$""",
    """CREATE FUNCTION journal_next() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM journal) THEN
        RAISE 'journal rows come one after the other'
          USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NEW;
    END $$""",
    """CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_refuses()""",
    """CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()""",
    """CREATE TRIGGER journal_next BEFORE INSERT ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_next()""",
)

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Whoever writes waits here for whoever wrote before, and sees afterwards what that one committed.
_LOCK_HEAD: Final = "SELECT value FROM meta WHERE key = 'epoch' FOR UPDATE"
# A dead line is noticed within half a minute; a lock that nobody gives up as well.
_LINE: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
_SESSION: Final = {
    "lock_timeout": "30s",
    "statement_timeout": "60s",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "error",
}


def writer_engine(place: PostgresPlace) -> Engine:
    """Return an engine whose transactions are begun by a PostgresDriver, or by Core."""
    return _engine(place, is_reading=False)


def reader_engine(place: PostgresPlace) -> Engine:
    """Return an engine that cannot write; each of its transactions sees one moment."""
    return _engine(place, is_reading=True)


def _engine(place: PostgresPlace, *, is_reading: bool) -> Engine:
    def connect() -> psycopg.Connection[Any]:
        connection = connect_to(place)
        if is_reading:
            connection.set_autocommit(False)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        return connection

    def begin_unless_begun(connection: Connection) -> None:
        raw = _raw_of(connection)
        if raw.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            connection.exec_driver_sql(_BEGIN)

    engine = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=NullPool,
        # A connection is closed after its use: a broken one needs no reset that fails loudly.
        pool_reset_on_return=None,
        use_native_hstore=False,
    )
    if not is_reading:
        event.listen(engine, "begin", begin_unless_begun)
    return engine


def connect_to(place: PostgresPlace) -> psycopg.Connection[Any]:
    """Connect; durable at every commit, whatever the server's default is."""
    settings = _SESSION | {"search_path": place.schema}
    given = {"application_name": _name()} | dict(place.options)
    options = " ".join([given.pop("options", ""), *(f"-c {k}={v}" for k, v in settings.items())])
    told = make_conninfo("", **{**_LINE, **given, "options": options})
    connection = psycopg.connect(told, autocommit=True)
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
    return connection


def _name() -> str:
    """Return by what name the server knows all lines of this process; it keeps 63 bytes."""
    return f"oncefill {os.getpid()} {socket.gethostname()}"[:63]


def _raw_of(connection: Connection) -> psycopg.Connection[Any]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection), type(raw).__name__
    return raw


class PostgresDriver:
    """infra.store.drivers.Driver on PostgreSQL.

    Attributes:
        core: The same connection for questions, within a transaction begun here.
    """

    def __init__(self, engine: Engine) -> None:
        self.core = engine.connect()
        self._raw = _raw_of(self.core)
        self._cursor = self._raw.cursor()
        for kind in ("date", "numeric"):
            self._cursor.adapters.register_loader(kind, TextLoader)

    @contextmanager
    def transaction(self, *, is_writing: bool) -> Iterator[None]:
        """Commit what is done inside, or nothing of it; writing waits for the head."""
        try:
            with translated():
                self._cursor.execute(_BEGIN if is_writing else _BEGIN_READING)
                if is_writing:
                    self._cursor.execute(_LOCK_HEAD)
            yield
            with translated():
                # A line that breaks here leaves open whether this was committed.
                self._raw.commit()
        except BaseException:
            with suppress(psycopg.Error):
                self._raw.rollback()
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Keep what is done inside, or nothing of it, within a transaction."""
        with translated():
            self._cursor.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            with suppress(psycopg.Error):
                self._cursor.execute("ROLLBACK TO part")
                self._cursor.execute("RELEASE part")
            raise
        with translated():
            self._cursor.execute("RELEASE part")

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that ``statement`` finds."""
        with translated():
            return self._cursor.execute(_placed(statement), values).fetchall()

    def write(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run ``statement`` for each row; return how many rows it changed."""
        with translated():
            if not statement.startswith("INSERT"):
                self._cursor.executemany(_placed(statement), map(_storable, rows))
                return self._cursor.rowcount
            left, changed = iter(rows), 0
            while chunk := tuple(islice(left, ROWS_A_CALL)):
                values = _storable(tuple(chain.from_iterable(chunk)))
                sql = _placed(of_rows(statement, len(chunk)))
                changed += self._cursor.execute(sql, values).rowcount
            return changed

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(psycopg.Error, DBAPIError):
            self.core.close()


def lock_key(place: PostgresPlace, what: str = "") -> int:
    """Return the number of an advisory lock of the store: of its account, or what is named."""
    words = f"oncefill {place.schema}" if not what else f"oncefill {what} {place.schema}"
    return int.from_bytes(sha256(words.encode()).digest()[:8], signed=True)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the rest of the store knows; nothing outside this module sees psycopg."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise RemoteRowError(str(error)) from error
    except psycopg.Error as error:
        raise RemoteError(str(error) or type(error).__name__) from error


@cache
def _placed(statement: str) -> LiteralString:
    """The same statement with the places as psycopg wants them; it is the store's own text."""
    return statement.replace("%", "%%").replace("?", "%s")


def _storable(values: Sequence[Any]) -> Sequence[Any]:
    """A text cannot hold the character NUL here; journal rows have it escaped, as JSON has."""
    if any(isinstance(value, str) and "\0" in value for value in values):
        return [v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in values]
    return values


def guards_missing(connection: Connection) -> list[str]:
    """Return the triggers of the journal that are missing or switched off."""
    found = connection.exec_driver_sql(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'journal'::regclass AND tgenabled = 'O'"
    )
    there = set(found.scalars())
    wanted = [text.split()[2] for text in TRIGGERS if text.startswith("CREATE TRIGGER")]
    return [name for name in wanted if name not in there]


@contextmanager
def server_explained(place: PostgresPlace) -> Iterator[None]:
    """Turn an error of the server into one that says what to do."""
    try:
        yield
    except (psycopg.Error, RemoteError, DBAPIError) as error:
        msg = f"{place} cannot be used; check the server and the address ({error})."
        raise StoreError(msg) from error
