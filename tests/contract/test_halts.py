"""What halts promise on every kind of store: nothing begins once ``halt`` has returned."""

import subprocess
import sys
from contextlib import closing
from threading import Thread
from time import monotonic

import pytest

from domain.errors import HaltedError, InvalidInputError, NotSentError
from domain.halt import ACCOUNT, parse_scope
from infra.store.audit import verify
from infra.store.halts import halts_in_force
from infra.store.places import note_of
from infra.store.reading import open_reader_at
from tests.house.files import ROOT
from tests.unit.domain.orders import doubted, started
from tests.unit.domain.test_halt import CROSSOVER, SAMSUNG
from tests.unit.infra.store.halting import halt, is_held, resume
from tests.unit.infra.store.stores import a_filled_order, a_store, commit, passes, steps


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return None if request.param == "sqlite" else request.getfixturevalue("postgres").url()


@pytest.fixture
def store(url, tmp_path):
    with closing(a_store(tmp_path, url=url)) as made:
        made.journal()
        yield made


def rows(store):
    with open_reader_at(store.path) as reader:
        assert verify(reader).ok, verify(reader)
        return [record.kind for record in reader.records(stream="halt")]


def until(condition, within_s=30.0):
    end_s = monotonic() + within_s
    while not condition():
        assert monotonic() < end_s, "it did not come about"


def test_a_halt_is_noted_and_a_row_and_the_guard_says_no(store):
    guard = store.guard()
    passes(guard)

    report = halt(store)

    assert (report.is_quiet, report.unrecorded, report.in_flight) == (True, None, ())
    assert [str(one.scope) for one in report.halts] == ["account"]
    assert list(note_of(store.path).read()) == [ACCOUNT]
    assert rows(store) == ["Halted"]
    with pytest.raises(HaltedError, match=r"account is halted .* by kim: a test.*resume --sc"):
        passes(guard)


@pytest.mark.parametrize(
    ("scope", "held"),
    [(SAMSUNG, [True, True, False]), (CROSSOVER, [True, False, True]), (ACCOUNT, [True] * 3)],
)
def test_only_the_orders_of_its_scope_are_held_back(store, scope, held):
    guard = store.guard()

    halt(store, scope)

    orders = [("005930", "crossover"), ("005930", ""), ("000660", "crossover")]
    assert [is_held(guard, *order) for order in orders] == held


def test_a_resume_lifts_its_own_halt_and_no_other(store):
    guard = store.guard()
    halt(store, SAMSUNG)
    halt(store, CROSSOVER)

    assert [str(one.scope) for one in resume(store, SAMSUNG)] == ["strategy:crossover"]

    assert not is_held(guard)
    assert is_held(guard, "005930", "crossover")
    assert list(halts_in_force(store.path)) == [CROSSOVER]
    assert resume(store, CROSSOVER) == ()
    assert not is_held(guard, "005930", "crossover")
    assert rows(store) == ["Halted", "Halted", "Resumed", "Resumed"]


def test_resume_of_what_is_not_halted_says_what_is(store):
    halt(store, SAMSUNG)

    with pytest.raises(InvalidInputError, match="no halt of account; in force: symbol:005930"):
        resume(store)
    assert is_held(store.guard())


def test_a_halt_outlives_the_engine(store, url, tmp_path):
    halt(store, SAMSUNG)
    store.close()

    with closing(a_store(tmp_path, url=url)) as again:
        again.journal()
        assert is_held(again.guard())


def test_a_store_without_an_engine_can_be_halted(store, url, tmp_path):
    store.close()

    assert halt(store).is_quiet

    with closing(a_store(tmp_path, url=url)) as again:
        again.journal()
        assert is_held(again.guard())
        assert resume(again) == ()
        passes(again.guard())


def test_a_halt_waits_for_the_call_under_way_and_lets_no_other_begin(store):
    guard = store.guard()
    reports = []
    with guard.hold(symbol="005930", strategy_id=""):
        halting = Thread(target=lambda: reports.append(halt(store, wait_s=10)))
        halting.start()
        until(lambda: is_held(guard))
        assert reports == []
    halting.join(10)

    assert [report.is_quiet for report in reports] == [True]


def test_a_call_that_hangs_does_not_keep_a_halt_from_returning(store):
    with store.guard().hold(symbol="005930", strategy_id=""):
        report = halt(store, wait_s=0.05)

    assert not report.is_quiet
    assert is_held(store.guard())


def test_calls_of_one_engine_do_not_wait_for_each_other_and_count_on_their_own(store):
    guard = store.guard()
    with guard.hold(symbol="005930", strategy_id=""):
        passes(guard)
        assert not halt(store, wait_s=0.05).is_quiet
    assert halt(store).is_quiet


def test_while_a_halt_is_being_set_an_order_does_not_wait(store):
    guard = store.guard()
    with note_of(store.path).alone("gate", 1.0) as is_taken:
        assert is_taken
        with pytest.raises(NotSentError, match="being halted"):
            passes(guard)
    passes(guard)


def test_placements_without_an_outcome_are_named(store):
    journal = store.journal()
    commit(journal, *steps(started()))
    commit(journal, *a_filled_order(2, symbol="000660"))
    assert [o.signal_id for o in halt(store, SAMSUNG).in_flight] == ["s-1"]
    assert halt(store, parse_scope("symbol:000660")).in_flight == ()


def test_orders_in_doubt_are_named_at_once(store):
    commit(store.journal(), *steps(started(), doubted()))

    (order,) = halt(store).in_flight

    assert order.status == "IN_DOUBT"


HALT_FROM_ELSEWHERE = """
import sys
from infra.store.halts import set_halt
from infra.store.places import place_of
from tests.unit.infra.store.halting import CLOCK, halted
report = set_halt(place_of(sys.argv[1]), halted(), clock=CLOCK)
sys.exit(0 if report.is_quiet else 1)
"""


@pytest.mark.slow
def test_another_process_halts_while_this_one_holds_the_store(store, url):
    guard = store.guard()
    passes(guard)

    words = [sys.executable, "-c", HALT_FROM_ELSEWHERE, url or str(store.path)]
    assert subprocess.run(words, check=False, cwd=ROOT).returncode == 0

    assert is_held(guard)
    commit(store.journal(), *a_filled_order())
    assert rows(store) == ["Halted"]
    assert halts_in_force(store.path)[ACCOUNT].reason == "a test"
