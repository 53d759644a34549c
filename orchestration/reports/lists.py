"""A household's list: the one that is published, or the one that was made at a day's close."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from assets.grocery.publication.publication import Published
from assets.grocery.tables import CATEGORY_AFFINITY, HOUSEHOLD, PRODUCTS, PUBLISHED, RECOMMENDATIONS
from orchestration.reports.report import Report
from resources.errors import Refused
from resources.tables.store import TableStore

COLUMNS = (
    "household_id", "rank", "product_id", "score", "is_probability", "reason", "explanation", "is_explore", "is_fallback", "model_version",
)  # fmt: skip
CATEGORIES = 4  # that are named, of those that a household needs most


@dataclass(frozen=True, kw_only=True)
class Place:
    """A product of the list; a fallback list has no scores."""

    rank: int
    product_id: str
    name: str
    score: float | None
    reason: str
    explanation: str
    is_explore: bool


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How a household shops: days between trips (None after a single one), and the categories that it needs most."""

    trip_gap: float | None
    basket_products: float
    repeat_share: float
    categories: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class HouseholdList(Report):
    """The list of a household; one that nothing is known of has the fallback list that anybody gets.

    `published` says what is served and whether it is carried over; None for the list of a day that was asked for.
    """

    household_id: str
    made_on: dt.date
    model_version: int
    is_known: bool
    is_fallback: bool
    is_probability: bool
    published: Published | None
    habits: Habits | None
    places: Sequence[Place]


def household_list(tables: TableStore, household: str, day: dt.date | None = None) -> HouseholdList:
    """The list of `household` made at `day`'s close, or the one that is published.

    Raises :class:`Refused` when there is none.
    """
    made = days_with_lists(tables)
    if not made:
        raise Refused(
            "There are no recommendations yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`."
        )
    if day and day not in made:
        raise Refused(
            f"There are no recommendations of {day}; there are of {made[0]} … {made[-1]}.",
            remedy=f"`nightcart nightly --date {day}` makes them.",
        )
    if day is None and not tables.exists(PUBLISHED):
        raise Refused(
            "No lists are published yet.",
            remedy=f"`nightcart backfill --from {made[-1]} --to {made[-1]} --assets published_recommendations`.",
        )
    if day:
        rows = tables.rows(RECOMMENDATIONS, COLUMNS, since=day, until=day, household_id=[household, None])
    else:
        rows = tables.rows(PUBLISHED, [*COLUMNS, *PUBLICATION], household_id=[household, None])
    own = [row for row in rows if row["household_id"]]
    listed = sorted(own or rows, key=lambda row: row["rank"])
    names = _names(tables, listed)
    published = None if day else _published(listed[0])
    made_on = day or listed[0]["made_on"]
    is_fallback = all(row["is_fallback"] for row in listed)
    return HouseholdList(
        household_id=household,
        made_on=made_on,
        model_version=int(listed[0]["model_version"]),
        is_known=bool(own),
        is_fallback=is_fallback,
        is_probability=bool(listed[0]["is_probability"]),  # of a list that is older than the column nobody knows
        published=published,
        habits=None if is_fallback else _habits(tables, household, made_on),
        places=[_place(row, names) for row in listed],
    )


def days_with_lists(tables: TableStore) -> list[dt.date]:
    """The business days that lists were made for, in order."""
    return sorted(day for day, rows in tables.rows_by_day(RECOMMENDATIONS).items() if rows and day)


PUBLICATION = [each.name for each in fields(Published)]


def _published(row: dict[str, Any]) -> Published:
    return Published(**{name: row[name] for name in PUBLICATION})


@dataclass(frozen=True, kw_only=True)
class Example:
    """A household whose list shows something, among how many with a `personal` list and with the `fallback` list."""

    household_id: str
    personal: int
    fallback: int


def telling_household(tables: TableStore, day: dt.date) -> Example:
    """One with a rhythm in several different products, then high scores, among those with a list of `day`."""
    rows = tables.rows(RECOMMENDATIONS, COLUMNS, since=day, until=day)
    by_household: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["household_id"] and not row["is_fallback"]:
            by_household[row["household_id"]].append(row)
    others = {row["household_id"] for row in rows if row["household_id"] and row["is_fallback"]}
    names = _names(tables, rows)

    def shows(household: str) -> tuple[int, float, str]:
        own = by_household[household]
        different = len({names.get(row["product_id"]) for row in own})
        due = sum(row["reason"] == "due" for row in own)
        return min(different, 8) + min(due, 3), sum(row["score"] for row in own), household

    # Where there are none, whoever asks for the list says why.
    told = max(by_household, key=shows) if by_household else max(others, default="")
    return Example(household_id=told, personal=len(by_household), fallback=len(others))


def _names(tables: TableStore, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    wanted = {row["product_id"] for row in rows}
    return {row["product_id"]: row["name"] for row in tables.rows(PRODUCTS, ["product_id", "name"], product_id=wanted)}


def _place(row: dict[str, Any], names: dict[str, str]) -> Place:
    return Place(
        rank=row["rank"],
        product_id=row["product_id"],
        name=names.get(row["product_id"]) or row["product_id"],
        score=None if row["is_fallback"] else row["score"],
        reason=row["reason"],
        explanation=row["explanation"],
        is_explore=row["is_explore"],
    )


def _habits(tables: TableStore, household: str, day: dt.date) -> Habits | None:
    """What the features of the day say; None when they are gone."""
    of_day = {"since": day, "until": day, "household_id": [household]}
    habits = tables.rows(HOUSEHOLD, ["trip_gap", "basket_products", "repeat_share"], **of_day)
    if not habits:
        return None
    gap = habits[0]["trip_gap"]
    needs = tables.rows(CATEGORY_AFFINITY, ["category", "category_decayed_90"], **of_day)
    needs.sort(key=lambda row: -row["category_decayed_90"])
    return Habits(
        trip_gap=None if gap is None or gap != gap else gap,
        basket_products=habits[0]["basket_products"],
        repeat_share=habits[0]["repeat_share"],
        categories=[row["category"] for row in needs[:CATEGORIES]],
    )
