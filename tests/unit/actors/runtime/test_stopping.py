"""How actors end, and what becomes of what they had not read."""

import pykka
import pytest

from tests.unit.actors.runtime.echo import Echo


def test_children_stop_before_their_parent_and_leave_no_name(rig):
    class Family(Echo):
        def on_start(self):
            for number in range(3):
                self.spawn(Echo, self.log, prefix="child ", name=f"child-{number}")

    ref = rig.system.spawn(Family, rig.log, prefix="parent ", name="family")

    assert ref.stop(timeout=5)

    stops = [item for item in rig.items if item.endswith("stop")]
    assert stops == ["child stop"] * 3 + ["parent stop"]
    assert rig.system.actors == {}


def test_a_second_stop_changes_nothing(rig):
    ref = rig.system.spawn(Echo, rig.log)

    answers = [ref.stop(block=False), ref.stop(block=False)]
    ref.stop(timeout=5)

    assert answers[0].get(timeout=5)
    assert rig.items == ["start", "stop"]


def test_an_actor_that_stops_itself_reads_nothing_more(rig):
    ref = rig.system.spawn(Echo, rig.log, name="echo")

    for message in ("stop", "late", "later"):
        ref.tell(message)
    with pytest.raises(pykka.ActorDeadError):
        ref.ask("count", timeout=5)

    assert rig.items == ["start", "stop", "stop"]
    assert [one.message for one in rig.system.dead_letters] == ["late", "later"]
    assert rig.system.stats().dead_letters == 2
    assert not ref.is_alive()


def test_a_known_name_is_the_known_actor_and_a_stopped_one_is_free(rig):
    ref = rig.system.spawn(Echo, rig.log, name="echo")

    again = rig.system.spawn(Echo, rig.log, name="echo")
    ref.stop(timeout=5)
    fresh = rig.system.spawn(Echo, rig.log, name="echo")

    assert again is ref
    assert fresh is not ref
    assert rig.system.actors == {"echo": fresh}


def test_a_crash_after_stop_self_still_ends_the_actor_for_good(rig):
    class Leaver(Echo):
        def on_receive(self, message):
            self.stop_self()
            raise ValueError

    ref = rig.system.spawn(Leaver, rig.log)

    ref.tell("last")
    ref.stop(timeout=5)
    ref.stop(timeout=5)

    assert rig.items == ["start", "failed ValueError"]
    assert not ref.is_alive()
    assert [one.message for one in rig.system.dead_letters] == ["last"]
