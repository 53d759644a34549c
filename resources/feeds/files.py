"""A delivered file, as far as it is known: where it was, its kept copy, its digest, and what it was refused for."""

from __future__ import annotations

import contextlib
import datetime as dt
import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from resources import home
from resources.config.feeds import FeedConfig
from resources.errors import NO_MEMORY, FeedRefused, NightcartError, of_the_machine
from resources.text import listed, on_one_line, without_secrets

if TYPE_CHECKING:
    import ibis

# What reading adds to a file's own columns: one of its own that is called so has a number added (:func:`own_names`).
OUR_COLUMNS = frozenset({"source_file", "source_row", "file_date", "defect", "copy", "file_row_number"})
SMALL = 100_000_000  # bytes; below it nothing is too large for having been packed well
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
# What Hadoop, Hive and Spark call the files that they may leave empty: a part without rows, or the marker of a job that has ended.
EMPTY_PART = re.compile(r"part-|_|\d{6}_\d")
RAISE_MOST = "look at the file; if it is right, raise `most_unpacked` in the configuration."
REDELIVER = "have it delivered again, then materialise the day again."


FULL_SHEETS = (65_536, 1_048_576)  # the lines that a sheet of .xls and of .xlsx can have


@dataclass(frozen=True, kw_only=True)
class FeedFile:
    """A delivered file: where it was, the kept copy, its SHA-256, and the day that its path names.

    `columns` are its own, with their types as the contract calls them, once it has been read, and `is_ended` whether the
    last line of a text has an end, and how many `lines` it has with its header. `also` are other paths at which the same was found: it counts once. `empty` are parts
    of the same day without a byte, which hold no lines.
    """

    path: str
    copy: Path
    digest: str
    day: dt.date | None
    also: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    is_ended: bool | None = None  # of no text it can be said
    lines: int | None = None

    @property
    def name(self) -> str:
        """The file as it stands in `source_file`: its URL without secrets, or its path, below the project's folder without that.

        Not its last part alone: two folders may each have a `sales.csv`.
        """
        return name_of(self.path)

    @property
    def partitions(self) -> dict[str, str | None]:
        """The columns that the folders right above the file name with their value, as Hive and Spark write: `store=1`."""
        found: dict[str, str | None] = {}
        for folder in reversed(PurePosixPath(self.path).parts[:-1]):
            name, is_one, value = folder.partition("=")
            if not is_one or not name.isidentifier() or name.lower() in OUR_COLUMNS:
                break
            found = {name: None if value == NO_VALUE else unquote(value)} | found
        return found


class ColumnsMissing(FeedRefused):
    """A file lacks columns: `file` with those that it has, and how many `rows` it has."""

    def __init__(self, message: str, *, remedy: str, file: FeedFile, rows: int) -> None:
        super().__init__(message, remedy=remedy)
        self.file, self.rows = file, rows


@contextlib.contextmanager
def in_our_words(what: str) -> Iterator[None]:
    """Turn what a library says of `what`, which was delivered, into a refusal; what is wrong with the machine goes on."""
    try:
        yield
    except NightcartError:
        raise
    except Exception as error:  # libraries' errors have no type in common
        if isinstance(error, MemoryError) or NO_MEMORY in str(error):
            raise FeedRefused(
                f"{what} takes more memory and disk to be read than one file is granted.",
                remedy="look at the file; if it is right, set NIGHTCART_MEMORY or NIGHTCART_SPILL to more.",
            ) from error
        if of_the_machine(error):
            raise
        raise FeedRefused(
            f"{what} cannot be read: its bytes are damaged, or of no kind that is known.", remedy=REDELIVER
        ) from error


def is_lock(path: str) -> bool:
    """Whether a file is what Excel puts beside a workbook while somebody has it open: it has a name, and no lines."""
    return PurePosixPath(path).name.startswith("~$")


def told(path: str) -> str:
    """A path as it is told and put on record: a URL without secrets, and without what no text or no line has."""
    return without_secrets(on_one_line(os.fsencode(path).decode("utf-8", "backslashreplace")))


def name_of(path: str) -> str:
    """What :attr:`FeedFile.name` is of the file at `path`."""
    return told(path.removeprefix(f"{home.PROJECT}{os.sep}"))


def no_file(path: Path) -> str | None:
    """What a path is that is no file of its folder: a folder, a pipe, a device, or a link that leads out; None if it is one."""
    # Not Path.resolve, which raises for links that lead round in a ring, before Python 3.13.
    target, folder = (Path(os.path.realpath(each)) for each in (path, path.parent))
    if path.is_symlink() and not target.is_relative_to(folder):
        return f"a link that leads out of its folder, to {target}"
    if not path.exists() or path.is_file():
        return "a link to nothing" if path.is_symlink() and not path.exists() else None
    return "a folder, not a file" if path.is_dir() else "a pipe or a device, not a file"


def taken_once(files: Iterable[FeedFile]) -> list[str]:
    """Which of the files came under several names, in sentences."""
    return [
        f"The same is at {listed([told(path) for path in (file.path, *file.also)])}: it is taken once."
        for file in files
        if file.also
    ]


def without_lines(files: Iterable[FeedFile]) -> list[str]:
    """Which parts beside the files have no bytes, in sentences."""
    return [
        f"No lines are in {listed([told(path) for path in file.empty])}, which has no bytes."
        for file in files
        if file.empty
    ]


def as_long_as_sheets(files: Iterable[FeedFile]) -> list[str]:
    """Which texts have as many lines as a sheet can have, in sentences."""
    return [
        f"{file.name} has {file.lines:,} lines, as many as a sheet of Excel can have: if it was saved by Excel, what came after "
        "them is not there. Have it delivered as it was before it was opened there."
        for file in files
        if file.lines in FULL_SHEETS
    ]


def not_read(files: Iterable[FeedFile], patterns: Iterable[str]) -> list[str]:
    """Which files of this machine begin as those of a day do, and are of no pattern, in a sentence: they may be parts of it."""
    dated = [file for file in files if file.day and "://" not in file.path]
    read, found = {path for file in dated for path in (file.path, *file.also, *file.empty)}, set()
    for name in {Path(pattern).name for pattern in patterns}:
        if not (begins := re.match(r"[^*?\[]*\{date[^}]*\}", name)):
            continue
        for file in dated:
            path = Path(file.path)
            others = path.parent.glob(f"{glob.escape(begins[0].format(date=file.day))}*{path.suffix}")
            found |= {str(other) for other in others} - read
    return [
        f"{listed([told(path) for path in sorted(found)])} begins as a file that is read, and is not: if it is a part of the day, write "
        "`path` in [transactions] so that it takes both, as in {date}*.csv, and take the day in again."
    ] * bool(found)


def copies_of(files: Sequence[FeedFile]) -> list[str]:
    """The kept copies, each once: the same bytes may have come for two days."""
    return list(dict.fromkeys(str(file.copy) for file in files))


def is_parquet(name: str, settings: FeedConfig) -> bool:
    """Whether a file of this name is read as Parquet: by the settings, or else by its ending, whatever its capitals."""
    lower = name.lower()
    return settings.format == "parquet" if settings.format else ".parquet" in lower or ".pq" in lower


def own_names(names: Iterable[str]) -> list[str]:
    """The names of a file's own columns as they are read: told apart from each other and from ours."""
    return told_apart([*OUR_COLUMNS, *names])[len(OUR_COLUMNS) :]


def own_columns(lines: ibis.Table) -> list[str]:
    """The columns of a feed's lines that its files have, without those that reading adds."""
    return [name for name in lines.columns if name not in OUR_COLUMNS]


def text_columns(lines: ibis.Table) -> list[str]:
    """Those of :func:`own_columns` that are text."""
    return [name for name in own_columns(lines) if lines[name].type().is_string()]


def told_apart(names: Iterable[str]) -> list[str]:
    """Columns' names, of which those that differ from another in capitals alone have a number added, as in the engine."""
    told: dict[str, str] = {}
    for name in names:
        new, number = name, 0
        while new.lower() in told:
            number += 1
            new = f"{name}_{number}"
        told[new.lower()] = new
    return list(told.values())
