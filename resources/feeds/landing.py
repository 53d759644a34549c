"""The landing place: a folder or object-store prefix in which files of single days arrive at any time.

A file may be half-written, delivered twice, or corrected later. This module says what is there and whether it is
complete; what to do about it is decided in `orchestration.sensors.arrival`.
"""

from __future__ import annotations

import calendar
import contextlib
import datetime as dt
import fnmatch
import os
import posixpath
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources import home
from resources.config.feeds import DATE_IN_PATH, LandingConfig
from resources.errors import FeedRefused, NightcartError, Unavailable, of_a_store
from resources.feeds.files import is_lock, no_file, told
from resources.tables import object_store

EVENT = ".event.json"  # ending of the CloudEvent that a deliverer may put beside a file
LONGEST_EVENT = 100_000  # bytes
LONGEST_NAME = 180
# The directives that tell a day. Months in words are English: no program of ours sets a language.
MONTHS = calendar.month_abbr[1:]
PARTS = {"Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{2}", "d": "[0-9]{2}", "j": "[0-9]{3}", "b": "|".join(MONTHS)}
SET_ASIDE = "set_aside"  # folder, beside the files, of those that cannot be used


@dataclass(frozen=True, kw_only=True)
class LandedFile:
    """A file that is there now. `stamp` changes when the file does; `is_marked` is whether its marker is there.

    `wrong` is what stands there in a file's place: a folder, a pipe, a device, a link that leads out.
    """

    path: str
    day: dt.date
    stamp: str
    is_marked: bool
    wrong: str | None = None

    @property
    def name(self) -> str:
        """The file as it is told, and put on record: its path, of a URL without secrets."""
        return told(self.path)


@dataclass(frozen=True, kw_only=True)
class Look:
    """A file's stamp, and since when it has been the same."""

    stamp: str
    since: dt.datetime


@contextlib.contextmanager
def reached(path: str) -> Iterator[None]:
    """Turn what fsspec and the stores behind it raise, whatever its type, into errors of ours that name `path`."""
    try:
        yield
    except NightcartError:
        raise
    except ImportError as error:
        raise FeedRefused(f"{path} needs a package that is missing: {error}.", remedy="install it.") from error
    except ValueError as error:
        raise FeedRefused(f"{path} is no address: {error}.", remedy="correct `path` in the configuration.") from error
    except Exception as error:  # of HTTP, S3, FTP, … each its own types: none means that nothing was delivered
        if known := of_a_store(error):
            raise known from error
        why = str(error).strip().rstrip(".") or type(error).__name__
        raise Unavailable(
            f"{path} cannot be reached: {why}.", remedy="check the address and the credentials."
        ) from error


def exists(path: str) -> bool:
    """Whether the file at a URL is there; raises :class:`Unavailable` when its server does not say."""
    with reached(path):
        filesystem, inside = object_store.filesystem(path)
        filesystem.invalidate_cache()
        try:
            filesystem.info(inside)
        except FileNotFoundError as error:
            # Over HTTP any failure is told as this, with what it was behind it.
            if path.startswith("http") and getattr(error.__cause__, "status", None) not in (404, 410):
                raise error.__cause__ or error from None
            return False
        return True


def pattern_of(landing: LandingConfig) -> str:
    """The landing place's path with `{date}` alone left in it: absolute, or a URL."""
    path = landing.path.replace("{state}", str(home.state()))
    return path if "://" in path else str(home.PROJECT / path)


def path_of(landing: LandingConfig, day: dt.date) -> str:
    """The file of `day`, for a place whose pattern has no globs."""
    return pattern_of(landing).format(date=day)


def day_in(path: str, pattern: str) -> dt.date | None:
    """The day that `path` names by `pattern`; None when it does not match or names none."""
    # Every directive is read where it stands first; where it stands again it must say the same.
    seen: set[str] = set()

    def directive(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{PARTS[name]})"

    parts = DATE_IN_PATH.split(pattern)  # text, format, text, format, … text
    expression = "".join(
        _glob(part) if place % 2 == 0 else re.sub("%([Yymdjb])", directive, re.escape(part or "%Y-%m-%d"))
        for place, part in enumerate(parts)
    )
    found = re.fullmatch(expression, path)
    return date_of(found.groupdict()) if found else None


def date_of(parts: Mapping[str, str]) -> dt.date | None:
    """The day of its written parts, by their directives; None when there is no such day."""
    year = parts.get("Y") or f"20{parts['y']}"
    try:
        if "m" in parts or "b" in parts:
            month = int(parts["m"]) if "m" in parts else MONTHS.index(parts["b"]) + 1
            return dt.date(int(year), month, int(parts["d"]))
        return dt.datetime.strptime(f"{year} {parts['j']}", "%Y %j").date()  # noqa: DTZ007
    except ValueError:
        return None


def _glob(text: str) -> str:
    """A piece of a glob as a regular expression; a star does not cross folders, two do."""
    pieces = re.split(r"(\*\*|\*|\?|\[[^\]]+\])", text)
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        signs.get(piece) or (fnmatch.translate(piece)[4:-3] if piece.startswith("[") else re.escape(piece))
        for piece in pieces
    )


def look(landing: LandingConfig) -> list[LandedFile]:
    """The files of all days that are in the landing place now, complete or not, by path. Raises as :func:`reached`."""
    pattern = pattern_of(landing)
    # A star beside a day is one star: two are folders, alone between slashes.
    every_day = re.sub(r"(?<!/)\*{2,}|\*{2,}(?!/)", "*", DATE_IN_PATH.sub("*", pattern))
    with reached(landing.path):
        filesystem, inside = object_store.filesystem(every_day)
        filesystem.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = filesystem.glob(inside, detail=True)  # pyright: ignore
        markers = set(filesystem.glob(inside + landing.marker)) if landing.marker else set()
    files, is_local = [], "://" not in pattern
    for name, about in found.items():
        path = name if is_local else filesystem.unstrip_protocol(name)
        day = day_in(path, pattern)
        is_ours = name.endswith(EVENT) or bool(landing.marker and name.endswith(landing.marker))
        if day is None or is_ours or f"/{SET_ASIDE}/" in path or is_lock(path):
            continue
        if about["type"] != "file" and not is_local:
            continue
        wrong = no_file(Path(path)) if is_local else None
        # What tells a file from an earlier one of its name: the bytes' own tag, or time and place of the writing.
        tag = about.get("ETag") or about.get("etag") or about.get("ino", "")
        when = written_at(about) or ""
        files.append(
            LandedFile(
                path=path,
                day=day,
                stamp=f"{about['size']} {when} {tag}",
                is_marked=landing.marker is not None and name + landing.marker in markers,
                wrong=wrong,
            )
        )
    return sorted(files, key=lambda file: file.path)


def written_at(about: Mapping[str, Any]) -> object:
    """When a file was written, as fsspec has it of its store or server; None where that does not say it."""
    return next(filter(None, map(about.get, ("mtime", "LastModified", "Last-Modified", "updated"))), None)


def complete(
    files: Sequence[LandedFile], landing: LandingConfig, *, before: Mapping[str, Look], now: dt.datetime
) -> tuple[list[LandedFile], dict[str, Look]]:
    """Those of `files` that are complete at `now`, and what to remember for the next look, by name.

    With a marker it alone decides. Without one, a file is complete that has stayed the same from one look (`before`) to
    another, at least `settle_seconds` later: with nothing to remember, that takes two looks more.
    """
    if landing.marker:
        return [file for file in files if file.is_marked], {}
    looks = {file.name: Look(stamp=file.stamp, since=now) for file in files}
    for path, seen in before.items():
        # A clock that was put back makes a file wait anew, not for ever.
        if path in looks and looks[path].stamp == seen.stamp and seen.since <= now:
            looks[path] = seen
    settled = dt.timedelta(seconds=landing.settle_seconds)
    done = [f for f in files if looks[f.name] is before.get(f.name) and now - looks[f.name].since >= settled]
    return done, looks


def of_days(landing: LandingConfig, days: Collection[dt.date]) -> list[LandedFile]:
    """The files to read `days` from: with their marker, where there is such a thing, and as many as a day has."""
    by_day: dict[dt.date, list[LandedFile]] = {}
    for file in look(landing):
        if file.day in set(days) and (file.is_marked or not landing.marker):
            by_day.setdefault(file.day, []).append(file)
    return [file for files in by_day.values() if len(files) >= landing.files_a_day for file in files]


def event_beside(path: str) -> str | None:
    """The text of the event that was put beside a file, if there is one. Raises :class:`FeedRefused` for what can be none."""
    with reached(path):
        filesystem, inside = object_store.filesystem(path + EVENT)
        if "://" not in path and os.path.lexists(inside):
            if why := no_file(Path(inside)):
                raise FeedRefused(f"{path}{EVENT} is {why}.", remedy="put the event itself there, or none.")
        elif not filesystem.exists(inside):
            return None
        if (size := filesystem.size(inside) or 0) > LONGEST_EVENT:
            raise FeedRefused(
                f"{path}{EVENT} has {size:,} bytes, and an event has at most {LONGEST_EVENT:,}.",
                remedy="deliver the file again with an event that fits its schema, or without one.",
            )
        return filesystem.cat_file(inside, end=LONGEST_EVENT).decode("utf-8", errors="replace")


def set_aside(path: str, landing: LandingConfig, *, digest: str) -> str:
    """Move a file, with its event and marker, to where nothing reads it; returns where. The same again is the same."""
    with reached(path):
        filesystem, inside = object_store.filesystem(path)
        folder, name = posixpath.split(inside)
        target = f"{folder}/{SET_ASIDE}/{digest[:12]}-{name[-LONGEST_NAME:]}"
        filesystem.makedirs(posixpath.dirname(target), exist_ok=True)
        if landing.marker and filesystem.exists(inside + landing.marker):
            filesystem.rm_file(inside + landing.marker)  # first: a file that is left half-way is not complete
        for ending in (EVENT, ""):
            if "://" not in path and os.path.lexists(inside + ending):
                if Path(target + ending).is_dir():  # of a folder that was set aside before
                    shutil.rmtree(target + ending)
                Path(inside + ending).rename(target + ending)  # whatever it is: it is not opened
            elif filesystem.exists(inside + ending):
                filesystem.mv(inside + ending, target + ending)
        return target
