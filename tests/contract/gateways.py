"""The gateways that the contract is tested on, each with the market and the time behind it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random

from domain.broker import BrokerFill, BrokerNews, OrderRef, OrderRequest, PlaceAck
from domain.fees import FeeSchedule
from domain.instrument import Instruments
from domain.ports import BrokerGateway
from domain.session import Session
from domain.settings import Settings
from domain.terms import (
    AccountId,
    ClientOrderId,
    OrderType,
    RequestId,
    Side,
    Symbol,
    TimeInForce,
)
from infra.brokers.null import NullGateway
from infra.brokers.paper import FaultPlan, PaperGateway, PaperSettings, Quote, open_paper
from tests.fakes_time import ManualClock
from tests.simulation.exchange import Exchange
from tests.simulation.weather import Habits, Weather
from tests.simulation.wire import Network, SimulatedGateway, Unwatched

ACCOUNT = AccountId("A-1")
SAMSUNG = Symbol("005930")
OPENING_CASH = Decimal(100_000_000)


def an_order(name: str = "one", **changes: object) -> OrderRequest:
    """Return a market buy of 10; a limit price makes it a limit order."""
    limit_px = changes.get("limit_px")
    terms = {
        "client_order_id": ClientOrderId(name),
        "symbol": SAMSUNG,
        "side": Side.BUY,
        "order_qty": Decimal(10),
        "order_type": OrderType.MARKET if limit_px is None else OrderType.LIMIT,
        "limit_px": limit_px,
        "time_in_force": TimeInForce.DAY,
    }
    return OrderRequest(**terms | changes)


def a_ref(request: OrderRequest, ack: PlaceAck) -> OrderRef:
    return OrderRef(
        client_order_id=request.client_order_id,
        broker_order_id=ack.broker_order_id,
        trade_date=ack.trade_date,
        symbol=request.symbol,
    )


class World:
    """One gateway on a clock of its own."""

    def __init__(self, gateway: BrokerGateway, clock: ManualClock) -> None:
        self.gateway = gateway
        self.clock = clock
        self.start = clock.now()
        self.news: list[BrokerNews] = []
        gateway.subscribe(self.news.append)

    def place(self, name: str = "one", **changes: object) -> PlaceAck:
        return self.gateway.place_order(ACCOUNT, an_order(name, **changes))

    def cancel(self, ack: PlaceAck, name: str = "one"):
        ref = a_ref(an_order(name), ack)
        return self.gateway.cancel_order(ACCOUNT, ref, RequestId("cancel-1"))

    def find(self, name: str = "one"):
        return self.gateway.find_order(ACCOUNT, ClientOrderId(name))

    def order(self, name: str = "one"):
        return self.find(name).order

    def orders(self, since: datetime | None = None):
        return self.gateway.list_orders(ACCOUNT, since or self.start).items

    def fills(self, since: datetime | None = None) -> tuple[BrokerFill, ...]:
        return self.gateway.list_fills(ACCOUNT, since or self.start).items

    def cash(self) -> Decimal:
        return self.gateway.get_balance(ACCOUNT).cash


class PaperWorld(World):
    """The paper broker, with a market that a test pushes."""

    gateway: PaperGateway

    def __init__(
        self,
        path: Path,
        *,
        faults: Mapping | FaultPlan | None = None,
        clock: ManualClock | None = None,
        session: Session | None = None,
        instruments: Instruments | None = None,
        **settings: object,
    ) -> None:
        self.path = path
        self.session = session or Session()
        self.instruments = instruments or Instruments()
        self.settings = PaperSettings(**settings)
        plan = FaultPlan.script(faults) if isinstance(faults, Mapping) else faults
        clock = clock or ManualClock()
        super().__init__(self._open(clock, plan), clock)

    def _open(self, clock: ManualClock, plan: FaultPlan | None) -> PaperGateway:
        return open_paper(
            self.path,
            clock=clock,
            scheduler=clock,
            instruments=self.instruments,
            session=self.session,
            fees=FeeSchedule(),
            cash=OPENING_CASH,
            settings=self.settings,
            faults=plan,
            seed=1,
        )

    def push(
        self,
        px: object = 70_000,
        volume: object = 1_000_000,
        *,
        symbol: Symbol = SAMSUNG,
        base_px: object = 70_000,
    ) -> None:
        quote = Quote(
            symbol=symbol,
            last_px=Decimal(str(px)),
            base_px=Decimal(str(base_px)),
            volume=Decimal(str(volume)),
            at=self.clock.now(),
        )
        self.gateway.market.push(quote)

    def reopen(self) -> None:
        """Close the broker and open it again from its file, as after the end of its process."""
        self.gateway.close()
        self.gateway = self._open(self.clock, None)
        self.gateway.subscribe(self.news.append)

    def ledger(self):
        return self.gateway.broker.ledger(ACCOUNT)

    def settle(self) -> None:
        """Let everything on its way arrive."""
        self.clock.advance(10)


def a_paper_world(tmp_path: Path, **options: object) -> PaperWorld:
    """Return the paper broker with a first quote of 70,000 and plenty of volume."""
    world = PaperWorld(tmp_path / "paper.db", **options)
    world.push()
    return world


def a_null_world(tmp_path: Path) -> World:
    """Return the null broker."""
    clock = ManualClock()
    return World(NullGateway(clock, cash=OPENING_CASH), clock)


def a_simulated_world(tmp_path: Path) -> World:
    """Return the simulation's broker on a day on which nothing goes wrong."""
    clock, settings = ManualClock(), Settings()
    network = Network(clock, Weather(settings=settings, habits=Habits()), Random(1))
    exchange = Exchange(clock, settings, Habits(), Random(2), network.publish)
    return World(SimulatedGateway(network, exchange, clock, Unwatched()), clock)
