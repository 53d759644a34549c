"""The parts of the state that can be restored from a backup one by one, and whether they are of one time.

Every night, every erasure and every `nightcart reconcile` sets a mark, a number, in all parts. A part with an older mark
than the records ask for was restored; where a part has a newer one than the records know, it was the records. What was
erased stands beside the marks in the folders too, so that no restore of the records brings anybody back; and so does of which
state they are, so that no records are taken for those of other tables. A folder may be in an object store.
"""

from __future__ import annotations

import datetime as dt
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from resources import disk
from resources.errors import Damaged, NightcartError, Refused
from resources.feeds.landing import reached
from resources.models.registry import ModelRegistry
from resources.records.identity import StateIdentity
from resources.records.marks import Mark
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase
from resources.tables import object_store

FILE, KEY = ".mark", "nightcart.mark"
MOVE = "move of "  # before the state that a move, which is a restore, brings
RESTORING = "restoring"  # in the mark of the tables, as long as a restore is not finished: the backup
RECORDS = "the records (operations.db)"
# What there is to do about a part that is older than the others, and is not to be had any newer.
LEFT = {
    "tables": "what erasures removed is removed again, and the days that are missing are named with their command",
    "raw copies": "what erasures removed is removed again",
    "MLflow": "versions that are missing are named, with the command that lets another serve",
    "Dagster's storage": "the history of the runs since then is lost, and nothing else",
    RECORDS: "erasures go on record again; gates that are shut then name the command that opens them, and `nightcart models` says which versions there are",
}


class Cursors(Protocol):
    """Where Dagster's storage keeps small values."""

    def get_cursor_values(self, keys: set[str]) -> Mapping[str, str]:
        """Those of the values that are there."""
        ...

    def set_cursor_values(self, pairs: Mapping[str, str]) -> None:
        """Keep values."""
        ...


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part: its mark (0 without one), and how one is set."""

    name: str
    read: Callable[[], int]
    write: Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All parts of one state beside its records."""

    operations: OperationsDatabase
    parts: Sequence[Part]
    folders: Sequence[str]

    @classmethod
    def of(
        cls, *, operations: OperationsDatabase, tables: str, raw: Path | str, registry: ModelRegistry, cursors: Cursors
    ) -> Parts:
        """The parts of a state, with `tables` and `raw` in a folder or at a URL."""
        folders = {"raw copies": str(raw), "tables": tables}
        return cls(
            operations=operations,
            parts=[
                *(
                    Part(
                        name=name,
                        read=lambda folder=folder: mark_of(folder).get("number", 0),
                        write=lambda number, folder=folder: _write(folder, number, operations),
                    )
                    for name, folder in folders.items()
                ),
                Part(name="MLflow", read=registry.mark, write=registry.set_mark),
                Part(
                    name="Dagster's storage",
                    read=lambda: int(cursors.get_cursor_values({KEY}).get(KEY) or 0),
                    write=lambda number: cursors.set_cursor_values({KEY: str(number)}),
                ),
            ],
            folders=list(folders.values()),
        )

    def begin(self, *, is_night: bool, now: dt.datetime) -> None:
        """To be called before anything is read: nobody who was erased comes back, and a night has parts that fit.

        Raises :class:`Refused` as :meth:`require_fit` does, or where the records are not what was recorded.
        """
        self.require_whole()
        self.operations.require_recorded()
        self.put_erasures_on_record(now=now)
        if is_night:
            self.require_fit()
            self.set_marks(now=now)

    def require_whole(self) -> None:
        """Raise :class:`Refused` while a restore is under way, and after one that was killed."""
        if half := [folder for folder in self.folders if RESTORING in mark_of(folder)]:
            command = "move" if str(mark_of(half[0])[RESTORING]).startswith(MOVE) else "restore"
            raise Refused(
                f"{half[0]} is being restored, or was until the restore was killed.",
                remedy=f"the same `nightcart {command}` again brings all of it.",
            )

    def require_fit(self) -> None:
        """Raise :class:`Refused` where a part is of an older time than the others, or of another state, with what there is to do."""
        for folder in self.folders:
            if (known := mark_of(folder).get("state")) and (ours := _state_of(self.operations)) not in (known, None):
                raise Refused(
                    f"{folder} is of the state {known[:8]}, and the records are of {ours[:8]}: they are not parts of one state.",
                    remedy="correct NIGHTCART_OPERATIONS_URL, NIGHTCART_TABLES or NIGHTCART_RAW; or, if they are meant to be one from "
                    "now on, `nightcart reconcile`.",
                )
        marks = self.operations.records(Mark)
        asked = {part: mark.number for mark in marks for part in mark.parts}
        begun = max((mark.number for mark in marks), default=0)
        found = {part.name: number for part in self.parts if (number := _mark(part)) is not None}
        older = [name for name, number in found.items() if number < asked.get(name, 0)]
        newer = [name for name, number in found.items() if number > begun]
        if newer:  # what is older than the records is older still than these
            older = [*(name for name in older if name not in newer), RECORDS]
        if older:
            than = ", ".join(newer) if newer else "the records and what else there is"
            raise Refused(
                f"Parts of the state are of different times: {', '.join(older)}, restored from a backup, {'is' if len(older) == 1 else 'are'} "
                f"older than {than}.",
                remedy=f"end what runs, and bring back {' and '.join(older)} of the same moment as the others. Where there is nothing "
                f"newer, `nightcart reconcile` makes them fit: {'; '.join(LEFT[name] for name in older)}.",
            )

    def set_marks(self, *, now: dt.datetime) -> None:
        """Set the next mark in every part; of two that are killed midway, neither makes a part look older."""
        marks = self.operations.records(Mark)
        number = 1 + max([mark.number for mark in marks] + [_mark(part) or 0 for part in self.parts])
        self.operations.record(Mark(number=number, parts=[], at=now))
        done = []
        for part in self.parts:
            try:
                part.write(number)
                done.append(part.name)
            except (NightcartError, OSError):  # one that is down has an older mark, and is not asked for this one
                continue
        self.operations.record(Mark(number=number, parts=done, at=now))

    def put_erasures_on_record(self, *, now: dt.datetime) -> int:
        """Put the erasures that stand beside marks, and not in the records, on record again; how many there were."""
        known = {each.household for each in self.operations.records(Erasure)}
        beside = {who: key for folder in self.folders for who, key in mark_of(folder).get("forgotten", {}).items()}
        lost = [
            Erasure(household=who, key=key, step=Erasure.ASKED, by="", reason="on record again after a restore", at=now)
            for who, key in beside.items()
            if who not in known
        ]
        self.operations.record(*lost)
        return len(lost)


def _mark(part: Part) -> int | None:
    """A part's mark; None for one that does not answer."""
    try:
        return part.read()
    except NightcartError:
        return None


def _state_of(operations: OperationsDatabase) -> str | None:
    return next((each.identity for each in operations.records(StateIdentity)), None)


def mark_of(folder: str) -> dict[str, Any]:
    """What stands in the mark of a folder, or of a place in an object store."""
    with reached(folder):
        filesystem, path = object_store.filesystem(folder)
        try:
            content = filesystem.cat_file(f"{path}/{FILE}")
        except FileNotFoundError:
            return {}
    try:
        return dict(json.loads(content))
    except (ValueError, TypeError) as error:
        raise Damaged(
            f"{folder}/{FILE}, which says of what time {folder} is, is damaged.",
            remedy=f"`rm {shlex.quote(f'{folder}/{FILE}')}`, and `nightcart reconcile` writes it anew from the records.",
        ) from error


def _write(folder: str, number: int, operations: OperationsDatabase) -> None:
    forgotten = {each.household: each.key for each in operations.records(Erasure)}
    text = json.dumps({"number": number, "state": _state_of(operations), "forgotten": forgotten})
    if object_store.is_url(folder):
        with reached(folder):
            filesystem, path = object_store.filesystem(folder)
            filesystem.pipe_file(f"{path}/{FILE}", text.encode())
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    disk.write(Path(folder, FILE), text.encode())
