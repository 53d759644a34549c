"""The query engine: DuckDB behind Ibis, and its dialect: zones, parsing, JSON, digests, samples, quoting.

Another engine needs these functions anew, and the two places that hand it files: `resources.tables.store` and
`resources.feeds.reader`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import functools
import itertools
import shutil
import tempfile
import uuid
import warnings
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from resources.config.deployment import load_deployment
from resources.errors import Refused
from resources.identifiers import unwrapped, without_point_zero

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

PART_OF_MEMORY = 0.5  # that an engine may hold; the rest is for libraries, frames and models
OFFSETS_OF = (dt.datetime(1975, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001 - instants in UTC
SPARK = "pyspark"  # Ibis's name of the other engine: resources.tables.engine_spark


def connect(*, spill: Path | None = None) -> Backend:
    """A new in-memory engine; instants are UTC in it whatever the machine's zone is.

    Above its part of the memory that the deployment grants (`NIGHTCART_MEMORY`) it spills to disk, as much as `NIGHTCART_SPILL`
    says: to the folder `spill`, by default the machine's own for temporary files.
    """
    import ibis

    engine = ibis.duckdb.connect()
    deployment = load_deployment()
    engine.raw_sql(f"SET memory_limit = '{int(PART_OF_MEMORY * deployment.memory_bytes)}B'")
    # Its own default is a folder `.tmp` wherever the process was started.
    own = _own_folder(spill or Path(tempfile.gettempdir(), "nightcart-spill"), of=engine)
    engine.raw_sql(f"SET temp_directory = {quoted_text(str(own))}")
    engine.raw_sql(f"SET max_temp_directory_size = '{deployment.spill}'")
    engine.raw_sql("SET TimeZone = 'UTC'")
    engine.raw_sql("SET enable_progress_bar = false")
    return engine


def _own_folder(spill: Path, *, of: Backend) -> Path:
    """A folder below `spill` that is there as long as an engine: two in one folder read what the other has spilled.

    What processes that were killed have left there is removed.
    """
    spill.mkdir(parents=True, exist_ok=True)
    for left in spill.glob("*.lock"):
        with contextlib.suppress(OSError), left.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
            left.unlink()
    own = spill / uuid.uuid4().hex
    lock = own.with_suffix(".lock").open("w")  # the system lets go of it when the process ends, however it does
    fcntl.flock(lock, fcntl.LOCK_EX)
    own.mkdir()

    def remove() -> None:
        shutil.rmtree(own, ignore_errors=True)
        with contextlib.suppress(OSError):  # of a disk that has failed: the next process removes it
            own.with_suffix(".lock").unlink()
        lock.close()

    weakref.finalize(of, remove)
    return own


def scratch(of: Backend) -> Path:
    """The folder in which an engine keeps what memory does not hold, and which goes with it."""
    return Path(of.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0])


def spark() -> Any:
    """The module of the other engine; raises :class:`Refused` where what it needs is not installed."""
    # Of calls that are not made here: rows go by Arrow.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
    try:
        from resources.tables import engine_spark
    except ModuleNotFoundError as error:
        raise Refused(
            f"NIGHTCART_ENGINE is spark, and {error.name} is not installed.",
            remedy="`uv sync --extra spark` installs it; NIGHTCART_ENGINE=duckdb goes without.",
        ) from error
    return engine_spark


def is_spark(rows: ibis.Table) -> bool:
    """Whether it is the other engine that a table belongs to."""
    import ibis

    return ibis.get_backend(rows).name == SPARK  # pyright: ignore[reportArgumentType]


def scan(backend: Any, schema: ibis.Schema, parts: Sequence[str], *, folder: str, day: str | None) -> ibis.Table:
    """The rows of the Parquet files `parts` of `folder`, of a schema: a column that is younger than a file is null in it.

    `day` is the column that the files' own folders have the values of.
    """
    name, files = temporary_name(folder.rpartition("/")[2]), [f"{folder}/{part}" for part in parts]
    if backend.name == SPARK:
        return spark().scan(backend, name, schema, files, folder=folder)
    empty = backend.create_table(name, schema=schema, temp=True)
    if not files:
        return empty
    columns = ", ".join(map(quoted_name, schema.names))  # pyright: ignore[reportArgumentType]
    paths = ", ".join(map(quoted_text, files))
    # Joined to no rows of the whole schema: a column that is younger than all of these files is null in them.
    # Not Ibis's read_parquet: it cannot pass the type of the partition column on.
    return backend.sql(
        f"SELECT {columns} FROM (FROM {empty.get_name()} UNION ALL BY NAME FROM read_parquet([{paths}], "
        "union_by_name = true, " + (f"hive_types = {{{day}: DATE}}))" if day else "hive_partitioning = false))"),
        schema=schema,  # or DuckDB would open every file to tell it
    )


def batches(rows: ibis.Table | Sequence[ibis.Table]) -> pa.RecordBatchReader:
    """The rows in the types that their expression announces: DuckDB sums integers in 128 bits, which Ibis calls 64.

    Of several tables of the same columns one is computed and read after the other.
    """
    import pyarrow as pa

    parts = iter(rows if isinstance(rows, Sequence) else [rows])
    first = [next(parts)]
    schema = first[0].schema().to_pyarrow()

    def read() -> Iterator[pa.RecordBatch]:
        # What a part has in memory goes before the next one is made.
        while (part := first.pop() if first else next(parts, None)) is not None:
            yield from (batch.cast(schema) for batch in part.to_pyarrow_batches(chunk_size=200_000))
            del part

    return pa.RecordBatchReader.from_batches(schema, read())


def as_text(value: ir.Value) -> ir.StringValue:
    """A column as text; 1510.0 is 1510 in a column of numbers, for a program that met a gap writes the first."""
    text = value.cast("string")
    is_number = value.type().is_floating() or value.type().is_decimal()
    return without_point_zero(text) if is_number else unwrapped(text)


def text_of(lines: ibis.Table, *columns: str) -> ir.StringValue:
    """The columns as text, trimmed, joined by a blank; null when all are empty."""
    import ibis

    if len(columns) == 1 and lines[columns[0]].type().is_integer():
        return lines[columns[0]].cast("string")
    return ibis.literal(" ").join([as_text(lines[name]) for name in columns]).strip().nullif("")  # pyright: ignore


def in_zone(at: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """The wall-clock time in `zone` of the UTC instants `at`, both without zone."""
    return at if zone == "UTC" else _timezone(zone, _timezone("UTC", at))


def day_in_zone(at: ir.TimestampValue, zone: str, *, ends: dt.timedelta = dt.timedelta(0)) -> ir.DateValue:
    """The day in `zone` of the UTC instants `at`, which ends so long after midnight.

    Zones are worked out for the few instants alone that are of one day or of the next, by how far the zone ever is from
    UTC: to do it for each took three quarters of the time in which lines are read.
    """
    import ibis

    def day(shift: dt.timedelta) -> ir.DateValue:
        shift -= ends
        return (at + ibis.interval(seconds=int(shift.total_seconds())) if shift else at).date()

    if zone == "UTC":
        return day(dt.timedelta(0))
    west, east = map(day, _furthest(zone))
    exact = in_zone(at, zone)
    exact = exact - ibis.interval(seconds=int(ends.total_seconds())) if ends else exact  # pyright: ignore
    return (at.between(*OFFSETS_OF) & (west == east)).ifelse(west, exact.date())  # pyright: ignore


@functools.cache
def _furthest(zone: str) -> tuple[dt.timedelta, dt.timedelta]:
    """How far `zone` is at most west and east of UTC in the years :data:`OFFSETS_OF`, and an hour for what is decreed since."""
    first, last = (each.replace(tzinfo=dt.UTC) for each in OFFSETS_OF)
    months = (first + dt.timedelta(days=days) for days in range(0, (last - first).days, 30))
    offsets = {month.astimezone(ZoneInfo(zone)).utcoffset() or dt.timedelta(0) for month in months}
    return min(offsets) - dt.timedelta(hours=1), max(offsets) + dt.timedelta(hours=1)


def to_utc(local: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """The UTC instants of the wall-clock times `local` in `zone`, both without zone."""
    import ibis

    @ibis.udf.scalar.builtin(name="epoch_us", signature=(("timestamp",), "int64"))
    def microseconds(at: Any): ...  # noqa: ANN202

    # By its number: the calendar of UTC is asked as long as that of any zone.
    return local if zone == "UTC" else since_1970(microseconds(_timezone(zone, local)))  # pyright: ignore


def try_strptime(text: ir.StringValue, pattern: str) -> ir.TimestampValue:
    """`text` as a time by a strptime pattern, an instant where the pattern has an offset; null where it does not fit."""
    import ibis

    # As the engine has it: of nanoseconds it makes another type, unless there is an offset.
    type_ = "timestamp('UTC')" if "%z" in pattern.lower() else "timestamp(9)" if "%n" in pattern else "timestamp"

    @ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), type_))
    def parse(text: str, pattern: str): ...  # noqa: ANN202

    return parse(text, pattern)  # pyright: ignore


def since_1970(microseconds: ir.IntegerValue) -> ir.TimestampValue:
    """The times so many microseconds after the first of January 1970, without zone."""
    import ibis

    @ibis.udf.scalar.builtin(name="make_timestamp", signature=(("int64",), "timestamp"))
    def make_timestamp(microseconds: Any): ...  # noqa: ANN202

    return make_timestamp(microseconds)  # pyright: ignore


def count_values(values: ir.Column) -> Counter[Any]:
    """How many rows have each of the values; those without one are counted for None."""
    counted = values.name("value").value_counts(name="n").to_pyarrow().to_pydict()
    return Counter(dict(zip(counted["value"], counted["n"], strict=True)))


def line_as_json(lines: ibis.Table, columns: list[str]) -> ir.StringValue:
    """The given columns of each line as one JSON object."""
    import ibis

    @ibis.udf.scalar.builtin(name="to_json", signature=((ibis.struct({c: lines[c] for c in columns}).type(),), "json"))
    def to_json(line: Any): ...  # noqa: ANN202

    return to_json(ibis.struct({name: lines[name] for name in columns})).cast("string")


def _timezone(zone: str, at: ir.TimestampValue) -> ir.TimestampValue:
    """DuckDB's `timezone(zone, time)`: a wall-clock time becomes an instant, an instant a wall-clock time."""
    import ibis

    @ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), "timestamp"))
    def timezone(zone: str, at: Any): ...  # noqa: ANN202

    return timezone(zone, at)  # pyright: ignore


_numbers = itertools.count()


def temporary_name(kind: str) -> str:
    """A name for a table or view of the engine that no other has."""
    return f"{kind}__{next(_numbers)}"


def quoted_name(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def sample_hash(text: ir.StringValue) -> ir.IntegerValue:
    """A number from 0 up to 2³² for each text, to draw by: the first eight hex digits of its SHA-256.

    Not an engine's own `hash()`: another engine, or another version of this one, would draw others.
    """
    import ibis

    digest, digits = text.hexdigest("sha256"), ibis.literal("0123456789abcdef")
    return sum(digits.find(digest.substr(place, 1)) * 16 ** (7 - place) for place in range(8))  # pyright: ignore


def write_in_parts(rows: ibis.Table, *, by: str, folder: Path) -> None:
    """Write the rows once, by the number in the column `by`, each part into a folder (:func:`part_of`)."""
    import ibis

    backend: Backend = ibis.get_backend(rows)  # pyright: ignore[reportAssignmentType]
    # Rows of a part wait in memory until they are so many: the fewer, the less memory for many parts.
    backend.raw_sql("SET partitioned_write_flush_threshold = 32768")
    backend.raw_sql(
        f"COPY ({ibis.to_sql(rows)}) TO {quoted_text(str(folder))} (FORMAT parquet, PARTITION_BY ({quoted_name(by)}))"
    )


def part_of(folder: Path, by: str, number: int) -> Path:
    """The folder in which :func:`write_in_parts` has put the rows of a part; where it has none, there is none."""
    return folder / f"{by}={number}"


def write_file(rows: ibis.Table, file: Path) -> None:
    """Write the rows into a file that :func:`read_files` reads."""
    import ibis

    backend: Backend = ibis.get_backend(rows)  # pyright: ignore[reportAssignmentType]
    file.parent.mkdir(exist_ok=True)
    backend.raw_sql(f"COPY ({ibis.to_sql(rows)}) TO {quoted_text(str(file))} (FORMAT parquet)")


def read_files(folder: Path, *, like: ibis.Table) -> ibis.Table:
    """The rows of the files below a folder, in the order of their names, with the columns of `like`; no folder, no rows."""
    import ibis

    backend: Backend = ibis.get_backend(like)  # pyright: ignore[reportAssignmentType]
    files = ", ".join(quoted_text(str(file)) for file in sorted(folder.rglob("*.parquet")))
    if not files:
        return like.limit(0)
    columns = ", ".join(map(quoted_name, like.columns))
    return backend.sql(f"SELECT {columns} FROM read_parquet([{files}], hive_partitioning = false)")


FIXED = 2**24  # parts that a number is counted in: six hundred-millionths, up to sums of 500 thousand millions


def fixed(number: ir.NumericValue) -> ir.FloatingValue:
    """The nearest multiple of a fixed part of one, of which sums and differences are exact."""
    return (number * float(FIXED)).round().cast("float64") / FIXED  # pyright: ignore


def exact_sum(
    number: ir.NumericValue, *, where: ir.BooleanValue | None = None, over: Any | None = None
) -> ir.FloatingValue:
    """The sum of :func:`fixed` numbers, in whatever order an engine's threads add them; null of none.

    A sum of floats depends on the order in its last digits, and a tree of a model may split there.
    """
    total = sum_of_parts(number, where=where)
    return from_parts(total.over(over) if over is not None else total)


def sum_of_parts(number: ir.NumericValue, *, where: ir.BooleanValue | None = None) -> ir.IntegerScalar:
    """The same as whole parts: of sums over pieces of a table the sum is the table's, see :func:`from_parts`."""
    return (number * float(FIXED)).round().cast("int64").sum(where=where)  # pyright: ignore


def from_parts(total: ir.IntegerValue) -> ir.FloatingValue:
    """The number that so many parts are."""
    return total.cast("float64") / FIXED  # pyright: ignore


def content_digest(table: ibis.Table) -> str:
    """A digest of a table's rows, whatever their order: the same rows, the same digest, by any version of the engine."""
    return combined(content_digests(table, by="NULL").values())


def combined(digests: Iterable[str]) -> str:
    """The :func:`content_digest` of all rows, of the digests of parts of them."""
    parts = [each.split("-") for each in digests]
    return _digest(sum(int(n) for n, _ in parts), sum(int(total, 16) for _, total in parts))


def content_digests(table: ibis.Table, *, by: str) -> dict[object, str]:
    """:func:`content_digest` of the rows of each value of the column `by`: their number, and the sum of their MD5s."""
    import ibis

    if is_spark(table):  # which writes another JSON: what has a digest is small
        table = connect().create_table(temporary_name("digested"), table.to_pyarrow(), temp=True)
    backend: Any = ibis.get_backend(table)
    row = "md5_number_lower(to_json(row)::VARCHAR)"
    query = f"SELECT {by}, count(*), sum({row}) FROM ({ibis.to_sql(table)}) AS row GROUP BY 1"
    return {value: _digest(n, int(total)) for value, n, total in backend.raw_sql(query).fetchall()}


def _digest(rows: int, total: int) -> str:
    return f"{rows}-{total % (1 << 64):016x}"
