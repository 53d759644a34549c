"""Whether the last lines of a day's texts had ends: by that, one that was cut off within a line is told."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    """Of earlier deliveries it is not known."""
    op.add_column("deliveries", sa.Column("is_ended", sa.Boolean, nullable=False, server_default=sa.false()))
