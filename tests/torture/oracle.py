"""Store and ledger side by side: every invariant that two books can show."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.ids import client_order_id
from domain.order import Order, evolve
from domain.terms import ZERO, SignalId
from infra.brokers.paper import Ledger, Refusal, open_paper
from infra.store.audit import verify
from infra.store.reading import Reader, open_reader
from tests.fakes_time import ManualClock
from tests.torture.settings import ACCOUNT, SETTINGS

OPENING_CASH = Decimal(100_000_000)

# What a careful engine does not let out; cash and market are the broker's to judge.
INVALID = {Refusal.BAD_TERMS, Refusal.OFF_TICK, Refusal.NOT_TRADABLE, Refusal.OUTSIDE_BAND}

# Requests are stamped after their permit was taken, so on a busy machine they bunch up a little.
WINDOW_S = 0.9


def problems(folder: Path) -> list[str]:
    """Return what is wrong between the engine's store and the broker's books, in words."""
    book, notes = broker_book(folder), read_lines(folder / "ledger.jsonl")
    with open_reader(folder / "oncefill.db") as reader:
        orders = fold_orders(reader)
        return [
            *one_order_for_each_signal(book),
            *same_orders(orders, book),
            *all_wishes_ended(folder, orders),
            *same_fills(orders, book),
            *same_positions(reader, book),
            *cash_adds_up(orders, book),
            *audit_is_whole(reader),
            *intent_came_first(reader, notes),
            *nothing_invalid_arrived(notes),
            *limit_was_kept(notes),
        ]


def placements(folder: Path) -> dict[str, int]:
    """Return how many placements arrived, and how many orders the broker booked."""
    notes = read_lines(folder / "ledger.jsonl")
    arrived = sum(note["what"] == "received" for note in notes)
    return {"placements": arrived, "broker_orders": len(broker_book(folder).orders)}


def broker_book(folder: Path) -> Ledger:
    """Open the broker's book at rest and return all that it holds."""
    clock = ManualClock()
    gateway = open_paper(
        folder / "paper.db",
        clock=clock,
        scheduler=clock,
        instruments=SETTINGS.instruments,
        session=SETTINGS.session,
        fees=SETTINGS.fees,
    )
    try:
        return gateway.broker.ledger(ACCOUNT)
    finally:
        gateway.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file with one on each line; a kill may have cut a line."""
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def fold_orders(reader: Reader) -> dict[str, Order]:
    """Return every order as its journal tells it, by client order id."""
    folded: dict[str, Order] = {}
    for record in reader.records(after=0, limit=10_000_000):
        if record.stream.startswith("order/"):
            name = record.stream.removeprefix("order/")
            folded[name] = evolve(folded.get(name), record.event)
    return folded


def one_order_for_each_signal(book: Ledger) -> Iterator[str]:
    """I1."""
    for name, count in Counter(order.client_order_id for order in book.orders).items():
        if count > 1:
            yield f"I1: {name} has {count} orders at the broker"


def same_orders(orders: dict[str, Order], book: Ledger) -> Iterator[str]:
    """I2."""
    theirs = {str(order.client_order_id): order.broker_order_id for order in book.orders}
    ours = {name: order.broker_order_id for name, order in orders.items()}
    for name, number in theirs.items():
        if ours.get(name) != number:
            yield f"I2: broker order {number} of {name} is {ours.get(name)} here"
    for name, known in ours.items():
        if known is not None and name not in theirs:
            yield f"I2: {name} is {known} here and unknown at the broker"


def all_wishes_ended(folder: Path, orders: dict[str, Order]) -> Iterator[str]:
    """I3, I12."""
    for answer in read_lines(folder / "answers.jsonl"):
        name = answer.get("client_order_id")
        if name is not None and name not in orders:
            yield f"I3: wish {answer['number']} was acknowledged and {name} does not exist"
    wishes = read_lines(folder / "wishes.jsonl")
    names = {wish["signal_id"] for wish in wishes if "signal_id" in wish}
    valid = {name for name in names if not name.startswith("bad-")}
    for signal_id in sorted(valid):
        order = orders.get(client_order_id(ACCOUNT, SignalId(signal_id)))
        if order is None:
            yield f"I3: signal {signal_id} was told and has no order"
        elif not order.is_closed:
            yield f"I12: {order.client_order_id} is still {order.status}"


def same_fills(orders: dict[str, Order], book: Ledger) -> Iterator[str]:
    """I4."""
    ours: dict[str, set[Any]] = defaultdict(set)
    theirs: dict[str, set[Any]] = defaultdict(set)
    for name, order in orders.items():
        ours[name] = {(f.trade_date, f.exec_id, f.last_qty, f.last_px) for f in order.fills}
        if len(ours[name]) != len(order.fills):
            yield f"I4: {name} has a fill twice"
    for fill in book.fills:
        key = (fill.trade_date, fill.exec_id, fill.last_qty, fill.last_px)
        theirs[str(fill.client_order_id)].add(key)
    for name in sorted({*ours, *theirs}):
        if ours[name] != theirs[name]:
            yield f"I4: fills of {name}: {len(ours[name])} here, {len(theirs[name])} there"


def same_positions(reader: Reader, book: Ledger) -> Iterator[str]:
    """I5."""
    ours = {held.symbol: held.qty for held in reader.positions() if held.qty}
    theirs = {held.symbol: held.qty for held in book.positions if held.qty}
    if ours != theirs:
        yield f"I5: positions: {ours} here, {theirs} there"


def cash_adds_up(orders: dict[str, Order], book: Ledger) -> Iterator[str]:
    """I6."""
    cash = OPENING_CASH
    for order in orders.values():
        sign = order.signal.side.sign
        paid = sum((fill.last_qty * fill.last_px for fill in order.fills), ZERO)
        cash -= sign * paid + order.commission + order.tax
    if cash != book.cash:
        yield f"I6: cash {cash} by our fills, {book.cash} at the broker"


def audit_is_whole(reader: Reader) -> Iterator[str]:
    """I7."""
    for check in verify(reader).checks:
        if not check.ok:
            yield f"I7: {check.name}: {check.detail}"


def intent_came_first(reader: Reader, notes: list[dict[str, Any]]) -> Iterator[str]:
    """I8: before the n-th request of an order arrived, its n-th intent was recorded."""
    intents: dict[str, list[float]] = defaultdict(list)
    for line in reader.lines():
        if line.kind == "SubmitStarted":
            at = datetime.fromisoformat(line.recorded_at)
            intents[line.stream.removeprefix("order/")].append(at.timestamp())
    seen: Counter[str] = Counter()
    for note in notes:
        if note["what"] == "received":
            name = note["client_order_id"]
            seen[name] += 1
            recorded = sum(at <= note["at"] for at in intents[name])
            if recorded < seen[name]:
                yield f"I8: request {seen[name]} of {name} came with {recorded} intents recorded"


def nothing_invalid_arrived(notes: list[dict[str, Any]]) -> Iterator[str]:
    """I9, and the half of I1 that the broker's own check of ids would hide."""
    for note in notes:
        code = note.get("code")
        if code in INVALID:
            yield f"I9: the broker refused {note['client_order_id']} by {code}"
        elif code == Refusal.DUPLICATE:
            yield f"I1: {note['client_order_id']} was sent again while the broker had it"


def limit_was_kept(notes: list[dict[str, Any]]) -> Iterator[str]:
    """I13."""
    most = SETTINGS.rate.requests
    sent = sorted(note["sent_s"] for note in notes if "sent_s" in note)
    for early, late in zip(sent, sent[most:], strict=False):
        if late - early < WINDOW_S:
            yield f"I13: {most + 1} requests within {late - early:.3f} s"
            return
