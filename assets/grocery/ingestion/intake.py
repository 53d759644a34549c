"""The delivered files of the transactions, read in a run; and what becomes of each that came to the landing place.

A landed file is read to its end, held against the event beside it, and put on record as taken, as repeated (its bytes
came for that day under another name), or as set aside: moved, with the reason, to where nothing reads it. The sensor
never opens a file (`orchestration.arrival.receive`); what the lines mean is decided in `cleaning`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning, deliveries
from resources.config.feeds import LandingConfig
from resources.config.retailer import Settings
from resources.errors import FeedMissing, FeedRefused, Refused
from resources.feeds import events, landing
from resources.feeds.files import ColumnsMissing, FeedFile, in_our_words
from resources.feeds.landing import LandedFile
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
        there = {file.path: file for file in kept}
        copies = [
            there.get(path) or self.feeds.kept(path, file.day, self.settings.transactions)
            for path, file in landed.items()
            if path not in unkept
        ]
        self.copied.extend(file.copy for file in copies)
        others = [file for file in kept if file.path not in landed]
        arrivals = _Arrivals(intake=self, place=place, landed=landed)
        refusal = arrivals.without_copies(unkept)
        usable = arrivals.once(copies)
        while True:
            for day in {file.day for file in landed.values()}:
                if sum(file.day == day for file in usable) < place.files_a_day:
                    raise refusal or FeedMissing(f"Files of {day} are the same: some are missing.", remedy=AGAIN)
            lines, files, events_of, wrong = self._judged(others, usable)
            if lines is not None and not wrong:
                break
            for copy, error in wrong:
                refusal = arrivals.set_aside(copy, error)
                usable.remove(copy)
        for copy in usable:
            arrivals.record(copy, Arrival.TAKEN, event_id=events_of[copy.path])
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
            judge(file, lambda file=file: ids.update({file.path: self.event_id(file, rows=rows.get(file.name, 0))}))
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

    def event_id(self, file: FeedFile, *, rows: int | None = None) -> str:
        """The identifier of the event of a landed file; with its `rows`, :class:`Refused` if it or its event is unusable."""
        retailer, text = self.settings.name, landing.event_beside(file.path) if rows else None
        if rows == 0:
            raise FeedRefused(f"{file.path} has no lines.", remedy=AGAIN)
        if text is None or rows is None or file.day is None:
            return f"{retailer}/{file.day}/{file.digest}"
        event = events.read(text, where=f"{file.path}{landing.EVENT}")
        events.require_match(event, retailer=retailer, path=file.path, day=file.day, digest=file.digest, rows=rows)
        return str(event.get_id())


@dataclass(frozen=True, kw_only=True)
class _Arrivals:
    """What becomes of the files that `landed` in the landing place, by path: put on record, each once."""

    intake: Intake
    place: LandingConfig
    landed: Mapping[str, LandedFile]

    @cached_property
    def known(self) -> dict[tuple[str, str], Arrival]:
        """What is on record of files, by path and digest."""
        return {(record.path, record.digest): record for record in self.intake.operations.records(Arrival)}

    def without_copies(self, errors: Mapping[str, Refused]) -> Refused | None:
        """Set aside, by path, what could not be copied: but what is gone; the refusal of the last of them."""
        refusal = None
        for path, refusal in errors.items():
            if isinstance(refusal, FeedMissing):
                continue
            file = self.landed[path]
            digest = hashlib.sha256(file.stamp.encode()).hexdigest()  # for want of that of its bytes
            refusal = self.set_aside(FeedFile(path=path, copy=Path(), digest=digest, day=file.day), refusal)
        return refusal

    def once(self, copies: Sequence[FeedFile]) -> list[FeedFile]:
        """Those whose bytes came for no other; of those of the same bytes, the one that was seen first."""
        originals: dict[tuple[dt.date | None, str], FeedFile] = {}
        for copy in sorted(copies, key=lambda copy: (without_secrets(copy.path), copy.digest) not in self.known):
            original = originals.setdefault((copy.day, copy.digest), copy)
            if original is not copy:
                self.record(copy, Arrival.REPEATED, f"its bytes came as {without_secrets(original.path)}")
        return list(originals.values())

    def set_aside(self, file: FeedFile, error: Refused) -> FeedRefused:
        """Move a file to where nothing reads it, with its reason, which is also what the day is refused for."""
        self.record(file, Arrival.SET_ASIDE, str(error))
        self.intake.copied.append(Path(landing.set_aside(file.path, self.place, digest=file.digest)))
        return FeedRefused(f"{file.name} was set aside: {error.message}", remedy=error.remedy)

    def record(self, copy: FeedFile, outcome: str, reason: str = "", event_id: str = "") -> None:
        """Put on record what became of a file, unless it is there already."""
        path, stamp = self.landed[copy.path].name, self.landed[copy.path].stamp
        before = self.known.get((path, copy.digest))
        if before and (before.stamp, before.outcome, before.reason) == (stamp, outcome, reason):
            return
        self.intake.operations.record(
            Arrival(
                path=path,
                digest=copy.digest,
                business_date=copy.day,
                event_id=event_id or self.intake.event_id(copy),
                outcome=outcome,
                reason=reason,
                seen_at=dt.datetime.now(dt.UTC),
                stamp=stamp,
            )
        )
        self.intake.say(f"{path}, of {copy.day}, was {outcome}" + (f": {reason}" if reason else ""))


def _rows(lines: ibis.Table, files: Sequence[FeedFile]) -> dict[str, int]:
    """How many lines each file has, read to its end: every value is asked for, for only so shows what is damaged."""
    names = dict.fromkeys(name for file in files for name in file.columns)
    given = {f"given_{place}": lines[name].count() for place, name in enumerate(names)}
    with in_our_words(" or ".join(file.name for file in files)):
        counts = lines.group_by("source_file").agg(rows=lines.count(), **given).to_pyarrow()
    return dict(zip(counts["source_file"].to_pylist(), counts["rows"].to_pylist(), strict=True))
