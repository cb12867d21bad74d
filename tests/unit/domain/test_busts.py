"""Executions that are withdrawn: quantity, cash and the sum of the result stay exact."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.position import change_for, topics_of_change
from domain.terms import ZERO, Side
from tests.unit.domain.test_position import AT, SAMSUNG, a_book, a_fill

FEW = settings(max_examples=60)


def held(*fills):
    return a_book(*fills).position(SAMSUNG)


def test_a_withdrawn_buy_that_is_still_held_leaves_the_cost_at_its_own_price():
    after = held(
        a_fill(1, "BUY", 60, 69_000, commission=Decimal(5)),
        a_fill(2, "BUY", 40, 71_000, commission=Decimal(7)),
        a_fill(3, "BUY", -40, 71_000, commission=Decimal(-7)),
    )

    assert (after.qty, after.avg_px, after.realized_gross) == (60, 69_000, ZERO)
    assert after.fees == 5


def test_a_withdrawn_short_sale_works_the_other_way_round():
    after = held(a_fill(1, "SELL", 100, 71_000), a_fill(2, "SELL", -40, 71_000))

    assert (after.qty, after.avg_px, after.realized_gross) == (-60, 71_000, ZERO)


def test_what_is_left_of_the_cost_when_nothing_is_held_is_a_result():
    after = held(
        a_fill(1, "BUY", 60, 69_000),
        a_fill(2, "BUY", 40, 71_000),
        a_fill(3, "SELL", 60, 70_000),
        a_fill(4, "BUY", -40, 71_000),
    )

    # As if only 60 had been bought at 69,000 and sold at 70,000.
    assert (after.qty, after.cost, after.realized_gross) == (0, 0, 60_000)


def test_a_withdrawn_sale_opens_again_what_it_had_closed():
    after = held(
        a_fill(1, "BUY", 100, 70_000),
        a_fill(2, "SELL", 100, 71_000),
        a_fill(3, "SELL", -100, 71_000),
    )

    assert after.qty == 100
    assert after.cost - after.realized_gross == 7_000_000


def test_a_change_by_a_withdrawal_is_published_like_any_other():
    before = a_book(a_fill(1, "BUY", 100, 70_000))

    change = change_for(before, a_fill(2, "BUY", -100, 70_000), AT)

    assert topics_of_change(before.position(SAMSUNG), change) == ("position.closed", "pnl.daily")


def test_a_thousand_small_gains_are_as_much_as_their_sum():
    buys = a_fill(1, "BUY", 1_000, "10")
    sells = [a_fill(seq, "SELL", 1, "10.004") for seq in range(2, 1_002)]

    book = a_book(buys, *sells)

    assert book.position(SAMSUNG).realized_gross == Decimal("4.000")
    assert [day.realized_gross for day in book.daily.values()] == [Decimal("4.000")]


@pytest.mark.parametrize("side", list(Side))
@FEW
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("BUY", "SELL")), st.integers(-50, 100).filter(bool), st.integers(1, 99)
        ),
        max_size=12,
    )
)
def test_whatever_is_withdrawn_cash_and_quantity_are_exact(side, trades):
    fills = [a_fill(seq, *trade) for seq, trade in enumerate(((side, 10, 50), *trades), 1)]

    after = held(*fills)

    assert after.qty == sum(fill.side.sign * fill.last_qty for fill in fills)
    paid = sum(fill.side.sign * fill.last_qty * fill.last_px for fill in fills)
    assert after.cost - after.realized_gross == paid
    assert after.qty or not after.cost
