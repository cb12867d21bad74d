"""One trade date of a store: what was ordered, filled and earned, and what went wrong."""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select

from domain.events import Flagged, Overdue, Quarantined, ReconcileBroke, SignalRefused
from domain.halt import Halted, HaltEvent, halts_after
from domain.journal import Record
from domain.money import exact
from domain.position import PositionChanged
from domain.session import KST
from domain.terms import ZERO, ClientOrderId, OrderStatus, Side, StrategyId, Symbol
from infra.store.codec import CODEC, utc_text
from infra.store.halt_rows import HALTS
from infra.store.queries import record_of
from infra.store.reading import Reader
from infra.store.tables import FILLS, JOURNAL, ORDERS
from infra.store.views import Head, OrderView

_TROUBLE: Final = tuple(
    kind.__name__ for kind in (Flagged, Overdue, Quarantined, ReconcileBroke, SignalRefused)
)
_PROBLEMS: Final = (OrderStatus.IN_DOUBT, OrderStatus.FAILED, OrderStatus.REJECTED)
MOST: Final = 500  # Of problems; of a day with more of them the first will do.


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    """One execution, and what it realized.

    Attributes:
        is_counted: The position book has it; else ``realized_gross`` is not known yet, and 0.
    """

    seq: int
    transact_time: datetime
    client_order_id: ClientOrderId
    symbol: Symbol
    strategy_id: StrategyId
    side: Side
    last_qty: Decimal
    last_px: Decimal
    realized_gross: Decimal
    commission: Decimal
    tax: Decimal
    is_counted: bool

    @property
    def net(self) -> Decimal:
        """Realized by this execution, less its own fees."""
        with exact():
            return self.realized_gross - self.commission - self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A trade date as of journal row ``head``.

    Attributes:
        orders: How many by status; an order without a trade date counts where it was created.
        fills: In order of ``transact_time``.
        problems: Orders in doubt, failed or rejected; at most ``MOST``.
        trouble: What was flagged, overdue, refused, put aside or not reconciled; as many.
        halted: What was halted already when the day began.
        halts: Halts and resumptions of the day.
    """

    day: date
    account_id: str
    head: Head
    orders: dict[OrderStatus, int]
    fills: tuple[FillResult, ...]
    problems: tuple[OrderView, ...]
    trouble: tuple[Record, ...]
    halted: tuple[Halted, ...]
    halts: tuple[HaltEvent, ...]


def read_day(reader: Reader, day: date) -> Day:
    """Return a trade date as of one moment; its hours are those of the exchange.

    Raises:
        StoreError: The store cannot be read.
    """
    with reader.snapshot():
        halted, halts = _halts(reader, day)
        return Day(
            day=day,
            account_id=reader.meta()["account_id"],
            head=reader.head(),
            orders=_orders(reader, day),
            fills=_fills(reader, day),
            problems=reader.orders_where(
                and_(_is_of(day), ORDERS.c.status.in_([status.value for status in _PROBLEMS])), MOST
            ),
            trouble=_trouble(reader, day),
            halted=halted,
            halts=halts,
        )


def hours(day: date) -> tuple[datetime, datetime]:
    """Return when the day begins and ends at the exchange."""
    start = datetime.combine(day, time.min, tzinfo=KST)
    return start, start + timedelta(days=1)


def _is_of(day: date) -> ColumnElement[bool]:
    start, end = hours(day)
    created = and_(ORDERS.c.created_at >= start, ORDERS.c.created_at < end)
    return or_(ORDERS.c.trade_date == day, and_(ORDERS.c.trade_date.is_(None), created))


def _orders(reader: Reader, day: date) -> dict[OrderStatus, int]:
    chosen = select(ORDERS.c.status, func.count()).where(_is_of(day)).group_by(ORDERS.c.status)
    found = dict(reader.chosen(chosen))
    return {status: found[status.value] for status in OrderStatus if status.value in found}


def _fills(reader: Reader, day: date) -> tuple[FillResult, ...]:
    joined = FILLS.outerjoin(ORDERS, FILLS.c.client_order_id == ORDERS.c.client_order_id)
    chosen = select(*FILLS.c, ORDERS.c.strategy_id).select_from(joined)
    rows = list(reader.chosen(chosen.where(FILLS.c.trade_date == day).order_by(FILLS.c.seq)))
    earned = _earned(reader, [row[0] for row in rows])
    fills = (_result(row, earned.get(row[0])) for row in rows)
    return tuple(sorted(fills, key=lambda fill: (fill.transact_time, fill.seq)))


def _result(row: tuple[Any, ...], gross: Decimal | None) -> FillResult:
    seq, order_id, _, _, _, symbol, side, qty, px, commission, tax, at, strategy_id = row
    return FillResult(
        seq=seq,
        transact_time=at,
        client_order_id=order_id,
        symbol=symbol,
        strategy_id=StrategyId(strategy_id or ""),
        side=Side(side),
        last_qty=qty,
        last_px=px,
        realized_gross=ZERO if gross is None else gross,
        commission=commission,
        tax=tax,
        is_counted=gross is not None,
    )


def _earned(reader: Reader, seqs: Iterable[int]) -> dict[int, Decimal]:
    """What each of the fills realized; the book counts a fill only after it was written."""
    missing = set(seqs)
    earned: dict[int, Decimal] = {}
    if not missing:
        return earned
    with closing(_changes(reader, min(missing))) as changes:
        for event in changes:
            if event.fill_seq in missing:
                earned[event.fill_seq] = event.realized_gross
                missing.remove(event.fill_seq)
                if not missing:
                    break
    return earned


def _changes(reader: Reader, after: int) -> Generator[PositionChanged, None, None]:
    is_later = and_(JOURNAL.c.seq > after, JOURNAL.c.kind == PositionChanged.__name__)
    chosen = select(JOURNAL.c.kind, JOURNAL.c.data).where(is_later).order_by(JOURNAL.c.seq)
    for kind, data in reader.chosen(chosen):
        yield CODEC.decode(kind, data)


def _trouble(reader: Reader, day: date) -> tuple[Record, ...]:
    start, end = map(utc_text, hours(day))
    recorded_at = JOURNAL.c.recorded_at
    is_trouble = and_(JOURNAL.c.kind.in_(_TROUBLE), recorded_at >= start, recorded_at < end)
    chosen = select(JOURNAL).where(is_trouble).order_by(JOURNAL.c.seq).limit(MOST)
    return tuple(map(record_of, reader.chosen(chosen)))


def _halts(reader: Reader, day: date) -> tuple[tuple[Halted, ...], tuple[HaltEvent, ...]]:
    start, end = hours(day)
    events: list[HaltEvent] = [record.event for record in reader.records(stream=HALTS)]
    before = halts_after({}, (event for event in events if event.at < start))
    return tuple(before.values()), tuple(event for event in events if start <= event.at < end)
