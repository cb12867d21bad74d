"""How long an engine that starts on a long day's store takes until it takes signals again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from sqlalchemy import func, select

from domain.errors import OncefillError
from domain.events import Accepted, Cancelled, OrderCreated, OrderEvent, Source, SubmitStarted
from domain.ids import client_order_id
from domain.journal import Append, AppendFailed, Committed
from domain.lifecycle import topics_of
from domain.order import Order, evolve
from domain.signal import signal_digest
from domain.terms import BrokerOrderId
from infra.bench.bed import SETTINGS, Launch, a_signal
from infra.bench.gateways import RestingGateway
from infra.clock import SystemClock
from infra.store.folders import STORE_FILE
from infra.store.journal import SqlJournal
from infra.store.reading import open_reader
from infra.store.store import open_store
from infra.store.tables import ORDERS

_AT_ONCE: Final = 500
_LONGEST_S: Final = 120.0
_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """From the start of an engine until a signal told to it is durable."""

    open_orders: int
    closed_orders: int
    seconds: float


def measure_recovery(launch: Launch, folder: Path, open_orders: int, closed: int) -> Recovery:
    """Write a store with orders that rest and orders that were cancelled, and start on it."""
    with TemporaryDirectory(prefix="engine-", dir=folder) as room:
        path = Path(room, STORE_FILE)
        write_history(path, open_orders=open_orders, closed=closed)
        start_s = perf_counter()
        engine = launch(SETTINGS, store=path, gateway=lambda clock, _: RestingGateway(clock))
        try:
            engine.tell(a_signal(open_orders + closed, is_resting=False))
            _wait_for(path, open_orders + closed + 1)
            seconds = perf_counter() - start_s
        finally:
            late = engine.stop()
        if late:
            msg = f"The engine did not stop in time: {', '.join(late)}."
            raise OncefillError(msg)
    return Recovery(open_orders=open_orders, closed_orders=closed, seconds=seconds)


def write_history(path: Path, *, open_orders: int, closed: int) -> None:
    """Write the store of a day: first the orders that have ended, then those that rest."""
    store = open_store(path, account_id=SETTINGS.account_id, clock=SystemClock())
    journal = store.journal()
    try:
        for first in range(0, closed + open_orders, _AT_ONCE):
            for number in range(first, min(first + _AT_ONCE, closed + open_orders)):
                _append(journal, _life(number, is_open=number >= closed))
            journal.drain()
    finally:
        store.close()


def _life(number: int, *, is_open: bool) -> Iterable[OrderEvent]:
    signal, at = a_signal(number, is_resting=True), datetime.now(UTC)
    yield OrderCreated(
        client_order_id=client_order_id(signal.account_id, signal.signal_id),
        signal=signal,
        digest=signal_digest(signal),
        deadline=at + timedelta(hours=1),
        at=at,
    )
    yield SubmitStarted(attempt=1, since=at, send_by=at + timedelta(seconds=2))
    yield Accepted(
        broker_order_id=BrokerOrderId(f"{number:010d}"),
        trade_date=SETTINGS.session.trade_date(at),
        source=Source.ANSWER,
        at=at,
    )
    if not is_open:
        yield Cancelled(reason="the day's history", at=at)


def _append(journal: SqlJournal, events: Iterable[OrderEvent]) -> None:
    order: Order | None = None
    told, topics = [], []
    for event in events:
        order = evolve(order, event)
        told.append(event)
        topics.append(topics_of(event, order))
    assert order is not None, "an order begins with an event"
    batch = Append(
        stream=f"order/{order.client_order_id}",
        version=0,
        events=tuple(told),
        topics=tuple(topics),
        state=order,
        life=1,
    )
    journal.append(batch, _must_be_written)


def _must_be_written(reply: Committed | AppendFailed) -> None:
    if isinstance(reply, AppendFailed):
        raise reply.error


def _wait_for(path: Path, orders: int, sleep: Callable[[float], None] | None = None) -> None:
    sleep = sleep or SystemClock().sleep
    until_s = perf_counter() + _LONGEST_S
    with open_reader(path) as reader:
        while True:
            with reader.snapshot() as connection:
                if connection.execute(select(func.count()).select_from(ORDERS)).scalar() == orders:
                    return
            if perf_counter() > until_s:
                msg = f"The bench gave up: the engine took no signal within {_LONGEST_S:.0f} s."
                raise OncefillError(msg)
            sleep(_POLL_S)
