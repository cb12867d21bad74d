"""Several systems on one time: processes beside each other, and a world that outlives them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from actors.runtime import Actor, Faults, Killed, SimulatedSystem, Timeline

START = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


class Ticker(Actor):
    """Notes the time every second, and calls something slow."""

    def __init__(self, notes):
        super().__init__()
        self.notes = notes

    def on_start(self):
        self.after(1, "tick")
        self.call("slow", self.system.sleep, 0.5)

    def on_receive(self, message):
        if message == "tick":
            self.notes.append(round(self.system.monotonic()))
            self.after(1, "tick")


def two_systems(**options):
    timeline = Timeline(seed=3)
    notes = [], []
    systems = [SimulatedSystem(start=START, timeline=timeline, **options) for _ in notes]
    for system, noted in zip(systems, notes, strict=True):
        system.spawn(Ticker, noted, name="ticker")
    return timeline, systems, notes


def test_two_systems_go_on_beside_each_other_in_one_time():
    _, (one, two), notes = two_systems()

    one.run_for(3.5)

    assert notes == ([1, 2, 3], [1, 2, 3])
    assert one.monotonic() == two.monotonic() == 3.5


def test_a_killed_system_takes_its_own_work_along_and_nothing_else():
    timeline, (one, two), notes = two_systems()
    world = []
    timeline.push(3, lambda: world.append(timeline.now_s))
    one.call_later(3, lambda: world.append("of the dead"))
    two.run_for(1.5)

    with suppress(Killed):
        one.kill()
    two.run_for(3)

    assert notes == ([1], [1, 2, 3, 4])
    assert world == [3.0]
    assert one.is_dead
    assert not one.step()


def test_effects_are_counted_for_the_system_that_has_them():
    _, (one, two), _ = two_systems(faults=Faults(kill_at=10**6))
    before = one.effects, two.effects
    with suppress(Killed):
        two.kill()

    one.run_for(2)
    one.actors["ticker"].tell("outside a step")

    assert before == (0, 0)
    assert (one.effects, two.effects) == (1, 0)


def test_a_system_that_failed_handles_nothing_more_while_another_goes_on():
    _, (one, two), notes = two_systems()
    one.run_for(1.5)

    one.fatal(RuntimeError("the disk is gone"))
    two.run_for(2)

    assert notes == ([1], [1, 2, 3])


def test_a_suspended_system_does_nothing_until_it_goes_on():
    _, (one, two), notes = two_systems()
    one.run_for(1.2)
    heard = []
    one.call_later(1, lambda: heard.append("late"))
    one.call_later(2, lambda: heard.append("forgotten")).cancel()

    one.suspend()
    one.actors["ticker"].tell("tick")
    two.run_for(2)
    assert (one.is_suspended, notes[0], heard) == (True, [1], [])
    one.go_on()
    two.run_for(0.1)

    # The timer that came due, and what it was told meanwhile.
    assert (notes[0], heard, one.is_suspended) == ([1, 3, 3], ["late"], False)
    assert notes[1] == [1, 2, 3]


def test_a_call_of_a_suspended_system_goes_on_where_it_was():
    timeline, (one, _), _ = two_systems()
    ends = []

    def call():
        one.sleep(0.5)
        ends.append(timeline.now_s)

    one.submit(call)
    one.run_for(0.3)
    one.suspend()
    one.run_for(1)
    assert ends == []
    one.go_on()
    one.run_for(0.1)

    assert ends == [pytest.approx(1.3)]


def test_a_suspended_system_that_is_killed_goes_on_no_more():
    _, (one, two), notes = two_systems()
    one.run_for(1.2)
    one.suspend()

    with suppress(Killed):
        one.kill()
    one.go_on()
    two.run_for(2)

    assert notes == ([1], [1, 2, 3])


def test_a_step_of_the_wall_clock_moves_no_wait():
    _, (one, two), notes = two_systems()
    one.run_for(0.5)

    one.step_clock(7200)
    one.run_for(1)

    assert one.now() == START + timedelta(hours=2, seconds=1.5)
    assert two.now() == START + timedelta(seconds=1.5)
    assert notes == ([1], [1])
