"""What a trade costs by the market's own table, when the broker does not say.

Source: brokers/KIS.md section 12. Commission rates are those of KIS's online accounts and differ
by account. That every amount is rounded down to whole won is not confirmed there; neither are the
tax rates before 2023, nor that one rate is rounded where the law has two (0.05 % and 0.15 %).
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.instrument import Instrument, Market
from domain.money import exact, round_down
from domain.session import Session
from domain.terms import ZERO, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """Sell tax as a part of the amount sold, for trades that settle on that day or later."""

    market: Market
    settles_from: date
    rate: Decimal


def _rates(market: Market, *rows: tuple[date, str]) -> tuple[TaxRate, ...]:
    return tuple(TaxRate(market=market, settles_from=day, rate=Decimal(rate)) for day, rate in rows)


# Securities transaction tax with the rural special tax, which is levied on KOSPI only; from 2019
# on their sum is the same on KOSPI and KOSDAQ.
_SHARE_TAXES = (
    (date.min, "0.0030"),
    (date(2019, 6, 3), "0.0025"),
    (date(2021, 1, 1), "0.0023"),
    (date(2023, 1, 1), "0.0020"),
    (date(2024, 1, 1), "0.0018"),
    (date(2025, 1, 1), "0.0015"),
    (date(2026, 1, 1), "0.0020"),
)
KRX_TAXES = (
    *_rates(Market.KOSPI, *_SHARE_TAXES),
    *_rates(Market.KOSDAQ, *_SHARE_TAXES),
    *_rates(Market.KONEX, (date.min, "0.0030"), (date(2019, 6, 3), "0.0010")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSchedule:
    """An account's commission, on both sides, and the taxes of its markets."""

    commission_rate: Decimal = Decimal("0.000140527")
    etf_commission_rate: Decimal = Decimal("0.000146527")
    taxes: tuple[TaxRate, ...] = KRX_TAXES


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """What one fill costs, in the instrument's currency."""

    commission: Decimal
    tax: Decimal


def charges(
    schedule: FeeSchedule,
    instrument: Instrument,
    *,
    side: Side,
    last_qty: Decimal,
    last_px: Decimal,
    trade_date: date,
    session: Session,
) -> Charges:
    """Return commission and tax of one fill, each rounded down to the smallest unit.

    Args:
        schedule: The account's rates.
        instrument: Its market, and whether it is an ETF.
        side: Only sells are taxed, at a loss as well.
        last_qty: Shares of this fill.
        last_px: Price of this fill.
        trade_date: The exchange's calendar day.
        session: Its business days: the tax goes by the day of settlement.
    """
    rate = schedule.etf_commission_rate if instrument.is_etf else schedule.commission_rate
    is_taxed = side is Side.SELL and not instrument.is_etf
    settles = session.settlement_date(trade_date)
    tax_rate = _tax_rate(schedule, instrument.market, settles) if is_taxed else ZERO
    unit = Decimal(1) if instrument.currency == "KRW" else Decimal("0.01")
    with exact():
        amount = last_qty * last_px
        return Charges(
            commission=round_down(amount * rate, unit), tax=round_down(amount * tax_rate, unit)
        )


def _tax_rate(schedule: FeeSchedule, market: Market, settles: date) -> Decimal:
    """The newest rate that holds on that day; none for a market without a row."""
    rows = [row for row in schedule.taxes if row.market is market and row.settles_from <= settles]
    return max(rows, key=lambda row: row.settles_from).rate if rows else ZERO
