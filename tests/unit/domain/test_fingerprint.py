"""What an order looks like where nobody knows its id."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.fingerprint import fingerprint, is_about, is_alike, is_since, look_of
from domain.terms import AccountId, OrderType, Side
from tests.unit.actors.rigs import a_broker_order
from tests.unit.domain import orders as o


def seen(**changes):
    return a_broker_order(None, **changes)


def test_numbers_written_differently_look_the_same():
    assert fingerprint(o.a_signal(order_qty=Decimal("100.0"))) == fingerprint(o.a_signal())


@pytest.mark.parametrize(
    "changes",
    [
        {"side": Side.SELL},
        {"order_qty": Decimal(101)},
        {"symbol": "000660"},
        {"order_type": OrderType.LIMIT, "limit_px": Decimal(70_000)},
        {"account_id": AccountId("other")},
    ],
)
def test_what_a_broker_sees_makes_the_difference(changes):
    assert fingerprint(o.a_signal(**changes)) != fingerprint(o.a_signal())


def test_an_order_looks_at_the_broker_as_it_does_here():
    limit = {"order_type": OrderType.LIMIT, "limit_px": Decimal("70000.0")}

    assert look_of(AccountId("paper"), seen(**limit)) == fingerprint(o.a_signal(**limit))
    assert is_alike(o.an_order(signal=o.a_signal(**limit)), seen(**limit))


@pytest.mark.parametrize(
    "changes",
    [
        {"side": Side.SELL},
        {"order_qty": Decimal(99)},
        {"order_type": OrderType.LIMIT, "limit_px": Decimal(1)},
        {"symbol": "000660"},
    ],
)
def test_another_order_is_not_alike(changes):
    assert not is_alike(o.an_order(), seen(**changes))


def test_an_order_that_carries_the_id_of_another_is_not_alike():
    order = o.an_order()

    assert is_alike(order, a_broker_order(order.client_order_id))
    assert not is_alike(order, a_broker_order("somebody else's"))


def test_a_fingerprint_says_what_it_is_about():
    claim = fingerprint(o.a_signal())

    assert is_about(claim, "005930", Side.BUY)
    assert not is_about(claim, "005930", Side.SELL)
    assert not is_about(claim, "00593", Side.BUY)


@pytest.mark.parametrize(("placed_s", "is_it"), [(-3, False), (-2, True), (0, True), (60, True)])
def test_the_time_of_placing_counts_as_far_as_two_clocks_agree(placed_s, is_it):
    at = o.NOW + timedelta(seconds=placed_s)

    assert is_since(seen(placed_at=at, transact_time=o.NOW), o.NOW, 2.0) is is_it
    assert is_since(seen(transact_time=at), o.NOW, 2.0) is is_it
