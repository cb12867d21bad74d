"""Executions that the broker withdraws reach their order, in whatever order they come."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from actors.messages import FillSeen, ListFills, ListOrders, Rested, Stays
from domain.broker import BrokerState, FillNews, StreamGap
from domain.events import Source
from tests.desks import buy, cancel
from tests.unit.actors.rigs import a_broker_fill, a_broker_order, a_page

BUST = a_broker_fill(exec_id="2", last_qty=Decimal(-100))
EMPTY = a_broker_order(cum_qty=Decimal(0), state=BrokerState.CANCELLED)


def fills_told(tracker):
    return [seen.fill for seen in tracker.told["executor"] if isinstance(seen, FillSeen)]


def test_a_full_look_asks_for_the_fills_of_an_order_of_which_all_was_withdrawn(tracker):
    tracker.tell(StreamGap(reason="reconnected"))

    tracker.answer(a_page(EMPTY))
    tracker.answer(a_page(a_broker_fill(), BUST))

    assert FillSeen(BUST, Source.POLL) in tracker.told["executor"]


def test_a_bust_on_the_stream_is_a_hint_for_it_may_come_too_early(tracker):
    tracker.tell(FillNews(fill=BUST))

    tracker.answer(a_page(a_broker_order(cum_qty=Decimal(1), state=BrokerState.CANCELLED)))

    assert fills_told(tracker) == []
    assert isinstance(tracker.calls()[-1], ListFills)


def test_a_page_that_is_turned_round_tells_the_execution_before_its_bust(tracker):
    tracker.tell(StreamGap(reason="reconnected"))
    tracker.answer(a_page(EMPTY))

    tracker.answer(a_page(BUST, a_broker_fill()))

    assert fills_told(tracker) == [a_broker_fill(), BUST]


def test_a_bust_without_its_execution_is_told_again_with_it(tracker):
    tracker.tell(StreamGap(reason="reconnected"))
    tracker.answer(a_page(EMPTY))
    tracker.answer(a_page(BUST, is_complete=False))
    tracker.tell(within_s=2)
    tracker.answer(a_page(EMPTY))

    tracker.answer(a_page(a_broker_fill(), BUST))

    assert fills_told(tracker) == [BUST, a_broker_fill(), BUST]


def test_an_order_that_came_back_is_not_taken_for_the_actor_that_left(desk):
    desk.start().tell(buy(limit_px=Decimal(60_000)))
    desk.resting()
    known = desk.order().client_order_id
    former = SimpleNamespace(tell=lambda message: None)

    for word in (Rested(former, desk.order(), None), Stays(known)):
        desk.system.actors["executor"].tell(word)
    desk.run_for(1)
    desk.tell(cancel())

    desk.until_status("CANCELLED", within_s=5)


CORRECTED = a_broker_fill(exec_id="2", last_qty=Decimal(90), exec_ref_id="1")
AFTER = a_broker_order(cum_qty=Decimal(90), state=BrokerState.CANCELLED)


def test_a_correction_on_the_stream_is_a_hint_for_it_may_come_too_early(tracker):
    tracker.tell(FillNews(fill=CORRECTED))

    assert fills_told(tracker) == []
    assert isinstance(tracker.calls()[-1], ListOrders)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"last_qty": Decimal(90)}, 90),
        ({"last_qty": Decimal(0)}, 0),
        ({"last_qty": Decimal(-30)}, 70),
        ({"last_qty": Decimal(-300)}, 0),
    ],
)
def test_what_was_told_and_changed_is_not_asked_for_again(tracker, change, left):
    changed = a_broker_fill(exec_id="2", exec_ref_id="1", **change)
    after = a_broker_order(cum_qty=Decimal(left), state=BrokerState.CANCELLED)
    tracker.tell(StreamGap(reason="reconnected"))
    tracker.answer(a_page(after))
    tracker.answer(a_page(changed, a_broker_fill()))
    tracker.answer(a_page())
    assert fills_told(tracker) == [a_broker_fill(), changed]

    tracker.tell(FillNews(fill=changed), within_s=2)
    tracker.answer(a_page(replace(after, state=BrokerState.EXPIRED)))

    assert fills_told(tracker) == [a_broker_fill(), changed]
    assert isinstance(tracker.calls()[-1], ListOrders), "the count is as the broker has it"


def test_a_chain_of_corrections_is_counted_by_its_last(tracker):
    tracker.tell(StreamGap(reason="reconnected"))
    tracker.answer(a_page(AFTER))
    again = a_broker_fill(exec_id="3", last_qty=Decimal(80), exec_ref_id="2")
    tracker.answer(a_page(a_broker_fill(), CORRECTED, again))
    tracker.answer(a_page())

    tracker.tell(FillNews(fill=again), within_s=2)
    tracker.answer(a_page(replace(AFTER, cum_qty=Decimal(80))))

    assert isinstance(tracker.calls()[-1], ListOrders)


def test_a_bust_by_its_id_without_its_execution_is_told_again_with_it(tracker):
    bust = a_broker_fill(exec_id="2", last_qty=Decimal(0), exec_ref_id="1")
    tracker.tell(StreamGap(reason="reconnected"))
    tracker.answer(a_page(EMPTY))
    tracker.answer(a_page(bust, is_complete=False))
    tracker.tell(within_s=2)
    tracker.answer(a_page(EMPTY))

    tracker.answer(a_page(a_broker_fill(), bust))

    assert fills_told(tracker) == [bust, a_broker_fill(), bust]
