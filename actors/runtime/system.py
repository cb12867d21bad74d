"""All that is not an actor's own state; subclasses say how actors run and what time it is."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import count
from threading import Lock
from typing import Any

import structlog

from actors.runtime.actor import Actor
from actors.runtime.cell import Cell
from actors.runtime.mailbox import Mailbox, Ref
from actors.runtime.messages import (
    HALT,
    START,
    ActorStats,
    DeadLetter,
    Quarantined,
    SystemStats,
)
from actors.runtime.ports import Worker
from actors.runtime.timers import Timer
from domain.errors import error_text
from domain.supervision import RestartPolicy

_log = structlog.get_logger()

# Enough for a screen and a post-mortem; the counters go on.
_KEPT = 1000


class ActorSystem(ABC):
    """A tree of actors under an internal root.

    Args:
        policy: How often top-level actors may start again before the whole system has failed.

    Attributes:
        actors: Every actor that has not stopped, by name.
        halted: Whether the root has failed; nothing is dispatched any more.
        dead_letters: The latest messages that nobody read.
        quarantine: The latest messages that were set aside.
        on_quarantine: Called with actor name, message and error, in the failing actor's turn.
        on_fatal: Called once with the error that reached the root. It must only signal: it runs
            inside the runtime, so ``stop()`` belongs elsewhere.
    """

    def __init__(self, *, policy: RestartPolicy | None = None) -> None:
        self.actors: dict[str, Ref] = {}
        self.halted = False
        self.dead_letters: deque[DeadLetter] = deque(maxlen=_KEPT)
        self.quarantine: deque[Quarantined] = deque(maxlen=_KEPT)
        self.on_quarantine: Callable[[str, Any, BaseException], None] = _ignore
        self.on_fatal: Callable[[BaseException], None] = _ignore
        self._counts = {"dead_letters": 0, "quarantined": 0, "restarts": 0}
        self._lock = Lock()
        self._serials = count(1)
        root = type("RootActor", (Actor,), {"policy": policy or RestartPolicy()})
        self._root = self._new_cell(root, "root", None, (), {})
        self._root.box.put_lifecycle(START)

    @abstractmethod
    def now(self) -> datetime:
        """Return the time of day, aware and in UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that never go back."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Wait; only inside a function given to ``Actor.call``, never in a handler."""

    @abstractmethod
    def schedule(self, seconds: float, action: Callable[[], None], *, work: bool = False) -> Timer:
        """Run a short function outside every actor, later."""

    @abstractmethod
    def submit(self, job: Callable[[], None]) -> None:
        """Run a job that may block, off every actor."""

    @abstractmethod
    def drive(self, worker: Worker) -> None:
        """Call the worker's ``drain`` until it returns 0 each time it asks to be woken.

        A drain that raises is a failure of the whole system.
        """

    @abstractmethod
    def stop(self, timeout_s: float = 10.0) -> tuple[str, ...]:
        """Stop children before parents, then all else; return what did not stop in time."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Run a short function outside every actor, later; ``cancel()`` forgets it."""
        return self.schedule(seconds, function)

    def spawn(self, cls: type[Actor], *args: Any, name: str | None = None, **kwargs: Any) -> Ref:
        """Start a top-level actor, or return the actor that has this name."""
        return self.spawn_child(self._root, cls, name, args, kwargs)

    def spawn_child(
        self,
        parent: Cell,
        cls: type[Any],
        name: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Ref:
        """Start an actor under a parent, or return the one of that name."""
        name = name or f"{cls.__name__}-{next(self._serials)}"
        with self._lock:
            known = self.actors.get(name)
            # A namesake on its way out reads nothing more: the name goes to the new one.
            if known is not None and not known.actor_inbox.cell.stopping:
                return known
            cell = self._new_cell(cls, name, parent, args, kwargs)
            self.actors[name] = cell.ref
            parent.children[cell] = None
        cell.box.put_lifecycle(START)
        # A parent that began to stop has told its children before it knew this one.
        if parent.stopping:
            cell.box.put_lifecycle(HALT)
        return cell.ref

    def forget(self, cell: Cell) -> None:
        """Drop an actor that has ended."""
        with self._lock:
            self._counts["restarts"] += cell.restarts
            if self.actors.get(cell.name) is cell.ref:
                del self.actors[cell.name]

    def dead_letter(self, name: str, message: Any) -> None:
        """Count a message that nobody will read."""
        with self._lock:
            self._counts["dead_letters"] += 1
        self.dead_letters.append(DeadLetter(actor=name, message=message))

    def quarantined(self, name: str, message: Any, error: BaseException) -> None:
        """Set aside a message that keeps crashing its actor."""
        with self._lock:
            self._counts["quarantined"] += 1
        self.quarantine.append(Quarantined(actor=name, message=message, error=error))
        self.on_quarantine(name, message, error)

    def fatal(self, error: BaseException) -> None:
        """Stop dispatching and say so, once."""
        with self._lock:
            if self.halted:
                return
            self.halted = True
        _log.critical("system.failed", error_type=type(error).__name__, error=error_text(error))
        self.on_fatal(error)

    def drain(self, worker: Worker) -> None:
        """Let a worker do all its work; what it raises is a failure of the whole system."""
        try:
            while not self.halted and (done := worker.drain()):
                self.effect()
                self.let_gather(done)
        except BaseException as error:
            if self.is_above_actors(error):
                raise
            self.fatal(error)

    @abstractmethod
    def is_above_actors(self, error: BaseException) -> bool:
        """Return whether an error is no failure of the actor in whose turn it came."""

    @abstractmethod
    def let_gather(self, done: int) -> None:
        """Give a worker's next batch a moment to fill, after one of ``done`` requests."""

    @abstractmethod
    def effect(self) -> None:
        """Note that something was done that is seen from outside; the simulation counts them."""

    def stats(self) -> SystemStats:
        """Return what a screen shows of the system, at about this moment."""
        with self._lock:
            cells = [ref.actor_inbox.cell for ref in self.actors.values()]
            counts = dict(self._counts)
        counts["restarts"] += sum(cell.restarts for cell in cells)
        actors = tuple(
            ActorStats(name=cell.name, depth=cell.box.depth(), restarts=cell.restarts)
            for cell in cells
        )
        return SystemStats(actors=actors, **counts)

    def _new_cell(
        self,
        cls: type[Any],
        name: str,
        parent: Cell | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Cell:
        box = Mailbox()
        cell = Cell(self, self._new_ref(name, cls, box), parent, args, kwargs)
        box.cell = cell
        self._adopt(cell)
        return cell

    def _new_ref(self, name: str, cls: type[Any], box: Mailbox) -> Ref:
        return Ref(name, cls, box)

    @abstractmethod
    def _adopt(self, cell: Cell) -> None:
        """Say who runs the actor: set ``cell.box.ready``."""


def _ignore(*_: Any) -> None:
    """Stand in for a hook that nobody has set."""
