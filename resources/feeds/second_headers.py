"""Lines of a file that are no records, but headers: its own again, or further ones below it, of types, units or other names.

What is no record is told by the file alone: by words that no record has, or by columns that have digits in every line
below and none in it.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from resources.config.feeds import FeedConfig
from resources.feeds import quoting
from resources.feeds.files import FeedFile, own_columns, text_columns
from resources.feeds.lines import Header, first_block
from resources.identifiers import trimmed
from resources.tables.engine import temporary_name

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

NO_RECORD = "it is no record, but "
AGAIN = f"{NO_RECORD}the header again"
OF_TYPES = f"{NO_RECORD}a second header, of the columns' types"
OF_UNITS = f"{NO_RECORD}a second header, of the columns' units"
OF_NAMES = f"{NO_RECORD}a second header, of other names of the columns"
RULED = f"{NO_RECORD}a drawn line"
MOST = 3  # further headers of a file
COMPARED = 20  # lines below them
TYPE = re.compile(
    r"[(\[<]?(big|small|tiny|n?var|n)?(string|str|text|char|character varying|int|integer|int(8|16|32|64)|long|short|number|"
    r"numeric|decimal|double|double precision|real|float|float(32|64)|bool|boolean|bit|date|datetime|datetime2|"
    r"datetime64(\[ns\])?|timestamp|timestamptz|time|object|uuid)(\s?\(\w+(,\s?\d+)?\))?[)\]>]?",
    re.IGNORECASE,
)
UNIT = re.compile(
    r"\(.*\)|\[.*\]|<.*>|%|[A-Z]{3}|[€$£¥]|pcs?|pieces?|units?|st(k|ück|ueck)?\.?|k?g|lbs?|oz|m?l|cts?|cents?|yyyy\W?mm\W?dd.*|"
    r"dd\W?mm\W?yyyy.*|mm\W?dd\W?yyyy.*",
    re.IGNORECASE,
)
DRAWN = re.compile(r":?[-=_+*~]{2,}:?")
TABLE_RULE = (
    r"^\s*[|+-][-=+|: ]*[-=+|]\s*$"  # of a table as `psql`, `mysql` and Markdown draw it, in one value or in all
)


def set_aside(
    lines: ibis.Table,
    engine: Backend,
    settings: FeedConfig,
    headers: Mapping[FeedFile, Header],
    others: Iterable[FeedFile],
) -> ibis.Table:
    """`lines` with the defect of those that are headers: of text files with their `headers`, and `others`, which are Parquet."""
    import pyarrow as pa

    texts = text_columns(lines)
    if texts and texts == own_columns(lines):
        again = _is_again(lines, texts).ifelse(AGAIN, None)
        is_rule = lines.defect.notnull() & lines[texts[0]].re_search(TABLE_RULE)
        lines = lines.mutate(defect=is_rule.ifelse(RULED, lines.defect.coalesce(again)))
    first = {file: _first_of_text(file, settings, header) for file, header in headers.items()}
    first |= {file: _first_of_rows(file) for file in others}
    found = [(str(file.copy), *each) for file, rows in first.items() for each in below_header(rows)]
    if not found:
        return lines
    columns = dict(zip(("copy", "source_row", "second"), map(list, zip(*found, strict=True)), strict=True))
    second = engine.create_table(temporary_name("second"), pa.table(columns), temp=True)
    joined = lines.left_join(second.distinct(), ["copy", "source_row"])
    return joined.mutate(defect=joined.defect.coalesce(joined.second)).select(*lines.columns)


def below_header(rows: Sequence[tuple[int, Sequence[str]]]) -> list[tuple[int, str]]:
    """The further headers among the first rows of a file, each a row's number and values: the numbers, and what they are."""
    found: list[tuple[int, str]] = []
    records = [values for _, values in rows[MOST:]]
    for row, values in reversed(rows[:MOST]):
        if what := _header_above(values, records):
            found.insert(0, (row, what))
        else:
            found, records = [], [values, *records]
    return found


def _header_above(values: Sequence[str], records: Sequence[Sequence[str]]) -> str | None:
    """What a line is that is no record, by those below it; None for a record."""
    filled = [value for value in values if value]
    if len(filled) > 1 and all(map(DRAWN.fullmatch, filled)):
        return RULED
    if len(filled) > 1 and all(map(TYPE.fullmatch, filled)):
        return OF_TYPES
    records = [record for record in records if len(record) == len(values)]
    columns = list(zip(*records, strict=True))
    numbered = [place for place, of in enumerate(columns) if all(map(_has_digit, of))]
    if not numbered:  # values may be missing: of each column some line has none
        given = [list(filter(None, of)) for of in columns]
        numbered = [
            place for place, of in enumerate(given) if len(of) > 1 and all(map(_has_digit, of)) and values[place]
        ]
    if not filled or not numbered or any(_has_digit(values[place]) for place in numbered):
        return None
    if all(UNIT.fullmatch(value) or TYPE.fullmatch(value) for value in filled):
        return OF_UNITS
    # Of a single column, or below a single line, chance would make a name of a word for nothing.
    is_told = len(numbered) > 1 or len(records) > 1
    is_named = len(filled) == len(values) == len({value.lower() for value in values})
    return OF_NAMES if is_told and is_named else None


def _has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))


def _is_again(lines: ibis.Table, texts: Sequence[str]) -> ir.BooleanValue:
    """Whether lines have the columns' own names as their values; of most, the first column alone is looked at."""
    import ibis

    given = sum((lines[name].notnull().cast("int8") for name in texts), ibis.literal(0))

    def then(so_far: ir.BooleanValue, name: str) -> ir.BooleanValue:
        value = lines[name]
        return (trimmed(value).lower() == name.lower()).fill_null(True).ifelse(so_far, False)

    return functools.reduce(then, reversed(texts), given > 1)


def _first_of_text(file: FeedFile, settings: FeedConfig, header: Header) -> list[tuple[int, list[str]]]:
    """The first lines of a text below its header, with their physical rows; each is taken by itself."""
    sign = quoting.sign_for(settings.delimiter)
    text = first_block(file, settings).content.replace(settings.delimiter.encode(), sign).decode("utf-8", "replace")
    lines = text.split("\n", header.lines + 2 * (MOST + COMPARED))[header.lines : -1]
    found = []
    for row, line in enumerate(lines, start=1):
        if line.strip() and len(found) < MOST + COMPARED:
            try:
                found.append((row, [value.strip() for value in next(csv.reader([line], delimiter=sign.decode()), [])]))
            except csv.Error:
                found.append((row, []))
    return found


def _first_of_rows(file: FeedFile) -> list[tuple[int, list[str]]]:
    """The first rows of a workbook, which is kept as Parquet of texts; none of a file with other types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.copy) as opened:
        if not all(pa.types.is_string(of.type) for of in opened.schema_arrow):
            return []
        rows = next(opened.iter_batches(batch_size=MOST + COMPARED), None)
    columns = [column.to_pylist() for column in rows.columns] if rows else []
    return [
        (row, [(value or "").strip() for value in values]) for row, values in enumerate(zip(*columns, strict=True), 1)
    ]
