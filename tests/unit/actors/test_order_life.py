"""What happens to an order that was sent, in whatever order and after whatever crash."""

from decimal import Decimal

import pytest

from actors.messages import FillSeen
from domain.broker import BrokerState, FillNews
from domain.events import Source
from infra.brokers.paper import Fault, FaultKind, FaultPlan
from tests.desks import buy, cancel
from tests.unit.actors.rigs import NO_STREAM
from tests.unit.actors.tales import LIMIT, a_plan, begun, fill_of, seen_of


def test_an_overdue_market_order_is_said_to_be_overdue_once(desk):
    begun(desk).quote(70_000, volume=0)
    desk.tell(buy())
    desk.resting()

    desk.run_for(300)

    (overdue,) = desk.events("Overdue")
    assert overdue.open_for_s == pytest.approx(60, abs=0.1)
    assert desk.status() == "SUBMITTED"


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


def test_the_tracker_forgets_an_order_that_ended_in_a_crash(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.run_for(1)
    desk.actor_of().tell(FillSeen(fill_of(desk), Source.POLL))
    desk.crash_order()
    desk.until(lambda: desk.status() == "FILLED" and not desk.has_actor())
    desk.run_for(200)
    before = desk.names().count("list_orders")

    desk.run_for(3600)

    # Only the books are compared; an order that is followed is asked about far more often.
    compared = 3600 / desk.settings.reconcile_s
    assert desk.names().count("list_orders") - before <= compared
