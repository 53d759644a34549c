"""The tables of version 0.1: made where they are missing, adopted as they are where they are there.

Of a still earlier version, they get the columns and indexes that came until then.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None

# Columns in order, each with its type if it is not text; `?` where it may be null.
TABLES = {
    "registrations": "version Integer, business_date Date, title, identity, digest, tables JSON, source, "
    "mlflow_run_id, tags JSON, run_id, registered_at DateTime",
    "promotions": "business_date Date, challenger Integer, champion_before Integer?, champion_after Integer?, "
    "is_promoted Boolean, reasons JSON, numbers JSON, kind, by, decided_at DateTime, run_id",
    "scorings": "business_date Date, model_version Integer, tables JSON, run_id, scored_at DateTime",
    "publications": "made_on Date, published_for Date, is_carried_over Boolean, because, table_version Integer, "
    "model_version Integer?, rows Integer, run_id, published_at DateTime",
    "policy_decisions": "package, subject, question JSON, is_allowed Boolean, fired JSON, policy_digest, run_id, "
    "decided_at DateTime",
    "verdicts": "subject, partition Date?, data_version, check, outcome, reason, run_id, decided_at DateTime",
    "overrides": "subject, partition Date?, data_version, check, reason, by, expires_at DateTime, decided_at DateTime",
    "signals": "business_date Date, watch, level, value Float?, says, details JSON, model_version Integer?, run_id, "
    "seen_at DateTime",
    "wishes": "reason, by, made_at DateTime",
    "retraining_decisions": "business_date Date, is_retraining Boolean, reasons JSON, numbers JSON, run_id, "
    "decided_at DateTime",
    "attempts": "decision_id Integer, number Integer, run_key, outcome, reason, run_id, asked_at DateTime, "
    "ended_at DateTime?",
    "arrivals": "path, digest, business_date Date?, event_id, outcome, reason, seen_at DateTime",
    "deliveries": "business_date Date, files JSON, columns JSON, rows Integer, broken JSON, content, run_id, "
    "taken_in_at DateTime, instead_of",
    "made": "subject, business_date Date, deliveries Integer, run_id, made_at DateTime",
    "alerts": "key, kind, happened, meaning, command, is_event Boolean, is_over Boolean, is_delivered Boolean, "
    "told_at DateTime",
    "erasures": "household, key, step, by, reason, removed JSON, versions JSON, proof JSON, at DateTime",
    "heartbeats": "name, beat_at DateTime",
    "audit": "kind, record_id Integer, payload, previous, digest",
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
    there = sa.inspect(op.get_bind())
    known = {name: {column["name"] for column in there.get_columns(name)} for name in there.get_table_names()}
    metadata.create_all(op.get_bind())
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.name not in known.get(table.name, table.columns):
                default = OLDER.get(table.name, {}).get(column.name)
                added = sa.Column(column.name, column.type, nullable=column.nullable, server_default=default)
                op.add_column(table.name, added)
        for index in table.indexes:
            index.create(op.get_bind(), checkfirst=True)


def _column(text: str) -> sa.Column:
    name, _, of = text.partition(" ")
    of_type = getattr(sa, of.rstrip("?") or "String")
    of_type = sa.DateTime(timezone=True) if of_type is sa.DateTime else of_type
    return sa.Column(name, of_type, nullable=of.endswith("?"), index=name in INDEXED)
