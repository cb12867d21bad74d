"""Orders that the guard holds back: what they cost, and when they go on."""

import json
from contextlib import contextmanager

import pytest

from actors.held import Held, HeldActor, Released, Unheld
from domain.errors import HaltedError
from tests.desks import buy, cancel
from tests.unit.actors.rigs import Listener, Lone


class CountedGuard:
    """Holds back the symbols named, and notes each look."""

    def __init__(self, *halted):
        self.halted, self.looks = set(halted), []

    @contextmanager
    def hold(self, *, symbol, strategy_id):
        self.looks.append((symbol, strategy_id))
        if symbol in self.halted:
            msg = "halted"
            raise HaltedError(msg)
        yield


class Waiting(Lone):
    """The actor of held orders, and some that wait."""

    def __init__(self, *halted):
        super().__init__()
        self.guard, self.heard = CountedGuard(*halted), {}
        self.spawn(HeldActor, self.guard)

    def order(self, name):
        return self.system.spawn(Listener, self.heard.setdefault(name, []), name=name)

    def hold(self, symbol, *names):
        for name in names:
            self.ref.tell(Held(self.order(name), (symbol, "")))

    def released(self):
        return {name for name, heard in self.heard.items() if heard == [Released()]}


def test_hundreds_of_orders_that_are_held_back_cost_one_look_each_time():
    held = Waiting("A")
    held.hold("A", *(f"o-{n}" for n in range(500)))

    held.system.run_for(10.5)

    assert len(held.guard.looks) == 10
    assert held.released() == set()


def test_orders_are_released_by_what_the_guard_says_of_them():
    held = Waiting("A", "B")
    held.hold("A", "a-1", "a-2")
    held.hold("B", "b-1")
    held.system.run_for(3)

    held.guard.halted.discard("A")
    held.system.run_for(1.1)

    assert held.released() == {"a-1", "a-2"}
    held.guard.halted.clear()
    held.system.run_for(1.1)
    assert held.released() == {"a-1", "a-2", "b-1"}


def test_nobody_looks_once_nothing_is_held_back():
    held = Waiting("A")
    held.hold("A", "a-1")
    held.tell(Unheld(held.order("a-1")), within_s=5)
    before = len(held.guard.looks)

    held.system.run_for(60)

    assert len(held.guard.looks) == before


def test_a_repeated_wish_is_answered_once():
    held = Waiting()
    held.hold("A", "a-1", "a-1")

    held.system.run_for(5)

    assert held.heard["a-1"] == [Released()]


@pytest.fixture
def halted(desk):
    """A desk that is halted, and three orders that were held back."""
    desk.start().run_for(2)
    (desk.folder / "HALT").write_text(json.dumps({}))
    desk.tell(*(buy(f"s-{n}", 1) for n in range(3)))
    desk.run_for(5)
    return desk


def test_orders_held_back_go_when_the_halt_is_lifted_and_not_before(halted):
    assert [len(halted.events("SubmitStarted", f"s-{n}")) for n in range(3)] == [1, 1, 1]

    (halted.folder / "HALT").unlink()
    halted.until_rest("s-0", "s-1", "s-2", within_s=3)

    assert [halted.order(f"s-{n}").attempts for n in range(3)] == [1, 1, 1]
    halted.check()


def test_an_order_held_back_is_cancelled_at_once(halted):
    halted.tell(cancel("s-1"))

    halted.until_status("CANCELLED", signal_id="s-1", within_s=0.5)
    halted.until(lambda: not halted.has_actor("s-1"), within_s=0.5)

    assert halted.engine.stats().dead_letters == 0


@pytest.mark.parametrize("who", ["held", "order"])
def test_a_crash_while_orders_are_held_back_delays_them_and_loses_none(halted, who):
    halted.crash(halted.streams["s-1"] if who == "order" else who)
    halted.run_for(2)
    (halted.folder / "HALT").unlink()

    halted.until_rest("s-0", "s-1", "s-2", within_s=15)

    halted.check()
