"""A desk on virtual time that notes its broker calls."""

import pytest

from tests.unit.actors.rigs import Lone, NotedDesk


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
