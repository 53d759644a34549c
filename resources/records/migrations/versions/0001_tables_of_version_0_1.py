"""The tables of version 0.1: made where they are missing, adopted as they are where they are there.

Of a still earlier version, they get the columns and indexes that came until then.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None

TYPES = {
    "int": sa.Integer,
    "float": sa.Float,
    "bool": sa.Boolean,
    "": sa.String,
    "day": sa.Date,
    "time": sa.DateTime(timezone=True),
    "json": sa.JSON,
}
# Columns in order, each with its type if it is not text; `?` where it may be null.
TABLES = {
    "registrations": "version int, business_date day, title, identity, digest, tables json, source, mlflow_run_id, "
    "tags json, run_id, registered_at time",
    "promotions": "business_date day, challenger int, champion_before int?, champion_after int?, is_promoted bool, "
    "reasons json, numbers json, kind, by, decided_at time, run_id",
    "scorings": "business_date day, model_version int, tables json, run_id, scored_at time",
    "publications": "made_on day, published_for day, is_carried_over bool, because, table_version int, "
    "model_version int?, rows int, run_id, published_at time",
    "policy_decisions": "package, subject, question json, is_allowed bool, fired json, policy_digest, run_id, "
    "decided_at time",
    "verdicts": "subject, partition day?, data_version, check, outcome, reason, run_id, decided_at time",
    "overrides": "subject, partition day?, data_version, check, reason, by, expires_at time, decided_at time",
    "signals": "business_date day, watch, level, value float?, says, details json, model_version int?, run_id, "
    "seen_at time",
    "wishes": "reason, by, made_at time",
    "retraining_decisions": "business_date day, is_retraining bool, reasons json, numbers json, run_id, "
    "decided_at time",
    "attempts": "decision_id int, number int, run_key, outcome, reason, run_id, asked_at time, ended_at time?",
    "arrivals": "path, digest, business_date day?, event_id, outcome, reason, seen_at time",
    "deliveries": "business_date day, files json, columns json, rows int, broken json, content, run_id, "
    "taken_in_at time, instead_of",
    "made": "subject, business_date day, deliveries int, run_id, made_at time",
    "alerts": "key, kind, happened, meaning, command, is_event bool, is_over bool, is_delivered bool, told_at time",
    "erasures": "household, key, step, by, reason, removed json, versions json, proof json, at time",
    "heartbeats": "name, beat_at time",
    "audit": "kind, record_id int, payload, previous, digest",
}
INDEXED = ("business_date", "subject", "partition", "key", "digest", "decision_id")
UNIQUE = {"attempts": ("run_key", "outcome")}
# What rows that are older than a column have in it.
OLDER = {
    "promotions": {"kind": "night", "by": "", "numbers": "{}"},
    "alerts": {"is_event": sa.false(), "is_delivered": sa.false()},
    "attempts": {"outcome": "asked", "reason": "", "run_id": ""},
    "deliveries": {"instead_of": ""},
}


def upgrade() -> None:
    """Make what is missing."""
    metadata = sa.MetaData()
    for name, text in TABLES.items():
        unique = [sa.UniqueConstraint(*UNIQUE[name])] if name in UNIQUE else []
        # The entries of the audit trail bring their numbers along.
        number = sa.Column("id", sa.Integer, primary_key=True, autoincrement=name != "audit")
        sa.Table(name, metadata, number, *map(_column, text.split(", ")), *unique)
    there = {name: _columns(name) for name in sa.inspect(op.get_bind()).get_table_names()}
    metadata.create_all(op.get_bind())
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.name not in there.get(table.name, table.columns):
                default = OLDER.get(table.name, {}).get(column.name)
                added = sa.Column(column.name, column.type, nullable=column.nullable, server_default=default)
                op.add_column(table.name, added)
        for index in table.indexes:
            index.create(op.get_bind(), checkfirst=True)


def _columns(table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}


def _column(text: str) -> sa.Column:
    name, _, of = text.partition(" ")
    return sa.Column(name, TYPES[of.rstrip("?")], nullable=of.endswith("?"), index=name in INDEXED)
