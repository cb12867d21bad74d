"""The broker's side: its book is the truth that the engine's record is held against.

It runs on a clock and a scheduler that outlive every engine, and knows no engine.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from domain.broker import (
    BrokerFill,
    BrokerNews,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
    CancelAck,
    ClientIdSupport,
    FillNews,
    OrderNews,
    OrderRef,
    OrderRequest,
    PlaceAck,
)
from domain.settings import Settings
from domain.terms import (
    ZERO,
    BrokerOrderId,
    ClientOrderId,
    ExecId,
    OrderType,
    Symbol,
    TimeInForce,
)
from infra.brokers.paper.orders import Account
from infra.brokers.paper.rules import Refusal, refused
from tests.simulation.book import MARKET_PX, OPEN, OPENING_CASH, Booked, fees_of, row_at, state_of
from tests.simulation.weather import Habits


class Exchange:
    """Takes orders, trades them as the seed says, and answers.

    Attributes:
        orders: Everything ever accepted, by arrival; nothing is hidden here.
        settings: The engine's, fees and trade dates among them.
        is_quiet: The market is closing: whatever is open ends soon, and nothing odd happens.
        publish: Where its news go.
        accepted: Told of every order that was accepted.
    """

    def __init__(
        self,
        clock: Any,
        settings: Settings,
        habits: Habits,
        random: Random,
        publish: Callable[[BrokerNews], None],
    ) -> None:
        self.orders: list[Booked] = []
        self.fills: list[tuple[datetime, BrokerFill, Booked]] = []
        self.account = Account(cash=OPENING_CASH)
        self.foreign_qty: dict[Symbol, Decimal] = {}
        self.is_quiet = False
        self.habits = habits
        self.publish = publish
        self.accepted: Callable[[Booked], None] = lambda _: None
        self._clock = clock
        self.settings = settings
        self._random = random
        self._named: dict[ClientOrderId, list[Booked]] = {}
        self._numbered: dict[tuple[Any, BrokerOrderId], Booked] = {}
        self._numbers: dict[Any, int] = {}

    def place(self, request: OrderRequest, *, is_ours: bool = True) -> PlaceAck:
        """Accept an order and let the market have it.

        Raises:
            RefusedError: Its terms are wrong, or its id is known where ids are unique.
        """
        habits = self.habits
        is_known = request.client_order_id in self._named
        if is_ours and is_known and habits.client_ids is ClientIdSupport.UNIQUE:
            text = f"The id {request.client_order_id} was used before."
            raise refused(Refusal.DUPLICATE, text)
        now = self._clock.now()
        day = self.settings.session.trade_date(now)
        self._numbers[day] = self._numbers.get(day, 0) + 1
        booked = Booked(
            number=BrokerOrderId(f"{self._numbers[day]:010d}"),
            trade_date=day,
            request=request,
            accepted_at=now,
            is_ours=is_ours,
            shown_from=now + timedelta(seconds=habits.hidden_s * self._random.random()),
            transact_time=now,
        )
        self.orders.append(booked)
        self._numbered[(day, booked.number)] = booked
        if is_ours:
            self._named.setdefault(request.client_order_id, []).append(booked)
        self.accepted(booked)
        self._change(booked)
        self._enter(booked)
        return PlaceAck(
            broker_order_id=booked.number,
            trade_date=day,
            fills=tuple(booked.fills) if habits.has_exec_ids and self._happens(0.5) else (),
        )

    def cancel(self, ref: OrderRef) -> CancelAck:
        """Take an order off the book, now or later.

        Raises:
            RefusedError: There is none, it has ended, or the broker does not want to.
        """
        booked = self._numbered.get((ref.trade_date, ref.broker_order_id))
        if booked is None:
            raise refused(Refusal.UNKNOWN_ORDER, "There is no such order.")
        if booked.state is BrokerState.CANCELLED:
            return CancelAck(is_done=True)
        if not booked.is_open or self._happens(self.habits.no_cancel):
            raise refused(Refusal.NOTHING_TO_CANCEL, f"The order is {booked.state}.")
        if not self.habits.cancel_s:
            self._end(booked, BrokerState.CANCELLED, "Cancelled by request.")
            return CancelAck(is_done=True)
        if not self._happens(self.habits.forgotten_cancel):
            wait_s = self.habits.cancel_s * self._random.random()
            self._clock.call_later(wait_s, lambda: self._cancel_now(booked))
        return CancelAck(is_done=False)

    def find(self, known: ClientOrderId) -> BrokerOrder | None:
        """Return the order of that id as it is shown, or None."""
        booked = next(iter(self._named.get(known, ())), None)
        if booked is None or booked.shown_from > self._clock.now():
            return None
        return booked.rows[-1]

    def list_orders(self, since: datetime, lag_s: float = 0.0) -> tuple[BrokerOrder, ...]:
        """Return what was open or changed since, as it was ``lag_s`` ago."""
        at = self._clock.now() - timedelta(seconds=lag_s)
        rows = (row_at(booked, at) for booked in self.orders if booked.shown_from <= at)
        return tuple(
            row
            for row in rows
            if row is not None and (row.state in OPEN or row.transact_time >= since)
        )

    def list_fills(self, since: datetime, lag_s: float = 0.0) -> tuple[BrokerFill, ...]:
        """Return the executions since, as they were shown ``lag_s`` ago."""
        if not self.habits.has_exec_ids:
            return ()
        at = self._clock.now() - timedelta(seconds=lag_s)
        return tuple(
            fill for shown, fill, _ in self.fills if shown <= at and fill.transact_time >= since
        )

    def positions(self) -> tuple[BrokerPosition, ...]:
        """Return what the account holds, whoever traded it."""
        return tuple(
            BrokerPosition(symbol=symbol, qty=held.qty, avg_px=held.avg_px)
            for symbol, held in sorted(self.account.holdings.items())
            if held.qty
        )

    def called(self, known: Any) -> list[Booked]:
        """Return every order of ours under that id; more than one is what must never be."""
        return self._named.get(known, [])

    def numbered(self, fill: Any) -> Booked | None:
        """Return the order that an execution names."""
        return self._numbered.get((fill.trade_date, fill.broker_order_id))

    def trade(self, booked: Booked, qty: Decimal, px: Decimal) -> None:
        """Execute a part of an order, whatever its state, and tell it."""
        now, request = self._clock.now(), booked.request
        fees = fees_of(self.habits, self.settings, booked, qty, px)
        is_told = self.habits.tells_fees
        fill = BrokerFill(
            client_order_id=self._shown_id(booked),
            broker_order_id=booked.number,
            trade_date=booked.trade_date,
            exec_id=ExecId(str(len(booked.fills) + 1)),
            symbol=request.symbol,
            side=request.side,
            last_qty=qty,
            last_px=px,
            commission=fees[0] if is_told else None,
            tax=fees[1] if is_told else None,
            transact_time=now,
        )
        booked.fills.append(fill)
        shown = now + timedelta(seconds=self.habits.hidden_s * self._random.random())
        self.fills.append((max(shown, booked.shown_from), fill, booked))
        self._book_cash(booked, fill, sum(fees))
        booked.cum_qty += qty
        booked.cum_amount += qty * px
        booked.state = state_of(booked)
        self._change(booked, tells=False)
        if self.habits.has_exec_ids:
            self.publish(FillNews(fill=fill))
        else:
            self.publish(OrderNews(order=booked.rows[-1]))

    def close(self) -> None:
        """End the day: market orders trade, limit orders trade or expire; nothing odd happens."""
        self.is_quiet = True
        for booked in self.orders:
            self._settle_later(booked)

    def intrude(self, request: OrderRequest) -> None:
        """Let somebody else trade on the account."""
        self.place(request, is_ours=False)

    def _enter(self, booked: Booked) -> None:
        habits, request = self.habits, booked.request
        if self._happens(habits.doomed):
            wait_s = 0.02 + self._random.random()
            self._clock.call_later(wait_s, lambda: self._reject(booked))
        elif request.time_in_force is not TimeInForce.DAY:
            self._trade_at_once(booked)
        elif habits.fill_s is None:
            if request.order_type is OrderType.MARKET:
                self.trade(booked, request.order_qty, MARKET_PX)
        elif self.is_quiet:
            self._settle_later(booked)
        elif request.order_type is OrderType.MARKET or self._happens(0.6):
            self._trade_later(booked)

    def _trade_at_once(self, booked: Booked) -> None:
        """IOC takes what there is, FOK all or nothing; the rest is cancelled."""
        qty = booked.request.order_qty
        share = self._random.random()
        if share < 0.4:
            self.trade(booked, qty, self._px(booked))
        elif share < 0.7 and booked.request.time_in_force is TimeInForce.IOC and qty > 1:
            self.trade(booked, Decimal(1 + int(self._random.random() * int(qty - 1))), MARKET_PX)
        if booked.is_open:
            self._end(booked, BrokerState.CANCELLED, "The rest was not traded at once.")

    def _trade_later(self, booked: Booked) -> None:
        assert self.habits.fill_s is not None, "a market without trading has no times"
        wait_s = self._random.expovariate(1.0) * self.habits.fill_s
        self._clock.call_later(wait_s, lambda: self._trade_part(booked))

    def _trade_part(self, booked: Booked) -> None:
        if not booked.is_open:
            return
        left = booked.leaves_qty
        is_last = len(booked.fills) + 1 >= self.habits.parts or self._happens(0.4)
        qty = left if is_last else Decimal(1 + int(self._random.random() * int(left)))
        qty = min(qty, left)
        if qty == left and self._happens(self.habits.overfill):
            qty += 1
        self.trade(booked, qty, self._px(booked))
        if booked.is_open:
            self._trade_later(booked)

    def _settle_later(self, booked: Booked) -> None:
        if booked.is_open:
            self._clock.call_later(1.0, lambda: self._settle(booked))

    def _settle(self, booked: Booked) -> None:
        if not booked.is_open:
            return
        if booked.request.order_type is OrderType.MARKET or self._happens(0.3):
            self.trade(booked, booked.leaves_qty, self._px(booked))
        else:
            self._end(booked, BrokerState.EXPIRED, "The session closed.")

    def _cancel_now(self, booked: Booked) -> None:
        if booked.is_open:
            self._end(booked, BrokerState.CANCELLED, "Cancelled by request.")

    def _reject(self, booked: Booked) -> None:
        if booked.is_open and not booked.cum_qty:
            self._end(booked, BrokerState.REJECTED, "The exchange refused the order.")

    def _end(self, booked: Booked, state: BrokerState, reason: str) -> None:
        booked.state, booked.reason = state, reason
        self._change(booked)
        if state is BrokerState.CANCELLED and self._happens(self.habits.crossing):
            wait_s = 2 * self._random.random()
            self._clock.call_later(wait_s, lambda: self._cross(booked))

    def _cross(self, booked: Booked) -> None:
        """Tell a trade that the cancel crossed."""
        is_hidden = booked.withdrawn_qty > 0 and not self.habits.has_exec_ids
        if booked.leaves_qty and not is_hidden:
            qty = Decimal(1 + int(self._random.random() * int(booked.leaves_qty - 1)))
            self.trade(booked, qty, self._px(booked))

    def _change(self, booked: Booked, *, tells: bool = True) -> None:
        now, request = self._clock.now(), booked.request
        booked.transact_time = now
        row = BrokerOrder(
            client_order_id=self._shown_id(booked),
            broker_order_id=booked.number,
            trade_date=booked.trade_date,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            order_qty=request.order_qty,
            limit_px=request.limit_px,
            cum_qty=booked.cum_qty,
            state=booked.state,
            reason=booked.reason,
            transact_time=now,
            placed_at=booked.accepted_at,
            cum_amount=None if self.habits.has_exec_ids else booked.cum_amount,
        )
        booked.times.append(now)
        booked.rows.append(row)
        if tells:
            self.publish(OrderNews(order=row))

    def _shown_id(self, booked: Booked) -> ClientOrderId | None:
        is_shown = booked.is_ours and self.habits.client_ids is not ClientIdSupport.NONE
        return booked.request.client_order_id if is_shown else None

    def _px(self, booked: Booked) -> Decimal:
        limit_px = booked.request.limit_px
        if limit_px is None:
            return MARKET_PX + 100 * int(self._random.random() * 3)
        return limit_px

    def _book_cash(self, booked: Booked, fill: BrokerFill, fees: Any) -> None:
        self.account.book(fill)
        if not self.habits.tells_fees:
            self.account.cash -= fees
        if not booked.is_ours:
            held = self.foreign_qty.get(fill.symbol, ZERO)
            self.foreign_qty[fill.symbol] = held + fill.side.sign * fill.last_qty
            # Oracle and engine count our money; theirs is shown apart.
            self.account.cash += fill.side.sign * fill.last_qty * fill.last_px + fees

    def _happens(self, probability: float) -> bool:
        return not self.is_quiet and probability > 0 and self._random.random() < probability
