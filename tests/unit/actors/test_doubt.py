"""What the broker says of an order in doubt, and what a person is asked."""

from dataclasses import replace

import pytest

from domain.errors import InvalidInputError, OutcomeUnknownError, RefusedError
from domain.events import Anomaly, Proof
from domain.settings import AbsentPolicy
from domain.signal import Resolve
from domain.terms import Verdict
from infra.brokers.paper import PaperSettings
from tests.desks import buy, cancel
from tests.unit.actors.rigs import setting
from tests.unit.actors.tales import LIMIT, a_plan, begun, raise_always, raise_once


def resolve(verdict=Verdict.ABSENT, **named):
    wish = {"signal_id": "s-1", "account_id": "paper", "reason": "telephoned"}
    return Resolve(verdict=verdict, **wish, **named)


def named(order):
    return {"broker_order_id": order.broker_order_id, "trade_date": order.trade_date}


def has_flag(desk, anomaly):
    return any(flag.startswith(anomaly) for flag in desk.order().flags)


def test_an_id_that_the_broker_knows_and_never_shows_is_a_question_to_a_person(desk):
    begun(desk)
    desk.gateway.before["place_order"] = raise_always(RefusedError("known", code="DUPLICATE"))
    desk.tell(buy())

    desk.until(lambda: desk.order() is not None and has_flag(desk, Anomaly.KNOWN_BUT_ABSENT))
    desk.run_for(120)

    assert (desk.status(), desk.order().attempts) == ("IN_DOUBT", 1)
    assert len(desk.times_of("place_order")) == 1
    assert len(desk.events("Flagged")) == 1


def test_a_strict_policy_asks_also_where_ids_are_carried(desk):
    setting(desk, absent_policy=AbsentPolicy.STRICT)
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())
    desk.until(lambda: desk.order() is not None and has_flag(desk, Anomaly.NOT_FOUND))
    looks = len(desk.events("LookedUp"))
    desk.run_for(120)
    assert len(desk.events("LookedUp")) == looks

    desk.ask(replace(resolve(), requested_by="kim"))
    desk.until(lambda: desk.events("SubmitFailed"))

    assert desk.events("SubmitFailed")[0].proof is Proof.OPERATOR
    desk.until_status("FAILED")
    assert "deadline" in desk.order().reason


def test_a_person_may_name_the_order_also_where_ids_are_carried(desk):
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking"})
    begun(desk)
    failing = raise_always(OutcomeUnknownError("HTTP 500"))
    desk.gateway.before |= {"find_order": failing, "list_orders": failing}
    desk.tell(buy())
    desk.until(lambda: desk.status() == "IN_DOUBT" and has_flag(desk, Anomaly.UNANSWERED), 400)
    (theirs,) = desk.ledger().orders
    del desk.gateway.before["list_orders"]

    desk.ask(resolve(Verdict.ADOPT, **named(theirs)))
    desk.until_rest()

    assert desk.order().broker_order_id == theirs.broker_order_id
    assert not desk.ask(resolve(Verdict.ADOPT, **named(theirs))).is_duplicate
    desk.check()


def test_lookups_that_told_something_are_not_counted_among_those_that_told_nothing(desk):
    setting(desk, absent_policy=AbsentPolicy.STRICT)
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())
    desk.until(lambda: len(desk.times_of("find_order")) >= 8, 400)
    assert has_flag(desk, Anomaly.NOT_FOUND)

    desk.gateway.before["find_order"] = raise_once(OutcomeUnknownError("HTTP 500"))
    desk.run_for(120)

    assert not has_flag(desk, Anomaly.UNANSWERED)


def test_the_number_of_an_order_that_carries_another_id_of_ours_is_refused(desk):
    """Its own answer was lost as well, so that no number is bound to it yet."""
    lost = "answer_lost_before_booking", "answer_lost_after_booking"
    desk.faults = a_plan({("place", number): fate for number, fate in enumerate(lost, 1)})
    begun(desk)
    desk.gateway.before["find_order"] = raise_always(OutcomeUnknownError("HTTP 500"))
    desk.tell(buy("s-1", limit_px=LIMIT), buy("s-2", limit_px=LIMIT))
    desk.until(lambda: [desk.status(known) for known in ("s-1", "s-2")] == ["IN_DOUBT"] * 2)
    (theirs,) = desk.ledger().orders
    other = desk.order("s-2").client_order_id

    with pytest.raises(InvalidInputError, match=f"broker_order_id: .*carries {other}"):
        desk.ask(resolve(Verdict.ADOPT, **named(theirs)))

    assert desk.order().broker_order_id is None


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_decision_that_cannot_be_checked_is_refused(desk, is_answered):
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking"})
    begun(desk)
    failing = raise_always(OutcomeUnknownError("HTTP 500"))
    desk.gateway.before["find_order"] = failing
    desk.tell(buy())
    desk.until(lambda: desk.status() == "IN_DOUBT")
    (theirs,) = desk.ledger().orders
    if not is_answered:
        desk.gateway.before["list_orders"] = failing

    order = replace(theirs, broker_order_id="0000000099") if is_answered else theirs
    future = desk.engine.ask(resolve(Verdict.ADOPT, **named(order)))
    desk.until(future.done)

    assert future.exception().field == "broker_order_id"
    expected = "shows no such order" if is_answered else "could not be asked"
    assert expected in str(future.exception())


def test_absent_is_refused_while_the_call_that_sends_the_order_may_still_hang(desk):
    begun(desk)
    desk.gateway.before["place_order"] = lambda *_: desk.system.sleep(12)
    desk.tell(buy())
    desk.until(lambda: desk.times_of("place_order"))
    desk.crash_order()
    desk.run_for(10)  # Longer than the settle time of the order's second life.

    with pytest.raises(InvalidInputError, match=r"verdict: .* try again in"):
        desk.ask(resolve())

    desk.until_rest()
    assert len(desk.times_of("place_order")) == 1
    desk.check()


def test_a_decision_outlives_a_crash_of_the_order(desk):
    desk.paper = PaperSettings(latency_s=(0.01, 0.01), client_ids=False)
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.until(lambda: desk.order() is not None and has_flag(desk, Anomaly.NOT_FOUND))

    future = desk.engine.ask(resolve(Verdict.ADOPT, broker_order_id="7", trade_date=day_of(desk)))
    desk.crash_order()
    desk.until(future.done)

    assert future.exception().field == "broker_order_id"


def test_a_bare_decision_that_is_refused_is_an_event(desk):
    begun(desk).tell(resolve())

    desk.until(lambda: any(record.kind == "SignalRefused" for record in desk.records))

    refused = next(record.event for record in desk.records if record.kind == "SignalRefused")
    assert (refused.signal_id, refused.field) == ("s-1", "signal_id")


def day_of(desk):
    return desk.settings.session.trade_date(desk.system.now())


def test_found_after_it_was_given_up_it_is_adopted_flagged_and_cancelled(desk):
    setting(desk, retry_waits_s=())
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking"})
    begun(desk)
    # The broker hides it for longer than it says it may.
    desk.gateway._gateway.broker._settings = replace(desk.paper, hidden_s=30.0)
    desk.tell(buy(limit_px=LIMIT))
    desk.until_status("FAILED")

    desk.until_status("CANCELLED", within_s=200)

    assert has_flag(desk, Anomaly.FOUND_AFTER_END)
    desk.check()


def test_found_filled_in_part_after_it_was_given_up_its_rest_is_cancelled(desk):
    setting(desk, retry_waits_s=())
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking"})
    begun(desk)
    desk.quote(70_000, volume=400)
    desk.gateway._gateway.broker._settings = replace(desk.paper, hidden_s=30.0)
    desk.tell(buy())
    desk.until_status("FAILED")

    desk.until_rest(within_s=200)
    desk.until_status("CANCELLED", within_s=200)

    assert desk.order().cum_qty == 40
    desk.check()


def test_a_wish_to_cancel_and_a_decision_meet(desk):
    setting(desk, absent_policy=AbsentPolicy.STRICT)
    desk.faults = a_plan({("place", 1): "answer_lost_before_booking"})
    begun(desk).tell(buy())
    desk.until(lambda: desk.order() is not None and has_flag(desk, Anomaly.NOT_FOUND))

    desk.tell(cancel(), resolve())
    desk.until_status("CANCELLED")

    assert desk.ledger().orders == ()
