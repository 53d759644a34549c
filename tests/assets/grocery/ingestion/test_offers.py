"""Planned offers: one row for a product and a period, and a table that is made anew only when there is a reason to."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import pyarrow as pa
import pytest

from assets.grocery.ingestion import offers as planned
from assets.grocery.ingestion.offers import RULES, TYPES, Tally, inputs_of, no_offers, source_columns, tally
from resources.config.retailer import OffersConfig
from resources.records.quality import Verdict

DATES = {"product_id": "what", "starts_on": "from", "ends_on": "to"}
WEEKS = {"product_id": "what", "week": "week"}
MONDAY = dt.date(2024, 1, 1)  # first day of week 1
GOOD = {"what": "P1", "from": "2024-03-04", "to": "2024-03-10"}

Line = Mapping[str, Any]
_numbers = itertools.count()


def feed(columns: Mapping[str, str] = DATES, **more: Any) -> OffersConfig:
    if "week" in columns:
        more.setdefault("first_week_starts", MONDAY)
    return OffersConfig.model_validate({"path": "offers.csv", "columns": columns, **more})


def delivered(engine, lines: Sequence[Line], types: Mapping[str, pa.DataType] | None = None) -> ibis.Table:
    """Lines as the feed reader gives them: text (or `types`), with their origin."""
    names = dict.fromkeys(itertools.chain(*lines))
    ours = {"source_file": pa.string(), "source_row": pa.int64(), "file_date": pa.date32(), "defect": pa.string()}
    rows = [{"source_file": "offers.csv", "source_row": number, **line} for number, line in enumerate(lines, start=1)]
    schema = pa.schema({name: pa.string() for name in names} | ours | dict(types or {}))
    return engine.create_table(f"offers_{next(_numbers)}", pa.Table.from_pylist(rows, schema=schema), temp=True)


def made(
    engine, lines: Sequence[Line], of: OffersConfig, types: Mapping[str, pa.DataType] | None = None
) -> list[tuple]:
    found = planned.offers(delivered(engine, lines, types), of)
    assert {name: str(type_) for name, type_ in found.schema().items()} == dict(TYPES)
    stored = found.to_pyarrow()
    return sorted(tuple(row.values()) for row in stored.to_pylist())


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


class TestDays:
    def test_offer_is_known_at_the_close_before_its_first_day(self, engine):
        known = day("2024-03-03")
        assert made(engine, [GOOD], feed()) == [("P1", day("2024-03-04"), day("2024-03-10"), known, 1.0)]

    def test_offer_may_be_announced_earlier_or_on_the_day(self, engine):
        def known_from(days: int) -> dt.date:
            return made(engine, [GOOD], feed(announced_days_before=days))[0][3]

        assert (known_from(0), known_from(5)) == (day("2024-03-04"), day("2024-02-28"))

    @pytest.mark.parametrize(
        ("text", "format"),
        [("2024-03-04 00:00:00", None), (" 2024-03-04 ", None), ("04.03.2024", "%d.%m.%Y"), ("20240304", "%Y%m%d")],
    )
    def test_dates_are_text_of_any_form(self, engine, text, format):
        found = made(engine, [{"what": "P1", "from": text, "to": text}], feed(date_format=format))
        assert [row[1:3] for row in found] == [(day("2024-03-04"), day("2024-03-04"))]

    @pytest.mark.parametrize("type_", [pa.date32(), pa.timestamp("us"), pa.timestamp("ns")])
    def test_dates_may_be_dates_or_times(self, engine, type_):
        line = {"what": "P1", "from": dt.datetime(2024, 3, 4), "to": dt.datetime(2024, 3, 10)}
        found = made(engine, [line], feed(), {"from": type_, "to": type_})
        assert [row[1:3] for row in found] == [(day("2024-03-04"), day("2024-03-10"))]

    @pytest.mark.parametrize(
        ("week", "type_"), [("10", pa.string()), ("10.0", pa.string()), (10, pa.int32()), (10.0, pa.float64())]
    )
    def test_week_is_seven_days_counted_from_the_first(self, engine, week, type_):
        found = made(engine, [{"what": "P1", "week": week}], feed(WEEKS), {"week": type_})
        # The tenth Monday of 2024: 63 days after the first.
        assert found == [("P1", day("2024-03-04"), day("2024-03-10"), day("2024-03-03"), 1.0)]

    @pytest.mark.parametrize("type_", [pa.int8(), pa.uint8(), pa.int64()])
    def test_late_week_of_a_small_type_is_a_week(self, engine, type_):
        (found,) = made(engine, [{"what": "P1", "week": 53}], feed(WEEKS), {"week": type_})
        assert found[1] == day("2024-12-30")

    def test_weeks_begin_on_the_retailers_day(self, engine):
        found = made(engine, [{"what": "P1", "week": "1"}], feed(WEEKS, first_week_starts=day("2024-01-03")))
        assert [row[1:3] for row in found] == [(day("2024-01-03"), day("2024-01-09"))]

    def test_a_line_told_twice_is_one_offer_and_other_days_are_another(self, engine):
        lines = [GOOD, GOOD, {**GOOD, "to": "2024-03-06"}, {**GOOD, "what": "P2"}]
        assert [row[:3:2] for row in made(engine, lines, feed())] == [
            ("P1", day("2024-03-06")),
            ("P1", day("2024-03-10")),
            ("P2", day("2024-03-10")),
        ]

    def test_numbers_are_identifiers_too(self, engine):
        lines = [{"what": 7, "shop": 1, "week": 1}, {"what": 8, "shop": 2, "week": 1}]
        found = made(engine, lines, feed({**WEEKS, "store_id": "shop"}), dict.fromkeys(lines[0], pa.int64()))
        assert [(row[0], row[4]) for row in found] == [("7", 0.5), ("8", 0.5)]

    def test_blanks_around_identifiers_do_not_matter(self, engine):
        lines = [
            {"what": what, "shop": shop, "week": "1"}
            for what, shop in (("P1", "N"), (" P1", "N "), ("P1 \t", " N"), ("Ä 1", "S"), ("Ä 1 ", "S"))
        ]
        found = made(engine, lines, feed({**WEEKS, "store_id": "shop"}))
        assert [(row[0], row[4]) for row in found] == [("P1", 0.5), ("Ä 1", 0.5)]


class TestReach:
    def test_is_the_share_of_the_stores_of_the_period(self, engine):
        week = [("P1", "N"), ("P1", "S"), ("P1", "S"), ("P2", "S"), ("P3", "E"), ("P3", "W")]
        lines = [{"what": what, "shop": shop, "week": "1"} for what, shop in week]
        lines += [{"what": "P1", "shop": "N", "week": "2"}]  # in which no other store has anything
        found = made(engine, lines, feed({**WEEKS, "store_id": "shop"}))
        assert [(row[0], row[1].day, row[4]) for row in found] == [
            ("P1", 1, 0.5),
            ("P1", 8, 1.0),
            ("P2", 1, 0.25),
            ("P3", 1, 0.5),
        ]

    def test_stores_of_lines_that_do_not_count_are_stores(self, engine):
        lines = [
            {"what": "P1", "shop": "N", "week": "1", "page": "A"},
            {"what": "P2", "shop": "S", "week": "1", "page": "0"},
        ]
        found = made(engine, lines, feed({**WEEKS, "store_id": "shop"}, unless={"page": ["0"]}))
        assert [(row[0], row[4]) for row in found] == [("P1", 0.5)]

    def test_line_without_a_store_is_of_all_stores(self, engine):
        lines = [{"what": "P1", "shop": " ", "week": "1"}, {"what": "P2", "shop": "N", "week": "1"}]
        lines += [{"what": "P2", "shop": "S", "week": "1"}, {"what": "P3", "shop": "S", "week": "1"}]
        lines += [{"what": "P1", "shop": None, "week": "2"}]
        found = made(engine, lines, feed({**WEEKS, "store_id": "shop"}))
        assert [(row[0], row[4]) for row in found] == [("P1", 1.0), ("P1", 1.0), ("P2", 1.0), ("P3", 0.5)]


class TestWhatCounts:
    LINES = (
        {"what": "P1", "week": "1", "page": "A", "kind": "paper"},
        {"what": "P2", "week": "1", "page": "0", "kind": "paper"},
        {"what": "P3", "week": "1", "page": None, "kind": "shelf"},
        {"what": "P4", "week": "1", "page": " B ", "kind": "paper"},
    )

    @pytest.mark.parametrize(
        ("settings", "products"),
        [
            ({}, "P1 P2 P3 P4"),
            ({"unless": {"page": ["0"]}}, "P1 P3 P4"),
            ({"unless": {"page": ["0", "B"]}}, "P1 P3"),
            ({"where": {"page": ["A", "B"]}}, "P1 P4"),
            ({"where": {"kind": ["paper"]}, "unless": {"page": ["0"]}}, "P1 P4"),
            ({"where": {"kind": ["paper"], "page": ["0"]}}, "P2"),
        ],
    )
    def test_values_of_the_files_own_columns_decide(self, engine, settings, products):
        assert [row[0] for row in made(engine, self.LINES, feed(WEEKS, **settings))] == products.split()

    def test_numbers_are_compared_as_written(self, engine):
        lines = [{"what": "P1", "week": 1, "page": 0}, {"what": "P2", "week": 1, "page": 3}]
        types = {"week": pa.int64(), "page": pa.int64()}
        assert [row[0] for row in made(engine, lines, feed(WEEKS, unless={"page": ["0"]}), types)] == ["P2"]

    def test_columns_that_are_asked_about_must_be_there(self):
        of = feed({**WEEKS, "store_id": "shop"}, where={"kind": ["paper"]}, unless={"page": ["0"]})
        assert source_columns(of) == ["what", "shop", "week", "kind", "page"]


class TestLinesLeftOut:
    BROKEN = (
        ("line_fits_the_header", {"defect": "Expected 3 columns"}),
        ("product_id_is_given", {"what": None}),
        ("product_id_is_given", {"what": " "}),
        ("days_can_be_read", {"from": None}),
        ("days_can_be_read", {"from": "2024-02-30"}),
        ("days_can_be_read", {"to": "soon"}),
        ("offer_ends_after_it_starts", {"to": "2024-03-03"}),
    )

    def test_lines_that_cannot_be_used_are_counted_by_rule(self, engine):
        lines = [GOOD, {**GOOD, "page": "0"}, *({**GOOD, **line} for _, line in self.BROKEN)]
        of = feed(unless={"page": ["0"]})
        expected = {rule: sum(rule == of for of, _ in self.BROKEN) for rule in RULES}
        assert tally(delivered(engine, lines), of) == Tally(lines=9, broken=expected, excluded_by_config=1)
        assert len(made(engine, lines, of)) == 1

    @pytest.mark.parametrize("week", [None, "0", "-1", "202401", "1.5", "W1", "nan", "inf"])
    def test_week_is_a_number_from_the_first(self, engine, week):
        lines = [{"what": "P1", "week": "1"}, {"what": "P2", "week": week}]
        assert tally(delivered(engine, lines), feed(WEEKS)).broken == {"days_can_be_read": 1}
        assert [row[0] for row in made(engine, lines, feed(WEEKS))] == ["P1"]

    def test_store_of_a_line_that_is_left_out_is_none(self, engine):
        lines = [{"what": "P1", "shop": "N", "week": "1"}, {"what": None, "shop": "S", "week": "1"}]
        assert [row[4] for row in made(engine, lines, feed({**WEEKS, "store_id": "shop"}))] == [1.0]


def test_retailer_without_offers_has_none(engine):
    assert no_offers(engine).to_pyarrow().to_pylist() == []
    assert no_offers(engine).columns == tuple(TYPES)


def test_inputs_are_the_files_and_the_settings():
    same = inputs_of(feed(), ["a", "b"])
    assert same == inputs_of(feed(), ["a", "b"])
    others = [
        inputs_of(None, []),
        inputs_of(feed(), ["a"]),
        inputs_of(feed(unless={"x": ["0"]}), ["a", "b"]),
        inputs_of(feed(announced_days_before=2), ["a", "b"]),
    ]
    assert len({same, *others}) == 5


# The asset

HEADER = "what,shop,week,page\n"


@pytest.fixture
def take_in(tmp_path: Path, settings, tables, feeds, operations) -> Callable[..., dg.ExecuteInProcessResult]:
    """Deliver `text` (None: the file stays as it is) and make the table and its checks."""
    from assets.grocery.ingestion import checks
    from assets.grocery.ingestion.assets import offers

    file = tmp_path / "offers.csv"

    def deliver(text: str | None, **more: Any) -> dg.ExecuteInProcessResult:
        if text is not None:
            file.write_text(text, encoding="utf-8")
        of = feed({**WEEKS, "store_id": "shop"}, path=str(file), unless={"page": ["0"]}, **more)
        return make(of)

    def make(of: OffersConfig | None) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [offers, checks.offers_are_fit_to_use],
            resources={
                "settings": settings.model_copy(update={"offers": of}),
                "feeds": feeds,
                "tables": tables,
                "operations": operations,
            },
            raise_on_error=False,
        )

    deliver.without = lambda: make(None)  # pyright: ignore[reportFunctionMemberAccess]
    return deliver


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    (event,) = result.asset_materializations_for_node("offers")
    return {name: value.value for name, value in event.metadata.items() if not name.startswith("cost/")}


def data_version(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.asset_materializations_for_node("offers")
    return (event.tags or {})["dagster/data_version"]


def test_unchanged_file_leaves_the_table_alone_and_a_changed_one_replaces_it(take_in, tables):
    first = take_in(HEADER + "P1,N,1,A\nP2,N,1,0\n,N,1,A\n")
    again = take_in(None)
    assert tables.version("offers") == 0
    assert data_version(again) == data_version(first)
    told, told_again = metadata(first), metadata(again)
    assert (told.pop("is_unchanged"), told_again.pop("is_unchanged")) == (False, True)
    assert told == told_again  # what was left out is told every night
    assert (told["lines"], told["lines_that_do_not_count"]) == (3, 1)
    assert told["lines_left_out"] == {"product_id_is_given": 1}

    changed = take_in(HEADER + "P1,N,1,A\nP2,N,1,A\n")
    assert tables.version("offers") == metadata(changed)["table_version"] == 1
    assert sorted(tables.read("offers").product_id.to_pyarrow().to_pylist()) == ["P1", "P2"]
    assert data_version(changed) != data_version(first)


def test_changed_settings_are_a_reason_too(take_in, tables):
    take_in(HEADER + "P1,N,1,A\n")
    take_in(None, announced_days_before=3)
    assert tables.version("offers") == 1
    assert tables.read("offers").known_from.to_pyarrow().to_pylist() == [dt.date(2023, 12, 29)]


def test_file_that_comes_back_is_the_same_data(take_in):
    before, after = HEADER + "P1,N,1,A\nP2,N,2,A\n", HEADER + "P2,N,2,A\nP1,N,1,A\n"
    assert data_version(take_in(before)) == data_version(take_in(after))


def test_retailer_without_a_file_gets_an_empty_table_once(take_in, tables):
    assert metadata(take_in.without())["dagster/row_count"] == 0
    assert metadata(take_in.without())["is_unchanged"]
    assert tables.version("offers") == 0
    assert tables.read("offers").columns == tuple(TYPES)


@pytest.mark.parametrize(
    "text", [HEADER + "P1,N,W1,A\nP2,N,W2,A\n", "what,shop,week\nP1,N,1\n", HEADER + "P1,N,1,0\nP2,N,2,0\n"]
)
def test_file_that_cannot_be_used_is_refused_and_leaves_the_table_alone(take_in, tables, text):
    take_in(HEADER + "P1,N,1,A\n")
    assert not take_in(text).success
    assert tables.version("offers") == 0
    assert metadata(take_in(HEADER + "P1,N,1,A\n"))["is_unchanged"]


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([("P1", 1, 7, 0, 1.0), ("P1", 1, 7, 0, 0.5)], "offer_is_known_once"),
        ([("P1", 7, 1, 0, 1.0)], "offer_has_days_and_reach"),
        ([("P1", 1, 7, 2, 1.0)], "offer_has_days_and_reach"),
        ([("P1", 1, 7, 0, 1.5)], "offer_has_days_and_reach"),
        ([("P1", 1, 7, 0, 0.0)], "offer_has_days_and_reach"),
        ([(None, 1, 7, 0, 1.0)], "offer_has_days_and_reach"),
        ([("P1", 1, 7, 0, None)], "offer_has_days_and_reach"),
    ],
)
def test_gates_see_a_table_that_is_wrong(tables, operations, rows, broken):
    from assets.grocery.ingestion import checks

    dated = [(what, *(MONDAY + dt.timedelta(days=d) for d in days), reach) for what, *days, reach in rows]
    tables.replace("offers", ibis.memtable([dict(zip(TYPES, row, strict=True)) for row in dated], schema=dict(TYPES)))
    checked = dg.Definitions(
        assets=[dg.AssetSpec("offers")],
        asset_checks=[checks.offers_are_fit_to_use],
        jobs=[dg.define_asset_job("look", selection=dg.AssetSelection.all_asset_checks())],
        resources={"tables": tables, "operations": operations},
    )
    result = checked.resolve_job_def("look").execute_in_process(raise_on_error=False)
    assert [check.check_name for check in result.get_asset_check_evaluations() if not check.passed] == [broken]
    verdicts = operations.verdicts("offers")
    assert {check for (_, check), verdict in verdicts.items() if verdict.outcome == Verdict.FAILED} == {broken}
