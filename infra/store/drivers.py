"""What the store needs from a database, as Protocols; dialect.py and postgres.py implement them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection

from domain.halt import Halted, HaltScope

Halts: TypeAlias = dict[HaltScope, Halted]


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


@dataclass(frozen=True, slots=True)
class Passage:
    """The gate held open for one call, and the store as it was seen from then on.

    Attributes:
        held: What the gate lets go of.
        epoch: The latest one.
        halt_rows: How many rows of halts the journal has.
        noted: The halts that are noted outside of the journal.
    """

    held: Any
    epoch: int
    halt_rows: int
    noted: tuple[Halted, ...]


class Gate(Protocol):
    """Where every order passes: a halt that takes the gate alone has waited for all inside.

    For any thread. All methods but ``leave`` raise OSError, DriverError, StoreError or ValueError
    when they cannot be done.
    """

    def enter(self) -> Passage:
        """Hold the gate open for one call, then look at the store.

        Raises:
            NotSentError: A halt has it, or the store is not the one that was opened; never waits.
        """
        ...

    def read(self, statement: str) -> list[Any]:
        """Return the rows that ``statement`` finds."""
        ...

    def leave(self, passage: Passage) -> None:
        """The call has ended."""
        ...

    def close(self) -> None:
        """Let go of the store; every later look says no."""
        ...


class HaltNote(Protocol):
    """Where halts are noted outside of the journal: they hold while that cannot be written.

    Its name (``str``) says where that is.
    """

    def alone(self, what: str, wait_s: float) -> AbstractContextManager[bool]:
        """Take the lock ``what`` alone, as "gate"; False when others hold it for longer."""
        ...

    def read(self, within: Connection | None = None, /) -> Halts:
        """Return the halts; what nobody can read halts the account. Raises StoreError.

        Args:
            within: A transaction on the store that may hold what this would wait for.
        """
        ...

    def change(
        self, change: Callable[[Halts], Halts], *, is_adding: bool, wait_s: float
    ) -> tuple[Halts | None, bool]:
        """Put what ``change`` makes of the halts in their place, durably.

        Args:
            change: Called again when another has written meanwhile.
            is_adding: A halt: it is written at last, also when others write all the time.
            wait_s: How long to wait for another command in the midst of this.

        Returns:
            What is noted now, None when others wrote all the time and nothing was changed; and
            whether no other command is in the midst of this, which could undo it.

        Raises:
            StoreError: It cannot be written; the text says how to halt by hand.
        """
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """Give a transaction that writes, waiting for the engine's, but not for long."""
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
