"""The model of docs/a_model_of_your_own.md, as a reader would take it over: one class, one line, one night."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.grocery.domain import GROCERY
from assets.lifecycle.domain import Lifecycle
from assets.lifecycle.reproduce import rebuild
from orchestration.definitions import build_defs
from resources.config.loader import load_settings
from resources.policy.client import Policy

PAGE = Path(__file__).parents[2] / "docs" / "a_model_of_your_own.md"
NIGHT = dt.date(2024, 5, 6)
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The class of the page, in a package of the reader's own."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    package = tmp_path / "your_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "your_package.models:RepeatTable"
    for name in [name for name in sys.modules if name.startswith("your_package")]:
        del sys.modules[name]


def test_a_class_and_a_line_of_configuration_are_a_night(
    family, tmp_path, tables, registry, operations, feeds, instance
):
    shop = load_settings()
    model = shop.model.model_copy(update={"family": family, "parameters": {}})
    defs = build_defs(
        settings=shop.model_copy(update={"model": model}),
        tables=tables,
        registry=registry,
        operations=operations,
        feeds=feeds,
    )
    taken_in = defs.resolve_job_def("backfill").execute_in_process(
        instance=instance,
        tags={RANGE_TAGS[0]: shop.first_business_day.isoformat(), RANGE_TAGS[1]: "2024-05-05"},
        asset_selection=[dg.AssetKey("transactions")],
        raise_on_error=False,
    )
    assert taken_in.success
    night = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance, partition_key=NIGHT.isoformat(), raise_on_error=False
    )
    assert night.success

    version = registry.challenger_of(NIGHT.isoformat())
    assert version.tags["nightcart.title"] == "repeat table"
    assert 0 <= version.metrics["calibration_error"] < 0.2
    lists = tables.read("recommendations", since=NIGHT, until=NIGHT)
    assert lists.household_id.nunique().execute() > 20
    # What is on record is enough to make it again.
    work = Lifecycle(
        domain=GROCERY,
        settings=shop.model_copy(update={"model": model}),
        tables=tables,
        registry=registry,
        operations=operations,
        policy=Policy(folder=""),
    )
    again = rebuild(version, work, from_lines=True)
    assert again.is_identical
