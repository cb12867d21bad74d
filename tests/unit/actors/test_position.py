"""The position book: every fill once, in the journal's order, whatever crashes."""

from decimal import Decimal

import pytest

from actors.messages import CompareBook, Wake
from actors.runtime import Faults
from domain.broker import BrokerPosition
from tests.desks import SAMSUNG, buy, sell
from tests.unit.actors.rigs import StormDesk

IDS = [f"s-{n}" for n in range(12)]


@pytest.fixture
def storm(tmp_path):
    made = StormDesk(tmp_path)
    yield made
    made.stop()


def changes(desk):
    return [record.event for record in desk.records if record.kind == "PositionChanged"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_position_actor_that_crashes_all_the_time_counts_each_fill_once(storm, seed):
    storm.start(seed=seed)
    storm.tell(*(buy(one, 10) if n % 3 else sell(one, 5) for n, one in enumerate(IDS)))
    for _ in range(30):
        storm.crash("position")
        storm.run_for(0.05)

    storm.until_rest(*IDS)

    assert len(changes(storm)) == len(storm.ledger().fills)
    storm.check()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_crashes_before_and_after_the_effects_of_any_message_count_no_fill_twice(storm, seed):
    storm.start(seed=seed, rates=Faults(crash=0.08))
    storm.tell(*(buy(one, 10) for one in IDS[:6]))
    storm.run_for(30)
    storm.system.faults = Faults()

    storm.until_rest(*IDS[:6], within_s=200)
    storm.run_for(70)

    assert len({(c.client_order_id, c.exec_id) for c in changes(storm)}) == len(changes(storm))
    storm.check()


def test_a_lost_wake_up_costs_time_until_the_next_one_and_no_fill(desk):
    desk.start()
    position = desk.engine.actor("position")
    desk.tell(buy("s-1"))
    desk.until_rest("s-1")

    position.tell(Wake(1))  # An old one changes nothing.
    desk.tell(sell("s-2", 30))
    desk.until_rest("s-1", "s-2")

    assert desk.positions()["005930"].qty == 70
    desk.check()


def test_positions_catch_up_with_what_was_filled_before_a_kill(desk):
    desk.start().tell(buy())
    desk.until_status("FILLED")

    desk.restart(after_s=5)
    desk.until_rest()

    assert desk.positions()["005930"].qty == 100
    desk.check()


def test_a_difference_must_be_seen_twice_in_a_row_to_be_a_break(desk):
    desk.start().run_for(2)
    actor = desk.engine.actor("position")
    other = BrokerPosition(symbol=SAMSUNG, qty=Decimal(3), avg_px=Decimal(70_000))
    book = {"differs": CompareBook((other,)), "agrees": CompareBook(())}

    for told in ("differs", "differs", "agrees", "differs"):
        actor.tell(book[told])
        desk.run_for(0.1 if told == "differs" else 3)
    assert [r for r in desk.records if r.kind == "ReconcileBroke"] == []

    desk.run_for(3)
    actor.tell(book["differs"])
    desk.until(lambda: [r for r in desk.records if r.kind == "ReconcileBroke"])


def test_a_position_that_only_we_have_is_a_break_too(desk):
    desk.start().tell(buy())
    desk.until_rest()
    desk.run_for(5)
    actor = desk.engine.actor("position")

    actor.tell(CompareBook(()))
    desk.run_for(3)
    actor.tell(CompareBook(()))
    desk.until(lambda: [r for r in desk.records if r.kind == "ReconcileBroke"])

    (broke,) = [r.event for r in desk.records if r.kind == "ReconcileBroke"]
    assert (broke.subject, broke.ours, broke.theirs) == ("position 005930", "100", "0")


def test_what_it_cannot_handle_is_set_aside_and_journaled(desk):
    desk.start().run_for(2)

    desk.crash("position")
    desk.until(lambda: [r for r in desk.records if r.kind == "Quarantined"])

    (aside,) = [r for r in desk.records if r.kind == "Quarantined"]
    assert (aside.event.actor, aside.event.error) == ("position", "TypeError")
    assert aside.topics == ("engine.quarantined",)
