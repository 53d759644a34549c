"""The days that the names of files and folders say, and the pattern with `{date}` that finds those of any day."""

from __future__ import annotations

import calendar
import datetime as dt
import glob
import re
from collections.abc import Sequence
from pathlib import Path

from assets.grocery.ingestion import instants
from resources.feeds import landing

# How a path may write its date. Of a row more than one may read all paths, and then none is known to be right.
DATE_FORMATS = (
    *(("%Y-%m-%d",), ("%Y_%m_%d",), ("%Y.%m.%d",), ("%Y%m%d",)),
    *(("%d-%m-%Y", "%m-%d-%Y"), ("%d_%m_%Y", "%m_%d_%Y"), ("%d.%m.%Y", "%m.%d.%Y"), ("%d%m%Y", "%m%d%Y")),
    *(("%Y/%m/%d",), ("%Y/%-m/%-d",)),
    *((f"%d{mark}%b{mark}%Y",) for mark in ("", "-", "_", ".")),
    *((f"%Y{mark}%b{mark}%d",) for mark in ("", "-", "_", ".")),
)
IN_WORDS = re.compile(r"(?<!\d)(?:\d\d?|\d{4})[-_. ]?([^\W\d_]{3,9})[-_. ]?(?:\d\d?|\d{4})(?!\d)")
PARTS_OF_DATES = {
    "%Y": r"(?P<Y>(?:19|20)\d\d)",
    "%m": r"(?P<m>\d\d)",
    "%d": r"(?P<d>\d\d)",
    "%b": f"(?P<b>{'|'.join(landing.MONTHS)})",
    "%-m": r"(?P<m>[1-9]\d?)",
    "%-d": r"(?P<d>[1-9]\d?)",
    "/": r"/(?:[A-Za-z_]+=)?",  # as Hive and Spark write it: year=2024/month=01/day=31
}


def as_told(argument: str, paths: Sequence[str]) -> tuple[str, tuple[dt.date, ...]] | None:
    """The pattern that a person wrote, and the days of paths by it; None when it reads not all of them."""
    pattern = argument if "://" in argument else str(Path(argument).expanduser().absolute())
    days = {landing.day_in(path, pattern) for path in paths} if "{date" in argument else {None}
    return None if None in days else (pattern, tuple(sorted(day for day in days if day)))


def one_file_a_day(paths: Sequence[str]) -> tuple[str, tuple[dt.date, ...]] | None:
    """A pattern with `{date}` for paths that all name a day, and their days; None when they do not.

    `2024/sales_north_20240131.csv` and `2024/sales_south_20240131.csv` become `{date:%Y}/sales_*_{date:%Y%m%d}.csv`. Paths
    that may have the day or the month first name none.
    """
    if any("{" in path for path in paths):
        return None
    for formats in DATE_FORMATS:
        read = [each for each in (_dated(paths, format_) for format_ in formats) if each]
        if read:
            return read[0] if len(read) == 1 else None
    return None


def month_in_words(path: str) -> str | None:
    """The month in the name of a path that is a word, and none of those that are read; None without one."""
    words = [word for word in IN_WORDS.findall(Path(path).name) if word not in landing.MONTHS]
    known = {*instants.MONTHS, *(name.lower() for name in (*calendar.month_abbr[1:], *calendar.month_name[1:]))}
    return next((word for word in words if word.lower() in known), None)


def _dated(paths: Sequence[str], format_: str) -> tuple[str, tuple[dt.date, ...]] | None:
    """The pattern and the days of paths that all write their date by a format; None when they do not."""
    written = "".join(PARTS_OF_DATES.get(part, re.escape(part)) for part in re.split("(%-?[Ymdb]|/)", format_))
    behind = r"(?=\d{6}(?!\d)|(?!\d))" if len(format_) == len("%Y%m%d") else r"(?!\d)"  # a time of day may follow
    found = [list(re.finditer(rf"(?<!\d){written}{behind}", path)) for path in paths]
    if not all(found):
        return None
    matches = [each[-1] for each in found]
    days = [day for match in matches if (day := landing.date_of(match.groupdict()))]
    if len(days) < len(paths):
        return None
    heads = [_dated_folders(glob.escape(of.string[: of.start()]), day) for of, day in zip(matches, days, strict=True)]
    tails = [glob.escape(of.string[of.end() :]) for of in matches]
    head, placeholder, tail = _common(heads), _common([_placeholder(of, format_) for of in matches]), _common(tails)
    if head is None or placeholder is None or "*" in placeholder or tail is None:
        return None
    return head + placeholder + tail, tuple(sorted(set(days)))


def _placeholder(match: re.Match[str], format_: str) -> str:
    """What stands for the date of a match; in folders, for each of its parts."""
    if "/" not in format_:
        return "{date}" if format_ == "%Y-%m-%d" else f"{{date:{format_}}}"
    year, month, day = format_.split("/")
    path = match.string
    names = path[match.end("Y") : match.start("m")], path[match.end("m") : match.start("d")]
    return f"{{date:{year}}}{names[0]}{{date:{month}}}{names[1]}{{date:{day}}}"


def _dated_folders(head: str, day: dt.date) -> str:
    """Folders of the year, the month and the day stand for those of any day."""
    return re.sub(
        f"/{day:%Y}(/{day:%m})?(/{day:%d})?(?=/)",
        lambda match: "/{date:%Y}" + "/{date:%m}" * bool(match[1]) + "/{date:%d}" * bool(match[2]),
        head,
    )


def _common(parts: Sequence[str]) -> str | None:
    """What the parts of paths have in common, `*` for the words that differ; None when their depth differs."""
    folders = [part.split("/") for part in sorted(set(parts))]
    if len({len(names) for names in folders}) > 1:
        return None
    return "/".join(_common_name(names) for names in zip(*folders, strict=True))


def _common_name(names: Sequence[str]) -> str:
    split = [re.split(r"([_.=-])", name) for name in names]
    if len({len(words) for words in split}) > 1:
        return "*"
    return "".join(words[0] if len(set(words)) == 1 else "*" for words in zip(*split, strict=True))
