"""The crossover strategy: its averages, and what it wants."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.crossover import Crossover, Stance, Wish, affordable_qty, decide, observe
from domain.errors import InvalidInputError
from domain.terms import Side

QTY = Decimal(10)
PRICES = st.decimals("0.01", "1000000", places=2)


def after(*closes, fast=2, slow=3):
    known = Crossover(fast=fast, slow=slow)
    for close in closes:
        known = observe(known, Decimal(close))
    return known


@pytest.mark.parametrize(("fast", "slow"), [(0, 3), (-1, 3), (3, 3), (4, 3)])
def test_the_fast_average_must_be_the_shorter_one(fast, slow):
    with pytest.raises(InvalidInputError, match=r"^fast: "):
        Crossover(fast=fast, slow=slow)


@pytest.mark.parametrize(
    ("closes", "stance"),
    [
        ((), None),
        ((1, 2), None),
        ((1, 2, 3), Stance.LONG),
        ((3, 2, 1), Stance.FLAT),
        # Equal averages say nothing new.
        ((2, 2, 2), None),
        ((1, 2, 3, 3, 3), Stance.LONG),
        ((3, 2, 1, 1, 1), Stance.FLAT),
        ((1, 2, 3, 0), Stance.FLAT),
        ((3, 2, 1, 4), Stance.LONG),
    ],
)
def test_the_stance_follows_the_averages(closes, stance):
    assert after(*closes).stance is stance


def test_only_the_closes_of_the_slow_average_are_kept():
    assert after(9, 1, 2, 3).closes == (1, 2, 3)


def test_no_rounding_decides():
    # Thirds: (0.1 + 0.1 + 0.1) / 3 is exactly the average of one close of 0.1.
    assert after("0.1", "0.1", "0.1", fast=1).stance is None
    assert after("0.1", "0.1", "0.1000000000000000000000000001", fast=1).stance is Stance.LONG


@given(st.lists(PRICES, min_size=5, max_size=12))
def test_the_averages_are_those_of_the_last_closes_alone(closes):
    assert after(*closes, slow=5).closes == after(*closes[-5:], slow=5).closes
    fresh = after(*closes[-5:], slow=5).stance
    assert fresh in (None, after(*closes, slow=5).stance)


@pytest.mark.parametrize(
    ("closes", "held", "affordable", "wish"),
    [
        ((1, 2, 3), 0, 10, Wish(side=Side.BUY, order_qty=QTY)),
        ((1, 2, 3), 0, 0, None),
        ((1, 2, 3), 4, 10, None),
        ((3, 2, 1), 10, 99, Wish(side=Side.SELL, order_qty=QTY)),
        ((3, 2, 1), 0, 99, None),
        ((1, 2), 0, 99, None),
        ((1, 2), 10, 99, None),
    ],
)
def test_the_wish_leads_from_the_position_to_the_stance(closes, held, affordable, wish):
    wanted = decide(after(*closes), held_qty=Decimal(held), affordable_qty=Decimal(affordable))

    assert wanted == wish


@pytest.mark.parametrize(
    ("cash", "px", "rate", "lot", "qty"),
    [
        (1_000, 100, "0", 1, 10),
        (1_000, 100, "0.001", 1, 9),
        (1_001, 100, "0.001", 1, 10),
        (1_000, 100, "0", 3, 9),
        (99, 100, "0", 1, 0),
        (0, 100, "0", 1, 0),
    ],
)
def test_whole_lots_are_bought_and_paid_with_their_fees(cash, px, rate, lot, qty):
    bought = affordable_qty(
        cash=Decimal(cash), highest_px=Decimal(px), fee_rate=Decimal(rate), lot=Decimal(lot)
    )

    assert bought == qty


def test_debts_buy_nothing():
    debt = {"cash": Decimal(-500), "highest_px": Decimal(100)}

    assert affordable_qty(**debt, fee_rate=Decimal(0), lot=Decimal(1)) == 0


@given(PRICES, PRICES, st.decimals("0", "0.01", places=6), st.integers(1, 100))
def test_what_is_bought_can_be_paid_and_one_lot_more_cannot(cash, px, rate, lot):
    qty = affordable_qty(cash=cash, highest_px=px, fee_rate=rate, lot=Decimal(lot))

    assert qty % lot == 0
    assert qty * px * (1 + rate) <= cash < (qty + lot) * px * (1 + rate)
