"""The gateway to the paper broker: a network that takes time and fails, and a rate limit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import inf, isfinite
from typing import TypeVar

from domain.broker import (
    Absent,
    BrokerBalance,
    BrokerCapabilities,
    BrokerFill,
    BrokerNews,
    BrokerOrder,
    BrokerPosition,
    CancelAck,
    ClientIdSupport,
    FindResult,
    Found,
    OrderRef,
    OrderRequest,
    Page,
    PlaceAck,
)
from domain.errors import (
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    StoreError,
)
from domain.ports import Clock, Scheduler
from domain.terms import AccountId, ClientOrderId, OrderType, RequestId, Symbol, TimeInForce
from infra.brokers.paper.broker import PaperBroker
from infra.brokers.paper.dice import dice
from infra.brokers.paper.faults import Fault, FaultKind, FaultPlan, Faults, Operation
from infra.brokers.paper.limits import SlidingWindow
from infra.brokers.paper.market import PaperMarket
from infra.brokers.paper.settings import PaperSettings
from infra.brokers.paper.shown import Shown
from infra.brokers.paper.stream import Stream

T = TypeVar("T")

_SUPPORT = {True: ClientIdSupport.UNIQUE, False: ClientIdSupport.NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Journey:
    """How long a request takes to the broker, and its answer back; ``inf`` never arrives."""

    there_s: float
    back_s: float


class PaperGateway:
    """A BrokerGateway whose calls take their time on the clock and fail as planned.

    Attributes:
        broker: For the operator and for tests: the ledger. The engine never sees it.
        market: For the operator and for tests: push quotes here.
        stream: For tests: interrupt it.
    """

    def __init__(
        self,
        broker: PaperBroker,
        *,
        clock: Clock,
        scheduler: Scheduler,
        settings: PaperSettings,
        faults: FaultPlan,
        seed: int,
    ) -> None:
        self.broker = broker
        self.market: PaperMarket = broker.market
        self._clock = clock
        self._scheduler = scheduler
        self._settings = settings
        self._faults = Faults(faults)
        self._random = dice(seed, "calls")
        grace_s = settings.rate_grace_s
        if grace_s is None:
            grace_s = settings.latency_s[1] / 2
        self._window = SlidingWindow(settings.rate_limit, settings.rate_window_s - grace_s)
        self.stream = Stream(
            clock=clock,
            scheduler=scheduler,
            faults=self._faults,
            latency_s=settings.latency_s,
            seed=seed,
        )
        self._shown = Shown(client_ids=settings.client_ids, exec_ids=settings.exec_ids)
        broker.listen(lambda news: self.stream.publish(self._shown.news(news)))
        self._is_closed = False

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What the paper broker can do."""
        return BrokerCapabilities(
            name="paper",
            client_ids=_SUPPORT[self._settings.client_ids],
            order_types=frozenset(OrderType),
            times_in_force=frozenset(TimeInForce),
            has_stream=True,
            has_exec_ids=self._settings.exec_ids,
            shorting=self._settings.shorting,
            is_live=False,
        )

    def place_order(self, account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Send a new order, once. Its fills come by the stream and by inquiries."""

        def place(fault: Fault | None) -> PlaceAck:
            is_doomed = fault is not None and fault.kind is FaultKind.ASYNC_REJECT
            return self.broker.place(account_id, order, is_doomed=is_doomed)

        return self._call(Operation.PLACE, order.symbol, place)

    def cancel_order(
        self, account_id: AccountId, ref: OrderRef, request_id: RequestId
    ) -> CancelAck:
        """Ask the broker to take an order off the book."""
        return self._call(
            Operation.CANCEL, ref.symbol, lambda _: self.broker.cancel(account_id, ref, request_id)
        )

    def find_order(self, account_id: AccountId, client_order_id: ClientOrderId) -> FindResult:
        """Return the order placed under ``client_order_id``, or Absent."""

        def find(fault: Fault | None) -> FindResult:
            if not self._settings.client_ids:
                return Absent(is_complete=False)
            order = self.broker.find(account_id, client_order_id)
            return (
                Absent(is_complete=not _is_partial(fault)) if order is None else Found(order=order)
            )

        return self._call(Operation.FIND, None, find)

    def list_orders(self, account_id: AccountId, since: datetime) -> Page[BrokerOrder]:
        """Return all orders that are open or changed at or after ``since``, oldest first."""

        def orders() -> tuple[BrokerOrder, ...]:
            return tuple(map(self._shown.order, self.broker.orders(account_id, since)))

        return self._page(Operation.ORDERS, orders)

    def list_fills(self, account_id: AccountId, since: datetime) -> Page[BrokerFill]:
        """Return all executions at or after ``since``; with totals only, none and incomplete."""

        def fills() -> tuple[BrokerFill, ...]:
            return tuple(map(self._shown.fill, self.broker.fills(account_id, since)))

        if not self._settings.exec_ids:
            return Page(items=(), is_complete=False, as_of=self._clock.now())
        return self._page(Operation.FILLS, fills)

    def list_positions(self, account_id: AccountId) -> Page[BrokerPosition]:
        """Return all positions that are not flat."""
        return self._page(Operation.POSITIONS, lambda: self.broker.positions(account_id))

    def get_balance(self, account_id: AccountId) -> BrokerBalance:
        """Return the cash of the account."""
        cash = self._call(Operation.BALANCE, None, lambda _: self.broker.cash(account_id))
        return BrokerBalance(account_id=account_id, currency=self._settings.currency, cash=cash)

    def subscribe(self, sink: Callable[[BrokerNews], None]) -> None:
        """Tell ``sink`` what happens, from the scheduler."""
        self.stream.subscribe(sink)

    def close(self) -> None:
        """Stop the stream and close the broker's book."""
        self._is_closed = True
        self.stream.subscribe(None)
        self.broker.close()

    def _page(self, operation: Operation, rows: Callable[[], tuple[T, ...]]) -> Page[T]:
        def read(fault: Fault | None) -> Page[T]:
            items = rows()
            is_partial = _is_partial(fault)
            shown = items[: len(items) // 2] if is_partial else items
            return Page(items=shown, is_complete=not is_partial, as_of=self._clock.now())

        return self._call(operation, None, read)

    def _call(
        self, operation: Operation, symbol: Symbol | None, work: Callable[[Fault | None], T]
    ) -> T:
        """Send a request, once: the way there, the limit, the broker's work, the way back."""
        fault = self._faults.next(operation, symbol)
        self._connect(operation, fault)
        timeout_s = self._settings.timeout_s
        journey = self._journey(fault)
        there_s, back_s = journey.there_s, journey.back_s
        if there_s >= timeout_s:
            if isfinite(there_s):
                self._scheduler.call_later(there_s, partial(self._work_unheard, work, fault))
            self._wait(timeout_s)
            raise _unknown(operation, "no answer within the timeout")
        self._wait(there_s)
        answer = self._answer(operation, work, fault)
        if there_s + back_s >= timeout_s:
            self._wait(timeout_s - there_s)
            raise _unknown(operation, "no answer within the timeout")
        self._wait(back_s)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(
        self, operation: Operation, work: Callable[[Fault | None], T], fault: Fault | None
    ) -> T | Exception:
        """Return what the broker's side sends back: a result, or the error that stands for it."""
        kind = None if fault is None else fault.kind
        if kind is FaultKind.HTTP_500_BEFORE:
            return _server_error(operation)
        if fault is not None and kind is FaultKind.RATE_LIMITED:
            return _rate_limited(fault.wait_s)
        retry_after_s = self._window.take(self._clock.monotonic())
        if retry_after_s > 0:
            return _rate_limited(retry_after_s)
        try:
            result = work(fault)
        except RefusedError as refusal:
            return _server_error(operation) if kind is FaultKind.HTTP_500_AFTER else refusal
        except StoreError:
            return _server_error(operation)
        return _server_error(operation) if kind is FaultKind.HTTP_500_AFTER else result

    def _work_unheard(self, work: Callable[[Fault | None], T], fault: Fault | None) -> None:
        """Do what arrived after the caller gave up; nobody hears the answer."""
        if not self._is_closed:
            self._answer(Operation.PLACE, work, fault)

    def _connect(self, operation: Operation, fault: Fault | None) -> None:
        if self._is_closed:
            text = f"{operation}: the gateway is closed; nothing was sent."
            raise NotSentError(text)
        if fault is not None and fault.kind is FaultKind.NOT_SENT:
            self._wait(fault.wait_s)
            text = f"{operation}: no connection to the paper broker; nothing was sent."
            raise NotSentError(text)

    def _journey(self, fault: Fault | None) -> _Journey:
        half_s = self._random.uniform(*self._settings.latency_s) / 2
        match fault:
            case Fault(kind=FaultKind.LOST_BEFORE):
                return _Journey(there_s=inf, back_s=inf)
            case Fault(kind=FaultKind.LOST_AFTER):
                return _Journey(there_s=half_s, back_s=inf)
            case Fault(kind=FaultKind.BOOKED_LATE):
                return _Journey(there_s=self._settings.timeout_s + fault.wait_s, back_s=inf)
            case Fault(kind=FaultKind.SLOW):
                return _Journey(there_s=half_s, back_s=half_s + fault.wait_s)
            case _:
                return _Journey(there_s=half_s, back_s=half_s)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._clock.sleep(seconds)


def _is_partial(fault: Fault | None) -> bool:
    return fault is not None and fault.kind is FaultKind.INCOMPLETE


def _rate_limited(retry_after_s: float) -> RateLimitedError:
    text = "EGW00201: requests for each second exceeded; the request was not looked at."
    return RateLimitedError(text, retry_after_s=retry_after_s)


def _server_error(operation: Operation) -> OutcomeUnknownError:
    return _unknown(operation, "HTTP 500 from the paper broker")


def _unknown(operation: Operation, cause: str) -> OutcomeUnknownError:
    is_write = operation in (Operation.PLACE, Operation.CANCEL)
    meaning = "it may have been executed" if is_write else "nothing was learned"
    return OutcomeUnknownError(f"{operation}: {cause}; {meaning}.")
