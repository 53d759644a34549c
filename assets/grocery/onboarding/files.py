"""Where the files of a feed are: one path, glob or `{date}` pattern for them, and the days that their names say."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import datetime as dt
import glob
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.onboarding import dialect
from resources import home
from resources.config.feeds import FeedConfig
from resources.errors import Refused
from resources.feeds.files import OUR_COLUMNS
from resources.feeds.prepared import NO_TEXT
from resources.feeds.reader import FeedReader
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

ENDINGS = (".csv", ".csv.gz", ".parquet", ".pq", ".tsv", ".txt", ".psv", ".dat")
FILES_COMPARED = 50

# A date in a path: how it is written between its parts, and the placeholder that stands for it.
DATES = {
    r"(?<!\d)((?:19|20)\d\d)-(\d\d)-(\d\d)(?!\d)": "{date}",
    r"(?<!\d)((?:19|20)\d\d)_(\d\d)_(\d\d)(?!\d)": "{date:%Y_%m_%d}",
    r"(?<!\d)((?:19|20)\d\d)\.(\d\d)\.(\d\d)(?!\d)": "{date:%Y.%m.%d}",
    r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?=\d{6}(?!\d)|(?!\d))": "{date:%Y%m%d}",  # a time of day may follow
}


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files of a feed as the settings describe them; `days` are those in their names, if every name has one."""

    files: FeedConfig
    days: tuple[dt.date, ...] = ()
    undated_path: tuple[str, ...] = ()

    def undated(self) -> SourceFiles:
        """The same files, whatever their names say."""
        return SourceFiles(files=self.files.model_copy(update={"path": list(self.undated_path)}))


def find(argument: str) -> SourceFiles:
    """The files that `argument` (a file, folder, glob, `{date}` pattern or URL) means, and how they are written.

    Raises :class:`Refused` when there are none, or when they are no feed, saying what they are.
    """
    pattern = _pattern(argument)
    paths = [path for path, _ in FeedReader(raw=Path()).locate(FeedConfig(path=[pattern]))]
    if not paths:
        raise Refused(f"There is no file at {argument}.", remedy="name an existing file, folder, glob or URL.")
    dated, days = one_file_a_day(paths) or (pattern, ())
    # Relative to the project when inside it: the file of settings can then be shared.
    dated, pattern = (path.removeprefix(f"{home.PROJECT}/") for path in (dated, pattern))
    files = dialect.recognise(paths[0], FeedConfig(path=[dated]))
    if not days:
        _refuse_a_mixture(paths, files)
    return SourceFiles(files=files, days=days, undated_path=(pattern,))


def read(source: SourceFiles, *, engine: Backend, reader: FeedReader) -> tuple[ibis.Table, SourceFiles]:
    """The lines of the feed, read as every night will read them; a first guess of the encoding is corrected."""
    lines, _ = reader.read(source.files, engine=engine, columns=(), days=source.days)
    if source.files.encoding == "utf-8" and lines.filter(lines.defect.contains(NO_TEXT)).count().to_pyarrow().as_py():
        source = replace(source, files=source.files.model_copy(update={"encoding": "cp1252"}))
        lines, _ = reader.read(source.files, engine=engine, columns=(), days=source.days)
    is_text = all(lines[name].type().is_string() for name in lines.columns if name not in OUR_COLUMNS)
    # Text is numbered and put together anew by every query; Parquet is read column by column anyway.
    return (lines.cache() if is_text else lines), source


def one_file_a_day(paths: Sequence[str]) -> tuple[str, tuple[dt.date, ...]] | None:
    """A pattern with `{date}` for paths that all name a day, and their days; None when they do not.

    `2024/sales_north_20240131.csv` and `2024/sales_south_20240131.csv` become `{date:%Y}/sales_*_{date:%Y%m%d}.csv`.
    """
    for expression, placeholder in DATES.items():
        found = [list(re.finditer(expression, path)) for path in paths]
        if not all(found) or any("{" in path for path in paths):
            continue
        days = [_day(matches[-1]) for matches in found]
        around = [(path[: of[-1].start()], path[of[-1].end() :]) for path, of in zip(paths, found, strict=True)]
        heads = [_dated_folders(glob.escape(head), day) for (head, _), day in zip(around, days, strict=True) if day]
        head, tail = _common(heads), _common([glob.escape(tail) for _, tail in around])
        if None not in days and head is not None and tail is not None:
            return head + placeholder + tail, tuple(sorted({day for day in days if day}))
    return None


def _day(match: re.Match[str]) -> dt.date | None:
    try:
        return dt.date(*map(int, match.groups()))
    except ValueError:
        return None


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


def _pattern(argument: str) -> str:
    """A path, glob or URL that `FeedReader` understands, absolute."""
    plain = re.sub(r"\{date[^}]*\}", "*", argument)
    if "://" in plain:
        return plain.rstrip("/") + "/*" if plain.endswith("/") else plain
    path = Path(plain).expanduser().absolute()
    if path.is_file():
        return glob.escape(str(path))
    return _folder(path) if path.is_dir() else str(path)


def _folder(folder: Path) -> str:
    """The glob of a folder's data files: of one ending, here or below."""
    for depth in ("*", "**/*"):
        inside = [path for path in folder.glob(depth) if path.is_file() and not path.name.startswith((".", "_"))]
        known = ([ending for ending in ENDINGS if path.name.lower().endswith(ending)] for path in inside)
        if endings := Counter(max(matching, key=len) for matching in known if matching):
            return f"{glob.escape(str(folder))}/{depth}{endings.most_common(1)[0][0]}"
    raise Refused(
        f"There is no data file in {folder}.", remedy=f"name the files; known endings are {listed(ENDINGS, 20)}."
    )


def _refuse_a_mixture(paths: Sequence[str], files: FeedConfig) -> None:
    """Refuse files that share less than half of their columns: a folder of transactions, products and others."""
    first, *others = paths[:FILES_COMPARED]
    own = dialect.columns_of(first, files)
    for other in others:
        theirs = dialect.columns_of(other, files)
        if len(own & theirs) < 0.5 * len(own | theirs):
            raise Refused(
                f"{Path(first).name} (with {listed(sorted(own), 3)}) and {Path(other).name} (with "
                f"{listed(sorted(theirs), 3)}) are of different kinds.",
                remedy="name the files of the transactions by a path or a glob, and the others with --products and "
                "--households.",
            )
