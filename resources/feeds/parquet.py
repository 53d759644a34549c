"""Parquet files of a feed as a table of the engine, with the types that they came with."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from resources.config.feeds import FeedConfig
from resources.errors import FeedRefused
from resources.feeds.converted import DEFECT, LINE
from resources.feeds.files import RAISE_MOST, REDELIVER, SMALL, FeedFile, copies_of, own_names
from resources.feeds.lines import HEADER_REMEDY, MOST_COLUMNS
from resources.tables.engine import temporary_name
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    import pyarrow as pa
    import pyarrow.parquet as pq
    from ibis.backends.duckdb import Backend


POSITION = "file_row_number"  # what DuckDB calls it, and no file can


def columns_of(file: FeedFile) -> dict[str, str]:
    """The columns of a Parquet file, with their types as the contract calls them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file.copy)
    except (pa.ArrowException, OSError) as error:
        with open(file.copy, "rb") as content:
            first = content.read(40)
        raise FeedRefused(
            f"{file.path} is truncated or no Parquet file: it begins with {first!r}.", remedy=REDELIVER
        ) from error
    schema = pa.schema([column for column in schema if column.name not in (LINE, DEFECT)])
    names = schema.names
    if len(names) > MOST_COLUMNS:
        raise FeedRefused(f"{file.path} has {len(names):,} columns, more than {MOST_COLUMNS:,}.", remedy=HEADER_REMEDY)
    if ours := [name for name in names if name.lower() == POSITION]:
        raise FeedRefused(
            f"{file.path} has a column {ours[0]}, as the engine calls the rows' numbers.", remedy=HEADER_REMEDY
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FeedRefused(f"{file.path} names the column {listed(twice)} twice.", remedy=HEADER_REMEDY)
    return {name: _type(column.type) for name, column in zip(own_names(names), schema, strict=True)}


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


def rows_of(file: FeedFile) -> int:
    """How many rows a Parquet file says it has."""
    import pyarrow.parquet as pq

    return pq.read_metadata(file.copy).num_rows


def read(engine: Backend, files: Sequence[FeedFile], settings: FeedConfig) -> ibis.Table:
    """The rows of Parquet files: their own columns, with `copy`, `source_row` and `defect`, which none has."""
    import ibis
    import pyarrow.parquet as pq

    for file in files:
        about = pq.read_metadata(file.copy)
        _refuse_other_counts(file, about)
        _refuse_a_bomb(file, about, settings)
        _refuse_a_damaged(file, about, settings)

    copy = temporary_name("copy")
    lines = engine.read_parquet(
        copies_of(files),
        table_name=temporary_name("parquet"),
        filename=copy,
        file_row_number=True,
        union_by_name=True,
        hive_partitioning=False,
    )
    own = [name for name in lines.columns if name not in (copy, POSITION)]
    lines = lines.rename(
        {"copy": copy, **{new: old for new, old in zip(own_names(own), own, strict=True) if new != old}}
    )
    defect = lines[DEFECT] if DEFECT in lines.columns else ibis.null("string")  # of lines of JSON
    lines = lines.mutate(
        source_row=lines.file_row_number + 1,
        defect=defect,
        **_with_zones(lines, files),
    )
    return lines.drop(POSITION, *{DEFECT}.intersection(lines.columns))


def _with_zones(lines: ibis.Table, files: Sequence[FeedFile]) -> dict[str, ir.StringValue]:
    """Columns that are instants in some files and times without zone in others, as texts that say which.

    The engine takes all of them for instants, those without zone for times in UTC, which they need not be.
    """
    without_zone: dict[str, list[str]] = {}
    for file in files:
        for name, type_ in file.columns.items():
            if type_ in ("time", "date") and name in lines.columns and getattr(lines[name].type(), "timezone", None):
                without_zone.setdefault(name, []).append(str(file.copy))
    return {
        name: lines[name].cast("timestamp").cast("string") + lines["copy"].isin(copies).ifelse("", "+00")
        for name, copies in without_zone.items()
    }


def _refuse_a_bomb(file: FeedFile, about: pq.FileMetaData, settings: FeedConfig) -> None:
    """Refuse a small file of very many rows or bytes: every value counts as one byte at least."""
    unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    _require_measure(file, about, settings, max(unpacked, about.num_rows * about.num_columns))


def _require_measure(file: FeedFile, about: pq.FileMetaData, settings: FeedConfig, unpacked: int) -> None:
    size = file.copy.stat().st_size
    if unpacked > max(SMALL, settings.most_unpacked * size):
        raise FeedRefused(
            f"{file.path} has {about.num_rows:,} rows and {unpacked:,} bytes when it is unpacked, in {size:,} bytes.",
            remedy=RAISE_MOST,
        )


def _refuse_other_counts(file: FeedFile, about: pq.FileMetaData) -> None:
    """Refuse a file whose footer, which no checksum covers, counts other rows than its columns have values."""
    rows = 0
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        flat = [at for at in range(about.num_columns) if not about.schema.column(at).max_repetition_level]
        if any(group.column(at).num_values != group.num_rows for at in flat):
            break
        rows += group.num_rows
    if rows != about.num_rows:
        raise FeedRefused(
            f"{file.path} is damaged: it counts {about.num_rows:,} rows, and has others.", remedy=REDELIVER
        )


def _refuse_a_damaged(file: FeedFile, about: pq.FileMetaData, settings: FeedConfig) -> None:
    """Refuse a file of which a page cannot be read, or is not the one whose checksum was written (where one was).

    And one that has a long text once, and names it in every row.
    """
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq

    of: Any = pyarrow.compute
    row, unpacked = 0, 0
    groups = map(about.row_group, range(about.num_row_groups))
    # Text that is once in the file for all rows that have it is left so: what it would be is counted.
    once = {
        each.path_in_schema
        for each in (group.column(at) for group in groups for at in range(about.num_columns))
        if each.physical_type == "BYTE_ARRAY" and {"RLE_DICTIONARY", "PLAIN_DICTIONARY"}.intersection(each.encodings)
    }
    try:
        with pq.ParquetFile(file.copy, page_checksum_verification=True, read_dictionary=sorted(once)) as opened:
            for batch in opened.iter_batches():
                batch.validate(full=True)  # of text that is no UTF-8
                row += batch.num_rows
                for values in batch.columns:
                    if pa.types.is_dictionary(values.type):
                        unpacked += of.sum(of.binary_length(values.dictionary).take(values.indices)).as_py() or 0
                _require_measure(file, about, settings, unpacked)
    except (pa.ArrowException, OSError) as error:
        raise FeedRefused(f"{file.path} is damaged: it cannot be read beyond row {row:,}.", remedy=REDELIVER) from error
