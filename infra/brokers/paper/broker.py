"""The paper broker: takes orders, trades them on quotes, answers inquiries. It knows no engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Lock

from domain.broker import (
    BrokerFill,
    BrokerNews,
    BrokerOrder,
    BrokerPosition,
    BrokerState,
    CancelAck,
    FillNews,
    OrderNews,
    OrderRef,
    OrderRequest,
    PlaceAck,
)
from domain.ports import Clock, Scheduler
from domain.terms import AccountId, BrokerOrderId, ClientOrderId, RequestId
from infra.brokers.paper.book import Book
from infra.brokers.paper.desk import Desk, Rules, Traded
from infra.brokers.paper.market import PaperMarket, Quote
from infra.brokers.paper.matching import closed
from infra.brokers.paper.orders import Account, Due, PaperOrder
from infra.brokers.paper.rules import Refusal, refused
from infra.brokers.paper.settings import PaperSettings

Listener = Callable[[BrokerNews], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything the broker has on one account, to compare an engine with; oldest first."""

    orders: tuple[BrokerOrder, ...]
    fills: tuple[BrokerFill, ...]
    positions: tuple[BrokerPosition, ...]
    cash: Decimal


class PaperBroker:
    """A broker with a book of its own. Every change is durable before it is answered or told.

    Thread-safe: one lock around each command, never held over a wait or a call to the listener.
    """

    def __init__(
        self,
        book: Book,
        market: PaperMarket,
        *,
        rules: Rules,
        settings: PaperSettings,
        clock: Clock,
        scheduler: Scheduler,
    ) -> None:
        self.market = market
        self._book = book
        self._desk = Desk(book, market, rules)
        self._settings = settings
        self._clock = clock
        self._scheduler = scheduler
        self._lock = Lock()
        self._listener: Listener | None = None
        self._outbox: list[BrokerNews] = []
        self._closes_at: datetime | None = None
        self._is_closed = False
        market.listen(self._on_quote)
        for order in book.open_orders():
            self._watch(order)

    def listen(self, listener: Listener | None) -> None:
        """Tell ``listener`` what happens to orders, in order, outside the lock."""
        self._listener = listener

    def place(
        self, account_id: AccountId, request: OrderRequest, *, is_doomed: bool = False
    ) -> PlaceAck:
        """Accept an order and trade what it can at once.

        Args:
            account_id: Opens with the opening cash when it is new.
            request: The order.
            is_doomed: The exchange is going to refuse it a little later.

        Raises:
            RefusedError: Not accepted; there is no such order.
            StoreError: The book failed; nothing may be concluded.
        """
        with self._turn() as now:
            new = self._desk.accept(account_id, request, now)
            if is_doomed:
                due_at = now + timedelta(seconds=self._settings.async_reject_s)
                doomed = replace(new, due=Due.REJECT, due_at=due_at)
                traded = Traded(order=doomed, execution=None)
            else:
                traded = self._desk.enter(new, now)
            self._enter(new, traded)
            return PlaceAck(broker_order_id=new.broker_order_id, trade_date=new.trade_date)

    def cancel(self, account_id: AccountId, ref: OrderRef, request_id: RequestId) -> CancelAck:
        """Take an order off the book, now or after ``cancel_s``; harmless when repeated.

        Raises:
            RefusedError: No such order, or it has ended otherwise.
            StoreError: The book failed.
        """
        with self._turn() as now:
            order = self._book.numbered(ref.trade_date, ref.broker_order_id)
            if order is None or order.account_id != account_id:
                text = f"There is no order {ref.broker_order_id} of {ref.trade_date}."
                raise refused(Refusal.UNKNOWN_ORDER, text)
            if order.state is BrokerState.CANCELLED or order.due is not None:
                return CancelAck(is_done=order.due is None)
            if not order.is_open:
                text = f"The order {ref.broker_order_id} is {order.state}: nothing to cancel."
                raise refused(Refusal.NOTHING_TO_CANCEL, text)
            reason = f"Cancelled by request {request_id}."
            if self._settings.cancel_s == 0:
                self._end(closed(order, BrokerState.CANCELLED, reason, now))
                return CancelAck(is_done=True)
            due_at = now + timedelta(seconds=self._settings.cancel_s)
            order = replace(order, due=Due.CANCEL, due_at=due_at, reason=reason)
            self._book.commit([order])
            self._watch(order)
            return CancelAck(is_done=False)

    def bust(self, broker_order_id: BrokerOrderId, trade_date: date, qty: Decimal) -> None:
        """Withdraw ``qty`` of the order's last execution; for the operator and for tests."""
        with self._turn() as now:
            order = self._book.numbered(trade_date, broker_order_id)
            assert order is not None, f"there is no order {broker_order_id} of {trade_date}"
            traded = self._desk.bust(order, qty, now)
            executions = [] if traded.execution is None else [traded.execution]
            self._book.commit([traded.order], executions)
            self._outbox.append(OrderNews(order=traded.order.told()))

    def find(self, account_id: AccountId, client_order_id: ClientOrderId) -> BrokerOrder | None:
        """Return the order under that client id, or None; young ones may be hidden."""
        with self._turn() as now:
            order = self._book.named(account_id, client_order_id)
            return order.told() if order is not None and self._shows(order, now) else None

    def orders(self, account_id: AccountId, since: datetime) -> tuple[BrokerOrder, ...]:
        """Return the orders that are open or changed at or after ``since``, oldest first."""
        with self._turn() as now:
            return tuple(
                replace(order.told(), cum_amount=self._book.amount(order.seq))
                for order in self._book.orders()
                if (order.is_open or order.transact_time >= since)
                and order.account_id == account_id
                and self._shows(order, now)
            )

    def fills(self, account_id: AccountId, since: datetime) -> tuple[BrokerFill, ...]:
        """Return the executions at or after ``since``, oldest first; young ones may be hidden."""
        with self._turn() as now:
            shown = now - timedelta(seconds=self._settings.hidden_s)
            return tuple(
                each.fill
                for each in self._book.executions(since)
                if each.account_id == account_id and each.fill.transact_time <= shown
            )

    def positions(self, account_id: AccountId) -> tuple[BrokerPosition, ...]:
        """Return what the account holds, by symbol."""
        with self._turn() as now:
            return _positions(self._book.account(account_id, now))

    def cash(self, account_id: AccountId) -> Decimal:
        """Return the cash of the account, after fees and taxes."""
        with self._turn() as now:
            return self._book.account(account_id, now).cash

    def ledger(self, account_id: AccountId) -> Ledger:
        """Return everything of the account, nothing hidden."""
        with self._turn() as now:
            account = self._book.account(account_id, now)
            orders = [each for each in self._book.orders() if each.account_id == account_id]
            fills = [each for each in self._book.executions() if each.account_id == account_id]
            return Ledger(
                orders=tuple(order.told() for order in orders),
                fills=tuple(each.fill for each in fills),
                positions=_positions(account),
                cash=account.cash,
            )

    def close(self) -> None:
        """Let go of the book; whatever was going to happen later happens when it is opened."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._closes_at = None
                self.market.listen(None)
                self._book.close()

    @contextmanager
    def _turn(self) -> Iterator[datetime]:
        """Do one thing at a time, after the day's orders expired; then tell what happened."""
        try:
            with self._lock:
                now = self._clock.now()
                if self._closes_at is not None and now >= self._closes_at:
                    self._expire(now)
                yield now
        finally:
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            news, self._outbox = self._outbox, []
        if self._listener is not None:
            for each in news:
                self._listener(each)

    def _enter(self, new: PaperOrder, traded: Traded) -> None:
        executions = [] if traded.execution is None else [traded.execution]
        self._book.commit([traded.order], executions)
        self._outbox.append(OrderNews(order=new.told()))
        self._outbox.extend(FillNews(fill=each.fill) for each in executions)
        if traded.order.state is BrokerState.CANCELLED:
            self._outbox.append(OrderNews(order=traded.order.told()))
        self._watch(traded.order)

    def _on_quote(self, quote: Quote) -> None:
        with self._turn() as now:
            traded = () if self._is_closed else self._desk.trade(quote, now)
            executions = [each.execution for each in traded if each.execution is not None]
            if executions:
                self._book.commit([each.order for each in traded], executions)
                self._outbox.extend(FillNews(fill=each.fill) for each in executions)

    def _end(self, order: PaperOrder) -> None:
        self._book.commit([order])
        self._outbox.append(OrderNews(order=order.told()))

    def _expire(self, now: datetime) -> None:
        """End the orders whose day is over, and wait for the next close if any are left."""
        is_over = partial(_is_over, desk=self._desk, now=now)
        expired = [
            closed(order, BrokerState.EXPIRED, "The session closed.", now)
            for order in filter(is_over, self._book.open_orders())
        ]
        if expired:
            self._book.commit(expired)
            self._outbox.extend(OrderNews(order=order.told()) for order in expired)
        self._closes_at = None
        for order in self._book.open_orders():
            self._await_close(order)

    def _watch(self, order: PaperOrder) -> None:
        """Set the timers of an open order; they are set again when the book is opened."""
        if not order.is_open:
            return
        self._await_close(order)
        if order.due_at is not None:
            self._later(order.due_at, partial(self._fall_due, order.seq))

    def _await_close(self, order: PaperOrder) -> None:
        closes_at = self._desk.closes_at(order)
        if self._closes_at is None or closes_at < self._closes_at:
            self._closes_at = closes_at
            self._later(closes_at, self._wake)

    def _later(self, at: datetime, function: Callable[[], None]) -> None:
        wait_s = (at - self._clock.now()).total_seconds()
        self._scheduler.call_later(max(wait_s, 0.0), function)

    def _wake(self) -> None:
        with self._turn() as now:
            # A timer runs on the monotonic clock: after a step of the wall clock it may be early.
            if self._closes_at is not None and now < self._closes_at:
                self._later(self._closes_at, self._wake)

    def _fall_due(self, seq: int) -> None:
        with self._turn() as now:
            order = self._book.order(seq)
            if self._is_closed or order.due is None:
                return
            if order.due is Due.CANCEL:
                self._end(closed(order, BrokerState.CANCELLED, order.reason, now))
            else:
                reason = "The exchange refused the order."
                self._end(closed(order, BrokerState.REJECTED, reason, now))

    def _shows(self, order: PaperOrder, now: datetime) -> bool:
        return order.accepted_at + timedelta(seconds=self._settings.hidden_s) <= now


def _is_over(order: PaperOrder, *, desk: Desk, now: datetime) -> bool:
    return desk.closes_at(order) <= now


def _positions(account: Account) -> tuple[BrokerPosition, ...]:
    return tuple(
        BrokerPosition(symbol=symbol, qty=held.qty, avg_px=held.avg_px)
        for symbol, held in sorted(account.holdings.items())
        if held.qty != 0
    )
