"""What the tests of the actors stand on: a desk that notes its broker calls, and one lone actor."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from actors.engine import Engine, Ports
from actors.messages import Ask, Go, Outcome, Turn
from actors.runtime import Actor, SimulatedSystem
from domain.broker import (
    BrokerCapabilities,
    BrokerFill,
    BrokerOrder,
    BrokerState,
    ClientIdSupport,
    OrderRequest,
    Page,
)
from domain.supervision import RestartPolicy
from domain.terms import BrokerOrderId, ExecId, OrderType, Side, TimeInForce
from infra.brokers.paper import FaultPlan
from infra.store.store import open_store
from tests.desks import SAMSUNG, START, SimulatedDesk
from tests.unit.domain.orders import DAY

CALLS = frozenset(
    {"place_order", "cancel_order", "find_order", "list_orders", "list_fills", "list_positions"}
)
# Goes on through any number of crashes, so that a storm ends with an answer.
STURDY = RestartPolicy(max_failures=10**6, backoff_first_s=0.05, backoff_longest_s=0.4)
NO_STREAM = FaultPlan(rates={"lost": 1.0})


class NotedGateway:
    """Passes every call on, notes when it was made, and first does what ``before`` has for it."""

    def __init__(self, gateway, clock):
        self._gateway = gateway
        self._clock = clock
        self.calls = []
        self.before = {}

    def __getattr__(self, name):
        passed_on = getattr(self._gateway, name)
        if name not in CALLS:
            return passed_on

        def call(*args):
            self.calls.append((self._clock.monotonic(), name, args))
            self.before.get(name, lambda *_: None)(*args)
            return passed_on(*args)

        return call


class NotedDesk(SimulatedDesk):
    """A desk on virtual time that knows what was asked of its broker, and when."""

    def open_gateway(self, clock, scheduler, faults):
        return NotedGateway(super().open_gateway(clock, scheduler, faults), clock)

    def times_of(self, *names):
        """Return when these calls were made; all calls without a name."""
        return [at for at, name, _ in self.gateway.calls if not names or name in names]

    def names(self):
        return [name for _, name, _ in self.gateway.calls]

    def events(self, kind, signal_id="s-1"):
        return [record.event for record in self.of(signal_id) if record.kind == kind]

    def kinds(self, signal_id="s-1"):
        return [record.kind for record in self.of(signal_id)]

    def resting(self, signal_id="s-1"):
        """Wait until the broker has acknowledged the order."""
        self.until(lambda: "order.accepted" in self.topics(signal_id))

    def actor_of(self, signal_id="s-1"):
        # An order may be sent before the listener has heard that it was written down.
        self.until(lambda: signal_id in self.streams)
        return self.engine.actor(self.streams[signal_id])

    def has_actor(self, signal_id="s-1"):
        return self.streams[signal_id] in self.system.actors

    def crash_order(self, signal_id="s-1"):
        self.actor_of(signal_id).tell(object())

    def restart(self, after_s=1.0, **options):
        """Kill the process, and start another one on the same files a little later."""
        at = self.kill() + timedelta(seconds=after_s)
        return self.start(at=at, **options)


class StormDesk(NotedDesk):
    """A desk whose actors may crash as often as they like."""

    def start(self, at=START, faults=None, rates=None, seed=0):
        self.system = SimulatedSystem(start=at, seed=seed, faults=rates, policy=STURDY)
        self.clock = self.system
        self.store = open_store(self.path, account_id=self.settings.account_id, clock=self.clock)
        self.gateway = self.open_gateway(self.system, self.system, faults or self.faults)
        ports = Ports(store=self.store, gateway=self.gateway, system=lambda: self.system)
        self.engine = Engine(self.settings, ports).start()
        self.listen()
        self.quote(70_000)
        return self


def setting(desk, **changes):
    """Change the settings of a desk, those of the broker's timing by name as well."""
    timing = {name: changes.pop(name) for name in tuple(changes) if hasattr(TIMING, name)}
    desk.settings = replace(
        desk.settings, timing=replace(desk.settings.timing, **timing), **changes
    )
    return desk


TIMING = SimulatedDesk(None).settings.timing


class Listener(Actor):
    """Keeps what it is told in a list that the test holds; may answer a turn at once."""

    def __init__(self, heard, on_turn=None):
        super().__init__()
        self._heard = heard
        self._on_turn = on_turn

    def on_receive(self, message):
        self._heard.append(message)
        if isinstance(message, Turn) and self._on_turn is not None:
            self._on_turn(message.ticket, self.ref)


@dataclass
class Lone:
    """One actor on a simulated system, and what it told its neighbours."""

    system: SimulatedSystem = field(default_factory=lambda: SimulatedSystem(start=START))
    told: dict = field(default_factory=dict)

    def to(self, name):
        """Return a neighbour that only listens."""
        return self.told.setdefault(name, []).append

    def spawn(self, cls, *args):
        self.ref = self.system.spawn(cls, *args, name=cls.__name__)
        self.system.run_for(0.1)
        return self.ref

    def tell(self, *messages, within_s=0.1):
        for message in messages:
            self.ref.tell(message)
        self.system.run_for(within_s)

    def last(self, name):
        return self.told[name][-1]

    def calls(self, name="broker"):
        """Return what the broker was asked for."""
        return [told.call for told in self.told.get(name, ()) if isinstance(told, Ask | Go)]

    def answer(self, value, **changes):
        """Answer the latest question to the broker."""
        asked = self.last("broker")
        self.tell(Outcome(asked.call, value, asked_s=self.system.monotonic(), **changes))


def some_capabilities(**changes):
    """Return what the paper broker says of itself, with changes."""
    values = {
        "name": "paper",
        "client_ids": ClientIdSupport.UNIQUE,
        "order_types": frozenset(OrderType),
        "times_in_force": frozenset(TimeInForce),
        "has_stream": True,
        "has_exec_ids": True,
        "shorting": True,
        "is_live": False,
    }
    return BrokerCapabilities(**(values | changes))


def a_page(*items, is_complete=True):
    return Page(items=items, is_complete=is_complete, as_of=START)


def a_broker_order(client_order_id="c-1", **changes):
    values = {
        "client_order_id": client_order_id,
        "broker_order_id": BrokerOrderId("0000000001"),
        "trade_date": DAY,
        "symbol": SAMSUNG,
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "order_qty": Decimal(100),
        "limit_px": None,
        "cum_qty": Decimal(0),
        "state": BrokerState.ACCEPTED,
        "reason": "",
        "transact_time": START,
    }
    return BrokerOrder(**(values | changes))


def a_broker_fill(client_order_id="c-1", **changes):
    values = {
        "client_order_id": client_order_id,
        "broker_order_id": BrokerOrderId("0000000001"),
        "trade_date": DAY,
        "exec_id": ExecId("1"),
        "symbol": SAMSUNG,
        "side": Side.BUY,
        "last_qty": Decimal(100),
        "last_px": Decimal(70_000),
        "commission": Decimal(983),
        "tax": Decimal(0),
        "transact_time": START,
    }
    return BrokerFill(**(values | changes))


def a_request(signal):
    return OrderRequest(
        client_order_id="x",
        symbol=signal.symbol,
        side=signal.side,
        order_qty=signal.order_qty,
        order_type=signal.order_type,
        limit_px=signal.limit_px,
        time_in_force=signal.time_in_force,
    )
