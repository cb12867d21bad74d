"""``run.py order show ID``: what happened to one order, step by step, and where it stands."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.errors import InvalidInputError, OncefillError, StoreError
from domain.journal import Record
from domain.order import Order, evolve
from domain.order_parts import PendingCancel, Placement
from infra.cli.order_door import cancel, place, resolve
from infra.cli.orders import order_facts
from infra.cli.render import (
    ZONE,
    Column,
    amount,
    duration,
    exchange_time,
    number,
    print_json,
    say,
    short,
    show_facts,
    show_table,
)
from infra.cli.source import hashes, lock_holder, open_source, program
from infra.cli.words import attempt_text, describe, queued, terms
from infra.plain import clean
from infra.store.places import Place
from infra.store.queries import ORDER_STREAM
from infra.store.reading import Reader
from infra.store.views import OrderView

_COLUMNS: Final = (
    Column(title=f"time ({ZONE})"),
    Column(title="since", is_number=True),
    Column(title="hash", drop=1),
    Column(title="what happened", wraps=True),
)
_HASH_LENGTH: Final = 8
_SHOWN_KEY_LENGTH: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline.

    Attributes:
        at: When it was decided here, not when it was written.
        since: Time since the line before; None on the first.
        after: The order with the event in it.
    """

    record: Record
    at: datetime
    since: timedelta | None
    after: Order
    hash: str

    @property
    def text(self) -> str:
        """What happened, in words."""
        return describe(self.record.event, self.after)


def run(args: Namespace) -> int:
    """Show the order, or ask the engine to place or cancel one.

    Raises:
        OncefillError: None, or more than one, is meant.
    """
    if args.action != "show":
        return {"place": place, "cancel": cancel, "resolve": resolve}[args.action](args)
    with open_source(args) as reader, reader.snapshot():
        view = _find(reader, args.id)
        moments = _moments(reader, view)
        store = reader.path
    if args.json:
        print_json(_facts(view, moments, store))
        return 0
    order = moments[-1].after
    show_facts(_header(order))
    say()
    show_table(_COLUMNS, _rows(moments))
    if not order.is_closed:
        say()
        say(f"Now: {why_here(order)}{_unless_running(store)}", style="bold")
    return 0


def _rows(moments: Sequence[Moment]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    before: datetime | None = None
    for moment in moments:
        # Of the times as they are shown: who subtracts them gets the same.
        at = moment.at.replace(microsecond=moment.at.microsecond // 1000 * 1000)
        since = "" if before is None else f"+{duration(at - before)}".replace("+-", "-")
        before = at
        shown_hash = moment.hash[:_HASH_LENGTH]
        rows.append((exchange_time(at, ms=True), since, shown_hash, moment.text))
    return rows


def why_here(order: Order) -> str:
    """Return why an open order is where it is, and what comes next."""
    if order.broker_order_id is not None:
        return _why_working(order)
    if order.placement is not None:
        after = "" if order.cancel is None else " The cancel follows it."
        return _why_out(order.placement) + after
    if order.cancel is not None:
        return "it is being withdrawn before it was sent."
    if order.retry_at is not None:
        return (
            f"it waits until {exchange_time(order.retry_at, ms=True)} for "
            f"{attempt_text(order.attempts + 1)}; the last one failed: {order.last_reason}"
        )
    return (
        "it waits for its turn to be sent; "
        f"if that does not come by {exchange_time(order.deadline)} it fails and is not sent late."
    )


def _why_out(placement: Placement) -> str:
    attempt = attempt_text(placement.attempt)
    if placement.doubt is None:
        return f"{attempt} is on its way; the broker's answer comes next."
    return (
        f"{attempt} may have become an order: {placement.doubt.rstrip('.')}. "
        "The broker is being asked; nothing is sent again before it is proved absent."
    )


def _why_working(order: Order) -> str:
    leaves = f"{number(order.leaves_qty)} of {number(order.order_qty)}"
    late = ", longer than it should be: look at it" if order.is_overdue else ""
    working = f"{leaves} open at the broker under number {order.broker_order_id}{late}."
    return working if order.cancel is None else f"{working} {_why_cancelling(order.cancel)}"


def _why_cancelling(cancel: PendingCancel) -> str:
    if cancel.is_acknowledged:
        return "The broker took the cancel; its report that it is done has not come."
    if cancel.is_asking:
        return f"Cancel request {number(cancel.requests)} is on its way."
    return "A cancel is about to be sent."


def _unless_running(store: Place) -> str:
    holder = lock_holder(store)
    if holder is None or holder.is_running is False:
        return " No engine is running on this store: it goes on when one starts."
    return ""


def _find(reader: Reader, key: str) -> OrderView:
    shown = short(clean(key), _SHOWN_KEY_LENGTH)
    see = f"`{program()} orders` lists the ids; give one in full, or enough of its beginning"
    try:
        # Bytes that are no text cannot be an id, nor be looked for.
        key.encode()
        return reader.find_order(key)
    except (InvalidInputError, UnicodeEncodeError) as error:
        is_text = isinstance(error, InvalidInputError)
        problem = str(error).partition(": ")[2] if is_text else "no order has that id"
        msg = f"order show {shown}: {problem}. {see}."
        raise OncefillError(msg) from error


def _moments(reader: Reader, view: OrderView) -> tuple[Moment, ...]:
    stream = ORDER_STREAM + view.client_order_id
    hash_of = hashes(reader, stream)
    moments: list[Moment] = []
    order: Order | None = None
    for record in reader.records(stream=stream):
        try:
            order = evolve(order, record.event)
        except (AssertionError, ArithmeticError) as error:
            msg = (
                f"Journal row {record.seq} does not follow from those before it; run "
                f"`{program()} audit verify`."
            )
            raise StoreError(msg) from error
        at = _at(record)
        since = at - moments[-1].at if moments else None
        moments.append(
            Moment(record=record, at=at, since=since, after=order, hash=hash_of[record.seq])
        )
    if not moments:
        msg = f"The journal has no event of that order; run `{program()} audit verify`."
        raise StoreError(msg)
    return tuple(moments)


def _at(record: Record) -> datetime:
    # SubmitStarted carries its time as ``since``: the latest moment before which nothing left.
    at: datetime = getattr(record.event, "at", None) or record.event.since
    return at


def _header(order: Order) -> dict[str, str]:
    signal = order.signal
    facts = {
        "order": order.client_order_id,
        "signal": signal.signal_id,
        "strategy": signal.strategy_id,
        "account": signal.account_id,
        "ordered": terms(signal),
        "status": order.status.value,
        "reason": order.reason,
        "filled": _filled(order),
        "fees": _fees(order),
        "attempts": number(order.attempts),
        "broker": _broker(order),
        "created": exchange_time(order.created_at, ms=True),
        "sent": _sent(order),
        "last fill": exchange_time(order.filled_at, ms=True) if order.filled_at else "",
        "flags": "; ".join(order.flags),
    }
    return {name: value for name, value in facts.items() if value}


def _filled(order: Order) -> str:
    average = "" if order.avg_px is None else f" at {amount(order.avg_px)} on average"
    return f"{number(order.cum_qty)} of {number(order.order_qty)}{average}"


def _fees(order: Order) -> str:
    if not order.fills:
        return ""
    return f"commission {amount(order.commission)}, tax {amount(order.tax)}"


def _broker(order: Order) -> str:
    if order.broker_order_id is None:
        return ""
    return f"number {order.broker_order_id} of {order.trade_date}"


def _sent(order: Order) -> str:
    if order.submitted_at is None:
        return "" if order.is_closed else "not yet"
    return f"{exchange_time(order.submitted_at, ms=True)}, after {queued(order)} in the queue"


def _facts(view: OrderView, moments: Sequence[Moment], store: Place) -> Mapping[str, Any]:
    order = moments[-1].after
    queued_for = None if order.submitted_at is None else order.submitted_at - order.created_at
    return {
        "store": str(store),
        **order_facts(view),
        "commission": order.commission,
        "tax": order.tax,
        "queued_s": None if queued_for is None else queued_for.total_seconds(),
        "flags": order.flags,
        "now": "" if order.is_closed else why_here(order),
        "timeline": [
            {
                "seq": moment.record.seq,
                "at": moment.at,
                "recorded_at": moment.record.recorded_at,
                "since_s": None if moment.since is None else moment.since.total_seconds(),
                "kind": moment.record.kind,
                "topics": moment.record.topics,
                "status": moment.after.status,
                "text": moment.text,
                "event": moment.record.event,
                "hash": moment.hash,
            }
            for moment in moments
        ],
    }
