"""How a Postgres server is reached by whatever of ours asks one: with bounds, so that neither side waits for one that is gone."""

from __future__ import annotations

from typing import Any

OPERATIONS = "NIGHTCART_OPERATIONS_URL"
PATIENCE = 90.0  # seconds for which a writer waits for another: longer than a backup or a check of a database takes
# A machine that is gone says nothing: in half a minute both sides know, and its locks are free.
KEEPALIVE = {"idle": 10, "interval": 5, "count": 4}
CONNECT: dict[str, Any] = {"connect_timeout": 10, **{f"keepalives_{name}": value for name, value in KEEPALIVE.items()}}
SESSION = {
    "lock_timeout": f"{PATIENCE:.0f}s",
    # Of a process that sleeps in a transaction, and would hold up all writers.
    "idle_in_transaction_session_timeout": f"{PATIENCE / 2:.0f}s",
    **{f"tcp_keepalives_{name}": str(value) for name, value in KEEPALIVE.items()},
}


def is_of(url: str) -> bool:
    """Whether a URL of SQLAlchemy is of Postgres."""
    return url.startswith("postgresql")


def bound(connection: Any, _: object = None) -> None:
    """Tell a new connection's session its bounds; for SQLAlchemy's event `connect`."""
    with connection.cursor() as cursor:
        for name, value in SESSION.items():
            cursor.execute(f"SET {name} = '{value}'")
    if not connection.autocommit:
        connection.commit()
