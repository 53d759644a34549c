"""A person goes back to an earlier champion, and the registry is made to agree again, on a real MLflow and ledger."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from assets.grocery.domain import GROCERY
from assets.grocery.training.models.baselines import PersonalTopFrequency
from assets.lifecycle.champion import serving, sync_aliases
from assets.lifecycle.domain import Lifecycle
from assets.lifecycle.manual import Person, differences, reconcile, roll_back
from assets.lifecycle.versions import SAMPLE, golden_sample, load_verified, registration
from orchestration.reports.models import models
from resources import home
from resources.errors import Damaged, Overtaken, Refused
from resources.models.registry import CHAMPION, PREVIOUS, ModelRecord, ModelRegistry, ModelVersion
from resources.policy.client import Policy
from resources.records.lifecycle import PolicyDecision, PromotionRecord
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase

MONDAY = dt.date(2024, 3, 4)
NOW = dt.datetime(2024, 3, 6, 2, tzinfo=dt.UTC)
ANN = Person(name="ann", reason="empty offers", day=MONDAY + dt.timedelta(days=1), now=NOW)
POLICY = Policy(folder=str(home.PROJECT / "config" / "policy"))
ROWS = pd.DataFrame(
    {
        "household_id": ["h1", "h1", "h2"],
        "product_id": ["a", "b", "a"],
        "purchases": [3.0, 1.0, 2.0],
        "popularity": [0.3, 0.1, 0.3],
        "label": [True, False, False],
    }
)

FEATURES = ROWS.drop(columns="label")


class Bakery:
    """A registry with versions of one family, each of them decided on in a night of its own."""

    def __init__(self, registry: ModelRegistry, operations: OperationsDatabase, folder) -> None:
        self.registry, self.operations, self.folder = registry, operations, folder

    def work(self, policy: Policy = POLICY) -> Lifecycle:
        """The lifecycle of these versions; its tables are not read."""
        return Lifecycle(
            domain=GROCERY,
            settings=None,
            tables=None,  # pyright: ignore[reportArgumentType]
            registry=self.registry,
            operations=self.operations,
            policy=policy,
        )

    def register(self, n: int, *, sample: str | None = None) -> ModelVersion:
        model = PersonalTopFrequency()
        model.save(self.folder / str(n))
        day = self.day(n)
        record = ModelRecord(
            business_date=day.isoformat(),
            identity=f"night {n}",
            inputs=["purchases"],
            parameters={},
            tables={"transactions": n},
            documents={SAMPLE: sample or golden_sample(model, FEATURES)},
        )
        version = self.registry.register(self.folder / str(n), record)
        self.operations.record(registration(version, run_id="run", now=NOW))
        return version

    def day(self, n: int) -> dt.date:
        return MONDAY + dt.timedelta(days=n - 2)

    def night(self, n: int, *, sample: str | None = None) -> int:
        version, day = self.register(n, sample=sample), self.day(n)
        ledger = self.operations.promotions()
        decided = PromotionRecord(
            business_date=day,
            challenger=version.version,
            champion_before=ledger[-1].champion_after if ledger else None,
            champion_after=version.version,
            is_promoted=True,
            reasons=["better"],
            decided_at=NOW,
            run_id="run",
        )
        verdict = Verdict(
            subject="champion",
            partition=day,
            data_version=str(version.version),
            check="alias_is_what_was_decided",
            outcome=Verdict.PASSED,
            run_id="run",
            decided_at=NOW,
        )
        self.operations.decide(decided, verdict, expected_version=self.operations.last_decision())
        sync_aliases(self.registry, self.operations)
        return version.version

    def serves(self, day: dt.date = ANN.day) -> int | None:
        found = serving(self.operations, day, now=NOW)
        return found.champion_after if found else None


@pytest.fixture
def bakery(registry, operations, tmp_path) -> Bakery:
    made = Bakery(registry, operations, tmp_path / "versions")
    assert [made.night(1), made.night(2)] == [1, 2]
    return made


def test_rollback_makes_the_one_before_serve_at_once(bakery) -> None:
    assert bakery.serves() == 2
    record = roll_back(ANN, bakery.work())
    assert (record.kind, record.by, record.reasons) == ("rollback", "ann", ["rolled back: empty offers"])
    assert (record.champion_before, record.champion_after) == (2, 1)
    assert bakery.serves() == 1
    assert bakery.serves(MONDAY - dt.timedelta(days=1)) == 1
    assert bakery.registry.aliases() == {CHAMPION: 1}
    with pytest.raises(Refused, match="There is no champion before this one"):
        roll_back(ANN, bakery.work())
    assert bakery.night(3) == 3  # the next night's challenger has to beat version 1
    assert bakery.registry.aliases() == {CHAMPION: 3, PREVIOUS: 1}
    assert bakery.operations.flaws() == []


def test_rollback_goes_only_to_what_has_served_and_is_what_it_was(bakery) -> None:
    bakery.night(3)
    with pytest.raises(Refused, match="Version 3 is champion"):
        roll_back(ANN, bakery.work(), to=3)
    with pytest.raises(Refused, match="There is no version 9 of recommender"):
        roll_back(ANN, bakery.work(), to=9)
    never = bakery.register(5)
    with pytest.raises(Refused, match=rf"does not allow to go back to version {never.version}: it was never champion"):
        roll_back(ANN, bakery.work(), to=never.version)
    bakery.registry._client.delete_model_version("recommender", "2")
    record = roll_back(ANN, bakery.work())
    assert record.champion_after == 5
    assert record.reasons[1] == "version 2 was deleted; its files are version 5 now"
    assert bakery.registry.aliases() == {CHAMPION: 5, PREVIOUS: 1}
    assert roll_back(ANN, bakery.work()).champion_after == 1


def test_version_that_scores_otherwise_than_it_did_is_refused(bakery) -> None:
    sample = json.loads(golden_sample(PersonalTopFrequency(), FEATURES))
    sample["scores"][7] += 0.001
    bakery.night(3, sample=json.dumps(sample))
    bakery.night(4)
    with pytest.raises(Refused, match="Version 3 does not score its frozen sample as it did"):
        roll_back(ANN, bakery.work())
    assert bakery.serves(MONDAY + dt.timedelta(days=2)) == 4


def test_sample_names_no_household(bakery) -> None:
    version = bakery.registry.version(1)
    sample = json.loads(bakery.registry.document(version, SAMPLE))
    assert set(sample["columns"]) == {"purchases", "popularity"}
    pairs = set(zip(sample["columns"]["purchases"], sample["columns"]["popularity"], strict=True))
    assert pairs > set(zip(ROWS["purchases"], ROWS["popularity"], strict=True))  # rows that nobody is
    assert isinstance(load_verified(bakery.registry, version), PersonalTopFrequency)


def test_rollback_that_the_policy_denies_changes_nothing_and_is_on_record(bakery, tmp_path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "promotion.rego").write_text(
        "package nightcart.promotion\nimport rego.v1\nallow := false\n"
        'deny contains {"rule": "frozen", "says": "no changes before Christmas"}\n'
    )
    with pytest.raises(Refused, match="does not allow to go back to version 1: no changes before Christmas"):
        roll_back(ANN, bakery.work(Policy(folder=str(tmp_path / "p"))))
    assert bakery.serves() == 2
    (asked,) = bakery.operations.records(PolicyDecision)
    assert (asked.subject, asked.is_allowed) == ("version 1", False)
    (tmp_path / "p" / "promotion.rego").write_text("package nightcart.promotion\nallow :=")
    with pytest.raises(Refused, match="policy"):
        roll_back(ANN, bakery.work(Policy(folder=str(tmp_path / "p"))))
    assert bakery.serves() == 2


def test_of_two_rollbacks_at_the_same_time_one_is_told(bakery, monkeypatch) -> None:
    import assets.lifecycle.manual as module

    def meanwhile(registry, version):
        monkeypatch.undo()
        roll_back(replace(ANN, name="bob"), bakery.work())
        return load_verified(registry, version)

    monkeypatch.setattr(module, "load_verified", meanwhile)
    with pytest.raises(Overtaken, match=r"rollback by bob .*the champion is version 1 now"):
        roll_back(ANN, bakery.work())
    assert [record.by for record in bakery.operations.promotions()] == ["", "", "bob"]


@pytest.mark.parametrize("after", ["ledger", "previous"])
def test_what_died_between_two_writes_is_made_good(bakery, monkeypatch, after) -> None:
    point = ModelRegistry.point

    def die(self, alias, version):
        if after == "previous" and alias == PREVIOUS:
            return point(self, alias, version)
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelRegistry, "point", die)
    with pytest.raises(KeyboardInterrupt):
        bakery.night(3)
    monkeypatch.undo()
    assert bakery.serves() == 3  # the ledger is first
    found = differences(bakery.registry, bakery.operations)
    assert found
    assert all(each.is_unfinished for each in found)
    sync_aliases(bakery.registry, bakery.operations)
    assert bakery.registry.aliases() == {CHAMPION: 3, PREVIOUS: 2}
    assert differences(bakery.registry, bakery.operations) == []


def test_alias_that_a_hand_moved_is_moved_back(bakery) -> None:
    bakery.night(3)
    bakery.registry.point(CHAMPION, 1)
    assert bakery.serves() == 3
    (found,) = differences(bakery.registry, bakery.operations)
    assert found.says == "alias `champion` points to version 1, the ledger, which scores are made by, says version 3"
    assert reconcile(ANN, bakery.work()) == ["alias `champion` points to version 3 again"]
    assert reconcile(ANN, bakery.work()) == []


def test_version_that_a_hand_edited_is_put_right(bakery) -> None:
    client, version = bakery.registry._client, bakery.registry.version(2)
    client.set_model_version_tag("recommender", "2", "nightcart.business_date", "2031-01-01")
    client.set_model_version_tag("recommender", "2", "theirs", "kept")
    client.delete_run(bakery.registry.version(1).run_id)
    assert [each.says for each in differences(bakery.registry, bakery.operations)] == [
        "version 2 has not the tags that it was registered with (nightcart.business_date)",
        "the run of version 1 was deleted, and the next `mlflow gc` removes its files",
    ]
    assert len(reconcile(ANN, bakery.work())) == 2
    assert differences(bakery.registry, bakery.operations) == []
    assert bakery.registry.version(2).tags == {**version.tags, "theirs": "kept"}


def test_model_and_experiment_that_a_hand_deleted_are_there_again(bakery) -> None:
    registry = replace(bakery.registry, sealed=bakery.operations.sealed_digest)
    client = registry._client
    client.delete_registered_model("recommender")
    client.delete_experiment(client.get_experiment_by_name("recommender").experiment_id)
    with pytest.raises(Refused, match=r"deleted in MLflow.*`nightcart reconcile`"):
        registry.register(
            bakery.folder, ModelRecord(business_date="", identity="new", inputs=["popularity"], parameters={})
        )
    with pytest.raises(Refused, match="`nightcart reconcile` registers the champion again"):
        models(registry, bakery.operations)
    bakery.registry = registry
    assert reconcile(ANN, bakery.work())[0] == "version 2, the champion, was deleted: its files are version 3 now"
    assert registry.version(3).is_thrown_away is False
    assert client.get_experiment_by_name("recommender").lifecycle_stage == "active"


def test_number_that_never_was_is_not_told_as_lost(bakery) -> None:
    registry = replace(bakery.registry, sealed=bakery.operations.sealed_digest)
    with pytest.raises(Refused, match=r"There is no version 99 .*`nightcart models`"):
        registry.version(99)
    registry._client.delete_model_version("recommender", "2")
    with pytest.raises(Damaged, match=r"Version 2 .*`nightcart reconcile`"):
        registry.version(2)


def test_deleted_champion_is_registered_again_from_its_files(bakery) -> None:
    bakery.registry._client.delete_model_version("recommender", "2")
    (found,) = differences(bakery.registry, bakery.operations)
    assert found.says == "version 2, the champion one, was deleted: nothing can be scored"
    first, *_ = reconcile(ANN, bakery.work())
    assert first == "version 2, the champion, was deleted: its files are version 3 now"
    assert bakery.serves() == 3
    assert bakery.registry.aliases() == {CHAMPION: 3, PREVIOUS: 1}
    assert bakery.operations.promotions()[-1].kind == "restore"
    assert differences(bakery.registry, bakery.operations) == []
    assert roll_back(ANN, bakery.work()).champion_after == 1


@pytest.mark.parametrize("earlier", [True, False], ids=["a champion before", "none"])
def test_older_registry_than_the_ledger_is_told_with_the_versions_that_are_missing(
    bakery, tmp_path: Path, earlier: bool, empty_mlflow: Path
) -> None:
    older = tmp_path / "older.db"
    shutil.copy(tmp_path / "mlflow.db" if earlier else empty_mlflow, older)
    bakery.night(3)
    bakery.night(4)
    bakery.registry = replace(bakery.registry, tracking_uri=f"sqlite:///{older}")
    missing = "version 3, version 4" if earlier else "version 1, version 2, version 3, version 4"
    serve = "`nightcart rollback --to 2 " if earlier else "`nightcart retrain --reason "
    with pytest.raises(Refused, match=f"older than the ledger: it lacks {missing}, and version 4 is champion.*{serve}"):
        reconcile(ANN, bakery.work())
    if earlier:
        ann = replace(ANN, day=bakery.day(4))
        assert roll_back(ann, bakery.work(), to=2).champion_after == bakery.serves(ann.day) == 2
