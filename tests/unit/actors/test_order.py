"""One order: retried when it is certain, looked up when it is not, cancelled in every state."""

from datetime import timedelta
from decimal import Decimal

import pytest

from actors.messages import CancelOrder, FillSeen, OrderSeen, Outcome, Place
from domain.broker import BrokerState, FillNews, PlaceAck
from domain.errors import NotSentError, OutcomeUnknownError, RefusedError
from domain.events import Source
from infra.brokers.paper import Fault, FaultKind, FaultPlan, PaperSettings
from tests.desks import buy, cancel
from tests.unit.actors.rigs import NO_STREAM, TIMING, a_broker_fill, a_broker_order, setting

LIMIT = Decimal(60_000)
LOST = {FaultKind.LOST: 1.0}


def a_plan(calls, **rates):
    return FaultPlan.script(calls, rates=LOST | rates)


def begun(desk):
    """Start, and let the first second pass, which belongs to the rate limit."""
    desk.start().run_for(2)
    return desk


def seconds_between(earlier, later):
    return (later - earlier).total_seconds()


def fill_of(desk, **changes):
    order = desk.order()
    told = {"broker_order_id": order.broker_order_id, "trade_date": order.trade_date} | changes
    return a_broker_fill(order.client_order_id, **told)


def seen_of(desk, **changes):
    return OrderSeen(a_broker_order(desk.order().client_order_id, **changes), Source.POLL)


def raise_once(error):
    errors = [error]

    def before(*_):
        if errors:
            raise errors.pop()

    return before


def raise_always(error):
    def before(*_):
        raise error

    return before


def test_a_doubtful_order_is_looked_up_at_half_a_second_and_then_twice_as_late_each_time(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())

    desk.until(lambda: "order.in_doubt" in desk.topics())
    began = desk.system.monotonic()
    desk.until_rest()

    waits = [at - began for at in desk.times_of("find_order")]
    assert waits[0] < 0.1
    assert [late - early for early, late in zip(waits, waits[1:3], strict=False)] == pytest.approx(
        [0.5, 1.0], abs=0.05
    )


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
    assert [e.outcome for e in desk.events("CancelEnded")][0] == "UNKNOWN"
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
    waits = [late - early for early, late in zip(times, times[1:], strict=False)]
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


def test_an_overdue_market_order_is_said_to_be_overdue_once(desk):
    begun(desk).quote(70_000, volume=0)
    desk.tell(buy())
    desk.resting()

    desk.run_for(300)

    (overdue,) = desk.events("Overdue")
    assert overdue.open_for_s == pytest.approx(60, abs=0.1)
    assert desk.status() == "SUBMITTED"


def test_an_overdue_market_order_is_cancelled_if_that_is_wanted(desk):
    setting(desk, cancel_overdue=True)
    begun(desk).quote(70_000, volume=0)
    desk.tell(buy())

    desk.until_status("CANCELLED", within_s=65)

    assert "still open after 60 s" in desk.order().reason


def test_an_order_is_overdue_at_the_same_time_when_the_process_restarts(desk):
    begun(desk).quote(70_000, volume=0)
    desk.tell(buy())
    desk.resting()
    desk.run_for(30)

    desk.quote = lambda *_: None  # Nothing trades after the restart either.
    desk.restart(after_s=10)
    desk.until(lambda: desk.events("Overdue"), within_s=30)

    assert desk.events("Overdue")[0].open_for_s == pytest.approx(60, abs=1)


def test_a_limit_order_is_not_overdue(desk):
    begun(desk).tell(buy(limit_px=LIMIT))

    desk.run_for(600)

    assert desk.events("Overdue") == []


def test_a_fill_that_comes_before_the_acknowledgement_is_booked_once(desk):
    slow = Fault(FaultKind.SLOW, 1.0)
    desk.faults = FaultPlan.script({("place", 1): slow, ("stream", 1): "lost"})
    begun(desk).tell(buy())

    desk.until(lambda: desk.status() == "FILLED", within_s=0.5)
    desk.run_for(5)

    assert desk.kinds() == ["OrderCreated", "SubmitStarted", "Filled"]
    assert desk.order().broker_order_id == desk.ledger().orders[0].broker_order_id
    desk.check()


def test_a_fill_after_the_order_has_ended_and_left_is_booked_and_moves_the_position(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.tell(cancel())
    desk.until(lambda: desk.status() == "CANCELLED" and not desk.has_actor())

    desk.engine.actor("tracker").tell(FillNews(fill=fill_of(desk, last_qty=Decimal(30))))
    desk.until(lambda: desk.positions().get("005930") is not None)

    assert (desk.status(), desk.order().cum_qty) == ("CANCELLED", 30)
    assert desk.positions()["005930"].qty == 30
    desk.until(lambda: not desk.has_actor())


def test_a_fill_that_meets_an_order_on_its_way_out_is_not_lost(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.tell(cancel())
    desk.until(lambda: desk.status() == "CANCELLED" and not desk.has_actor())
    first, late = (fill_of(desk, last_qty=Decimal(n), exec_id=str(n)) for n in (30, 40))
    executor = desk.engine.actor("executor")
    executor.tell(FillSeen(first, Source.POLL))
    desk.until(desk.has_actor)

    # It asks for leave, and is slow to take it because it crashes.
    desk.crash_order()
    desk.run_for(0.15)
    assert desk.has_actor()
    executor.tell(FillSeen(late, Source.POLL))

    desk.until(lambda: desk.order().cum_qty == 70, within_s=120)


def test_an_order_found_after_it_failed_is_adopted_flagged_and_cancelled(desk):
    desk.faults = a_plan({("place", n): "not_sent" for n in (1, 2, 3, 4)})
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until(lambda: desk.status() == "FAILED" and not desk.has_actor())
    place = next(args for _, name, args in desk.gateway.calls if name == "place_order")
    desk.gateway.broker.place(*place)

    desk.tell(buy("s-2", limit_px=LIMIT))  # Something is open, so the tracker looks.
    desk.until_status("CANCELLED", within_s=90)

    assert desk.order().flags[0].startswith("FOUND_AFTER_END")
    assert "order.flagged" in desk.topics()
    assert [o.state for o in desk.ledger().orders] == ["CANCELLED", "ACCEPTED"]


def test_a_refusal_by_the_exchange_after_the_acknowledgement_rejects_the_order(desk):
    desk.faults = FaultPlan.script({("place", 1): "async_reject"})
    begun(desk).tell(buy())

    desk.until_status("REJECTED", within_s=5)

    assert desk.topics()[-1] == "order.rejected"
    assert desk.order().reason


def test_an_end_is_not_believed_before_the_fills_that_it_counts(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    number, day = desk.order().broker_order_id, desk.order().trade_date
    known = {"broker_order_id": number, "trade_date": day, "cum_qty": Decimal(30)}
    ended = seen_of(desk, state=BrokerState.CANCELLED, **known)

    desk.actor_of().tell(ended)
    desk.run_for(0.1)
    assert desk.status() == "SUBMITTED"

    desk.actor_of().tell(FillSeen(fill_of(desk, last_qty=Decimal(30)), Source.POLL))
    desk.actor_of().tell(ended)
    desk.until_status("CANCELLED")
    assert desk.order().cum_qty == 30


@pytest.mark.parametrize("after_kind", ["OrderCreated", "SubmitStarted", "Accepted", "Filled"])
def test_an_order_that_crashes_anywhere_on_its_way_ends_as_it_would_have(desk, after_kind):
    begun(desk).tell(buy())
    desk.until(lambda: after_kind in desk.kinds())

    if desk.has_actor():
        desk.crash_order()

    desk.until_rest()
    assert (desk.status(), len(desk.ledger().orders)) == ("FILLED", 1)
    desk.check()


def test_an_order_that_crashes_too_often_is_revived_and_finishes(desk):
    desk.faults = NO_STREAM
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    for _ in range(4):
        desk.crash_order()
    desk.run_for(20)
    assert not desk.has_actor()

    desk.run_for(20)
    desk.quote(59_000)

    desk.until_rest()
    assert desk.order().flags == ()
    desk.check()
