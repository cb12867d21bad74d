"""The acceptance scenarios of the specification, on virtual time and again on real time."""

from decimal import Decimal

import pytest

from domain.settings import RateLimit
from domain.terms import Symbol
from infra.brokers.paper import Fault, FaultKind, FaultPlan, PaperSettings
from tests.desks import buy, cancel, sell, with_settings


def test_scenario_1_a_market_order_is_created_submitted_and_filled(desk):
    desk.start().tell(buy(order_qty=100))

    desk.until_rest()

    order = desk.order()
    assert order.status == "FILLED"
    assert desk.topics() == ["order.created", "order.submitted", "order.accepted", "order.filled"]
    assert (order.cum_qty, order.avg_px) == (100, 70_000)
    assert order.commission == Decimal(983)  # 7,000,000 x 0.0140527 %, rounded down to the won.
    assert order.submitted_at is not None
    assert desk.positions()["005930"].qty == 100
    assert "position.opened" in [t for r in desk.records for t in r.topics]
    desk.check()


def test_scenario_2_an_order_the_broker_rejects_ends_rejected_with_its_reason(desk):
    desk.start()
    desk.gateway.market.halt(Symbol("005930"))
    desk.tell(buy())

    desk.until_status("REJECTED")

    assert desk.order().reason
    assert desk.topics()[-1] == "order.rejected"
    assert desk.positions() == {}
    assert desk.ledger().orders == ()


def test_scenario_3_a_transient_failure_is_retried_after_1_2_and_4_seconds(desk):
    desk.faults = FaultPlan.script({("place", n): "not_sent" for n in (1, 2, 3, 4)})
    desk.start().tell(buy())

    desk.until_status("FAILED")

    failed = [r.event for r in desk.of() if r.kind == "SubmitFailed"]
    assert [event.attempt for event in failed] == [1, 2, 3, 4]
    assert [event.retry_in_s for event in failed] == [1.0, 2.0, 4.0, None]
    assert desk.topics()[-1] == "order.failed"
    assert desk.topics().count("order.retry") == 3
    assert "gave up after 4 attempts" in desk.order().reason
    assert desk.ledger().orders == ()


def test_scenario_3_the_waits_are_exact(simulated):
    simulated.faults = FaultPlan.script({("place", n): "not_sent" for n in (1, 2, 3, 4)})
    simulated.start().run_for(2)  # The first second after a start is the rate limit's.
    simulated.tell(buy())

    simulated.until_status("FAILED")

    ended = [r.event.at for r in simulated.of() if r.kind == "SubmitFailed"]
    started = [r.event.since for r in simulated.of() if r.kind == "SubmitStarted"]
    waits = [(began - end).total_seconds() for end, began in zip(ended, started[1:], strict=False)]
    assert waits == pytest.approx([1, 2, 4], abs=0.01)


def test_scenario_3_a_third_attempt_that_gets_through_fills_the_order_once(desk):
    desk.faults = FaultPlan.script({("place", 1): "not_sent", ("place", 2): "not_sent"})
    desk.start().tell(buy())

    desk.until_rest()

    assert (desk.status(), desk.order().attempts) == ("FILLED", 3)
    assert len(desk.ledger().orders) == 1
    desk.check()


def test_scenario_3_waits_and_attempts_go_on_after_a_kill(simulated):
    simulated.faults = FaultPlan.script({("place", n): "not_sent" for n in (1, 2)})
    simulated.start().tell(buy())
    simulated.until(lambda: simulated.topics().count("order.retry") == 2)
    at = simulated.kill()

    again = FaultPlan.script({("place", n): "not_sent" for n in (1, 2)})
    simulated.start(at=at, faults=again)
    simulated.until_status("FAILED")

    failed = [r.event for r in simulated.of() if r.kind == "SubmitFailed"]
    assert [event.attempt for event in failed] == [1, 2, 3, 4]
    assert [event.retry_in_s for event in failed] == [1.0, 2.0, 4.0, None]
    started = [r.event.since for r in simulated.of() if r.kind == "SubmitStarted"]
    waits = [
        (began - event.at).total_seconds()
        for event, began in zip(failed, started[1:], strict=False)
    ]
    assert waits == pytest.approx([1, 2, 4], abs=0.05)


@pytest.mark.parametrize("kind", ["answer_lost_after_booking", "http_500_after"])
def test_a_lost_answer_is_looked_up_and_the_order_adopted(desk, kind):
    desk.paper = PaperSettings(latency_s=(0.01, 0.01), timeout_s=0.5)
    # The stream would tell that it was accepted before the lost answer is missed.
    desk.faults = FaultPlan.script({("place", 1): kind}, rates={FaultKind.LOST: 1.0})
    desk.start().tell(buy())

    desk.until_rest()

    assert "order.in_doubt" in desk.topics()
    assert (desk.status(), desk.order().attempts) == ("FILLED", 1)
    assert len(desk.ledger().orders) == 1
    desk.check()


def test_a_read_timeout_before_booking_is_resent_only_after_the_settle_time(simulated):
    simulated.faults = FaultPlan.script({("place", 1): "answer_lost_before_booking"})
    simulated.start().tell(buy())

    simulated.until_rest()

    assert (simulated.status(), simulated.order().attempts) == ("FILLED", 2)
    sent = [r.event for r in simulated.of() if r.kind == "SubmitStarted"]
    settle_s = simulated.settings.timing.settle_s
    assert (sent[1].since - sent[0].send_by).total_seconds() >= settle_s
    absent = [r.event for r in simulated.of() if r.kind == "SubmitFailed"]
    assert [event.proof for event in absent] == ["ABSENT"]
    simulated.check()


def test_an_order_accepted_late_is_found_and_never_sent_twice(simulated):
    late = Fault(FaultKind.BOOKED_LATE, 0.15)
    simulated.faults = FaultPlan.script({("place", 1): late})
    simulated.start().tell(buy())

    simulated.until_rest()

    assert len(simulated.ledger().orders) == 1
    assert simulated.order().attempts == 1
    simulated.check()


def test_scenario_4_a_partial_fill_is_tracked_until_the_rest_comes(desk):
    desk.start().quote(70_000, volume=5_000)  # A tenth of it is ours: 500.
    desk.tell(buy(order_qty=1_000))

    desk.until_status("PARTIAL")
    desk.until(lambda: desk.positions().get("005930") is not None)
    assert (desk.order().cum_qty, desk.order().leaves_qty) == (500, 500)
    assert desk.positions()["005930"].qty == 500

    desk.quote(70_100, volume=5_000)
    desk.until_rest()
    order = desk.order()
    assert (order.status, order.cum_qty, order.avg_px) == ("FILLED", 1_000, 70_050)
    assert desk.positions()["005930"].qty == 1_000
    desk.check()


def test_scenario_5_a_closed_position_realizes_its_profit_less_fees(desk):
    desk.start().tell(buy("in", 100))
    desk.until_rest("in")
    desk.quote(72_000)
    desk.tell(sell("out", 100))
    desk.until_rest("in", "out")

    position = desk.positions()["005930"]
    assert (position.qty, position.realized_gross) == (0, 200_000)
    fees, taxes = Decimal(983 + 1_011), Decimal(14_400)
    assert (position.fees, position.taxes) == (fees, taxes)
    (day,) = desk.daily()
    assert (day.realized_gross, day.net) == (200_000, 200_000 - fees - taxes)
    closing = next(r for r in desk.records if "position.closed" in r.topics)
    assert "pnl.daily" in closing.topics
    desk.check()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_scenario_6_a_burst_waits_for_the_rate_limit_in_order_and_nobody_sees_an_error(simulated):
    simulated.settings = with_settings(
        simulated, signal_deadline=simulated.settings.signal_deadline * 10
    ).settings
    sent = _listen_to_sends(simulated.start())
    ids = [f"s-{n}" for n in range(200)]
    simulated.tell(*(buy(one, 1) for one in ids))

    simulated.until_rest(*ids, within_s=120)

    assert {simulated.status(one) for one in ids} == {"FILLED"}
    placed = [order.client_order_id for order in simulated.ledger().orders]
    assert placed == [simulated.order(one).client_order_id for one in ids]
    assert all(late - early > 1.0 for early, late in zip(sent, sent[20:], strict=False))
    assert not [r for r in simulated.records if getattr(r.event, "proof", "") == "RATE_LIMITED"]
    assert {simulated.order(one).attempts for one in ids} == {1}
    simulated.check()


def test_scenario_6_a_burst_on_real_time_is_never_refused(tmp_path, desk):
    if type(desk).__name__ != "LiveDesk":
        desk.shuffle = False
    sent = _listen_to_sends(desk.start())
    ids = [f"s-{n}" for n in range(60)]
    desk.tell(*(buy(one, 1) for one in ids))

    desk.until_rest(*ids)

    assert all(late - early > 1.0 for early, late in zip(sent, sent[20:], strict=False))
    desk.check()


def test_cancels_overtake_new_orders_that_wait_for_the_rate_limit(simulated):
    simulated.start().tell(buy("resting", 100, limit_px=Decimal(60_000)))
    simulated.until(lambda: "order.accepted" in simulated.topics("resting"))
    simulated.tell(*(buy(f"s-{n}", 1) for n in range(100)))
    simulated.run_for(1)

    simulated.tell(cancel("resting"))
    simulated.until_status("CANCELLED", signal_id="resting", within_s=3)

    waiting = [n for n in range(100) if simulated.status(f"s-{n}") == "PENDING"]
    assert len(waiting) > 40


def test_a_broker_that_says_too_many_is_waited_for_and_uses_no_attempt(desk):
    desk.faults = FaultPlan.script({("place", 1): Fault(FaultKind.RATE_LIMITED, 0.5)})
    desk.start().tell(buy())

    desk.until_rest()

    assert (desk.status(), desk.order().attempts) == ("FILLED", 1)
    assert "order.failed" not in desk.topics()


@pytest.mark.parametrize("is_open", [True, False])
def test_an_order_cancelled_before_or_after_it_is_sent_ends_cancelled(desk, is_open):
    desk.start().tell(buy(limit_px=Decimal(60_000)))
    if is_open:
        desk.until(lambda: "order.accepted" in desk.topics())
    desk.ask(cancel())

    desk.until_status("CANCELLED")

    desk.until(lambda: not [o for o in desk.ledger().orders if o.state == "ACCEPTED"])
    desk.check()


def test_a_duplicate_signal_is_the_same_order_and_other_content_is_refused(desk):
    desk.start()
    first = desk.ask(buy())
    again = desk.ask(buy())
    desk.until_rest()
    late = desk.ask(buy())

    assert first.client_order_id == again.client_order_id == late.client_order_id
    assert (first.is_duplicate, again.is_duplicate, late.is_duplicate) == (False, True, True)
    with pytest.raises(Exception, match="told before with other content"):
        desk.ask(buy(order_qty=7))
    assert len(desk.ledger().orders) == 1


@pytest.mark.parametrize("kind", ["lost", "duplicate", "late", "reordered"])
def test_a_stream_that_misbehaves_loses_and_doubles_nothing(desk, kind):
    desk.faults = FaultPlan(seed=1, rates={FaultKind(kind): 1.0})
    desk.start().quote(70_000, volume=300)
    desk.tell(buy(order_qty=60))
    desk.until_status("PARTIAL")
    desk.quote(70_100, volume=300)

    desk.until_rest()

    assert (desk.status(), desk.order().cum_qty) == ("FILLED", 60)
    desk.check()


def test_a_slower_limit_is_kept_as_well(simulated):
    with_settings(simulated, rate=RateLimit(requests=5))
    sent = _listen_to_sends(simulated.start())
    ids = [f"s-{n}" for n in range(20)]
    simulated.tell(*(buy(one, 1) for one in ids))

    simulated.until_rest(*ids)

    assert all(late - early > 1.0 for early, late in zip(sent, sent[5:], strict=False))


def _listen_to_sends(desk):
    """Note the time of every request that leaves, whatever it is."""
    sent, gateway = [], desk.gateway
    names = (
        "place_order", "cancel_order", "find_order", "list_orders", "list_fills", "list_positions",
    )  # fmt: skip

    def noted(call):
        def send(*args, **options):
            sent.append(desk.clock.monotonic())
            return call(*args, **options)

        return send

    for name in names:
        setattr(gateway, name, noted(getattr(gateway, name)))
    return sent
