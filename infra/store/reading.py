"""Reading a store from outside: while an engine runs on it, or with none; nothing is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, CursorResult, RowMapping, Select, Table, select

from domain.errors import InvalidInputError, StoreError
from domain.ids import client_order_id
from domain.journal import Record
from domain.position import DailyPnl, Position, PositionBook, RecordedFill
from domain.terms import (
    AccountId,
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    SignalId,
    TimeInForce,
)
from infra.store import queries
from infra.store.opening import head_of
from infra.store.places import Place, byte_order_of, explained, place_of, readers_of
from infra.store.schema import read_meta
from infra.store.scratch import ROWS_AT_ONCE, plain_rows
from infra.store.tables import FILLS, JOURNAL, ORDERS
from infra.store.views import Head, JournalLine, OrderView


def open_reader(named: Path | str) -> "Reader":
    """Open the store at a path or URL for reading.

    Raises:
        StoreError: There is no store, it is none of ours, or of another schema.
    """
    return open_reader_at(place_of(named))


def open_reader_at(path: Place) -> "Reader":
    """Open the store at a place, as ``open_reader`` does."""
    if isinstance(path, Path) and (not path.is_file() or not path.stat().st_size):
        msg = f"There is no store at {path}; start an engine there first, or check the path."
        raise StoreError(msg)
    reader = Reader(path)
    try:
        reader.meta()
    except StoreError:
        reader.close()
        raise
    return reader


class Reader:
    """An open store, read-only. Each answer is of one moment; so is all within ``snapshot``."""

    def __init__(self, path: Place) -> None:
        self.path = path
        self._open: list[CursorResult[Any]] = []
        with explained(path):
            self._connection: Connection = readers_of(path).connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        # What nobody read to its end cannot be closed without its connection.
        for result in self._open:
            result.close()
        self._connection.close()

    @property
    def is_in_snapshot(self) -> bool:
        """Whether one moment is held."""
        return self._connection.in_transaction()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Hold one moment of the store for all that is read inside."""
        with explained(self.path):
            if self._connection.in_transaction():
                yield self._connection
                return
            with self._connection.begin():
                yield self._connection

    def meta(self) -> Mapping[str, str]:
        """Return what the store says about itself: schema_version, account_id, epoch, ..."""
        with self.snapshot() as connection:
            return read_meta(connection, self.path)

    def head(self) -> Head:
        """Return where the journal ends."""
        with self.snapshot() as connection:
            return head_of(connection)

    def orders(
        self,
        *,
        status: OrderStatus | None = None,
        symbol: str | None = None,
        limit: int | None = None,
    ) -> tuple[OrderView, ...]:
        """Return orders in order of creation; with ``limit`` the newest of them."""
        newest = (ORDERS.c.created_at.desc(), ORDERS.c.client_order_id.desc())
        chosen = select(ORDERS).order_by(*newest).limit(limit)
        if status is not None:
            chosen = chosen.where(ORDERS.c.status == status.value)
        if symbol is not None:
            chosen = chosen.where(ORDERS.c.symbol == symbol)
        with self.snapshot() as connection:
            rows = connection.execute(chosen).mappings().all()
        return tuple(_order_view(row) for row in reversed(rows))

    def orders_where(self, chosen: ColumnElement[bool], limit: int) -> tuple[OrderView, ...]:
        """Return the first so many orders of a choice, in order of creation."""
        oldest = (ORDERS.c.created_at, ORDERS.c.client_order_id)
        asked = select(ORDERS).where(chosen).order_by(*oldest).limit(limit)
        with self.snapshot() as connection:
            return tuple(map(_order_view, connection.execute(asked).mappings()))

    def find_order(self, key: str) -> OrderView:
        """Return the order with that signal id, client order id, or beginning of one.

        Raises:
            InvalidInputError: No order, or more than one, is meant.
        """
        with self.snapshot() as connection:
            account_id = AccountId(self.meta()["account_id"])
            of_signal = client_order_id(account_id, SignalId(key))
            is_it = ORDERS.c.client_order_id.in_((key, of_signal))
            rows = connection.execute(select(ORDERS).where(is_it)).mappings().all()
            if not rows and key:
                begins = ORDERS.c.client_order_id.startswith(key, autoescape=True)
                rows = connection.execute(select(ORDERS).where(begins).limit(5)).mappings().all()
        if not rows:
            raise InvalidInputError(field="order", problem="no order has that id or signal id")
        if len(rows) > 1:
            some = ", ".join(row["client_order_id"] for row in rows)
            raise InvalidInputError(field="order", problem=f"several begin like that: {some}")
        return _order_view(rows[0])

    def order_timeline(self, key: str) -> tuple[Record, ...]:
        """Return everything that happened to one order, oldest first; ``key`` as in find_order.

        Raises:
            InvalidInputError: No order, or more than one, is meant.
        """
        with self.snapshot():
            return self.records(stream=queries.ORDER_STREAM + self.find_order(key).client_order_id)

    def records(
        self, *, after: int = 0, limit: int | None = None, stream: str | None = None
    ) -> tuple[Record, ...]:
        """Return journal records after number ``after``, oldest first."""
        chosen = select(JOURNAL).where(JOURNAL.c.seq > after).order_by(JOURNAL.c.seq).limit(limit)
        if stream is not None:
            chosen = chosen.where(JOURNAL.c.stream == stream)
        with self.snapshot() as connection:
            return queries.records(connection, chosen)

    def fills(self, order_id: ClientOrderId | None = None) -> tuple[RecordedFill, ...]:
        """Return the executions of one order, or all, in order of booking."""
        chosen = select(FILLS).order_by(FILLS.c.seq)
        if order_id is not None:
            chosen = chosen.where(FILLS.c.client_order_id == order_id)
        with self.snapshot() as connection:
            return queries.fills(connection, chosen)

    def positions(self) -> tuple[Position, ...]:
        """Return all positions by symbol, flat ones with what they earned."""
        with self.snapshot() as connection:
            return queries.positions(connection)

    def daily_pnl(self) -> tuple[DailyPnl, ...]:
        """Return what each trade date earned, oldest first."""
        with self.snapshot() as connection:
            return queries.daily_pnl(connection)

    def book(self) -> PositionBook:
        """Return the position book as its own checkpoint left it."""
        with self.snapshot() as connection:
            return queries.book(connection)

    def lines(self) -> Iterator[JournalLine]:
        """Yield the journal as it is stored, a part at a time, in a snapshot."""
        for row in self.journal_rows():
            yield JournalLine(*row)

    def journal_rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the journal's rows by number, as stored, a part at a time."""
        yield from self._stream(select(JOURNAL).order_by(JOURNAL.c.seq))

    def stream_rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield (seq, stream, stream_seq, kind, topics, data) of all rows, stream by stream."""
        chosen = (JOURNAL.c.seq, JOURNAL.c.stream, JOURNAL.c.stream_seq, JOURNAL.c.kind)
        ordered = select(*chosen, JOURNAL.c.topics, JOURNAL.c.data).order_by(
            JOURNAL.c.stream, JOURNAL.c.stream_seq
        )
        yield from self._stream(ordered)

    def rows_of(self, stream: str) -> Iterator[tuple[Any, ...]]:
        """Yield (seq, kind, data) of one stream's rows, oldest first."""
        chosen = select(JOURNAL.c.seq, JOURNAL.c.kind, JOURNAL.c.data)
        yield from self._stream(
            chosen.where(JOURNAL.c.stream == stream).order_by(JOURNAL.c.stream_seq)
        )

    def plain_rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Yield a table's rows as the database has them, by key."""
        yield from self._stream(plain_rows(table, collation=byte_order_of(self.path)))

    def chosen(self, chosen: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a question, a part at a time, in a snapshot.

        Raises:
            StoreError: A value cannot be one that was written: the store is damaged.
        """
        try:
            yield from self._stream(chosen)
        except (ArithmeticError, TypeError, ValueError) as error:
            msg = (
                f"The store holds something that was never written ({error!r}); run audit "
                "verify, and restore a copy."
            )
            raise StoreError(msg) from error

    def _stream(self, chosen: Select[Any]) -> Iterator[tuple[Any, ...]]:
        with self.snapshot() as connection:
            reading = connection.execution_options(yield_per=ROWS_AT_ONCE)
            result = reading.execute(chosen)
            self._open.append(result)
            try:
                for part in result.partitions():
                    yield from map(tuple, part)
            finally:
                # Who stops early leaves rows behind, which a server would keep.
                self._open.remove(result)
                result.close()


def _order_view(row: RowMapping) -> OrderView:
    words = {
        "side": Side(row["side"]),
        "order_type": OrderType(row["order_type"]),
        "time_in_force": TimeInForce(row["time_in_force"]),
        "status": OrderStatus(row["status"]),
    }
    return OrderView(**{**row, **words})
