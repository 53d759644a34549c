"""What each step of each run used."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    """A new table: of earlier runs nothing is known."""
    op.create_table(
        "costs",
        sa.Column("id", sa.Integer, primary_key=True),
        *(
            sa.Column(name, sa.Float, nullable=False)
            for name in ("wall_seconds", "cpu_seconds", "gib_seconds", "peak_mib", "read_mib", "written_mib")
        ),
        *(sa.Column(name, sa.String, nullable=False) for name in ("run_id", "job", "step")),
        sa.Column("business_date", sa.Date),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_costs_business_date", "costs", ["business_date"])
