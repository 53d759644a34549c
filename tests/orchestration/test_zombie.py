"""A run that sleeps after its gates, in a process of its own, while its day is corrected and made again; then it wakes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.grocery.scoring.assets import served_now
from assets.grocery.tables import PUBLISHED, RECOMMENDATIONS
from resources import home
from resources.records.publication import Publication
from tests.support.shop import TOMORROW, CornerShop, failures

SLEEPER = """
import os, signal, sys
from pathlib import Path

import deltalake

from resources.policy.client import Policy
from tests.support.shop import TOMORROW, failures, open_shop

def asleep(of, name):
    awake = getattr(of, name)
    def sleep(*args, **kwargs):
        setattr(of, name, awake)
        os.kill(os.getpid(), signal.SIGSTOP)
        return awake(*args, **kwargs)
    setattr(of, name, sleep)

asleep(*{"its gates": (Policy, "ask"), "its last question": (deltalake, "write_deltalake")}[sys.argv[2]])
import dagster as dg
with open_shop(Path(sys.argv[1])) as shop:
    lists = [dg.AssetKey("recommendations"), dg.AssetKey("published_recommendations")]
    result = shop.run("backfill", TOMORROW, asset_selection=lists)
    print("made" if result.success else f"refused: {failures(result)}")
    print("tries:", sum(event.event_type == dg.DagsterEventType.STEP_START for event in result.all_events))
"""


@pytest.mark.parametrize("after", ["its gates", "its last question"])
def test_a_run_that_slept_while_its_day_was_made_again_writes_nothing(
    after_two_nights: CornerShop, tmp_path: Path, after: str
) -> None:
    shop = after_two_nights
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    command = [sys.executable, "-W", "ignore", str(tmp_path / "sleeper.py"), str(shop.folder), after]
    environ = os.environ | {"PYTHONPATH": str(home.PROJECT)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as sleeper:
        try:
            _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            shop.write(TOMORROW, lambda text: "\n".join(text.splitlines()[:-5]) + "\n")
            night = shop.night(TOMORROW)
            assert night.success, failures(night)
            lists, published = shop.rows(RECOMMENDATIONS, TOMORROW), shop.rows(PUBLISHED)
            versions = [shop.tables.version(name) for name in (RECOMMENDATIONS, PUBLISHED)]
            publications = shop.operations.records(Publication)
            sleeper.send_signal(signal.SIGCONT)
            said, _ = sleeper.communicate(timeout=120)
        finally:
            sleeper.kill()
    assert "refused: " in said
    assert f"run {night.run_id[:8]}" in said
    assert "tries: 1" in said
    assert [shop.tables.version(name) for name in (RECOMMENDATIONS, PUBLISHED)] == versions
    assert (shop.rows(RECOMMENDATIONS, TOMORROW), shop.rows(PUBLISHED)) == (lists, published)
    assert shop.operations.records(Publication) == publications
    served = served_now(shop.tables)
    assert served
    assert served.made_on == TOMORROW
