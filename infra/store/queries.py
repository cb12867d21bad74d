"""What the journal can be asked, in SQL; rows in, domain values out."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, assert_never

from sqlalchemy import Connection, literal_column, select
from sqlalchemy.sql import Select

from domain.errors import StoreError
from domain.journal import (
    Answer,
    FindOrder,
    LoadBook,
    LoadFills,
    LoadOpenOrders,
    LoadRecords,
    LoadStream,
    Query,
    Record,
    StreamEvents,
)
from domain.position import DailyPnl, Position, PositionBook, RecordedFill
from domain.terms import AccountId, ClientOrderId, Side
from infra.store.chain import is_whole
from infra.store.codec import CODEC, utc_time
from infra.store.drivers import Driver
from infra.store.projections import BOOK
from infra.store.statements import PLACE, compiled
from infra.store.tables import CHECKPOINTS, DAILY_PNL, FILLS, JOURNAL, META, ORDERS, POSITIONS

ORDER_STREAM: Final = "order/"

_OPEN_ORDERS: Final = (
    select(JOURNAL)
    .join(ORDERS, JOURNAL.c.stream == ORDER_STREAM + ORDERS.c.client_order_id)
    # As the index has it: for "is_open = 1" SQLite would compare every event with every order.
    .where(literal_column("orders.is_open"))
    .order_by(JOURNAL.c.seq)
)
# These two are asked after every commit: Core would take several times as long as SQLite.
_RECORDS_AFTER: Final = compiled(
    select(JOURNAL).where(JOURNAL.c.seq > PLACE).order_by(JOURNAL.c.seq).limit(PLACE)
)
_FILLS_AFTER: Final = compiled(
    select(FILLS).where(FILLS.c.seq > PLACE).order_by(FILLS.c.seq).limit(PLACE)
)
_ACCOUNT: Final = select(META.c.value).where(META.c.key == "account_id")


def answer(driver: Driver, query: Query) -> Answer:
    """Return the answer to ``query`` within the driver's transaction.

    Raises:
        StoreError: A value that was read cannot be one that was written: the store is damaged.
    """
    try:
        return _answer(driver, query)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        msg = (
            f"The store holds something that was never written ({error!r}), found by "
            f"{type(query).__name__}; run audit verify, and restore a copy."
        )
        raise StoreError(msg) from error


def _answer(driver: Driver, query: Query) -> Answer:
    connection = driver.core
    match query:
        case LoadOpenOrders():
            return _open_orders(connection)
        case LoadStream():
            return _stream(connection, query.stream)
        case LoadRecords():
            return tuple(map(record_of, driver.read(_RECORDS_AFTER, _span(query))))
        case LoadFills():
            return tuple(map(fill_of, driver.read(_FILLS_AFTER, _span(query))))
        case LoadBook():
            return book(connection)
        case FindOrder():
            return _find(connection, query)
        case _:
            assert_never(query)


def records(connection: Connection, chosen: Select[Any]) -> tuple[Record, ...]:
    """Return the chosen journal rows as records."""
    return tuple(record_of(row) for row in connection.execute(chosen))


def record_of(row: Sequence[Any]) -> Record:
    """Return a journal row as a record."""
    seq, stream, stream_seq, kind, topics, data, recorded_at, _, _ = row
    return Record(
        seq=seq,
        stream=stream,
        stream_seq=stream_seq,
        kind=kind,
        topics=tuple(topics.split()),
        event=CODEC.decode(kind, data),
        recorded_at=utc_time(recorded_at),
    )


def fills(connection: Connection, chosen: Select[Any]) -> tuple[RecordedFill, ...]:
    """Return the chosen rows of the fills table."""
    rows = connection.execute(chosen).mappings()
    return tuple(RecordedFill(**{**row, "side": Side(row["side"])}) for row in rows)


def book(connection: Connection) -> PositionBook:
    """Return the position book as its own checkpoint left it."""
    account_id = AccountId(connection.execute(_ACCOUNT).scalar_one())
    mark = connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.name == BOOK)).one_or_none()
    if mark is None:
        return PositionBook.empty(account_id)
    return PositionBook(
        account_id=account_id,
        positions={at.symbol: at for at in positions(connection)},
        daily={pnl.day: pnl for pnl in daily_pnl(connection)},
        checkpoint=mark.seq,
        version=mark.version,
    )


def positions(connection: Connection) -> tuple[Position, ...]:
    """Return all positions, by symbol."""
    rows = connection.execute(select(POSITIONS).order_by(POSITIONS.c.symbol))
    return tuple(
        Position(
            symbol=row.symbol,
            qty=row.qty,
            cost=row.cost,
            realized_gross=row.realized_gross,
            fees=row.fees,
            taxes=row.taxes,
        )
        for row in rows
    )


def daily_pnl(connection: Connection) -> tuple[DailyPnl, ...]:
    """Return what each trade date earned, oldest first."""
    rows = connection.execute(select(DAILY_PNL).order_by(DAILY_PNL.c.day))
    return tuple(
        DailyPnl(day=row.day, realized_gross=row.realized_gross, fees=row.fees, taxes=row.taxes)
        for row in rows
    )


def _span(query: LoadRecords | LoadFills) -> tuple[int, int]:
    return query.after_seq, query.limit


def fill_of(row: Sequence[Any]) -> RecordedFill:
    """Do what ``fills`` does, for a row as the driver has it."""
    seq, order_id, broker_id, day, exec_id, symbol, side, qty, px, commission, tax, at = row
    return RecordedFill(
        seq=seq,
        client_order_id=order_id,
        broker_order_id=broker_id,
        exec_id=exec_id,
        trade_date=date.fromisoformat(day),
        symbol=symbol,
        side=Side(side),
        last_qty=Decimal(qty),
        last_px=Decimal(px),
        commission=Decimal(commission),
        tax=Decimal(tax),
        transact_time=utc_time(at),
    )


def _open_orders(connection: Connection) -> tuple[StreamEvents, ...]:
    """What an engine goes on with: no row that was changed is among it."""
    streams: dict[str, list[Any]] = {}
    for row in map(tuple, connection.execute(_OPEN_ORDERS)):
        seq, stream, _, kind, _, data, *_ = row
        if not is_whole(row):
            msg = f"Journal row {seq} was changed; run audit verify, and restore a copy."
            raise StoreError(msg)
        streams.setdefault(stream, []).append(CODEC.decode(kind, data))
    return tuple(StreamEvents(stream=name, events=tuple(ev)) for name, ev in streams.items())


def _stream(connection: Connection, stream: str) -> StreamEvents:
    chosen = select(JOURNAL.c.kind, JOURNAL.c.data).where(JOURNAL.c.stream == stream)
    rows = connection.execute(chosen.order_by(JOURNAL.c.stream_seq))
    events = tuple(CODEC.decode(kind, data) for kind, data in rows)
    return StreamEvents(stream=stream, events=events)


def _find(connection: Connection, query: FindOrder) -> ClientOrderId | None:
    chosen = select(ORDERS.c.client_order_id).where(
        ORDERS.c.broker_order_id == query.broker_order_id,
        ORDERS.c.trade_date == query.trade_date,
    )
    found = connection.execute(chosen).scalars().first()
    return None if found is None else ClientOrderId(found)
