"""The part of an actor that outlives its crashes: three lanes, one token, and the address."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final

import pykka
from pykka._envelope import Envelope

# How far an actor reads: a dead or waiting one only its lifecycle, a loading one also control.
LIFECYCLE: Final = 0
CONTROL: Final = 1
USER: Final = 2

NOTHING: Final = object()


class Mailbox:
    """Lanes that any thread may fill and the holder of the token alone may empty.

    Whoever takes the token makes the owner runnable, so an actor runs on one thread at a time.
    A put appends first and tries the token afterwards; the owner gives the token back first and
    looks again afterwards. One of the two therefore sees every message. ``SimpleQueue`` is a
    third of the memory of an empty ``deque``.
    """

    __slots__ = (
        "cell", "control", "dead", "front", "lane", "lifecycle", "reads", "ready", "token", "user",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lifecycle: SimpleQueue[Any] = SimpleQueue()
        self.control: SimpleQueue[Any] = SimpleQueue()
        self.user: SimpleQueue[Any] = SimpleQueue()
        # Messages to be read again before their lane goes on; nearly always empty.
        self.front: tuple[tuple[int, Any], ...] = ()
        self.reads = LIFECYCLE
        self.lane = LIFECYCLE
        self.dead = False
        self.token = Lock()
        self.cell: Any = None
        self.ready: Callable[[Any], None] = _unbound

    def put(self, message: Any, /) -> None:
        """Add a message for the actor's handler."""
        self.user.put(message)
        if self.reads >= USER and self.token.acquire(blocking=False):
            self.ready(self.cell)

    def put_control(self, message: Any) -> None:
        """Add a message that a loading actor reads as well."""
        self.control.put(message)
        if self.reads >= CONTROL and self.token.acquire(blocking=False):
            self.ready(self.cell)

    def put_lifecycle(self, message: Any) -> None:
        """Add a message of the runtime that is read in every state."""
        self.lifecycle.put(message)
        if self.token.acquire(blocking=False):
            self.ready(self.cell)

    def put_back(self, message: Any, lane: int) -> None:
        """Make a message that failed the next of its lane."""
        self.front = (*self.front, (lane, message))

    def get(self) -> Any:
        """Return the next message that may be read, or NOTHING; only for the token's holder."""
        if not self.lifecycle.empty():
            self.lane = LIFECYCLE
            return self.lifecycle.get_nowait()
        reads = self.reads
        if self.front:
            for entry in self.front:
                if entry[0] <= reads:
                    self.front = tuple(other for other in self.front if other is not entry)
                    self.lane = entry[0]
                    return entry[1]
        if reads >= CONTROL and not self.control.empty():
            self.lane = CONTROL
            return self.control.get_nowait()
        if reads >= USER and not self.user.empty():
            self.lane = USER
            return self.user.get_nowait()
        return NOTHING

    def empty(self) -> bool:
        """Return whether nothing waits, readable or not."""
        return self.depth() == 0

    def depth(self) -> int:
        """Return how many messages wait, those of the runtime left out."""
        return self.control.qsize() + self.user.qsize() + len(self.front)

    def release(self) -> None:
        """Give the token back and make the owner runnable again if more has come."""
        self.token.release()
        if self._is_readable() and self.token.acquire(blocking=False):
            self.ready(self.cell)

    def _is_readable(self) -> bool:
        reads = self.reads
        return (
            (reads >= USER and not self.user.empty())
            or (reads >= CONTROL and not self.control.empty())
            or not self.lifecycle.empty()
            or (bool(self.front) and any(lane <= reads for lane, _ in self.front))
        )


def _unbound(_: Any) -> None:
    msg = "This mailbox belongs to no system; start actors with system.spawn(...)."
    raise RuntimeError(msg)


class Ref(pykka.ActorRef[Any]):
    """The address of an actor: stays valid through crashes, and may be told things for ever."""

    __slots__ = ("actor_class", "actor_inbox", "actor_urn")
    actor_inbox: Mailbox

    # pykka's own __init__ takes a running actor; here the address is older than the actor.
    def __init__(self, name: str, actor_class: type[Any], mailbox: Mailbox) -> None:
        self.actor_urn = name
        self.actor_class = actor_class
        self.actor_inbox = mailbox

    @property
    def name(self) -> str:
        """The actor's name, unique in its system."""
        return self.actor_urn

    def is_alive(self) -> bool:
        """Return False once the actor has stopped for good; a crashed one still counts."""
        return not self.actor_inbox.dead

    def tell(self, message: Any) -> None:
        """Queue a message. Never raises and never blocks; a stopped actor's is a dead letter."""
        self.actor_inbox.put(message)

    def tell_control(self, message: Any) -> None:
        """Queue a message ahead of those told, in order, that a loading actor reads as well."""
        self.actor_inbox.put_control(message)

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Queue a message and return the handler's answer; for tests, never inside an actor.

        Raises:
            pykka.ActorDeadError: The actor stopped before it read the message.
            pykka.Timeout: No answer came within ``timeout`` seconds.
        """
        future = self._new_future()
        self.actor_inbox.put(Envelope(message, reply_to=future))
        return future.get(timeout=timeout) if block else future

    def _new_future(self) -> pykka.Future[Any]:
        return pykka.ThreadingFuture()
