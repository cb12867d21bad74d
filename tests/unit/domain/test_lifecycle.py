"""Every order, every event: what is legal, what is recorded, and what follows."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.broker import BrokerOrder, BrokerState
from domain.errors import IllegalMoveError
from domain.events import Accepted, Anomaly, Cancelled, CancelOutcome, Filled, Flagged, Source
from domain.lifecycle import LEGAL_CHANGES, Step, decide, next_step, reports_in, topics_of
from domain.order import evolve, fill_key, flag_text
from domain.terms import OrderStatus, OrderType, Side, TimeInForce
from tests.unit.domain import orders as o

S = OrderStatus
OURS = {
    "created", "started", "started 2", "not sent", "not sent, last", "doubted", "looked up",
    "cancel started", "cancel started 2", "failed", "cancelled", "expired", "resolved",
}  # fmt: skip


@pytest.mark.parametrize("path", o.PATHS)
def test_the_facts_give_the_status(path):
    status, _ = o.PATHS[path]

    assert o.an_order(path).status is status


@pytest.mark.parametrize(("path", "name"), list(product(o.PATHS, o.EVENTS)))
def test_every_event_makes_a_legal_change_or_is_an_illegal_move_of_ours(path, name):
    order = o.an_order(path)
    try:
        after, recorded = decide(order, o.EVENTS[name])
    except IllegalMoveError:
        assert name in OURS
        return

    for event in recorded:
        before, order = order.status, evolve(order, event)
        assert order.status is before or order.status in LEGAL_CHANGES[before]
        topics_of(event, order)
    assert after == order


def test_every_legal_change_can_happen():
    seen = set()
    for path, name in product(o.PATHS, o.EVENTS):
        order = o.an_order(path)
        try:
            _, recorded = decide(order, o.EVENTS[name])
        except IllegalMoveError:
            continue
        for event in recorded:
            before, order = order.status, evolve(order, event)
            seen.add((before, order.status))

    legal = {(before, after) for before, allowed in LEGAL_CHANGES.items() for after in allowed}
    assert legal <= seen


@pytest.mark.parametrize("path", o.PATHS)
def test_news_of_the_broker_is_never_refused(path):
    for name in o.EVENTS.keys() - OURS:
        decide(o.an_order(path), o.EVENTS[name])


@pytest.mark.parametrize("path", o.PATHS)
def test_a_fill_is_booked_whatever_the_state(path):
    before = o.an_order(path)

    after, _ = decide(before, o.filled(60, "9"))

    assert after.cum_qty == before.cum_qty + 60
    assert after.cum_amount == before.cum_amount + 60 * 70_000


def test_a_fill_told_twice_counts_once():
    order = o.an_order("partly filled")

    after, recorded = decide(order, o.filled(40))

    assert (after, recorded) == (order, ())


def test_the_same_exec_id_of_another_broker_order_is_another_fill():
    after, recorded = decide(o.an_order("partly filled"), o.filled(10, "1", o.B2))

    assert after.cum_qty == 50
    assert recorded[1].anomaly is Anomaly.SECOND_BROKER_ORDER


def test_an_over_fill_is_booked_and_flagged():
    after, recorded = decide(o.an_order("partly filled"), o.filled(100, "2"))

    assert (after.status, after.cum_qty) == (S.FILLED, 140)
    assert [type(event) for event in recorded] == [Filled, Flagged]
    assert after.flags == (flag_text(recorded[1]),)


def test_the_same_flag_is_raised_once():
    order, first = decide(o.an_order("working"), o.accepted(o.B2))

    assert (len(first), decide(order, o.accepted(o.B2))[1]) == (1, ())


@pytest.mark.parametrize(
    ("path", "due"),
    [
        ("rejected", Step.CANCEL),
        ("rejected later", Step.FOLLOW),
        ("failed", Step.CANCEL),
        ("cancelled unsent", Step.CANCEL),
    ],
)
def test_a_fill_after_a_no_withdraws_it_and_what_was_given_up_is_cancelled(path, due):
    order, recorded = decide(o.an_order(path), o.filled(40))

    assert order.status is S.PARTIAL
    assert recorded[1].anomaly is Anomaly.FILL_AFTER_END
    assert next_step(order, max_cancel_requests=5) is due


@pytest.mark.parametrize("path", ["cancelled", "cancelled after a part", "expired"])
def test_a_part_that_crossed_the_end_counts_and_the_order_stays_ended(path):
    before = o.an_order(path)

    after, recorded = decide(before, o.filled(10, "7"))

    assert after.status is before.status
    assert len(recorded) == 1
    assert topics_of(recorded[0], after) == ("order.late_fill",)


def test_a_whole_fill_that_crossed_the_cancel_makes_the_order_filled():
    after, _ = decide(o.an_order("cancelled"), o.filled(100, "7"))

    assert after.status is S.FILLED


def test_an_order_found_after_it_was_given_up_is_adopted_flagged_and_to_be_cancelled():
    order, recorded = decide(o.an_order("failed"), o.accepted())

    assert order.status is S.SUBMITTED
    assert [type(event).__name__ for event in recorded] == [
        "Accepted",
        "Flagged",
        "CancelRequested",
    ]
    assert next_step(order, max_cancel_requests=5) is Step.CANCEL


def test_a_reject_after_a_part_ends_the_rest_and_keeps_the_part():
    order, recorded = decide(o.an_order("partly filled"), o.rejected())

    assert (order.status, order.cum_qty) == (S.CANCELLED, 40)
    assert recorded[0].anomaly is Anomaly.REJECTED_AFTER_FILL


def test_a_reject_of_an_order_that_was_never_sent_is_flagged_only():
    order, recorded = decide(o.an_order("pending"), o.rejected())

    assert order.status is S.PENDING
    assert recorded[0].anomaly is Anomaly.UNEXPECTED_END


STEPS = {
    "pending": Step.SUBMIT,
    "pending with a cancel": Step.WITHDRAW,
    "waiting to retry": Step.SUBMIT,
    "being sent": Step.AWAIT,
    "being sent with a cancel": Step.AWAIT,
    "working": Step.FOLLOW,
    "working with a cancel out": Step.FOLLOW,
    "working with a cancel acknowledged": Step.FOLLOW,
    "in doubt": Step.LOOK_UP,
    "in doubt with a cancel": Step.LOOK_UP,
} | dict.fromkeys(("partly filled", "corrected", "restated", "suspended"), Step.FOLLOW)


@pytest.mark.parametrize("path", o.PATHS)
def test_the_facts_say_what_is_due(path):
    assert next_step(o.an_order(path), max_cancel_requests=5) is STEPS.get(path, Step.REST)


def test_a_wish_to_cancel_is_carried_out_once_the_broker_has_the_order():
    order, _ = decide(o.an_order("working"), o.cancel_requested())

    assert next_step(order, max_cancel_requests=5) is Step.CANCEL


def test_a_cancel_of_unknown_outcome_is_repeated_and_the_repeats_are_bounded():
    order, _ = decide(
        o.an_order("working with a cancel out"), o.cancel_ended(CancelOutcome.UNKNOWN)
    )

    assert next_step(order, max_cancel_requests=2) is Step.CANCEL
    assert next_step(order, max_cancel_requests=1) is Step.FOLLOW


def test_a_refused_cancel_restores_what_was():
    order, _ = decide(
        o.an_order("working with a cancel out"), o.cancel_ended(CancelOutcome.REFUSED)
    )

    assert (order.status, order.cancel) == (S.SUBMITTED, None)


def test_an_answer_to_an_older_cancel_request_changes_nothing():
    order = o.an_order("working with a cancel out")

    assert decide(order, o.cancel_ended(number=7)) == (order, ())


def test_an_attempt_that_used_none_leaves_the_count_as_it_was():
    order, _ = decide(o.an_order("being sent"), o.not_sent(is_counted=False))

    assert (order.status, order.attempts) == (S.PENDING, 0)


def test_an_order_in_doubt_is_never_sent_again():
    with pytest.raises(IllegalMoveError, match="SubmitStarted while IN_DOUBT"):
        decide(o.an_order("in doubt"), o.started(2))


@pytest.mark.parametrize(
    ("event", "topics"),
    [
        ("not sent", ("order.retry",)),
        ("not sent, last", ()),
        ("cancel refused", ("order.cancel_refused",)),
        ("cancel acknowledged", ()),
        ("doubted", ("order.in_doubt",)),
    ],
)
def test_events_are_published_under_their_names(event, topics):
    assert topics_of(o.EVENTS[event], o.an_order("being sent")) == topics


def news(state, cum_qty=0, broker_order_id=o.B1):
    return BrokerOrder(
        client_order_id=o.an_order().client_order_id,
        broker_order_id=broker_order_id,
        trade_date=o.DAY,
        symbol=o.an_order().symbol,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        order_qty=Decimal(100),
        limit_px=None,
        cum_qty=Decimal(cum_qty),
        state=state,
        reason="the broker's reason",
        transact_time=o.NOW,
    )


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (BrokerState.ACCEPTED, S.SUBMITTED),
        (BrokerState.CANCELLED, S.CANCELLED),
        (BrokerState.EXPIRED, S.EXPIRED),
        (BrokerState.REJECTED, S.REJECTED),
    ],
)
def test_what_a_poll_says_of_a_working_order_is_believed(state, status):
    order = o.an_order("working")
    for event in reports_in(order, news(state), Source.POLL, o.NOW):
        order, _ = decide(order, event)

    assert order.status is status


def test_an_end_is_not_believed_while_a_fill_is_missing():
    order = o.an_order("working")

    reports = reports_in(order, news(BrokerState.CANCELLED, cum_qty=40), Source.POLL, o.NOW)

    assert [type(report) for report in reports] == [Accepted]
    booked, _ = decide(order, o.filled(40))
    again = reports_in(booked, news(BrokerState.CANCELLED, cum_qty=40), Source.POLL, o.NOW)
    assert [type(report) for report in again] == [Accepted, Cancelled]


def test_the_end_of_a_second_broker_order_is_not_the_end_of_ours():
    order = o.an_order("working")

    reports = reports_in(order, news(BrokerState.CANCELLED, 0, o.B2), Source.POLL, o.NOW)

    assert [type(report) for report in reports] == [Accepted]


@given(st.permutations([o.filled(20, "1"), o.filled(30, "2"), o.filled(50, "3"), o.accepted()]))
def test_the_order_of_fills_and_the_acknowledgement_does_not_matter(reports):
    order = o.an_order("being sent")
    for report in reports:
        order, _ = decide(order, report)

    assert (order.status, order.cum_qty, order.avg_px) == (S.FILLED, 100, 70_000)
    assert {fill_key(fill) for fill in order.fills} == {(o.B1, o.DAY, e) for e in ("1", "2", "3")}


@given(st.lists(st.sampled_from(sorted(set(o.EVENTS) - {"created"})), max_size=30))
def test_no_sequence_of_events_loses_a_fill_or_ends_in_disagreement(names):
    order, executions = o.an_order(), {}
    for name in names:
        event = o.EVENTS[name]
        try:
            order, recorded = decide(order, event)
        except IllegalMoveError:
            continue
        executions |= {fill_key(e): e.last_qty for e in recorded if isinstance(e, Filled)}
        assert all(kept in order.fills for kept in recorded if isinstance(kept, Filled))
        if isinstance(event, Filled) and event.last_qty > 0:
            corrected = {fill.exec_ref_id for fill in order.fills}
            assert order.has_fill(fill_key(event)) or event.exec_id in corrected

    assert order.cum_qty == sum(executions.values())
    assert (order.status is S.FILLED) == (order.cum_qty >= order.order_qty)
    assert order.leaves_qty == (0 if order.is_closed else order.order_qty - order.cum_qty)


@given(st.lists(st.sampled_from(sorted(set(o.EVENTS) - {"created"})), max_size=30))
def test_replay_gives_the_order_that_was_live(names):
    order, journal = o.an_order(), [o.created()]
    for name in names:
        try:
            order, recorded = decide(order, o.EVENTS[name])
        except IllegalMoveError:
            continue
        journal.extend(recorded)

    replayed = None
    for event in journal:
        replayed = evolve(replayed, event)
    assert replayed == order
    assert replayed.version == len(journal)


def test_an_order_explains_itself():
    assert o.an_order("rejected").reason == "not tradable"
    assert o.an_order("in doubt").reason == "read timeout"
    assert o.an_order("pending").avg_px is None
    assert o.a_signal(time_in_force=TimeInForce.IOC).time_in_force is TimeInForce.IOC
