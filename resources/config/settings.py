"""One retailer, as one typed object: a TOML file of `config/`, with environment variables on top.

`NIGHTCART_MODEL__SEED=7` overrides `[model] seed`; the file itself is chosen by :func:`resources.home.config_file`.
What a retailer lacks is left out of its file and switches off what needs it: :meth:`Settings.switched_off` says what.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from resources import home
from resources.errors import Refused

# `{date}`, or `{date:%Y%m%d}`: the business day in a file's path.
DATE_IN_PATH = re.compile(r"\{date(?::([^}]*))?\}")
DAY_DIRECTIVES = frozenset("Ymdj")  # of strftime: they can be read back; others depend on language or century

OneOrMore = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Range = tuple[float, float]


class Section(BaseModel):
    """A table of the TOML file. An unknown key is a typing mistake, not a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeedFiles(Section):
    """Where the files of a feed are, and how to read them."""

    path: OneOrMore = Field(
        description="File, glob, or URL that fsspec knows (`s3://…`, `https://…`, `package://module/file`). "
        "`{date}` or `{date:%Y%m%d}` stands for the business day when each day has files of its own."
    )
    format: Literal["csv", "parquet"] | None = Field(None, description="Default: by the file's ending.")
    delimiter: str = Field(",", description="CSV only.")
    encoding: str = Field("utf-8", description="CSV only.")
    decimal: str = Field(".", description="CSV only: the decimal separator of its numbers.")

    @property
    def is_dated(self) -> bool:
        """Whether every business day has files of its own."""
        return any("{date" in path for path in self.path)


class TransactionColumns(Section):
    """The feed's names for our columns. Only the first three are needed."""

    household_id: str = Field(description="Who bought: a loyalty card, a customer number, of any type.")
    product_id: str = Field(description="What was bought, of any type.")
    occurred_at: OneOrMore = Field(description="When: an instant or a date; several columns are joined by a blank.")
    basket_id: str | None = Field(None, description="Default: a household's purchases of one instant are one basket.")
    quantity: str | None = Field(None, description="Default: every line is one item.")
    sales_value: str | None = Field(None, description="What was paid for the line. Without it there are no prices.")
    store_id: str | None = Field(None, description="Where.")


class TransactionContract(Section):
    """What a line and a day must satisfy."""

    quantity: Range = Field((0, 100_000), description="Lowest and highest quantity of a line; 0 is no purchase.")
    sales_value: Range = Field((0, 10_000), description="Lowest and highest value of a line, in the currency.")
    is_product_once_a_basket: bool = Field(True, description="A second line of a product in a basket is a duplicate.")
    is_household_required: bool = Field(True, description="False: baskets without a loyalty card are kept, unscored.")
    volume_against_weekday: Range = Field(
        (0.4, 2.5), description="Lines of a day over the median of the same weekday in the eight weeks before."
    )
    max_quarantined_share: float = Field(0.02, ge=0, le=1, description="Above it the day is not to be trusted.")
    allowed: dict[Literal["household_id", "basket_id", "product_id", "store_id"], list[str]] = Field(
        {}, description="The only values of a column that a line may have, by our name for it: `store_id = ['1', '2']`."
    )
    columns: dict[str, Literal["text", "integer", "number", "boolean", "date", "time", "instant"]] = Field(
        {},
        description="Columns of the file, by its own names, that must be there, with their types; those that our columns "
        "are made of must be there anyway. `time` is without offset, `instant` with one. In CSV everything is text.",
    )
    due_by: dt.time | None = Field(
        None, description="Local time, on the day after, by which the day's feed is there: `06:00:00`."
    )


class Transactions(FeedFiles):
    """The feed of basket lines."""

    columns: TransactionColumns
    timestamps_in: str = Field("local", description="Zone of timestamps without offset: `local`, `UTC`, or a name.")
    timestamp_format: str | None = Field(None, description="strptime format, when it is not ISO 8601.")
    contract: TransactionContract = TransactionContract()  # pyright: ignore[reportCallIssue]

    @model_validator(mode="after")
    def _allowed_values_are_of_columns_that_there_are(self) -> Transactions:
        if without := [name for name in self.contract.allowed if not getattr(self.columns, name)]:
            raise ValueError(f"contract.allowed names {', '.join(without)}, which columns does not map")
        return self


class Landing(Section):
    """Where files of single days arrive, in the feed's own format: the sensor `ingest_on_arrival` watches it."""

    path: str = Field(
        description="File or URL with `{date}` or `{date:%Y%m%d}` (of %Y, %m, %d and %j), and globs: as in "
        "`transactions.path`, or another place. `{state}` is the retailer's state folder."
    )
    marker: str | None = Field(
        None, min_length=1, description="Ending of the file that is put beside one that is complete, such as `.done`."
    )
    settle_seconds: int = Field(
        60, ge=0, description="Without a marker, a file is complete when it has stayed as it is for so long."
    )
    files_a_day: int = Field(1, ge=1, description="With fewer files than this, a day is not complete.")

    @field_validator("path")
    @classmethod
    def _path_tells_the_day(cls, value: str) -> str:
        told = set(re.findall(r"%(.)", "".join(found or "%Y-%m-%d" for found in DATE_IN_PATH.findall(value))))
        if not (told >= set("Ymd") or told >= set("Yj")):
            raise ValueError("it does not tell the day: put {date}, or all its parts such as {date:%Y%m%d}, into it")
        if unknown := told - DAY_DIRECTIVES:
            raise ValueError(f"%{min(unknown)} cannot be read back from a path: use %Y, %m, %d or %j")
        return value


class ProductColumns(Section):
    """The catalogue's names for our columns."""

    product_id: str
    name: OneOrMore = Field([], description="What a shopper would call it; several columns are joined by a blank.")
    category: str | None = None
    subcategory: str | None = Field(None, description="Finer than the category: what replaces what.")
    department: str | None = None
    brand: str | None = None


class Products(FeedFiles):
    """The catalogue, and what of it is recommendable."""

    columns: ProductColumns
    not_recommendable: dict[Literal["product_id", "category", "subcategory", "department", "brand"], list[str]] = Field(
        {}, description="Values that rule a product out, by column. A product without a catalogue row is ruled out too."
    )


class HouseholdColumns(Section):
    """The household file's name for our column; all its other columns are kept as attributes."""

    household_id: str


class Households(FeedFiles):
    """What is known of households beside their baskets."""

    columns: HouseholdColumns


class OfferColumns(Section):
    """The offer file's names for our columns: what, where, and from when to when or in which week."""

    product_id: str
    store_id: str | None = Field(None, description="Where; a line without one is of all stores. Default: all stores.")
    starts_on: str | None = Field(None, description="First day, a date.")
    ends_on: str | None = Field(None, description="Last day, a date.")
    week: str | None = Field(None, description="Number of the week, instead of the two dates.")


class Offers(FeedFiles):
    """Planned offers: what the leaflet will show, in which days and stores. Past ones stay in the file: they are learnt from."""

    columns: OfferColumns
    date_format: str | None = Field(None, description="strptime format, when the dates are not ISO 8601.")
    first_week_starts: dt.date | None = Field(None, description="First day of the week that `columns.week` calls 1.")
    where: dict[str, list[str]] = Field(
        {}, description="Values that make a line count, by the file's own column: lines with any other do not."
    )
    unless: dict[str, list[str]] = Field({}, description="Values that make a line not count, by the file's own column.")
    announced_days_before: int = Field(
        1, ge=0, description="Days before its first day at whose close an offer is certain: 1 is the day before."
    )

    @model_validator(mode="after")
    def _days_are_told_in_one_way(self) -> Offers:
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


class Schedule(Section):
    """When the nightly run is tried, in the retailer's time zone."""

    cron: str = Field("30 1-6 * * *", description="Every tick after midnight runs the day just closed, once.")


class Model(Section):
    """What is trained, on what, and against what it is judged."""

    family: str = Field(
        "assets.grocery.training.models.two_stage:TwoStageRanker", description="Import path of the class."
    )
    parameters: dict[str, Any] = Field({}, description="Keyword arguments of the class.")
    baselines: list[str] = Field(
        [
            "assets.grocery.training.models.baselines:GlobalTop",
            "assets.grocery.training.models.baselines:PersonalTopFrequency",
            "assets.grocery.training.models.baselines:DecayedPersonalFrequency",
        ],
        description="Import paths of the models that a challenger must beat.",
    )
    label_weeks: int = Field(12, ge=1, description="Weeks of labels to train on, before the holdout.")
    holdout_weeks: int = Field(1, ge=1, description="Latest weeks of labels, unseen in training, that judge.")
    candidates: int = Field(80, ge=10, description="Products of a household's own history that reach the ranker.")
    new_candidates: int = Field(20, ge=10, description="Products that a household never bought that reach the ranker.")
    households_a_week: int = Field(
        4_000, ge=100, description="At most so many households of a label week are learnt from."
    )
    top_k: int = Field(12, ge=1, description="Length of a recommendation list.")
    explore_places: int = Field(
        2, ge=0, description="How many of these places are kept for products that the household never bought."
    )
    seed: int = 20170101

    @property
    def ranked_places(self) -> int:
        """The places of a list that go by score alone."""
        return self.top_k - self.explore_places

    @model_validator(mode="after")
    def _some_places_go_by_score(self) -> Model:
        if self.explore_places >= self.top_k:
            raise ValueError("explore_places leaves no place by score: it must be below top_k")
        return self


class Promotion(Section):
    """How a challenger is measured against the others; what it must show to become champion is the policy's."""

    metric: Literal["recall", "ndcg", "hit_rate"] = Field(
        "recall", description="Judged at the places that go by score."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the paired bootstrap interval of the difference.")
    bootstrap_samples: int = Field(2_000, ge=200)
    min_households: int = Field(
        30, description="Of fewer households than this nothing is told: no slice of the holdout, no series of nights."
    )


class PolicyPlace(Section):
    """Where the rules are that say what is allowed: who may become champion, what may stand in a list."""

    path: str = Field("config/policy", description="Folder of .rego files, from the project's folder.")
    server: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Address of an OPA server that was given these files, and answers instead of the process itself.",
    )


class Alerts(Section):
    """When and where people are told that something is wrong."""

    urls_in: str = Field(
        "NIGHTCART_ALERT_URLS",
        description="Name of the environment variable with the addresses, as apprise writes them and separated by blanks "
        "(`slack://…`, `msteams://…`, `mailtos://…`): they hold secrets, so they never stand here. Without it, the log.",
    )
    night_is_due_by: dt.time = Field(
        dt.time(7), description="Local time at which a night without good lists is missed: the last try is at 06:30."
    )
    repeat_after_hours: float = Field(
        24,
        gt=0,
        description="What lasts is told again after so long: once a day, at the time of day it was first told.",
    )
    drift_nights: int = Field(
        3, ge=1, description="Nights in a row at level warn that are told; one is weather, three are no weekend."
    )


class Retraining(Section):
    """When the model is trained anew, and how often that is attempted."""

    max_age_days: int = Field(
        7,
        ge=1,
        description="Days since the last training after which the model is trained anew, whatever the watches say. A "
        "week: every weekday has been in the labels once more, and last week's products and prices are learnt.",
    )
    new_label_weeks: int = Field(
        4,
        ge=1,
        description="Weeks of baskets since the last training that are worth a new one by themselves. Four are a third "
        "of the twelve that are learnt from; it speaks where `max_age_days` was made longer.",
    )
    windows: int = Field(
        7, ge=1, description="The latest nights that a watch is judged over. Seven: every weekday counts once."
    )
    bad_windows: int = Field(
        4,
        ge=1,
        description="How many of them must be bad, the latest among them. Four are more than a holiday's rush lasts; "
        "with one false alarm a month and watch, four of seven by chance come once in a hundred years.",
    )
    cool_down_days: int = Field(
        3,
        ge=1,
        description="Days after a training, or a decision for one, in which only a person's wish decides another. Less "
        "than half of a holdout week has changed by then: asked more often, luck would promote.",
    )
    attempts: int = Field(
        4,
        ge=1,
        description="Runs that are tried for one decision before a person is told. With the back-off below the last "
        "one begins more than five hours after the first: an outage of a night is outlasted.",
    )
    backoff_minutes: float = Field(
        15, gt=0, description="Wait after the first failed run. A restart of a server or a database is over by then."
    )
    backoff_factor: float = Field(
        4, ge=1, description="By how much longer every next wait is: 15 minutes, an hour, four hours."
    )

    def backoff(self, number: int) -> dt.timedelta:
        """How long to wait after attempt `number`, which are counted from 1, before the next."""
        return dt.timedelta(minutes=self.backoff_minutes * self.backoff_factor ** (number - 1))

    @model_validator(mode="after")
    def _windows_can_be_bad(self) -> Retraining:
        if self.bad_windows > self.windows:
            raise ValueError("bad_windows is above windows: so many of them can never be bad")
        return self


class Settings(BaseSettings):
    """Everything that differs between two retailers."""

    model_config = SettingsConfigDict(
        env_prefix="NIGHTCART_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    name: str = Field(description="Short name, used for the registered model.", pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(description="Name for people.")
    timezone: str = Field(description="IANA zone in which a business day begins at midnight.")
    currency: str = Field("USD", description="ISO 4217, for display.")
    first_business_day: dt.date = Field(description="First day of the history to take in.")
    last_business_day: dt.date | None = Field(
        None, description="Last day of a finished data set; a live feed has none."
    )
    closed_days: list[dt.date | str] = Field([], description="Days without sales: dates, or `12-25` for every year.")
    transactions: Transactions
    products: Products | None = None
    households: Households | None = None
    offers: Offers | None = None
    landing: Landing | None = None
    schedule: Schedule = Schedule()  # pyright: ignore[reportCallIssue]
    model: Model = Model()  # pyright: ignore[reportCallIssue]
    promotion: Promotion = Promotion()  # pyright: ignore[reportCallIssue]
    policy: PolicyPlace = PolicyPlace()  # pyright: ignore[reportCallIssue]
    alerts: Alerts = Alerts()  # pyright: ignore[reportCallIssue]
    retraining: Retraining = Retraining()  # pyright: ignore[reportCallIssue]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone, such as Europe/Berlin") from error
        return value

    @field_validator("closed_days")
    @classmethod
    def _closed_days_are_days(cls, value: list[dt.date | str]) -> list[dt.date | str]:
        for day in value:
            if isinstance(day, str) and not re.fullmatch(r"\d\d-\d\d", day):
                raise ValueError(f"{day!r} is neither a date (2017-12-25) nor a day of every year ('12-25')")
        return value

    @field_validator("products", "households", "offers")
    @classmethod
    def _snapshots_are_not_dated(cls, value: FeedFiles | None) -> FeedFiles | None:
        if value and value.is_dated:
            raise ValueError("a snapshot is one file, not one a day: leave {date} out of its path")
        return value

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Settings:
        if self.last_business_day and self.last_business_day < self.first_business_day:
            raise ValueError("last_business_day is before first_business_day")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file that :func:`load_settings` hands in."""
        return (env_settings, init_settings)

    def is_closed(self, day: dt.date) -> bool:
        """Whether the retailer declared `day` closed: no feed is expected."""
        return day in self.closed_days or f"{day:%m-%d}" in self.closed_days

    def switched_off(self) -> list[str]:
        """What this retailer's data cannot support, one line each."""
        columns = self.transactions.columns
        catalogue = self.products.columns if self.products else None
        lacking = {
            "no transactions.columns.basket_id: purchases of a household at one instant count as one basket": columns.basket_id
            is None,
            "no transactions.columns.quantity: every line counts as one item": columns.quantity is None,
            "no transactions.columns.sales_value: features of price and spend are off": columns.sales_value is None,
            "no transactions.columns.store_id: lines carry no store": columns.store_id is None,
            "no [products]: every product is recommendable, names are identifiers, category affinity is off": catalogue
            is None,
            "no products.columns.category: category affinity is off": catalogue is not None and not catalogue.category,
            "no products.columns.name: names are identifiers": catalogue is not None and not catalogue.name,
            "no [households]: households are those of the baskets, without attributes": self.households is None,
            "no [offers]: features of planned offers are off": self.offers is None,
        }
        return [line for line, is_lacking in lacking.items() if is_lacking]


@functools.cache
def load_settings(path: Path | None = None) -> Settings:
    """The settings in use, or those of the file `path`; read once a process.

    Raises :class:`Refused` when the file is missing or breaks the model, naming the setting.
    """
    file = path or home.config_file()
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Refused(
            f"There is no configuration file {file}.",
            remedy="name an existing one in NIGHTCART_CONFIG or with `nightcart use`, or write one with `nightcart init`.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{file} is not valid TOML: {error}.", remedy="correct that line.") from error
    try:
        return Settings(**values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise Refused(f"{file} is not a usable configuration: {problems}.", remedy="correct these settings.") from error
