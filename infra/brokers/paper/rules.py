"""What the broker refuses at the door, with the codes of KIS's paper service.

Source of the codes: brokers/KIS.md section 10, "Paper". DUPLICATE is ours: KIS has no client ids.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from domain.broker import OrderRequest
from domain.errors import InvalidInputError, RefusedError
from domain.instrument import Instrument, Instruments, is_on_lot, is_on_tick, price_band
from domain.money import exact
from domain.terms import OrderType, Side
from infra.brokers.paper.market import PaperMarket, Quote
from infra.brokers.paper.orders import Account


class Refusal(StrEnum):
    """The broker's code; its text says the rest."""

    DUPLICATE = "DUPLICATE"
    CLOSED = "40580000"
    NO_CASH = "40250000"
    NO_HOLDINGS = "40240000"
    OUTSIDE_BAND = "40270000"
    OFF_TICK = "40030000"
    NOT_TRADABLE = "40070000"
    BAD_TERMS = "40310000"
    UNKNOWN_ORDER = "40320000"
    NOTHING_TO_CANCEL = "40330000"


def refused(code: Refusal, text: str) -> RefusedError:
    """Return the refusal to raise."""
    return RefusedError(f"{text} [{code}]", code=code)


def check_terms(
    request: OrderRequest, instruments: Instruments, market: PaperMarket, on: date
) -> Instrument:
    """Return what is to be traded.

    Raises:
        RefusedError: Symbol, quantity, lot, type or price cannot be ordered that day.
    """
    symbol = request.symbol
    try:
        instrument = instruments.get(symbol)
    except InvalidInputError as error:
        raise refused(Refusal.NOT_TRADABLE, f"{symbol} is not traded here.") from error
    if market.is_halted(symbol):
        raise refused(Refusal.NOT_TRADABLE, f"{symbol} is halted.")
    if request.order_qty <= 0 or not is_on_lot(instrument, request.order_qty):
        text = f"The quantity {request.order_qty} is not whole lots of {instrument.lot}."
        raise refused(Refusal.BAD_TERMS, text)
    quote = market.quote(symbol)
    if (request.order_type is OrderType.LIMIT) != (request.limit_px is not None):
        raise refused(Refusal.BAD_TERMS, "A limit price belongs to a limit order, and only there.")
    if request.limit_px is not None:
        _check_limit(request.limit_px, instrument, quote, on)
    elif quote is None:
        raise refused(Refusal.NOT_TRADABLE, f"{symbol} has no price yet for a market order.")
    return instrument


def _check_limit(px: Decimal, instrument: Instrument, quote: Quote | None, on: date) -> None:
    if px <= 0 or not is_on_tick(instrument, px, on):
        raise refused(Refusal.OFF_TICK, f"The limit price {px} is not on a tick.")
    if quote is None:
        return
    lowest, highest = price_band(instrument, quote.base_px, on)
    if not lowest <= px <= highest:
        text = f"The limit price {px} is outside {lowest} to {highest}."
        raise refused(Refusal.OUTSIDE_BAND, text)


def reserve_px(
    request: OrderRequest, instrument: Instrument, market: PaperMarket, on: date
) -> Decimal:
    """Return the most that one share of a buy can cost: the limit, or the upper price limit."""
    if request.limit_px is not None:
        return request.limit_px
    quote = market.quote(request.symbol)
    assert quote is not None, "check_terms refuses a market order without a price"
    _, highest = price_band(instrument, quote.base_px, on)
    return max(highest, quote.last_px) if highest.is_finite() else quote.last_px


def check_means(
    request: OrderRequest, account: Account, needed: Decimal, *, shorting: bool
) -> None:
    """Look whether the account can pay or deliver; what open orders claim is not free.

    Raises:
        RefusedError: Less cash than ``needed`` for a buy, or less shares than sold.
    """
    if request.side is Side.BUY:
        with exact():
            free = account.cash - account.reserved_cash
        if needed > free:
            raise refused(Refusal.NO_CASH, f"The order needs {needed}; {free} is free.")
    elif not shorting and request.order_qty > account.sellable(request.symbol):
        text = f"{account.sellable(request.symbol)} shares of {request.symbol} can be sold."
        raise refused(Refusal.NO_HOLDINGS, text)
