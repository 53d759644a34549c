"""Where a retailer's files are and how they are written: what `FeedConfig` needs to know, found out from the files."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import glob
import gzip
import io
import itertools
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resources import home
from resources.config.feeds import FeedConfig
from resources.errors import Refused
from resources.feeds.reader import OUR_COLUMNS, FeedReader, open_file
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

ENDINGS = (".csv", ".csv.gz", ".parquet", ".pq", ".tsv", ".txt", ".psv", ".dat")
DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES, HEADER_BYTES = 1 << 20, 1 << 16
SAMPLE_LINES = 200
FILES_COMPARED = 50
PARQUET = b"PAR1"

# A date in a path: how it is written between its parts, and the placeholder that stands for it.
DATES = {
    r"(?<!\d)((?:19|20)\d\d)-(\d\d)-(\d\d)(?!\d)": "{date}",
    r"(?<!\d)((?:19|20)\d\d)_(\d\d)_(\d\d)(?!\d)": "{date:%Y_%m_%d}",
    r"(?<!\d)((?:19|20)\d\d)\.(\d\d)\.(\d\d)(?!\d)": "{date:%Y.%m.%d}",
    r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?=\d{6}(?!\d)|(?!\d))": "{date:%Y%m%d}",  # a time of day may follow
}

# What a file that is no feed begins with, and what to do about it.
FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"SQLite format": ("an SQLite database", "export the table as CSV"),
    b"{": ("JSON", "convert it to CSV or Parquet, one row a line of a basket"),
    b"[": ("JSON", "convert it to CSV or Parquet, one row a line of a basket"),
    b"<": ("XML or HTML", "convert it to CSV or Parquet, one row a line of a basket"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it, or compress it with gzip"),
    b"BZh": ("compressed with bzip2", "unpack it, or compress it with gzip"),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of a feed as settings say it; `days` are those that their names say, if every name says one."""

    files: FeedConfig
    days: tuple[dt.date, ...] = ()
    undated_path: tuple[str, ...] = ()

    def undated(self) -> Found:
        """The same files, whatever their names say."""
        return Found(files=self.files.model_copy(update={"path": list(self.undated_path)}))


def find(argument: str) -> Found:
    """The files that `argument` (a file, folder, glob, `{date}` pattern or URL) means, and how they are written.

    Raises :class:`Refused` when there are none or they are no feed, saying what they are.
    """
    pattern = _pattern(argument)
    paths = [path for path, _ in FeedReader(raw=Path()).locate(FeedConfig(path=[pattern]))]
    if not paths:
        raise Refused(f"There is no file at {argument}.", remedy="name an existing file, folder, glob or URL.")
    dated, days = one_file_a_day(paths) or (pattern, ())
    files = _written(paths[0], FeedConfig(path=[_in_project(dated)]))
    if not days:
        _refuse_a_mixture(paths, files)
    return Found(files=files, days=days, undated_path=(_in_project(pattern),))


def read(found: Found, *, engine: Backend, reader: FeedReader) -> tuple[ibis.Table, Found]:
    """The lines of the feed, read as every night will read them; a first guess of the encoding is corrected."""
    lines, _ = reader.read(found.files, engine=engine, columns=(), days=found.days)
    if found.files.encoding == "utf-8" and lines.filter(lines.defect.contains("not utf-8")).count().execute():
        found = replace(found, files=found.files.model_copy(update={"encoding": "cp1252"}))
        lines, _ = reader.read(found.files, engine=engine, columns=(), days=found.days)
    is_text = all(lines[name].type().is_string() for name in lines.columns if name not in OUR_COLUMNS)
    # Text is numbered and put together anew by every query; Parquet is read column by column anyway.
    return (lines.cache() if is_text else lines), found


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
    path = os.path.abspath(os.path.expanduser(plain))
    if os.path.isfile(path):
        return glob.escape(path)
    return _folder(Path(path)) if os.path.isdir(path) else path


def _folder(folder: Path) -> str:
    """The glob of a folder's data files: of one ending, here or below."""
    for depth in ("*", "**/*"):
        inside = [path for path in folder.glob(depth) if path.is_file() and not path.name.startswith((".", "_"))]
        endings = Counter(_ending(path.name) for path in inside)
        endings.pop("", None)
        if endings:
            return f"{glob.escape(str(folder))}/{depth}{endings.most_common(1)[0][0]}"
    raise Refused(
        f"There is no data file in {folder}.", remedy=f"name the files; known endings are {listed(ENDINGS, 20)}."
    )


def _ending(name: str) -> str:
    return max((ending for ending in ENDINGS if name.lower().endswith(ending)), key=len, default="")


def _in_project(path: str) -> str:
    """Relative to the project when inside it: the file of settings can then be shared."""
    inside = f"{home.PROJECT}/"
    return path.removeprefix(inside)


def _written(path: str, files: FeedConfig) -> FeedConfig:
    """`files` with format, delimiter, encoding and decimal separator, from the beginning of the file `path`."""
    first = _beginning(path)
    if not first:
        raise Refused(f"{path} is empty (0 bytes).", remedy="have it delivered again.")
    if first.startswith(PARQUET):
        is_told_by_name = ".parquet" in Path(path).name or ".pq" in Path(path).name
        return files if is_told_by_name else files.model_copy(update={"format": "parquet"})
    for magic, (what, remedy) in FOREIGN.items():
        if first.lstrip().startswith(magic):
            raise Refused(f"{path} is {what}, neither CSV nor Parquet.", remedy=f"{remedy}.")
    encoding, text = _decoded(first)
    if "\0" in text:
        raise Refused(f"{path} is binary, neither CSV nor Parquet.", remedy="name the files of the basket lines.")
    rows = {mark: _rows(text, mark) for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: _fit(rows[mark]))
    header, *body = rows[delimiter] or [[]]
    if len(header) < 2:
        raise Refused(
            f"{path} has no two columns, its first line is {text.splitlines()[0][:80]!r}.",
            remedy=f"deliver it with one of the delimiters {listed([repr(mark) for mark in DELIMITERS])}.",
        )
    if sum(_is_data(cell) for cell in header) >= len(header) / 2:
        raise Refused(
            f"{path} has no header: its first line is {text.splitlines()[0][:80]!r}.",
            remedy="put a first line with the columns' names into every file.",
        )
    cells = [cell.strip() for row in body for cell in row]
    commas = sum(bool(re.fullmatch(r"-?(\d+|\d{1,3}(\.\d{3})+),\d+", cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)\.\d+", cell)) for cell in cells)
    different = {"delimiter": delimiter, "encoding": encoding, "decimal": "," if commas > points else "."}
    return files.model_copy(update=different)


def _refuse_a_mixture(paths: Sequence[str], files: FeedConfig) -> None:
    """Refuse files that share less than half of their columns: a folder of transactions, products and others."""
    first, *others = paths[:FILES_COMPARED]
    own = _columns(first, files)
    for other in others:
        theirs = _columns(other, files)
        if len(own & theirs) < 0.5 * len(own | theirs):
            raise Refused(
                f"{Path(first).name} (with {listed(sorted(own), 3)}) and {Path(other).name} (with "
                f"{listed(sorted(theirs), 3)}) are of different kinds.",
                remedy="name the files of the transactions by a path or a glob, and the others with --products and "
                "--households.",
            )


def _columns(path: str, files: FeedConfig) -> set[str]:
    first = _beginning(path, HEADER_BYTES)
    if first.startswith(PARQUET):
        import pyarrow.parquet as pq

        with open_file(path) as content:
            return set(pq.read_schema(content).names)
    line = (_decoded(first)[1].splitlines() or [""])[0]
    return {name.strip() for name in next(csv.reader([line], delimiter=files.delimiter), [])}


def _beginning(path: str, most: int = SAMPLE_BYTES) -> bytes:
    """The first bytes of a file, unpacked."""
    with open_file(path) as content:
        return (gzip.GzipFile(fileobj=content) if path.endswith(".gz") else content).read(most)


def _decoded(first: bytes) -> tuple[str, str]:
    """The encoding of a text that begins so, and its whole lines."""
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(first)
            encoding = "utf-8"
        except UnicodeDecodeError:
            encoding = "cp1252"  # Latin-1 with € and curly quotes: what Excel writes in Western Europe
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(first).lstrip("\ufeff")
    whole = text[: text.rfind("\n")] if len(first) >= SAMPLE_BYTES else text
    return encoding, whole


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """The first lines of a text, split; none if they cannot be split so."""
    try:
        return list(
            itertools.islice(csv.reader(io.StringIO(text, newline=None), delimiter=delimiter), SAMPLE_LINES + 1)
        )
    except csv.Error:
        return []


def _fit(rows: Sequence[Sequence[str]]) -> tuple[bool, int]:
    """How well a delimiter splits: whether nearly every line has as many columns as the header, and how many."""
    width = len(rows[0]) if rows else 0
    same = sum(len(row) == width for row in rows)
    return width > 1 and same >= 0.9 * len(rows), width


def _is_data(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*(-?\d+([.,]\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*)\s*", cell))
