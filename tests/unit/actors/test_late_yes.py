"""A yes that comes late: it is believed, and nothing more is sent."""

from dataclasses import replace

import pytest

from actors.messages import LookUp, Outcome, Place
from domain.broker import Found
from domain.errors import NotSentError
from domain.settings import AbsentPolicy
from domain.signal import Resolve
from domain.terms import Verdict
from tests.desks import buy
from tests.unit.actors.rigs import NO_STREAM, setting
from tests.unit.actors.tales import LIMIT, a_plan, begun

ABSENT = Resolve(signal_id="s-1", account_id="paper", reason="telephoned", verdict=Verdict.ABSENT)


def hide(desk, hidden_s):
    """From now on the broker hides what it took for that long."""
    desk.gateway.broker._settings = replace(desk.paper, hidden_s=hidden_s)


def placings(desk, signal_id="s-1"):
    """Return the calls that placed the order of a signal."""
    known = desk.order(signal_id).client_order_id
    return [
        args
        for _, name, args in desk.gateway.calls
        if name == "place_order"
        if args[1].client_order_id == known
    ]


def not_sent_once(desk, others_take_s=0.0):
    """The first placement of s-1 says that it was not sent; those of other orders take a while."""
    refused = []

    def before(_, request):
        if request.order_qty != 100:
            desk.system.sleep(others_take_s)
        elif not refused:
            refused.append(request)
            msg = "connection refused"
            raise NotSentError(msg)

    desk.gateway.before["place_order"] = before


def wait_in_line(desk):
    """The second attempt of s-1 is written down, and waits for the slow call of another order."""
    begun(desk)
    not_sent_once(desk, others_take_s=1.5)
    desk.tell(buy())
    desk.until(lambda: desk.events("SubmitFailed"))
    desk.run_for(0.9)
    desk.tell(buy("slow", 1))
    desk.until(lambda: desk.order().attempts == 2)
    desk.run_for(0.1)
    assert len(placings(desk)) == 1


def tell_found(desk):
    """The first attempt was taken after all, and a look says so."""
    desk.gateway.broker.place(*placings(desk)[0])
    known = desk.order().client_order_id
    (theirs,) = (one for one in desk.ledger().orders if one.client_order_id == known)
    desk.actor_of().tell(Outcome(LookUp(known), Found(order=theirs)))


def test_an_order_found_by_a_look_that_answers_after_it_was_given_up_is_adopted(desk):
    setting(desk, absent_policy=AbsentPolicy.STRICT, retry_waits_s=())
    desk.faults = a_plan({("place", 1): "answer_lost_after_booking"})
    begun(desk)
    hide(desk, 60.0)
    desk.tell(buy(limit_px=LIMIT))
    desk.until(lambda: desk.order() is not None and desk.order().flags)
    looks = len(desk.times_of("find_order"))
    desk.gateway.before["find_order"] = lambda *_: desk.system.sleep(1)
    desk.until(lambda: len(desk.times_of("find_order")) > looks)

    desk.ask(ABSENT)
    desk.until_status("FAILED", within_s=0.5)
    hide(desk, 0.0)

    desk.until_status("CANCELLED", within_s=5)
    assert any(flag.startswith("FOUND_AFTER_END") for flag in desk.order().flags)
    desk.check()


def test_an_order_found_while_it_waits_to_be_sent_again_is_not_sent_again(desk):
    desk.faults = NO_STREAM
    setting(desk, retry_waits_s=(5.0,))
    begun(desk)
    not_sent_once(desk)
    desk.tell(buy())
    desk.until(lambda: desk.events("SubmitFailed"))

    tell_found(desk)
    desk.until_rest()
    desk.run_for(10)

    assert (desk.status(), len(placings(desk))) == ("FILLED", 1)
    desk.check()


@pytest.mark.parametrize("client_ids", [True, False])
def test_an_order_that_waits_in_line_is_not_sent_when_the_first_answer_comes(desk, client_ids):
    desk.paper = replace(desk.paper, client_ids=client_ids)
    desk.faults = NO_STREAM
    wait_in_line(desk)

    place = placings(desk)[0]
    ack = desk.gateway.broker.place(*place)
    desk.actor_of().tell(Outcome(Place(place[1], 1, 0.0), ack))
    desk.until_rest("s-1", "slow")
    desk.run_for(10)

    assert (desk.status(), len(placings(desk))) == ("FILLED", 1)
    assert not desk.has_actor()
    desk.check()


def test_an_order_that_waits_in_line_is_not_sent_when_a_look_finds_it(desk):
    desk.faults = NO_STREAM
    wait_in_line(desk)

    tell_found(desk)
    desk.until_rest("s-1", "slow")

    assert (desk.status(), len(placings(desk))) == ("FILLED", 1)
    desk.check()


def test_a_fill_on_the_stream_keeps_back_what_waits_in_line(desk):
    wait_in_line(desk)

    desk.gateway.broker.place(*placings(desk)[0])
    desk.until_rest("s-1", "slow")
    desk.run_for(10)

    assert (desk.status(), len(placings(desk))) == ("FILLED", 1)
    desk.check()


def test_it_is_kept_back_also_when_the_order_crashes_while_it_waits_in_line(desk):
    wait_in_line(desk)

    desk.crash_order()
    desk.gateway.broker.place(*placings(desk)[0])
    desk.until_rest("s-1", "slow")
    desk.run_for(10)

    assert (desk.status(), len(placings(desk))) == ("FILLED", 1)
    desk.check()


def test_a_yes_that_comes_while_the_next_attempt_is_being_written_down_keeps_it_back(desk):
    begun(desk)
    not_sent_once(desk)
    desk.tell(buy())
    desk.until(lambda: desk.events("SubmitFailed"))
    actor = desk.actor_of().actor_inbox.cell
    desk.until(lambda: actor.actor is not None and actor.actor.state.attempts == 2)
    assert not actor.actor.is_durable

    tell_found(desk)
    desk.until_rest()
    desk.run_for(20)

    assert (desk.status(), len(placings(desk))) == ("FILLED", 1)
    assert not desk.has_actor()
    desk.check()
