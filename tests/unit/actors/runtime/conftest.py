"""One rig for both systems: tests say what they wait for, never how long."""

import threading
import time
from datetime import UTC, datetime

import pytest

from actors.runtime import LiveSystem, SimulatedSystem
from domain.supervision import RestartPolicy

FAST = RestartPolicy(backoff_first_s=0.001, backoff_longest_s=0.002)
START = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


class RealClock:
    """The machine's time."""

    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return time.monotonic()

    def sleep(self, seconds):
        threading.Event().wait(seconds)


class Rig:
    """A system, and a log that actors write and tests wait for."""

    def __init__(self, system):
        self.system = system
        self.items = []
        self._changed = threading.Condition()

    def log(self, item):
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def wait_for(self, *expected):
        """Wait until all of these were logged."""

        def is_there():
            return all(self.items.count(one) >= expected.count(one) for one in expected)

        if isinstance(self.system, SimulatedSystem):
            assert self.system.run_until(is_there, within_s=600), self.items
        else:
            with self._changed:
                assert self._changed.wait_for(is_there, timeout=5), self.items


def a_live_system(**kwargs):
    return LiveSystem(clock=RealClock(), **{"policy": FAST, **kwargs})


def a_simulated_system(**kwargs):
    return SimulatedSystem(start=START, **{"policy": FAST, **kwargs})


@pytest.fixture(params=["live", "simulated"])
def rig(request):
    system = a_live_system() if request.param == "live" else a_simulated_system(seed=7)
    yield Rig(system)
    system.stop(timeout_s=5)


@pytest.fixture
def live():
    rig = Rig(a_live_system())
    yield rig
    rig.system.stop(timeout_s=5)


@pytest.fixture
def simulate():
    return lambda **kwargs: Rig(a_simulated_system(**kwargs))


@pytest.fixture
def fast():
    return FAST
