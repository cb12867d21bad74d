"""Virtual time, and all that is going to happen in it; several simulated systems may share one."""

import hashlib
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from actors.runtime.cell import Cell
from actors.runtime.timers import Timer, TimerHeap


class Chance(Random):
    """Choices that a seed decides; never for secrets."""


class Timeline:
    """One thread's time: who may run, what is due, and the seed that picks between them.

    What a system schedules dies with it; what is pushed without an owner (a broker, a network)
    outlives every system.

    Args:
        seed: Decides every choice.
        shuffle: False runs actors in turn and takes the middle of each range.
        is_traced: Keep ``trace_hash``; False for many runs, when only their outcome counts.

    Attributes:
        now_s: Virtual seconds since the start.
        random: Decides every choice; others may draw from it as well.
        runnable: Actors that have something to read.
        is_inside: Whether something is happening just now.
        call: The function given to ``Actor.call`` that is running just now.
    """

    def __init__(self, *, seed: int = 0, shuffle: bool = True, is_traced: bool = True) -> None:
        self.now_s = 0.0
        self.random = Chance(seed)
        self.runnable: deque[Cell] = deque()
        self.is_inside = False
        self.call: Any = None
        self._shuffle = shuffle
        self._timers = TimerHeap()
        self._trace = hashlib.sha256()
        self._is_traced = is_traced

    @property
    def trace_hash(self) -> str:
        """The hash of all that happened: time, actor and type of each message."""
        return self._trace.hexdigest()

    def push(
        self,
        seconds: float,
        action: Callable[[], None],
        *,
        owner: Any = None,
        work: bool = False,
    ) -> Timer:
        """Do something later; it is forgotten with its owner."""
        timer = self._timers.push(self.now_s + max(0.0, seconds), action)
        timer.owner = owner
        timer.work = work
        return timer

    def step(self) -> bool:
        """Let one thing happen; False when nothing ever will by itself."""
        if not self.runnable:
            due_s = self._timers.next_due()
            if due_s is None:
                return False
            self.now_s = max(self.now_s, due_s)
        self.is_inside = True
        try:
            action = self._timers.pop_due(self.now_s)
            if action is not None:
                action()
            else:
                cell: Any = self._pick()
                cell.home.turn(cell)
        finally:
            self.is_inside = False
        return True

    def next_due(self) -> float | None:
        """Return when the earliest timer is due, or None when there is none."""
        return self._timers.next_due()

    def has_work(self) -> bool:
        """Return whether anything is left but timers of actors and of ``call_later``."""
        return bool(self.runnable) or self._timers.has_work()

    def between(self, bounds: tuple[float, float]) -> float:
        """Return a number from a range: its middle when nothing is shuffled."""
        low, high = bounds
        share = self.random.random() if self._shuffle else 0.5
        return low + (high - low) * share

    def happens(self, probability: float) -> bool:
        """Return whether something of that probability happens now."""
        return probability > 0 and self.random.random() < probability

    def note(self, who: str, what: str) -> None:
        """Add to the trace."""
        if self._is_traced:
            self._trace.update(f"{self.now_s!r} {who} {what}\n".encode())

    def forget(self, owner: Any) -> None:
        """Drop all that a system was going to do."""
        kept = [cell for cell in self.runnable if cell.home is not owner]
        # The same deque: mailboxes of other systems hold on to it.
        self.runnable.clear()
        self.runnable.extend(kept)
        self._timers.drop(owner)

    def suspend(self, owner: Any) -> Callable[[], None]:
        """Set aside all that a system was going to do; return what puts it back."""
        cells = [cell for cell in self.runnable if cell.home is owner]
        timers = self._timers.take(owner)
        self.forget(owner)

        def put_back() -> None:
            self.runnable.extend(cells)
            self._timers.put_back(timers)

        return put_back

    def _pick(self) -> Cell:
        runnable = self.runnable
        if not self._shuffle:
            return runnable.popleft()
        chosen = int(self.random.random() * len(runnable))
        runnable[chosen], runnable[-1] = runnable[-1], runnable[chosen]
        return runnable.pop()
