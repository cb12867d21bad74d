"""Following orders on a whole desk, when polls fail and when the stream is silent."""

from decimal import Decimal

import pytest

from infra.brokers.paper import FaultKind, FaultPlan
from tests.desks import buy, cancel
from tests.unit.actors.rigs import NO_STREAM, setting

LIMIT = Decimal(60_000)


@pytest.mark.parametrize(
    "kind", [FaultKind.INCOMPLETE, FaultKind.NOT_SENT, FaultKind.HTTP_500_AFTER]
)
def test_polls_that_fail_now_and_then_cost_time_and_no_fill(desk, kind):
    desk.faults = FaultPlan.script(
        {(call, n): kind for call in ("orders", "fills") for n in (1, 3, 5, 7)},
        rates={FaultKind.LOST: 1.0},
    )
    desk.start().quote(70_000, volume=300)
    desk.tell(buy(order_qty=60))
    desk.until_status("PARTIAL", within_s=90)
    desk.quote(70_100, volume=300)

    desk.until_rest(within_s=90)

    assert desk.order().cum_qty == 60
    desk.check()


def test_a_cancel_is_seen_to_be_done_by_the_poll_that_follows_it(desk):
    desk.faults = NO_STREAM
    setting(desk, poll_active_s=60.0, poll_idle_s=60.0)
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()

    desk.tell(cancel())

    desk.until_status("CANCELLED", within_s=2)
