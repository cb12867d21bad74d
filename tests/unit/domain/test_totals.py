"""Fills that are known only as totals: what is booked adds up to the broker's word, exactly."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.broker import BrokerState
from domain.events import Anomaly, Filled, Source
from domain.lifecycle import decide, topics_of
from domain.money import exact
from domain.order import fill_key
from domain.terms import OrderStatus
from domain.totals import total_fault, total_fills
from tests.unit.actors.rigs import a_broker_order
from tests.unit.domain import orders as o

S = OrderStatus


def told(cum_qty, amount=None, **changes):
    changes.setdefault("cum_amount", None if amount is None else Decimal(str(amount)))
    return a_broker_order(cum_qty=Decimal(str(cum_qty)), state=BrokerState.PARTIAL, **changes)


def booked(order, news):
    """Return the order after all that the totals say, and what was recorded."""
    recorded = []
    for fill in total_fills(order, news):
        event = Filled(
            broker_order_id=fill.broker_order_id,
            trade_date=fill.trade_date,
            exec_id=fill.exec_id,
            last_qty=fill.last_qty,
            last_px=fill.last_px,
            commission=Decimal(0),
            tax=Decimal(0),
            is_fee_from_broker=False,
            transact_time=fill.transact_time,
            source=Source.POLL,
            at=o.NOW,
        )
        order, kept = decide(order, event)
        recorded += kept
    return order, recorded


def test_a_fill_is_the_difference_of_two_totals():
    first, _ = booked(o.an_order("working"), told(40, 2_800_000))
    second, recorded = booked(first, told(100, 7_060_000))

    assert [(fill.last_qty, fill.last_px) for fill in second.fills] == [(40, 70_000), (60, 71_000)]
    assert [fill.exec_id for fill in second.fills] == ["0000000001#40", "0000000001#100"]
    assert (second.status, len(recorded)) == (S.FILLED, 1)


def test_the_same_total_again_books_nothing():
    order, _ = booked(o.an_order("working"), told(40, 2_800_000))

    assert total_fills(order, told(40, 2_800_000)) == ()


def test_a_price_without_end_is_booked_as_two_neighbours_and_nothing_is_rounded():
    order, _ = booked(o.an_order("working"), told(3, 210_100))

    assert [(fill.last_qty, fill.last_px) for fill in order.fills] == [(2, 70_033), (1, 70_034)]
    assert order.cum_amount == 210_100


def test_an_average_price_serves_where_no_amount_is_told():
    order, _ = booked(o.an_order("working"), told(4, avg_px=Decimal("70000.5")))

    assert [(fill.last_qty, fill.last_px) for fill in order.fills] == [(4, Decimal("70000.5"))]


def test_a_price_of_many_decimals_is_booked_as_it_is():
    px = Decimal("0.000000000001")

    order, _ = booked(o.an_order("working"), told(7, avg_px=px))

    assert [(fill.last_qty, fill.last_px) for fill in order.fills] == [(7, px)]


@pytest.mark.parametrize(
    ("first", "then", "says"),
    [
        # Average prices in whole won, and a corrected amount.
        (
            told(100, avg_px=Decimal(70_001)),
            told(101, avg_px=Decimal(69_300)),
            "total of 101 for 6999300",
        ),
        (told(5, 500), told(6, 480), "total of 6 for 480 in all leaves no price"),
        (told(5, 500), told(6, 500), "total of 6 for 500 in all leaves no price"),
        (told(5, 500), told(4, 510), "total of 4 for 510 in all leaves no price"),
        (told(5, 500), told(-2, -200), "total of -2 is below zero"),
        (told(5, 500), told(-2), "total of -2 is below zero"),
        (told(5, 500), told(6), "total of 6 comes without amount and price"),
    ],
)
def test_a_total_that_cannot_be_says_both_numbers_and_the_next_one_brings_what_is_missing(
    first, then, says
):
    order, _ = booked(o.an_order("working"), first)

    fault = total_fault(order, then)
    after, _ = booked(order, told(110, 7_777_777))

    assert says in fault
    assert f"booked are {order.cum_qty} for {order.cum_amount}, and nothing was changed" in fault
    assert (after.cum_qty, after.cum_amount) == (110, 7_777_777)
    assert all(fill.last_px > 0 for fill in after.fills)


@pytest.mark.parametrize("told_again", [told(5, 500), told(5), told(6, 601), told(4, 399), told(0)])
def test_a_total_that_can_be_has_no_fault(told_again):
    order, _ = booked(o.an_order("working"), told(5, 500))

    assert total_fault(order, told_again) == ""


def test_an_amount_of_fewer_units_than_lots_has_prices_above_zero():
    order, _ = booked(o.an_order("working"), told(3, 1))

    fills = [(fill.last_qty, fill.last_px) for fill in order.fills]

    assert fills == [(2, Decimal("0.3")), (1, Decimal("0.4"))]


def test_a_lower_total_withdraws_and_the_same_total_later_is_another_execution():
    order, _ = booked(o.an_order("working"), told(100, 7_000_000))

    busted, recorded = booked(order, told(60, 4_200_000))
    again, _ = booked(busted, told(100, 7_000_000))

    assert (busted.status, busted.cum_qty, busted.cum_amount) == (S.PARTIAL, 60, 4_200_000)
    assert [event.anomaly for event in recorded if not isinstance(event, Filled)] == [
        Anomaly.BUSTED
    ]
    assert topics_of(recorded[0], busted) == ("order.busted",)
    assert (again.status, again.busts) == (S.FILLED, 1)
    assert len({fill_key(fill) for fill in again.fills}) == 3


def test_all_withdrawn_is_an_order_that_works_and_has_nothing():
    order, _ = booked(o.an_order("working"), told(100, 7_000_000))

    empty, _ = booked(order, told(0))

    assert (empty.status, empty.cum_qty, empty.avg_px) == (S.SUBMITTED, 0, None)
    assert empty.filled_at == order.filled_at


def test_a_withdrawal_of_more_than_is_booked_takes_nothing_off():
    order = o.an_order("partly filled")

    after, recorded = decide(order, o.filled(-41, "b"))

    assert (after.cum_qty, [event.anomaly for event in recorded]) == (40, [Anomaly.BUSTED])


def test_only_the_number_that_is_told_is_compared():
    order = o.an_order("partly filled")

    fills = total_fills(order, replace(told(10, 700_000), broker_order_id=o.B2))

    assert [(fill.broker_order_id, fill.last_qty) for fill in fills] == [(o.B2, 10)]


amounts = st.decimals(min_value="0.01", max_value=10**9, places=2)
quantities = st.one_of(st.integers(1, 10**6).map(Decimal), st.decimals("0.001", 1000, places=3))


@given(st.lists(st.tuples(quantities, amounts), min_size=1, max_size=6), st.randoms())
def test_whatever_is_told_the_ledger_adds_up_to_it(steps, dice):
    order, cum_qty, amount = o.an_order("working"), Decimal(0), Decimal(0)
    for qty, more in steps:
        with exact():
            is_up = not cum_qty or dice.random() < 0.8
            cum_qty, amount = (cum_qty + qty, amount + more) if is_up else (cum_qty / 2, amount / 2)
            assert not total_fault(order, told(cum_qty, amount))
        order, _ = booked(order, told(cum_qty, amount))

        with exact():
            assert order.cum_qty == cum_qty
            assert sum(fill.last_qty * fill.last_px for fill in order.fills) == amount
            assert all(fill.last_px > 0 for fill in order.fills)
    assert len({fill_key(fill) for fill in order.fills}) == len(order.fills)
