"""What other engines got wrong about one order; here by the product's own actors."""

from decimal import Decimal

import pytest

from domain.broker import BrokerState, StreamGap
from domain.terms import BrokerOrderId
from infra.brokers.paper import FaultPlan, PaperSettings
from tests.desks import SAMSUNG, buy, cancel
from tests.unit.actors.rigs import setting
from tests.unit.actors.tales import LIMIT
from tests.unit.actors.venue import VenueDesk


@pytest.fixture
def desk(tmp_path):
    made = VenueDesk(tmp_path)
    yield made
    made.stop()


def resting(desk, **changes):
    """Start the desk with one order that rests at the broker."""
    desk.start().tell(buy(limit_px=LIMIT, **changes))
    desk.resting()
    return desk


def booked(desk, qty):
    """Wait until order, position and store say that so much was filled."""
    known = desk.order().client_order_id
    desk.until(lambda: (desk.order().cum_qty, desk.applied[known]) == (qty, qty), within_s=30)
    desk.run_for(20)
    held = desk.positions()[SAMSUNG].qty
    assert (desk.order().cum_qty, desk.row().cum_qty, held) == (qty, qty, qty)
    assert desk.is_sound()


def test_a_fill_after_the_rejection_moves_order_and_position_alike(desk):
    desk.faults = FaultPlan.script({("place", 1): "async_reject"})
    desk.start().tell(buy())
    desk.until_status("REJECTED")

    desk.execute(Decimal(40))

    booked(desk, 40)
    # The broker says again that the rest is rejected: that is off its book.
    assert desk.status() == "CANCELLED"
    assert desk.anomalies() == ["FILL_AFTER_END", "REJECTED_AFTER_FILL"]


def test_a_fill_after_the_expiry_moves_order_and_position_alike(desk):
    resting(desk)
    desk.gateway.changes = {"state": BrokerState.EXPIRED}
    desk.until_status("EXPIRED")

    desk.execute(Decimal(40))

    booked(desk, 40)
    assert (desk.status(), desk.order().leaves_qty) == ("EXPIRED", 0)


def test_a_part_filled_after_the_cancel_does_not_open_the_order_again(desk):
    resting(desk).tell(cancel())
    desk.until_status("CANCELLED")
    calls = desk.names().count("cancel_order")

    desk.execute(Decimal(40))

    booked(desk, 40)
    assert (desk.status(), desk.order().leaves_qty) == ("CANCELLED", 0)
    assert desk.names().count("cancel_order") == calls


def test_a_fill_during_a_pending_cancel_does_not_forget_the_cancel(desk):
    desk.paper = PaperSettings(cancel_s=2.0)
    resting(desk).tell(cancel())
    desk.until(lambda: "CancelEnded" in desk.kinds())

    desk.quote(LIMIT, volume=400)
    desk.until_status("PARTIAL")

    assert desk.order().cancel is not None
    desk.until_status("CANCELLED", within_s=5)
    desk.until_rest()
    assert desk.order().cum_qty == 40
    desk.check()


def test_a_wrong_rejection_during_a_pending_cancel_does_not_forget_the_cancel(desk):
    desk.paper = PaperSettings(cancel_s=60.0)
    resting(desk).tell(cancel())
    desk.until(lambda: "CancelEnded" in desk.kinds())
    desk.gateway.changes = {"state": BrokerState.REJECTED}
    desk.until_status("REJECTED")
    asked = desk.names().count("cancel_order")

    desk.gateway.changes = {"state": BrokerState.PARTIAL, "cum_qty": Decimal(40)}
    desk.execute(Decimal(40))

    desk.until_status("PARTIAL")
    assert desk.order().cancel is not None
    desk.until(lambda: desk.names().count("cancel_order") > asked, within_s=10)


def test_a_fill_under_another_number_is_booked_and_flagged(desk):
    resting(desk)

    desk.execute(Decimal(40), broker_order_id=BrokerOrderId("0000000777"))

    booked(desk, 40)
    assert "SECOND_BROKER_ORDER" in desk.anomalies()


def test_an_over_fill_is_booked_and_flagged(desk):
    desk.start().tell(buy())
    desk.until_rest()

    desk.execute(Decimal(10))

    booked(desk, 110)
    assert (desk.status(), desk.anomalies()) == ("FILLED", ["OVER_FILL"])


def test_a_correction_counts_once_however_often_it_is_told(desk):
    desk.start().tell(buy())
    desk.until_rest()
    first = desk.order().fills[0]
    desk.gateway.changes = {"state": BrokerState.CANCELLED, "cum_qty": Decimal(90)}

    for _ in range(3):
        corrected = desk.execute(
            Decimal(90), "g1", last_px=Decimal(69_000), exec_ref_id=first.exec_id
        )
    booked(desk, 90)
    desk.gateway.stream.publish(StreamGap(reason="reconnected"))
    desk.restart().gateway.fills.append(corrected)
    desk.gateway.changes = {"state": BrokerState.CANCELLED, "cum_qty": Decimal(90)}
    desk.run_for(60)

    order = desk.order()
    assert (order.status, order.cum_qty, order.avg_px) == ("CANCELLED", 90, 69_000)
    assert [fill.last_qty for fill in order.fills] == [100, -100, 90]
    assert order.commission == corrected.commission
    assert desk.positions()[SAMSUNG].qty == 90
    assert "CORRECTED" in desk.anomalies()
    assert desk.is_sound()


def test_a_stale_word_does_not_override_what_was_filled(desk):
    desk.start().tell(buy())
    desk.until_rest()
    before = desk.kinds()

    for state in (BrokerState.ACCEPTED, BrokerState.SUSPENDED, BrokerState.CANCELLED):
        desk.say(state=state, cum_qty=Decimal(0))
    desk.run_for(20)

    assert (desk.status(), desk.kinds()) == ("FILLED", before)
    desk.check()


@pytest.mark.parametrize("reason", ["too late to cancel", "unknown order"])
def test_a_refused_cancel_is_not_asked_for_again_and_again(desk, reason):
    resting(desk)
    desk.gateway.refusal = reason
    looks = len(desk.times_of("list_orders"))

    desk.tell(cancel())
    desk.until(lambda: "order.cancel_refused" in desk.topics())
    desk.run_for(300)

    assert desk.names().count("cancel_order") == 1
    assert len(desk.times_of("list_orders")) > looks, "the broker is asked what the order is"
    assert (desk.status(), desk.order().cancel) == ("SUBMITTED", None)


def test_a_refused_cancel_of_an_overdue_order_is_not_asked_for_again_and_again(desk):
    setting(desk, cancel_overdue=True, market_timeout_s=5.0)
    desk.start().quote(70_000, volume=0)
    desk.gateway.refusal = "too late to cancel"
    desk.tell(buy())

    desk.until(lambda: "order.cancel_refused" in desk.topics())
    desk.run_for(600)

    assert desk.names().count("cancel_order") == 1


def test_an_order_that_the_venue_reduces_is_filled_by_what_is_left_of_it(desk):
    resting(desk)
    desk.gateway.changes = {"order_qty": Decimal(60), "reason": "declined in part"}
    desk.until(lambda: desk.order().order_qty == 60)
    desk.gateway.changes |= {"cum_qty": Decimal(60), "state": BrokerState.FILLED}

    desk.execute(Decimal(60))

    booked(desk, 60)
    assert (desk.status(), desk.order().leaves_qty, desk.row().order_qty) == ("FILLED", 0, 60)
    assert desk.topics().count("order.restated") == 1
    assert desk.anomalies() == []


def test_an_order_that_is_suspended_is_followed_and_may_be_cancelled(desk):
    resting(desk)
    desk.gateway.changes = {"state": BrokerState.SUSPENDED, "reason": "a trading halt"}
    desk.until(lambda: "order.suspended" in desk.topics())
    assert desk.status() == "SUBMITTED"

    desk.gateway.changes = {}
    desk.until(lambda: "order.working" in desk.topics())
    desk.gateway.changes = {"state": BrokerState.STOPPED}
    desk.until(lambda: "order.stopped" in desk.topics())
    desk.gateway.changes = {}
    desk.tell(cancel())

    desk.until_status("CANCELLED", within_s=10)
    desk.check()


def test_an_order_that_is_done_for_the_day_has_expired_with_its_fills(desk):
    resting(desk).quote(LIMIT, volume=400)
    desk.until_status("PARTIAL")
    desk.gateway.changes = {"state": BrokerState.DONE_FOR_DAY}

    desk.until_rest()

    assert (desk.status(), desk.order().cum_qty) == ("EXPIRED", 40)
    assert desk.order().reason == "done for the day"


def test_a_bust_by_the_id_of_its_execution_takes_off_all_that_stands_of_it(desk):
    resting(desk)
    fill = desk.execute(Decimal(40))
    booked(desk, 40)

    desk.gateway.changes = {"cum_qty": Decimal(0)}
    desk.execute(Decimal(0), "h1", exec_ref_id=fill.exec_id)

    desk.until(lambda: desk.order().cum_qty == 0)
    desk.run_for(20)
    assert desk.status() == "SUBMITTED"
    assert (desk.order().commission, desk.positions()[SAMSUNG].fees) == (0, 0)
    assert desk.is_sound()
