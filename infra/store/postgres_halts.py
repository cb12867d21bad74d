"""Halts of a store on PostgreSQL: an advisory lock as the gate, a row of meta as the note.

The note is a row of its own: an engine that was stopped in the midst of a commit keeps the head of
the journal, and nobody else's. It is written by single statements, compared with what was read, so
that a command that is stopped leaves nothing locked and undoes nothing when it goes on.

The server lets go of a lock when the line breaks, whatever the call does that was let through. So
each passage has a row as well, which only its end takes away, by another line if need be.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from secrets import token_hex
from threading import Event, Lock
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Literal
from sqlalchemy import Connection, select

from domain.errors import NotSentError, StoreError
from domain.halt import ACCOUNT, Halted
from infra.store.drivers import Halts, Passage, PostgresPlace
from infra.store.halt_file import UNREADABLE, halts_of, text_of
from infra.store.halt_rows import IS_EPOCH, LAST_HALT, NOTE, PASSING
from infra.store.postgres import connect_to, lock_key, server_explained, translated, writer_engine
from infra.store.statements import compiled
from infra.store.tables import META

_NOTE: Final = select(META.c.value).where(META.c.key == NOTE)
_LOOK: Final = compiled(select(META.c.value, LAST_HALT, _NOTE.scalar_subquery()).where(IS_EPOCH))
_ADD: Final = "INSERT INTO meta (key, value) VALUES (%s, '') ON CONFLICT DO NOTHING"
_PUT: Final = "UPDATE meta SET value = %s WHERE key = %s AND (value = %s OR %s)"
_TRIES: Final = 100
# The row is made with the lock held; who has the gate alone sees rows of broken lines, or for a
# moment one whose end is being committed.
_BEGIN_PASSAGE: Final = SQL(
    "INSERT INTO meta (key, value) SELECT $1::text, {} WHERE pg_try_advisory_lock_shared({}) "
    "RETURNING true"
)
_END_PASSAGE: Final = SQL(
    "WITH gone AS (DELETE FROM meta WHERE key = $1::text) SELECT pg_advisory_unlock_shared({})"
)
_OVER: Final = "DELETE FROM meta WHERE key = ANY(%s)"
_PASSAGES: Final = SQL("SELECT value FROM meta WHERE key LIKE {}").format(Literal(f"{PASSING}%"))
_POLL_S: Final = 0.01
# An engine that was stopped in the midst of a commit is not waited for.
_HEAD_WAIT: Final = "SET LOCAL lock_timeout = '5s'"
_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)
_BY_NOBODY: Final = Halted(scope=ACCOUNT, reason=UNREADABLE, requested_by="", at=_UNKNOWN)


class PostgresGate:
    """infra.store.drivers.Gate by an advisory lock, shared, of a connection of its own.

    The server keeps it while the engine is stopped, and frees it as soon as that connection is
    gone; the row of a passage stays. Each passage counts on its own; calls do not wait for each
    other.
    """

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place
        key = lock_key(place, "gate")
        self._statements = {
            "enter": _pass(key),
            "look": _LOOK,
            "leave": _END_PASSAGE.format(Literal(key)).as_string(),
        }
        self._name = f"{PASSING}{token_hex(8)}"
        self._numbers = count(1)
        # Of those rows the server may still have what is over.
        self._over: set[str] = set()
        self._connection: psycopg.Connection[Any] | None = None
        self._is_closed = False
        self._lock = Lock()
        self._text: str | None = None
        self._noted: tuple[Halted, ...] = ()

    def enter(self) -> Passage:
        """Hold the gate open for one call, then look at the store."""
        with self._lock, translated():
            connection, row = self._opened(), f"{self._name} {next(self._numbers)}"
            try:
                is_open, seen = _enter(connection, row)
                if is_open:
                    return self._passage((connection, row), *seen)
            except BaseException:
                # What it holds by now is not known; the server lets go of all of it.
                self._over.add(row)
                connection.close()
                raise
        msg = "Not sent: trading is being halted; it looks again."
        raise NotSentError(msg)

    def read(self, statement: str) -> list[Any]:
        """Return the rows that ``statement`` finds."""
        with self._lock, translated():
            return self._opened().execute(statement.encode()).fetchall()

    def leave(self, passage: Passage) -> None:
        """The call has ended; when the line is broken, another one says so."""
        connection, row = passage.held
        try:
            connection.execute(f"EXECUTE leave('{row}')".encode(), prepare=False)
        except psycopg.Error:
            self._say_over(row)

    def close(self) -> None:
        """Let go of the connection, unless a call holds it: then of no more than that."""
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()

    def _say_over(self, row: str) -> None:
        try:
            with connect_to(self._place) as other:
                other.execute(_OVER, ([row],))
        except psycopg.Error:
            with self._lock:
                self._over.add(row)

    def _passage(
        self,
        held: tuple[psycopg.Connection[Any], str],
        epoch: str,
        rows: int | None,
        note: str | None,
    ) -> Passage:
        if note != self._text:
            self._text, self._noted = note, tuple(_read(note).values())
        return Passage(held, int(epoch), rows or 0, self._noted)

    def _opened(self) -> psycopg.Connection[Any]:
        if self._is_closed:
            msg = "the guard is closed"
            raise StoreError(msg)
        if self._connection is None or self._connection.closed:
            self._connection = connect_to(self._place)
            # Whatever the server's default is: each statement has a snapshot of its own.
            self._connection.execute("SET default_transaction_isolation = 'read committed'")
            # A row of a passage is for others to see; no order waits for the disk because of it.
            self._connection.execute("SET synchronous_commit = off")
            self._connection.execute(_OVER, (list(self._over),))
            self._over.clear()
            for name, text in self._statements.items():
                self._connection.execute(f"PREPARE {name} AS {text}".encode())
        return self._connection


def _pass(key: int) -> str:
    """Return the statement that makes the row of a passage, if the gate is open."""
    whose = f"{os.getpid()} {socket.gethostname()}"
    return _BEGIN_PASSAGE.format(Literal(whose), Literal(key)).as_string()


def _enter(connection: psycopg.Connection[Any], row: str) -> tuple[bool, Any]:
    """Return whether the lock is held from now on, and what was seen after that.

    One round trip, and two statements: the second one's snapshot is taken once the lock is held,
    so it has the note of every halt that had the gate alone before.
    """
    both = f"EXECUTE enter('{row}'); EXECUTE look".encode()
    cursor = connection.execute(both, prepare=False)
    first = bool(cursor.fetchall())
    cursor.nextset()
    (second,) = cursor.fetchall()
    return first, second


def _read(note: str | None) -> Halts:
    """Return the halts in the note; what nobody can read halts the account."""
    if not note:
        return {}
    return halts_of(note.encode()) or {ACCOUNT: _BY_NOBODY}


class PostgresNote:
    """infra.store.drivers.HaltNote in a row of meta."""

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place

    def __str__(self) -> str:
        """Return where the row is."""
        return f"the row {NOTE} of meta in {self._place}"

    @contextmanager
    def alone(self, what: str, wait_s: float) -> Iterator[bool]:
        """Take an advisory lock; who waits for the gate lets nobody else in before it."""
        with server_explained(self._place):
            connection = connect_to(self._place)
        try:
            with server_explained(self._place):
                until_s = monotonic() + wait_s
                is_taken = _take(connection, lock_key(self._place, what), wait_s)
                if is_taken and what == "gate":
                    is_taken = _all_over(connection, until_s)
            yield is_taken
        finally:
            with suppress(psycopg.Error):
                # The server takes its time to see that a connection is gone.
                connection.execute("SELECT pg_advisory_unlock_all()")
            connection.close()

    def read(self, within: Connection | None = None) -> Halts:
        """Return the halts in the row."""
        if within is not None:
            return _read(within.execute(_NOTE).scalar())
        with self._connected() as connection:
            return _read(_text_in(connection))

    def change(
        self, change: Callable[[Halts], Halts], *, is_adding: bool, wait_s: float
    ) -> tuple[Halts | None, bool]:
        """Replace the row, if it is the one that was read; nothing is locked between."""
        with self._connected() as connection:
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (_ms(wait_s),))
            connection.execute(_ADD, (NOTE,))
            for tries_left in reversed(range(_TRIES)):
                seen = _text_in(connection)
                halts = change(_read(seen))
                is_last = is_adding and not tries_left
                values = (text_of(halts), NOTE, seen, is_last)
                if connection.execute(_PUT, values).rowcount:
                    return halts, True
        return None, True

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction; the head of the journal is waited for, but not for long."""
        with (
            server_explained(self._place),
            writer_engine(self._place).connect() as connection,
            connection.begin(),
        ):
            connection.exec_driver_sql(_HEAD_WAIT)
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with server_explained(self._place), connect_to(self._place) as connection:
                yield connection
        except StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.UndefinedTable):
                msg = f"There is no store at {self._place}; check the address and the schema."
                raise StoreError(msg) from error
            raise


def _text_in(connection: psycopg.Connection[Any]) -> str:
    rows = connection.execute("SELECT value FROM meta WHERE key = %s", (NOTE,)).fetchall()
    return str(rows[0][0]) if rows else ""


def _take(connection: psycopg.Connection[Any], key: int, wait_s: float) -> bool:
    # 0 would wait for ever.
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (_ms(wait_s),))
    connection.execute("SELECT set_config('statement_timeout', '0', false)")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (key,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _all_over(connection: psycopg.Connection[Any], until_s: float) -> bool:
    """Wait for the calls whose line has broken; return whether all have ended."""
    while any(not _is_gone(whose) for (whose,) in connection.execute(_PASSAGES).fetchall()):
        if monotonic() >= until_s:
            return False
        Event().wait(_POLL_S)
    return True


def _is_gone(whose: str) -> bool:
    """Return whether the process of a passage has ended, if it is one of this machine."""
    pid, _, host = whose.partition(" ")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _ms(wait_s: float) -> str:
    return str(max(1, round(wait_s * 1000)))
