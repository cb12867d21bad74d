"""What the runtime itself says to actors, and the values that screens and tests see of it."""

from dataclasses import dataclass
from itertools import count
from typing import Any, Final

# Shared by every system of the process and never reset: a reply meant for a life of a tree that
# was torn down can never be mistaken for one of its successor.
LIVES: Final = count(1)


class Killed(BaseException):
    """The simulation's kill -9; leaves ``step()``, after which nothing of the system runs."""


class EscalatedError(Exception):
    """A child failed too often, which is a failure of its parent; the cause is the child's."""


class InjectedError(Exception):
    """A crash made by the simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A function given to ``Actor.call`` has ended.

    Attributes:
        tag: The caller's own name for the call.
        value: What the function returned; None when it raised.
        error: What the function raised; None when it returned.
        life: The life of the actor that made the call.
        keep: Whether later lives are told as well.
    """

    tag: Any
    value: Any = None
    error: BaseException | None = None
    life: int = 0
    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that reached an actor after its end."""

    actor: str
    message: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message set aside because its actor failed on it again after a restart."""

    actor: str
    message: Any
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStats:
    """One actor as a screen shows it; ``depth`` counts the messages that wait."""

    name: str
    depth: int
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStats:
    """The whole system at one moment; the counts are totals since its start."""

    actors: tuple[ActorStats, ...]
    restarts: int
    quarantined: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a life; ignored by an actor that has one."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop before anything else that waits, children first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A child lost its life to ``error``; told to its parent. ``child`` is the child's cell."""

    child: Any
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A child has ended for good; told to its parent. ``child`` is the child's cell."""

    child: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tick:
    """A timer of an actor went off. Compared by identity: a replaced timer is another one."""

    key: Any
    message: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivered:
    """A message that made its actor fail ``crashes`` times and is tried again."""

    message: Any
    crashes: int


START: Final = Start()
HALT: Final = Halt()
