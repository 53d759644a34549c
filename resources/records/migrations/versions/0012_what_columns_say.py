"""What columns that are not read say in every line: by that, one that begins to say something else is told."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    """Of earlier lines it is not known."""
    op.add_column("readings", sa.Column("alike", sa.JSON, nullable=False, server_default="{}"))
