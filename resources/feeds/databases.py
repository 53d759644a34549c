"""The rows that a query gives, as a Parquet file: a database as a feed, by any URL that SQLAlchemy knows.

Rows are fetched in batches by a cursor on the server where the driver has one, and put in order of their values, so that equal
rows are equal bytes however the database returned them. Nothing is written to the database. Its URL, which may have a
password, is in no message and no name: a query is called after the environment variable.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from resources import home, postgres
from resources.config.feeds import FeedConfig
from resources.errors import FeedMissing, FeedRefused, Refused, Unavailable
from resources.feeds.files import told_apart
from resources.tables.engine import connect
from resources.text import on_one_line

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa
    from sqlalchemy import exc

NAME = "query on "
KEPT_AS = "query.parquet"
ROWS = 20_000  # fetched at once
PLAIN = (bool, int, float, str)
# What databases say of those who may not come in, or of a database that is not there.
NOT_LET_IN = re.compile(r"password|authenticat|access denied|login failed|does not exist|unknown database|pg_hba", re.I)
NO_FILE = "No files found"  # DuckDB, of a query over files
OF_A_TEXT = "CSV "  # in whatever DuckDB says of a text that it cannot read, its encoding or not
AS_UTF_8 = " DuckDB reads UTF-8, UTF-16 and latin-1 alone: `iconv -f CP1251 -t UTF-8 OLD.csv > NEW.csv` makes Cyrillic such, for instance."
IS_HELD = re.compile(r"database (table )?is locked", re.I)


def place_of(files: FeedConfig) -> str:
    """What the database is called: the environment variable, or the URL of an SQLite file."""
    return files.url_in or files.path[0]


def path_of(files: FeedConfig, day: dt.date | None) -> str:
    """What stands for a file's path: `query on SHOP_DATABASE for 2024-03-01`."""
    return f"{NAME}{place_of(files)}" + (f" for {day}" if day else "")


def is_query(path: str) -> bool:
    """Whether a path is of :func:`path_of`."""
    return path.startswith(NAME)


def has_rows(files: FeedConfig, day: dt.date) -> bool:
    """Whether the query has a row for a day. Raises as :func:`rows`."""
    with _answer(files, day, at_once=1) as result:
        return result.first() is not None


def rows(files: FeedConfig, day: dt.date | None) -> IO[bytes]:
    """The rows of the query, for a day if it asks for one, as Parquet.

    Raises :class:`FeedRefused` for a query that the database does not understand, and for a URL, user or password that is
    wrong; :class:`Unavailable` when the database does not answer; :class:`FeedMissing` without the file of SQLite.
    """
    import pyarrow as pa

    with tempfile.TemporaryFile() as spool:
        with _answer(files, day, at_once=ROWS) as result:
            names, found = told_apart(result.keys()), []
            for batch in result.partitions(ROWS):
                part = pa.table(
                    [_column(values) for values in zip(*(tuple(row) for row in batch), strict=True)], names=names
                )
                with pa.ipc.new_stream(spool, part.schema) as writer:
                    writer.write_table(part)
                found.append(part.schema)
        spool.seek(0)
        return _in_order(spool, found, names)


def _in_order(spool: IO[bytes], found: Sequence[pa.Schema], names: Sequence[str]) -> IO[bytes]:
    """The batches of the spool as one Parquet file, with common types and in order of their values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _common([each.field(name).type for each in found])) for name in names])

    def parts() -> Iterator[pa.RecordBatch]:
        for _ in found:
            for part in pa.ipc.open_stream(spool):
                columns = [part[name].cast(schema.field(name).type, safe=False) for name in names]
                yield pa.record_batch(columns, schema=schema)

    engine, into = connect(), tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        engine.con.register("given", pa.RecordBatchReader.from_batches(schema, parts()))
        ordered = engine.con.query("SELECT * FROM given ORDER BY ALL").to_arrow_reader(ROWS)
        with pq.ParquetWriter(into, schema) as writer:
            for part in ordered:
                writer.write_batch(part.cast(schema))
    finally:
        engine.disconnect()
    into.seek(0)
    return into


def _common(types: Sequence[pa.DataType]) -> pa.DataType:
    """The type of a column whose batches have these; text where they have nothing in common, or nothing at all."""
    import pyarrow as pa

    try:
        schemas = [pa.schema([("column", each)]) for each in dict.fromkeys(types)]
        of = pa.unify_schemas(schemas or [pa.schema([("column", pa.null())])], promote_options="permissive")
    except pa.ArrowTypeError:
        return pa.string()
    kind = of.field("column").type
    return pa.string() if pa.types.is_null(kind) or pa.types.is_decimal256(kind) else kind


def _column(values: Sequence[Any]) -> pa.Array:
    """The values of a column by their own types; instants in UTC, what is none of ours as text."""
    import decimal

    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {dt.datetime}:
        zones = {value.tzinfo is not None for value in values if value is not None}
        if len(zones) == 1:
            return pa.array(values, pa.timestamp("us", "UTC" if zones.pop() else None))
    elif (len(kinds) < 2 and kinds <= {*PLAIN, decimal.Decimal, dt.date}) or kinds in (
        {int, float},
        {int, decimal.Decimal},
    ):
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return pa.array(values)
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.hex()
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return None if value is None else str(value)


@contextlib.contextmanager
def _answer(files: FeedConfig, day: dt.date | None, *, at_once: int) -> Iterator[sa.CursorResult[Any]]:
    """The rows that the database has for the query, to be fetched so many `at_once`."""
    import sqlalchemy as sa
    from sqlalchemy import exc

    url = _url(files)
    named = path_of(files, day)
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=_limits(url))
    except (ImportError, exc.NoSuchModuleError) as error:
        driver = getattr(error, "name", None) or url.drivername
        raise FeedRefused(f"The {named} needs the driver {driver}.", remedy="install its package.") from None
    except (exc.SQLAlchemyError, TypeError, ValueError):
        raise _no_url(files) from None
    with contextlib.ExitStack() as opened:
        opened.callback(engine.dispose)
        try:
            connection = opened.enter_context(engine.connect())
        except exc.DBAPIError as error:
            raise _not_connected(files, error) from None
        except (TypeError, ValueError):  # a driver's, of what stands in the URL
            raise _no_url(files) from None
        assert files.query
        query = sa.text(files.query)
        if day:
            query = query.bindparams(sa.bindparam("date", day, type_=sa.Date()))
        try:
            result = connection.execution_options(yield_per=at_once).execute(query)
            if not result.returns_rows:
                raise FeedRefused(f"The {named} gives no rows: it is no SELECT.", remedy="correct `query`.")
            yield opened.enter_context(result)
        except exc.DBAPIError as error:
            says = _first_line(error, url)
            if NO_FILE in says:
                raise FeedMissing(
                    f"The {named} finds no file: {says}.", remedy="have it delivered, or correct the path in `query`."
                ) from None
            if error.connection_invalidated or IS_HELD.search(says):
                raise Unavailable(
                    f"The database of {place_of(files)} ended the {named}: {says}.", remedy="wait for it."
                ) from None
            raise FeedRefused(
                f"The {named} is refused by the database: {says}.",
                remedy=f"correct `query`, or what the database has.{AS_UTF_8 * (OF_A_TEXT in says)}",
            ) from None
        except exc.SQLAlchemyError as error:
            raise FeedRefused(
                f"The {named} cannot be asked: {type(error).__name__}.", remedy="correct `query`."
            ) from None


def _limits(url: sa.URL) -> dict[str, Any]:
    """How long a Postgres that says nothing is waited for, unless its URL says it; other drivers have limits of their own."""
    has_libpq = url.drivername in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
    return {name: value for name, value in postgres.CONNECT.items() if name not in url.query} if has_libpq else {}


def _url(files: FeedConfig) -> sa.URL:
    """The database's URL; a relative path of SQLite, and those in a query over files, are below the project."""
    import sqlalchemy as sa
    from sqlalchemy import exc

    written = files.path[0] if files.path else os.environ.get(files.url_in or "", "").strip()
    if not written:
        raise Refused(
            f"The environment variable {files.url_in} is not set, and `url_in` says that it has a database's URL.",
            remedy="set it where this runs, as SQLAlchemy writes URLs: DIALECT+DRIVER, user, password, host and database.",
        )
    try:
        url = sa.make_url(written)
    except (exc.SQLAlchemyError, ValueError):
        raise _no_url(files) from None
    if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith(("file:", ":")):
        file = home.PROJECT / url.database
        if not file.is_file():
            raise FeedMissing(
                f"There is no database {file if files.path else 'at the URL'} of {place_of(files)}.",
                remedy="put it there, or correct the URL.",
            )
        url = url.set(database=str(file))
    if url.get_backend_name() == "duckdb":
        url = url.update_query_dict({"file_search_path": str(home.PROJECT)})
    return url


def _no_url(files: FeedConfig) -> FeedRefused:
    return FeedRefused(
        f"{place_of(files)} has no URL of a database that SQLAlchemy understands.",
        remedy="write it as DIALECT+DRIVER, user, password, host and database; `@` and `/` in a password as %40 and %2F.",
    )


def _not_connected(files: FeedConfig, error: exc.DBAPIError) -> Refused | Unavailable:
    if NOT_LET_IN.search(str(error.orig)):
        return FeedRefused(
            f"The database of {place_of(files)} lets nobody in with this user, password and name of a database.",
            remedy="correct the URL in it.",
        )
    return Unavailable(
        f"The database of {place_of(files)} does not answer.",
        remedy="see whether it runs and can be reached from here, and whether host and port are right.",
    )


def _first_line(error: exc.DBAPIError, url: sa.URL) -> str:
    """What the database said, in a line, without what of the URL is nobody's business."""
    says = on_one_line(str(error.orig).strip().partition("\n")[0]).rstrip(".")
    for secret in (url.password, *(value for value in url.query.values() if isinstance(value, str))):
        says = says.replace(secret, "…") if secret else says
    return says
