"""How the broker takes back what it has executed."""

from decimal import Decimal
from random import Random

from domain.terms import ZERO
from tests.simulation.book import Booked
from tests.simulation.exchange import Exchange


def withdraw(exchange: Exchange, booked: Booked, random: Random) -> None:
    """Take back the last execution that stands, or a part of it: an execution of its own."""
    most, px = last_standing(booked)
    # Open, it might trade as much at another price, and a total would hide both.
    is_hidden = booked.is_open and not exchange.habits.has_exec_ids
    if exchange.is_quiet or is_hidden or not most:
        return
    qty = most if random.random() < 0.5 else Decimal(1 + int(random.random() * int(most - 1)))
    booked.reason = "An execution was withdrawn."
    booked.withdrawn_qty += qty
    exchange.trade(booked, -qty, px)


def last_standing(booked: Booked) -> tuple[Decimal, Decimal]:
    """Return quantity and price of the last execution that was not withdrawn; 0 for none."""
    standing: list[tuple[Decimal, Decimal]] = [(ZERO, ZERO)]
    for fill in booked.fills:
        if fill.last_qty > 0:
            standing.append((fill.last_qty, fill.last_px))
            continue
        qty, px = standing.pop()
        if qty + fill.last_qty:
            standing.append((qty + fill.last_qty, px))
    return standing[-1]
