"""What the tests of an order's life say again and again."""

from decimal import Decimal

from actors.messages import OrderSeen
from domain.events import Source
from infra.brokers.paper import FaultKind, FaultPlan
from tests.unit.actors.rigs import a_broker_fill, a_broker_order

LIMIT = Decimal(60_000)
LOST = {FaultKind.LOST: 1.0}


def a_plan(calls, **rates):
    return FaultPlan.script(calls, rates=LOST | rates)


def begun(desk):
    """Start, and let the first second pass, which belongs to the rate limit."""
    desk.start().run_for(2)
    return desk


def seconds_between(earlier, later):
    return (later - earlier).total_seconds()


def fill_of(desk, **changes):
    order = desk.order()
    told = {"broker_order_id": order.broker_order_id, "trade_date": order.trade_date} | changes
    return a_broker_fill(order.client_order_id, **told)


def seen_of(desk, **changes):
    return OrderSeen(a_broker_order(desk.order().client_order_id, **changes), Source.POLL)


def raise_once(error):
    errors = [error]

    def before(*_):
        if errors:
            raise errors.pop()

    return before


def raise_always(error):
    def before(*_):
        raise error

    return before
