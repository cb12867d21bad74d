"""What an actor fails on by itself ends the day; what the simulation injects does not."""

from datetime import UTC, datetime

import pytest

from actors.runtime import Actor, Faults, InjectedError
from domain.errors import FencedError, InvalidInputError, StoreError
from tests.simulation.oracle import ViolationError
from tests.simulation.process import OwnFailures

START = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


class FailsOn(Actor):
    """Raises what it is told, and notes what it has failed on."""

    def __init__(self, failed):
        super().__init__()
        self.failed = failed

    def on_receive(self, message):
        if isinstance(message, Exception):
            raise message

    def on_failure(self, exception_type, *_):
        self.failed.append(exception_type)


def run(message, faults=None):
    """Tell an actor something, and return what it failed on in the next two seconds."""
    failed = []
    system = OwnFailures(seed=1, start=START, faults=faults or Faults())
    actor = system.spawn(FailsOn, failed)
    system.run_until_idle()
    actor.tell(message)
    system.run_for(2)
    return failed


@pytest.mark.parametrize("error", [ValueError, KeyError, InvalidInputError, StoreError])
def test_an_actor_that_fails_by_itself_is_a_violation(error):
    own = type("Own", (error,), {"__init__": Exception.__init__, "__str__": Exception.__str__})

    with pytest.raises(ViolationError, match=r"own failure.*Own: a bug"):
        run(own("a bug"))


@pytest.mark.parametrize("error", [StoreError, FencedError])
def test_a_store_that_is_lost_may_end_an_actor(error):
    assert error in run(error("gone"))


def test_crashes_that_are_injected_do_not_count():
    failed = run("anything", Faults(crash=1.0))

    assert set(failed) == {InjectedError}
