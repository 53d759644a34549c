"""Object stores that were found to keep the promises that commits stand on."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    """A new table; a state whose tables are in an object store tries it at its next start."""
    op.create_table(
        "object_stores",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.String, nullable=False, index=True),
        sa.Column("promises", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
