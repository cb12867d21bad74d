"""The journal, its triggers and the projections."""

from alembic import op
from sqlalchemy import Boolean, Column, Date, Integer, String, UniqueConstraint, text

from infra.store.places import triggers_of
from infra.store.tables import Exact, UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    _make_journal()
    _make_orders()
    _make_fills()
    _make_book()
    for trigger in triggers_of(op.get_bind().dialect.name):
        op.execute(text(trigger.replace(":", r"\:")))


def _text(name: str, *, is_key: bool = False, is_optional: bool = False) -> Column[str]:
    return Column(name, String(), primary_key=is_key, nullable=is_optional)


def _whole(name: str) -> Column[int]:
    return Column(name, Integer(), nullable=False)


def _seq() -> Column[int]:
    return Column("seq", Integer(), primary_key=True, autoincrement=False, nullable=False)


def _make_journal() -> None:
    op.create_table("meta", _text("key", is_key=True), _text("value"))
    op.create_table(
        "journal",
        _seq(),
        _text("stream"),
        _whole("stream_seq"),
        *map(_text, ("kind", "topics", "data", "recorded_at", "prev_hash", "hash")),
        UniqueConstraint("stream", "stream_seq"),
    )


def _make_orders() -> None:
    op.create_table(
        "orders",
        _text("client_order_id", is_key=True),
        *map(_text, ("signal_id", "account_id", "symbol", "side", "order_type")),
        Column("order_qty", Exact(), nullable=False),
        Column("limit_px", Exact()),
        *map(_text, ("time_in_force", "strategy_id", "status")),
        Column("is_open", Boolean(), nullable=False),
        _text("broker_order_id", is_optional=True),
        Column("trade_date", Date()),
        Column("cum_qty", Exact(), nullable=False),
        Column("avg_px", Exact()),
        _whole("attempts"),
        _text("reason"),
        Column("created_at", UtcTime(), nullable=False),
        Column("submitted_at", UtcTime()),
        Column("filled_at", UtcTime()),
        _whole("updated_seq"),
    )
    op.create_index("ix_orders_symbol", "orders", ["symbol"])
    is_open, is_known = text("is_open"), text("broker_order_id IS NOT NULL")
    op.create_index(
        "orders_open", "orders", ["status"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index(
        "orders_broker",
        "orders",
        ["broker_order_id", "trade_date"],
        sqlite_where=is_known,
        postgresql_where=is_known,
    )


def _make_fills() -> None:
    op.create_table(
        "fills",
        _seq(),
        *map(_text, ("client_order_id", "broker_order_id")),
        Column("trade_date", Date(), nullable=False),
        *map(_text, ("exec_id", "symbol", "side")),
        *_amounts("last_qty", "last_px", "commission", "tax"),
        Column("transact_time", UtcTime(), nullable=False),
        UniqueConstraint("broker_order_id", "trade_date", "exec_id"),
    )
    op.create_index("ix_fills_client_order_id", "fills", ["client_order_id"])


def _make_book() -> None:
    sums = ("realized_gross", "fees", "taxes")
    op.create_table(
        "positions",
        _text("symbol", is_key=True),
        *_amounts("qty", "cost", *sums),
        _whole("updated_seq"),
    )
    op.create_table(
        "daily_pnl",
        Column("day", Date(), primary_key=True, nullable=False),
        *_amounts(*sums),
        _whole("updated_seq"),
    )
    op.create_table("checkpoints", _text("name", is_key=True), _whole("seq"), _whole("version"))


def _amounts(*names: str) -> tuple[Column[object], ...]:
    return tuple(Column(name, Exact(), nullable=False) for name in names)
