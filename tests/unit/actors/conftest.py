"""A desk on virtual time that notes its broker calls."""

import pytest

from actors.tracker import TrackerActor, TrackerNeighbours
from tests.unit.actors.rigs import Lone, NotedDesk, a_page, some_capabilities


@pytest.fixture
def desk(tmp_path):
    """An engine that the test starts; it is stopped, and must leave nothing behind."""
    made = NotedDesk(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def lone():
    """A system for one actor, whose neighbours only listen."""
    return Lone()


@pytest.fixture
def tracker(lone, desk):
    """A tracker that has made its first full look and waits."""
    to = TrackerNeighbours(
        broker=lone.to("broker"), executor=lone.to("executor"), position=lone.to("position")
    )
    lone.spawn(TrackerActor, desk.settings, to, some_capabilities(), {})
    lone.answer(a_page())
    lone.answer(a_page())
    return lone
