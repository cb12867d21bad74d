"""Planned faults: by number, by symbol, by chance; the same plan fails the same way."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    GatewayError,
    InvalidInputError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
)
from domain.terms import Symbol
from infra.brokers.paper import Fault, FaultKind, FaultPlan, Operation
from infra.brokers.paper.faults import Faults
from infra.brokers.paper.limits import SlidingWindow
from tests.contract.gateways import SAMSUNG, a_null_world, a_paper_world
from tests.fakes_time import ManualClock

HYNIX = Symbol("000660")


def test_a_script_by_number_counts_every_call_of_the_operation():
    faults = Faults(FaultPlan.script({("place", 2): "slow"}))

    drawn = [faults.next(Operation.PLACE, symbol) for symbol in (SAMSUNG, HYNIX, SAMSUNG)]

    assert drawn == [None, Fault(FaultKind.SLOW), None]


def test_a_script_by_symbol_is_used_up_call_by_call():
    faults = Faults(FaultPlan.script({("place", SAMSUNG): ["not_sent", None, "slow"]}))

    drawn = [faults.next(Operation.PLACE, SAMSUNG) for _ in range(4)]

    assert drawn == [Fault(FaultKind.NOT_SENT), None, Fault(FaultKind.SLOW), None]
    assert faults.next(Operation.PLACE, HYNIX) is None


@pytest.mark.parametrize(
    "calls",
    [
        {("sell", 1): "slow"},
        {("place", 1): "hungry"},
        {("place", 1): "duplicate"},
        {("orders", 1): "async_reject"},
        {("stream", 1): "not_sent"},
        {("place", 1): ["slow", "slow"]},
    ],
)
def test_a_plan_that_cannot_happen_is_refused(calls):
    with pytest.raises(InvalidInputError):
        FaultPlan.script(calls)


def test_an_unknown_rate_is_refused():
    with pytest.raises(InvalidInputError):
        FaultPlan.script({}, rates={"hungry": 0.5})


def test_rates_are_drawn_from_the_seed_and_only_where_they_are_possible():
    plan = FaultPlan.script({}, seed=7, rates={"slow": 0.3, "late": 0.5, "incomplete": 0.3})
    drawn = [
        [faults.next(operation, SAMSUNG) for operation in Operation for _ in range(50)]
        for faults in (Faults(plan), Faults(plan))
    ]

    assert drawn[0] == drawn[1]
    assert {fault.kind for fault in drawn[0][:50] if fault} == {FaultKind.SLOW}
    assert {fault.kind for fault in drawn[0][-50:] if fault} == {FaultKind.LATE}


def test_a_slow_answer_within_the_timeout_only_takes_longer(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): Fault(FaultKind.SLOW, 2.0)})
    before = world.clock.monotonic()

    world.place()

    assert 2.0 < world.clock.monotonic() - before < 2.1


def test_a_slow_answer_beyond_the_timeout_is_lost_and_the_order_is_booked(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): Fault(FaultKind.SLOW, 9.0)})
    before = world.clock.monotonic()

    with pytest.raises(OutcomeUnknownError):
        world.place()

    assert world.clock.monotonic() - before == pytest.approx(5.0)
    assert world.order().cum_qty == 10


def test_a_connection_may_take_its_time_to_fail(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): Fault(FaultKind.NOT_SENT, 2.0)})
    before = world.clock.monotonic()

    with pytest.raises(NotSentError):
        world.place()

    assert world.clock.monotonic() - before == 2.0


def test_a_planned_rate_limit_says_when_to_come_back(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): Fault(FaultKind.RATE_LIMITED, 3.0)})

    with pytest.raises(RateLimitedError) as limited:
        world.place()

    assert limited.value.retry_after_s == 3.0
    assert world.ledger().orders == ()


def test_a_refusal_behind_a_server_error_is_not_heard(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): "http_500_after"})

    with pytest.raises(OutcomeUnknownError):
        world.place(order_qty=Decimal(0))


def test_a_late_booking_of_a_refused_order_changes_nothing(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): "booked_late"})

    with pytest.raises(OutcomeUnknownError):
        world.place(order_qty=Decimal(0))
    world.settle()

    assert world.ledger().orders == ()


def test_a_late_booking_does_not_reach_a_closed_broker(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", 1): "booked_late"})
    with pytest.raises(OutcomeUnknownError):
        world.place()

    world.reopen()
    world.settle()

    assert world.ledger().orders == ()


def test_the_same_seed_and_calls_give_the_same_run_byte_for_byte(tmp_path):
    rates = dict.fromkeys(FaultKind, 0.08)

    def run(name: str) -> tuple[object, ...]:
        (tmp_path / name).mkdir()
        world = a_paper_world(tmp_path / name, faults=FaultPlan(seed=3, rates=rates))
        for number in range(25):
            world.push(70_000 + 100 * number, volume=60)
            try:
                world.place(str(number))
                world.orders()
            except GatewayError as error:
                world.news.append(repr(error))
        world.settle()
        return repr(world.ledger()), repr(world.news), world.clock.now()

    assert run("a") == run("b")


# Sixty-fourths of a second add up without rounding: the edges of a window are met exactly.
@given(st.lists(st.integers(0, 32).map(lambda part: part / 64), max_size=60))
def test_no_window_ever_holds_more_than_the_limit(waits):
    window, now, taken = SlidingWindow(3, 1.0), 0.0, []
    for wait_s in waits:
        now += wait_s
        retry_after_s = window.take(now)
        assert 0 <= retry_after_s <= 1.0
        if retry_after_s == 0:
            taken.append(now)

    for start in taken:
        assert sum(start <= each < start + 1.0 for each in taken) <= 3


def test_timers_of_the_manual_clock_run_in_order_and_may_be_cancelled():
    clock, seen = ManualClock(), []
    clock.call_later(2, lambda: seen.append("two"))
    clock.call_later(1, lambda: seen.append("one"))
    clock.call_later(1, lambda: seen.append("never")).cancel()

    clock.sleep(3)

    assert seen == ["one", "two"]


def test_the_null_gateway_keeps_its_times_within_since(tmp_path):
    world = a_null_world(tmp_path)
    world.place()
    world.clock.advance(1)

    assert world.orders(world.clock.now()) == world.fills(world.clock.now()) == ()
