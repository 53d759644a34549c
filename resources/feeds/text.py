"""Text files of a feed as a table of text columns, every line of every file in it: understood, or whole with its defect.

DuckDB reads a file as it lies there, unless something in it is unusual: then it reads a copy in which nothing is. The
lines are counted before they are read, and those that come out are held against the count.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources.config.feeds import FeedConfig
from resources.errors import FeedRefused, of_the_machine
from resources.feeds import lines, prepared, quoting
from resources.feeds.files import REDELIVER, FeedFile, copies_of
from resources.feeds.lines import Header
from resources.tables.engine import quoted_name, quoted_text, scratch, temporary_name
from resources.tables.slices import granted
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

# DuckDB reads these by itself and would have to download an extension for others: those are put into UTF-8 first.
DUCKDB_ENCODINGS = frozenset({"utf-8", "latin-1"})
LONGEST = 2 * lines.LONGEST_LINE
STRETCH = 1024  # lines
PART_OF_MEMORY = 0.25  # for the text that is kept there; of a larger one the engine reads columns from a file
USUALLY_PACKED = 5  # times as large when it is unpacked
IN_ONE_PIECE = 1 << 24  # bytes of a file that DuckDB does not part among threads


@dataclass(frozen=True, kw_only=True)
class _Read:
    """Files of one header that DuckDB has read: its tables of good lines and of others, by the copy that they are of."""

    good: str
    rejects: str
    position: str
    row: str | None

    def counts(self, engine: Backend) -> dict[str, tuple[int, int]]:
        """The good lines and the others of each copy."""
        rows = engine.raw_sql(
            f"""SELECT copy, sum(good)::BIGINT, sum(bad)::BIGINT FROM (
                SELECT copy, count(*) AS good, 0 AS bad FROM {self.good} GROUP BY copy
                UNION ALL SELECT copy, 0, count(*) FROM {self.rejects} GROUP BY copy) GROUP BY copy"""
        ).fetchall()
        return {copy: (good, bad) for copy, good, bad in rows}


def read(
    engine: Backend, settings: FeedConfig, files: Mapping[FeedFile, Header], *, raw: Path
) -> tuple[ibis.Table, dict[FeedFile, int]]:
    """The lines of text files: their own columns, all text, with `copy`, `source_row` and `defect`; and each file's number of them.

    A line that does not fit the header stands whole in the first column. Raises :class:`FeedRefused` for a file that
    is cut off, and for one whose lines are not all accounted for.
    """
    import ibis

    by_header: dict[tuple[str, ...], list[FeedFile]] = defaultdict(list)
    for file in files:
        by_header[files[file].names].append(file)
    every = list(dict.fromkeys(name for header in by_header for name in header))
    tables, rows = [], {}
    for header, group in by_header.items():
        of_group = {file: files[file] for file in group}
        for table, counts in _read_of_one_header(engine, settings, header, of_group, raw):
            others = {name: ibis.null("string") for name in every if name not in table.columns}
            tables.append(table.mutate(**others).select(*every, "copy", "source_row", "defect"))
            rows |= counts
    return ibis.union(*tables) if len(tables) > 1 else tables[0], rows


def _read_of_one_header(
    engine: Backend, settings: FeedConfig, names: Sequence[str], files: Mapping[FeedFile, Header], raw: Path
) -> Iterator[tuple[ibis.Table, dict[FeedFile, int]]]:
    counts = {file: lines.count_plain(file, settings, header) for file, header in files.items()}
    plain = {file: count for file, count in counts.items() if count is not None}
    if settings.encoding.lower() not in DUCKDB_ENCODINGS:
        plain = {}
    for packed in (True, False):
        these = [file for file in plain if lines.is_packed(file.copy) == packed]
        read = _tried(engine, settings, names, copies_of(these), is_packed=packed) if these else None
        came = read.counts(engine) if read else {}
        for file in these:
            if read is None or sum(came.get(str(file.copy), (0, 0))) != plain[file]:
                del plain[file]  # it is not so plain, after all
            else:
                _refuse_truncated(engine, file, read.rejects, encoding=settings.encoding)
        if read:
            these = [file for file in these if file in plain]
            yield _of_plain(engine, read, names, copies_of(these)), {file: plain[file] for file in these}
    if odd := {str(file.copy): file for file in files if file not in plain}:
        yield _of_prepared(engine, settings, {file: files[file] for file in odd.values()}, raw)


def _of_prepared(
    engine: Backend, settings: FeedConfig, files: Mapping[FeedFile, Header], raw: Path
) -> tuple[ibis.Table, dict[FeedFile, int]]:
    """The lines of files by copies that are prepared for it, and are not needed any more when they are read."""
    import duckdb
    import pyarrow as pa

    names, came = next(iter(files.values())).names, {}
    with ExitStack() as stack:
        paths = {file: stack.enter_context(_temporary(raw)) for file in files}
        for file, path in paths.items():
            with open(path, "wb") as copy:
                came[file] = prepared.prepare(file, settings, files[file], copy)
        try:
            read = _read_copies(engine, settings, names, [str(path) for path in paths.values()], is_prepared=True)
        except duckdb.Error as error:
            if of_the_machine(error):
                raise
            reason = str(error).strip().splitlines()[0].rstrip(".")
            which = listed([file.path for file in files])
            raise FeedRefused(f"{which} cannot be read as text: {reason}.", remedy=REDELIVER) from error
    counts = read.counts(engine)
    for file, path in paths.items():
        good, bad = counts.get(str(path), (0, 0))
        aside = len(came[file].set_aside) + bad
        if good + aside != came[file].records:
            raise FeedRefused(
                f"{file.path} has {came[file].records:,} lines, of which {good:,} are understood and {aside:,} set aside: "
                "some are lost.",
                remedy="look for quotation marks and line breaks in it, and have it delivered without them.",
            )
    copies, set_aside = temporary_name("copies"), temporary_name("aside")
    engine.create_table(
        copies,
        pa.table({"copy": [str(path) for path in paths.values()], "of": [str(file.copy) for file in paths]}),
        temp=True,
    )
    aside = pa.concat_tables(
        each.set_aside.append_column("copy", pa.array([str(file.copy)] * len(each.set_aside), pa.string()))
        for file, each in came.items()
    )
    engine.create_table(set_aside, aside, temp=True)
    first, sign = quoted_name(names[0]), quoting.sign_for(settings.delimiter).decode()
    columns = ", ".join(map(quoted_name, names))
    if sign != settings.delimiter:
        back = f"{quoted_text(sign)}, {quoted_text(settings.delimiter)}"
        columns = ", ".join(f"replace({quoted_name(name)}, {back}) AS {quoted_name(name)}" for name in names)
    nulls = "".join(f", NULL AS {quoted_name(name)}" for name in names[1:])
    table = engine.sql(
        f"""SELECT {columns}, {copies}.of AS copy, {read.row} AS source_row, NULL::VARCHAR AS defect
            FROM {read.good} JOIN {copies} USING (copy)
            UNION ALL SELECT line AS {first}{nulls}, copy, source_row, defect FROM {set_aside}
            UNION ALL
            SELECT regexp_replace(csv_line, '^\\d+.', ''){nulls}, {copies}.of, regexp_extract(csv_line, '^\\d+')::BIGINT,
                defect
            FROM {read.rejects} JOIN {copies} USING (copy)"""
    )
    return table, {file: each.records for file, each in came.items()}


@contextmanager
def _temporary(raw: Path) -> Iterator[Path]:
    """A file of the raw store that nobody needs when its lines are in the engine."""
    with tempfile.NamedTemporaryFile(dir=raw, prefix=".part-", delete=False) as part:
        path = Path(part.name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _of_plain(engine: Backend, read: _Read, names: Sequence[str], copies: Sequence[str]) -> ibis.Table:
    """The lines of `copies`; the good ones are numbered in file order, and moved on by those before them that are not."""
    columns = ", ".join(f"counted.{quoted_name(name)}" for name in names)
    nulls = "".join(f", NULL AS {quoted_name(name)}" for name in names[1:])
    these, number = ", ".join(map(quoted_text, copies)) or "NULL", temporary_name("number")
    has_rejects = engine.raw_sql(f"SELECT 1 FROM {read.rejects} LIMIT 1").fetchone() is not None
    row, joined = number, ""
    if has_rejects:  # a good line is moved on by the others before it: by stretches, so that each looks at few of them
        row = f"{number} + b.rejects + len(list_filter(b.places, place -> place < {number}))"
        joined = f"JOIN {_stretches(engine, read)} b ON b.copy = counted.copy AND b.stretch = {number} // {STRETCH}"
    return engine.sql(
        f"""WITH firsts AS (SELECT copy, min({read.position}) AS first FROM {read.good} WHERE copy IN ({these}) GROUP BY copy),
            counted AS (
                SELECT good.*, {read.position} - firsts.first + 1 AS {number}
                FROM {read.good} AS good JOIN firsts USING (copy))
            SELECT {columns}, counted.copy, {row} AS source_row, NULL::VARCHAR AS defect FROM counted {joined}
            UNION ALL
            SELECT csv_line AS {quoted_name(names[0])}{nulls}, copy, source_row, defect
            FROM {read.rejects} WHERE copy IN ({these})"""
    )


def _stretches(engine: Backend, read: _Read) -> str:
    """A table of stretches of a copy's good lines: how many others there are before each, and where within it."""
    stretches = temporary_name("stretches")
    engine.raw_sql(
        f"""CREATE TEMP TABLE {stretches} AS
            WITH of_rejects AS (
                SELECT copy, good_before // {STRETCH} AS stretch, list(good_before) AS places, count(*) AS n
                FROM {read.rejects} GROUP BY ALL),
            every AS (
                SELECT copy, unnest(range(count(*) // {STRETCH} + 1)) AS stretch FROM {read.good} GROUP BY copy)
            SELECT copy, stretch, coalesce(places, []) AS places,
                coalesce(sum(n) OVER (PARTITION BY copy ORDER BY stretch ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW), 0)
                    ::BIGINT AS rejects
            FROM every LEFT JOIN of_rejects USING (copy, stretch)"""
    )
    return stretches


def _tried(
    engine: Backend, settings: FeedConfig, names: Sequence[str], copies: Sequence[str], *, is_packed: bool
) -> _Read | None:
    """Copies as they lie there; None when DuckDB cannot read them so."""
    import duckdb

    try:
        return _read_copies(engine, settings, names, copies, is_packed=is_packed)
    except duckdb.Error as error:
        if of_the_machine(error):
            raise
        return None


def _read_copies(
    engine: Backend,
    settings: FeedConfig,
    names: Sequence[str],
    copies: Sequence[str],
    *,
    is_prepared: bool = False,
    is_packed: bool = False,
) -> _Read:
    """Read copies that share a header; those that are prepared have none, but a row in front of every line."""
    good, rejects, scans, position = (temporary_name(kind) for kind in ("lines", "rejects", "scans", "position"))
    row = temporary_name("row") if is_prepared else None
    types = dict.fromkeys(names, "VARCHAR") if row is None else {row: "BIGINT", **dict.fromkeys(names, "VARCHAR")}
    columns = ", ".join(f"{quoted_text(name)}: '{type_}'" for name, type_ in types.items())
    delimiter = quoting.sign_for(settings.delimiter).decode() if is_prepared else settings.delimiter
    # Values that go on over lines are told where a file is read from its beginning to its end.
    is_parallel = not is_prepared or all(Path(copy).stat().st_size < IN_ONE_PIECE for copy in copies)
    scan = f"""SELECT *, row_number() OVER () AS {position} FROM read_csv(
            [{", ".join(map(quoted_text, copies))}], columns = {{{columns}}}, header = {row is None},
            auto_detect = false, delim = {quoted_text(delimiter)}, quote = '"', escape = '"', nullstr = '',
            encoding = {quoted_text("utf-8" if is_prepared else settings.encoding)}, filename = 'copy',
            max_line_size = {LONGEST}, parallel = {is_parallel}, compression = {quoted_text("gzip" if is_packed else "none")}, store_rejects = true,
            rejects_table = '{rejects}', rejects_scan = '{scans}')"""
    unpacked = sum(Path(copy).stat().st_size for copy in copies) * (USUALLY_PACKED if is_packed else 1)
    if unpacked < PART_OF_MEMORY * granted():
        engine.raw_sql(f"CREATE TEMP TABLE {good} AS {scan}")
    else:  # columns of a file take a third of the text, and are read one by one
        file = quoted_text(str(scratch(engine) / f"{good}.parquet"))
        engine.raw_sql(f"COPY ({scan}) TO {file} (FORMAT parquet)")
        engine.raw_sql(f"CREATE TEMP VIEW {good} AS FROM read_parquet({file})")
    engine.raw_sql(
        f"""CREATE TEMP TABLE {rejects}_lines AS
            SELECT file_path AS copy, (line - 1)::BIGINT AS source_row, any_value(trim(csv_line, chr(10) || chr(13))) AS csv_line,
                any_value(error_message) AS defect,
                (line - 1)::BIGINT - row_number() OVER (PARTITION BY file_path ORDER BY line) AS good_before
            FROM {rejects} JOIN {scans} USING (scan_id, file_id) GROUP BY file_path, line"""
    )
    return _Read(good=good, rejects=f"{rejects}_lines", position=position, row=row)


def _refuse_truncated(engine: Backend, file: FeedFile, rejects: str, *, encoding: str) -> None:
    """A last line that does not fit the header and does not end is a file that was cut off on its way."""
    last = engine.raw_sql(
        f"SELECT csv_line, source_row, defect FROM {rejects} WHERE copy = ? ORDER BY source_row DESC LIMIT 1",
        parameters=[str(file.copy)],
    ).fetchone()
    if last is None or lines.is_packed(file.copy):
        return
    with open(file.copy, "rb") as content:
        content.seek(-min(file.copy.stat().st_size, 1 << 16), os.SEEK_END)
        tail = content.read().decode(encoding, errors="replace")
    if not tail.endswith("\n") and tail.rstrip("\r").endswith(last[0]):
        raise FeedRefused(
            f"{file.path} is truncated: its last line, row {last[1]:,}, breaks off ({last[2]}).", remedy=REDELIVER
        )
