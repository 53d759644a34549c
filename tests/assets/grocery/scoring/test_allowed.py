"""What the policy denies never stands in a list, and the lists are as long as before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import ibis
import pandas as pd
import pyarrow as pa
import pytest

from assets.grocery.candidates.candidates import best_sellers, candidates
from assets.grocery.features.definitions import FeatureTables, build
from assets.grocery.partitions import business_days
from assets.grocery.scoring import allowed
from assets.grocery.scoring.checks import ALLOWED, FULL, KEPT_BACK, recommendations_are_fit_to_use
from assets.grocery.scoring.inputs import placed
from assets.grocery.tables import RECOMMENDATIONS, TABLES
from assets.quality.gates import Gate
from resources import home
from resources.errors import Refused
from resources.policy.client import Answer, Denial, Policy
from resources.records.lifecycle import PolicyDecision, Scoring
from resources.records.quality import Verdict
from tests.support.histories import CLOSE, Line, offers, products, transactions

POLICY = Policy(folder=str(home.PROJECT / "config" / "policy"))
BEER = {"department": "GROCERY", "category": "BEERS/ALES", "subcategory": "LAGER"}
MILK = {"department": "FRESH", "category": "MILK", "subcategory": "OAT MILK"}
CATALOGUE = [
    {"product_id": "B1"} | BEER,
    {"product_id": "B2"} | BEER,
    {"product_id": "M1"} | MILK,
    {"product_id": "M2"} | MILK,
    {"product_id": "X"},  # the catalogue says nothing of it
]
CIGARETTES = {"department": "DRUG GM", "category": "CIGARETTES", "subcategory": "CIGARETTES"}
TAMPONS = {"department": "DRUG GM", "category": "FEMININE HYGIENE", "subcategory": "FEM. HYGN. TAMPONS"}
SMOKERS = [*CATALOGUE, {"product_id": "C1"} | CIGARETTES, {"product_id": "T1"} | TAMPONS]
# Beer sells best. H1 bought the one, H2 none.
HISTORY: list[Line] = [
    *(("H1", "B1", age, 1, 1.0) for age in (0, 5, 10, 15)),
    *(("H3", "B2", age, 1, 1.0) for age in (0, 4, 8)),
    ("H2", "M1", 5, 1, 1.0),
    ("H2", "M1", 9, 1, 1.0),
    ("H3", "M2", 6, 1, 1.0),
    ("H3", "X", 30, 1, 1.0),
]


def places(*rows: dict[str, str | None]) -> pd.DataFrame:
    return pd.DataFrame([dict.fromkeys(allowed.PLACE, "") | row for row in rows])


class TestQuestion:
    def test_each_place_is_asked_about_once_by_name(self):
        found = allowed.question(CLOSE, places(*CATALOGUE))
        assert found == {
            "business_date": "2024-03-31",
            "places": {
                "": {"": [""]},
                "FRESH": {"MILK": ["OAT MILK"]},
                "GROCERY": {"BEERS/ALES": ["LAGER"]},
            },
        }

    def test_without_products_there_is_nothing_to_deny(self):
        answer = POLICY.ask(allowed.PACKAGE, allowed.question(CLOSE, places(*CATALOGUE)[:0]))
        assert answer.is_allowed
        assert allowed.denied(answer, places(*CATALOGUE)).empty


class TestDenied:
    def test_beer_is_denied_to_those_who_never_bought_it(self):
        products = places(*CATALOGUE)
        answer = POLICY.ask(allowed.PACKAGE, allowed.question(CLOSE, products))
        assert not answer.is_allowed
        assert answer.fired[0].says == (
            "GROCERY / BEERS/ALES / LAGER is age-restricted, and recommended only to households that bought it before"
        )
        found = allowed.denied(answer, products)
        assert found[["product_id", "is_repeat"]].to_numpy().tolist() == [["B1", False], ["B2", False]]

    def test_two_rules_deny_a_product_once(self):
        kind = BEER | {"is_bought_before": True}
        denials = (
            Denial(rule="a", says="first", about={"kind": kind}),
            Denial(rule="b", says="second", about={"kind": kind}),
        )
        answer = Answer(package="p", question={}, is_allowed=False, fired=denials, digest="")
        assert allowed.denied(answer, places(CATALOGUE[0])).to_numpy().tolist() == [["B1", True, "first"]]

    @pytest.mark.parametrize("about", [{}, {"kind": {}}, {"kind": BEER}, {"kind": "BEER"}])
    def test_denial_of_nothing_in_particular_is_refused(self, about):
        answer = Answer(
            package="p", question={}, is_allowed=False, fired=(Denial(rule="a", says="no", about=about),), digest=""
        )
        with pytest.raises(Refused, match="does not say what: no"):
            allowed.denied(answer, places(*CATALOGUE))

    def test_question_without_places_is_denied_and_so_refused(self):
        with pytest.raises(Refused, match="the question has no places"):
            allowed.denied(POLICY.ask(allowed.PACKAGE, {}), places(*CATALOGUE))


@pytest.fixture(scope="module")
def built(engine) -> FeatureTables:
    return build(transactions(engine, HISTORY), products(CATALOGUE), offers(), as_of=CLOSE)


@pytest.fixture(scope="module")
def denied() -> ibis.Table:
    answer = POLICY.ask(allowed.PACKAGE, allowed.question(CLOSE, places(*CATALOGUE)))
    return ibis.memtable(allowed.denied(answer, places(*CATALOGUE)))


def found(built: FeatureTables, *, own: int, new: int, denied: ibis.Table | None) -> dict[str, set[str]]:
    rows = candidates(built, own=own, new=new, denied=denied).to_pandas()
    return {str(who): set(of_one) for who, of_one in rows.groupby("household_id")["product_id"]}


class TestCandidates:
    def test_who_bought_it_keeps_it_and_nobody_else_is_proposed_it(self, built, denied):
        assert found(built, own=9, new=9, denied=denied) == {
            "H1": {"B1", "M1", "M2", "X"},
            "H2": {"M1", "M2", "X"},
            "H3": {"B2", "M2", "X", "M1"},
        }
        assert "B2" in found(built, own=9, new=9, denied=None)["H1"]

    def test_next_best_takes_the_place(self, built, denied):
        assert found(built, own=9, new=1, denied=None)["H2"] == {"M1", "B1"}
        assert found(built, own=9, new=1, denied=denied)["H2"] == {"M1", "M2"}

    def test_what_is_denied_to_those_who_bought_it_is_left_out_too(self, built):
        repeats = ibis.memtable(pd.DataFrame({"product_id": ["B1"], "is_repeat": [True]}))
        assert found(built, own=9, new=0, denied=repeats).get("H1") is None
        assert "B1" in found(built, own=9, new=9, denied=repeats)["H2"]

    def test_best_sellers_for_anybody_hold_none_and_are_as_many(self, built, denied):
        assert best_sellers(built, most=2).product_id.to_pyarrow().to_pylist() == ["B1", "B2"]
        kept = best_sellers(built, most=2, denied=denied).product_id.to_pyarrow().to_pylist()
        assert kept == ["M1", "M2"]


DAY = dt.date(2024, 5, 6)


def listed(
    tables,
    rows: list[tuple[str | None, str]],
    *,
    bought: Sequence[tuple[str, str]],
    catalogue: Sequence[dict] = CATALOGUE,
) -> None:
    """The lists of a night as pairs of household and product, and what the households bought before."""
    made = [
        {
            "business_date": DAY, "household_id": household, "rank": rank, "product_id": product, "score": 0.5,
            "is_repeat": True, "is_explore": False, "is_fallback": household is None, "reason": "due",
            "explanation": "", "model_version": 1,
        }
        for rank, (household, product) in enumerate(rows, start=1)
    ]  # fmt: skip
    tables.replace_days(
        RECOMMENDATIONS, pa.Table.from_pylist(made, schema=TABLES[RECOMMENDATIONS].arrow_schema()), days=[DAY]
    )
    history = {"household_id": [who for who, _ in bought], "product_id": [what for _, what in bought]}
    day = pa.array([DAY] * len(bought), pa.date32())
    tables.replace_days(
        "household_product_features",
        pa.table({"business_date": day, **history, "purchases": [1.0] * len(bought)}),
        days=[DAY],
    )
    for name, key in (("household_features", "household_id"), ("product_features", "product_id")):
        values = sorted(set(history[key]))
        of_day = pa.array([DAY] * len(values), pa.date32())
        tables.replace_days(name, pa.table({"business_date": of_day, key: values}), days=[DAY])
    tables.replace("products", products(catalogue))


def verdict(tables, operations, settings, policy: Policy = POLICY, *, gate: Gate = ALLOWED) -> Verdict:
    """What a gate says of the lists."""

    @dg.asset(name=RECOMMENDATIONS, partitions_def=business_days)
    def as_they_are() -> None: ...

    dg.materialize(
        [as_they_are, recommendations_are_fit_to_use],
        partition_key=DAY.isoformat(),
        resources={"settings": settings, "tables": tables, "operations": operations, "policy": policy},
        raise_on_error=False,
    )
    return operations.verdicts(RECOMMENDATIONS, since=DAY, until=DAY)[(DAY, gate.check)]


class TestGate:
    BOUGHT = (("H1", "B1"), ("H2", "M1"))

    def test_it_passes_what_the_policy_allows(self, tables, operations, settings):
        listed(tables, [("H1", "B1"), ("H1", "M1"), ("H2", "M1"), (None, "X")], bought=self.BOUGHT)
        assert verdict(tables, operations, settings).outcome == Verdict.PASSED
        (record,) = operations.records(PolicyDecision)
        assert (record.package, record.subject) == (allowed.PACKAGE, "what is listed in recommendations of 2024-05-06")
        assert set(record.question["places"]) == {"", "FRESH", "GROCERY"}

    @pytest.mark.parametrize("row", [("H2", "B1"), (None, "B2"), ("H1", "B2")])
    def test_it_fails_what_the_policy_denies_whatever_the_list_says_of_it(self, tables, operations, settings, row):
        listed(tables, [("H1", "B1"), row], bought=self.BOUGHT)
        found = verdict(tables, operations, settings)
        assert found.outcome == Verdict.FAILED
        assert found.reason.startswith("1 rows hold what the policy denies, among them: GROCERY / BEERS/ALES / LAGER")

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            (("H1", "C1"), "DRUG GM / CIGARETTES / CIGARETTES is tobacco, which is recommended to nobody"),
            (("H2", "T1"), "DRUG GM / FEMININE HYGIENE / FEM. HYGN. TAMPONS is sensitive, and recommended only to"),
        ],
    )
    def test_it_fails_tobacco_of_a_smoker_and_what_is_sensitive_for_others(
        self, tables, operations, settings, row, says
    ):
        bought = [*self.BOUGHT, ("H1", "C1"), ("H1", "T1")]
        listed(tables, [("H1", "B1"), ("H1", "T1"), row], bought=bought, catalogue=SMOKERS)
        found = verdict(tables, operations, settings)
        assert found.outcome == Verdict.FAILED
        assert f"1 rows hold what the policy denies, among them: {says}" in found.reason

    def test_list_is_full_when_it_has_all_that_the_policy_leaves(self, tables, operations, settings):
        # Four products are sold: nobody is offered C1, and B1 only who bought it.
        bought = [("H1", "B1"), ("H1", "C1"), ("H2", "M1"), ("H2", "M2")]
        rows = [("H1", "B1"), ("H1", "M1"), ("H1", "M2")]
        listed(tables, rows, bought=bought, catalogue=SMOKERS)
        answer = POLICY.ask(allowed.PACKAGE, allowed.question(DAY, places(*SMOKERS)))
        assert "H1, with 3 products" in verdict(tables, operations, settings, gate=FULL).reason
        now = dt.datetime.now(dt.UTC)
        operations.record(answer.on_record(subject=allowed.subject(DAY), run_id="", now=now))
        found = verdict(tables, operations, settings, gate=FULL)
        assert found.reason == "0 of 1 lists are not, and 1 households have none"

    def test_it_stays_shut_when_the_policy_cannot_be_asked(self, tables, operations, settings):
        listed(tables, [("H1", "B1")], bought=self.BOUGHT)
        nobody = Policy(folder="", server="http://127.0.0.1:9")
        assert verdict(tables, operations, settings, nobody).outcome == Verdict.CRASHED


class TestKeptBackAsBefore:
    BOUGHT = (("H1", "B1"), ("H1", "B2"), ("H2", "M1"))

    @pytest.fixture
    def reason(self, tables, operations, settings):
        """What the gate says on DAY when the catalogue is another, after a good day before it; empty when it is open."""
        yesterday, now = DAY - dt.timedelta(days=1), dt.datetime(2024, 5, 6, tzinfo=dt.UTC)

        def look(catalogue: list[dict], *, then: Policy = POLICY) -> str:
            listed(tables, [("H1", "M1")], bought=self.BOUGHT)
            asked = then.ask(allowed.PACKAGE, allowed.question(yesterday, places(*CATALOGUE)))
            version = {"products": tables.version("products")}
            operations.record(
                asked.on_record(subject=allowed.subject(yesterday), run_id="y", now=now),
                Scoring(business_date=yesterday, model_version=1, tables=version, run_id="y", scored_at=now),
                Verdict(
                    subject=RECOMMENDATIONS, partition=yesterday, data_version="v", check=KEPT_BACK.check,
                    outcome=Verdict.PASSED, reason="", run_id="y", decided_at=now,
                ),
            )  # fmt: skip
            tables.replace("products", products(catalogue))
            answer = POLICY.ask(allowed.PACKAGE, allowed.question(DAY, places(*catalogue)))
            operations.record(answer.on_record(subject=allowed.subject(DAY), run_id="t", now=now))
            return verdict(tables, operations, settings, gate=KEPT_BACK).reason

        return look

    def test_catalogue_of_yesterday_keeps_back_the_same(self, reason):
        assert reason(CATALOGUE) == ""

    def test_place_that_is_called_otherwise_is_told(self, reason):
        renamed = [row | ({"category": "ALES & BEERS"} if row["product_id"][0] == "B" else {}) for row in CATALOGUE]
        assert reason(renamed).startswith(
            "2 products that the policy kept back on 2024-05-05 (B1, B2) have other places"
        )

    def test_product_that_is_gone_is_not_freed(self, reason):
        assert reason([row for row in CATALOGUE if row["product_id"] != "B2"]) == ""

    def test_rules_that_were_changed_on_purpose_are_not_compared(self, reason, tmp_path):
        for file in Path(POLICY.folder).glob("*.rego"):
            (tmp_path / file.name).write_text(file.read_text() + "\n# changed\n")
        renamed = [row | ({"category": "ALES"} if row["product_id"][0] == "B" else {}) for row in CATALOGUE]
        assert reason(renamed, then=Policy(folder=str(tmp_path))) == ""


def test_product_without_a_catalogue_has_an_empty_place(tables):
    listed(tables, [("H1", "B1"), ("H1", "unknown")], bought=[("H1", "B1")])
    rows = tables.read(RECOMMENDATIONS)
    found = placed(rows, tables).order_by("product_id").to_pyarrow().to_pylist()
    assert found == [
        {"product_id": "B1"} | BEER,
        {"product_id": "unknown", "department": "", "category": "", "subcategory": ""},
    ]
