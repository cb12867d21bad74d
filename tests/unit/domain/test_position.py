"""Positions and P&L, as a fold of fills."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.position import (
    DailyPnl,
    Position,
    PositionBook,
    RecordedFill,
    change_for,
    evolve_book,
    topics_of_change,
)
from domain.terms import ZERO, AccountId, BrokerOrderId, ClientOrderId, ExecId, Side, Symbol

AT = datetime(2024, 1, 3, 1, 0, tzinfo=UTC)
DAY = date(2024, 1, 3)
SAMSUNG = Symbol("005930")
ACCOUNT = AccountId("paper")
FEW = settings(max_examples=40)  # Each example is a whole ledger.


def a_fill(seq, side, qty, px, **changes):
    return RecordedFill(
        **{
            "seq": seq,
            "client_order_id": ClientOrderId("c" * 20),
            "broker_order_id": BrokerOrderId("b1"),
            "exec_id": ExecId(f"e{seq}"),
            "trade_date": DAY,
            "symbol": SAMSUNG,
            "side": Side(side),
            "last_qty": Decimal(qty),
            "last_px": Decimal(px),
            "commission": ZERO,
            "tax": ZERO,
            "transact_time": AT,
            **changes,
        }
    )


def applied(book, fill):
    change = change_for(book, fill, AT)
    return book if change is None else evolve_book(book, change)


def a_book(*fills):
    return reduce(applied, fills, PositionBook.empty(ACCOUNT))


def decimals(largest, places):
    return st.integers(1, largest * 10**places).map(lambda n: Decimal(n).scaleb(-places))


FILLS = st.lists(
    st.builds(
        lambda symbol, day, side, qty, px, commission, tax: a_fill(
            0, side, qty, px, symbol=symbol, trade_date=day, commission=commission, tax=tax
        ),
        st.sampled_from([SAMSUNG, Symbol("000660"), Symbol("BTC-KRW")]),
        st.dates(min_value=DAY, max_value=date(2024, 1, 5)),
        st.sampled_from(Side),
        # Small quantities meet each other exactly, so that closes and flips are frequent.
        st.one_of(st.integers(1, 5).map(Decimal), decimals(1_000_000, 6)),
        decimals(1_000_000, 4),
        decimals(1_000, 2),
        decimals(1_000, 2),
    ),
    max_size=12,
).map(lambda fills: [replace(fill, seq=seq * 3) for seq, fill in enumerate(fills, start=1)])


def test_a_close_realizes_the_difference_times_the_quantity():
    book = a_book(
        a_fill(1, "BUY", 100, 70_000, commission=Decimal(983)),
        a_fill(2, "SELL", 100, 72_000, commission=Decimal(1011), tax=Decimal(12_960)),
    )

    position = book.position(SAMSUNG)
    assert position == Position(
        symbol=SAMSUNG,
        realized_gross=Decimal(200_000),
        fees=Decimal(1994),
        taxes=Decimal(12_960),
    )
    assert position.avg_px is None
    assert position.realized_net == 185_046
    assert book.daily == {
        DAY: DailyPnl(
            day=DAY,
            realized_gross=Decimal(200_000),
            fees=Decimal(1994),
            taxes=Decimal(12_960),
        )
    }
    assert book.daily[DAY].net == 185_046
    assert (book.checkpoint, book.version) == (2, 2)


@pytest.mark.parametrize(
    ("fills", "qty", "cost", "avg_px", "realized"),
    [
        ([("BUY", 100, 70_000)], 100, 7_000_000, 70_000, 0),
        ([("BUY", 100, 70_000), ("BUY", 300, 74_000)], 400, 29_200_000, 73_000, 0),
        ([("BUY", 100, 70_000), ("SELL", 40, 72_000)], 60, 4_200_000, 70_000, 80_000),
        ([("BUY", 100, 70_000), ("SELL", 100, 69_000)], 0, 0, None, -100_000),
        ([("SELL", 100, 70_000)], -100, -7_000_000, 70_000, 0),
        ([("SELL", 100, 70_000), ("SELL", 100, 71_000)], -200, -14_100_000, 70_500, 0),
        ([("SELL", 100, 70_000), ("BUY", 40, 68_000)], -60, -4_200_000, 70_000, 80_000),
        ([("SELL", 100, 70_000), ("BUY", 100, 71_000)], 0, 0, None, -100_000),
        # A flip: 100 close at a gain of 2,000 each, 50 open short at 72,000.
        ([("BUY", 100, 70_000), ("SELL", 150, 72_000)], -50, -3_600_000, 72_000, 200_000),
        ([("SELL", 100, 70_000), ("BUY", 150, 72_000)], 50, 3_600_000, 72_000, -200_000),
        ([("BUY", 3, 10), ("BUY", 3, 11), ("SELL", 6, 11), ("BUY", 1, 9)], 1, 9, 9, 3),
    ],
)
def test_average_cost_holds_for_longs_shorts_and_flips(fills, qty, cost, avg_px, realized):
    book = a_book(*(a_fill(seq, *fill) for seq, fill in enumerate(fills, start=1)))

    position = book.position(SAMSUNG)
    assert (position.qty, position.cost, position.realized_gross) == (qty, cost, realized)
    assert position.avg_px == avg_px


def test_the_event_holds_what_this_fill_did():
    book = a_book(a_fill(1, "BUY", 100, 70_000))

    change = change_for(book, a_fill(7, "SELL", 150, 72_000, tax=Decimal(5)), AT)

    assert (change.closed_qty, change.realized_gross, change.qty) == (100, 200_000, -50)
    assert (change.fill_seq, change.exec_id, change.tax, change.at) == (7, "e7", 5, AT)


def test_a_thousand_small_gains_are_summed_exactly():
    fills = [a_fill(1, "BUY", 1000, "10.000")]
    fills += [a_fill(2 + n, "SELL", 1, "10.004") for n in range(1000)]

    assert a_book(*fills).position(SAMSUNG).realized_gross == Decimal("4.000")


def test_a_cost_that_cannot_be_shared_evenly_is_whole_again_at_the_end():
    fills = [a_fill(1, "BUY", 3, 10), a_fill(2, "SELL", 1, 10)]
    fills += [a_fill(3, "BUY", 4, 11), a_fill(4, "SELL", 1, 11), a_fill(5, "SELL", 5, 11)]

    position = a_book(*fills).position(SAMSUNG)

    assert (position.qty, position.cost, position.realized_gross) == (0, 0, 2)


def test_a_share_of_the_cost_is_cut_off_half_even_at_eight_decimals():
    book = a_book(a_fill(1, "BUY", 1, 1), a_fill(2, "BUY", 2, 2), a_fill(3, "SELL", 1, 2))

    assert book.position(SAMSUNG).cost == Decimal("3.33333333")
    assert book.position(SAMSUNG).realized_gross == Decimal("0.33333333")


@FEW
@given(fills=FILLS)
def test_sells_less_buys_are_what_was_realized_less_what_is_still_open(fills):
    book = a_book(*fills)

    for symbol in {fill.symbol for fill in fills}:
        own = [fill for fill in fills if fill.symbol == symbol]
        paid_in = sum(-fill.side.sign * fill.last_qty * fill.last_px for fill in own)
        position = book.position(symbol)
        assert paid_in == position.realized_gross - position.cost
        assert position.qty == sum(fill.side.sign * fill.last_qty for fill in own)
        assert position.fees == sum(fill.commission for fill in own)
        assert position.taxes == sum(fill.tax for fill in own)
        assert position.qty or not position.cost


@FEW
@given(fills=FILLS)
def test_the_days_and_the_positions_tell_the_same_sums(fills):
    book = a_book(*fills)
    days, positions = book.daily.values(), book.positions.values()

    for name in ("realized_gross", "fees", "taxes"):
        by_day = sum(getattr(day, name) for day in days)
        assert by_day == sum(getattr(position, name) for position in positions)
    assert sum(day.net for day in days) == sum(held.realized_net for held in positions)
    assert {day.day for day in days} == {fill.trade_date for fill in fills}


@FEW
@given(fills=FILLS)
def test_the_order_of_different_symbols_does_not_matter(fills):
    by_symbol = sorted(fills, key=lambda fill: fill.symbol)
    renumbered = [replace(fill, seq=seq) for seq, fill in enumerate(by_symbol, start=1)]

    assert a_book(*renumbered).positions == a_book(*fills).positions
    assert a_book(*renumbered).daily == a_book(*fills).daily


@FEW
@given(fills=FILLS, again=st.lists(st.integers(0, 11), max_size=12))
def test_a_fill_counts_once_however_often_it_is_told(fills, again):
    book = a_book(*fills)

    told_again = [fills[index] for index in again if index < len(fills)]

    assert all(change_for(book, fill, AT) is None for fill in told_again)
    assert reduce(applied, told_again, book) is book


@FEW
@given(fills=FILLS)
def test_replaying_the_events_gives_the_live_book(fills):
    live, events = PositionBook.empty(ACCOUNT), []
    for fill in fills:
        events.append(change_for(live, fill, AT))
        live = evolve_book(live, events[-1])

    with localcontext(Context(prec=3)):
        replayed = reduce(evolve_book, events, PositionBook(account_id=ACCOUNT))

    assert replayed == live
    assert replayed.version == len(fills)


def test_numbers_far_beyond_28_digits_stay_exact():
    qty, px = Decimal("123456789.123456789012345678"), Decimal("987654321.987654321098765432")

    with localcontext(Context(prec=5)):
        cost = a_book(a_fill(1, "BUY", qty, px)).position(SAMSUNG).cost

    assert cost.as_integer_ratio() == (Fraction(qty) * Fraction(px)).as_integer_ratio()


def test_the_average_price_does_not_depend_on_the_context_of_the_caller():
    with localcontext(Context(prec=3)):
        average = Position(symbol=SAMSUNG, qty=Decimal(3), cost=Decimal(10)).avg_px

    assert str(average) == "3.333333333333333333333333333"


@pytest.mark.parametrize(
    ("fills", "topics"),
    [
        ([("BUY", 100)], ("position.opened", "pnl.daily")),
        ([("SELL", 100)], ("position.opened", "pnl.daily")),
        ([("BUY", 100), ("BUY", 1)], ("position.changed", "pnl.daily")),
        ([("BUY", 100), ("SELL", 99)], ("position.changed", "pnl.daily")),
        ([("SELL", 100), ("SELL", 1)], ("position.changed", "pnl.daily")),
        ([("BUY", 100), ("SELL", 100)], ("position.closed", "pnl.daily")),
        ([("SELL", 100), ("BUY", 100)], ("position.closed", "pnl.daily")),
        ([("BUY", 100), ("SELL", 101)], ("position.closed", "position.opened", "pnl.daily")),
        ([("SELL", 100), ("BUY", 101)], ("position.closed", "position.opened", "pnl.daily")),
        ([("BUY", 1), ("SELL", 1), ("BUY", 1)], ("position.opened", "pnl.daily")),
    ],
)
def test_a_change_is_published_under_what_it_was(fills, topics):
    *earlier, last = [a_fill(seq, *fill, 10) for seq, fill in enumerate(fills, start=1)]
    before = a_book(*earlier)

    change = change_for(before, last, AT)

    assert topics_of_change(before.position(SAMSUNG), change) == topics


def test_applying_an_event_twice_is_a_bug():
    empty = PositionBook.empty(ACCOUNT)
    change = change_for(empty, a_fill(1, "BUY", 1, 1), AT)

    with pytest.raises(AssertionError, match="twice"):
        evolve_book(evolve_book(empty, change), change)


def test_a_fill_without_quantity_is_a_bug():
    with pytest.raises(AssertionError, match="no quantity"):
        change_for(PositionBook.empty(ACCOUNT), a_fill(1, "BUY", 0, 1), AT)
