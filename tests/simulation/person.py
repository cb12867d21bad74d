"""A person at the broker's screen: trades by hand, and decides about orders in doubt."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from domain.broker import ClientIdSupport, OrderRequest
from domain.errors import EngineStoppedError
from domain.order import Order
from domain.settings import PAPER
from domain.signal import Resolve, Signal
from domain.terms import (
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    Symbol,
    TimeInForce,
    Verdict,
)
from tests.simulation.book import Booked

LOOK_S = 0.5
BY_HAND = ClientOrderId("by hand")
# Nothing of ours is of that size: without ids only a twin may look like one of ours.
HAND_QTY = Decimal(7)
STALE_S = 0.5


class Person:
    """Sees the broker's book as it is, whatever the network does.

    Args:
        day: Whose exchange, oracle, weather and engine these are.
    """

    def __init__(self, day: Any) -> None:
        self._day = day
        self._since_s: dict[str, float] = {}
        self._looked_at: set[str] = set()

    def intrude(self) -> None:
        """Trade on the account by hand, now and then just what we trade."""
        day, random = self._day, self._day.random
        is_nameless = day.weather.habits.client_ids is ClientIdSupport.NONE
        request = OrderRequest(
            client_order_id=BY_HAND,
            symbol=Symbol("005930"),
            side=random.choice((Side.BUY, Side.SELL)),
            order_qty=HAND_QTY if is_nameless else Decimal(random.choice((1, 10))),
            order_type=OrderType.MARKET,
            limit_px=None,
            time_in_force=TimeInForce.DAY,
        )
        ours = [booked.request for booked in day.exchange.orders if booked.is_ours]
        if ours and not is_nameless and random.random() < day.weather.habits.twins:
            request = replace(random.choice(ours), client_order_id=request.client_order_id)
        day.exchange.intrude(request)

    def look(self) -> None:
        """Decide about each order that has been in doubt for long enough; look again soon."""
        day = self._day
        day.timeline.push(LOOK_S, self.look)  # First: the engine may be killed while it is asked.
        now_s, settle_s = day.timeline.now_s, day.weather.resolves_s
        doubted = [each for each in day.oracle.orders.values() if _is_doubted(each)]
        since_s = {each.client_order_id: now_s for each in doubted} | {
            each.client_order_id: self._since_s[each.client_order_id]
            for each in doubted
            if each.client_order_id in self._since_s
        }
        self._since_s = since_s
        for order in doubted:
            self._trade_alike(order)
            if now_s - since_s[order.client_order_id] >= settle_s:
                since_s[order.client_order_id] = now_s
                self._decide(order)

    def _decide(self, order: Order) -> None:
        day, known = self._day, order.client_order_id
        theirs = day.exchange.called(known)
        if day.main is None or (day.oracle.flying[known] and not theirs):
            return
        wish = Resolve(
            signal_id=order.signal.signal_id,
            account_id=PAPER,
            verdict=Verdict.ADOPT if theirs else Verdict.ABSENT,
            reason="by the broker's list",
            broker_order_id=theirs[0].number if theirs else None,
            trade_date=theirs[0].trade_date if theirs else None,
        )
        day.note(known, f"a person says {wish.verdict} {wish.broker_order_id or ''}")
        with suppress(EngineStoppedError):
            day.main.engine.ask(wish).add_done_callback(self._answered)

    def _answered(self, done: Any) -> None:
        self._day.counts["unresolved" if done.exception() else "resolved"] += 1

    def _trade_alike(self, order: Order) -> None:
        """Trade what looks like an order in doubt that the broker has and shows by now.

        And that is the only one of its look today: of two that look the same, of which only the
        twin is there, nobody could tell.
        """
        day, known = self._day, order.client_order_id
        theirs = [booked for booked in day.exchange.called(known) if self._is_shown(booked)]
        if known in self._looked_at or not theirs or day.is_healed:
            return
        self._looked_at.add(known)
        looks = [_look(signal) for signal in day.oracle.signals.values()]
        is_alone = looks.count(_look(order.signal)) == 1
        if is_alone and day.random.random() < day.weather.habits.twins:
            request = replace(theirs[0].request, client_order_id=BY_HAND)
            day.note(known, "a person trades the same by hand")
            day.exchange.intrude(request)

    def _is_shown(self, booked: Booked) -> bool:
        age_s = (self._day.clock.now() - booked.shown_from).total_seconds()
        return age_s > STALE_S


def _is_doubted(order: Order) -> bool:
    return order.status is OrderStatus.IN_DOUBT


def _look(terms: Signal | OrderRequest) -> tuple[Any, ...]:
    return (terms.symbol, terms.side, terms.order_qty, terms.order_type, terms.limit_px)
