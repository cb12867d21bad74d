"""Orders at a broker that carries no ids of ours and tells only totals."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.broker import OrderRequest
from domain.errors import InvalidInputError
from domain.events import Anomaly, Source
from domain.settings import AbsentPolicy
from domain.signal import Resolve
from domain.terms import AccountId, ClientOrderId, SignalId, Verdict
from infra.brokers.paper import FaultPlan, PaperSettings
from tests.desks import SETTINGS, buy, cancel, sell, with_settings

LIMIT = Decimal(69_000)
TIMING = replace(
    SETTINGS.timing,
    call_timeout_s=0.4,
    send_window_s=0.4,
    latest_accept_s=0.1,
    longest_hidden_s=0.2,
)


@pytest.fixture(autouse=True)
def plain(desk):
    """Let the desk of every test here trade at such a broker, and settle within 1.3 s."""
    desk.paper = PaperSettings(
        latency_s=(0.01, 0.01), timeout_s=0.4, client_ids=False, exec_ids=False
    )
    with_settings(desk, timing=TIMING, poll_active_s=0.2, signal_deadline=timedelta(seconds=60))


def automatic(desk):
    return with_settings(desk, absent_policy=AbsentPolicy.AUTOMATIC)


def placing(*faults):
    return FaultPlan.script({("place", n): fault for n, fault in enumerate(faults, 1)})


def resolve(verdict, signal_id="s-1", **named):
    return Resolve(
        signal_id=SignalId(signal_id),
        account_id=AccountId("paper"),
        verdict=verdict,
        reason="asked by telephone",
        requested_by="kim",
        **named,
    )


def flags(desk, signal_id="s-1"):
    order = desk.order(signal_id)
    return [flag.partition(":")[0] for flag in order.flags] if order is not None else []


def source(desk, signal_id="s-1"):
    kinds = {record.kind: record.event for record in desk.of(signal_id)}
    return kinds["Accepted"].source


def until_flagged(desk, anomaly, signal_id="s-1"):
    desk.until(lambda: anomaly in flags(desk, signal_id))


def refusal(desk, wish):
    with pytest.raises(InvalidInputError) as refused:
        desk.ask(wish)
    return refused.value.field, str(refused.value)


def number_of(order):
    return {"broker_order_id": order.broker_order_id, "trade_date": order.trade_date}


def test_orders_are_filled_by_totals(desk):
    desk.start().tell(buy(), sell(order_qty=40), buy("s-3", 7, limit_px=Decimal(70_000)))

    desk.until_rest("s-1", "s-2", "s-3")

    desk.check()
    assert [fill.exec_id for fill in desk.order().fills] == [f"{desk.order().broker_order_id}#100"]


def test_a_partly_filled_order_grows_by_differences(desk):
    desk.start().tell(buy(limit_px=LIMIT))
    desk.until(lambda: desk.order() is not None and desk.order().broker_order_id is not None)

    desk.quote(69_000, volume=300)
    desk.until_status("PARTIAL")
    desk.quote(68_900, volume=10_000)
    desk.until_rest()

    assert [(f.last_qty, f.last_px) for f in desk.order().fills] == [(30, 69_000), (70, 68_900)]
    desk.check()


@pytest.mark.parametrize("policy", list(AbsentPolicy))
def test_a_lost_answer_is_found_by_its_looks_and_sent_once(desk, policy):
    with_settings(desk, absent_policy=policy).start(faults=placing("answer_lost_after_booking"))

    desk.tell(buy())
    desk.until_rest()

    assert source(desk) is Source.LOOK
    assert (len(desk.ledger().orders), flags(desk)) == (1, [])
    desk.check()


def test_of_two_that_look_the_same_one_waits_until_the_other_is_certain(desk):
    desk.start(faults=placing("answer_lost_after_booking"))

    desk.tell(buy("s-1"), buy("s-2"))
    desk.until(lambda: desk.status("s-1") == "IN_DOUBT")
    assert desk.status("s-2") == "PENDING"
    desk.until_rest("s-1", "s-2")

    assert len(desk.ledger().orders) == 2
    desk.check()


def test_absence_is_believed_by_an_automatic_policy_only_after_the_settle_time(desk):
    automatic(desk).start(faults=placing("answer_lost_before_booking"))
    desk.run_for(1.2)  # The first second belongs to the rate limit.

    desk.tell(buy())
    desk.until_rest()

    first, second = [r.event for r in desk.of() if r.kind == "SubmitStarted"]
    waited_s = (second.since - first.send_by).total_seconds()
    assert waited_s >= TIMING.settle_s
    assert len(desk.ledger().orders) == 1
    desk.check()


def test_by_default_a_person_decides_about_what_is_not_found(desk):
    desk.start(faults=placing("answer_lost_before_booking"))
    desk.tell(buy(), buy("s-2"))
    desk.until(lambda: desk.status() == "IN_DOUBT")

    field, text = refusal(desk, resolve(Verdict.ABSENT))
    until_flagged(desk, Anomaly.NOT_FOUND)
    assert (desk.status("s-1"), desk.status("s-2")) == ("IN_DOUBT", "PENDING")
    desk.ask(resolve(Verdict.ABSENT))
    desk.until_rest("s-1", "s-2")

    assert field == "verdict"
    assert "try again in" in text
    assert [order.attempts for order in desk.orders()] == [2, 1]
    assert "order.resolved" in desk.topics()
    desk.check()


def test_a_cancel_before_the_decision_keeps_it_from_being_sent_again(desk):
    desk.start(faults=placing("answer_lost_before_booking"))
    desk.tell(buy())
    desk.until_status("IN_DOUBT")
    desk.tell(cancel())
    until_flagged(desk, Anomaly.NOT_FOUND)

    desk.ask(resolve(Verdict.ABSENT))
    desk.until_status("CANCELLED")

    assert desk.ledger().orders == ()
    desk.check()


def by_hand(desk, wish, name):
    """Somebody trades the same on the account, past the engine."""
    request = OrderRequest(
        client_order_id=ClientOrderId(name),
        symbol=wish.symbol,
        side=wish.side,
        order_qty=wish.order_qty,
        order_type=wish.order_type,
        limit_px=wish.limit_px,
        time_in_force=wish.time_in_force,
    )
    return desk.gateway.broker.place(wish.account_id, request)


def test_of_several_that_may_be_it_a_person_says_which(desk):
    wish = buy(limit_px=LIMIT)
    desk.start(faults=placing("answer_lost_after_booking")).tell(wish)
    desk.until(lambda: desk.status() == "SUBMITTED")
    desk.until(lambda: len(desk.ledger().orders) == 1)
    theirs = by_hand(desk, wish, "by hand")
    until_flagged(desk, Anomaly.SEVERAL_MATCH)
    ours = desk.ledger().orders[0]

    wrong = replace(ours, broker_order_id="0000000009")
    assert refusal(desk, resolve(Verdict.ADOPT, **number_of(wrong)))[0] == "broker_order_id"
    desk.ask(resolve(Verdict.ADOPT, **number_of(ours)))
    desk.until(lambda: desk.order().broker_order_id == ours.broker_order_id)
    desk.tell(cancel())
    desk.until_status("CANCELLED")

    assert source(desk) is Source.OPERATOR
    assert desk.order().broker_order_id != theirs.broker_order_id
    assert [record.event.requested_by for record in desk.of() if record.kind == "Resolved"] == [
        "kim"
    ]


def test_what_cannot_be_resolved_is_refused_by_its_field(desk):
    desk.start(faults=placing(None, "answer_lost_before_booking")).tell(buy())
    desk.until_rest()
    filled = desk.order()
    desk.tell(buy("s-2"), sell("s-3"))
    until_flagged(desk, Anomaly.NOT_FOUND, "s-2")
    desk.until_rest("s-3")

    assert refusal(desk, resolve(Verdict.ABSENT, "s-9"))[0] == "signal_id"
    assert "FILLED, not IN_DOUBT" in refusal(desk, resolve(Verdict.ABSENT))[1]
    bound = refusal(desk, resolve(Verdict.ADOPT, "s-2", **number_of(filled)))
    other = refusal(desk, resolve(Verdict.ADOPT, "s-2", **number_of(desk.order("s-3"))))
    assert (bound[0], other[0]) == ("broker_order_id", "broker_order_id")
    assert f"bound to {filled.client_order_id}" in bound[1]


def test_a_withdrawn_execution_comes_off_the_ledger_and_the_position(desk):
    desk.start().tell(buy())
    desk.until_rest()
    told = desk.ledger().orders[0]

    desk.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(40))
    desk.until(lambda: desk.order().cum_qty == 60)
    desk.until_rest()

    assert (desk.status(), flags(desk)) == ("CANCELLED", [Anomaly.BUSTED])
    assert "order.busted" in desk.topics()
    desk.check()


def test_an_order_like_one_that_was_given_up_is_flagged_and_left_alone(desk):
    automatic(with_settings(desk, retry_waits_s=())).start(
        faults=placing("answer_lost_before_booking")
    )
    wish = buy(limit_px=LIMIT)
    desk.tell(wish)
    desk.until_status("FAILED")

    by_hand(desk, wish, "late")
    desk.until(lambda: "reconcile.break" in [t for r in desk.records for t in r.topics])
    until_flagged(desk, Anomaly.FOUND_AFTER_END)

    assert (desk.status(), desk.order().broker_order_id) == ("FAILED", None)
