"""Sending an order: retried when that is certain, looked up when it is not."""

from datetime import timedelta

import pytest

from actors.messages import Outcome, Place
from domain.broker import PlaceAck
from domain.errors import NotSentError
from domain.events import Source
from infra.brokers.paper import FaultPlan
from tests.desks import buy
from tests.unit.actors.rigs import TIMING, setting
from tests.unit.actors.tales import LIMIT, a_plan, begun, seconds_between


def test_a_doubtful_order_is_looked_up_at_half_a_second_and_then_twice_as_late_each_time(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())

    desk.until(lambda: "order.in_doubt" in desk.topics())
    began = desk.system.monotonic()
    desk.until_rest()

    first, second, third, *_ = desk.times_of("find_order")
    assert first - began < 0.1
    assert (second - first, third - second) == pytest.approx((0.5, 1.0), abs=0.05)


def test_absence_is_believed_only_when_asked_after_the_settle_time(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())
    desk.until_rest()

    first, second = desk.events("SubmitStarted")
    (absent,) = desk.events("SubmitFailed")
    assert absent.proof == "ABSENT"
    settled_s = TIMING.settle_s
    assert settled_s <= seconds_between(first.send_by, absent.at) < settled_s + 0.2
    assert seconds_between(absent.at, second.since) == pytest.approx(1.0, abs=0.05)


def test_after_a_restart_the_settle_time_counts_from_the_restart(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())
    desk.until_status("IN_DOUBT")

    desk.restart(after_s=3600, faults=FaultPlan())
    began = desk.system.now()
    desk.until_status("FAILED")

    (absent,) = desk.events("SubmitFailed")
    assert seconds_between(began, absent.at) >= TIMING.settle_s
    assert desk.order().closure.reason.startswith("not sent within its deadline")
    assert desk.ledger().orders == ()


def test_an_order_whose_answer_was_lost_with_the_process_is_found_and_not_sent_again(desk):
    begun(desk).tell(buy())
    desk.until(lambda: desk.ledger().orders)
    assert desk.order().broker_order_id is None

    desk.restart(after_s=60)

    desk.until_rest()
    assert "place_order" not in desk.names()
    assert "order.in_doubt" in desk.topics()
    desk.check()


def test_an_order_written_down_but_never_sent_is_proved_absent_after_a_restart(desk):
    begun(desk).tell(buy())
    desk.until(lambda: desk.status() == "SUBMITTED")
    assert desk.ledger().orders == ()

    desk.restart()
    desk.until_rest()

    assert (desk.order().attempts, len(desk.ledger().orders)) == (2, 1)
    desk.check()


def test_lookups_that_fail_prove_nothing_and_are_repeated(desk):
    lookups = dict.fromkeys((("find", n) for n in range(1, 8)), "http_500_before")
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"} | lookups)
    begun(desk).tell(buy())

    desk.until_rest(within_s=120)

    (absent,) = desk.events("SubmitFailed")
    looked = desk.events("LookedUp")
    assert all(not one.is_complete for one in looked[:7])
    assert absent.at > looked[-1].at
    desk.check()


def test_an_incomplete_lookup_is_no_proof_either(desk):
    lookups = dict.fromkeys((("find", n) for n in range(1, 12)), "incomplete")
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"} | lookups)
    setting(desk, signal_deadline=timedelta(minutes=10))
    begun(desk).tell(buy())

    desk.run_for(60)

    assert (desk.status(), desk.order().attempts) == ("IN_DOUBT", 1)
    assert len(desk.times_of("place_order")) == 1


def test_a_late_positive_answer_ends_the_doubt_at_once(desk):
    lookups = dict.fromkeys((("find", n) for n in range(1, 9)), "not_sent")
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking"} | lookups)
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until_status("IN_DOUBT")
    (order,) = desk.ledger().orders
    ack = PlaceAck(broker_order_id=order.broker_order_id, trade_date=order.trade_date)

    desk.actor_of().tell(Outcome(Place(None, 1, 0.0), ack))

    desk.until_status("SUBMITTED", within_s=0.1)
    assert desk.order().broker_order_id == order.broker_order_id


def test_a_late_negative_answer_ends_no_doubt(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking", ("find", 1): "not_sent"})
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until_status("IN_DOUBT")

    desk.actor_of().tell(Outcome(Place(None, 1, 0.0), error=NotSentError("not sent")))
    desk.run_for(0.1)
    assert desk.status() == "IN_DOUBT"

    desk.until_status("SUBMITTED", within_s=5)
    assert len(desk.ledger().orders) == 1


def test_the_stream_ends_a_doubt_before_any_lookup(desk):
    desk.faults = FaultPlan.script({("place", 1): "answer_lost_after_booking"})
    begun(desk).tell(buy())

    desk.until_rest()

    assert "find_order" not in desk.names()
    assert desk.order().fills[0].source == Source.STREAM
    desk.check()
