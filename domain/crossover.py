"""A strategy to replay with: long while a fast average of closes is above a slow one, else flat.

It decides on the close of a bar, for the next bar; it never sells what it does not hold.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from domain.errors import InvalidInputError
from domain.money import exact, round_down
from domain.terms import ZERO, Side


class Stance(StrEnum):
    """What the averages say."""

    LONG = "LONG"
    FLAT = "FLAT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """What the strategy knows of one symbol.

    Attributes:
        fast: Bars in the fast average.
        slow: Bars in the slow average; more than in the fast one.
        closes: The latest ones, oldest first, at most ``slow``.
        stance: None until there are enough closes and the averages have differed once.

    Raises:
        InvalidInputError: The fast average is not the shorter one.
    """

    fast: int
    slow: int
    closes: tuple[Decimal, ...] = ()
    stance: Stance | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fast < self.slow:
            raise InvalidInputError(
                field="fast", problem="give a whole number above zero and below that of slow"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An order to tell before the next bar."""

    side: Side
    order_qty: Decimal


def observe(known: Crossover, close_px: Decimal) -> Crossover:
    """Return the state after one more close; averages that are equal change no stance."""
    closes = (*known.closes, close_px)[-known.slow :]
    if len(closes) < known.slow:
        return replace(known, closes=closes)
    with exact():
        # Both averages times fast times slow: no division, so no rounding decides a trade.
        fast = sum(closes[-known.fast :]) * known.slow
        slow = sum(closes) * known.fast
    if fast == slow:
        return replace(known, closes=closes)
    stance = Stance.LONG if fast > slow else Stance.FLAT
    return replace(known, closes=closes, stance=stance)


def decide(known: Crossover, *, held_qty: Decimal, affordable_qty: Decimal) -> Wish | None:
    """Return the order that brings the position to the stance, or None when it is there.

    Args:
        known: After the last close.
        held_qty: Shares held, none of them in an open order.
        affordable_qty: Whole lots that a buy may take.
    """
    if known.stance is Stance.LONG and held_qty == 0 and affordable_qty > 0:
        return Wish(side=Side.BUY, order_qty=affordable_qty)
    if known.stance is Stance.FLAT and held_qty > 0:
        return Wish(side=Side.SELL, order_qty=held_qty)
    return None


def affordable_qty(
    *, cash: Decimal, highest_px: Decimal, fee_rate: Decimal, lot: Decimal
) -> Decimal:
    """Return the whole lots that ``cash`` pays for, fees included, at the highest price."""
    with exact():
        cost = highest_px * (1 + fee_rate) * lot
        lots = round_down(cash, cost) / cost
    return max(lots, ZERO) * lot
