"""A broker of our own: a durable book, a market pushed from outside, and faults on demand."""

from decimal import Decimal
from pathlib import Path

from domain.fees import FeeSchedule
from domain.instrument import Instruments
from domain.ports import Clock, Scheduler
from domain.session import Session
from infra.brokers.paper.book import Book
from infra.brokers.paper.broker import Ledger, PaperBroker
from infra.brokers.paper.desk import Rules
from infra.brokers.paper.faults import Fault, FaultKind, FaultPlan, Operation
from infra.brokers.paper.gateway import PaperGateway
from infra.brokers.paper.market import PaperMarket, Quote, SeededMarket, Walk
from infra.brokers.paper.rules import Refusal
from infra.brokers.paper.settings import PaperSettings

__all__ = [
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Ledger",
    "Operation",
    "PaperBroker",
    "PaperGateway",
    "PaperMarket",
    "PaperSettings",
    "Quote",
    "Refusal",
    "SeededMarket",
    "Walk",
    "open_paper",
]


def open_paper(
    path: Path,
    *,
    clock: Clock,
    scheduler: Scheduler,
    instruments: Instruments,
    session: Session,
    fees: FeeSchedule,
    cash: Decimal = Decimal(100_000_000),
    settings: PaperSettings | None = None,
    faults: FaultPlan | None = None,
    seed: int = 0,
) -> PaperGateway:
    """Open the paper broker on its own file, or make it.

    The wall clock says which day it is, the monotonic one what is late; the scheduler delivers
    the stream and what takes effect later. ``cash`` opens an account that the file does not know
    yet. ``seed`` is that of the latencies; ``faults`` has its own.

    Raises:
        StoreError: The file cannot be used, is newer, or another process holds it.
    """
    chosen = settings or PaperSettings()
    rules = Rules(
        instruments=instruments,
        session=session,
        fees=fees,
        shorting=chosen.shorting,
        client_ids=chosen.client_ids,
    )
    broker = PaperBroker(
        Book(path, opening_cash=cash, power_safe=chosen.power_safe),
        PaperMarket(instruments, chosen.participation),
        rules=rules,
        settings=chosen,
        clock=clock,
        scheduler=scheduler,
    )
    return PaperGateway(
        broker,
        clock=clock,
        scheduler=scheduler,
        settings=chosen,
        faults=faults or FaultPlan(),
        seed=seed,
    )
