"""The door to the broker in a whole engine: halts, limits, hangs and crashes."""

import json
from decimal import Decimal

import pytest

from domain.settings import RateLimit
from infra.brokers.paper import Fault, FaultKind, FaultPlan
from tests.desks import buy, cancel
from tests.unit.actors.rigs import NO_STREAM, setting

LIMIT = Decimal(60_000)


def test_the_engine_fails_when_a_call_never_returns_and_takes_no_more(desk):
    desk.start().run_for(2)
    desk.gateway.before["place_order"] = lambda *_: desk.system.sleep(1e6)
    desk.tell(buy())

    desk.run_for(20)

    assert desk.engine.failed.is_set()
    with pytest.raises(Exception, match="does not return"):
        desk.engine.tell(buy("s-2"))


def test_a_halted_store_keeps_orders_pending_until_the_halt_is_lifted(desk):
    halt = desk.folder / "HALT"
    desk.start().run_for(2)
    halt.write_text(json.dumps({}))
    desk.tell(buy())
    desk.run_for(10)
    assert (desk.status(), desk.order().attempts) == ("PENDING", 0)
    assert "place_order" not in desk.names()

    halt.unlink()

    desk.until_rest(within_s=3)
    assert desk.order().attempts == 1
    desk.check()


def test_a_halt_that_lasts_past_the_deadline_fails_the_order_on_time(desk):
    desk.start().run_for(2)
    (desk.folder / "HALT").write_text("")
    desk.tell(buy())

    desk.until_status("FAILED", within_s=31)

    (failed,) = desk.events("Failed")
    assert failed.rule == "deadline"
    assert (failed.at - desk.order().created_at) >= desk.settings.signal_deadline
    assert desk.ledger().orders == ()


def test_a_broker_actor_that_crashes_between_turn_and_go_makes_no_second_order(desk):
    desk.faults = NO_STREAM
    desk.start().run_for(2)
    desk.tell(buy())
    desk.until(lambda: desk.status() == "SUBMITTED")

    desk.crash("broker")

    desk.until_rest(within_s=60)
    assert len(desk.ledger().orders) == 1
    desk.check()


def test_a_rate_limit_answer_delays_all_calls_and_is_nobodys_error(desk):
    desk.faults = FaultPlan.script({("place", 1): Fault(FaultKind.RATE_LIMITED, 3.0)})
    desk.start().run_for(2)
    desk.tell(buy())

    desk.until_rest()

    first, second = desk.times_of("place_order")
    assert second - first >= 3.0
    between = [at for at in desk.times_of() if first < at < second]
    assert between == []
    assert desk.order().attempts == 1


def test_a_cancel_waits_for_no_permit_that_a_queue_of_orders_wants(desk):
    setting(desk, rate=RateLimit(requests=2))
    desk.start().tell(buy("resting", limit_px=LIMIT))
    desk.resting("resting")
    desk.tell(*(buy(f"s-{n}", 1) for n in range(10)))

    desk.tell(cancel("resting"))

    desk.until_status("CANCELLED", signal_id="resting", within_s=3)
