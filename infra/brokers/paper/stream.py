"""The broker's stream: hints to one subscriber, on the scheduler, as unreliable as planned."""

from collections.abc import Callable
from functools import partial
from threading import Lock

from domain.broker import BrokerNews, FillNews, OrderNews, StreamGap
from domain.ports import Clock, Scheduler
from domain.terms import Symbol
from infra.brokers.paper.dice import dice
from infra.brokers.paper.faults import Fault, FaultKind, Faults, Operation

# Two messages never fall due together: a scheduler may serve equals in any order.
_APART_S = 1e-6

Sink = Callable[[BrokerNews], None]


class Stream:
    """Messages arrive in the order of sending, each some latency later, unless a fault says not."""

    def __init__(
        self,
        *,
        clock: Clock,
        scheduler: Scheduler,
        faults: Faults,
        latency_s: tuple[float, float],
        seed: int,
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._faults = faults
        self._latency_s = latency_s
        self._random = dice(seed, "stream")
        self._lock = Lock()
        self._last_due = 0.0
        self._held: list[BrokerNews] = []
        self._sink: Sink | None = None

    def subscribe(self, sink: Sink | None) -> None:
        """Tell ``sink`` from here on; None tells nobody."""
        self._sink = sink

    def interrupt(self, reason: str) -> None:
        """Say that the stream was away."""
        self._send(StreamGap(reason=reason))

    def publish(self, news: BrokerNews) -> None:
        """Send one message."""
        if self._sink is None:
            return
        fault = self._faults.next(Operation.STREAM, _symbol(news))
        match fault:
            case None:
                self._send(news)
            case Fault(kind=FaultKind.LOST):
                pass
            case Fault(kind=FaultKind.GAP):
                self.interrupt("The stream was interrupted.")
            case Fault(kind=FaultKind.REORDERED):
                self._hold(news, fault.wait_s)
            case Fault(kind=FaultKind.LATE):
                self._scheduler.call_later(fault.wait_s, partial(self._deliver, news))
            case _:
                self._send(news)
                self._send(news)

    def _send(self, news: BrokerNews) -> None:
        shortest, longest = self._latency_s
        with self._lock:
            latency_s = self._random.uniform(shortest, longest) / 2
            now = self._clock.monotonic()
            held, self._held = self._held, []
            for each in (news, *held):
                self._last_due = max(self._last_due + _APART_S, now + latency_s)
                self._scheduler.call_later(self._last_due - now, partial(self._deliver, each))

    def _hold(self, news: BrokerNews, longest_s: float) -> None:
        """Keep a message until the next one has overtaken it, or until ``longest_s`` is over."""
        with self._lock:
            self._held.append(news)
        self._scheduler.call_later(longest_s, partial(self._release, news))

    def _release(self, news: BrokerNews) -> None:
        with self._lock:
            is_held = news in self._held
            self._held = [each for each in self._held if each != news]
        if is_held:
            self._deliver(news)

    def _deliver(self, news: BrokerNews) -> None:
        sink = self._sink
        if sink is not None:
            sink(news)


def _symbol(news: BrokerNews) -> Symbol | None:
    match news:
        case OrderNews():
            return news.order.symbol
        case FillNews():
            return news.fill.symbol
        case StreamGap():
            return None
