"""The lock that keeps a second engine away from a PostgreSQL store.

It is an advisory lock, of a connection of its own: the server frees it as soon as that connection
is gone. So the engine needs connections to the server itself, not to a pool of them.
"""

import json
import os
import socket
from threading import Event
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Identifier

from domain.errors import AccountLockedError, StoreError
from domain.ports import Clock
from domain.terms import AccountId
from infra.store.codec import utc_text
from infra.store.drivers import PostgresPlace
from infra.store.postgres import connect_to, lock_key, server_explained

_HOLDER: Final = "SELECT value FROM meta WHERE key = 'holder'"
_HELD: Final = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND classid = %s::bigint::oid AND objid = %s::bigint::oid AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
# Of the holder's lines the one in a commit as well: it keeps the head of the journal. One that is
# in a call keeps the gate, as a halt wants to know; the epoch lets it through no more.
_END: Final = SQL("""
    WITH holder AS (
        SELECT pid, usesysid, application_name FROM pg_stat_activity WHERE pid IN ({})
    ), committing AS (
        SELECT a.pid FROM holder h JOIN pg_stat_activity a USING (usesysid, application_name)
        JOIN pg_locks l ON l.pid = a.pid AND l.relation = to_regclass('meta')
        AND l.database = a.datid AND l.mode = 'RowShareLock'
    )
    SELECT pid, pg_terminate_backend(pid)
    FROM (SELECT pid FROM holder UNION SELECT pid FROM committing) AS its
""").format(SQL(_HELD))
_ENDS_S: Final = 10.0
_POLL_S: Final = 0.02
_NAME_HOLDER: Final = (
    "INSERT INTO meta (key, value) VALUES ('holder', %s) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class PostgresLock:
    """A held advisory lock; the row ``holder`` in meta names the engine."""

    def __init__(self, connection: psycopg.Connection[Any], holder: str) -> None:
        self._connection = connection
        self._holder = holder

    @classmethod
    def take(
        cls, place: PostgresPlace, *, account_id: AccountId, clock: Clock, create: bool
    ) -> "PostgresLock":
        """Take the lock of the store, make its schema if asked, or say who holds it.

        Raises:
            AccountLockedError: Another engine holds it.
            StoreError: The server cannot be used, or there is no such store.
        """
        with server_explained(place):
            connection = connect_to(place)
            try:
                _take(connection, place, account_id)
                _require_durable(connection, place)
                _require_schema(connection, place, create=create)
            except BaseException:
                connection.close()
                raise
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": utc_text(clock.now()),
            "account_id": account_id,
        }
        return cls(connection, json.dumps(holder))

    def name_holder(self) -> None:
        """Write down who holds it, once there are tables."""
        self._connection.execute(_NAME_HOLDER, (self._holder,))

    def release(self) -> None:
        """Let the next engine in."""
        self._connection.close()


def _take(connection: psycopg.Connection[Any], place: PostgresPlace, account_id: AccountId) -> None:
    key = lock_key(place)
    (is_held,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone() or (0,)
    if not is_held:
        msg = (
            f"Account {account_id} is traded by another engine ({_holder(connection)}) on "
            f"{place}. Stop that one first; two engines would send orders twice."
        )
        raise AccountLockedError(msg)


def holder_of(place: PostgresPlace) -> tuple[str, bool]:
    """Return what the last engine wrote of itself, and whether an engine holds the lock now."""
    with server_explained(place), connect_to(place) as connection:
        held = _held(connection, place)
        try:
            ((text,),) = connection.execute(_HOLDER).fetchall() or [("",)]
        except psycopg.errors.UndefinedTable:
            text = ""  # Nobody has made the tables yet.
        return text, bool(held)


def end_holder(place: PostgresPlace) -> str | None:
    """End the lines of the engine that holds the lock; return who it was, None if nobody does.

    Its process goes on without them: the next engine's epoch keeps it from commits and sends.

    Raises:
        AccountLockedError: They may not be ended by this user, or do not end.
        StoreError: The server cannot be used.
    """
    with server_explained(place), connect_to(place) as connection:
        if not (holding := _held(connection, place)):
            return None
        name = _holder(connection)
        whose = f"{place} is held by another engine ({name}), in the server's process {holding[0]}"
        try:
            connection.execute(_END, _key_parts(place))
        except psycopg.errors.InsufficientPrivilege as error:
            msg = (
                f"{whose}, which this user may not end. Stop that engine, or let its own user or "
                f"an administrator do: SELECT pg_terminate_backend({holding[0]})."
            )
            raise AccountLockedError(msg) from error
        until_s = monotonic() + _ENDS_S
        while set(_held(connection, place)) & set(holding):
            if monotonic() > until_s:
                msg = f"{whose}, which was told to end and has not after {_ENDS_S:.0f} s."
                raise AccountLockedError(msg)
            Event().wait(_POLL_S)
        return name


def _held(connection: psycopg.Connection[Any], place: PostgresPlace) -> list[int]:
    return [pid for (pid,) in connection.execute(_HELD, _key_parts(place)).fetchall()]


def _key_parts(place: PostgresPlace) -> tuple[int, int]:
    """Return the number of the account's lock as the server shows it."""
    key = lock_key(place) % 2**64
    return key >> 32, key % 2**32


def _holder(connection: psycopg.Connection[Any]) -> str:
    try:
        ((text,),) = connection.execute(_HOLDER).fetchall()
        holder = json.loads(text)
        return f"pid {holder['pid']} on {holder['host']}, started {holder['started_at']}"
    except (psycopg.Error, ValueError, KeyError, TypeError):
        # It took the lock a moment ago and has not said yet who it is.
        return "holder not yet named"


def _require_durable(connection: psycopg.Connection[Any], place: PostgresPlace) -> None:
    (setting,) = connection.execute("SHOW fsync").fetchone() or ("",)
    if setting != "on":
        msg = f"The server of {place} forgets commits in a power cut; set fsync = on there."
        raise StoreError(msg)


def _require_schema(
    connection: psycopg.Connection[Any], place: PostgresPlace, *, create: bool
) -> None:
    known = connection.execute(
        "SELECT 1 FROM pg_namespace WHERE nspname = %s", (place.schema,)
    ).fetchone()
    if known:
        return
    if not create:
        msg = f"There is no store at {place}; check the address and the schema."
        raise StoreError(msg)
    connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(place.schema)))
