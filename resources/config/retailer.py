"""One grocery retailer: its feeds, their columns and contract, its offers, and what of the lifecycle groceries decide.

What a retailer lacks is left out of its file and switches off what needs it: :meth:`Settings.switched_off` says what.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field, field_validator, model_validator

from resources.config import validators
from resources.config.base import BaseConfig, setting
from resources.config.feeds import FILE_DATE, FeedConfig, LandingConfig, OneOrMore
from resources.config.lifecycle import LifecycleSettings, ModelConfig, PromotionConfig

Range = tuple[float, float]


class TransactionColumnsConfig(BaseConfig):
    """The feed's names for our columns. Only the first three are needed."""

    household_id: str = Field(description="Who bought: a loyalty card, a customer number, of any type.")
    product_id: str = Field(description="What was bought, of any type.")
    occurred_at: OneOrMore = Field(
        description="When: an instant or a date; several columns are joined by a blank. `file_date` is the day that the file's "
        "path names."
    )
    basket_id: str | None = setting(None, "Default: baskets are what `baskets_are` says.")
    quantity: str | None = setting(None, "Default: every line is one item.")
    sales_value: str | None = setting(None, "What was paid for the line. Without it there are no prices.")
    store_id: str | None = setting(None, "Where.")
    currency: str | None = setting(
        None, "The currency of the line's value. A line that names another than the retailer's goes to quarantine."
    )

    @model_validator(mode="after")
    def _a_column_is_one_thing(self) -> TransactionColumnsConfig:
        named = {name: getattr(self, name) for name in type(self).model_fields if name != "occurred_at"}
        times = [("occurred_at", column) for column in self.occurred_at]
        validators.each_once([*((name, column) for name, column in named.items() if column is not None), *times])
        return self


class TransactionContractConfig(BaseConfig):
    """What a line and a day must satisfy."""

    quantity: Range = setting((0, 100_000), "Lowest and highest quantity of a line; 0 is no purchase.")
    sales_value: Range = setting((0, 10_000), "Lowest and highest value of a line, in the currency.")
    is_product_once_a_basket: bool = setting(True, "A second line of a product in a basket is a duplicate.")
    is_household_required: bool = setting(True, "False: baskets without a loyalty card are kept, unscored.")
    are_identifiers_exact: bool = setting(
        True,
        "An identifier in scientific notation (4.01E+12) has lost digits, and one cell with several ([1, 2]) is none: such "
        "lines go to quarantine. False: they are kept, and what they name may be several.",
    )
    volume_against_weekday: Range = setting(
        (0.4, 2.5), "Lines of a day over the median of the same weekday in the eight weeks before."
    )
    max_quarantined_share: float = setting(0.02, "Above it the day is not to be trusted.", ge=0, le=1)
    allowed: dict[Literal["household_id", "basket_id", "product_id", "store_id"], list[str]] = setting(
        {}, "The only values of a column that a line may have, by our name for it: `store_id = ['1', '2']`."
    )
    columns: dict[str, Literal["text", "integer", "number", "boolean", "date", "time", "instant"]] = setting(
        {},
        "Columns of the file, by its own names, that must be there, with their types; those that our columns "
        "are made of must be there anyway. `time` is without offset, `instant` with one. In CSV everything is text.",
    )
    ends_with_newline: bool | None = setting(
        None,
        "CSV only. True: a file whose last line has no end was cut off, and is refused. Default: so where the files of the last "
        "good day had one. False: it is never asked for.",
    )
    due_by: dt.time | None = setting(
        None, "Local time, on the day after, by which the day's feed is there: `06:00:00`."
    )

    _ranges_are_in_order = field_validator("quantity", "sales_value", "volume_against_weekday")(validators.ordered)


def _zone_or_local(value: str) -> str:
    return value if value == "local" else validators.zone(value)


def _format_or_none(value: str | None) -> str | None:
    return None if value is None else validators.time_format(value)


class FilteredFeedConfig(FeedConfig):
    """A feed of whose lines not all count; those that do not are left out, and counted."""

    where: dict[str, list[str]] = setting(
        {}, "Values that make a line count, by the file's own column: lines with any other do not."
    )
    unless: dict[str, list[str]] = setting({}, "Values that make a line not count, by the file's own column.")


class TransactionsConfig(FilteredFeedConfig):
    """The feed of basket lines: with `where` and `unless`, those of them that are purchases."""

    columns: TransactionColumnsConfig
    timestamps_in: str = setting("local", "Zone of timestamps without offset: `local`, `UTC`, or a name.")
    timestamp_format: str | None = setting(
        None,
        "strptime format, when it is not ISO 8601; or what a number counts: `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` "
        "since 1970 in UTC, `excel_days` in `timestamps_in`.",
    )
    business_day_ends: dt.time = setting(
        dt.time(), "Local time up to which what is sold after midnight is of the day before: `04:00:00`, at most noon."
    )
    baskets_are: Literal["instant", "day"] = setting(
        "instant",
        "Without a column of baskets: a household's purchases of one instant, or all of its business day in one store.",
    )
    contract: TransactionContractConfig = TransactionContractConfig()

    @field_validator("business_day_ends")
    @classmethod
    def _ends_in_the_morning(cls, value: dt.time) -> dt.time:
        if value > dt.time(12):
            raise ValueError(
                f"{value:%H:%M} is after noon: write the time up to which sales are of the day before, 04:00:00"
            )
        return value

    _zone_exists = field_validator("timestamps_in")(_zone_or_local)
    _format_is_known = field_validator("timestamp_format")(_format_or_none)

    @model_validator(mode="after")
    def _day_of_the_file_is_in_its_path(self) -> TransactionsConfig:
        if FILE_DATE in self.columns.occurred_at and not self.is_dated:
            raise ValueError(
                "columns.occurred_at is file_date, and path names no day: put {date} into path (:date into query), or name a column"
            )
        return self

    @model_validator(mode="after")
    def _day_is_over_when_its_feed_is_due(self) -> TransactionsConfig:
        due_by = self.contract.due_by
        if due_by and due_by < self.business_day_ends:
            raise ValueError(
                f"contract.due_by ({due_by:%H:%M}) is before business_day_ends ({self.business_day_ends:%H:%M}): the day is "
                "not over; write a later time"
            )
        return self

    @model_validator(mode="after")
    def _allowed_values_are_of_columns_that_there_are(self) -> TransactionsConfig:
        if without := [name for name in self.contract.allowed if not getattr(self.columns, name)]:
            raise ValueError(f"contract.allowed names {', '.join(without)}, which columns does not map")
        return self


class ProductColumnsConfig(BaseConfig):
    """The catalogue's names for our columns."""

    product_id: str
    name: OneOrMore = setting([], "What a shopper would call it; several columns are joined by a blank.")
    category: str | None = None
    subcategory: str | None = setting(None, "Finer than the category: what replaces what.")
    department: str | None = None
    brand: str | None = None


class ProductsConfig(FeedConfig):
    """The catalogue, and what of it is recommendable."""

    columns: ProductColumnsConfig
    not_recommendable: dict[Literal["product_id", "category", "subcategory", "department", "brand"], list[str]] = (
        setting(
            {},
            "Values that rule a product out, by column, whatever their capitals. A product without a catalogue row is ruled "
            "out too. A value that no product has closes the catalogue's gate.",
        )
    )
    least_known_share: float = setting(
        0.75,
        "Share of the lines of the last four weeks whose product the catalogue has, at the least: with fewer it was cut, or "
        "calls products otherwise.",
        ge=0,
        le=1,
    )

    @model_validator(mode="after")
    def _what_rules_out_is_a_column(self) -> ProductsConfig:
        if without := [name for name in self.not_recommendable if not getattr(self.columns, name)]:
            raise ValueError(f"not_recommendable names {', '.join(without)}, which columns does not map")
        return self


class HouseholdColumnsConfig(BaseConfig):
    """The household file's name for our column; all its other columns are kept as attributes."""

    household_id: str


class HouseholdsConfig(FeedConfig):
    """What is known of households beside their baskets."""

    columns: HouseholdColumnsConfig


class OfferColumnsConfig(BaseConfig):
    """The offer file's names for our columns: what, where, and from when to when or in which week."""

    product_id: str
    store_id: str | None = setting(None, "Where; a line without one is of all stores. Default: all stores.")
    starts_on: str | None = setting(None, "First day, a date.")
    ends_on: str | None = setting(None, "Last day, a date.")
    week: str | None = setting(None, "Number of the week, instead of the two dates.")


class OffersConfig(FilteredFeedConfig):
    """Planned offers: what the leaflet will show, in which days and stores. Past ones stay in the file: they are learnt from."""

    columns: OfferColumnsConfig
    date_format: str | None = setting(None, "strptime format, when the dates are not ISO 8601.")
    first_week_starts: dt.date | None = setting(None, "First day of the week that `columns.week` calls 1.")
    announced_days_before: int = setting(
        1, "Days before its first day at whose close an offer is certain: 1 is the day before.", ge=0
    )

    @field_validator("date_format")
    @classmethod
    def _format_is_known(cls, value: str | None) -> str | None:
        return None if value is None else validators.day_format(value)

    @model_validator(mode="after")
    def _days_are_told_in_one_way(self) -> OffersConfig:
        columns = self.columns
        if columns.week and (columns.starts_on or columns.ends_on):
            raise ValueError("columns.week and columns.starts_on or ends_on both tell the days: leave one out")
        if columns.week and not self.first_week_starts:
            raise ValueError("first_week_starts is missing: the first day of the week that columns.week calls 1")
        if not columns.week and self.first_week_starts:
            raise ValueError("columns.week is missing: first_week_starts says nothing without it")
        if not columns.week and not (columns.starts_on or columns.ends_on):
            raise ValueError("the days are missing: name columns.starts_on and columns.ends_on, or columns.week")
        if not columns.week and not (columns.starts_on and columns.ends_on):
            lacking = "ends_on" if columns.starts_on else "starts_on"
            raise ValueError(f"columns.{lacking} is missing: an offer has a first and a last day")
        return self


class RecommenderConfig(ModelConfig):
    """The recommender: candidates, places of a list, and what a week is learnt from."""

    family: str = setting("assets.grocery.training.models.two_stage:TwoStageRanker", "Import path of the class.")
    baselines: list[str] = setting(
        [
            "assets.grocery.training.models.baselines:GlobalTop",
            "assets.grocery.training.models.baselines:PersonalTopFrequency",
            "assets.grocery.training.models.baselines:DecayedPersonalFrequency",
        ],
        "Import paths of the models that a challenger must beat.",
    )
    candidates: int = setting(80, "Products of a household's own history that reach the ranker.", ge=10)
    new_candidates: int = setting(20, "Products that a household never bought that reach the ranker.", ge=10)
    households_a_week: int = setting(4_000, "At most so many households of a label week are learnt from.", ge=100)
    households_judged: int = setting(
        20_000,
        "At most so many households of a holdout week judge: with more, smaller differences are told from chance. To hold "
        "twenty thousand with their candidates takes about 3 GB.",
        ge=100,
    )
    top_k: int = setting(12, "Length of a recommendation list.", ge=1)
    explore_places: int = setting(
        2, "How many of these places are kept for products that the household never bought.", ge=0
    )

    places_a_subcategory: int = setting(
        3,
        "At most so many places of a list are of one subcategory, of what replaces each other; the next best get the others. "
        "0: any number. On the demo 3 cost .4 % of Recall and no hit, 2 cost 1.3 %, 1 costs 7.6 % (benchmarks/quality.md).",
        ge=0,
    )

    @property
    def ranked_places(self) -> int:
        """The places of a list that go by score alone."""
        return self.top_k - self.explore_places

    @model_validator(mode="after")
    def _some_places_go_by_score(self) -> RecommenderConfig:
        if self.explore_places >= self.top_k:
            raise ValueError("explore_places leaves no place by score: it must be below top_k")
        return self


class RecommenderPromotionConfig(PromotionConfig):
    """How lists are measured against one another."""

    metric: Literal["recall", "ndcg", "hit_rate"] = setting("recall", "Judged at the places that go by score.")  # pyright: ignore[reportIncompatibleVariableOverride]


class Settings(LifecycleSettings):
    """A retailer's file as a whole: everything that differs between two retailers."""

    currency: str = setting("USD", "ISO 4217. Lines that say that they are in another go to quarantine.")
    transactions: TransactionsConfig
    products: ProductsConfig | None = None
    households: HouseholdsConfig | None = None
    offers: OffersConfig | None = None
    landing: LandingConfig | None = None
    # A narrower type of a field that is frozen, which the checker does not know.
    model: RecommenderConfig = RecommenderConfig()  # pyright: ignore[reportIncompatibleVariableOverride]
    promotion: RecommenderPromotionConfig = RecommenderPromotionConfig()  # pyright: ignore[reportIncompatibleVariableOverride]

    @field_validator("products", "households", "offers")
    @classmethod
    def _snapshots_are_not_dated(cls, value: FeedConfig | None) -> FeedConfig | None:
        if value and value.is_dated:
            raise ValueError(
                "a snapshot is one file, not one a day: leave {date} out of its path, and :date out of its query"
            )
        return value

    @property
    def registered_model(self) -> str:
        """The name of its model in the registry."""
        return f"{self.name}_recommender"

    def lacking(self) -> dict[str, str]:
        """What this retailer's data cannot support: the setting that is left out, and what that means."""
        columns = self.transactions.columns
        catalogue = self.products.columns if self.products else None
        by_day = self.transactions.baskets_are == "day"
        together = "of a business day in one store" if by_day else "at one instant"
        means = {
            "transactions.columns.basket_id": (
                columns.basket_id is None,
                f"purchases of a household {together} count as one basket",
            ),
            "transactions.columns.quantity": (columns.quantity is None, "every line counts as one item"),
            "transactions.columns.sales_value": (columns.sales_value is None, "features of price and spend are off"),
            "transactions.columns.store_id": (columns.store_id is None, "lines carry no store"),
            "[products]": (
                catalogue is None,
                "every product is recommendable, names are identifiers, category affinity is off",
            ),
            "products.columns.category": (
                catalogue is not None and not catalogue.category,
                "category affinity is off",
            ),
            "products.columns.name": (catalogue is not None and not catalogue.name, "names are identifiers"),
            "[households]": (
                self.households is None,
                "households are those of the baskets, without attributes",
            ),
            "[offers]": (self.offers is None, "features of planned offers are off"),
        }
        return {setting: says for setting, (is_lacking, says) in means.items() if is_lacking}

    def switched_off(self) -> list[str]:
        """The same, one line each."""
        return [f"no {setting}: {means}" for setting, means in self.lacking().items()]
