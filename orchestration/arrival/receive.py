"""What has landed: the complete files of each day, told apart by name, size and time alone. No file is opened here.

What takes a file's bytes is the run's: it reads them, checks them against their event, and puts on record what became
of the file (:class:`Arrival`, see `assets.grocery.ingestion.intake`). Here a file is known again by the stamp that stands
there. The cursor only saves looks: without it, files without a marker are waited for once more. What each day needs
because of its files is decided in `orchestration.arrival.plan`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from resources.config.feeds import LandingConfig
from resources.config.retailer import Settings
from resources.errors import NightcartError
from resources.feeds import landing
from resources.feeds.landing import LandedFile, Look
from resources.records.feeds import Arrival
from resources.records.store import OperationsDatabase


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Since when each file has been the same; and its stamp and digest, as earlier versions noted them here alone."""

    looks: Mapping[str, Look] = field(default_factory=dict)
    digests: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def as_json(self) -> str:
        """The cursor as text."""
        return json.dumps(dataclasses.asdict(self), default=dt.datetime.isoformat)

    @classmethod
    def of(cls, text: str | None) -> Cursor:
        """The cursor of a text; an empty one of anything else."""
        try:
            values = json.loads(text or "{}")
            looks = {
                path: Look(stamp=look["stamp"], since=dt.datetime.fromisoformat(look["since"]))
                for path, look in values["looks"].items()
            }
            return cls(looks=looks, digests={path: (stamp, of) for path, (stamp, of) in values["digests"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True, kw_only=True)
class ArrivedFile:
    """A complete file. `digest` is that of its bytes, None while no run has read it.

    `identity` is the stamp under which its bytes first came: delivered once more as it was, it is the same.
    """

    path: str
    stamp: str
    identity: str
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The files of each day that has as many as a day has, by day; `taken` are the days of which any was usable before."""

    files: Mapping[dt.date, list[ArrivedFile]]
    taken: frozenset[dt.date]
    cursor: Cursor

    @property
    def reread(self) -> set[dt.date]:
        """The days that have more, or others, than were usable before: only their bytes tell whether that is news."""
        return {day for day, files in self.files.items() if day in self.taken and any(f.digest is None for f in files)}


def fingerprint_of(*identities: str) -> str:
    """The digest of what tells files apart."""
    return hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest()


def take_stock(
    settings: Settings,
    place: LandingConfig,
    operations: OperationsDatabase,
    *,
    before: Cursor,
    now: dt.datetime,
    last_closed: dt.date,
    say: Callable[[str], object],
) -> Stock:
    """Look at the landing place at `now`; set aside what can be no file of a day by its name alone.

    One that cannot be moved is told to `say` and left to the next look; the others are gone on with.
    """
    complete, looks = landing.complete(landing.look(place), place, before=before.looks, now=now)
    records = operations.records(Arrival)
    by_stamp = {(record.path, record.stamp): record for record in records if record.stamp}
    by_digest = {(record.path, record.digest): record for record in records}
    first = {(record.path, record.digest): record.stamp for record in reversed(records)}
    files: dict[dt.date, list[ArrivedFile]] = {}
    digests = {}
    for file in complete:
        if file.day > last_closed:  # more may come of it
            continue
        record = by_stamp.get((file.name, file.stamp))
        stamp, digest = before.digests.get(file.name, ("", ""))
        if record is None and stamp == file.stamp:
            digests[file.name] = (stamp, digest)
            record = by_digest.get((file.name, digest))
        if why := _why_impossible(file, settings):
            try:
                if record is None or record.reason != why:
                    about = {"business_date": file.day, "outcome": Arrival.SET_ASIDE, "reason": why, "seen_at": now}
                    event = f"{settings.name}/{file.day}/{fingerprint_of(file.stamp)}"
                    known = {"path": file.name, "digest": "", "event_id": event, "stamp": file.stamp}
                    operations.record(Arrival(**known, **about))
                landing.set_aside(file.path, place, digest=fingerprint_of(file.stamp))
            except (NightcartError, OSError) as error:
                say(f"{file.name} could not be set aside: {error}")
        elif record is None or record.outcome != Arrival.REPEATED:
            is_read = record is not None and record.outcome != Arrival.SET_ASIDE and bool(record.digest)
            digest = record.digest if record and is_read else None
            identity = first.get((file.name, digest or "")) if digest else ""
            arrived = ArrivedFile(path=file.name, stamp=file.stamp, identity=identity or file.stamp, digest=digest)
            files.setdefault(file.day, []).append(arrived)
    usable = [each for each in records if each.digest and each.outcome in (Arrival.TAKEN, Arrival.GIVEN_UP)]
    return Stock(
        files={day: of_day for day, of_day in files.items() if len(of_day) >= place.files_a_day},
        taken=frozenset(each.business_date for each in usable if each.business_date),
        cursor=Cursor(looks=looks, digests=digests),
    )


def _why_impossible(file: LandedFile, settings: Settings) -> str | None:
    """Why a file cannot be used, whatever is in it; None where it can."""
    day = file.day
    if file.wrong:
        return f"It is {file.wrong}. Remedy: put the file itself there."
    if not settings.first_business_day <= day <= (settings.last_business_day or day):
        return f"{day} is outside of {settings.title}'s history. Remedy: correct the file's name."
    return None
