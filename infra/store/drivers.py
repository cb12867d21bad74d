"""What the store needs from a database, as Protocols; dialect.py and postgres.py implement them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPlace:
    """A schema of a PostgreSQL database; ``str`` names it without its password.

    Attributes:
        name: The address to show.
        schema: Lower case letters, digits and underlines.
        options: What libpq is told.
    """

    name: str
    schema: str
    options: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        """Return the address to show."""
        return self.name


class RemoteError(Exception):
    """What went wrong with a database server, in its own words."""


class RemoteRowError(RemoteError):
    """A row may not be beside the others."""


class Driver(Protocol):
    """A connection as the writer has it. All methods raise DriverError of dialect.py.

    Statements are texts compiled from the tables, with ``?`` for each value. Times, dates and
    decimals are read and written as text.
    """

    @property
    def core(self) -> Connection:
        """The same connection for questions, within a transaction begun here."""
        ...

    def transaction(self, *, is_writing: bool) -> AbstractContextManager[None]:
        """Commit what is done inside, or nothing of it.

        Args:
            is_writing: Hold the write lock from the first moment. Otherwise what is read inside
                is of one moment, and nobody waits for anybody.
        """
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Keep what is done inside, or nothing of it, within a transaction."""
        ...

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that ``statement`` finds."""
        ...

    def write(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run ``statement`` for each row; return how many rows it changed."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Probe(Protocol):
    """A connection that cannot write and begins no transactions: each look is a fresh one."""

    def read(self, statement: str) -> list[Any]:
        """Return the rows that ``statement`` finds; raise DriverError."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Watch(Protocol):
    """Looks whether the store is still the one that was opened."""

    def fault(self) -> str | None:
        """Return what has happened to the store, if anything has."""
        ...

    def wal_fault(self) -> str | None:
        """Return what has happened to its log of commits since the first look at it."""
        ...


class Lock(Protocol):
    """The account, held by one engine at a time."""

    def name_holder(self) -> None:
        """Write down who holds it, where that needs the tables."""
        ...

    def release(self) -> None:
        """Let the next engine in."""
        ...
