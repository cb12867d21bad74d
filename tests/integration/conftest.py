"""Desks on both systems: the same test runs on virtual and on real time."""

import pytest

from tests.desks import LiveDesk, SimulatedDesk


@pytest.fixture(params=["simulated", "live"])
def desk(request, tmp_path):
    """An engine that the test starts; it is stopped, and must leave nothing behind."""
    made = (SimulatedDesk if request.param == "simulated" else LiveDesk)(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def simulated(tmp_path):
    """An engine on virtual time, for exact times."""
    made = SimulatedDesk(tmp_path)
    yield made
    made.stop()
