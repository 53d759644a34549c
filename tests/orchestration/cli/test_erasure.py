"""A household of the corner shop is forgotten after a night: it is nowhere any more, and nothing else has changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import pytest

from assets.grocery.personal_data import personal_data
from assets.grocery.publication.served import served_now
from assets.grocery.staleness import stale_now
from assets.lifecycle.reproduce import rebuild
from assets.privacy.personal_data import ErasureScope
from assets.privacy.proof import Erased, erase
from assets.privacy.suppression import load_key, subject_hash
from assets.quality import gates, staleness
from orchestration.cli.erasure import forget, forget_again, run_under_way
from orchestration.definitions import GATES
from orchestration.reports.lists import household_list
from orchestration.reports.status import unfinished_erasures
from resources.config.loader import load_settings
from resources.errors import Refused
from resources.parts import Parts
from resources.records.privacy import Erasure
from resources.records.publication import Publication
from resources.records.quality import Override, Verdict
from resources.tables import history as table_history
from tests.support.shop import NIGHT, TOMORROW, CornerShop, PreparedShops, copy_shop, failures, open_shop

WHO = "H-0007"
DAY = dt.date(2024, 3, 6)  # on which it bought
NOW = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def prepared_night(tmp_path_factory: pytest.TempPathFactory, prepared_shops: PreparedShops) -> Path:
    """The state of a shop with its history and one whole night, a day of it delivered twice."""
    folder = tmp_path_factory.mktemp("night") / "shop"
    prepared_shops.copy("night", folder)
    with open_shop(folder) as shop:
        shop.write(DAY, lambda text: text + "H-0007;R;P-001\n")
        assert shop.take_in(DAY, DAY).success
    return folder


@pytest.fixture
def night(prepared_night: Path, tmp_path: Path) -> Iterator[CornerShop]:
    """A shop in that state."""
    copy_shop(prepared_night, tmp_path / "shop")
    with open_shop(tmp_path / "shop") as shop:
        yield shop


def scope(shop: CornerShop) -> ErasureScope:
    settings = load_settings()
    moved = settings.transactions.model_copy(update={"path": [f"{shop.feed}/{{date}}.csv"]})
    return ErasureScope(
        data=personal_data(settings.model_copy(update={"transactions": moved}), GATES),
        tables=shop.tables,
        operations=shop.operations,
        raw=shop.folder / "raw",
        state=shop.folder,
        key=shop.folder / "erasure.key",
    )


def forgotten(shop: CornerShop, who: str = WHO, **more: Any) -> Erased:
    asked: dict[str, Any] = {"by": "ann", "reason": "a letter", "now": NOW, "under_way": lambda: None} | more
    return erase(who, scope=scope(shop), **asked)


def rows(shop: CornerShop) -> dict[str, list[str]]:
    """All rows of all tables, each as the engine writes it."""
    found = {}
    for name in table_history.names(shop.tables):
        table = shop.tables.read(name)
        whole = ibis.struct({column: table[column] for column in table.columns}).cast("string")
        found[name] = sorted(table.select(row=whole).to_pyarrow()["row"].to_pylist())
    return found


def others(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: [row for row in of if WHO not in row] for name, of in rows.items()}


def shut(shop: CornerShop) -> list[str]:
    """Every gate that is not open for what is there now, but those of a model's versions."""
    needs = {
        subject: gates.whole(shop.tables, subject)
        if not GATES[subject][0].has_days
        else {day: version for day, version in shop.tables.fingerprints(subject).items() if day}
        for subject in GATES
        if subject not in ("challenger", "champion")
    }
    return sorted(map(str, GATES.closed(shop.operations, needs, now=dt.datetime.now(dt.UTC))))


@dataclasses.dataclass
class Before:
    """What there was of the shop before anybody was forgotten."""

    rows: dict[str, list[str]]
    versions: dict[str, int]
    shut: list[str]
    stale: list[staleness.Stale]
    done: Erased


@pytest.fixture
def dry(night: CornerShop, monkeypatch) -> CornerShop:
    monkeypatch.setattr("orchestration.cli.erasure._scope", lambda: scope(night))
    return night


def test_a_dry_run_says_what_there_is_and_changes_nothing(dry: CornerShop, capsys) -> None:
    before = rows(dry)
    forget(WHO, dry_run=True)
    said = capsys.readouterr().out
    assert f"{sum(WHO in row for row in before['training_examples']):,}" in said
    assert "Nothing was changed." in said
    assert f"backups of {dry.folder}" in said
    assert (rows(dry), dry.operations.records(Erasure)) == (before, [])
    with pytest.raises(Refused, match="no household 'H-9999'"):
        forget("H-9999", dry_run=True)


def test_a_run_that_is_under_way_is_named(dry: CornerShop) -> None:
    assert run_under_way(dry.instance) is None
    for status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.STARTED):
        run = dry.instance.create_run_for_job(dry.defs.resolve_job_def("nightly"), status=status)
        assert run_under_way(dry.instance) == run.run_id
        dry.instance.delete_run(run.run_id)


def test_status_says_how_to_finish_what_was_asked(operations) -> None:
    asked = Erasure(household="0" * 64, key="k", step=Erasure.ASKED, by="ann", reason="a letter", at=NOW)
    operations.record(asked)
    (advice,) = unfinished_erasures(operations)
    assert "ann asked on 2024-06-01 12:00 UTC" in advice
    assert "`nightcart forget HOUSEHOLD` again finishes it" in advice
    operations.record(dataclasses.replace(asked, step=Erasure.DONE))
    assert unfinished_erasures(operations) == []


@pytest.fixture(scope="module")
def prepared_erasure(prepared_night: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Before]:
    """That state once its household is forgotten, and what was there before."""
    folder = tmp_path_factory.mktemp("erasure") / "shop"
    copy_shop(prepared_night, folder)
    with open_shop(folder) as shop:
        return folder, _forget_household(shop)


@pytest.fixture
def erased(prepared_erasure: tuple[Path, Before], tmp_path: Path) -> Iterator[tuple[CornerShop, Before]]:
    """A shop in that state, and what was there before."""
    folder, before = prepared_erasure
    copy_shop(folder, tmp_path / "shop")
    with open_shop(tmp_path / "shop") as shop:
        yield shop, before


def _forget_household(night: CornerShop) -> Before:
    names = table_history.names(night.tables)
    first = next(iter(GATES["transactions"]))
    version = gates.of_days(night.tables, "transactions", [DAY])[DAY]
    failed = Verdict(
        subject="transactions", partition=DAY, data_version=version, check=first.check, outcome=Verdict.FAILED,
        reason="few", run_id="run", decided_at=NOW,
    )  # fmt: skip
    let_through = Override(
        subject="transactions", partition=DAY, data_version=version, check=first.check, reason="known", by="bob",
        expires_at=dt.datetime(2100, 1, 1, tzinfo=dt.UTC), decided_at=NOW,
    )  # fmt: skip
    night.operations.record(failed, let_through)
    before = {
        "rows": rows(night),
        "versions": {name: night.tables.version(name) for name in names},
        "shut": shut(night),
        "stale": stale_now(night.operations),
    }
    return Before(**before, done=forgotten(night))


def test_it_is_in_no_table_no_old_file_and_no_log(erased: tuple[CornerShop, Before]) -> None:
    shop, before = erased
    assert any(WHO in row for row in before.rows["training_examples"])
    assert not any(WHO in row for of in rows(shop).values() for row in of)
    for file in (shop.folder / "tables").rglob("*"):
        assert not file.is_file() or WHO.encode() not in file.read_bytes(), file
    for file in (shop.folder / "raw").rglob("*"):
        assert not file.is_file() or WHO.encode() not in file.read_bytes(), file
    assert before.done.removed["transactions"] == sum(WHO in row for row in before.rows["transactions"])
    assert before.done.removed["transactions_quarantine"] == 1


def test_the_rows_of_all_others_are_the_same(erased: tuple[CornerShop, Before]) -> None:
    shop, before = erased
    assert rows(shop) == others(before.rows)


def test_versions_go_on_and_older_ones_cannot_be_read(erased: tuple[CornerShop, Before]) -> None:
    shop, before = erased
    for name in before.done.removed:
        assert shop.tables.version(name) == before.versions[name] + 1
        with pytest.raises(Refused, match="its history was cut off"):
            shop.tables.read(name, version=before.versions[name])
    # A table without households keeps its history.
    assert shop.tables.read("products", version=0).count().execute()


def test_gates_stay_as_they_were_and_nothing_is_stale(erased: tuple[CornerShop, Before]) -> None:
    shop, before = erased
    assert shut(shop) == before.shut == []
    assert stale_now(shop.operations) == before.stale == []
    assert shop.operations.flaws() == []


def test_what_is_served_is_a_publication_that_carries_on(erased: tuple[CornerShop, Before]) -> None:
    shop, _ = erased
    first, last = shop.operations.records(Publication)
    assert (last.made_on, last.published_for, last.model_version) == (
        first.made_on,
        first.published_for,
        first.model_version,
    )
    assert last.table_version == shop.tables.version("published_recommendations")
    assert first.rows - last.rows == load_settings().model.top_k
    assert served_now(shop.tables).made_on == NIGHT  # pyright: ignore


def test_its_list_is_the_fallback(erased: tuple[CornerShop, Before]) -> None:
    shop, _ = erased
    report = household_list(shop.tables, WHO)
    assert (report.is_known, report.is_fallback) == (False, True)


def test_who_it_was_is_on_no_record(erased: tuple[CornerShop, Before]) -> None:
    shop, before = erased
    asked, done = shop.operations.records(Erasure)
    assert (asked.step, done.step, done.by, done.reason) == (Erasure.ASKED, Erasure.DONE, "ann", "a letter")
    assert not [entry for entry in shop.operations.trail() if WHO in entry.payload]
    key = shop.folder / "erasure.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert asked.household == subject_hash(WHO, key.read_bytes())
    assert done.removed == before.done.removed
    assert done.proof["rows"] == done.proof["mentions_in_logs"] == done.proof["lines_in_copies"] == 0
    # The shop is a copy since: the file is named as it was then.
    assert [n > 1 for file, n in before.done.report.not_ours.items() if file.endswith(f"/sales/{DAY}.csv")] == [True]


def test_a_version_trained_before_is_not_made_again(erased: tuple[CornerShop, Before]) -> None:
    shop, _ = erased
    version = shop.registry.challenger_of(NIGHT.isoformat())
    work = shop.lifecycle()
    for from_lines in (False, True):
        with pytest.raises(Refused, match=r"gone: a household was forgotten on 2024-06-01 \(ann: a letter\)"):
            rebuild(version, work, from_lines=from_lines, erasures=shop.operations.records(Erasure))


def test_again_it_finds_nothing_and_says_when_it_was_done(erased: tuple[CornerShop, Before]) -> None:
    shop, before = erased
    again = forgotten(shop, reason="")
    assert again.before
    assert again.before.at == NOW
    assert again.removed == before.done.removed
    assert len(shop.operations.records(Erasure)) == 2


def test_a_day_that_comes_again_comes_without_it_and_makes_nothing_stale(
    erased: tuple[CornerShop, Before], monkeypatch
) -> None:
    shop, _ = erased
    monkeypatch.setattr("resources.home.erasure_key", lambda: shop.folder / "erasure.key")
    # The shop is a copy: its day is taken in once by the present path, and then comes again.
    assert shop.take_in(DAY, DAY).success
    before = rows(shop)
    result = shop.take_in(DAY, DAY)
    assert result.success, failures(result)
    assert rows(shop) == before
    assert stale_now(shop.operations) == []
    (made,) = result.asset_materializations_for_node("transactions")[-1:]
    assert made.metadata["rows_of_forgotten_households"].value > 1
    assert WHO in (shop.feed / f"{DAY}.csv").read_text()
    assert not [f for f in (shop.folder / "raw").rglob("*.csv") if WHO in f.read_text()]


def test_the_next_night_runs_without_it(erased: tuple[CornerShop, Before], monkeypatch) -> None:
    shop, _ = erased
    monkeypatch.setattr("resources.home.erasure_key", lambda: shop.folder / "erasure.key")
    shop.write(TOMORROW, lambda text: text + f"{WHO},R-1,P-001,{TOMORROW} 09:00:00,1,1.00\n")
    result = shop.night(TOMORROW)
    assert result.success, failures(result)
    assert not any(WHO in row for of in rows(shop).values() for row in of)
    assert served_now(shop.tables).made_on == TOMORROW  # pyright: ignore


def test_without_its_key_nothing_is_taken_in(erased: tuple[CornerShop, Before], monkeypatch) -> None:
    shop, _ = erased
    monkeypatch.setattr("resources.home.erasure_key", lambda: shop.folder / "lost.key")
    result = shop.take_in(DAY, DAY)
    assert not result.success
    assert "nobody would know them again" in failures(result)
    (shop.folder / "lost.key").write_bytes(b"another")
    with pytest.raises(Refused, match=r"not the key .*restore"):
        load_key(shop.operations.records(Erasure), shop.folder / "lost.key")


def test_what_a_restore_brought_back_is_removed_again(dry: CornerShop, tmp_path: Path, monkeypatch) -> None:
    def parts(instance: dg.DagsterInstance) -> Parts:
        reached = {"operations": dry.operations, "tables": dry.tables.root, "raw": dry.folder / "raw"}
        return Parts.of(registry=dry.registry, cursors=instance.daemon_cursor_storage, **reached)

    monkeypatch.setattr("orchestration.cli.erasure.context.parts", parts)
    for name in ("tables", "raw"):
        shutil.copytree(dry.folder / name, tmp_path / "backup" / name)
    forgotten(dry)
    parts(dry.instance).set_marks(now=NOW)
    left = rows(dry)
    assert forget_again(dry.instance) == 0
    for name in ("tables", "raw"):
        shutil.rmtree(dry.folder / name)
        shutil.copytree(tmp_path / "backup" / name, dry.folder / name)
    assert any(WHO in row for row in rows(dry)["transactions"])
    with pytest.raises(Refused, match="raw copies, tables, restored from a backup, are older than the records"):
        parts(dry.instance).begin(is_night=True, now=NOW)
    assert forget_again(dry.instance) == 1
    assert rows(dry) == left
    assert forget_again(dry.instance) == 0
    assert dry.operations.flaws() == []
