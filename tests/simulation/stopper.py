"""Stops engines as SIGSTOP does, in the midst of what they do; and wakes them up again.

Meanwhile a successor may take over: what wakes up then believes to be the one engine still.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.process import Process

# An engine is stopped at one of so many effects, so that most stops come while it is busy.
SOON_EFFECTS = 60


class Stopper:
    """Stops the engine now and then.

    Args:
        day: Whose timeline and processes these are.
        random: Says when, for how long, and whether another engine takes over.
    """

    def __init__(self, day: Any, random: Random) -> None:
        self._day = day
        self._random = random

    def prepare(self) -> None:
        """Draw when the engine is stopped."""
        for _ in range(self._day.weather.stops):
            self._day.timeline.push(self._random.random() * self._day.weather.span_s, self._arm)

    def wake_all(self) -> None:
        """Let every engine go on."""
        for process in self._day.processes:
            self._wake(process)

    def _arm(self) -> None:
        process = self._day.main
        if process is not None:
            effects = 1 + int(self._random.random() * SOON_EFFECTS)
            process.system.at_effect(effects, self._stopping(process))

    def _stopping(self, process: Process) -> Callable[[], None]:
        return lambda: self._stop(process)

    def _stop(self, process: Process) -> None:
        day, system = self._day, process.system
        if day.is_healed or process not in day.processes or system.is_suspended:
            return
        day.counts["stops"] += 1
        day.note("", f"engine {process.store.epoch} is stopped")
        system.suspend()
        for_s = self._random.choice((0.1, 1.0, 5.0, 12.0)) * (0.5 + self._random.random())
        if self._random.random() < day.weather.successors:
            day.timeline.push(for_s * self._random.random(), lambda: self._succeed(process))
        day.timeline.push(for_s, lambda: self._wake(process))

    def _succeed(self, process: Process) -> None:
        if self._day.main is process:
            self._day.take_over()

    def _wake(self, process: Process) -> None:
        if process.system.is_suspended:
            is_zombie = process is not self._day.main
            self._day.counts["zombies"] += is_zombie
            self._day.note("", f"engine {process.store.epoch} goes on, succeeded={is_zombie}")
            process.system.go_on()
