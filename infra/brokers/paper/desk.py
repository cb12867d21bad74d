"""The broker's decisions: whether an order is accepted, and what it trades. It writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from domain.broker import BrokerState, OrderRequest
from domain.fees import Charges, FeeSchedule, charges
from domain.instrument import Instrument, Instruments
from domain.session import Session
from domain.terms import ZERO, AccountId, ClientOrderId, Side, TimeInForce
from infra.brokers.paper.book import Book
from infra.brokers.paper.market import PaperMarket, Quote
from infra.brokers.paper.matching import (
    Match,
    closed,
    executed,
    is_out_of_reach,
    match,
    withdrawn,
)
from infra.brokers.paper.orders import Due, Execution, PaperOrder
from infra.brokers.paper.rules import Refusal, check_means, check_terms, refused, reserve_px


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the broker trades, when, and for how much."""

    instruments: Instruments
    session: Session
    fees: FeeSchedule
    shorting: bool
    client_ids: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """An order after it met a quote, and its execution there, or None."""

    order: PaperOrder
    execution: Execution | None


class Desk:
    """Reads the book and the market. What it takes of a quote's volume is gone."""

    def __init__(self, book: Book, market: PaperMarket, rules: Rules) -> None:
        self._book = book
        self._market = market
        self._rules = rules

    def accept(self, account_id: AccountId, request: OrderRequest, now: datetime) -> PaperOrder:
        """Return the order with its number.

        Raises:
            RefusedError: It is not accepted.
        """
        is_known = self._book.named(account_id, request.client_order_id) is not None
        if is_known and self._rules.client_ids:
            text = f"The client order id {request.client_order_id} was used before."
            raise refused(Refusal.DUPLICATE, text)
        if not self._rules.session.is_open(now):
            raise refused(Refusal.CLOSED, "The market is closed.")
        on = self._rules.session.trade_date(now)
        instrument = check_terms(request, self._rules.instruments, self._market, on)
        px, fee = ZERO, ZERO
        if request.side is Side.BUY:
            px = reserve_px(request, instrument, self._market, on)
            fee = self._charges(instrument, request.side, request.order_qty, px, on).commission
        order = self._numbered(account_id, request, now, (px, fee))
        if is_known:
            # Its own book tells the two apart; nobody else is told of ids.
            again = ClientOrderId(f"{order.client_order_id}~{order.seq}")
            order = replace(order, client_order_id=again)
        account = self._book.account(account_id, now)
        check_means(request, account, order.reserved_cash, shorting=self._rules.shorting)
        return order

    def enter(self, order: PaperOrder, now: datetime) -> Traded:
        """Let a new order meet the last quote; IOC and FOK keep nothing working after it."""
        quote = self._market.quote(order.symbol)
        traded = Traded(order=order, execution=None)
        if quote is not None:
            traded = self._meet(order, quote, now)
        if order.time_in_force is TimeInForce.DAY or not traded.order.is_open:
            return traded
        reason = f"{order.time_in_force}: the rest could not trade at once."
        rest = closed(traded.order, BrokerState.CANCELLED, reason, now)
        return Traded(order=rest, execution=traded.execution)

    def trade(self, quote: Quote, now: datetime) -> Sequence[Traded]:
        """Return the resting orders that trade on ``quote``, in time priority."""
        if not self._rules.session.is_open(now):
            return ()
        resting = (
            each
            for each in self._book.resting(quote.symbol)
            if each.due is not Due.REJECT and not is_out_of_reach(each, quote)
        )
        results = (self._meet(order, quote, now) for order in resting)
        return [each for each in results if each.execution is not None]

    def closes_at(self, order: PaperOrder) -> datetime:
        """Return when an order that is still open expires."""
        return self._rules.session.close_of(order.trade_date)

    def bust(self, order: PaperOrder, qty: Decimal, now: datetime) -> Traded:
        """Return the order with ``qty`` of its last execution withdrawn, the fees given back."""
        last = next(e.fill for e in reversed(self._book.executions()) if e.order_seq == order.seq)
        assert ZERO < qty <= last.last_qty, f"the last execution of {order.seq} is smaller"
        instrument = self._rules.instruments.get(order.symbol)
        costs = self._charges(instrument, order.side, qty, last.last_px, order.trade_date)
        after, execution = withdrawn(order, Match(qty=qty, px=last.last_px), costs, now)
        return Traded(order=after, execution=execution)

    def _meet(self, order: PaperOrder, quote: Quote, now: datetime) -> Traded:
        available = self._market.available(order.symbol)
        if available == 0:
            return Traded(order=order, execution=None)
        instrument = self._rules.instruments.get(order.symbol)
        found = match(order, quote, available, instrument)
        if found is None:
            return Traded(order=order, execution=None)
        self._market.take(order.symbol, found.qty)
        costs = self._charges(instrument, order.side, found.qty, found.px, order.trade_date)
        after, execution = executed(order, found, costs, now)
        return Traded(order=after, execution=execution)

    def _charges(
        self, instrument: Instrument, side: Side, qty: Decimal, px: Decimal, on: date
    ) -> Charges:
        return charges(
            self._rules.fees,
            instrument,
            side=side,
            last_qty=qty,
            last_px=px,
            trade_date=on,
            session=self._rules.session,
        )

    def _numbered(
        self,
        account_id: AccountId,
        request: OrderRequest,
        now: datetime,
        reserve: tuple[Decimal, Decimal],
    ) -> PaperOrder:
        trade_date = self._rules.session.trade_date(now)
        return PaperOrder(
            seq=self._book.next_seq,
            account_id=account_id,
            trade_date=trade_date,
            broker_order_id=self._book.next_number(trade_date),
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            order_qty=request.order_qty,
            limit_px=request.limit_px,
            reserve_px=reserve[0],
            reserve_fee=reserve[1],
            accepted_at=now,
            transact_time=now,
        )
