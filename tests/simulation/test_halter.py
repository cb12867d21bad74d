"""What the person who halts trading sees to: each check can fail."""

from collections import Counter
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest

from actors.runtime import Timeline
from domain.errors import HaltedError, NotSentError
from domain.halt import ACCOUNT, parse_scope
from tests.fakes import MemoryStore
from tests.fakes_time import ManualClock
from tests.simulation.halter import Halter
from tests.simulation.oracle import ViolationError
from tests.simulation.weather import calm
from tests.unit.domain.orders import a_signal

SIGNAL = replace(a_signal(), strategy_id="alpha", symbol="005930")
REQUEST = SimpleNamespace(client_order_id="ours")


class Fixed(Random):
    """Draws the same share always."""

    def __init__(self, share):
        super().__init__(1)
        self.share = share

    def random(self):
        return self.share


class Bench:
    """A halter with an engine's guard, and nobody who trades."""

    def __init__(self, share=0.5):
        clock, timeline = ManualClock(), Timeline(seed=1)
        self.notes = []
        self.day = SimpleNamespace(
            timeline=timeline,
            clock=clock,
            weather=calm(),
            counts=Counter(),
            oracle=SimpleNamespace(signals={"ours": SIGNAL}),
            is_healed=False,
            store=MemoryStore(clock=clock),
            note=lambda what, text: self.notes.append(text),
        )
        self.halter = Halter(self.day, 1, Fixed(share))
        process = self.halter.store_of(self.day.store)
        process.journal()
        self.process, self.guard = process, process.guard()

    def passes(self):
        with self.guard.hold(symbol="005930", strategy_id="alpha"):
            pass


@pytest.fixture
def make():
    made = []

    def bench(**how):
        made.append(Bench(**how))
        return made[-1]

    yield bench
    for each in made:
        each.process.close()
        each.halter.close()


@pytest.mark.parametrize("scope", ["account", "strategy:alpha", "symbol:005930"])
def test_a_placement_after_a_halt_is_a_violation(make, scope):
    bench = make()
    bench.halter.begins(REQUEST)

    bench.halter._halt(parse_scope(scope))

    for look in (bench.halter.begins, bench.halter.leaves):
        with pytest.raises(ViolationError, match=f"after {scope} was halted"):
            look(REQUEST)
    bench.halter.resume_all()
    bench.halter.begins(REQUEST)


@pytest.mark.parametrize("scope", ["strategy:beta", "symbol:000660"])
def test_others_go_on(make, scope):
    bench = make()

    bench.halter._halt(parse_scope(scope))

    bench.halter.begins(REQUEST)
    bench.passes()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_guard_knows_a_halt_of_the_file_of_both_and_of_the_journal(make, share):
    bench = make(share=share)
    bench.passes()

    bench.halter._halt(ACCOUNT)

    while bench.day.timeline.step():  # A command that was stopped at the gate goes on.
        pass
    with pytest.raises(HaltedError, match="account is halted"):
        bench.passes()
    bench.halter.resume(ACCOUNT)
    bench.passes()


def test_a_call_that_began_before_may_leave_until_it_has_ended(make):
    bench = make()

    with bench.guard.hold(symbol="005930", strategy_id="alpha"):
        bench.halter._halt(ACCOUNT)
        bench.halter.leaves(REQUEST)
        with pytest.raises(ViolationError, match="begins"):
            bench.halter.begins(REQUEST)
    bench.day.timeline.step()

    with pytest.raises(ViolationError, match="leaves"):
        bench.halter.leaves(REQUEST)


def test_a_command_that_was_stopped_at_the_gate_lets_nothing_pass(make):
    bench = make(share=0.28)

    bench.halter._halt(parse_scope("symbol:000660"))

    with pytest.raises(NotSentError, match="being halted"):
        bench.passes()
    bench.day.timeline.step()
    bench.passes()


def test_a_successor_fences_the_guard(make):
    bench = make()

    bench.halter.store_of(bench.day.store).journal()

    with pytest.raises(NotSentError, match="taken over"):
        bench.passes()


def test_a_day_without_halts_has_no_folder(make):
    day = make().day

    assert Halter(day, 0, Random(1)).folder == ""


def test_halts_begin_and_end_by_themselves(make):
    bench = make()
    bench.halter.prepare()

    while bench.day.timeline.step():
        pass

    assert bench.day.counts["halts"] == 1
    assert bench.notes[-1].endswith("goes on")
    assert bench.halter.in_force == {}
