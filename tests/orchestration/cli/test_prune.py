"""`nightcart prune`, as it is typed, on the shop after its first night."""

from __future__ import annotations

import contextlib
import datetime as dt
import json

import pytest

from assets.grocery.tables import EXAMPLES
from orchestration.cli import context, launch
from orchestration.reports import governance
from resources.config.lifecycle import RetentionConfig
from resources.feeds.reader import FeedReader
from resources.records.costs import StepCost
from resources.records.retention import Pruning
from resources.resources import Resources
from tests.support.shop import CornerShop

LONG_AGO = dt.date(2023, 1, 2)
SHORTEST = RetentionConfig.model_construct(explained_days=0, champions=1, versions_days=0, raw_days=0, log_days=0)


@pytest.fixture
def shop(after_a_night: CornerShop, run, reached: Resources, monkeypatch: pytest.MonkeyPatch) -> CornerShop:
    """The shop, reached by commands, with a label week that nobody needs."""
    shop = after_a_night
    week = shop.tables.read(EXAMPLES).limit(5).mutate(as_of_date=LONG_AGO)
    shop.tables.replace_days(EXAMPLES, week, days=[LONG_AGO], by="as_of_date")
    ended = dt.datetime.combine(LONG_AGO, dt.time(), dt.UTC)
    shop.operations.spent(StepCost(run_id="1", job="nightly", step="features", business_date=LONG_AGO, ended_at=ended))
    bundle = {
        **reached.by_name(),
        "settings": reached.settings.model_copy(update={"retention": SHORTEST}),
        "tables": shop.tables,
        "registry": shop.registry,
        "operations": shop.operations,
        "feeds": FeedReader(raw=shop.folder / "raw"),
    }
    monkeypatch.setattr(context, "resources", lambda: Resources(**bundle))
    monkeypatch.setattr(launch, "running", lambda: contextlib.nullcontext(shop.instance))
    return shop


def counts(said: str) -> dict[str, int]:
    return {each["kind"]: each["count"] for each in json.loads(said)["kinds"]}


def test_a_killed_pruning_is_finished_by_the_same_command(shop: CornerShop, run, monkeypatch) -> None:
    from assets.lifecycle import retention

    files = sorted(shop.folder.rglob("*"))
    planned = counts(run("prune", "--dry-run", "--json").stdout)
    assert sorted(shop.folder.rglob("*")) == files
    assert shop.operations.records(Pruning) == []
    assert planned["label weeks"] == planned["costs of steps"] == 1
    costs = len(shop.operations.costs())
    assert planned["versions of the model"] == 0  # it serves

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, "old_logs", dies)
        with pytest.raises(KeyboardInterrupt):
            list(context_kinds(shop))
    done = counts(run("prune", "--json").stdout)
    assert done["label weeks"] == 0  # it went before
    assert done["logs of runs"] == planned["logs of runs"] > 0
    assert counts(run("prune", "--dry-run", "--json").stdout) == dict.fromkeys(done, 0)
    asked, finished = shop.operations.records(Pruning)
    assert (asked.step, finished.step) == (Pruning.ASKED, Pruning.DONE)
    assert finished.kept["models"] == [1]
    assert len(shop.operations.costs()) == costs - 1
    assert shop.operations.flaws() == []
    assert governance.files(shop.tables, shop.operations, lambda _: None).flaws == []


def context_kinds(shop: CornerShop):
    """What a pruning removes, one after the other, until it is killed."""
    from orchestration.cli import prune

    for each in prune._kinds(prune._needed(), shop.instance, dt.datetime.now(dt.UTC)):
        each.remove()
        yield each
