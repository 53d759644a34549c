"""Feeds: the files that a retailer delivers, kept as they came and read as they are.

Every file is first copied, byte for byte, into the raw store (`raw/<digest>/<name>`, written once) and read from
there: what was ingested can be looked at later, a file that changes while it is read does no harm, and a remote file
is fetched once. A day that has files in the landing place is read from them, and from nowhere else
(:meth:`FeedReader.locate`). Reading gives the source's own columns plus `source_file`, `source_row` (1-based, the header not
counted), `file_date` (the day that a file's path names) and `defect` (why a line of a text file could not be split
into columns). Meaning — names, types, rules — begins in `assets.grocery.ingestion.cleaning`.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import glob
import gzip
import hashlib
import importlib.util
import os
import shutil
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from resources import home
from resources.config.feeds import FeedConfig, LandingConfig
from resources.errors import FeedMissing, FeedRefused, Unavailable
from resources.feeds import landing
from resources.tables.engine import quoted_name, quoted_text, temporary_name
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

# What reading adds to a file's own columns, and so must not be among them.
OUR_COLUMNS = frozenset({"source_file", "source_row", "file_date", "defect", "copy", "file_row_number"})
# DuckDB reads these by itself and would have to download an extension for others: those are put into UTF-8 first.
DUCKDB_ENCODINGS = frozenset({"utf-8", "latin-1"})
REDELIVER = "have it delivered again, then materialise the day again."


@dataclass(frozen=True, kw_only=True)
class FeedFile:
    """A delivered file: where it was, the kept copy, its SHA-256, and the day that its path names.

    `columns` are its own, with their types as the contract calls them, once it has been read.
    """

    path: str
    copy: Path
    digest: str
    day: dt.date | None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file as it stands in `source_file`: its URL or path, below the project's folder without that.

        Not its last part alone: two folders may each have a `sales.csv`.
        """
        return self.path.removeprefix(f"{home.PROJECT}{os.sep}")


class ColumnsMissing(FeedRefused):
    """A file lacks columns: `file` with those that it has, and how many `rows` it has."""

    def __init__(self, message: str, *, remedy: str, file: FeedFile, rows: int) -> None:
        super().__init__(message, remedy=remedy)
        self.file, self.rows = file, rows


@dataclass(frozen=True)
class FeedReader:
    """Reads feeds through the raw store at `raw`."""

    raw: Path

    def locate(
        self, files: FeedConfig, *, days: Sequence[dt.date] = (), landing_place: LandingConfig | None = None
    ) -> list[tuple[str, dt.date | None]]:
        """The paths that the feed has now, with the day that each is for; of a dated feed only those of `days`.

        Those of `days` that have complete files in the landing place have no others; when all have, the feed's own
        files are not asked for.
        """
        landed = landing.of_days(landing_place, days) if landing_place and days else []
        found: list[tuple[str, dt.date | None]] = [(file.path, file.day) for file in landed]
        others = sorted(set(days) - {file.day for file in landed})
        for pattern in files.path if others or not days else ():
            wanted = [(pattern.format(date=day), day) for day in others] if "{date" in pattern else [(pattern, None)]
            for path, day in wanted:
                found += [(match, day) for match in expand(path)]
        return list(dict.fromkeys(found))  # a file that two patterns match is one file

    def keep(
        self, files: FeedConfig, *, days: Sequence[dt.date] = (), landing_place: LandingConfig | None = None
    ) -> list[FeedFile]:
        """Copy the files that the feed has now into the raw store, unread: what their digests are.

        Raises :class:`FeedMissing` and :class:`Unavailable` as :meth:`read` does.
        """
        located = self.locate(files, days=days, landing_place=landing_place)
        where = " or ".join([*([landing_place.path] if landing_place and days else []), *files.path])
        without = sorted(set(days) - {day for _, day in located})
        if files.is_dated and without:
            raise FeedMissing(
                f"There is no file for {listed(without)} at {where}.",
                remedy="deliver it, or add the day to `closed_days` in the configuration if the stores were closed.",
            )
        if not files.is_dated and (without or not days) and all(day for _, day in located):
            raise FeedMissing(f"No file matches {where}.", remedy="deliver it, or correct `path` in the configuration.")
        kept = [self.kept(path, day) for path, day in located]
        # The same bytes under two names, both for one day, are one delivery.
        return list({(file.digest, file.day) if file.day else file.path: file for file in reversed(kept)}.values())[
            ::-1
        ]

    def read(
        self,
        files: FeedConfig,
        *,
        engine: Backend,
        columns: Collection[str],
        days: Sequence[dt.date] = (),
        landing_place: LandingConfig | None = None,
    ) -> tuple[ibis.Table, list[FeedFile]]:
        """The feed's lines as one table of `engine`, and the files that they came from.

        `columns` are the source's columns that must be there. Columns of text files are all text. Raises
        :class:`FeedMissing` when there is no file (or none for one of `days`), :class:`FeedRefused` when a file is
        empty, truncated, unreadable or lacks a column, :class:`Unavailable` when a remote file cannot be fetched.
        """
        kept = self.keep(files, days=days, landing_place=landing_place)
        return self.lines(files, kept, engine=engine, columns=columns)

    def lines(
        self, files: FeedConfig, kept: Sequence[FeedFile], *, engine: Backend, columns: Collection[str]
    ) -> tuple[ibis.Table, list[FeedFile]]:
        """The lines of files that were kept, as :meth:`read` gives them."""
        if files.encoding.lower() not in DUCKDB_ENCODINGS:
            kept = [_in_utf8(file, files.encoding) for file in kept]
            files = files.model_copy(update={"encoding": "utf-8"})
        by_format: dict[str, list[FeedFile]] = defaultdict(list)
        for file in kept:
            if file.copy.stat().st_size == 0:
                raise FeedRefused(f"{file.path} is empty (0 bytes).", remedy=REDELIVER)
            is_parquet = ".parquet" in file.name or ".pq" in file.name
            format_ = files.format or ("parquet" if is_parquet else "csv")
            own = _parquet_columns(file) if format_ == "parquet" else dict.fromkeys(_header(file, files), "text")
            _require(file, own, columns, rows=lambda file=file, of=format_: _rows(file, of))
            by_format[format_].append(replace(file, columns=own))
        tables = []
        if parquet := by_format["parquet"]:
            tables.append(_read_parquet(engine, parquet))
        if text := by_format["csv"]:
            tables.append(_read_text(engine, files, text))
        if len(tables) > 1:
            raise FeedRefused(
                f"{' or '.join(files.path)} mixes Parquet and CSV files.",
                remedy="narrow `path` to files of one format.",
            )
        read = [*parquet, *text]
        return tables[0].join(_names(engine, read), "copy").drop("copy"), read

    def kept(self, path: str, day: dt.date | None) -> FeedFile:
        """Copy a file into the raw store, unless the same bytes are there; it is there entirely or not at all."""
        self.raw.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.raw, prefix=".part-", delete=False) as part:
            try:
                with open_file(path) as content:
                    while block := content.read(1 << 20):
                        digest.update(block)
                        part.write(block)
                part.close()
                copy = self.raw / digest.hexdigest()[:16] / Path(path).name
                copy.parent.mkdir(exist_ok=True)
                os.replace(part.name, copy)
            finally:
                Path(part.name).unlink(missing_ok=True)
        return FeedFile(path=path, copy=copy, digest=digest.hexdigest(), day=day)


def expand(path: str) -> list[str]:
    """The existing files that a path, glob or URL stands for, sorted."""
    if path.startswith("package://"):
        folder = _package_folder(path)
        inside = path.removeprefix("package://").partition("/")[2]
        return [
            f"package://{folder.name}/{Path(match).relative_to(folder).as_posix()}"
            for match in sorted(glob.glob(str(folder / inside), recursive=True))
        ]
    if "://" not in path:
        return sorted(glob.glob(str(home.PROJECT / path), recursive=True))
    import fsspec

    with landing.reached(path):
        filesystem, inside = fsspec.core.url_to_fs(path)
        matches = filesystem.glob(inside) if glob.has_magic(inside) else [inside] if filesystem.exists(inside) else []
    return sorted(filesystem.unstrip_protocol(match) for match in matches)


def _package_folder(path: str) -> Path:
    """Where the installed package of a `package://` path is."""
    module = path.removeprefix("package://").partition("/")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise FeedMissing(f"The package {module} of {path} is not installed.", remedy=f"`uv add {module}`.")
    return Path(spec.submodule_search_locations[0])


def open_file(path: str) -> IO[bytes]:
    """A file of :meth:`FeedReader.locate`, to be read."""
    if path.startswith("package://"):
        return open(_package_folder(path).parent / path.removeprefix("package://"), "rb")
    if "://" not in path:
        return open(path, "rb")
    import fsspec

    try:
        return fsspec.open(path, "rb").open()  # pyright: ignore
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be fetched: {error}.", remedy="check the address and the credentials."
        ) from error


def _names(engine: Backend, kept: Sequence[FeedFile]) -> ibis.Table:
    """What is known of each kept copy, to be joined to its lines."""
    import pyarrow as pa

    return engine.create_table(
        temporary_name("files"),
        pa.table(
            {
                "copy": pa.array([str(file.copy) for file in kept], pa.string()),
                "source_file": pa.array([file.name for file in kept], pa.string()),
                "file_date": pa.array([file.day for file in kept], pa.date32()),
            }
        ),
        temp=True,
    )


def _in_utf8(file: FeedFile, encoding: str) -> FeedFile:
    """The file with a copy in UTF-8, beside the raw one; bytes that are none of `encoding` spoil their line alone."""
    opener = gzip.open if file.name.endswith(".gz") else open
    copy = file.copy.parent / f"from-{encoding}" / file.copy.name
    if copy.exists():
        return replace(file, copy=copy)
    try:
        codecs.lookup(encoding)
        copy.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=copy.parent, prefix=".part-", delete=False) as part:
            options: dict[str, Any] = {"errors": "surrogateescape", "newline": ""}
            with (
                opener(file.copy, "rt", encoding=encoding, **options) as content,
                opener(part.name, "wt", encoding="utf-8", **options) as text,
            ):
                shutil.copyfileobj(content, text, 1 << 20)
        os.replace(part.name, copy)
    except LookupError as error:
        raise FeedRefused(f"{encoding!r} is no encoding.", remedy="correct `encoding` in the configuration.") from error
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise FeedRefused(f"{file.path} is truncated or unreadable: {error}.", remedy=REDELIVER) from error
    return replace(file, copy=copy)


def _require(file: FeedFile, has: Mapping[str, str], columns: Collection[str], *, rows: Callable[[], int]) -> None:
    if missing := sorted(set(columns) - set(has)):
        raise ColumnsMissing(
            f"{file.name} lacks the column{'s' * (len(missing) > 1)} {listed(missing)}; it has {listed(list(has), 20)}.",
            remedy="have it delivered with them, or correct `columns` in the configuration.",
            file=replace(file, columns=has),
            rows=rows(),
        )
    if ours := sorted(OUR_COLUMNS.intersection(name.lower() for name in has)):
        raise FeedRefused(
            f"{file.path} has a column named {listed(ours)}, which is a name of ours.", remedy="have it renamed."
        )


def _copies(files: Sequence[FeedFile]) -> list[str]:
    """The kept copies, each once: the same bytes may have come for two days."""
    return list(dict.fromkeys(str(file.copy) for file in files))


def _rows(file: FeedFile, format_: str) -> int:
    """The rows of a file that is not read: of a text, its lines after the header."""
    if format_ == "parquet":
        import pyarrow.parquet as pq

        return pq.read_metadata(file.copy).num_rows
    with (gzip.open if file.name.endswith(".gz") else open)(file.copy, "rb") as content:
        return sum(1 for line in content if line.strip()) - 1


def _parquet_columns(file: FeedFile) -> dict[str, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file.copy)
    except (pa.ArrowInvalid, OSError) as error:
        raise FeedRefused(f"{file.path} is truncated or no Parquet file: {error}.", remedy=REDELIVER) from error
    return {column.name: _type(column.type) for column in schema}


def _type(of: pa.DataType) -> str:
    """The type of a Parquet column, as the contract calls it."""
    from pyarrow import types

    if types.is_dictionary(of):
        of = of.value_type
    kinds = {
        "text": (types.is_string, types.is_large_string, types.is_string_view),
        "integer": (types.is_integer,),
        "number": (types.is_floating, types.is_decimal),
        "boolean": (types.is_boolean,),
        "date": (types.is_date,),
        "instant": (lambda type_: types.is_timestamp(type_) and type_.tz is not None,),
        "time": (types.is_timestamp,),
    }
    return next((kind for kind, tests in kinds.items() if any(test(of) for test in tests)), str(of))


def _read_parquet(engine: Backend, files: Sequence[FeedFile]) -> ibis.Table:
    import ibis

    lines = engine.read_parquet(
        _copies(files),
        table_name=temporary_name("parquet"),
        filename="copy",
        file_row_number=True,
        union_by_name=True,
        hive_partitioning=False,
    )
    return lines.mutate(source_row=lines.file_row_number + 1, defect=ibis.null("string")).drop("file_row_number")  # pyright: ignore[reportOperatorIssue]


def _read_text(engine: Backend, settings: FeedConfig, files: Sequence[FeedFile]) -> ibis.Table:
    """Text files as tables of text columns; a line that does not fit the header is kept whole, with its `defect`."""
    by_header: dict[tuple[str, ...], list[FeedFile]] = defaultdict(list)
    for file in files:
        by_header[tuple(file.columns)].append(file)
    tables = [_read_text_of_one_shape(engine, settings, header, group) for header, group in by_header.items()]
    every = list(dict.fromkeys(name for header in by_header for name in header))
    import ibis

    tables = [
        table.mutate(**{name: ibis.null("string") for name in every if name not in table.columns}).select(
            *every, "copy", "source_row", "defect"
        )
        for table in tables
    ]
    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def _header(file: FeedFile, settings: FeedConfig) -> tuple[str, ...]:
    opener = gzip.open if file.name.endswith(".gz") else open
    try:
        with opener(file.copy, "rb") as content:
            first = content.readline().decode(settings.encoding).lstrip("\ufeff")
            while opener is gzip.open and content.read(1 << 20):
                pass  # to its end, where a file that was cut off shows: DuckDB takes what there is
        names = next(csv.reader([first], delimiter=settings.delimiter), [])
        # A column without a name is an index that somebody's program wrote, or a delimiter too many: nobody asks for it.
        header = tuple(name.strip() or f"column{place}" for place, name in enumerate(names, start=1))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise FeedRefused(f"{file.path} is truncated or unreadable: {error}.", remedy=REDELIVER) from error
    twice = sorted({name for name in header if header.count(name) > 1})
    if not header or twice:
        raise FeedRefused(
            f"{file.path} has no header." if not header else f"{file.path} names the column {listed(twice)} twice.",
            remedy=REDELIVER,
        )
    return header


def _read_text_of_one_shape(
    engine: Backend, settings: FeedConfig, header: Sequence[str], files: Sequence[FeedFile]
) -> ibis.Table:
    """Read files that share a header.

    DuckDB sets lines aside that do not fit (`store_rejects`) with their line number; the good lines are numbered in
    file order and moved on by the rejects before them, so that `source_row` is the row in the file for both.
    """
    import duckdb

    good, rejects, scans = (temporary_name(kind) for kind in ("lines", "rejects", "scans"))
    copies = ", ".join(map(quoted_text, _copies(files)))
    columns = ", ".join(f"{quoted_text(name)}: 'VARCHAR'" for name in header)
    try:
        engine.raw_sql(
            f"""CREATE TEMP TABLE {good} AS SELECT *, row_number() OVER () AS __position FROM read_csv(
                [{copies}], columns = {{{columns}}}, header = true,
                auto_detect = false, delim = {quoted_text(settings.delimiter)}, quote = '"', escape = '"', nullstr = '',
                encoding = {quoted_text(settings.encoding)}, filename = 'copy', store_rejects = true,
                rejects_table = '{rejects}', rejects_scan = '{scans}')"""
        )
    except duckdb.Error as error:
        names = listed([file.path for file in files])
        raise FeedRefused(f"{names} cannot be read as text: {_first_line(error)}.", remedy=REDELIVER) from error
    engine.raw_sql(
        f"""CREATE TEMP TABLE {rejects}_lines AS
            SELECT file_path AS copy, (line - 1)::BIGINT AS source_row, any_value(trim(csv_line, chr(10) || chr(13))) AS csv_line,
                any_value(error_message) AS defect,
                (line - 1)::BIGINT - row_number() OVER (PARTITION BY file_path ORDER BY line) AS good_before
            FROM {rejects} JOIN {scans} USING (scan_id, file_id) GROUP BY file_path, line"""
    )
    for file in files:
        _refuse_truncated(engine, file, f"{rejects}_lines", encoding=settings.encoding)
    names = ", ".join(map(quoted_name, header))
    nulls = ", ".join(f"NULL AS {quoted_name(name)}" for name in header[1:])
    return engine.sql(
        f"""WITH counted AS (
                SELECT *, __position - min(__position) OVER (PARTITION BY copy) + 1 AS __number FROM {good})
            SELECT {names}, copy, __number + (
                SELECT count(*) FROM {rejects}_lines r WHERE r.copy = counted.copy AND r.good_before < counted.__number
            ) AS source_row, NULL::VARCHAR AS defect FROM counted
            UNION ALL
            SELECT csv_line AS {quoted_name(header[0])}{", " + nulls if nulls else ""}, copy, source_row, defect
            FROM {rejects}_lines"""
    )


def _refuse_truncated(engine: Backend, file: FeedFile, rejects: str, *, encoding: str) -> None:
    """A last line that does not fit the header and does not end is a file that was cut off on its way."""
    last = engine.raw_sql(
        f"SELECT csv_line, source_row, defect FROM {rejects} WHERE copy = ? ORDER BY source_row DESC LIMIT 1",
        parameters=[str(file.copy)],
    ).fetchone()
    if last is None or file.name.endswith(".gz"):
        return
    with open(file.copy, "rb") as content:
        content.seek(-min(file.copy.stat().st_size, 1 << 16), os.SEEK_END)
        tail = content.read().decode(encoding, errors="replace")
    if not tail.endswith("\n") and tail.rstrip("\r").endswith(last[0]):
        raise FeedRefused(
            f"{file.path} is truncated: its last line, row {last[1]:,}, breaks off ({last[2]}).", remedy=REDELIVER
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
