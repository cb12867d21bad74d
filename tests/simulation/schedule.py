"""What the trading runner tells on one day: signals, repeats, conflicts, nonsense and cancels."""

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

from domain.ids import client_order_id
from domain.settings import PAPER
from domain.signal import Cancel, Signal
from domain.terms import OrderType, Side, SignalId, StrategyId, Symbol, TimeInForce

SYMBOLS = (Symbol("005930"), Symbol("000660"), Symbol("069500"))
STRATEGIES = (StrategyId(""), StrategyId("alpha"), StrategyId("beta"))
ALIKE_QTY = Decimal(10)
PRICES = (60_000, 69_900, 70_000, 70_100, 71_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One thing to tell.

    Attributes:
        at_s: When, from the beginning of the day.
        content: A Signal, a Cancel, or a mapping of nonsense.
        kind: ``signal`` and ``cancel`` are told until they are acknowledged; ``repeat``,
            ``conflict``, ``nonsense`` and ``bare`` are told once.
        order: The client order id that it is about; empty for nonsense.
    """

    at_s: float
    content: Any
    kind: str
    order: str = ""


def schedule(random: Random, *, orders: int, span_s: float, are_alike: bool = False) -> list[Wish]:
    """Return a day's wishes, in the order of their time; ``are_alike``: most look the same."""
    wishes: list[Wish] = []
    for number in range(orders):
        signal = _signal(random, number)
        if are_alike:
            signal = replace(signal, symbol=SYMBOLS[0], order_qty=ALIKE_QTY)
        at_s = random.random() * span_s
        wishes += _about(random, signal, at_s)
    return sorted(wishes, key=lambda wish: wish.at_s)


def _signal(random: Random, number: int) -> Signal:
    choice = random.choice
    is_limit = random.random() < 0.45
    return Signal(
        signal_id=SignalId(f"s-{number}"),
        account_id=PAPER,
        symbol=choice(SYMBOLS),
        strategy_id=STRATEGIES[number % 3],
        side=choice((Side.BUY, Side.SELL)),
        order_qty=Decimal(choice((1, 2, 10, 50, 100))),
        order_type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        limit_px=Decimal(choice(PRICES)) if is_limit else None,
        time_in_force=choice(
            (TimeInForce.DAY,) * 4
            + ((TimeInForce.IOC, TimeInForce.FOK) if is_limit else (TimeInForce.DAY,))
        ),
    )


def _about(random: Random, signal: Signal, at_s: float) -> list[Wish]:
    known = client_order_id(signal.account_id, signal.signal_id)
    wishes = [Wish(at_s=at_s, content=signal, kind="signal", order=known)]
    if random.random() < 0.1:
        early = Wish(at_s=at_s, content=signal, kind="bare", order=known)
        wishes.insert(0, early)
    for _ in range(random.choice((0, 0, 1, 2))):
        again_s = at_s + random.random() * random.choice((0.01, 1.0, 20.0))
        wishes.append(Wish(at_s=again_s, content=signal, kind="repeat", order=known))
    if random.random() < 0.1:
        other = replace(signal, order_qty=signal.order_qty + 1)
        later_s = at_s + random.random() * 10
        wishes.append(Wish(at_s=later_s, content=other, kind="conflict", order=known))
    if random.random() < 0.1:
        wishes.append(Wish(at_s=at_s, content=_nonsense(random, signal), kind="nonsense"))
    if random.random() < (0.5 if signal.limit_px else 0.2):
        cancel_s = at_s + random.random() * random.choice((0.05, 2.0, 10.0))
        content = Cancel(signal_id=signal.signal_id, account_id=PAPER, reason="not wanted")
        wishes.append(Wish(at_s=cancel_s, content=content, kind="cancel", order=known))
    return wishes


def _nonsense(random: Random, signal: Signal) -> Any:
    bad_id = SignalId(f"bad-{signal.signal_id}")
    return random.choice(
        (
            replace(signal, signal_id=bad_id, order_qty=Decimal(0)),
            replace(signal, signal_id=bad_id, order_qty=Decimal("1.5")),
            replace(
                signal, signal_id=bad_id, order_type=OrderType.LIMIT, limit_px=Decimal("70000.5")
            ),
            replace(signal, signal_id=bad_id, order_type=OrderType.MARKET, limit_px=Decimal(1)),
            {"signal_id": "bad", "account_id": PAPER, "symbol": "005930", "quantity": 3},
            {"signal_id": "bad", "account_id": "other", "symbol": "005930", "side": "BUY"},
        )
    )
