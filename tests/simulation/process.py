"""What a day is made of: the true time, an engine's process, and what the oracle sees of it."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from actors.engine import Engine
from actors.runtime import EscalatedError, SimulatedSystem, Timeline
from domain.errors import FencedError, StoreError
from tests.fakes import MemoryProcess
from tests.simulation.oracle import ViolationError
from tests.simulation.wire import SimulatedGateway

# The store is gone, another engine has it, or the children failed too often.
MAY_FAIL_ON = (StoreError, FencedError, EscalatedError)


class WorldClock:
    """Clock and Scheduler of everything outside the engines."""

    def __init__(self, timeline: Timeline, start: datetime) -> None:
        self.timeline = timeline
        self.start = start

    def now(self) -> datetime:
        """Return the true time of day."""
        return self.start + timedelta(seconds=self.timeline.now_s)

    def monotonic(self) -> float:
        """Return the virtual seconds since the start."""
        return self.timeline.now_s

    def call_later(self, seconds: float, function: Callable[[], None]) -> Any:
        """Call ``function`` later, whatever has been killed by then."""
        return self.timeline.push(seconds, function)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a day."""

    seed: int
    violation: ViolationError | None
    digest: str
    counts: Counter[str]


@dataclass(slots=True, eq=False)
class Process:
    """One engine's process."""

    system: "OwnFailures"
    engine: Engine
    gateway: SimulatedGateway
    store: MemoryProcess
    asked: set[int] = field(default_factory=set)


class OwnFailures(SimulatedSystem):
    """A process in which no actor may fail by itself: crashes are the simulation's to make."""

    _at: tuple[int, Callable[[], None]] | None = None

    def at_effect(self, effects: int, action: Callable[[], None]) -> None:
        """Do something outside the process after so many more effects."""
        self._at = self.effects + effects, action

    def effect(self) -> None:
        """Count an effect, and see whether something is to be done after it.

        Raises:
            Killed: The process ends here.
        """
        super().effect()
        if self._at is not None and self.effects >= self._at[0]:
            # It is in the midst of a turn: before the next one.
            self.timeline.push(0.0, self._at[1])
            self._at = None

    def is_above_actors(self, error: BaseException) -> bool:
        """Look at what an actor raised; injected crashes do not come this way.

        Raises:
            ViolationError: It is nothing that an actor has to fail on.
        """
        is_above = super().is_above_actors(error)
        if not is_above and type(error) not in MAY_FAIL_ON:
            raise ViolationError("own failure", f"{type(error).__name__}: {error}") from error
        return is_above


class Watch:
    """What the oracle sees of one process's calls."""

    def __init__(self, day: Any, store: MemoryProcess, sent: deque[float]) -> None:
        self._day = day
        self._store = store
        self._sent = sent
        self._calls = 0

    def begins(self, name: str, what: Any) -> None:
        """A call begins: its permit has been taken."""
        self._calls += 1
        self._day.counts["calls"] += 1
        if self._calls > 1:
            raise ViolationError("one call at a time", f"{name} begins while another is out")
        self._day.oracle.sent(self._sent, self._day.timeline.now_s)
        if name == "place":
            self._day.halter.begins(what)

    def leaves(self, name: str, what: Any) -> None:
        """Something is about to leave."""
        self._day.note(what, f"{name} leaves")
        if name == "place":
            is_fenced = self._store.epoch != self._day.store.epoch
            self._day.oracle.leaves(what, is_fenced=is_fenced)
            self._day.halter.leaves(what)

    def flies(self, name: str, what: Any, change: int) -> None:
        """Something is on its way (+1), or has arrived (-1)."""
        if name == "place":
            self._day.oracle.flying[what.client_order_id] += change
            if change < 0:
                self._day.note(what, "place arrives")

    def ends(self, name: str, what: Any) -> None:
        """A call has ended, however it did."""
        self._calls -= 1
