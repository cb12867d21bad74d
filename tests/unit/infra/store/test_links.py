"""A store named through a link is the store that lies there: one lock, one halt, one door."""

from contextlib import closing
from threading import Thread

import pytest

from domain.errors import AccountLockedError, HaltedError, InvalidInputError
from domain.halt import ACCOUNT
from infra.cli.source import lock_holder, store_in
from infra.signals.address import socket_path
from infra.store.gate import gate_path
from infra.store.halts import halts_in_force, lift_halt, set_halt
from infra.store.noted import read_noted
from infra.store.takeover import end_holder
from tests.fakes_time import ManualClock
from tests.unit.domain.test_halt import halted, resumed
from tests.unit.infra.store.stores import a_store, passes

CLOCK = ManualClock()


@pytest.fixture
def link(tmp_path):
    """A link in one folder to where a store will lie in another."""
    (tmp_path / "link").mkdir()
    made = tmp_path / "link" / "named.db"
    made.symlink_to(tmp_path / "real" / "oncefill.db")
    return made


@pytest.fixture
def store(tmp_path, link):
    with closing(a_store(tmp_path / "real")) as made:
        made.journal()
        yield made


def test_no_second_engine_opens_a_store_through_a_link(store, link):
    with pytest.raises(AccountLockedError, match="another engine"):
        a_store(link.parent, url=link)
    with pytest.raises(AccountLockedError, match="names process"):
        end_holder(link)
    assert lock_holder(link).is_running


def test_an_engine_that_was_given_a_link_locks_out_one_that_was_not(tmp_path, link):
    with closing(a_store(link.parent, url=link)) as store:
        assert store.path == tmp_path / "real" / "oncefill.db"
        with pytest.raises(AccountLockedError, match="another engine"):
            a_store(tmp_path / "real")


def test_a_halt_through_a_link_holds_and_is_lifted_through_either(store, link):
    guard = store.guard()

    assert set_halt(link, halted(), clock=CLOCK, wait_s=0.2).is_quiet

    assert store.path.with_name("HALT").is_file()
    assert list(halts_in_force(link)) == [ACCOUNT]
    with pytest.raises(HaltedError):
        passes(guard)
    assert lift_halt(link, resumed(), clock=CLOCK) == ()
    passes(guard)
    with pytest.raises(InvalidInputError, match="no halt"):
        lift_halt(store.path, resumed(), clock=CLOCK)


def test_a_halt_through_a_link_waits_for_the_call_under_way(store, link):
    reports = []
    with store.guard().hold(symbol="005930", strategy_id=""):
        reports.append(set_halt(link, halted(), clock=CLOCK, wait_s=0.05))
        halting = Thread(
            target=lambda: reports.append(set_halt(link, halted(), clock=CLOCK, wait_s=10))
        )
        halting.start()
        assert [report.is_quiet for report in reports] == [False]
    halting.join(10)

    assert [report.is_quiet for report in reports] == [False, True]


def test_nothing_is_made_beside_the_link_and_all_is_found_from_it(store, link):
    set_halt(link, halted(), clock=CLOCK, wait_s=0.2)

    assert [each.name for each in link.parent.iterdir()] == [link.name]
    assert gate_path(link) == gate_path(store.path)
    assert socket_path(link) == socket_path(store.path)
    assert store_in(link) == store.path
    assert read_noted(link) == read_noted(store.path) is not None
