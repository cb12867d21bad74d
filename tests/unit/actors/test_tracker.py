"""Following orders at the broker: one bulk question, nothing while nothing is open."""

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.messages import (
    CompareBook,
    FillSeen,
    Follow,
    ListFills,
    ListOrders,
    ListPositions,
    Nudge,
    OrderSeen,
    Unfollow,
)
from domain.broker import BrokerState, FillNews, OrderNews
from domain.events import Source
from domain.session import Session
from domain.terms import BrokerOrderId
from infra.brokers.paper import FaultPlan
from tests.desks import START, buy
from tests.unit.actors.rigs import (
    NO_STREAM,
    a_broker_fill,
    a_broker_order,
    a_page,
    a_request,
)

LIMIT = Decimal(60_000)
SATURDAY = START + timedelta(days=5)


def test_nothing_is_asked_while_nothing_is_open_and_the_session_is_closed(desk):
    desk.settings = replace(desk.settings, session=Session())
    desk.start(at=SATURDAY).run_for(10)
    before = len(desk.gateway.calls)

    desk.run_for(8 * 3600)

    assert len(desk.gateway.calls) == before


def test_an_open_session_is_reconciled_now_and_then_though_nothing_is_ours(desk):
    desk.start().tell(buy())
    desk.until_rest()
    desk.run_for(20)
    before = len(desk.times_of("list_orders"))

    desk.run_for(3600)

    looks = len(desk.times_of("list_orders")) - before
    assert 3600 / desk.settings.reconcile_s - 2 <= looks <= 3600 / desk.settings.reconcile_s


def test_a_poll_that_fails_is_asked_again_though_nothing_is_followed(desk):
    desk.faults = FaultPlan.script({("orders", 1): "http_500_before"})

    desk.start().run_for(desk.settings.poll_idle_s + 3)

    assert len(desk.times_of("list_orders")) == 2


def test_polls_are_fast_after_activity_and_slow_when_nothing_happens(desk):
    desk.faults = NO_STREAM
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    began = desk.system.monotonic()
    desk.run_for(40)

    polls = [at - began for at in desk.times_of("list_orders") if at > began]

    fast = [late - early for early, late in itertools.pairwise(polls) if late < 10]
    slow = [late - early for early, late in itertools.pairwise(polls) if early > 11]
    assert fast == pytest.approx([desk.settings.poll_active_s] * len(fast), abs=0.1)
    assert slow == pytest.approx([desk.settings.poll_idle_s] * len(slow), abs=0.1)
    assert len(fast) >= 8
    assert len(slow) >= 4


def test_one_bulk_question_follows_many_orders(desk):
    desk.start()
    ids = [f"s-{n}" for n in range(40)]
    desk.tell(*(buy(one, 1, limit_px=LIMIT) for one in ids))
    desk.until(lambda: all("order.accepted" in desk.topics(one) for one in ids))
    desk.run_for(5)
    before = len(desk.times_of("list_orders"))

    desk.run_for(10)

    assert len(desk.times_of("list_orders")) - before <= 11
    assert "find_order" not in desk.names()


def test_orders_are_followed_by_polls_alone_when_the_stream_is_silent(desk):
    desk.faults = NO_STREAM
    desk.start().tell(buy())

    desk.until_rest(within_s=5)

    assert desk.order().fills[0].source == Source.POLL
    desk.check()


def test_a_gap_in_the_stream_triggers_a_full_look(desk):
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.run_for(20)
    before = len(desk.gateway.calls)

    desk.gateway.stream.interrupt("reconnected")
    desk.run_for(0.5)

    (since,) = [args[1] for _, name, args in desk.gateway.calls[before:] if name == "list_orders"]
    assert (START - since).total_seconds() > 3600
    assert desk.names()[-1] == "list_positions"


def test_open_orders_are_still_followed_after_the_tracker_crashed(desk):
    desk.faults = NO_STREAM
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.crash("tracker")
    desk.run_for(30)

    desk.quote(59_000)

    desk.until_rest(within_s=10)
    desk.check()


def test_an_order_of_somebody_else_is_shown_once_and_not_adopted(desk):
    desk.start()
    request = buy(limit_px=LIMIT)
    stranger = replace(a_request(request), client_order_id="stranger")
    desk.gateway.broker.place(desk.settings.account_id, stranger)
    desk.tell(buy("mine", limit_px=LIMIT))
    desk.resting("mine")

    desk.run_for(200)

    shown = [r.event for r in desk.records if r.kind == "ReconcileBroke"]
    assert len([one for one in shown if one.subject.startswith("broker order")]) == 1
    assert len(desk.orders()) == 1
    assert [o.state for o in desk.ledger().orders] == ["ACCEPTED", "ACCEPTED"]


def test_a_position_break_is_raised_after_two_comparisons(desk):
    desk.start()
    stranger = replace(a_request(buy(order_qty=7)), client_order_id="stranger")
    desk.tell(buy("mine", limit_px=LIMIT))
    desk.resting("mine")
    desk.run_for(5)
    desk.gateway.broker.place(desk.settings.account_id, stranger)

    def breaks():
        return [r for r in desk.records if getattr(r.event, "subject", "") == "position 005930"]

    looks = len(desk.times_of("list_positions"))
    desk.until(lambda: len(desk.times_of("list_positions")) > looks, within_s=70)
    desk.run_for(1)
    assert breaks() == []
    desk.run_for(10)
    assert [(r.event.ours, r.event.theirs) for r in breaks()] == [("0", "7")]
    assert breaks()[0].topics == ("reconcile.break",)


def test_the_positions_are_compared_after_every_full_look(tracker):
    assert tracker.calls() == [tracker.calls()[0], ListPositions()]
    assert tracker.told["position"] == [CompareBook(())]


def test_fills_are_fetched_before_the_news_that_counts_them_is_told(tracker):
    tracker.tell(Follow("c-1", START))
    order = a_broker_order(cum_qty=Decimal(100), state=BrokerState.FILLED)

    tracker.answer(a_page(order))

    assert isinstance(tracker.calls()[-1], ListFills)
    assert "executor" not in tracker.told or tracker.told["executor"] == []
    tracker.answer(a_page(a_broker_fill()))
    assert tracker.told["executor"] == [
        FillSeen(a_broker_fill(), Source.POLL),
        OrderSeen(order, Source.POLL),
    ]


def test_a_fill_that_the_stream_told_is_not_asked_for_again(tracker):
    tracker.tell(Follow("c-1", START), FillNews(fill=a_broker_fill()))

    tracker.answer(a_page(a_broker_order(cum_qty=Decimal(100), state=BrokerState.FILLED)))

    assert ListFills not in {type(call) for call in tracker.calls()}
    assert tracker.told["executor"][0] == FillSeen(a_broker_fill(), Source.STREAM)


def test_a_fill_that_was_lost_on_the_way_is_told_again_by_the_next_full_look(tracker, desk):
    filled = a_broker_order(cum_qty=Decimal(100), state=BrokerState.FILLED)
    tracker.tell(Follow("c-1", START), FillNews(fill=a_broker_fill()))  # And nobody booked it.
    tracker.answer(a_page(filled))
    tracker.tell(within_s=desk.settings.reconcile_s)
    assert isinstance(tracker.calls()[-1], ListOrders)
    tracker.answer(a_page(filled))  # Asked before the full look was due.
    tracker.tell(within_s=desk.settings.poll_idle_s)

    tracker.answer(a_page(filled))

    assert isinstance(tracker.calls()[-1], ListFills)


def test_the_end_of_a_followed_order_is_told_until_it_is_believed(tracker):
    tracker.tell(Follow("c-1", START))
    ended = a_broker_order(state=BrokerState.CANCELLED)

    for _ in range(3):
        tracker.answer(a_page(ended))
        tracker.tell(within_s=1.1)

    assert tracker.told["executor"] == [OrderSeen(ended, Source.POLL)] * 3


def test_an_end_on_the_stream_is_a_hint_and_a_state_on_it_is_news(tracker):
    asked = len(tracker.calls())
    ended = a_broker_order(state=BrokerState.EXPIRED)

    tracker.tell(OrderNews(order=a_broker_order()), OrderNews(order=ended))

    assert tracker.told["executor"] == [OrderSeen(a_broker_order(), Source.STREAM)]
    assert [type(call) for call in tracker.calls()[asked:]] == [ListOrders]


def test_a_nudge_while_a_question_is_out_makes_another_one(tracker):
    tracker.tell(Nudge())
    asked = len(tracker.calls())

    tracker.tell(Nudge())
    tracker.answer(a_page())

    assert len(tracker.calls()) == asked + 1


def test_an_answer_that_never_comes_is_asked_for_again(tracker):
    tracker.tell(Follow("c-1", START))
    asked = len(tracker.calls())

    tracker.tell(within_s=16)

    assert len(tracker.calls()) == asked + 1


def test_a_failed_poll_is_repeated(tracker):
    tracker.tell(Follow("c-1", START))
    asked = len(tracker.calls())

    tracker.answer(None, error=OSError("no connection"))
    tracker.tell(within_s=1.1)

    assert len(tracker.calls()) == asked + 1


def test_nothing_is_forgotten_of_an_incomplete_page(tracker):
    tracker.tell(Follow("c-1", START))
    asked = tracker.calls()[-1].since
    tracker.tell(within_s=1)
    partial = a_broker_order(cum_qty=Decimal(60), state=BrokerState.PARTIAL)
    tracker.answer(a_page(partial, is_complete=False))
    tracker.answer(a_page(a_broker_fill(last_qty=Decimal(60))))

    tracker.tell(within_s=1.1)

    assert tracker.calls()[-1].since == asked  # What was not shown may have changed since then.


def test_the_fills_missing_from_an_incomplete_page_are_asked_for_by_the_next_poll(tracker):
    tracker.tell(Follow("c-1", START))
    filled = a_broker_order(cum_qty=Decimal(100), state=BrokerState.FILLED)
    tracker.answer(a_page(filled))
    tracker.answer(a_page(a_broker_fill(last_qty=Decimal(40)), is_complete=False))
    tracker.tell(within_s=1.1)

    tracker.answer(a_page(filled))

    assert isinstance(tracker.calls()[-1], ListFills)


def test_two_fills_with_one_number_at_two_orders_both_count(tracker):
    second = BrokerOrderId("0000000002")
    tracker.tell(Follow("c-1", START), FillNews(fill=a_broker_fill()))
    orders = (
        a_broker_order(cum_qty=Decimal(100), state=BrokerState.FILLED),
        a_broker_order(
            "c-2", broker_order_id=second, cum_qty=Decimal(100), state=BrokerState.FILLED
        ),
    )

    tracker.answer(a_page(*orders))

    assert isinstance(tracker.calls()[-1], ListFills)


def test_an_order_that_has_left_is_not_polled_for(tracker, desk):
    tracker.tell(Follow("c-1", START))
    tracker.answer(a_page())
    asked = len(tracker.calls())

    tracker.tell(Unfollow("c-1"), within_s=desk.settings.reconcile_s)

    assert len(tracker.calls()) == asked
    # Others may trade, and executions may be withdrawn: what is there is still compared.
    tracker.tell(within_s=desk.settings.poll_idle_s + 1)
    assert len(tracker.calls()) == asked + 1
