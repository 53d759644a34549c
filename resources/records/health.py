"""Whether databases are whole, before a night writes into them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from resources.errors import Damaged

SQLITE = "sqlite:///"


def require_whole(databases: Mapping[str, str]) -> None:
    """Raise :class:`Damaged` for the first of these URLs whose SQLite file is not whole; `databases` are by what is in them.

    SQLite's `quick_check` reads every page once, some hundred megabytes a second. A server looks after its own.
    """
    for what, url in databases.items():
        file = Path(url.removeprefix(SQLITE))
        if not url.startswith(SQLITE) or not file.is_file() or not file.stat().st_size:
            continue
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
                (says,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError:  # held, or not to be read just now: whoever needs it will say so
            continue
        except sqlite3.DatabaseError as error:
            says = str(error)
        if says != "ok":
            raise Damaged(
                f"{file}, the database of {what}, is damaged ({says.splitlines()[-1]}): nothing more is written into it.",
                remedy=f"end what runs, put it aside, with {file.name}-wal and {file.name}-shm where they are beside it, and bring "
                f"{file} back from the newest backup; then `nightcart reconcile` says what does not fit it (docs/runbooks.md, Restore from a backup).",
            )
