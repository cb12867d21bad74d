"""``run.py replay``: trade a strategy on prices from files, with the engine as it is.

The engine runs on the simulated system, in one thread and virtual time, against the paper broker;
so the same prices give the same result, to the byte.
"""

import sys
from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Final

from domain.crossover import Crossover
from domain.errors import InvalidInputError, OncefillError
from domain.money import parse_decimal
from domain.ports import Clock, Scheduler
from domain.session import Session
from domain.settings import Settings
from infra.brokers.paper import Ledger, PaperGateway, PaperSettings, open_paper
from infra.cli.interrupts import held_back
from infra.cli.parts import LaunchSimulated
from infra.cli.replay_market import Job, steps_of
from infra.cli.replay_progress import progress
from infra.cli.replay_result import Report, read_books, report_of
from infra.cli.replay_text import show, show_json
from infra.cli.replay_trader import Trader
from infra.clock import SystemClock
from infra.feeds.bars import read_bars
from infra.log import configure_log
from infra.store.folders import STORE_FILE, new_run_folder
from infra.store.reading import open_reader

BASE: Final = Path(".oncefill")
PAPER_FILE: Final = "paper.db"

_FAILED: Final = 1
# The engine starts a little before the first session, as a trader would.
_EARLY: Final = timedelta(minutes=1)
# Positions are counted from the journal: milliseconds after the last fill.
_SETTLE_S: Final = 60.0
# An order that waits for volume may rest all day. The stream tells what happens to it; polls
# stand behind that, and need not look every few seconds of every day.
_POLL_S: Final = 3_600.0
_ALL_DAY_S: Final = 86_400.0


def run(args: Namespace, launch: LaunchSimulated) -> int:
    """Replay the files; the exit code is 1 when engine and broker, or the audit, disagree."""
    configure_log(level="warning")
    settings = Settings(
        session=Session(), poll_idle_s=_POLL_S, reconcile_s=_ALL_DAY_S, market_timeout_s=_ALL_DAY_S
    )
    job = Job(
        steps=steps_of(read_bars(args.prices, settings.session), settings.session),
        start=Crossover(fast=args.fast, slow=args.slow),
        cash=parse_decimal("cash", args.cash),
        settings=settings,
    )
    store = _fresh_store(args.store)
    print(f"The store of this replay: {store}", file=sys.stderr)
    ledger = _trade(job, store, args.seed, launch)
    with open_reader(store) as reader:
        report = report_of(job, read_books(reader, ledger, job))
    if args.json:
        show_json(report)
    else:
        show(report)
    return _say_what_failed(report)


def _trade(job: Job, store: Path, seed: int, launch: LaunchSimulated) -> Ledger:
    """Run the engine over all steps, stop it, and return what the broker has in its book."""
    opened: list[PaperGateway] = []

    def gateway(clock: Clock, scheduler: Scheduler) -> PaperGateway:
        opened.append(_paper(job, store.with_name(PAPER_FILE), clock, scheduler, seed))
        return opened[-1]

    began = job.steps[0].at - _EARLY
    engine, time = launch(job.settings, store=store, gateway=gateway, start=began, seed=seed)
    paper = opened[-1]
    late: tuple[str, ...] = ()
    try:
        trader = Trader(engine, time, paper.market, job)
        # In the middle of a step an interrupt would tear a call to the broker apart.
        with progress(job.steps) as told, held_back() as check:
            for step in job.steps:
                trader.play(step)
                told(step)
                check()
        time.run_for(_SETTLE_S)
        ledger = paper.broker.ledger(job.settings.account_id)
    finally:
        late = engine.stop(reason="the replay is over")
    if late:
        msg = f"The engine did not stop in order: {', '.join(late)}; run doctor and audit verify."
        raise OncefillError(msg)
    return ledger


def _paper(job: Job, path: Path, clock: Clock, scheduler: Scheduler, seed: int) -> PaperGateway:
    return open_paper(
        path,
        clock=clock,
        scheduler=scheduler,
        instruments=job.settings.instruments,
        session=job.settings.session,
        fees=job.settings.fees,
        cash=job.cash,
        settings=PaperSettings(shorting=False),
        seed=seed,
    )


def _fresh_store(named: Path | None) -> Path:
    """Return where the store goes: nothing may be there yet, or two runs would be one.

    Raises:
        InvalidInputError: The named place is taken.
    """
    if named is None:
        return new_run_folder(BASE, "replay", SystemClock()) / STORE_FILE
    path = named if named.suffix == ".db" else named / STORE_FILE
    for taken in (path, path.with_name(PAPER_FILE)):
        if taken.exists():
            raise InvalidInputError("store", f"{taken} is there already; name a new folder")
    return path


def _say_what_failed(report: Report) -> int:
    failed = [check for check in report.checks if not check.ok]
    for check in failed:
        print(f"CHECK FAILED: {check.name}: {check.detail}", file=sys.stderr)
    return _FAILED if failed else 0
