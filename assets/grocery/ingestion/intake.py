"""The delivered files of the transactions, read in a run; and what becomes of each that came to the landing place.

A landed file is read to its end, held against the event beside it, and put on record as taken, as repeated (its bytes
came for that day under another name), or as set aside: moved, with the reason, to where nothing reads it. The sensor
never opens a file (`orchestration.arrival.receive`); what the lines mean is decided in `cleaning`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning, deliveries
from resources.config.retailer import Settings
from resources.errors import FeedMissing, FeedRefused, Refused, of_the_machine
from resources.feeds import events, landing
from resources.feeds.landing import LandedFile
from resources.feeds.reader import ColumnsMissing, FeedFile, FeedReader
from resources.records.feeds import Arrival, Delivery
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed

if TYPE_CHECKING:
    import ibis

AGAIN = "have it delivered again."


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Takes delivered files in, for one run; `good` is the delivery that their columns are compared with.

    `say` is told one line for each landed file.
    """

    settings: Settings
    feeds: FeedReader
    tables: TableStore
    operations: OperationsDatabase
    good: Delivery | None
    say: Callable[[str], object]

    def of_days(self, days: Sequence[dt.date]) -> tuple[ibis.Table, list[FeedFile], list[FeedFile]]:
        """The lines of `days`, the files that were read, and all that were copied.

        A landed file that cannot be used is set aside. Raises :class:`Refused` with its reason, unless its day has as
        many others as a day has.
        """
        place = self.settings.landing
        # Before they are copied: a file that is replaced meanwhile has another stamp than is put on record.
        landed = {file.path: file for file in landing.of_days(place, days)} if place else {}
        kept = self.feeds.keep(self.settings.transactions, days=days, landing_place=place)
        known = {(record.path, record.digest): record for record in self.operations.records(Arrival)} if landed else {}
        there = {file.path: file for file in kept}
        copies = [there.get(path) or self.feeds.kept(path, file.day) for path, file in landed.items()]
        originals: dict[tuple[dt.date | None, str], FeedFile] = {}
        # Those that were seen before first: a copy that arrives later is the one that is repeated.
        for copy in sorted(copies, key=lambda copy: (copy.path, copy.digest) not in known):
            original = originals.setdefault((copy.day, copy.digest), copy)
            if original is not copy:
                reason = f"its bytes came as {original.path}"
                self._record(landed[copy.path], copy, Arrival.REPEATED, reason, known)
        others, usable = [file for file in kept if file.path not in landed], {f.path: f for f in originals.values()}
        self._require_whole_days(usable.values())
        while True:
            read, ids, wrong = self._read_and_judge(others, usable)
            if read and not wrong:
                break
            for path, error in wrong.items():
                copy = usable.pop(path)
                self._record(landed[path], copy, Arrival.SET_ASIDE, str(error), known)
                if place:
                    landing.set_aside(path, place, digest=copy.digest)
                if copy.day not in self._whole_days(usable.values()):
                    raise FeedRefused(f"{path} was set aside: {error.message}", remedy=error.remedy) from error
        for path, copy in usable.items():
            before = known.get((path, copy.digest))
            stays = before is not None and before.outcome == Arrival.GIVEN_UP  # of these very bytes
            outcome, reason = (Arrival.GIVEN_UP, before.reason) if before and stays else (Arrival.TAKEN, "")
            self._record(landed[path], copy, outcome, reason, known, event_id=ids[path])
        return *read, [*others, *copies]

    def _read_and_judge(
        self, others: Sequence[FeedFile], landed: Mapping[str, FeedFile]
    ) -> tuple[tuple[ibis.Table, list[FeedFile]] | None, dict[str, str], dict[str, Refused]]:
        """The lines of all files, the event of each landed one, and why those that cannot be used cannot.

        Without lines where one cannot be read.
        """
        ids: dict[str, str] = {}
        wrong: dict[str, Refused] = {}
        try:
            lines, files, rows = self._read([*others, *landed.values()], is_counted=bool(landed))
        except Refused:
            for path, copy in landed.items():
                try:
                    self._read([copy], is_counted=True)
                except Refused as error:
                    wrong[path] = error
            if not wrong:
                raise
            return None, ids, wrong
        for path, copy in landed.items():
            try:
                ids[path] = self._event_id(copy, rows=rows.get(copy.name, 0))
            except Refused as error:
                wrong[path] = error
        return (lines, files), ids, wrong

    def _read(
        self, files: Sequence[FeedFile], *, is_counted: bool
    ) -> tuple[ibis.Table, list[FeedFile], dict[str, int]]:
        """The lines of files, refused where their columns break the contract or the habit, and how many each has."""
        feed = self.settings.transactions
        needed = dict.fromkeys([*cleaning.source_columns(feed), *feed.contract.columns])
        try:
            lines, read = self.feeds.lines(feed, files, engine=self.tables.engine, columns=list(needed))
        except ColumnsMissing as error:
            raise deliveries.lacking(error, self.good) from error
        deliveries.refuse_other_types(read, feed, self.good)
        if not is_counted:
            return lines, read, {}
        # Every value is asked for: only so shows a page of a file that is damaged.
        names = dict.fromkeys(name for file in read for name in file.columns)
        given = {f"given_{place}": lines[name].count() for place, name in enumerate(names)}
        try:
            counts = lines.group_by("source_file").agg(rows=lines.count(), **given).to_pyarrow()
        except Exception as error:  # what a library says of bytes that it cannot read has no common type
            if of_the_machine(error):
                raise
            which, why = " or ".join(file.path for file in files), " ".join(str(error).split())
            raise FeedRefused(f"{which} cannot be read: {why}.", remedy=AGAIN) from error
        return lines, read, dict(zip(counts["source_file"].to_pylist(), counts["rows"].to_pylist(), strict=True))

    def _event_id(self, file: FeedFile, *, rows: int) -> str:
        """The identifier of the event that announces a landed file; :class:`Refused` if either cannot be used."""
        if not rows:
            raise FeedRefused(f"{file.path} has no lines.", remedy=AGAIN)
        assert file.day
        retailer, text = self.settings.name, landing.event_beside(file.path)
        if text is None:
            return f"{retailer}/{file.day}/{file.digest}"
        event = events.read(text, where=f"{file.path}{landing.EVENT}")
        events.require_match(event, retailer=retailer, path=file.path, day=file.day, digest=file.digest, rows=rows)
        return str(event.get_id())

    def _whole_days(self, files: Iterable[FeedFile]) -> set[dt.date | None]:
        """The days that have as many landed files as a day has."""
        least = self.settings.landing.files_a_day if self.settings.landing else 1
        return {day for day, n in Counter(file.day for file in files).items() if n >= least}

    def _require_whole_days(self, files: Collection[FeedFile]) -> None:
        if short := sorted({file.day for file in files if file.day} - self._whole_days(files)):
            raise FeedMissing(
                f"Of the files of {listed(short)}, some are the same: there are fewer than a day has.", remedy=AGAIN
            )

    def _record(
        self,
        file: LandedFile,
        copy: FeedFile,
        outcome: str,
        reason: str,
        known: Mapping[tuple[str, str], Arrival],
        *,
        event_id: str = "",
    ) -> None:
        """Put on record what became of a landed file, unless that is on record of it."""
        before = known.get((copy.path, copy.digest))
        if before and (before.stamp, before.outcome, before.reason) == (file.stamp, outcome, reason):
            return
        self.operations.record(
            Arrival(
                path=copy.path,
                digest=copy.digest,
                business_date=copy.day,
                event_id=event_id or f"{self.settings.name}/{copy.day}/{copy.digest}",
                outcome=outcome,
                reason=reason,
                seen_at=dt.datetime.now(dt.UTC),
                stamp=file.stamp,
            )
        )
        self.say(f"{copy.path}, of {copy.day}, was {outcome}" + (f": {reason}" if reason else ""))
