"""Commission and sell tax."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fees import Charges, FeeSchedule, TaxRate, charges
from domain.instrument import Instrument, Market
from domain.session import Session
from domain.terms import Side, Symbol

LAW = FeeSchedule()
KRX = Session()


def a_share(**changes):
    return Instrument(**{"symbol": Symbol("005930"), **changes})


def charged(side=Side.SELL, *, instrument=None, qty=100, px=72_000, on="2024-01-03", schedule=LAW):
    day = date.fromisoformat(on)
    share = instrument or a_share()
    terms = {"last_qty": Decimal(qty), "last_px": Decimal(px), "trade_date": day}
    return charges(schedule, share, side=side, session=KRX, **terms)


def test_a_sell_pays_commission_and_tax():
    # 7,200,000 x 0.000140527 = 1011.79; x 0.0018 = 12,960.
    assert charged() == Charges(commission=Decimal(1011), tax=Decimal(12_960))


def test_a_buy_pays_commission_only():
    assert charged(Side.BUY) == Charges(commission=Decimal(1011), tax=Decimal(0))


def test_an_etf_pays_its_own_commission_and_no_tax():
    # 7,200,000 x 0.000146527 = 1054.99.
    etf = a_share(is_etf=True)

    assert charged(instrument=etf) == Charges(commission=Decimal(1054), tax=Decimal(0))


@pytest.mark.parametrize(
    ("traded", "kospi", "konex"),
    [
        ("2018-05-04", "0.0030", "0.0030"),
        ("2019-05-29", "0.0030", "0.0030"),  # Settles on Friday 31 May.
        ("2019-05-30", "0.0025", "0.0010"),  # Settles on Monday 3 June.
        ("2020-12-28", "0.0025", "0.0010"),
        ("2020-12-29", "0.0023", "0.0010"),
        ("2022-12-27", "0.0023", "0.0010"),
        ("2022-12-28", "0.0020", "0.0010"),
        ("2023-12-26", "0.0020", "0.0010"),
        ("2023-12-27", "0.0018", "0.0010"),
        ("2024-12-26", "0.0018", "0.0010"),
        ("2024-12-27", "0.0015", "0.0010"),
        ("2025-12-26", "0.0015", "0.0010"),
        ("2025-12-29", "0.0020", "0.0010"),
    ],
)
def test_the_tax_goes_by_market_and_day_of_settlement(traded, kospi, konex):
    amount = Decimal(7_200_000)

    for market, rate in ((Market.KOSPI, kospi), (Market.KOSDAQ, kospi), (Market.KONEX, konex)):
        assert charged(instrument=a_share(market=market), on=traded).tax == amount * Decimal(rate)


def test_a_market_without_a_row_is_not_taxed_and_rounds_to_cents():
    foreign = a_share(market=Market.OTHER, tick=Decimal("0.01"), currency="USD")
    dear = FeeSchedule(commission_rate=Decimal("0.0025"))

    assert charged(instrument=foreign, qty=3, px="33.33", schedule=dear) == Charges(
        commission=Decimal("0.24"), tax=Decimal(0)
    )


def test_the_order_of_the_tax_table_does_not_matter():
    rows = tuple(
        TaxRate(market=Market.KOSPI, settles_from=date(year, 1, 1), rate=Decimal(rate))
        for year, rate in ((2024, "0.02"), (2023, "0.01"), (2025, "0.03"))
    )

    assert charged(schedule=FeeSchedule(taxes=rows)).tax == 144_000


@given(qty=st.integers(1, 10**9), px=st.integers(1, 10**6), side=st.sampled_from(Side))
def test_charges_are_whole_won_and_below_the_exact_amount_by_less_than_one(qty, px, side):
    fees = charged(side, qty=qty, px=px)
    exact = Decimal(qty) * px * LAW.commission_rate

    assert fees.commission == int(fees.commission)
    assert 0 <= exact - fees.commission < 1
    assert fees.tax == (Decimal(qty) * px * Decimal("0.0018") // 1 if side is Side.SELL else 0)
