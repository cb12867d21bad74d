"""What the store says about itself carries a checksum; the table of revisions is there."""

from alembic import op

from infra.store.schema import seal

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Write the checksum."""
    seal(op.get_bind())
