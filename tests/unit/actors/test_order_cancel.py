"""Cancelling an order, wherever it is."""

import itertools

import pytest

from actors.messages import CancelOrder
from actors.runtime import Faults
from actors.runtime.mailbox import USER
from domain.errors import EngineStoppedError, NotSentError, OutcomeUnknownError, RefusedError
from infra.brokers.paper import PaperSettings
from tests.desks import buy, cancel
from tests.unit.actors.rigs import setting
from tests.unit.actors.tales import LIMIT, a_plan, begun, raise_always, raise_once


def test_an_order_cancelled_before_it_was_sent_makes_no_call(desk):
    desk.start().tell(buy(limit_px=LIMIT), cancel())

    desk.until_status("CANCELLED")
    desk.run_for(20)

    assert not {"place_order", "cancel_order"} & set(desk.names())
    assert desk.topics() == ["order.created", "order.cancel_requested", "order.cancelled"]


def test_a_cancel_between_two_attempts_stops_the_retries(desk):
    desk.faults = a_plan({("place", 1): "not_sent"})
    begun(desk).tell(buy())
    desk.until(lambda: "order.retry" in desk.topics())

    desk.tell(cancel())
    desk.until_status("CANCELLED", within_s=1)
    desk.run_for(20)

    assert len(desk.times_of("place_order")) == 1


def test_a_cancel_while_the_order_is_being_sent_follows_its_acknowledgement(desk):
    desk.paper = PaperSettings(latency_s=(0.5, 0.5))
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until(lambda: "place_order" in desk.names())

    desk.tell(cancel())

    desk.until_status("CANCELLED", within_s=3)
    assert desk.kinds().index("CancelRequested") < desk.kinds().index("Accepted")
    desk.check()


def test_an_order_in_doubt_that_is_to_be_cancelled_is_found_and_then_cancelled(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking", ("find", 1): "not_sent"})
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until_status("IN_DOUBT")

    desk.tell(cancel())
    desk.until_status("CANCELLED", within_s=5)

    assert [o.state for o in desk.ledger().orders] == ["CANCELLED"]
    desk.check()


def test_an_order_in_doubt_that_is_to_be_cancelled_and_is_absent_is_not_sent_again(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until_status("IN_DOUBT")

    desk.tell(cancel())
    desk.until_status("CANCELLED", within_s=20)

    assert desk.events("SubmitFailed")[0].proof == "ABSENT"
    assert len(desk.times_of("place_order")) == 1
    assert "cancel_order" not in desk.names()


def test_a_partly_filled_order_is_cancelled_and_keeps_its_fills(desk):
    begun(desk).quote(70_000, volume=400)
    desk.tell(buy(order_qty=100))
    desk.until_status("PARTIAL")

    desk.tell(cancel())
    desk.until_rest()

    assert (desk.status(), desk.order().cum_qty) == ("CANCELLED", 40)
    desk.check()


def test_a_refused_cancel_leaves_the_order_open_and_another_one_may_follow(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.gateway.before["cancel_order"] = raise_once(RefusedError("not now"))

    desk.tell(cancel())
    desk.until(lambda: "order.cancel_refused" in desk.topics())
    assert (desk.status(), desk.order().cancel) == ("SUBMITTED", None)

    desk.tell(cancel())
    desk.until_status("CANCELLED")


def test_a_cancel_with_a_lost_answer_is_repeated(desk):
    desk.faults = a_plan({("cancel", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()

    desk.tell(cancel())
    desk.until_status("CANCELLED", within_s=15)

    assert len(desk.times_of("cancel_order")) == 2
    assert next(e.outcome for e in desk.events("CancelEnded")) == "UNKNOWN"
    desk.check()


def test_a_cancel_that_never_gets_an_answer_is_given_up_after_its_bound(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.gateway.before["cancel_order"] = raise_always(OutcomeUnknownError("reset"))

    desk.tell(cancel())
    desk.until(lambda: "order.cancel_refused" in desk.topics())
    desk.run_for(120)

    assert len(desk.times_of("cancel_order")) == desk.settings.max_cancel_requests
    assert "gave up after 5 requests" in desk.order().reason
    assert desk.status() == "SUBMITTED"


def test_a_cancel_that_could_not_be_sent_is_repeated_with_growing_waits(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.gateway.before["cancel_order"] = raise_always(NotSentError("no connection"))

    desk.tell(cancel())
    desk.until(lambda: "order.cancel_refused" in desk.topics())

    times = desk.times_of("cancel_order")
    waits = [late - early for early, late in itertools.pairwise(times)]
    assert waits == pytest.approx([1, 2, 3, 4], abs=0.1)


def test_a_cancel_under_way_at_a_kill_is_repeated_after_the_restart(desk):
    desk.paper = PaperSettings(latency_s=(0.2, 0.2))
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.tell(cancel())
    desk.until(lambda: "order.cancel_sent" in desk.topics())

    desk.restart()
    desk.until_status("CANCELLED", within_s=20)

    assert [o.state for o in desk.ledger().orders] == ["CANCELLED"]
    desk.check()


def test_a_cancel_told_twice_is_one_request_and_both_askers_hear(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()

    desk.ask(cancel())
    desk.ask(cancel())
    desk.until_status("CANCELLED")
    desk.ask(cancel())

    assert len(desk.events("CancelRequested")) == 1


def test_a_cancel_wish_is_answered_although_the_order_crashed_before_its_commit(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    answered = []

    desk.actor_of().tell(CancelOrder("test", "", lambda: answered.append(True)))
    desk.crash_order()
    desk.until_status("CANCELLED", within_s=20)

    assert answered


def test_an_overdue_market_order_is_cancelled_if_that_is_wanted(desk):
    setting(desk, cancel_overdue=True)
    begun(desk).quote(70_000, volume=0)
    desk.tell(buy())

    desk.until_status("CANCELLED", within_s=65)

    assert "still open after 60 s" in desk.order().reason


def test_a_cancel_that_was_put_aside_is_answered_and_may_be_told_again(desk):
    """Found by simulation: whoever asked waited for ever, and the order went on working."""
    desk.start().run_for(2)
    desk.ask(buy(limit_px=LIMIT))
    desk.resting()
    future = desk.engine.ask(cancel())
    box = desk.actor_of().actor_inbox
    for _ in range(2):
        desk.until(lambda: box.reads == USER and box.depth())
        desk.system.faults = Faults(crash=1.0)
        desk.until(lambda: box.cell.actor is None)
        desk.system.faults = Faults()

    desk.until(future.done)

    with pytest.raises(EngineStoppedError, match="put aside"):
        future.result(timeout=0)
    desk.ask(cancel())
    desk.until_status("CANCELLED")
