"""Ticks, lots, price bands and the table of instruments."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInputError
from domain.instrument import (
    BUILT_IN,
    Instrument,
    Instruments,
    Market,
    is_on_lot,
    is_on_tick,
    price_band,
    round_to_tick,
    tick_size,
)
from domain.terms import Side, Symbol

OLD = date(2023, 1, 24)
NEW = date(2023, 1, 25)
ETF_OLD = date(2023, 12, 17)
ETF_NEW = date(2023, 12, 18)
DAYS = st.sampled_from([OLD, NEW, ETF_OLD, ETF_NEW])
PRICES = st.decimals(min_value="0.01", max_value=2_000_000, places=2)


def an_instrument(**changes):
    return Instrument(**{"symbol": Symbol("005930"), **changes})


INSTRUMENTS = st.sampled_from(
    [
        an_instrument(),
        an_instrument(market=Market.KOSDAQ),
        an_instrument(market=Market.KONEX, price_limit=Decimal("0.15")),
        an_instrument(is_etf=True),
        an_instrument(market=Market.OTHER, tick=Decimal("0.01"), currency="USD"),
    ]
)


@pytest.mark.parametrize(
    ("px", "kospi_old", "kosdaq_old", "new"),
    [
        (1, 1, 1, 1),
        (999, 1, 1, 1),
        (1_000, 5, 5, 1),
        (1_999, 5, 5, 1),
        (2_000, 5, 5, 5),
        (4_999, 5, 5, 5),
        (5_000, 10, 10, 10),
        (9_999, 10, 10, 10),
        (10_000, 50, 50, 10),
        (19_999, 50, 50, 10),
        (20_000, 50, 50, 50),
        (49_999, 50, 50, 50),
        (50_000, 100, 100, 100),
        (99_999, 100, 100, 100),
        (100_000, 500, 100, 100),
        (199_999, 500, 100, 100),
        (200_000, 500, 100, 500),
        (499_999, 500, 100, 500),
        (500_000, 1_000, 100, 1_000),
        (3_000_000, 1_000, 100, 1_000),
    ],
)
def test_shares_have_the_ticks_of_their_market_and_day(px, kospi_old, kosdaq_old, new):
    kospi, kosdaq = an_instrument(), an_instrument(market=Market.KOSDAQ)
    konex = an_instrument(market=Market.KONEX)
    price = Decimal(px)

    assert tick_size(kospi, price, OLD) == kospi_old
    assert tick_size(kosdaq, price, OLD) == tick_size(konex, price, OLD) == kosdaq_old
    assert {tick_size(one, price, NEW) for one in (kospi, kosdaq, konex)} == {new}


@pytest.mark.parametrize(
    ("px", "on", "tick"),
    [
        (1_000, ETF_OLD, 5),
        (30_000, OLD, 5),
        (1_999, ETF_NEW, 1),
        (2_000, ETF_NEW, 5),
        (30_000, ETF_NEW, 5),
    ],
)
def test_etfs_have_ticks_of_their_own(px, on, tick):
    assert tick_size(an_instrument(is_etf=True), Decimal(px), on) == tick


def test_a_fixed_tick_goes_before_the_tables():
    foreign = an_instrument(market=Market.OTHER, tick=Decimal("0.01"))

    assert tick_size(foreign, Decimal(700_000), NEW) == Decimal("0.01")


@pytest.mark.parametrize(
    ("px", "side", "rounded"),
    [
        ("70010", Side.BUY, 70_100),
        ("70010", Side.SELL, 70_000),
        ("70000", Side.BUY, 70_000),
        ("70000", Side.SELL, 70_000),
        ("199950", Side.BUY, 200_000),
        ("200100", Side.SELL, 200_000),
        ("0.4", Side.BUY, 1),
        ("0.4", Side.SELL, 1),
    ],
)
def test_a_buy_is_rounded_up_and_a_sell_down(px, side, rounded):
    assert round_to_tick(an_instrument(), Decimal(px), NEW, side) == rounded


@given(instrument=INSTRUMENTS, px=PRICES, on=DAYS)
def test_rounding_to_a_tick_is_never_better_than_the_price(instrument, px, on):
    buy = round_to_tick(instrument, px, on, Side.BUY)
    sell = round_to_tick(instrument, px, on, Side.SELL)

    assert buy >= px
    assert sell <= px or sell == tick_size(instrument, px, on)
    assert is_on_tick(instrument, buy, on)
    assert is_on_tick(instrument, sell, on)


@pytest.mark.parametrize(
    ("base", "lowest", "highest"),
    [(70_000, 49_000, 91_000), (4_995, 3_500, 6_490), (1_543, 1_081, 2_005), (1, 1, 1)],
)
def test_the_price_band_is_30_percent_rounded_inside(base, lowest, highest):
    assert price_band(an_instrument(), Decimal(base), NEW) == (lowest, highest)


@given(instrument=INSTRUMENTS, base=PRICES, on=DAYS)
def test_the_price_band_lies_inside_the_limit_and_on_ticks(instrument, base, on):
    lowest, highest = price_band(instrument, base, on)

    assert lowest >= base * (1 - instrument.price_limit)
    assert highest <= base * (1 + instrument.price_limit) or highest == tick_size(
        instrument, base, on
    )
    assert is_on_tick(instrument, lowest, on)
    assert is_on_tick(instrument, highest, on)


def test_without_a_price_limit_any_price_is_inside():
    foreign = an_instrument(market=Market.OTHER, tick=Decimal("0.01"), price_limit=None)

    assert price_band(foreign, Decimal(5), NEW) == (Decimal("0.01"), Decimal("Infinity"))


def test_only_whole_lots_are_on_lot():
    by_ten = an_instrument(lot=Decimal(10))

    assert is_on_lot(by_ten, Decimal("30.0"))
    assert not is_on_lot(by_ten, Decimal(35))
    assert not is_on_lot(an_instrument(), Decimal("0.5"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lot": Decimal(0)}, "lot"),
        ({"market": Market.OTHER}, "tick"),
        ({"tick": Decimal(-1)}, "tick"),
        ({"price_limit": Decimal(0)}, "price_limit"),
        ({"price_limit": Decimal(30)}, "price_limit"),
    ],
)
def test_an_impossible_instrument_is_refused(changes, field):
    with pytest.raises(InvalidInputError) as refused:
        an_instrument(**changes)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("symbol", "name", "market", "is_etf"),
    [
        ("005930", "삼성전자", Market.KOSPI, False),
        ("247540", "에코프로비엠", Market.KOSDAQ, False),
        ("069500", "KODEX 200", Market.KOSPI, True),
    ],
)
def test_known_symbols_come_from_the_table(symbol, name, market, is_etf):
    found = Instruments().get(Symbol(symbol))

    assert (found.symbol, found.name, found.market, found.is_etf) == (symbol, name, market, is_etf)


def test_an_unknown_symbol_is_taken_for_a_kospi_share():
    assert Instruments().get(Symbol("123456")) == Instrument(symbol=Symbol("123456"))


def test_without_a_default_an_unknown_symbol_is_refused():
    with pytest.raises(InvalidInputError, match=r"^symbol: not a known instrument"):
        Instruments(default=None).get(Symbol("123456"))


def test_a_symbol_stands_once_in_the_table():
    with pytest.raises(InvalidInputError, match="symbol"):
        Instruments(table=(*BUILT_IN, BUILT_IN[0]))


def test_tables_with_the_same_content_are_equal_and_hashable():
    assert Instruments() == Instruments()
    assert len({Instruments(), Instruments(), Instruments(default=None)}) == 2
