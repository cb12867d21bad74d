"""The tables. Row classes live in this package only; nothing outside it sees one."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Dialect, Index, Numeric, Table, Text, TypeDecorator, UniqueConstraint, text
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

from infra.store.codec import utc_text, utc_time

SCHEMA_VERSION: Final = 3  # The number of the last file in migrations/versions.


class Exact(TypeDecorator[Decimal]):
    """A Decimal that loses nothing: TEXT on SQLite, NUMERIC on PostgreSQL.

    SQLModel's own Decimal column is a binary float on SQLite. Compare and sum in the domain, not
    in SQL.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column's type in ``dialect``."""
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(Text() if is_sqlite else Numeric(asdecimal=True))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what is written."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Decimal | None:
        """Return what is read."""
        return None if value is None else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware time as text in UTC, which sorts as the times do."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> Any:
        """Return what is written."""
        return None if value is None else utc_text(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Return what is read."""
        return None if value is None else utc_time(value)


_OPEN: Final = text("is_open")
_KNOWN: Final = text("broker_order_id IS NOT NULL")
_CLAIMED: Final = text("claim IS NOT NULL")


class StoreRow(SQLModel, registry=registry()):
    """The root of the store's tables, apart from any other tables in the process."""


class JournalRow(StoreRow, table=True):
    """One event, as it happened. Append-only: no update, no delete, ever.

    ``topics`` are separated by spaces; ``hash`` covers every other column, ``prev_hash`` included.
    """

    __tablename__ = "journal"
    __table_args__ = (UniqueConstraint("stream", "stream_seq"),)

    # Given by the writer, under the lock: commit order is number order.
    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    stream: str
    stream_seq: int
    kind: str
    topics: str
    data: str
    recorded_at: str
    prev_hash: str
    hash: str


class MetaRow(StoreRow, table=True):
    """What the store knows about itself: schema_version, account_id, epoch, created_at."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str


class OrderRow(StoreRow, table=True):
    """An order as its last event left it; can be rebuilt from the journal."""

    __tablename__ = "orders"
    __table_args__ = (
        # Every index costs at each step of each order; the open ones are few.
        Index("orders_open", "status", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(
            "orders_broker",
            "broker_order_id",
            "trade_date",
            sqlite_where=_KNOWN,
            postgresql_where=_KNOWN,
        ),
        # Of orders that look the same where our ids are not carried, one may be in doubt.
        Index(
            "orders_claim", "claim", unique=True, sqlite_where=_CLAIMED, postgresql_where=_CLAIMED
        ),
    )

    client_order_id: str = Field(primary_key=True)
    signal_id: str  # No index: client_order_id is made from it.
    account_id: str
    symbol: str = Field(index=True)
    side: str
    order_type: str
    order_qty: Decimal = Field(sa_type=Exact)
    limit_px: Decimal | None = Field(sa_type=Exact)
    time_in_force: str
    strategy_id: str
    status: str
    is_open: bool
    broker_order_id: str | None
    trade_date: date | None
    cum_qty: Decimal = Field(sa_type=Exact)
    avg_px: Decimal | None = Field(sa_type=Exact)
    attempts: int
    reason: str
    created_at: datetime = Field(sa_type=UtcTime)
    submitted_at: datetime | None = Field(sa_type=UtcTime)
    filled_at: datetime | None = Field(sa_type=UtcTime)
    claim: str | None
    updated_seq: int


class FillRow(StoreRow, table=True):
    """One execution; ``seq`` is that of its journal row."""

    __tablename__ = "fills"
    __table_args__ = (UniqueConstraint("broker_order_id", "trade_date", "exec_id"),)

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    client_order_id: str = Field(index=True)
    broker_order_id: str
    trade_date: date
    exec_id: str
    symbol: str
    side: str
    last_qty: Decimal = Field(sa_type=Exact)
    last_px: Decimal = Field(sa_type=Exact)
    commission: Decimal = Field(sa_type=Exact)
    tax: Decimal = Field(sa_type=Exact)
    transact_time: datetime = Field(sa_type=UtcTime)


class PositionRow(StoreRow, table=True):
    """A position as of the checkpoint; flat ones stay, with what they earned."""

    __tablename__ = "positions"

    symbol: str = Field(primary_key=True)
    qty: Decimal = Field(sa_type=Exact)
    cost: Decimal = Field(sa_type=Exact)
    realized_gross: Decimal = Field(sa_type=Exact)
    fees: Decimal = Field(sa_type=Exact)
    taxes: Decimal = Field(sa_type=Exact)
    updated_seq: int


class DailyPnlRow(StoreRow, table=True):
    """What one trade date realized and cost, as of the checkpoint."""

    __tablename__ = "daily_pnl"

    day: date = Field(primary_key=True)
    realized_gross: Decimal = Field(sa_type=Exact)
    fees: Decimal = Field(sa_type=Exact)
    taxes: Decimal = Field(sa_type=Exact)
    updated_seq: int


class CheckpointRow(StoreRow, table=True):
    """How far a reader of the journal has come: the last ``seq`` it used, its own ``version``."""

    __tablename__ = "checkpoints"

    name: str = Field(primary_key=True)
    seq: int
    version: int


class RevisionRow(StoreRow, table=True):
    """The revision that the tables are of, for alembic: the schema version in four digits."""

    __tablename__ = "alembic_version"

    version_num: str = Field(primary_key=True, max_length=32)


JOURNAL: Final[Table] = StoreRow.metadata.tables["journal"]
META: Final[Table] = StoreRow.metadata.tables["meta"]
ORDERS: Final[Table] = StoreRow.metadata.tables["orders"]
FILLS: Final[Table] = StoreRow.metadata.tables["fills"]
POSITIONS: Final[Table] = StoreRow.metadata.tables["positions"]
DAILY_PNL: Final[Table] = StoreRow.metadata.tables["daily_pnl"]
CHECKPOINTS: Final[Table] = StoreRow.metadata.tables["checkpoints"]
REVISION: Final[Table] = StoreRow.metadata.tables["alembic_version"]
