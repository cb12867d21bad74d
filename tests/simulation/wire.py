"""The network between one engine and the broker: takes time, loses, repeats, and lies about it.

A request that has left arrives whether or not its sender still lives: only the answer dies with
the process.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.broker import (
    Absent,
    BrokerBalance,
    BrokerCapabilities,
    BrokerNews,
    CancelAck,
    ClientIdSupport,
    FillNews,
    FindResult,
    Found,
    OrderRef,
    OrderRequest,
    Page,
    PlaceAck,
    StreamGap,
)
from domain.errors import NotSentError, OutcomeUnknownError, RateLimitedError, RefusedError
from domain.terms import AccountId, ClientOrderId, OrderType, RequestId, TimeInForce
from tests.simulation.book import NAMELESS, refusal
from tests.simulation.exchange import Exchange
from tests.simulation.weather import Weather

STALE_S = 0.4  # With what the exchange hides it stays within V.


class Network:
    """What lies between all engines and the broker; outlives them.

    Attributes:
        is_away: The broker is down for maintenance: nobody answers.
        is_silent: The stream tells nothing.
        sinks: Who hears the stream, by engine.
        received: When the broker got each request, for its own limit.
    """

    def __init__(self, clock: Any, weather: Weather, random: Any) -> None:
        self.weather = weather
        self.clock = clock
        self.random = random
        self.is_away = False
        self.is_silent = False
        self.sinks: dict[Any, Callable[[BrokerNews], None]] = {}
        self.received: list[float] = []
        self.most_received = 0
        self._first = 0

    def heal(self) -> None:
        """Lose, delay and repeat nothing from now on."""
        self.is_away = self.is_silent = False
        self.weather = replace(self.weather, writes={}, reads={}, stream={})

    def fate(self, rates: dict[str, float]) -> str:
        """Return what becomes of the next request; empty when nothing does."""
        if rates:
            share = self.random.random()
            for name, rate in rates.items():
                share -= rate
                if share < 0:
                    return name
        return ""

    def half_s(self) -> float:
        """Return the time of one way."""
        low, high = self.weather.latency_s
        return (low + (high - low) * self.random.random()) / 2

    def retry_after_s(self) -> float:
        """Take in a request; return how long to stay away when it is over the limit, else 0."""
        rate, now_s = self.weather.settings.rate, self.clock.monotonic()
        while self._first < len(self.received) and self.received[self._first] <= now_s - 1.0:
            self._first += 1
        self.received.append(now_s)
        inside = len(self.received) - self._first
        self.most_received = max(self.most_received, inside)
        # What the way there bunches up is not the sender's fault, and refused all the same.
        return rate.window_s if inside > rate.requests + 2 else 0.0

    def publish(self, news: BrokerNews) -> None:
        """Tell every engine, unless that goes wrong."""
        for process in tuple(self.sinks):
            fate = self.fate(self.weather.stream)
            if self.is_silent or fate == "lost":
                continue
            self._deliver(process, news, self.half_s() + (3.0 if fate == "late" else 0.0))
            if fate == "twice":
                self._deliver(process, news, self.half_s() + self.random.random())

    def gap(self) -> None:
        """Say that the stream was away."""
        for process in tuple(self.sinks):
            self._deliver(process, StreamGap(reason="reconnected"), 0.0)

    def _deliver(self, process: Any, news: BrokerNews, wait_s: float) -> None:
        def tell() -> None:
            sink = self.sinks.get(process)
            if sink is not None:
                sink(news)

        self.clock.call_later(wait_s, tell)

    def misdirect(self, news: BrokerNews) -> None:
        """Tell of an execution that is of no order of anybody."""
        if isinstance(news, FillNews):
            strange = replace(news.fill, client_order_id=None, broker_order_id=NAMELESS)
            self.publish(FillNews(fill=strange))


class SimulatedGateway:
    """domain.ports.BrokerGateway of one process.

    Args:
        network: What lies between.
        exchange: The broker.
        sleeper: Waits on the process's own time, and dies with it.
        watch: Told when a call begins and ends, and right before something leaves.
    """

    def __init__(self, network: Network, exchange: Exchange, sleeper: Any, watch: Any) -> None:
        self._network = network
        self._exchange = exchange
        self._sleep: Callable[[float], None] = sleeper.sleep
        self._watch = watch
        self._clock = network.clock

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What this broker can do."""
        habits = self._exchange.habits
        return BrokerCapabilities(
            name="simulated",
            client_ids=habits.client_ids,
            order_types=frozenset(OrderType),
            times_in_force=frozenset(TimeInForce),
            has_stream=True,
            has_exec_ids=habits.has_exec_ids,
            shorting=True,
            is_live=False,
        )

    def place_order(self, account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Send a new order, once."""
        return self._write("place", order, lambda: self._exchange.place(order))

    def cancel_order(
        self, account_id: AccountId, ref: OrderRef, request_id: RequestId
    ) -> CancelAck:
        """Ask the broker to take an order off the book."""
        return self._write("cancel", ref, lambda: self._exchange.cancel(ref))

    def find_order(self, account_id: AccountId, client_order_id: ClientOrderId) -> FindResult:
        """Return the order placed under ``client_order_id``, or Absent."""
        assert self._exchange.habits.client_ids is not ClientIdSupport.NONE, "it shows no ids"

        def find(fate: str) -> FindResult:
            found = None if fate == "incomplete" else self._exchange.find(client_order_id)
            if found is None:
                return Absent(is_complete=fate != "incomplete")
            return Found(order=found)

        return self._read("find", find)

    def list_orders(self, account_id: AccountId, since: datetime) -> Page[Any]:
        """Return all orders that are open or changed at or after ``since``."""
        return self._page("orders", lambda lag_s: self._exchange.list_orders(since, lag_s))

    def list_fills(self, account_id: AccountId, since: datetime) -> Page[Any]:
        """Return all executions at or after ``since``."""
        return self._page("fills", lambda lag_s: self._exchange.list_fills(since, lag_s))

    def list_positions(self, account_id: AccountId) -> Page[Any]:
        """Return all positions that are not flat."""
        return self._page("positions", lambda _: self._exchange.positions())

    def get_balance(self, account_id: AccountId) -> BrokerBalance:
        """Return the cash of the account."""
        cash = self._read("balance", lambda _: self._exchange.account.cash)
        return BrokerBalance(account_id=account_id, currency="KRW", cash=cash)

    def subscribe(self, sink: Callable[[BrokerNews], None]) -> None:
        """Tell ``sink`` what happens; hints only."""
        self._network.sinks[self] = sink

    def close(self) -> None:
        """Hear no more."""
        self._network.sinks.pop(self, None)

    def _page(self, name: str, rows: Callable[[float], tuple[Any, ...]]) -> Page[Any]:
        def read(fate: str) -> Page[Any]:
            items = rows(STALE_S if fate == "stale" else 0.0)
            if fate == "incomplete":
                items = items[: len(items) // 2]
            elif fate == "jumbled":
                items = (*reversed(items), *items[:2])
            return Page(items=items, is_complete=fate != "incomplete", as_of=self._clock.now())

        return self._read(name, read)

    def _read(self, name: str, work: Callable[[str], Any]) -> Any:
        fate = self._network.fate(self._network.weather.reads)
        return self._call(name, None, fate, lambda: work(fate))

    def _write(self, name: str, what: Any, work: Callable[[], Any]) -> Any:
        fate = self._network.fate(self._network.weather.writes)
        if fate == "refused" and name == "place":
            return self._call(name, what, "", _refuse)
        return self._call(name, what, fate, work)

    def _call(self, name: str, what: Any, fate: str, work: Callable[[], Any]) -> Any:
        self._watch.begins(name, what)
        try:
            return self._carry(name, what, "lost" if self._network.is_away else fate, work)
        finally:
            self._watch.ends(name, what)

    def _carry(self, name: str, what: Any, fate: str, work: Callable[[], Any]) -> Any:
        network = self._network
        timing = network.weather.settings.timing
        there_s, back_s, timeout_s = network.half_s(), network.half_s(), timing.call_timeout_s
        if fate == "not_sent":
            self._wait(there_s)
            text = f"{name}: no connection; nothing was sent."
            raise NotSentError(text)
        if fate == "hung":
            self._wait(timeout_s + 0.9 * timing.overdue_grace_s * network.random.random())
        self._watch.leaves(name, what)
        if fate == "late" or (fate == "hung" and network.random.random() < 0.5):
            latest_s = timing.latest_accept_s * network.random.random()
            wait_s = latest_s + (timeout_s if fate == "late" else 0.0)
            self._send(wait_s, name, what, lambda: self._answer(fate, work))
        if fate in ("lost", "late", "hung"):
            self._wait(0.0 if fate == "hung" else timeout_s)
            raise _unknown(name, "no answer within the timeout")
        if fate == "slow":
            back_s += timeout_s * network.random.random()
        answers: list[Any] = []
        self._send(there_s, name, what, lambda: answers.append(self._answer(fate, work)))
        if fate == "answer_lost" or there_s + back_s >= timeout_s:
            self._wait(timeout_s)
            raise _unknown(name, "no answer within the timeout")
        self._wait(there_s + back_s)
        return _open(answers[0])

    def _send(self, there_s: float, name: str, what: Any, work: Callable[[], Any]) -> None:
        """Have the broker do its work when the request arrives, whoever still waits for it."""

        def arrive() -> None:
            self._watch.flies(name, what, -1)
            work()

        self._watch.flies(name, what, 1)
        if there_s > 0:
            self._clock.call_later(there_s, arrive)
        else:
            arrive()

    def _answer(self, fate: str, work: Callable[[], Any]) -> Any:
        if fate == "error_before":
            return _unknown("answer", "HTTP 500")
        wait_s = self._network.retry_after_s()
        if wait_s or fate == "rate_limited":
            text = "EGW00201: requests for each second exceeded; it was not looked at."
            return RateLimitedError(text, retry_after_s=wait_s or self._network.random.random())
        try:
            result = work()
        except RefusedError as refused:
            result = refused
        if fate == "error_after":
            return _unknown("answer", "HTTP 502")
        if fate == "unreadable":
            # What a parser lets through that maps no error.
            return ValueError("<html>it cannot be read</html>")
        return result

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)


def _open(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _unknown(name: str, cause: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"{name}: {cause}; it may have been executed.")


def _refuse() -> Any:
    raise refusal()


class Unwatched:
    """Nobody looks on."""

    def begins(self, name: str, what: Any) -> None:
        """Hear that a call begins."""

    def leaves(self, name: str, what: Any) -> None:
        """Hear that a request is about to leave."""

    def flies(self, name: str, what: Any, change: int) -> None:
        """Hear that something is on its way (+1), or has arrived (-1)."""

    def ends(self, name: str, what: Any) -> None:
        """Hear that a call has ended, however it did."""
