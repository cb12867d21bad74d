"""Time for tests: one clock that is moved by hand, or by whoever sleeps on it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

# A Monday, 10:00 in Seoul.
MONDAY_10_KST = datetime(2024, 3, 4, 1, 0, tzinfo=UTC)


@dataclass(slots=True)
class ManualTimer:
    """A call that is going to happen, unless it is cancelled."""

    function: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Do not make the call."""
        self.is_cancelled = True


class ManualClock:
    """Clock and Scheduler in one: timers run, in order, when the clock is moved past them."""

    def __init__(self, start: datetime = MONDAY_10_KST) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._serial = count()
        self._timers: list[tuple[float, int, ManualTimer]] = []

    def now(self) -> datetime:
        """Return the wall time, UTC."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Return seconds since the test began."""
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.advance(seconds)

    def call_later(self, seconds: float, function: Callable[[], None]) -> ManualTimer:
        """Call ``function`` when the clock has moved by ``seconds``."""
        timer = ManualTimer(function)
        heappush(self._timers, (self._elapsed_s + seconds, next(self._serial), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock, running what falls due on the way."""
        until_s = self._elapsed_s + seconds
        while self._timers and self._timers[0][0] <= until_s:
            due_s, _, timer = heappop(self._timers)
            self._elapsed_s = max(self._elapsed_s, due_s)
            if not timer.is_cancelled:
                timer.function()
        self._elapsed_s = max(self._elapsed_s, until_s)

    def advance_to(self, at: datetime) -> None:
        """Move the clock to a wall time."""
        self.advance((at - self.now()).total_seconds())

    @property
    def pending(self) -> int:
        """Return how many calls are still going to happen."""
        return sum(not timer.is_cancelled for _, _, timer in self._timers)
