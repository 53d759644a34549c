"""From files in the landing place to runs: which are complete and usable, and what each day still needs.

What was seen is on record (:class:`Arrival`), what was taken in is too (:class:`Delivery`), and what was launched is in
the instance; :func:`plan` compares them anew at every look. The cursor only saves work: without it, files are looked at
and digested once more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from assets.grocery.ingestion.assets import last_good_delivery, read_delivery
from assets.partitions import ONE_DAY
from orchestration.jobs import ingestion, nightly
from orchestration.runs.nights import UNDER_WAY
from resources.config.feeds import LandingConfig
from resources.config.retailer import Settings
from resources.errors import NightcartError, Refused
from resources.feeds import events, landing
from resources.feeds.landing import LandedFile, Look
from resources.feeds.reader import FeedFile, FeedReader
from resources.records.feeds import Arrival, Delivery
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

ARRIVAL_TAG = "nightcart/arrival"  # on a run: the digest of the day's files that it was launched for
# A failed run is launched again so long after it ended, and no more than so often: the pauses outlast a lock, a restart,
# and an outage that somebody is called for.
PAUSES = (dt.timedelta(minutes=2), dt.timedelta(minutes=15), dt.timedelta(hours=1))
# A list is for the days after its night: of days older than this against the newest, only the baskets are taken in.
NIGHTS_CAUGHT_UP = dt.timedelta(days=14)
CLOSED = "closed"  # the digest of a day on which nothing can arrive


# ------------------------------------------------------------------------------------------------- what has arrived


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """What the last look saw: since when each file has been the same, and the digest of each state of a file."""

    looks: Mapping[str, Look] = field(default_factory=dict)
    digests: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=dt.datetime.isoformat)

    @classmethod
    def of(cls, text: str | None) -> Cursor:
        """The cursor of a text; an empty one of anything else."""
        try:
            told = json.loads(text or "{}")
            looks = {
                path: Look(stamp=look["stamp"], since=dt.datetime.fromisoformat(look["since"]))
                for path, look in told["looks"].items()
            }
            return cls(looks=looks, digests={path: (stamp, of) for path, (stamp, of) in told["digests"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The complete and usable files of each day, as digests by path, and the cursor for the next look."""

    files: Mapping[dt.date, Mapping[str, str]]
    cursor: Cursor


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Takes stock of the landing place of one retailer at one moment; `say` is told one line for each new file."""

    settings: Settings
    place: LandingConfig
    feeds: FeedReader
    tables: TableStore
    operations: OperationsDatabase
    now: dt.datetime
    last_closed: dt.date
    say: Callable[[str], object]

    def take_stock(self, before: Cursor) -> Stock:
        """Look at every file: put new ones on record, set aside what cannot be used, go on with the next one."""
        complete, looks = landing.complete(landing.look(self.place), self.place, before=before.looks, now=self.now)
        seen = {(record.path, record.digest): record for record in self.operations.records(Arrival)}
        digests: dict[str, tuple[str, str]] = {}
        files: dict[dt.date, dict[str, str]] = {}

        def is_unseen(file: LandedFile) -> bool:
            return file.path not in digests or (file.path, digests[file.path][1]) not in seen

        over = [file for file in complete if file.day <= self.last_closed]  # of another day, more may come
        for file in over:
            with self._told(file):
                known = before.digests.get(file.path)
                is_known = known is not None and known[0] == file.stamp
                digests[file.path] = (file.stamp, known[1] if known and is_known else self._kept(file).digest)
        # Those that were seen before first: a copy that arrives later is the one that is repeated.
        for file in sorted((file for file in over if file.path in digests), key=is_unseen):
            _, digest = digests[file.path]
            of_day = files.setdefault(file.day, {})
            with self._told(file):
                if self._received(file, digest, seen.get((file.path, digest)), of_day) == Arrival.TAKEN:
                    of_day[file.path] = digest
        enough = {day: of_day for day, of_day in files.items() if of_day and len(of_day) >= self.place.files_a_day}
        return Stock(files=enough, cursor=Cursor(looks=looks, digests=digests))

    @contextlib.contextmanager
    def _told(self, file: LandedFile) -> Iterator[None]:
        """The place or the machine is at fault, not the file: the next look takes it, and the others are looked at."""
        try:
            yield
        except (NightcartError, OSError) as error:
            self.say(f"{file.path} could not be looked at: {error}")

    def _kept(self, file: LandedFile) -> FeedFile:
        return self.feeds.kept(file.path, file.day)

    def _received(self, file: LandedFile, digest: str, seen: Arrival | None, of_day: Mapping[str, str]) -> str:
        """What becomes of a file; nothing new of one that was seen with this content, unless it was set aside."""
        if seen and seen.outcome in (Arrival.TAKEN, Arrival.GIVEN_UP):
            return Arrival.TAKEN
        if seen and seen.outcome == Arrival.REPEATED:
            return Arrival.REPEATED
        event_id, outcome, reason = f"{self.settings.name}/{file.day}/{digest}", Arrival.TAKEN, ""
        if digest in of_day.values():
            outcome, reason = Arrival.REPEATED, f"its bytes came as {next(p for p, d in of_day.items() if d == digest)}"
        else:
            try:
                event_id = self._announced(file, digest)
            except Refused as error:
                outcome, reason = Arrival.SET_ASIDE, str(error)
        # Only a file that a person has put back is judged again: with the same result, there is nothing new to say.
        if not (seen and seen.outcome == outcome and seen.reason == reason):
            self.operations.record(
                Arrival(
                    path=file.path,
                    digest=digest,
                    business_date=file.day,
                    event_id=event_id,
                    outcome=outcome,
                    reason=reason,
                    seen_at=self.now,
                )
            )
            self.say(f"{file.path}, of {file.day}, was {outcome}" + (f": {reason}" if reason else ""))
        if outcome == Arrival.SET_ASIDE:
            landing.set_aside(file.path, self.place, digest=digest)
        return outcome

    def _announced(self, file: LandedFile, digest: str) -> str:
        """The identifier of the event that announces the file; raises :class:`Refused` if either cannot be used."""
        settings, day = self.settings, file.day
        if not settings.first_business_day <= day <= (settings.last_business_day or day):
            raise Refused(f"{day} is outside of {settings.title}'s history.", remedy="correct the file's name.")
        if settings.is_closed(day):
            raise Refused(
                f"{day} is declared closed.", remedy="take it out of `closed_days` if the stores were open, and put the "
                "file back.",
            )  # fmt: skip
        beside = landing.event_beside(file.path)
        told = events.read(beside, where=f"{file.path}{landing.EVENT}") if beside is not None else None
        rows = self._rows(file)
        event = told or events.arrived(
            retailer=settings.name,
            path=file.path,
            day=day,
            digest=digest,
            rows=rows,
            at=self.now,
            source=f"/nightcart/{settings.name}/landing",
        )
        events.require_match(event, retailer=settings.name, path=file.path, day=day, digest=digest, rows=rows)
        return str(event.get_id())

    def _rows(self, file: LandedFile) -> int:
        """How many lines the file has, read to its end as the feed; raises :class:`Refused` where that cannot be done."""
        good = last_good_delivery(self.operations, self.settings.transactions, before=file.day)
        try:
            lines, (read,) = read_delivery([self._kept(file)], self.settings, self.feeds, self.tables, good=good)
            given = [lines[name].count().name(f"given_{place}") for place, name in enumerate(read.columns)]
            counts = lines.agg([lines.count().name("lines"), *given])
            rows = int(counts.to_pyarrow()["lines"][0].as_py())
        except (NightcartError, OSError):
            raise
        except Exception as error:  # what a library says of bytes that it cannot read has no common type
            why = " ".join(str(error).split())
            raise Refused(f"{file.path} cannot be read: {why}.", remedy="have it delivered again.") from error
        if not rows:
            raise Refused(f"{file.path} has no lines.", remedy="have it delivered again.")
        return rows


# ----------------------------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A run that was launched for a day's files: how it stands, and since when."""

    status: dg.DagsterRunStatus
    ended_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known when days are planned: those taken in, the nights done, the days that runs are at work on."""

    taken_in: Collection[dt.date]
    nights: Collection[dt.date]
    under_way: Mapping[dt.date, str]
    first_night: dt.date
    attempts: Callable[[dt.date, str, str], Sequence[Attempt]]  # of a day, a job and a digest, the newest first


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is done for a day now: a run of `job`, with a key that is fresh for each attempt; without a job, nothing."""

    day: dt.date
    digest: str
    job: str | None
    attempt: int = 0
    why: str = ""
    is_given_up: bool = False

    @property
    def run_key(self) -> str:
        return f"{self.job}:{self.day}:{self.digest[:16]}:{self.attempt}"


def digest_of(files: Mapping[str, str]) -> str:
    """The digest of a day's files, by path: of one, its own."""
    digests = sorted(files.values())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def plan(arrived: Mapping[dt.date, str], changed: Collection[dt.date], known: Known, *, now: dt.datetime) -> list[Step]:
    """What each of the days that `arrived` (with the digests of their files) needs now, the oldest first.

    `changed` are those that hold other lines than their files, or none. A day after the last night that is done has a
    night, once all days before it are there, with nothing else at the same time; a day that is older, or that has a gap
    before it, is taken in alone. What failed is tried again after growing pauses, as another run, and at last given up.
    """
    steps: list[Step] = []
    active = set(known.under_way)  # days that a run is at work on, or that is asked for now
    coming = set(active)  # these, and days whose run is to come
    first = min(known.taken_in or arrived)
    is_busy = nightly.name in known.under_way.values()
    for day, digest in sorted(arrived.items()):

        def skip(why: str, *, is_given_up: bool = False, day: dt.date = day, digest: str = digest) -> None:
            steps.append(Step(day=day, digest=digest, job=None, why=why, is_given_up=is_given_up))

        is_new = day >= known.first_night and day > max(known.nights, default=dt.date.min)
        wants_night = is_new and max(arrived) - day < NIGHTS_CAUGHT_UP
        if day not in changed and not wants_night:
            continue
        if day < first:
            skip(f"the history begins on {first}: `nightcart backfill --from {day} --to {first - ONE_DAY}` extends it")
            continue
        if day in known.under_way:
            skip("a run is at work on it")
            continue
        gap = {first + n * ONE_DAY for n in range((day - first).days)} - set(known.taken_in)
        job = nightly.name if wants_night and gap <= coming else ingestion.name
        if job == ingestion.name and day not in changed:
            skip(f"its baskets are there, its night waits for {min(gap)}")
            continue
        # What a night has begun to read must not become another version under it: its gates would close.
        if is_busy or (job == nightly.name and (gap or any(of < day for of in active))):
            skip("another night is under way" if is_busy else "its night waits for an earlier day")
            coming.add(day)
            continue
        attempts = known.attempts(day, job, digest)
        why = _not_now(attempts, now)
        if why is None:
            steps.append(Step(day=day, digest=digest, job=job, attempt=len(attempts) + 1))
            active.add(day)
            is_busy |= job == nightly.name
        else:
            skip(why, is_given_up=_is_given_up(attempts))
        if why is None or not _is_given_up(attempts):
            coming.add(day)
    return steps


def _is_given_up(attempts: Sequence[Attempt]) -> bool:
    return len(attempts) > len(PAUSES) or attempts[0].status == dg.DagsterRunStatus.CANCELED


def _not_now(attempts: Sequence[Attempt], now: dt.datetime) -> str | None:
    """Why a day is not tried (again) now; None when it is."""
    if not attempts:
        return None
    last = attempts[0]
    if last.status == dg.DagsterRunStatus.CANCELED:
        return "a person has ended its run"
    if len(attempts) > len(PAUSES):
        return f"its runs failed {len(attempts)} times"
    if last.status in UNDER_WAY:
        return "a run is at work on it"
    again = last.ended_at + PAUSES[len(attempts) - 1]
    return None if now >= again else f"its run failed, and is tried again after {again:%H:%M} UTC"


def with_closed_days(
    arrived: Mapping[dt.date, str], settings: Settings, taken_in: Collection[dt.date]
) -> dict[dt.date, str]:
    """The days that arrived, and the closed ones between what was taken in and them: a night is run of these too."""
    last = max((day for day in taken_in if day < max(arrived)), default=max(arrived))
    days = (last + n * ONE_DAY for n in range(1, (max(arrived) - last).days))
    return dict(arrived) | {day: CLOSED for day in days if settings.is_closed(day) and day not in taken_in}


def changed_days(
    arrived: Mapping[dt.date, str], files: Mapping[dt.date, Mapping[str, str]], operations: OperationsDatabase
) -> set[dt.date]:
    """Those of the days that were last taken in from other files than those that are there, or not at all."""
    newest = {delivery.business_date: set(delivery.files.values()) for delivery in operations.records(Delivery)}
    return {day for day in arrived if newest.get(day) != set(files.get(day, {}).values())}
