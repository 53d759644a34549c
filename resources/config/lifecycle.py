"""What a model lifecycle is configured by, whatever the domain: training, promotion, policy, retraining, alerts, schedule.

A domain's own settings (`resources/config/retailer.py`) extend :class:`LifecycleSettings`, and give the defaults that only
the domain can know, such as the family of models.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from resources.config import validators
from resources.config.base import BaseConfig, setting
from resources.config.costs import CostsConfig


class ScheduleConfig(BaseConfig):
    """When the nightly run is tried, in the domain's time zone."""

    cron: str = setting(validators.EVERY_NIGHT, "Every tick after midnight runs the day just closed, once.")

    _cron_comes = field_validator("cron")(validators.cron)


class ModelConfig(BaseConfig):
    """What is trained, on what, and against what it is judged."""

    family: str = Field(description="Import path of the class.")
    parameters: dict[str, Any] = setting({}, "Keyword arguments of the class.")
    baselines: list[str] = setting([], "Import paths of the models that a challenger must beat.")
    label_weeks: int = setting(12, "Weeks of labels to train on, before the holdout.", ge=1)
    holdout_weeks: int = setting(1, "Latest weeks of labels, unseen in training, that judge.", ge=1)
    seed: int = 20170101


class PromotionConfig(BaseConfig):
    """How a challenger is measured against the others; what it must show to become champion is the policy's."""

    metric: str = Field(description="The metric that decides.")
    confidence: float = setting(0.95, "Of the paired bootstrap interval of the difference.", gt=0.5, lt=1)
    bootstrap_samples: int = Field(default=2_000, ge=200)
    min_subjects: int = Field(
        default=30,
        validation_alias=AliasChoices("min_households", "min_subjects"),
        description="Of fewer subjects than this nothing is said: no slice of the holdout, no series of nights.",
    )


class PolicyConfig(BaseConfig):
    """Where the rules are that say what is allowed: who may become champion, what may be published."""

    path: str = setting("config/policy", "Folder of .rego files, from the project's folder.")
    server: str | None = setting(
        None,
        "Address of an OPA server that was given these files, and answers instead of the process itself.",
        pattern=r"^https?://",
    )


class AlertsConfig(BaseConfig):
    """When and where people are told that something is wrong."""

    urls_in: str = setting(
        "NIGHTCART_ALERT_URLS",
        "Name of the environment variable with the addresses, as apprise writes them and separated by blanks "
        "(`slack://…`, `msteams://…`, `mailtos://…`): they hold secrets, so they never stand here. Without it, the log.",
    )
    night_is_due_by: dt.time = setting(
        dt.time(7), "Local time at which a night without good results is missed: the last try is at 06:30."
    )
    repeat_after_hours: float = setting(
        24, "What lasts is told again after so long: once a day, at the time of day it was first told.", gt=0
    )
    drift_nights: int = setting(
        3, "Nights in a row at level warn that are told; one is weather, three are no weekend.", ge=1
    )


class RetrainingConfig(BaseConfig):
    """When the model is trained anew, and how often that is attempted."""

    max_age_days: int = setting(
        7,
        "Days since the last training after which the model is trained anew, whatever the drift checks say. "
        "A week: every weekday has been in the labels once more, and what is new since then is learnt.",
        ge=1,
    )
    new_label_weeks: int = setting(
        4,
        "Weeks of labels since the last training that are worth a new one by themselves. Four are a third "
        "of the twelve that are learnt from; it matters where `max_age_days` was made longer.",
        ge=1,
    )
    windows: int = setting(
        7, "The latest nights that a drift check is judged over. Seven: every weekday counts once.", ge=1
    )
    bad_windows: int = setting(
        4,
        "How many of them must be bad, the latest among them. Four are more than a holiday's rush lasts; "
        "with one false alarm a month and check, four of seven by chance come once in a hundred years.",
        ge=1,
    )
    cool_down_days: int = setting(
        3,
        "Days after a training, or a decision for one, in which only a person's request decides another. Less "
        "than half of a holdout week has changed by then: asked more often, luck would promote.",
        ge=1,
    )
    attempts: int = setting(
        4,
        "Runs that are tried for one decision before a person is told. With the back-off below the last "
        "one begins more than five hours after the first: an outage of a night is outlasted.",
        ge=1,
    )
    backoff_minutes: float = setting(
        15, "Wait after the first failed run. A restart of a server or a database is over by then.", gt=0
    )
    backoff_factor: float = setting(4, "By how much longer every next wait is: 15 minutes, an hour, four hours.", ge=1)

    def backoff(self, number: int) -> dt.timedelta:
        """How long to wait after attempt `number`, which are counted from 1, before the next."""
        return dt.timedelta(minutes=self.backoff_minutes * self.backoff_factor ** (number - 1))

    @model_validator(mode="after")
    def _windows_can_be_bad(self) -> RetrainingConfig:
        if self.bad_windows > self.windows:
            raise ValueError("bad_windows is above windows: so many of them can never be bad")
        return self


class RetentionConfig(BaseConfig):
    """What `nightcart prune` leaves: business days are counted back from the newest night, runs and catalogues from today."""

    explained_days: int = setting(
        400, "Days of which it can be explained why scores were as they were, from the very tables of then.", ge=7
    )
    champions: int = setting(
        5, "The last champions that stay, and can be made again, however long ago they served.", ge=2
    )
    versions_days: int = setting(120, "Days for which every other version of the model stays.", ge=7)
    raw_days: int = setting(400, "Days for which the copies of delivered files stay.", ge=7)
    log_days: int = setting(
        60, "Days for which the steps' own messages stay; what was made, checked and decided stays for good.", ge=7
    )
    cost_days: int = setting(400, "Days for which it is known what each step cost.", ge=60)


class LifecycleSettings(BaseSettings):
    """What every domain's file has: a name, a calendar, and the lifecycle's tables.

    An environment variable overrides a value of the file: `NIGHTCART_MODEL__SEED=7` is `[model] seed`.
    """

    model_config = SettingsConfigDict(
        env_prefix="NIGHTCART_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    name: str = Field(description="Short name, used for the registered model.", pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(description="Name for people.")
    timezone: str = Field(description="IANA zone in which a business day begins at midnight.")
    first_business_day: dt.date = Field(description="First day of the history to take in.")
    last_business_day: dt.date | None = setting(None, "Last day of a finished data set; a live feed has none.")
    closed_days: list[dt.date | str] = setting([], "Days without business: dates, or `12-25` for every year.")
    schedule: ScheduleConfig = ScheduleConfig()
    model: ModelConfig
    promotion: PromotionConfig
    policy: PolicyConfig = PolicyConfig()
    alerts: AlertsConfig = AlertsConfig()
    retraining: RetrainingConfig = RetrainingConfig()
    retention: RetentionConfig = RetentionConfig()
    costs: CostsConfig = CostsConfig()

    _zone_exists = field_validator("timezone")(validators.zone)

    @field_validator("closed_days")
    @classmethod
    def _closed_days_are_days(cls, value: list[dt.date | str]) -> list[dt.date | str]:
        return [validators.closed_day(day) for day in value]

    @model_validator(mode="after")
    def _days_are_in_order(self) -> LifecycleSettings:
        if self.last_business_day and self.last_business_day < self.first_business_day:
            raise ValueError(
                f"last_business_day ({self.last_business_day}) is before first_business_day ({self.first_business_day}): "
                "exchange them"
            )
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
        """The environment over the file that `resources.config.loader` hands in."""
        return (env_settings, init_settings)

    @property
    def registered_model(self) -> str:
        """The name of its model in the registry."""
        return f"{self.name}_model"

    def local_day(self, now: dt.datetime) -> dt.date:
        """The calendar day of an instant, in the zone of the business days."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def is_closed(self, day: dt.date) -> bool:
        """Whether `day` is declared closed: no feed is expected."""
        return day in self.closed_days or f"{day:%m-%d}" in self.closed_days
