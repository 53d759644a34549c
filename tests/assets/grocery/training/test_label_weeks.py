"""The table of labelled weeks on real tables: made once, kept, and made again when what a week is made from changes."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest

from assets.grocery.candidates.candidates import FEATURES
from assets.grocery.features import definitions
from assets.grocery.tables import EXAMPLES
from assets.grocery.training import label_weeks
from assets.grocery.training.label_weeks import (
    LABELS,
    Made,
    in_order,
    inputs_on_record,
    make_missing,
    read_examples,
    read_holdout,
    read_truth,
)
from assets.grocery.training.slices import recalls
from resources.config.retailer import RecommenderConfig
from resources.errors import Refused
from resources.tables.slices import InParts
from resources.tables.store import TableStore
from tests.support import histories
from tests.support.histories import CLOSE, Line, Offer, examples

# The weeks after these closes: the newer one is over on CLOSE.
NEWER, OLDER = CLOSE - dt.timedelta(days=7), CLOSE - dt.timedelta(days=14)
MODEL = RecommenderConfig(candidates=10, new_candidates=10)
LINES: list[Line] = [
    ("H1", "P1", 30, 1, 1.0),
    ("H1", "P2", 20, 1, 1.0),
    ("H2", "P3", 16, 1, 1.0),
    ("H1", "P3", 9, 1, 1.0),  # the older week
    ("H1", "P1", 3, 1, 1.0),  # the newer one
    ("H2", "P3", 0, 1, 1.0),
    ("H2", "P2", -1, 1, 1.0),  # after both
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Tables of which no week was made yet, and the same with both: to copy them takes no time, to make them does."""
    bare, made = tmp_path_factory.mktemp("label_weeks") / "bare", tmp_path_factory.mktemp("label_weeks") / "made"
    tables = TableStore(root=str(bare))
    deliver(tables, LINES)
    tables.replace("products", histories.products().to_pyarrow())
    plan(tables)
    shutil.copytree(bare, made)
    make(TableStore(root=str(made)))
    return bare, made


@pytest.fixture
def bare(folders: tuple[Path, Path], tmp_path: Path) -> TableStore:
    return TableStore(root=str(shutil.copytree(folders[0], tmp_path / "tables")))


@pytest.fixture
def tables(folders: tuple[Path, Path], tmp_path: Path) -> TableStore:
    return TableStore(root=str(shutil.copytree(folders[1], tmp_path / "tables")))


@pytest.fixture
def copied(tables: TableStore, monkeypatch: pytest.MonkeyPatch) -> TableStore:
    """The same, where a week that is made again is copied: which are is the point, not what is in them."""
    stored = {as_of: tables.read(EXAMPLES, since=as_of, until=as_of).to_pyarrow() for as_of in (NEWER, OLDER)}

    def copy(*_: Any, as_of: dt.date, **__: Any) -> InParts[ibis.Table]:
        rows = stored[as_of].drop_columns(["inputs", "as_of_date"])
        return InParts(1, lambda _: tables.engine.create_table("copied", rows, temp=True, overwrite=True))

    monkeypatch.setattr(label_weeks, "in_parts", copy)
    monkeypatch.setattr(label_weeks, "shared_days", lambda *_, **__: contextlib.nullcontext())
    return tables


def deliver(tables: TableStore, lines: Sequence[Line]) -> None:
    """Replace the days that `lines` are of."""
    rows = histories.transactions(tables.engine, lines)
    tables.replace_days("transactions", rows.to_pyarrow(), days=[CLOSE - dt.timedelta(days=line[2]) for line in lines])


def plan(tables: TableStore, *more: Offer | None) -> None:
    """One offer near the newer close, and `more`; None withdraws them all."""
    planned = [] if None in more else [("P1", 6, 3, 7, 0.5), *more]
    tables.replace("offers", histories.offers(planned).to_pyarrow())


def make(
    tables: TableStore, *weeks: dt.date, model: RecommenderConfig = MODEL, judging: Sequence[dt.date] = ()
) -> Made:
    return make_missing(
        weeks or (NEWER, OLDER), sources=tables, kept_in=tables, model=model, say=lambda text: None, judging=judging
    )


def held(tables: TableStore, *weeks: dt.date) -> pd.DataFrame:
    """The only part of a holdout."""
    (part,) = read_holdout(tables, weeks)
    return part


def made_again(tables: TableStore, *, model: RecommenderConfig = MODEL) -> set[dt.date]:
    """Which of the two weeks are made when it is asked for both."""
    said: list[str] = []
    done = make_missing((NEWER, OLDER), sources=tables, kept_in=tables, model=model, say=said.append)
    assert (done.made, done.kept, done.commit is None) == (len(said), 2 - len(said), not said)
    return {dt.date.fromisoformat(text.removeprefix("Labelling the week to ")) - dt.timedelta(days=7) for text in said}


def test_week_is_made_once_and_kept(bare):
    assert made_again(bare) == {NEWER, OLDER}
    version = bare.version(EXAMPLES)
    assert made_again(bare) == set()
    assert bare.version(EXAMPLES) == version


def test_only_what_is_missing_is_made(bare):
    assert (make(bare, OLDER).made, make(bare, NEWER, OLDER).made) == (1, 1)


def test_more_households_judge_than_are_learnt_from(bare):
    model = MODEL.model_copy(update={"households_a_week": 1, "households_judged": 2})
    assert make(bare, NEWER, model=model).made == 1
    assert held(bare, NEWER)["household_id"].nunique() == 1
    learnt_from = read_examples(bare, [NEWER])
    assert make(bare, NEWER, model=model, judging=[NEWER]).made == 1
    assert held(bare, NEWER)["household_id"].nunique() == 2
    assert make(bare, NEWER, model=model).made == 0  # a week later it is learnt from, as if it had never judged
    pd.testing.assert_frame_equal(read_examples(bare, [NEWER], households=1), learnt_from)


def test_stored_week_is_that_of_its_close(tables):
    lines, planned = tables.read("transactions", until=CLOSE), tables.read("offers")
    made = in_order(examples(lines, tables.read("products"), planned, as_of=NEWER, model=MODEL)).to_pandas()
    stored = held(tables, NEWER)
    assert len(stored) == 6  # H1 and H2, each with the three products that somebody had bought by then
    pd.testing.assert_frame_equal(stored.drop(columns="as_of_date"), made[stored.columns.drop("as_of_date")])
    assert sorted(stored["offered_next"].unique()) == pytest.approx([0, 0.5 * 4 / 7])


def test_week_made_in_parts_is_the_same_rows(folders, bare, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(definitions, "BYTES_A_DAY", 10**9)
    make(bare, NEWER)
    whole = TableStore(root=str(folders[1]))
    # Whoever reads them puts them in order: in which the parts come to stand in the files is the writer's.
    keys = [("household_id", "ascending"), ("product_id", "ascending")]
    made, expected = (
        each.read(EXAMPLES, since=NEWER, until=NEWER).to_pyarrow().sort_by(keys) for each in (bare, whole)
    )
    assert made.equals(expected)


def test_stored_week_has_the_sizes_of_every_households_truth(tables):
    # Sums are where a table can differ from what was asked for: DuckDB's have 128 bits.
    stored = held(tables, NEWER, OLDER)
    sizes = stored[["as_of_date", "household_id", "truth_size", "next_size", "new_size"]].drop_duplicates()
    assert sorted(sizes.itertuples(index=False, name=None)) == [
        (OLDER, "H1", 1, 1, 1),
        (NEWER, "H1", 1, 1, 0),
        (NEWER, "H2", 1, 1, 0),
    ]


CHANGES: dict[str, tuple[Callable[[TableStore], object], set[dt.date]]] = {
    "line of the newer week": (lambda tables: deliver(tables, [("H1", "P2", 3, 1, 1.0)]), {NEWER}),
    "line of its last day": (lambda tables: deliver(tables, [("H2", "P2", 0, 1, 1.0)]), {NEWER}),
    "line of the older week": (lambda tables: deliver(tables, [("H1", "P1", 9, 1, 1.0)]), {NEWER, OLDER}),
    "line of the history": (lambda tables: deliver(tables, [("H1", "P1", 200, 1, 1.0)]), {NEWER, OLDER}),
    "line after both weeks": (lambda tables: deliver(tables, [("H2", "P2", -1, 9, 1.0)]), set()),
    "catalogue": (
        lambda tables: tables.replace(
            "products",
            histories.products([{**row, "category": "TEA"} for row in histories.PRODUCTS]).to_pyarrow(),
        ),
        {NEWER, OLDER},
    ),
    "catalogue, of what nobody bought": (
        lambda tables: tables.replace(
            "products",
            histories.products([*histories.PRODUCTS[:3], {"product_id": "P4", "category": "TEA"}]).to_pyarrow(),
        ),
        set(),
    ),
    "order of the catalogue": (
        lambda tables: tables.replace("products", histories.products(histories.PRODUCTS[::-1]).to_pyarrow()),
        set(),
    ),
    "offer near the newer close withdrawn": (lambda tables: plan(tables, None), {NEWER}),
    "catalogue, offers and lines written again as they are": (
        lambda tables: (tables.replace("products", histories.products().to_pyarrow()), plan(tables)),
        set(),
    ),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_week_is_made_again_when_what_it_is_made_from_changes(copied, change, expected):
    change(copied)
    assert made_again(copied) == expected
    assert made_again(copied) == set()


# The newer close is 7 days before CLOSE, its week the days 6 … 0; what the older one looks at ends 7 days before CLOSE.
OFFERS: dict[str, tuple[Offer, bool]] = {
    "on its first day": (("P3", 13, 13, 13, 1.0), True),
    "over before": (("P3", 20, 14, 20, 1.0), True),
    "over half a year ago": (("P3", 220, 200, 220, 1.0), True),  # of what was bought then it is known
    "on its last day": (("P3", 0, -5, 7, 1.0), True),
    "begins after": (("P3", -1, -5, 7, 1.0), False),
    "announced at the close": (("P3", 4, 2, 7, 1.0), True),
    "announced a day too late": (("P3", 4, 2, 6, 1.0), False),
}


@pytest.mark.parametrize(("offer", "is_seen"), OFFERS.values(), ids=OFFERS)
def test_week_is_made_again_for_the_offers_that_its_features_see_and_no_others(copied, offer, is_seen):
    plan(copied, offer)
    assert make(copied, NEWER).made == is_seen


def test_week_is_made_again_with_other_limits(copied):
    assert made_again(copied, model=MODEL.model_copy(update={"households_a_week": 1_000})) == {NEWER, OLDER}


def test_week_without_inputs_on_record_is_made_again(copied):
    stored = copied.read(EXAMPLES, since=OLDER, until=OLDER).mutate(inputs=ibis.null("string")).to_pyarrow()
    copied.replace_days(EXAMPLES, stored, days=[OLDER], by="as_of_date")
    assert inputs_on_record(copied, OLDER) is None
    assert made_again(copied) == {OLDER}


class TestReading:
    def test_examples_are_of_the_weeks_asked_for_in_a_fixed_order(self, tables):
        both = held(tables, NEWER, OLDER)
        keys = ["as_of_date", "household_id", "product_id"]
        assert list(both.columns) == [*keys, *LABELS, *FEATURES]
        assert both.equals(both.sort_values(keys))
        older = held(tables, OLDER)
        assert set(older["as_of_date"]) == {OLDER}
        assert len(older) < len(both)

    def test_identifiers_can_be_left_out_of_the_same_rows(self, tables):
        known = held(tables, NEWER, OLDER)
        unknown = read_examples(tables, [OLDER, NEWER])
        pd.testing.assert_frame_equal(unknown, known[[*LABELS, *FEATURES]])

    def test_holdout_in_parts_is_the_same_rows_of_whole_households(self, tables, monkeypatch: pytest.MonkeyPatch):
        whole = held(tables, NEWER, OLDER)
        monkeypatch.setattr(label_weeks, "BYTES_A_ROW", 10**9)
        parts = [part for part in read_holdout(tables, [NEWER, OLDER]) if len(part)]
        assert [set(part["household_id"]) for part in parts] in ([{"H1"}, {"H2"}], [{"H2"}, {"H1"}])
        together = pd.concat(parts).sort_values(["as_of_date", "household_id", "product_id"], ignore_index=True)
        pd.testing.assert_frame_equal(together, whole)

    def test_missing_week_is_refused(self, tables):
        before = OLDER - dt.timedelta(days=7)
        with pytest.raises(Refused, match="training_examples has 2 of the 3 label weeks 2024-03-10 … 2024-03-24"):
            read_examples(tables, [NEWER, OLDER, before])

    def test_earlier_version_can_be_read(self, tables):
        version, before = tables.version(EXAMPLES), read_examples(tables, [NEWER])
        deliver(tables, [("H1", "P2", 3, 1, 1.0)])
        make(tables, NEWER)
        assert not read_examples(tables, [NEWER]).equals(before)
        assert read_examples(tables, [NEWER], version=version).equals(before)

    def test_truth_is_each_weeks_own(self, tables):
        found = read_truth(tables, [NEWER, OLDER])
        columns = ["as_of_date", "household_id", "product_id", "department", "weekday", "history"]
        assert set(found.columns) == set(columns)
        rows: list[tuple[Any, ...]] = list(found[columns].itertuples(index=False, name=None))
        assert sorted(rows, key=str) == [
            (OLDER, "H1", "P3", "BAKERY", 4, "new: up to 5 trips"),  # a Friday
            (NEWER, "H1", "P1", "FRESH", 3, "new: up to 5 trips"),
            (NEWER, "H2", "P3", "BAKERY", 6, "new: up to 5 trips"),
        ]
        (own,) = read_truth(tables, [NEWER], among=["H2"])[columns].itertuples(index=False, name=None)
        assert own == rows[[row[:2] for row in rows].index((NEWER, "H2"))]

    def test_truth_and_examples_are_of_the_same_lists(self, tables):
        examples, truth = held(tables, NEWER, OLDER), read_truth(tables, [NEWER, OLDER])
        found = recalls(examples, examples["days_since_last"].fillna(0).to_numpy(), truth, k=1)
        # What H1 bought longest ago is P1: it bought P3 in the older week, P1 in the newer. H2 only ever bought P3.
        by_history = found[found["slice"] == "history"]["score"]
        assert by_history.to_dict() == {(OLDER, "H1"): 0, (NEWER, "H1"): 1, (NEWER, "H2"): 1}
