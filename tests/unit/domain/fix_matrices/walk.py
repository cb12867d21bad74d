"""Reads matrices as FIX prints them, and walks orders through them.

The ``.txt`` files beside this one are FIX 4.4 volume 4, appendix D, all but the replaces (C, D) and
the orders that live for days (H). Beside a status stands what a request or the venue adds to it:
``PARTIAL +cancel +suspended``; FIX would show that as the status. A report is read as a gateway
reads it: orders as ``BrokerOrder``, executions as ``Filled``.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from domain.broker import BrokerOrder, BrokerState
from domain.events import CancelOutcome, Flagged, Source
from domain.lifecycle import LEGAL_CHANGES, decide, reports_in, topics_of
from domain.order import evolve
from domain.terms import ZERO, OrderType, Side, Standing
from tests.unit.domain import orders as o

STATES = {
    "Pending New": BrokerState.ACCEPTED,
    "New": BrokerState.ACCEPTED,
    "Restated": BrokerState.ACCEPTED,
    "Partially Filled": BrokerState.PARTIAL,
    "Filled": BrokerState.FILLED,
    "Done for Day": BrokerState.DONE_FOR_DAY,
    "Canceled": BrokerState.CANCELLED,
    "Stopped": BrokerState.STOPPED,
    "Rejected": BrokerState.REJECTED,
    "Suspended": BrokerState.SUSPENDED,
    "Expired": BrokerState.EXPIRED,
}
EXECUTION = re.compile(
    r"(Trade|Trade Cancel|Trade Correct) (\w+)(?:\((\w+)\))?(?: (\d+)@([\d.]+))?"
)
REPORT = re.compile(
    r"(?:Status )?(" + "|".join(sorted(STATES, reverse=True)) + r")"
    r"(?: of (\w+))?(?: qty=(\d+))?(?: px=(\d+))?(?: cum=(\d+))?"
)


@dataclass(frozen=True)
class Row:
    """One line of a matrix."""

    says: str
    after: tuple[str, ...]
    recorded: str


def matrices():
    """Return the lines of each matrix by its name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.txt")):
        for part in path.read_text().split("\n## ")[1:]:
            name, _, table = part.partition("\n")
            found[name] = rows_of(table)
    return found


def rows_of(table):
    """Return the lines of a matrix below its head."""
    lines = [line for line in table.splitlines() if "|" in line]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines[1:]]
    return [Row(says, tuple(after), recorded) for says, *after, recorded in cells]


def walk(rows, **signal):
    """Return what each line came to, in the form of the line, and the order at the end."""
    created = o.created(o.a_signal(**({"order_qty": Decimal(10_000)} | signal)))
    order, journal, walked = evolve(None, created), [created], []
    for row in rows:
        recorded = []
        for event in events_of(row.says, order):
            order, kept = _decided(order, event)
            recorded.extend(kept)
        journal.extend(recorded)
        walked.append(Row(row.says, shown(order), " ".join(map(named, recorded))))
    replayed = None
    for event in journal:
        replayed = evolve(replayed, event)
    assert replayed == order, "a restart would know something else"
    return walked, order


def _decided(order, event):
    after, recorded = decide(order, event)
    for kept in recorded:
        before, order = order.status, evolve(order, kept)
        assert order.status is before or order.status in LEGAL_CHANGES[before]
        assert topics_of(kept, order) or named(kept) == "CancelEnded"
    return after, recorded


def shown(order):
    """Return the order as the cells of a line."""
    beside = ["+cancel"] if order.cancel is not None and not order.is_closed else []
    if order.standing is not Standing.WORKING and not order.is_closed:
        beside.append(f"+{order.standing.lower()}")
    numbers = (order.order_qty, order.cum_qty, order.leaves_qty)
    avg_px = "-" if order.avg_px is None else str(order.avg_px)
    return " ".join((order.status.value, *beside)), *map(str, numbers), avg_px


def named(event):
    """Return the name of what was recorded; a flag says which."""
    if isinstance(event, Flagged):
        return f"!{event.anomaly.value}"
    return type(event).__name__


def events_of(says, order):
    """Return what a message, of ours or of the broker, means."""
    words = says.split(":")[0]
    return MESSAGES[words](order) if words in MESSAGES else _reported(words, order)


def _cancel_request(order):
    wanted = () if order.cancel is not None else (o.cancel_requested(),)
    return (*wanted, o.cancel_started(order.cancel_requests + 1))


# What is no execution report: our own moves, and answers to our requests.
MESSAGES = {
    "New Order": lambda order: (o.started(order.attempts + 1),),
    "Not Sent": lambda order: (o.not_sent(order.attempts),),
    "Answer Lost": lambda order: (o.doubted(order.attempts),),
    "Duplicate ClOrdID": lambda order: (replace(o.doubted(order.attempts), is_known_there=True),),
    "Order Rejected": lambda _: (o.rejected(),),
    "Unknown Order": lambda _: (o.looked_up(),),
    "Cancel Wanted": lambda _: (o.cancel_requested(),),
    "Cancel Request": _cancel_request,
    "Pending Cancel": lambda order: (o.cancel_ended(number=order.cancel_requests),),
    "Cancel Reject": lambda order: (o.cancel_ended(CancelOutcome.REFUSED, order.cancel_requests),),
}


def _reported(report, order):
    if (execution := EXECUTION.fullmatch(report)) is not None:
        kind, exec_id, ref, qty, px = execution.groups()
        fill = o.filled(qty or 0, exec_id, px=Decimal(px or 0))
        # A gateway that is told no quantity says 0: all of it.
        is_bust = kind == "Trade Cancel"
        return (
            replace(fill, exec_ref_id=ref, last_qty=-fill.last_qty if is_bust else fill.last_qty),
        )
    told = REPORT.fullmatch(report)
    assert told is not None, f"nobody says {report!r}"
    state, number, qty, px, cum = told.groups()
    news = BrokerOrder(
        client_order_id=order.client_order_id,
        broker_order_id=number or o.B1,
        trade_date=o.DAY,
        symbol=order.symbol,
        side=Side.BUY,
        order_type=OrderType.LIMIT if order.limit_px else OrderType.MARKET,
        order_qty=order.order_qty if qty is None else Decimal(qty),
        limit_px=order.limit_px if px is None else Decimal(px),
        cum_qty=order.cum_qty if cum is None else Decimal(cum),
        state=STATES[state],
        reason="",
        transact_time=o.NOW,
    )
    assert news.cum_qty >= ZERO
    return reports_in(order, news, Source.STREAM, o.NOW)
