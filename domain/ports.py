"""What the house needs from the world, as Protocols that infra implements."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from domain.broker import (
    BrokerBalance,
    BrokerCapabilities,
    BrokerFill,
    BrokerNews,
    BrokerOrder,
    BrokerPosition,
    CancelAck,
    FindResult,
    OrderRef,
    OrderRequest,
    Page,
    PlaceAck,
)
from domain.journal import Append, AppendReply, LoadReply, Query
from domain.terms import AccountId, ClientOrderId, RequestId, StrategyId, Symbol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the wall time, aware UTC: for people and deadlines, never for waits."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only go forward: for every wait."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Only in code that runs off the actors: gateway calls and brokers."""
        ...


class TimerHandle(Protocol):
    """A call that is going to happen."""

    def cancel(self) -> None:
        """Do not make the call; nothing happens if it was made already."""
        ...


class Scheduler(Protocol):
    """Calls made later, one at a time; for brokers and feeds, never for actors."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> TimerHandle:
        """Call ``function`` in ``seconds``."""
        ...


class BrokerGateway(Protocol):
    """One broker's API. BrokerActor alone calls it, one call at a time, off the actors.

    Every write is tried once; nothing inside retries. Each call ends within its total timeout.

    Raises (every method):
        NotSentError: It certainly did not reach the broker.
        RateLimitedError: The broker did not look at it.
        RefusedError: The broker said no.
        OutcomeUnknownError: Anything else. A write may have been executed.
    """

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What this broker can do."""
        ...

    def place_order(self, account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Send a new order, once."""
        ...

    def cancel_order(
        self, account_id: AccountId, ref: OrderRef, request_id: RequestId
    ) -> CancelAck:
        """Ask the broker to take an order off the book; harmless when repeated."""
        ...

    def find_order(self, account_id: AccountId, client_order_id: ClientOrderId) -> FindResult:
        """Return the order placed under ``client_order_id``, whatever its state, or Absent."""
        ...

    def list_orders(self, account_id: AccountId, since: datetime) -> Page[BrokerOrder]:
        """Return all orders that are open or changed at or after ``since``, oldest first."""
        ...

    def list_fills(self, account_id: AccountId, since: datetime) -> Page[BrokerFill]:
        """Return all executions at or after ``since``, oldest first."""
        ...

    def list_positions(self, account_id: AccountId) -> Page[BrokerPosition]:
        """Return all positions that are not flat."""
        ...

    def get_balance(self, account_id: AccountId) -> BrokerBalance:
        """Return the cash of the account."""
        ...

    def subscribe(self, sink: Callable[[BrokerNews], None]) -> None:
        """Tell ``sink`` what happens, from any thread; hints only. Replaces an earlier sink."""
        ...

    def close(self) -> None:
        """Stop the stream and let go of what the gateway holds."""
        ...


class Journal(Protocol):
    """The append-only record of every event; the truth after a crash.

    Callers queue from any thread; one writer calls ``drain``, which commits all that is queued in
    one transaction and then replies, in order. A load is a barrier: it is answered as of every
    append queued before it.
    """

    def append(self, batch: Append, reply: AppendReply) -> None:
        """Queue events. ``reply`` gets Committed or AppendFailed, from the writer's thread."""
        ...

    def load(self, query: Query, reply: LoadReply) -> None:
        """Queue a question. ``reply`` gets Loaded, from the writer's thread."""
        ...

    def attach(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever something was queued and no drain is due yet."""
        ...

    def drain(self) -> int:
        """Commit and answer all that is queued; return how many requests that was.

        Raises:
            StoreError: The disk failed or the result of the commit is unknown, or another
                engine took over (FencedError). Nothing was acknowledged; stop and recover.
        """
        ...

    def watch(self, told: Callable[[int, bool], None]) -> None:
        """Have ``told(seq, has_fills)`` called after every commit, from the writer's thread.

        ``seq`` is the number of its last event, ``has_fills`` whether a Filled is among its events.
        """
        ...


class Guard(Protocol):
    """The last look before an order leaves: still the one engine, and not halted."""

    def hold(self, *, symbol: Symbol, strategy_id: StrategyId) -> AbstractContextManager[None]:
        """Let one order pass: the call is made inside, and a halt waits for its end.

        Raises (on entering):
            HaltedError: The order is in a halt's scope; the text says which and how to resume.
            NotSentError: Fenced, or the look itself could not be taken.
        """
        ...


class Store(Protocol):
    """Where one account's journal lives; held by one engine at a time."""

    def journal(self) -> Journal:
        """Return a journal under a new epoch; every earlier one is fenced off from now on."""
        ...

    def guard(self) -> Guard:
        """Return the guard of the latest epoch."""
        ...

    @property
    def epoch(self) -> int:
        """The latest epoch."""
        ...

    def close(self) -> None:
        """Let go of the files and of the account."""
        ...
