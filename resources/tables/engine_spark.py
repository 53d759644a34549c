"""Spark behind Ibis, where one machine is outgrown: where its dialect differs from DuckDB's, and nothing else.

The same expressions give the same tables by both: what an operation means in DuckDB, the compiler below says to Spark.
This module imports pyspark, so :mod:`resources.tables.engine` imports it only for a deployment that names Spark.
"""

# Ibis and sqlglot type little of what their compilers are made of.
# PySpark is there where it was asked for alone.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportIncompatibleMethodOverride=false
# pyright: reportMissingImports=false, reportOptionalMemberAccess=false

from __future__ import annotations

import atexit
import contextlib
import functools
import math
import os
import shutil
import struct
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pyarrow as pa
import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends.pyspark import Backend as PySpark
from ibis.backends.pyspark.datatypes import PySparkSchema
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.formats.pandas import PandasData
from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType, TimestampNTZType, TimestampType

from resources.config.deployment import DeploymentConfig, load_deployment
from resources.errors import Refused, Unavailable
from resources.tables.engine import sample_hash
from resources.text import on_one_line

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

SLICE = "slice_of_all"
# What a deployment may say otherwise in NIGHTCART_SPARK_CONF.
DEFAULTS = {
    "spark.app.name": "nightcart",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.driver.host": "localhost",
}
# And what it may not, for the tables would be others.
FIXED = {
    "spark.sql.ansi.enabled": "true",  # a sum that does not fit is an error, not another number
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
}


class _Compiler(PySparkCompiler):
    """Ibis's own, but for what DuckDB takes otherwise."""

    __slots__ = ()

    def _arithmetic(self, op: Any, *, left: Any, right: Any) -> Any:
        """In float32 where that is what DuckDB has, and not only Ibis's float64."""
        if _type(op) == SINGLE:
            left, right = self._single(op.left, left), self._single(op.right, right)
        return self.binop(self.BINARY_INFIX_OPS[type(op)], left, right)

    visit_Add = visit_Subtract = visit_Multiply = _arithmetic

    def _single(self, op: Any, number: Any) -> Any:
        if isinstance(op, ops.Literal) and op.dtype.is_floating():
            # A number that is written out is a decimal in DuckDB: an integer over a power of ten, both of float32.
            _, digits, exponent = Decimal(repr(op.value)).as_tuple()
            whole, power = (
                struct.unpack("f", struct.pack("f", n))[0]
                for n in (int("".join(map(str, digits))), 10.0 ** -int(exponent))
            )
            number = sge.convert(math.copysign(whole / power, op.value))
        return self.cast(number, dt.float32)

    def visit_Divide(self, op: Any, *, left: Any, right: Any) -> Any:
        """By zero it is infinite or no number, as IEEE 754 has it."""
        if _type(op) == SINGLE:
            left, right = self._single(op.left, left), self._single(op.right, right)
        quotient = sge.paren(left) / self.f.nullif(right, 0)
        if not isinstance(op.right, ops.NullIf):
            at_zero = self.if_(
                sge.paren(left).eq(0),
                self.NAN,
                self.if_(sge.paren(left) > 0, self.POS_INF, self.if_(sge.paren(left) < 0, self.NEG_INF, sge.null())),
            )
            quotient = self.if_(sge.paren(right).eq(0), at_zero, quotient)
        return self.cast(quotient, dt.float32) if _type(op) == SINGLE else quotient

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """A float becomes the nearest integer, of two the even one: Spark cuts off."""
        return super().visit_Cast(
            op, arg=self.f.rint(arg) if op.arg.dtype.is_floating() and to.is_integer() else arg, to=to
        )

    def visit_Round(self, op: Any, *, arg: Any, digits: Any) -> Any:
        """To the nearest integer, of two the one away from zero: Spark's own does it by decimals, number by number."""
        if not op.arg.dtype.is_floating() or not isinstance(op.digits, ops.Literal) or op.digits.value:
            return super().visit_Round(op, arg=arg, digits=digits)
        even = self.f.rint(arg)
        is_between = self.f.abs(sge.paren(arg) - even).eq(0.5)
        away = sge.paren(arg) + self.f.anon.signum(arg) * self.cast(0.5, dt.float64)
        return self.cast(self.if_(is_between, away, even), op.dtype)

    def visit_IsNull(self, op: Any, *, arg: Any) -> Any:
        """What is no number is not null."""
        return arg.is_(sge.null())

    def visit_NotNull(self, op: Any, *, arg: Any) -> Any:
        return arg.is_(sg.not_(sge.null()))

    def visit_StringFind(self, op: Any, **kwargs: Any) -> Any:
        """A place is of 64 bits, as what is worked out from it."""
        return self.cast(super().visit_StringFind(op, **kwargs), dt.int64)

    def visit_DateDelta(self, op: Any, *, left: Any, right: Any, part: Any) -> Any:
        if op.part.value != "day":
            raise NotImplementedError(f"days between dates alone, not {op.part.value}s")
        return self.cast(self.f.anon.datediff(left, right), op.dtype)


EXACT, SINGLE, DOUBLE = range(3)
# Of several types the widest is the result's; of a number that is written out, an integer or a decimal, any other.
WIDEST = (ops.Add, ops.Subtract, ops.Multiply, ops.Divide, ops.Coalesce, ops.Least, ops.Greatest, ops.IfElse)
THE_ARGUMENTS = (ops.NullIf, ops.Min, ops.Max, ops.Negate, ops.Abs, ops.Alias, ops.WindowFunction)


@functools.lru_cache(maxsize=10_000)
def _type(op: Any) -> int:
    """The type that a number has in DuckDB: of a float32 and a literal it is float32, where Ibis says float64."""
    if isinstance(op, ops.Field):
        return _type(made) if (made := op.rel.values.get(op.name)) is not None else _declared(op)
    if isinstance(op, ops.Literal):
        return EXACT
    if isinstance(op, WIDEST):
        arguments = [each for each in op.__args__ if isinstance(each, ops.Value | tuple)]
        each_of = [each for argument in arguments for each in (argument if isinstance(argument, tuple) else [argument])]
        widest = max(map(_type, each_of))
        return DOUBLE if widest == EXACT and isinstance(op, ops.Divide) else widest
    if isinstance(op, THE_ARGUMENTS):
        return _type(op.__args__[0])
    return _declared(op)


def _declared(op: Any) -> int:
    return SINGLE if op.dtype.is_float32() else DOUBLE if op.dtype.is_floating() else EXACT


class Backend(PySpark):
    """Ibis's own, but for tables that last as long as the session, and for results as Arrow has them."""

    compiler = _Compiler()

    def create_table(
        self, name: str, /, obj: Any = None, *, schema: Any = None, temp: bool | None = None, **_: Any
    ) -> Any:
        """A temporary view: of the rows of `obj`, or without any."""
        assert temp, "tables that last are Delta's"
        frame = (
            self._frame(obj)
            if obj is not None
            else self._session.createDataFrame([], PySparkSchema.from_ibis(ibis.schema(schema)))
        )
        frame.createOrReplaceTempView(name)
        return self.table(name)

    def _create_cached_table(self, name: str, expr: ir.Table) -> ir.Table:
        """The rows at once, and nothing of where they came from: with it the plans of what is made of them grow out of hand.

        They are with the executors, or, that nothing is lost with one of these, below `spark.checkpoint.dir` where that is set.
        """
        frame = self._frame(expr)
        kept = frame.checkpoint() if self._session.conf.get("spark.checkpoint.dir", None) else frame.localCheckpoint()
        kept.createTempView(name)
        self._cached_dataframes[name] = kept
        return ops.DatabaseTable(name=name, schema=expr.schema(), source=self).to_expr()

    def _drop_cached_table(self, name: str) -> None:
        self._cached_dataframes.pop(name)
        with contextlib.suppress(Exception):  # a session that has ended, as when the process does, has none
            self._session.catalog.dropTempView(name)

    def _register_in_memory_table(self, op: Any) -> None:
        rows = op.data.to_pyarrow(op.schema)
        self._session.createDataFrame(rows, PySparkSchema.from_ibis(op.schema)).createOrReplaceTempView(op.name)

    def _frame(self, expr: ir.Expr) -> Any:
        """A table as Spark's own frame, in the types that the expression announces."""
        self._run_pre_execute_hooks(expr)
        schema = PySparkSchema.from_ibis(expr.as_table().schema())
        frame = self._session.sql(self.compile(expr.as_table()))
        _type.cache_clear()  # it holds what results were cached of
        return frame.select(*(frame[f"`{each.name}`"].cast(each.dataType).alias(each.name) for each in schema))

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """The rows, in the types that the expression announces."""
        return expr.__pyarrow_result__(self._rows(expr))

    def execute(self, expr: ir.Expr, /, **_: Any) -> pd.DataFrame | pd.Series | Any:
        """The rows as pandas has them."""
        table = expr.as_table()
        return expr.__pandas_result__(PandasData.convert_table(self._rows(expr).to_pandas(), table.schema()))

    def _rows(self, expr: ir.Expr) -> pa.Table:
        table = expr.as_table()
        return self._frame(table).toArrow().cast(table.schema().to_pyarrow())


@functools.cache
def connect() -> Backend:
    """The process's session, as the deployment says, begun when it is first asked for and ended with the process.

    Raises :class:`Refused` or :class:`Unavailable` where Java or the cluster is missing.
    """
    backend = Backend()
    backend.register_options()
    backend.do_connect(session(load_deployment()))
    return backend


def session(places: DeploymentConfig) -> SparkSession:
    """Spark's session on the cluster or this machine, whatever was set for it before."""
    remote = places.spark_remote
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    # What is a server's own cannot be said to it.
    for name, value in {**({} if remote else DEFAULTS), **(places.spark_conf or {}), **FIXED}.items():
        builder = builder.config(name, value)
    if remote is None:
        require_java()
        builder = builder.master(places.spark_master)
    else:
        builder = builder.remote(remote.get_secret_value())
    try:
        begun = builder.getOrCreate()
        begun.range(1).count()
    except Exception as error:  # of several libraries: py4j, pyspark, grpc
        where = "The Spark of NIGHTCART_SPARK_REMOTE" if remote else f"Spark on {places.spark_master}"
        raise Unavailable(
            f"{where} does not begin or does not answer ({on_one_line(str(error).strip().partition(chr(10))[0])[:200]}).",
            remedy="see whether it runs, and whether NIGHTCART_SPARK_REMOTE or NIGHTCART_SPARK_MASTER and NIGHTCART_SPARK_CONF are "
            "right; `nightcart doctor` tries it, and NIGHTCART_ENGINE=duckdb goes without.",
        ) from error
    atexit.register(begun.stop)
    return begun


def described() -> str:
    """Which Spark it is, and where."""
    places, version = load_deployment(), connect()._session.version
    return f"Spark {version} " + ("of NIGHTCART_SPARK_REMOTE" if places.spark_remote else f"on {places.spark_master}")


def require_java() -> None:
    """Raise :class:`Refused` unless there is a Java for a Spark of this machine's."""
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java", path=f"{home}/bin" if home else None):
        raise Refused(
            f"Spark needs Java, and there is none {f'in JAVA_HOME, {home}' if home else 'here'}.",
            remedy="`apt-get install openjdk-17-jre-headless`, or name a Java 17 or newer in JAVA_HOME; a cluster's own is used with "
            "NIGHTCART_SPARK_REMOTE.",
        )


def scan(backend: Backend, name: str, schema: ibis.Schema, files: Sequence[str], *, folder: str) -> ir.Table:
    """The rows of Parquet files below `folder`, of a schema: a column that is younger than a file is null in it."""
    if not files:
        return backend.create_table(name, schema=schema, temp=True)
    fields = [*PySparkSchema.from_ibis(schema)]
    local = StructType(
        [StructField(each.name, TimestampNTZType()) if each.dataType == TimestampType() else each for each in fields]
    )
    # Folders below this one are the values of a column.
    read = backend._session.read.schema(local).option("basePath", _as_hadoop_says(folder))
    read.parquet(*map(_as_hadoop_says, files)).createOrReplaceTempView(name)
    return ops.DatabaseTable(name=name, schema=schema, source=backend).to_expr()


def write(rows: ir.Table, folder: str, *, by: str) -> None:
    """Write the rows into Parquet files below a new folder, a folder for each value of the column `by`, from the executors."""
    backend: Any = ibis.get_backend(rows)
    unmarked = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
    backend._frame(rows).write.options(**unmarked).partitionBy(by).parquet(_as_hadoop_says(folder))


def by_slice(
    rows: ir.Table, work: Callable[[pa.Table], pa.Table], *, of: int, schema: pa.Schema, key: str = "household_id"
) -> pa.Table:
    """What `work` makes of the rows of each of at least `of` slices by a hash of `key`, in the cluster's own processes.

    `work` and what it has about it is sent there; it gives tables of `schema`.
    """
    backend: Any = ibis.get_backend(rows)
    slices = max(of, int(backend._session.conf.get("spark.sql.shuffle.partitions")))
    numbered = rows.mutate(**{SLICE: sample_hash(rows[key]) % slices})
    made = PySparkSchema.from_ibis(ibis.Schema.from_pyarrow(schema))
    frame = backend._frame(numbered).groupBy(SLICE).applyInArrow(lambda part: work(part.drop([SLICE])), schema=made)
    return frame.toArrow().cast(schema)


def _as_hadoop_says(file: str) -> str:
    return f"s3a:{file.removeprefix('s3:')}" if file.startswith("s3:") else file
