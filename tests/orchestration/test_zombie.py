"""Runs that sleep after their gates, each in a process of its own, while their day is corrected and made again; then they wake."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.grocery.publication.served import served_now
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
PLACES = ("its gates", "its last question")


def test_runs_that_slept_while_their_day_was_made_again_write_nothing(
    after_two_nights: CornerShop, tmp_path: Path
) -> None:
    shop = after_two_nights
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    with contextlib.ExitStack() as sleepers:
        asleep: dict[str, subprocess.Popen[str]] = {}
        for after in PLACES:  # one after the other: awake together, the first would be refused for the second
            asleep[after] = sleepers.enter_context(_asleep(shop, tmp_path, after))
            _, status = os.waitpid(asleep[after].pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
        shop.write(TOMORROW, lambda text: "\n".join(text.splitlines()[:-5]) + "\n")
        night = shop.night(TOMORROW)
        assert night.success, failures(night)
        left = there(shop)
        for after, sleeper in asleep.items():
            sleeper.send_signal(signal.SIGCONT)
            said, _ = sleeper.communicate(timeout=120)
            assert "refused: " in said, after
            assert f"run {night.run_id[:8]}" in said, after
            assert "tries: 1" in said, after
            assert there(shop) == left, after
    served = served_now(shop.tables)
    assert served
    assert served.made_on == TOMORROW


@contextlib.contextmanager
def _asleep(shop: CornerShop, folder: Path, after: str) -> Iterator[subprocess.Popen[str]]:
    """A run that stops itself after a place, and is ended if it sleeps on."""
    command = [sys.executable, "-W", "ignore", str(folder / "sleeper.py"), str(shop.folder), after]
    environ = os.environ | {"PYTHONPATH": str(home.PROJECT)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as sleeper:
        try:
            yield sleeper
        finally:
            sleeper.kill()


def there(shop: CornerShop) -> tuple[Any, ...]:
    """The lists with their versions, and what is on record of their publication."""
    lists, published = shop.rows(RECOMMENDATIONS, TOMORROW), shop.rows(PUBLISHED)
    versions = [shop.tables.version(name) for name in (RECOMMENDATIONS, PUBLISHED)]
    return lists, published, versions, shop.operations.records(Publication)
