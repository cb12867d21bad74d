"""What a broker's answer means for an order."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.answers import Answers, Look
from actors.errors import WithheldError
from actors.messages import CancelAtBroker, LookUp, Outcome, Place
from actors.retry import retry_waits
from domain.broker import Absent, BrokerState, CancelAck, Found, PlaceAck
from domain.errors import NotSentError, OutcomeUnknownError, RateLimitedError, RefusedError
from domain.events import Anomaly, CancelOutcome, Proof, Source
from domain.lifecycle import decide
from domain.settings import Settings
from domain.terms import Side
from tests.unit.actors.rigs import a_broker_fill, a_broker_order
from tests.unit.domain.orders import B1, DAY, NOW, cancel_requested, created, doubted, started
from tests.unit.domain.orders import a_signal as a_signal_of
from tests.unit.domain.test_lifecycle import evolve

ANSWERS = Answers(Settings(), retry_waits((1.0, 2.0, 4.0)), NOW)


def an_order(*events):
    order = None
    for event in (created(a_signal_of()), *events):
        order = evolve(order, event)
    return order


def placed(attempt=1, value=None, error=None):
    return Outcome(Place(None, attempt, 0.0), value, error)


def kinds(events):
    return [type(event).__name__ for event in events]


def to_placement(outcome, *events):
    return ANSWERS.to_placement(an_order(started(), *events), outcome)


def to_lookup(value, *, error=None, is_settled=True, order=None):
    order = order or an_order(started(), doubted())
    return ANSWERS.to_lookup(order, Outcome(LookUp("c"), value, error), is_settled=is_settled)


def test_an_acknowledgement_with_fills_accepts_and_books_them():
    ack = PlaceAck(broker_order_id=B1, trade_date=DAY, fills=(a_broker_fill(),))

    accepted, filled = to_placement(placed(value=ack))

    assert (accepted.broker_order_id, accepted.source) == (B1, Source.ANSWER)
    assert (filled.last_qty, filled.commission, filled.is_fee_from_broker) == (100, 983, True)


def test_a_refusal_is_final_with_the_reason_and_code_of_the_broker():
    (rejected,) = to_placement(placed(error=RefusedError("not tradable", code="40070000")))

    assert (rejected.reason, rejected.code) == ("not tradable", "40070000")


def test_a_duplicate_id_is_no_refusal_but_a_reason_to_look_it_up():
    events = to_placement(placed(error=RefusedError("known", code="DUPLICATE")))

    assert kinds(events) == ["SubmitDoubted"]


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 1.0), (2, 2.0), (3, 4.0)])
def test_what_was_not_sent_is_tried_again_by_policy(attempt, wait_s):
    (failed,) = to_placement(placed(attempt, error=NotSentError("no connection")))

    assert (failed.proof, failed.is_counted, failed.retry_in_s) == (Proof.NOT_SENT, True, wait_s)


def test_the_last_attempt_fails_the_order_and_says_how_many_there_were():
    failed, ended = to_placement(placed(4, error=NotSentError("no connection")))

    assert failed.retry_in_s is None
    assert (ended.rule, ended.reason) == (
        "retries",
        "gave up after 4 attempts; the last: no connection",
    )


def test_a_rate_limit_and_a_missed_turn_use_no_attempt():
    (limited,) = to_placement(placed(error=RateLimitedError("too many", retry_after_s=0.7)))
    (withheld,) = to_placement(placed(error=WithheldError("halted", retry_after_s=1.0)))

    assert (limited.proof, limited.is_counted, limited.retry_in_s) == ("RATE_LIMITED", False, 0.7)
    assert (withheld.proof, withheld.is_counted, withheld.retry_in_s) == ("EXPIRED", False, 1.0)


@pytest.mark.parametrize(
    "error", [OutcomeUnknownError("reset"), OSError("reset"), ValueError("not JSON"), KeyError()]
)
def test_every_other_error_is_a_doubt_never_a_retry(error):
    (doubt,) = to_placement(placed(error=error))

    assert type(doubt).__name__ == "SubmitDoubted"
    assert doubt.reason


def test_an_attempt_is_not_repeated_for_an_order_that_is_to_be_cancelled():
    events = to_placement(placed(error=NotSentError("no connection")), cancel_requested())

    assert [(type(e).__name__, e.retry_in_s) for e in events] == [("SubmitFailed", None)]


def test_a_found_order_is_accepted_whenever_it_is_found():
    for is_settled in (False, True):
        (accepted,) = to_lookup(Found(order=a_broker_order()), is_settled=is_settled)
        assert accepted.source == Source.LOOKUP


def test_a_found_order_that_was_refused_by_the_exchange_is_accepted_and_rejected():
    found = Found(order=a_broker_order(state=BrokerState.REJECTED, reason="exchange"))

    assert kinds(to_lookup(found)) == ["Accepted", "Rejected"]


def test_absence_is_a_proof_only_when_complete_and_settled():
    (failed,) = to_lookup(Absent(is_complete=True))
    assert (failed.proof, failed.is_counted, failed.retry_in_s) == (Proof.ABSENT, True, 1.0)

    for is_complete, is_settled in ((True, False), (False, True), (False, False)):
        (looked,) = to_lookup(Absent(is_complete=is_complete), is_settled=is_settled)
        assert (looked.is_complete, looked.is_settled) == (is_complete, is_settled)


def test_absence_after_the_last_attempt_fails_the_order():
    order = an_order(started(4), doubted(4))

    assert kinds(to_lookup(Absent(is_complete=True), order=order)) == ["SubmitFailed", "Failed"]


def test_a_lookup_that_fails_proves_nothing():
    (looked,) = to_lookup(None, error=OutcomeUnknownError("reset"), is_settled=True)

    assert not looked.is_complete
    assert "reset" in looked.reason


@pytest.mark.parametrize(
    ("value", "error", "outcome"),
    [
        (CancelAck(is_done=True), None, CancelOutcome.ACKNOWLEDGED),
        (CancelAck(is_done=False), None, CancelOutcome.ACKNOWLEDGED),
        (None, RefusedError("too late"), CancelOutcome.REFUSED),
        (None, NotSentError("no connection"), CancelOutcome.NOT_SENT),
        (None, RateLimitedError("too many"), CancelOutcome.NOT_SENT),
        (None, OutcomeUnknownError("reset"), CancelOutcome.UNKNOWN),
        (None, OSError("reset"), CancelOutcome.UNKNOWN),
    ],
)
def test_a_cancel_request_ends_as_its_answer_says(value, error, outcome):
    call = CancelAtBroker(None, "r", 2)

    ended = ANSWERS.to_cancel(Outcome(call, value, error), 2)

    assert (ended.number, ended.outcome) == (2, outcome)


def test_fees_that_the_broker_does_not_tell_come_from_the_table():
    filled = ANSWERS.filled(a_broker_fill(commission=None, tax=None), Source.POLL)

    assert not filled.is_fee_from_broker
    assert (filled.commission, filled.tax) == (Decimal(983), 0)
    assert filled.at == NOW
    assert filled.transact_time - NOW < timedelta(days=1)


NEWS = a_broker_order(None)
OTHER = a_broker_order(None, broker_order_id="0000000002")


def to_look(look, *, is_settled=True, is_complete=True, order=None, **changes):
    answers = replace(ANSWERS, **changes)
    order = order or an_order(started(), doubted())
    return answers.to_look(order, look, is_settled=is_settled, is_complete=is_complete)


def test_the_only_order_that_may_be_it_is_adopted_at_any_time():
    (accepted,) = to_look(Look(since=(NEWS,)), is_settled=False)

    assert (accepted.broker_order_id, accepted.source) == (NEWS.broker_order_id, Source.LOOK)


@pytest.mark.parametrize("look", [Look(), Look(since=(NEWS,))])
def test_a_part_of_the_orders_proves_nothing(look):
    (looked,) = to_look(look, is_complete=False)

    assert (looked.is_settled, looked.is_complete) == (True, False)


@pytest.mark.parametrize("is_settled", [True, False])
def test_of_several_none_is_taken(is_settled):
    looked, flag = to_look(Look(since=(NEWS, OTHER)), is_settled=is_settled)

    assert looked.is_settled is is_settled
    assert flag.anomaly is Anomaly.SEVERAL_MATCH
    assert all(number in flag.detail for number in ("0000000001", "0000000002"))


def test_beside_an_older_order_that_looks_like_it_none_is_taken():
    """Of two, the one placed since may be a stranger's when a clock was stepped."""
    looked, flag = to_look(Look(since=(NEWS,), before=(OTHER,)), is_settled=False)

    assert not looked.is_settled
    assert flag.anomaly is Anomaly.SEVERAL_MATCH
    assert all(number in flag.detail for number in ("0000000001", "0000000002"))


def test_absence_before_the_settle_time_is_no_answer():
    (looked,) = to_look(Look(before=(OTHER,)), is_settled=False)

    assert (looked.is_settled, looked.is_complete) == (False, True)


def test_an_older_order_that_looks_like_it_stands_against_absence():
    _, flag = to_look(Look(before=(OTHER,)))

    assert (flag.anomaly, "0000000002" in flag.detail) == (Anomaly.NOT_FOUND, True)


def test_settled_absence_is_the_next_attempt_or_a_question():
    (failed,) = to_look(Look())
    looked, flag = to_look(Look(), is_strict=True)

    assert (failed.proof, failed.retry_in_s) == (Proof.ABSENT, 1.0)
    assert (looked.is_settled, flag.anomaly) == (True, Anomaly.NOT_FOUND)


def test_what_has_been_said_is_not_journaled_again():
    order = an_order(started(), doubted())
    for event in to_look(Look(), is_strict=True, order=order):
        order = evolve(order, event)

    again = to_look(Look(), is_strict=True, order=order)

    assert decide(order, *again) == (order, ())


def test_a_withdrawn_execution_gives_its_fees_back_as_they_were_charged():
    bought = a_broker_fill(None, commission=None, tax=None, side=Side.SELL)
    withdrawn = replace(bought, last_qty=-bought.last_qty)

    charged, back = (ANSWERS.filled(fill, Source.POLL) for fill in (bought, withdrawn))

    assert charged.tax > 0
    assert (back.commission, back.tax) == (-charged.commission, -charged.tax)
