"""What an order may have in doubt for itself, at brokers that carry no ids of ours."""

from alembic import op
from sqlalchemy import Column, String, text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column, and that no two orders have the same in it."""
    op.add_column("orders", Column("claim", String()))
    held = text("claim IS NOT NULL")
    op.create_index(
        "orders_claim",
        "orders",
        ["claim"],
        unique=True,
        sqlite_where=held,
        postgresql_where=held,
    )
