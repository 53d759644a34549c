"""What is served, night after night: the newest good lists, marked when they are older than they should be."""

import datetime as dt
from types import SimpleNamespace

import dagster as dg
import pyarrow as pa
import pytest

from assets.grocery.publication.publication import Published, after_a_good_night, after_a_lost_night, standing
from assets.grocery.publication.served import carry_over, served_now
from assets.grocery.scoring.assets import households_without_list, published_recommendations
from assets.grocery.scoring.checks import EVERYBODY, published_recommendations_are_fit_to_use
from assets.grocery.tables import PUBLISHED, RECOMMENDATIONS, TABLES
from assets.quality import gates
from orchestration.definitions import GATES
from resources.errors import Unavailable
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

MAY = [dt.date(2024, 5, day) for day in range(1, 12)]
NOW = dt.datetime(2024, 5, 8, 2, tzinfo=dt.UTC)
SETTINGS = SimpleNamespace(local_day=dt.datetime.date)


def fresh(day: dt.date) -> Published:
    return Published(made_on=day, published_for=day + dt.timedelta(days=1))


# The rule


def test_a_good_night_is_served_the_day_after() -> None:
    assert after_a_good_night(None, night=MAY[6], today=MAY[9]) == fresh(MAY[6])
    assert after_a_good_night(fresh(MAY[5]), night=MAY[6], today=MAY[9]) == fresh(MAY[6])
    assert after_a_good_night(fresh(MAY[6]), night=MAY[6], today=MAY[9]) == fresh(MAY[6])  # made again


def test_an_older_night_made_again_does_not_replace_a_newer_one() -> None:
    assert after_a_good_night(fresh(MAY[6]), night=MAY[5], today=MAY[9]) is None


def test_a_lost_night_leaves_the_last_lists_and_says_why() -> None:
    assert after_a_lost_night(fresh(MAY[5]), night=MAY[6], because="no feed") == Published(
        made_on=MAY[5], published_for=MAY[7], is_carried_over=True, carried_over_because="no feed"
    )


def test_what_has_been_said_is_not_said_again() -> None:
    marked = after_a_lost_night(fresh(MAY[5]), night=MAY[6], because="no feed")
    assert after_a_lost_night(marked, night=MAY[6], because="no feed") is None
    again = after_a_lost_night(marked, night=MAY[6], because="refused")
    assert again
    assert again.carried_over_because == "refused"


def test_a_lost_night_changes_nothing_where_there_are_no_lists_or_newer_ones() -> None:
    assert after_a_lost_night(None, night=MAY[6], because="no feed") is None
    for served in (fresh(MAY[6]), fresh(MAY[8])):
        assert after_a_lost_night(served, night=MAY[6], because="no feed") is None
    marked = after_a_lost_night(fresh(MAY[3]), night=MAY[6], because="no feed")
    assert after_a_lost_night(marked, night=MAY[5], because="an older one") is None


def test_a_night_that_is_made_good_late_is_fresh_unless_a_later_one_was_lost_too() -> None:
    lost = after_a_lost_night(fresh(MAY[4]), night=MAY[5], because="no feed")
    assert after_a_good_night(lost, night=MAY[5], today=MAY[9]) == fresh(MAY[5])
    lost_twice = after_a_lost_night(lost, night=MAY[6], because="refused")
    assert after_a_good_night(lost_twice, night=MAY[5], today=MAY[9]) == Published(
        made_on=MAY[5], published_for=MAY[7], is_carried_over=True, carried_over_because="refused"
    )


def test_a_mark_of_a_day_that_is_not_over_goes_with_the_next_good_night() -> None:
    ahead = after_a_lost_night(fresh(MAY[4]), night=MAY[6], because="by a clock that was ahead")
    assert after_a_good_night(ahead, night=MAY[5], today=MAY[6]) == fresh(MAY[5])


@pytest.mark.parametrize(
    ("served", "night", "says"),
    [
        (None, MAY[6], "There are no lists yet"),
        (fresh(MAY[5]), MAY[6], "The lists of 2024-05-06 stay published, one day old."),
        (fresh(MAY[3]), MAY[6], "The lists of 2024-05-04 stay published, 3 days old."),
        (fresh(MAY[6]), MAY[6], "The lists of 2024-05-07 are published"),
        (fresh(MAY[6]), None, "The lists of 2024-05-07 are published"),
        (
            Published(made_on=MAY[5], published_for=MAY[7], is_carried_over=True, carried_over_because="no feed"),
            None,
            "The lists of 2024-05-06 are published, carried over and one day old.",
        ),
    ],
)
def test_what_it_means_is_said_in_a_sentence(served: Published | None, night: dt.date | None, says: str) -> None:
    assert says in standing(served, night=night)


# The table


def made(tables: TableStore, operations: OperationsDatabase, day: dt.date, *, households: list[str | None]) -> None:
    """The lists of a night, judged good, and the features of the households known to it."""
    rows = [
        {
            "business_date": day, "household_id": household, "rank": 1, "product_id": f"P-{day:%d}", "score": 0.5,
            "is_repeat": True, "is_explore": False, "is_fallback": household is None, "reason": "due",
            "explanation": "", "model_version": 1,
        }
        for household in households
    ]  # fmt: skip
    tables.replace_days(
        RECOMMENDATIONS, pa.Table.from_pylist(rows, schema=TABLES[RECOMMENDATIONS].arrow_schema()), days=[day]
    )
    known = [household for household in households if household]
    features = pa.table({"business_date": pa.array([day] * len(known), pa.date32()), "household_id": known})
    tables.replace_days("household_features", features, days=[day])
    version = gates.of_days(tables, RECOMMENDATIONS, [day])[day]
    operations.record(*(passed(RECOMMENDATIONS, day, version, gate.check) for gate in GATES[RECOMMENDATIONS]))


def passed(subject: str, day: dt.date | None, version: str, check: str) -> Verdict:
    return Verdict(
        subject=subject,
        partition=day,
        data_version=version,
        check=check,
        outcome=Verdict.PASSED,
        run_id="run",
        decided_at=NOW,
    )


def publish(tables: TableStore, operations: OperationsDatabase, day: dt.date) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [published_recommendations, published_recommendations_are_fit_to_use],
        partition_key=day.isoformat(),
        resources={"settings": SETTINGS, "tables": tables, "operations": operations, "gates": GATES},
        raise_on_error=False,
    )


def products(tables: TableStore) -> list[str]:
    return sorted(tables.read(PUBLISHED).product_id.to_pyarrow().to_pylist())


def test_the_lists_of_a_night_are_published_whole_and_an_older_one_is_left_alone(tables, operations) -> None:
    assert served_now(tables) is None
    for day in (MAY[5], MAY[6]):
        made(tables, operations, day, households=["A", "B", None])
        assert publish(tables, operations, day).success
        assert served_now(tables) == fresh(day)
        assert products(tables) == [f"P-{day:%d}"] * 3
    version = tables.version(PUBLISHED)
    again = publish(tables, operations, MAY[5])
    assert again.success
    assert again.asset_materializations_for_node(PUBLISHED)[0].metadata["is_published"].value is False
    assert (served_now(tables), tables.version(PUBLISHED)) == (fresh(MAY[6]), version)
    assert GATES.closed(operations, {PUBLISHED: gates.whole(tables, PUBLISHED)}, now=NOW) == []


def test_lists_that_did_not_pass_are_not_published(tables, operations) -> None:
    made(tables, operations, MAY[5], households=["A", None])
    publish(tables, operations, MAY[5])
    made(tables, operations, MAY[6], households=["A", None])
    version = gates.of_days(tables, RECOMMENDATIONS, [MAY[6]])[MAY[6]]
    judged = passed(RECOMMENDATIONS, MAY[6], version, "list_is_the_champions")
    operations.record(Verdict(**{**vars(judged), "outcome": Verdict.FAILED}))
    assert not publish(tables, operations, MAY[6]).success
    assert served_now(tables) == fresh(MAY[5])


@pytest.mark.parametrize("households", [[], ["A"], [None]])
def test_nobody_gets_an_empty_list(tables, operations, households) -> None:
    made(tables, operations, MAY[5], households=["A", None])
    publish(tables, operations, MAY[5])
    made(tables, operations, MAY[6], households=["A", None])
    rows = tables.read(RECOMMENDATIONS, since=MAY[6], until=MAY[6])
    kept = rows.filter(rows.household_id.fill_null("").isin([each or "" for each in households] or ["nobody"]))
    tables.replace_days(RECOMMENDATIONS, kept.to_pyarrow(), days=[MAY[6]])
    version = gates.of_days(tables, RECOMMENDATIONS, [MAY[6]])[MAY[6]]
    operations.record(*(passed(RECOMMENDATIONS, MAY[6], version, gate.check) for gate in GATES[RECOMMENDATIONS]))
    assert not publish(tables, operations, MAY[6]).success
    assert products(tables) == ["P-06"] * 2
    assert served_now(tables) == fresh(MAY[5])


def test_a_list_that_is_lacking_is_counted(tables, operations) -> None:
    made(tables, operations, MAY[5], households=["A", "B", None])
    rows = tables.read(RECOMMENDATIONS)
    assert households_without_list(rows, tables, made_on=MAY[5]) == 0
    assert households_without_list(rows.filter(rows.household_id == "A"), tables, made_on=MAY[5]) == 2
    publish(tables, operations, MAY[5])
    tables.replace(PUBLISHED, tables.read(PUBLISHED).filter(lambda t: t.household_id != "B"))
    looked = dg.materialize(
        [published_recommendations, published_recommendations_are_fit_to_use],
        selection=dg.AssetSelection.checks_for_assets(published_recommendations),
        resources={"settings": SETTINGS, "tables": tables, "operations": operations, "gates": GATES},
        raise_on_error=False,
    )
    assert [each.passed for each in looked.get_asset_check_evaluations()] == [False]


def test_lists_that_are_carried_over_are_the_same_marked_and_still_judged_good(tables, operations) -> None:
    assert carry_over(tables, operations, night=MAY[5], because="no feed", now=NOW) is None  # the very first night
    made(tables, operations, MAY[5], households=["A", "B", None])
    publish(tables, operations, MAY[5])
    marked = carry_over(tables, operations, night=MAY[6], because="no feed", now=NOW)
    assert marked == served_now(tables)
    assert marked
    assert (marked.made_on, marked.published_for, marked.carried_over_because) == (MAY[5], MAY[7], "no feed")
    assert products(tables) == ["P-06"] * 3
    assert GATES.closed(operations, {PUBLISHED: gates.whole(tables, PUBLISHED)}, now=NOW) == []
    assert [verdict.check for verdict in operations.verdicts(PUBLISHED).values()] == [EVERYBODY.check]
    version = tables.version(PUBLISHED)
    carry_over(tables, operations, night=MAY[6], because="no feed", now=NOW)
    assert tables.version(PUBLISHED) == version


def test_a_night_that_is_published_meanwhile_is_not_overwritten(tables, operations, monkeypatch) -> None:
    made(tables, operations, MAY[5], households=["A", None])
    publish(tables, operations, MAY[5])
    made(tables, operations, MAY[6], households=["A", None])
    read = TableStore.read

    def read_late(self, table, **kwargs):
        """Another process publishes the night between the look and the mark."""
        if table == PUBLISHED and "version" in kwargs:
            monkeypatch.setattr(TableStore, "read", read)
            assert publish(tables, operations, MAY[6]).success
        return read(self, table, **kwargs)

    monkeypatch.setattr(TableStore, "read", read_late)
    with pytest.raises(Unavailable):
        carry_over(tables, operations, night=MAY[6], because="no feed", now=NOW)
    assert served_now(tables) == fresh(MAY[6])
