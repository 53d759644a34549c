"""The delivered files of the transactions, read in a run; and what becomes of each that came to the landing place.

A landed file is read to its end, held against the event beside it, and put on record as taken, as repeated (its bytes
came for that day under another name), or as set aside: moved, with the reason, to where nothing reads it. The sensor
never opens a file (`orchestration.arrival.receive`); what the lines mean is decided in `cleaning`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning, deliveries
from resources.config.retailer import Settings
from resources.errors import FeedMissing, FeedRefused, Refused
from resources.feeds import events, landing
from resources.feeds.files import ColumnsMissing, FeedFile, in_our_words
from resources.feeds.reader import FeedReader
from resources.records.feeds import Arrival, Delivery
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import without_secrets

if TYPE_CHECKING:
    import ibis

AGAIN = "have it delivered again."


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Takes delivered files in, for one run; `good` is the delivery that their columns are compared with.

    `say` is told one line for each landed file. `copied` are the files of ours that were made of what was delivered.
    """

    settings: Settings
    feeds: FeedReader
    tables: TableStore
    operations: OperationsDatabase
    good: Delivery | None
    say: Callable[[str], object]
    copied: list[Path] = field(default_factory=list)

    def expected(self, days: Sequence[dt.date]) -> list[dt.date]:
        """Those of `days` whose lines are to be read: the open ones, and the closed ones that have files all the same."""
        closed = [day for day in days if self.settings.is_closed(day)]
        if not closed:
            return list(days)
        place = self.settings.landing
        there = {day for _, day in self.feeds.locate(self.settings.transactions, days=closed, landing_place=place)}
        # A file of many days may have lines of any.
        return [day for day in days if day not in closed or day in there or None in there]

    def of_days(self, days: Sequence[dt.date]) -> tuple[ibis.Table, list[FeedFile]]:
        """The lines of `days`, and the files that were read.

        A landed file that cannot be used is set aside. Raises :class:`Refused` with its reason, unless its day has as
        many others as a day has.
        """
        place = self.settings.landing
        # Before they are copied: a file that is replaced meanwhile has another stamp than is put on record.
        landed = {file.path: file for file in landing.of_days(place, days)} if place else {}
        unkept: dict[str, Refused] = {}

        def refused(path: str, error: Refused) -> None:
            if path not in landed:
                raise error
            unkept[path] = error

        kept = self.feeds.keep(self.settings.transactions, days=days, landing_place=place, refused=refused)
        self.copied.extend(file.copy for file in kept)
        if not place or not landed:
            return self._read(kept)
        known = {(record.path, record.digest): record for record in self.operations.records(Arrival)}
        there = {file.path: file for file in kept}
        copies = [
            there.get(path) or self.feeds.kept(path, file.day, self.settings.transactions)
            for path, file in landed.items()
            if path not in unkept
        ]
        self.copied.extend(file.copy for file in copies)
        others = [file for file in kept if file.path not in landed]

        def record(copy: FeedFile, outcome: str, reason: str = "", event_id: str = "") -> None:
            path, stamp = landed[copy.path].name, landed[copy.path].stamp
            before = known.get((path, copy.digest))
            if before and (before.stamp, before.outcome, before.reason) == (stamp, outcome, reason):
                return
            self.operations.record(
                Arrival(
                    path=path,
                    digest=copy.digest,
                    business_date=copy.day,
                    event_id=event_id or self._event_id(copy),
                    outcome=outcome,
                    reason=reason,
                    seen_at=dt.datetime.now(dt.UTC),
                    stamp=stamp,
                )
            )
            self.say(f"{path}, of {copy.day}, was {outcome}" + (f": {reason}" if reason else ""))

        def set_aside(file: FeedFile, error: Refused, *, called: str) -> FeedRefused:
            record(file, Arrival.SET_ASIDE, str(error))
            self.copied.append(Path(landing.set_aside(file.path, place, digest=file.digest)))
            return FeedRefused(f"{called} was set aside: {error.message}", remedy=error.remedy)

        refusal: Refused | None = None
        for path, error in unkept.items():
            if isinstance(error, FeedMissing):
                refusal = error  # it is gone
                continue
            digest = hashlib.sha256(landed[path].stamp.encode()).hexdigest()  # for want of that of its bytes
            unread = FeedFile(path=path, copy=Path(), digest=digest, day=landed[path].day)
            refusal = set_aside(unread, error, called=landed[path].name)
        originals: dict[tuple[dt.date | None, str], FeedFile] = {}
        # Those that were seen before first: a copy that arrives later is the one that is repeated.
        for copy in sorted(copies, key=lambda copy: (without_secrets(copy.path), copy.digest) not in known):
            original = originals.setdefault((copy.day, copy.digest), copy)
            if original is not copy:
                record(copy, Arrival.REPEATED, f"its bytes came as {without_secrets(original.path)}")
        usable = list(originals.values())
        while True:
            for day in {file.day for file in landed.values()}:
                if sum(file.day == day for file in usable) < place.files_a_day:
                    raise refusal or FeedMissing(f"Files of {day} are the same: some are missing.", remedy=AGAIN)
            lines, files, events_of, wrong = self._judged(others, usable)
            if lines is not None and not wrong:
                break
            for copy, error in wrong:
                refusal = set_aside(copy, error, called=copy.name)
                usable.remove(copy)
        for copy in usable:
            record(copy, Arrival.TAKEN, event_id=events_of[copy.path])
        return lines, files

    def _judged(
        self, others: Sequence[FeedFile], landed: Sequence[FeedFile]
    ) -> tuple[ibis.Table | None, list[FeedFile], dict[str, str], list[tuple[FeedFile, Refused]]]:
        """The lines of all files, None where one cannot be read; the landed ones' events; and those that cannot be used."""
        ids: dict[str, str] = {}
        wrong: list[tuple[FeedFile, Refused]] = []

        def judge(file: FeedFile, call: Callable[[], object]) -> None:
            try:
                call()
            except Refused as error:
                wrong.append((file, error))

        try:
            lines, files = self._read([*others, *landed])
            rows = _rows(lines, files)
        except Refused:
            for file in landed:
                judge(file, lambda file=file: _rows(*self._read([file])))
            together = list(others)
            for file in landed if not wrong else ():  # each by itself is good: which does not go with those before it?
                judge(file, lambda file=file: self._read([*together, file]))  # noqa: B023 - called at once
                together += [] if wrong else [file]
            if not wrong:
                raise
            return None, [], ids, wrong
        for file in landed:
            judge(file, lambda file=file: ids.update({file.path: self._event_id(file, rows=rows.get(file.name, 0))}))
        return lines, files, ids, wrong

    def _read(self, files: Sequence[FeedFile]) -> tuple[ibis.Table, list[FeedFile]]:
        """The lines of files, refused where their columns break the contract or the habit."""
        feed = self.settings.transactions
        needed = dict.fromkeys([*cleaning.source_columns(feed), *feed.contract.columns])
        try:
            lines, read = self.feeds.lines(feed, files, engine=self.tables.engine, columns=list(needed))
        except ColumnsMissing as error:
            raise deliveries.lacking(error, self.good) from error
        deliveries.refuse_other_types(read, feed, self.good)
        deliveries.refuse_cut_off(read, feed, self.good)
        return lines, read

    def _event_id(self, file: FeedFile, *, rows: int | None = None) -> str:
        """The identifier of the event of a landed file; with its `rows`, :class:`Refused` if it or its event is unusable."""
        retailer, text = self.settings.name, landing.event_beside(file.path) if rows else None
        if rows == 0:
            raise FeedRefused(f"{file.path} has no lines.", remedy=AGAIN)
        if text is None or rows is None or file.day is None:
            return f"{retailer}/{file.day}/{file.digest}"
        event = events.read(text, where=f"{file.path}{landing.EVENT}")
        events.require_match(event, retailer=retailer, path=file.path, day=file.day, digest=file.digest, rows=rows)
        return str(event.get_id())


def _rows(lines: ibis.Table, files: Sequence[FeedFile]) -> dict[str, int]:
    """How many lines each file has, read to its end: every value is asked for, for only so shows what is damaged."""
    names = dict.fromkeys(name for file in files for name in file.columns)
    given = {f"given_{place}": lines[name].count() for place, name in enumerate(names)}
    with in_our_words(" or ".join(file.name for file in files)):
        counts = lines.group_by("source_file").agg(rows=lines.count(), **given).to_pyarrow()
    return dict(zip(counts["source_file"].to_pylist(), counts["rows"].to_pylist(), strict=True))
