"""A night by Spark is the night by DuckDB: the same tables, but for the last digits of floats."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assets.grocery.tables import EXAMPLES, FEATURES, RECOMMENDATIONS
from assets.grocery.training.label_weeks import make_missing, windows
from orchestration.reports.doctor import _looks
from resources.config.deployment import load_deployment
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.errors import Refused
from resources.tables.store import TableStore
from tests.support.shop import NIGHT, TOMORROW, CornerShop, PreparedShops, failures, open_shop

pytest.importorskip("pyspark", reason="`make spark` installs it")
needs_java = pytest.mark.skipif(
    not shutil.which("java"), reason="Spark needs Java: `apt-get install openjdk-17-jre-headless`"
)
# Of so little that to prepare what makes much quick takes longer than the work.
SMALL = {
    "spark.sql.shuffle.partitions": "1",
    "spark.default.parallelism": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture
def on_spark(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    from resources.tables import engine_spark

    monkeypatch.setenv("NIGHTCART_ENGINE", "spark")
    monkeypatch.setenv("NIGHTCART_SPARK_MASTER", "local[1]")
    monkeypatch.setenv("NIGHTCART_SPARK_CONF", json.dumps(SMALL))
    engine_spark.connect.cache_clear()
    yield monkeypatch
    engine_spark.connect.cache_clear()


@pytest.fixture
def shops(prepared_shops: PreparedShops, tmp_path: Path) -> Iterator[tuple[CornerShop, CornerShop]]:
    """The shop after its second night, and the same before it."""
    for name in ("two_nights", "night"):
        prepared_shops.copy(name, tmp_path / name)
    with open_shop(tmp_path / "two_nights") as by_duckdb, open_shop(tmp_path / "night") as before:
        yield by_duckdb, before


@needs_java
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_night_is_the_same_by_both(
    shops: tuple[CornerShop, CornerShop], on_spark: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_duckdb, by_spark = shops
    night = by_spark.night(TOMORROW)
    assert night.success, failures(night)
    for name in (*FEATURES, RECOMMENDATIONS):
        days = {"since": TOMORROW, "until": TOMORROW}
        require_equal(by_duckdb.tables.read(name, **days).to_pyarrow(), by_spark.tables.read(name, **days).to_pyarrow())
    assert said(by_duckdb) == said(by_spark)
    assert list((tmp_path / "night" / "tables" / FEATURES[0]).glob("spark-*"))  # it was Spark that wrote
    if os.environ.get("CI"):  # as long again
        week = windows(NIGHT, load_settings()).all[0]
        by_both = TableStore(root=str(tmp_path / "weeks")), TableStore(root=str(tmp_path / "weeks"), on="spark")
        make_missing(
            [week],
            sources=by_spark.tables.at_scale,
            kept_in=by_both[1],
            model=load_settings().model,
            say=print,
            judging=[week],
        )
        stored = by_duckdb.tables.read(EXAMPLES, since=week, until=week)
        require_equal(stored.to_pyarrow(), by_both[0].read(EXAMPLES).to_pyarrow())


def said(shop: CornerShop) -> dict[tuple[str, str], str]:
    """What the checks of the second night said."""
    return {
        (name, check): verdict.outcome
        for name in (*FEATURES, RECOMMENDATIONS)
        for (_, check), verdict in shop.operations.verdicts(name, since=TOMORROW, until=TOMORROW).items()
    }


def require_equal(one: pa.Table, other: pa.Table) -> None:
    """The same rows whatever their order; numbers up to a thousand-millionth part."""
    assert (one.schema, one.num_rows) == (other.schema, other.num_rows)
    keys = [(key, "ascending") for key in ("household_id", "product_id", "rank", "category", "subcategory")]
    keys = [key for key in keys if key[0] in one.column_names]
    one, other = one.sort_by(keys), other.sort_by(keys)
    for name in one.column_names:
        these, those = one[name].combine_chunks(), other[name].combine_chunks()
        if pa.types.is_floating(these.type):
            assert these.is_null().equals(those.is_null()), name
            np.testing.assert_allclose(
                these.to_numpy(zero_copy_only=False), those.to_numpy(zero_copy_only=False), rtol=1e-9, err_msg=name
            )
        else:
            assert these.equals(those), name


def test_without_java_the_doctor_says_what_to_install(
    on_spark: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    on_spark.setenv("JAVA_HOME", str(tmp_path))
    look = dict(_looks(settings, load_deployment().of(name="shop", state=tmp_path)))["spark"]
    with pytest.raises(Refused, match=r"Spark needs Java, and there is none in JAVA_HOME.* `apt-get install openjdk"):
        look()
