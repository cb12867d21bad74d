"""Every line of every matrix: what the broker says, and what the order is then."""

from decimal import Decimal
from itertools import permutations

import pytest

from domain.lifecycle import decide
from domain.terms import OrderType
from tests.unit.domain import orders as o
from tests.unit.domain.fix_matrices.walk import matrices, rows_of, walk

MATRICES = matrices()
REPRICED = """
    what is said   | status    | order | cum | leaves | avg_px | recorded
    New Order      | SUBMITTED | 10000 |   0 |  10000 |      - | SubmitStarted
    New            | SUBMITTED | 10000 |   0 |  10000 |      - | Accepted
    Restated px=99 | SUBMITTED | 10000 |   0 |  10000 |      - | Restated
"""


@pytest.mark.parametrize("name", MATRICES)
def test_an_order_goes_as_the_matrix_says(name):
    walked, order = walk(MATRICES[name])

    assert walked == MATRICES[name]
    assert order.cum_qty == sum(fill.last_qty for fill in order.fills)


@pytest.mark.parametrize("group", "ABEFGIJKL")
def test_every_group_of_the_appendix_has_its_matrices(group):
    assert any(name.startswith(f"{group}.1.") for name in MATRICES)


@pytest.mark.parametrize("reports", list(permutations(range(4))))
def test_the_order_in_which_a_chain_comes_does_not_matter(reports):
    chain = [
        o.filled(10, "1"),
        o.changed(20, "2", "1"),
        o.changed(30, "3", "2", px=69_000),
        o.filled(40, "4"),
    ]
    order = o.an_order("working")
    for number in (*reports, *reports):
        order, _ = decide(order, chain[number])

    assert (order.cum_qty, order.cum_amount) == (70, 30 * 69_000 + 40 * 70_000)
    assert order.commission == 20, "that of the two that stand"


def test_a_restated_price_is_the_price_of_the_order_from_then_on():
    rows = rows_of(REPRICED)

    walked, order = walk(rows, order_type=OrderType.LIMIT, limit_px=Decimal(100))

    assert walked == rows
    assert (order.limit_px, order.signal.limit_px) == (99, 100)
