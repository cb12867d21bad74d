"""What is traded: its market, lot, ticks and price limits.

The KRX rules come from brokers/KIS.md section 12. Not confirmed there: the KOSPI ticks before
2023-01-25, and that KONEX had KOSDAQ's (KRX's own page has those of KOSDAQ). Since that day all
three markets share one table (press).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from domain.errors import InvalidInputError
from domain.money import exact, is_multiple, round_down, round_up
from domain.terms import ZERO, Side, Symbol


class Market(StrEnum):
    """Where an instrument is listed; decides its ticks and its sell tax."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
    KONEX = "KONEX"
    OTHER = "OTHER"  # Outside KRX: a fixed tick, no Korean tax.


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable thing.

    Attributes:
        name: For people only.
        lot: Orders are whole multiples of it, in shares.
        is_etf: An ETF, ETN or ELW: its own ticks and commission, no sell tax.
        tick: A fixed tick in place of the KRX table; required when the market is OTHER.
        price_limit: Daily limit as a part of the base price (KRX 0.3, KONEX 0.15); None: no limit.

    Raises:
        InvalidInputError: A field that no instrument can have.
    """

    symbol: Symbol
    market: Market = Market.KOSPI
    name: str = ""
    currency: str = "KRW"
    lot: Decimal = Decimal(1)
    is_etf: bool = False
    tick: Decimal | None = None
    price_limit: Decimal | None = Decimal("0.3")

    def __post_init__(self) -> None:
        if self.lot <= 0:
            raise InvalidInputError(field="lot", problem="give a lot above zero")
        if self.tick is None and self.market is Market.OTHER:
            raise InvalidInputError(
                field="tick", problem="give a tick: only KRX markets have a tick table"
            )
        if self.tick is not None and self.tick <= 0:
            raise InvalidInputError(field="tick", problem="give a tick above zero")
        if self.price_limit is not None and not 0 < self.price_limit < 1:
            raise InvalidInputError(
                field="price_limit", problem="give a part of the price, for example 0.3"
            )


def tick_size(instrument: Instrument, px: Decimal, on: date) -> Decimal:
    """Return the price step that holds at price ``px`` on that day."""
    if instrument.tick is not None:
        return instrument.tick
    for below, tick in _tick_table(instrument, on):
        if px < below:
            return tick
    return _top_tick(instrument, on)


def round_to_tick(instrument: Instrument, px: Decimal, on: date, side: Side) -> Decimal:
    """Return a price on a tick that is never better than ``px`` for that side.

    A buy is rounded up and a sell down. The lowest price is one tick, never zero.
    """
    tick = tick_size(instrument, px, on)
    # Every boundary of the tables is a multiple of the ticks on both of its sides, so that a
    # price rounded with its own tick is also on a tick where it lands.
    rounded = round_up(px, tick) if side is Side.BUY else round_down(px, tick)
    return max(rounded, tick)


def price_band(instrument: Instrument, base_px: Decimal, on: date) -> tuple[Decimal, Decimal]:
    """Return the lowest and the highest price allowed that day, both on a tick.

    Args:
        instrument: Its ``price_limit`` counts from the base price, rounded inside.
        base_px: The regular close of the day before.
        on: The trade date.

    Returns:
        Lowest, highest. Without a price limit: one tick, and ``Decimal("Infinity")``.
    """
    if instrument.price_limit is None:
        return tick_size(instrument, ZERO, on), Decimal("Infinity")
    with exact():
        width = base_px * instrument.price_limit
        lowest = round_to_tick(instrument, base_px - width, on, Side.BUY)
        highest = round_to_tick(instrument, base_px + width, on, Side.SELL)
    return lowest, highest


def is_on_tick(instrument: Instrument, px: Decimal, on: date) -> bool:
    """Return whether an order may carry this price."""
    return is_multiple(px, tick_size(instrument, px, on))


def is_on_lot(instrument: Instrument, order_qty: Decimal) -> bool:
    """Return whether the quantity is a whole number of lots."""
    return is_multiple(order_qty, instrument.lot)


BUILT_IN = (
    Instrument(symbol=Symbol("005930"), name="삼성전자"),
    Instrument(symbol=Symbol("000660"), name="SK하이닉스"),
    Instrument(symbol=Symbol("005380"), name="현대차"),
    Instrument(symbol=Symbol("035420"), name="NAVER"),
    Instrument(symbol=Symbol("035720"), name="카카오"),
    Instrument(symbol=Symbol("247540"), name="에코프로비엠", market=Market.KOSDAQ),
    Instrument(symbol=Symbol("069500"), name="KODEX 200", is_etf=True),
)

# A symbol that nobody described is taken for a KOSPI share: KRW, lot 1, limit 30 %, with sell tax.
KOSPI_DEFAULT = Instrument(symbol=Symbol("DEFAULT"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """The instruments we know.

    Attributes:
        default: What an unknown symbol is taken for; None refuses it.

    Raises:
        InvalidInputError: Two instruments with one symbol.
    """

    table: tuple[Instrument, ...] = BUILT_IN
    default: Instrument | None = KOSPI_DEFAULT
    _by_symbol: Mapping[Symbol, Instrument] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_symbol = {instrument.symbol: instrument for instrument in self.table}
        if len(by_symbol) != len(self.table):
            raise InvalidInputError(
                field="symbol", problem="give each symbol once in the table of instruments"
            )
        object.__setattr__(self, "_by_symbol", by_symbol)

    def get(self, symbol: Symbol) -> Instrument:
        """Return the instrument of that symbol, or the default under that symbol.

        Raises:
            InvalidInputError: Not in the table, and there is no default.
        """
        known = self._by_symbol.get(symbol)
        if known is not None:
            return known
        if self.default is None:
            problem = "not a known instrument; add it to the instruments file"
            raise InvalidInputError(field="symbol", problem=problem)
        return replace(self.default, symbol=symbol)


def _steps(*rows: tuple[int, int]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(below), Decimal(tick)) for below, tick in rows)


# (price below, tick), in KRW.
_SINCE_2023 = _steps(
    (2_000, 1), (5_000, 5), (20_000, 10), (50_000, 50), (200_000, 100), (500_000, 500)
)
_KOSPI_BEFORE_2023 = _steps(
    (1_000, 1), (5_000, 5), (10_000, 10), (50_000, 50), (100_000, 100), (500_000, 500)
)
_KOSDAQ_BEFORE_2023 = _steps((1_000, 1), (5_000, 5), (10_000, 10), (50_000, 50))
_ETF_NEW = _steps((2_000, 1))
_NEW_TICKS_FROM = date(2023, 1, 25)
# KRX announced tick 1 for ETFs below 2,000 on 2023-10-05; the press names 8 and 18 December as its
# first day. The later one is safe: a multiple of 5 is on tick either way.
_NEW_ETF_TICKS_FROM = date(2023, 12, 18)


def _tick_table(instrument: Instrument, on: date) -> tuple[tuple[Decimal, Decimal], ...]:
    if instrument.is_etf:
        return _ETF_NEW if on >= _NEW_ETF_TICKS_FROM else ()
    if on >= _NEW_TICKS_FROM:
        return _SINCE_2023
    return _KOSPI_BEFORE_2023 if instrument.market is Market.KOSPI else _KOSDAQ_BEFORE_2023


def _top_tick(instrument: Instrument, on: date) -> Decimal:
    """Above the last step of the table. KOSDAQ ended at 100 before 2023-01-25."""
    if instrument.is_etf:
        return Decimal(5)
    is_capped = instrument.market is not Market.KOSPI and on < _NEW_TICKS_FROM
    return Decimal(100) if is_capped else Decimal(1_000)
