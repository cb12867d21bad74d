"""A real store with every kind of story in it, made on the simulated system in virtual time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from actors.engine import Engine, Ports
from actors.runtime import SimulatedSystem
from domain.session import ALWAYS_OPEN
from domain.settings import Settings
from domain.signal import Cancel
from infra.brokers.paper import FaultPlan, PaperSettings, Quote, open_paper
from infra.store.store import open_store

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 10:00 in Seoul.
FAULTS = FaultPlan.script(
    {
        ("place", "000660"): ("not_sent", "not_sent"),
        ("place", "035420"): "answer_lost_after_booking",
        # Else the stream tells before the timeout that the order is there.
        ("stream", "035420"): ("lost",) * 5,
        # Not at the broker, which can be proved only later than the story goes.
        ("place", "005380"): "answer_lost_before_booking",
        ("find", ""): (None, "http_500_before"),
    }
)


@dataclass(slots=True)
class House:
    """An engine on the simulated system, and its paper broker."""

    engine: Engine
    system: SimulatedSystem
    market: object

    def quote(self, symbol, px, volume=1_000_000):
        at = self.system.now()
        px, volume = Decimal(px), Decimal(volume)
        self.market.push(Quote(symbol=symbol, last_px=px, base_px=px, volume=volume, at=at))

    def tell(self, signal_id, side, qty, symbol, limit=None, seconds=3.0):
        terms = {} if limit is None else {"order_type": "LIMIT", "limit_px": str(limit)}
        asked = self.engine.ask(
            {"signal_id": signal_id, "account_id": "paper", "symbol": symbol}
            | {"side": side, "order_qty": str(qty), "strategy_id": "test"}
            | terms
        )
        self.system.run_for(seconds)
        return asked


def open_house(folder, url=None):
    """Start an engine in ``folder``, or on the store at ``url``."""
    system = SimulatedSystem(start=START, seed=1)
    settings = Settings(session=ALWAYS_OPEN)
    store = open_store(url or folder / "oncefill.db", account_id=settings.account_id, clock=system)
    gateway = open_paper(
        folder / "paper.db",
        clock=system,
        scheduler=system,
        instruments=settings.instruments,
        session=settings.session,
        fees=settings.fees,
        faults=FAULTS,
        settings=PaperSettings(power_safe=False),
    )
    ports = Ports(store=store, gateway=gateway, system=lambda: system)
    engine = Engine(settings, ports).start()
    system.run_for(1)
    return House(engine=engine, system=system, market=gateway.market)


def tell_all(house):
    """Trade: bought and closed, rejected, retried, in doubt twice, part filled and cancelled."""
    for symbol, px in {"005930": 70_000, "000660": 150_000, "035420": 200_000}.items():
        house.quote(symbol, px)
    house.quote("005380", 250_000)
    house.tell("bought", "BUY", 100, "005930")
    house.quote("005930", 72_000)
    house.tell("closed", "SELL", 100, "005930")
    house.tell("rejected", "BUY", 10, "005930", limit=10_000)
    house.tell("retried", "BUY", 7, "000660", seconds=8)
    house.tell("lost", "BUY", 3, "035420", seconds=20)
    house.quote("035720", 50_000, volume=5_000)
    house.tell("part", "BUY", 1_000, "035720", limit=50_000)
    house.engine.tell(Cancel(signal_id="part", account_id="paper", reason="too slow"))
    house.system.run_for(5)
    house.engine.tell({"signal_id": "bad", "account_id": "paper", "symbol": "005930"})
    house.tell("resting", "BUY", 1, "005930", limit=60_000)
    house.tell("doubt", "BUY", 5, "005380", seconds=7.5)
