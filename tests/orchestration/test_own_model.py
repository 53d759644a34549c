"""The model of docs/a_model_of_your_own.md, as a reader would take it over: one class, one line, one night."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from assets.grocery.domain import GROCERY
from assets.lifecycle.domain import Lifecycle
from assets.lifecycle.reproduce import rebuild
from orchestration.definitions import build_defs
from resources.config.loader import load_settings
from resources.policy.client import Policy
from tests.support.shop import NIGHT, CornerShop

PAGE = Path(__file__).parents[2] / "docs" / "a_model_of_your_own.md"


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


def test_a_class_and_a_line_of_configuration_are_a_night(family: str, shop_with_label_weeks: CornerShop) -> None:
    settings, shop = load_settings(), shop_with_label_weeks
    model = settings.model.model_copy(update={"family": family, "parameters": {}})
    settings = settings.model_copy(update={"model": model})
    tables, registry = shop.tables, shop.registry
    defs = build_defs(settings=settings, tables=tables, registry=registry, operations=shop.operations)
    night = defs.resolve_job_def("nightly").execute_in_process(
        instance=shop.instance, partition_key=NIGHT.isoformat(), raise_on_error=False
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
        settings=settings,
        tables=tables,
        registry=registry,
        operations=shop.operations,
        policy=Policy(folder=""),
    )
    again = rebuild(version, work, from_lines=True)
    assert again.is_identical
