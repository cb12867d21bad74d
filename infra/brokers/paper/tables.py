"""The broker's own tables: private to this package, exact numbers, aware times."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    Column,
    Date,
    Dialect,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)

SCHEMA_VERSION = 1


class Exact(TypeDecorator[Decimal]):
    """A Decimal kept as text: SQLite's REAL would lose digits."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Write the digits as they are."""
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read the same digits back."""
        del dialect
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """An aware time kept as ISO 8601 text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write the time with its zone."""
        del dialect
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read the same time back."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


PAPER = MetaData()

ACCOUNTS = Table(
    "accounts",
    PAPER,
    Column("account_id", String, primary_key=True),
    Column("opening_cash", Exact, nullable=False),
    Column("opened_at", Instant, nullable=False),
)

# One row for each order; ``seq`` is the order of arrival, which is time priority.
ORDERS = Table(
    "orders",
    PAPER,
    Column("seq", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("trade_date", Date, nullable=False),
    Column("broker_order_id", String, nullable=False),
    Column("client_order_id", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("side", String, nullable=False),
    Column("order_type", String, nullable=False),
    Column("time_in_force", String, nullable=False),
    Column("order_qty", Exact, nullable=False),
    Column("limit_px", Exact),
    Column("reserve_px", Exact, nullable=False),
    Column("reserve_fee", Exact, nullable=False),
    Column("cum_qty", Exact, nullable=False),
    Column("exec_count", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("due", String),
    Column("due_at", Instant),
    Column("accepted_at", Instant, nullable=False),
    Column("transact_time", Instant, nullable=False),
    UniqueConstraint("trade_date", "broker_order_id"),
    UniqueConstraint("account_id", "client_order_id"),
)

# The key of an execution is its order and its number there; the number alone repeats.
EXECUTIONS = Table(
    "executions",
    PAPER,
    Column("seq", Integer, primary_key=True),
    Column("order_seq", Integer, nullable=False),
    Column("exec_id", String, nullable=False),
    Column("last_qty", Exact, nullable=False),
    Column("last_px", Exact, nullable=False),
    Column("commission", Exact, nullable=False),
    Column("tax", Exact, nullable=False),
    Column("transact_time", Instant, nullable=False),
    UniqueConstraint("order_seq", "exec_id"),
)
