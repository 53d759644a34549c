"""How many different lines files of many days had of a day: by that, lines that come after its night are told."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0013", "0012"


def upgrade() -> None:
    """Of days that were taken in earlier it is not known."""
    op.add_column("deliveries", sa.Column("distinct_lines", sa.Integer, nullable=False, server_default="0"))
