"""What a landed file looked like when a run read it: by that, a tick knows it again without opening it."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Arrivals that are older than the column have an empty stamp."""
    op.add_column("arrivals", sa.Column("stamp", sa.String, nullable=False, server_default=""))
