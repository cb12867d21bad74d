"""What the demo did: read from the store and from the broker's own book, nothing from memory."""

from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from domain.broker import BrokerFill, BrokerOrder
from domain.events import Filled
from domain.money import exact
from domain.order import Order
from domain.settings import Settings
from domain.terms import ZERO, OrderStatus, SignalId
from infra.brokers.paper import Ledger, open_paper
from infra.cli import audit, pnl, positions
from infra.cli.demo_proofs import Evidence, collect
from infra.cli.demo_scenes import Script
from infra.cli.render import Column, counted, say, show_table
from infra.cli.source import program
from infra.clock import SystemClock, ThreadScheduler
from infra.store.reading import Reader, open_reader

BROKER_FILE: Final = "paper.db"
OPENING_CASH: Final = Decimal(100_000_000)  # What the paper broker opens an account with.

Row = tuple[str, str, str]

_SHOWN, _MISSING, _SKIPPED = "shown", "MISSING", "skipped"
_FAILED: Final = 1
_SCENES: Final = (
    Column(title="scene"),
    Column(title="result"),
    Column(title="what the journal says", wraps=True),
)
_CHECKS: Final = (Column(title="check"), Column(title="result"), Column(title="detail", wraps=True))


def report(
    script: Script, store: Path, settings: Settings, *, late: Sequence[str], is_named: bool
) -> int:
    """Print the summary, positions, P&L and all checks; the exit code is 1 when one failed."""
    with open_reader(store) as reader:
        evidence = collect(reader.records())
        scenes = _scene_rows(script, evidence)
        checks = _checks(reader, store, settings, evidence, late)
    _head(f"Demo on the paper broker: {_counts(evidence)}")
    show_table(_SCENES, scenes)
    _head("Positions")
    positions.run(Namespace(store=store, json=False))
    _head("Daily P&L")
    pnl.run(Namespace(store=store, json=False, day=None))
    _head("Audit")
    told = Namespace(store=store, json=False, action="verify", export=None, heads=[])
    code = audit.run(told)
    _head("Ours and the broker's")
    show_table(_CHECKS, checks)
    is_good = code == 0 and not any(row[1] in (_MISSING, "FAIL") for row in (*scenes, *checks))
    say()
    if is_good:
        say("Every scene played was shown and every check passed.", style="bold green")
    else:
        say("Something is MISSING or FAILed above; the log says more.", style="bold red")
    say_where(store, script, is_named=is_named)
    return 0 if is_good else _FAILED


def say_where(store: Path, script: Script, *, is_named: bool) -> None:
    """Say where everything is, and what to try on it."""
    option = f" --store {store}" if is_named else ""
    say()
    say(f"Store, broker's book and log: {store.parent}")
    say("Next, try:")
    # The scene with the longest story that was played.
    story = max(script.scenes, key=lambda scene: scene.rank).signal_id
    for words in ("orders", f"order show {story}", "positions", "pnl", "audit show", "doctor"):
        print(f"  {program()} {words}{option}")


def _head(title: str) -> None:
    say()
    say(title, style="bold")


def _counts(evidence: Mapping[SignalId, Evidence]) -> str:
    counts = Counter(seen.order.status for seen in evidence.values())
    by_status = ", ".join(f"{counts[s]:,} {s}" for s in OrderStatus if counts[s])
    return f"{counted(len(evidence), 'order')}: {by_status}" if evidence else "no orders"


def _scene_rows(script: Script, evidence: Mapping[SignalId, Evidence]) -> list[Row]:
    rows: list[Row] = []
    for scene in script.scenes:
        seen = evidence.get(SignalId(scene.signal_id))
        proof = scene.proof(seen) if seen is not None else None
        if proof is not None:
            rows.append((scene.name, _SHOWN, proof))
        else:
            where = f"see {program()} order show {scene.signal_id}" if seen else "no order was made"
            rows.append((scene.name, _MISSING, where))
    for scene, seconds in script.skipped:
        rows.append((scene.name, _SKIPPED, f"needs --seconds {seconds}"))
    return rows


def _checks(
    reader: Reader,
    store: Path,
    settings: Settings,
    evidence: Mapping[SignalId, Evidence],
    late: Sequence[str],
) -> list[Row]:
    ledger = _ledger(store, settings)
    ours = [seen.order for seen in evidence.values()]
    held = {held.symbol: held.qty for held in reader.positions() if held.qty}
    theirs = {held.symbol: held.qty for held in ledger.positions}
    fills = {_fill_key(fill): fill.last_qty for order in ours for fill in order.fills}
    their_fills = {_fill_key(fill): fill.last_qty for fill in ledger.fills}
    return [
        _once(ours, ledger.orders),
        _same("fills", fills, their_fills, f"{len(fills):,}, the same on both sides"),
        _same("positions", held, theirs, f"{len(held):,} held, the same on both sides"),
        _row("cash", ledger.cash == _cash(ours), f"{ledger.cash:,} KRW at the broker"),
        _row("engine", not late, f"late: {', '.join(late)}" if late else "stopped, nothing left"),
    ]


def _ledger(store: Path, settings: Settings) -> Ledger:
    """Return what the broker wrote down, read from its own file."""
    scheduler = ThreadScheduler()
    gateway = open_paper(
        store.with_name(BROKER_FILE),
        clock=SystemClock(),
        scheduler=scheduler,
        instruments=settings.instruments,
        session=settings.session,
        fees=settings.fees,
    )
    try:
        return gateway.broker.ledger(settings.account_id)
    finally:
        gateway.close()
        scheduler.stop()


def _once(ours: Sequence[Order], theirs: Sequence[BrokerOrder]) -> Row:
    """Compare orders by our id: each that reached the broker is there once, with its fills."""
    times = Counter(order.client_order_id for order in theirs)
    filled = {order.client_order_id: order.cum_qty for order in theirs}
    sent = [order for order in ours if order.broker_order_id is not None]
    wrong: list[str] = [
        order.signal.signal_id
        for order in ours
        if times[order.client_order_id] != (1 if order.broker_order_id is not None else 0)
        or filled.get(order.client_order_id, ZERO) != order.cum_qty
    ]
    unknown = times.keys() - {order.client_order_id for order in ours}
    wrong += [f"unknown {key}" for key in unknown]
    detail = f"{len(sent):,} of {len(ours):,} reached the broker, each exactly once"
    return _row("orders", not wrong, f"not alike: {', '.join(wrong)}" if wrong else detail)


def _same(
    name: str, ours: Mapping[Any, Decimal], theirs: Mapping[Any, Decimal], detail: str
) -> Row:
    wrong = [str(key) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    return _row(name, not wrong, f"not alike: {', '.join(sorted(wrong))}" if wrong else detail)


def _row(name: str, is_good: bool, detail: str) -> Row:
    return name, "ok" if is_good else "FAIL", detail


def _cash(orders: Sequence[Order]) -> Decimal:
    """Return the cash that our own fills leave of the opening cash."""
    with exact():
        spent = sum(
            (order.cum_amount * order.signal.side.sign + order.commission + order.tax)
            for order in orders
        )
        return OPENING_CASH - spent


def _fill_key(fill: Filled | BrokerFill) -> tuple[str, str, str]:
    return fill.trade_date.isoformat(), fill.broker_order_id, fill.exec_id
