"""The broker an engine gets when none is named: paper, on a seeded market that always moves."""

from decimal import Decimal
from pathlib import Path

from domain.ports import BrokerGateway, Clock, Scheduler
from domain.settings import Settings
from domain.terms import Symbol
from infra.brokers.paper import FaultPlan, PaperGateway, PaperSettings, SeededMarket, open_paper

# About what these traded at when the seeds were chosen; the walk starts here.
OPENING = {
    Symbol("005930"): Decimal(70_000),
    Symbol("000660"): Decimal(180_000),
    Symbol("005380"): Decimal(240_000),
    Symbol("035420"): Decimal(190_000),
    Symbol("069500"): Decimal(35_000),
}


def seeded_paper(
    path: Path,
    settings: Settings,
    *,
    clock: Clock,
    scheduler: Scheduler,
    seed: int = 7,
    paper: PaperSettings | None = None,
    faults: FaultPlan | None = None,
) -> tuple[PaperGateway, SeededMarket]:
    """Open the paper broker with its book at ``path``, and start a market for it."""
    gateway = open_paper(
        path,
        clock=clock,
        scheduler=scheduler,
        instruments=settings.instruments,
        session=settings.session,
        fees=settings.fees,
        settings=paper,
        faults=faults,
        seed=seed,
    )
    market = SeededMarket(
        gateway.market,
        opening=OPENING,
        instruments=settings.instruments,
        session=settings.session,
        clock=clock,
        scheduler=scheduler,
        seed=seed,
    )
    market.start()
    return gateway, market


def default_gateway(
    path: Path, settings: Settings, clock: Clock, scheduler: Scheduler
) -> BrokerGateway:
    """Return the paper broker for an engine that names no other."""
    return seeded_paper(path, settings, clock=clock, scheduler=scheduler)[0]
