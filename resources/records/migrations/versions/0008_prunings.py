"""What was removed because it was old."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    """Nothing was removed so far."""
    op.create_table(
        "prunings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("kept", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
