"""A BrokerActor on virtual time, a gateway that takes its time, and orders that go at once."""

from contextlib import contextmanager
from decimal import Decimal

from actors.broker import BrokerActor
from actors.calls import Door
from actors.limits import CallSlot, RequestBucket
from actors.messages import Ask, Go, LookUp, Outcome, Place
from domain.broker import OrderRequest
from domain.settings import RateLimit, Settings
from domain.terms import OrderType, Side, TimeInForce
from tests.desks import SAMSUNG
from tests.unit.actors.rigs import Listener, Lone


def a_request(name):
    return OrderRequest(
        client_order_id=name,
        symbol=SAMSUNG,
        side=Side.BUY,
        order_qty=Decimal(1),
        order_type=OrderType.MARKET,
        limit_px=None,
        time_in_force=TimeInForce.DAY,
    )


class SlowGateway:
    """Takes its time over every call, and notes which ones were under way together."""

    def __init__(self, system, call_s=0.2):
        self._system, self.call_s = system, call_s
        self.calls, self.under_way, self.most = [], 0, 0
        self.error = self.hang_from = None
        self.on_call = lambda made: None

    def __getattr__(self, name):
        def call(*args):
            self.calls.append((self._system.monotonic(), name, args))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                self._system.sleep(self._takes_s())
                self.on_call(len(self.calls))
                if self.error is not None:
                    raise self.error
            finally:
                self.under_way -= 1
            return name

        return call

    def _takes_s(self):
        is_hanging = self.hang_from is not None and len(self.calls) > self.hang_from
        return 1e6 if is_hanging else self.call_s


class Gate:
    """A guard that says no for as long as the test wants."""

    def __init__(self):
        self.error = None

    @contextmanager
    def hold(self, *, symbol, strategy_id):
        if self.error is not None:
            raise self.error
        yield


class House(Lone):
    """A BrokerActor, and as many askers as the test wants."""

    def __init__(self, call_s=0.2, requests=20, **changes):
        super().__init__()
        rate = RateLimit(requests=requests)
        self.settings = Settings(rate=rate, **changes)
        self.gateway, self.gate, self.fatal = SlowGateway(self.system, call_s), Gate(), []
        self.door = Door(
            gateway=self.gateway,
            guard=self.gate,
            bucket=RequestBucket(requests=requests, window_s=1.0, now_s=-10.0),
            polls=RequestBucket(requests=6, window_s=1.0, now_s=-10.0),
            slot=CallSlot(),
            fatal=self.fatal.append,
        )
        self.heard = {}
        self.spawn(BrokerActor, self.door, self.settings)

    def asker(self, name, on_turn=None):
        heard = self.heard.setdefault(name, [])
        return self.system.spawn(Listener, heard, on_turn, name=name)

    def goer(self, name, send_by_s=60.0):
        """Return an order that goes as soon as it is its turn."""

        def go(ticket, ref):
            self.ref.tell(Go(ticket, ref, Place(a_request(name), 1, send_by_s)))

        return self.asker(name, go)

    def outcomes(self, name):
        return [one for one in self.heard[name] if isinstance(one, Outcome)]

    def made(self):
        return [name for _, name, _ in self.gateway.calls]


def ask(asker, line, call=None):
    return Ask(asker, line, call or LookUp("c"))
