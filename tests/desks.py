"""A whole engine on the paper broker, the same for tests on virtual and on real time."""

from collections import Counter
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event

from actors.engine import Engine, Ports
from actors.runtime import Faults, Killed, LiveSystem, SimulatedSystem
from domain.order import Order, evolve
from domain.session import ALWAYS_OPEN
from domain.settings import Settings
from domain.signal import Cancel, Signal
from domain.terms import AccountId, OrderType, Side, SignalId, Symbol
from infra.brokers.paper import FaultPlan, PaperSettings, Quote, open_paper
from infra.clock import SystemClock, ThreadScheduler
from infra.store.audit import verify
from infra.store.reading import open_reader
from infra.store.store import open_store

# A Monday, 10:00 in Seoul.
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SAMSUNG = Symbol("005930")
SETTINGS = Settings(session=ALWAYS_OPEN)


def buy(signal_id="s-1", order_qty=100, **changes):
    return a_signal(signal_id, Side.BUY, order_qty, **changes)


def sell(signal_id="s-2", order_qty=100, **changes):
    return a_signal(signal_id, Side.SELL, order_qty, **changes)


def a_signal(signal_id, side, order_qty, **changes):
    values = {
        "signal_id": SignalId(signal_id),
        "account_id": AccountId("paper"),
        "symbol": SAMSUNG,
        "side": side,
        "order_qty": Decimal(order_qty),
    }
    if "limit_px" in changes:
        values["order_type"] = OrderType.LIMIT
    return Signal(**(values | changes))


def cancel(signal_id="s-1"):
    return Cancel(signal_id=SignalId(signal_id), account_id=AccountId("paper"), reason="test")


def ledger_of(fills):
    """Return the fills one by one, to compare two ledgers."""
    return sorted((f.broker_order_id, f.exec_id, f.last_qty, f.last_px) for f in fills)


def totals_of(fills):
    """Return quantity and amount of each broker order, where nobody tells more."""
    totals = Counter(), Counter()
    for fill in fills:
        number = (fill.trade_date, fill.broker_order_id)
        totals[0][number] += fill.last_qty
        totals[1][number] += fill.last_qty * fill.last_px
    return totals


@dataclass
class Desk:
    """One engine, its broker, and what happened; subclasses say how time goes by."""

    folder: Path
    settings: Settings = SETTINGS
    faults: FaultPlan | None = None
    paper: PaperSettings = field(default_factory=lambda: PaperSettings(latency_s=(0.01, 0.01)))
    engine: Engine | None = None
    records: list = field(default_factory=list)
    folded: dict = field(default_factory=dict)
    streams: dict = field(default_factory=dict)
    applied: Counter = field(default_factory=Counter)

    @property
    def path(self):
        return self.folder / "oncefill.db"

    def open_gateway(self, clock, scheduler, faults):
        return open_paper(
            self.folder / "paper.db",
            clock=clock,
            scheduler=scheduler,
            instruments=self.settings.instruments,
            session=self.settings.session,
            fees=self.settings.fees,
            settings=self.paper,
            faults=faults,
        )

    def quote(self, px, volume=10**9, symbol=SAMSUNG):
        """The market trades at ``px``."""
        self.gateway.market.push(
            Quote(
                symbol=symbol,
                last_px=Decimal(px),
                base_px=Decimal(70_000),
                volume=Decimal(volume),
                at=self.clock.now(),
            )
        )

    def tell(self, *wishes):
        for wish in wishes:
            self.engine.tell(wish)

    def ask(self, wish):
        """Return the receipt, or raise what the engine answered."""
        future: Future = self.engine.ask(wish)
        self.until(future.done)
        return future.result(timeout=0)

    def note(self, record):
        """Take a record of the journal, as a subscriber."""
        self.records.append(record)
        if record.stream.startswith("order/"):
            if record.kind == "OrderCreated":
                self.streams[record.event.signal.signal_id] = record.stream
            before = self.folded.get(record.stream)
            self.folded[record.stream] = evolve(before, record.event)
        elif record.kind == "PositionChanged":
            self.applied[record.event.client_order_id] += record.event.last_qty

    def order(self, signal_id="s-1") -> Order | None:
        """Return the order of a signal, as far as the subscriber has seen it."""
        return self.folded.get(self.streams.get(signal_id))

    def of(self, signal_id="s-1"):
        """Return the records of one signal's order."""
        stream = self.streams.get(signal_id)
        return [record for record in self.records if record.stream == stream]

    def topics(self, signal_id="s-1"):
        return [topic for record in self.of(signal_id) for topic in record.topics]

    def status(self, signal_id="s-1"):
        order = self.order(signal_id)
        return order.status.value if order is not None else None

    def until_status(self, *statuses, signal_id="s-1", within_s=60):
        self.until(lambda: self.status(signal_id) in statuses, within_s=within_s)

    def until_rest(self, *signal_ids, within_s=60):
        """Every order has ended and its fills are in the positions."""
        ids = signal_ids or ("s-1",)
        self.until(lambda: all(self.has_ended(one) for one in ids), within_s=within_s)

    def has_ended(self, signal_id):
        order = self.order(signal_id)
        if order is None or not order.is_closed:
            return False
        return self.applied[order.client_order_id] == order.cum_qty

    def ledger(self):
        return self.gateway.broker.ledger(self.settings.account_id)

    def positions(self):
        with open_reader(self.path) as reader:
            return {position.symbol: position for position in reader.positions()}

    def daily(self):
        with open_reader(self.path) as reader:
            return tuple(reader.daily_pnl())

    def check(self):
        """The invariants that can be read off a store and a broker's ledger."""
        with open_reader(self.path) as reader:
            report = verify(reader)
            assert report.ok, report
            held = {p.symbol: p.qty for p in reader.positions() if p.qty}
        ledger = self.ledger()
        # A broker that does not know ids takes the same one twice; its book tells the two apart.
        ids = [order.client_order_id.partition("~")[0] for order in ledger.orders]
        assert len(ids) == len(set(ids)), "I1: two broker orders for one signal"
        assert held == {p.symbol: p.qty for p in ledger.positions if p.qty}, "I5"
        ours = [fill for order in self.orders() for fill in order.fills]
        read = ledger_of if self.paper.exec_ids else totals_of
        assert read(ours) == read(ledger.fills), "I4: fills"
        bound = {(o.trade_date, o.broker_order_id): o.client_order_id for o in self.orders()}
        for order in ledger.orders:
            known = bound.get((order.trade_date, order.broker_order_id))
            assert known == order.client_order_id, "I2: whose broker order is it"

    def orders(self):
        return tuple(self.folded.values())

    def crash(self, name):
        """Tell an actor something that it cannot handle: it crashes, twice, and goes on."""
        self.engine.actor(name).tell(object())

    def listen(self):
        for seen in (self.records, self.folded, self.streams, self.applied):
            seen.clear()
        self.engine.subscribe(self.note, name="desk")


class SimulatedDesk(Desk):
    """Virtual time, one thread."""

    seed = 0
    shuffle = True

    def start(self, at=START, faults=None, rates: Faults | None = None):
        self.system = SimulatedSystem(start=at, seed=self.seed, shuffle=self.shuffle, faults=rates)
        self.clock = self.system
        self.store = open_store(self.path, account_id=self.settings.account_id, clock=self.clock)
        self.gateway = self.open_gateway(self.system, self.system, faults or self.faults)
        self.engine = Engine(
            self.settings,
            Ports(store=self.store, gateway=self.gateway, system=lambda: self.system),
        ).start()
        self.listen()
        self.quote(70_000)
        return self

    def until(self, condition, within_s=60):
        assert self.system.run_until(condition, within_s=within_s), "it did not come to that"

    def run_for(self, seconds):
        self.system.run_for(seconds)

    def kill(self):
        """As kill -9: what is not committed is gone, and so is everything in memory."""
        with suppress(Killed):
            self.system.kill()
        self.store.close()
        self.gateway.close()
        return self.system.now()

    def stop(self):
        if self.engine is not None and not self.system.is_dead:
            assert self.engine.stop() == ()


class LiveDesk(Desk):
    """Real time, real threads."""

    def start(self, faults=None):
        self.clock = SystemClock()
        self.scheduler = ThreadScheduler()
        self.store = open_store(self.path, account_id=self.settings.account_id, clock=self.clock)
        self.gateway = self.open_gateway(self.clock, self.scheduler, faults or self.faults)
        ports = Ports(
            store=self.store,
            gateway=self.gateway,
            system=lambda: LiveSystem(clock=self.clock),
            closing=self.scheduler.stop,
        )
        self.engine = Engine(self.settings, ports).start()
        self.listen()
        self.quote(70_000)
        return self

    def until(self, condition, within_s=15):
        deadline_s = self.clock.monotonic() + within_s
        pause = Event()
        while not condition():
            assert self.clock.monotonic() < deadline_s, "it did not come to that"
            pause.wait(0.01)

    def run_for(self, seconds):
        Event().wait(seconds)

    def stop(self):
        if self.engine is not None:
            assert self.engine.stop() == ()


def with_settings(desk, **changes):
    desk.settings = replace(desk.settings, **changes)
    return desk
