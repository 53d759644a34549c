"""Whose a state is: the retailer's name, and an identity that is made with the state and is no other's.

On record in the operations database, and beside what is in the state folder (`state.json`): tables, kept files, models
and runs. Two retailers whose files have one name, a database that was set for all, a part that was brought back from
another state: whoever opens them is refused.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from resources.errors import Refused

if TYPE_CHECKING:
    import sqlalchemy as sa

MARK = "state.json"


@dataclass(frozen=True, kw_only=True)
class StateIdentity:
    """Whose a state is. No record: it is made by whoever opens a state first, and proves nothing later on."""

    TABLE: ClassVar = "state"

    retailer: str
    identity: str
    made_at: dt.datetime

    def __str__(self) -> str:
        return f"{self.retailer} ({self.identity[:8]}, made {self.made_at:%Y-%m-%d})"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """For whom a process opens a state, and the `folder` of what is not in the operations database."""

    retailer: str
    folder: Path

    @property
    def mark(self) -> Path:
        """The file that says whose the folder is."""
        return self.folder / MARK

    def marked(self) -> StateIdentity | None:
        """Whose the folder is; None while nobody has opened it. Raises :class:`Refused` if it is another's."""
        try:
            known = json.loads(self.mark.read_text(encoding="utf-8"))
            found = StateIdentity(**known | {"made_at": dt.datetime.fromisoformat(known["made_at"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Refused(
                f"{self.mark} does not say whose the state is: {error}.",
                remedy="bring it back from a backup, or remove it: it is written anew from the operations database.",
            ) from error
        self.require(found, where=str(self.folder))
        return found

    def require(self, found: StateIdentity, *, where: str) -> None:
        """Raise :class:`Refused` when what is `found` is another retailer's."""
        if found.retailer != self.retailer:
            raise Refused(
                f"{where} is the state of {found.retailer}, and not of {self.retailer}: nothing is read or written there.",
                remedy="let two retailers' files have two names, and variables such as NIGHTCART_OPERATIONS_URL a `{name}` in "
                "them; if the `name` in this one's file was changed, change it back.",
            )

    def settle(self, connection: sa.Connection, table: sa.Table) -> StateIdentity | None:
        """The identity on record, None while there is none; raises :class:`Refused` if it is not that of the folder."""
        row = connection.execute(table.select().order_by(table.c.id).limit(1)).mappings().first()
        if row is None:
            return None
        found = StateIdentity(**{name: value for name, value in row.items() if name != "id"})
        database = connection.engine.url.render_as_string(hide_password=True)
        self.require(found, where=database)
        marked = self.marked()
        if marked and marked.identity != found.identity:
            raise Refused(
                f"{database} is of the state {found}, and {self.folder} of {marked}: they are not parts of one state.",
                remedy=f"bring back the part that belongs to the other; or, if they are meant to be one from now on, remove {self.mark}.",
            )
        if marked is None:
            self._write(found)
        return found

    def first(self) -> StateIdentity:
        """What a new database is told: what the folder says, else an identity of its own."""
        return self.marked() or StateIdentity(
            retailer=self.retailer, identity=uuid.uuid4().hex, made_at=dt.datetime.now(dt.UTC)
        )

    def _write(self, found: StateIdentity) -> None:
        """Mark the folder, whole or not at all; on a read-only disk the database alone says whose the state is."""
        part = self.mark.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(found) | {"made_at": found.made_at.isoformat()}), encoding="utf-8")
            os.replace(part, self.mark)
