"""What a domain gives to the model lifecycle: its examples, its measures, its drift checks and its words.

The lifecycle trains a challenger, judges it, promotes, watches, and decides when to train again; it knows no domain by
name. A domain is one class that fills in :class:`Domain`: :mod:`assets.grocery.domain` is the first, the toy of
tests/support/toy_domain.py the smallest. What makes a domain's tables (ingestion, features, scores) is
the domain's own and does not belong here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from assets.quality.gates import Gates, Versions
from resources.days import ranges

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assets.lifecycle.drift import DriftReport
    from assets.lifecycle.model import Model
    from resources.models.registry import ModelRegistry
    from resources.policy.client import Policy
    from resources.records.store import OperationsDatabase
    from resources.resources import Resources
    from resources.tables.store import TableStore

NO_TIME = dt.timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The label windows of a night, each by the close (as-of date) that it begins after, newest first."""

    train: tuple[dt.date, ...]
    holdout: tuple[dt.date, ...]

    @property
    def all(self) -> tuple[dt.date, ...]:
        """Both, newest first."""
        return (*self.holdout, *self.train)


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """One model's lifecycle at work: a domain, its settings, the adapters, and who runs it.

    `settings` is the domain's own settings object, a :class:`resources.config.lifecycle.LifecycleSettings`.
    """

    domain: Domain
    settings: Any
    tables: TableStore
    registry: ModelRegistry
    operations: OperationsDatabase
    policy: Policy
    gates: Gates = field(default_factory=Gates)
    run_id: str = ""
    say: Callable[[str], object] = field(default=lambda _: None, repr=False)

    @classmethod
    def over(cls, domain: Domain, bundle: Resources[Any], **others: Any) -> Lifecycle:
        """The lifecycle of `domain` over a bundle of adapters."""
        return cls(
            domain=domain,
            settings=bundle.settings,
            tables=bundle.tables,
            registry=bundle.registry,
            operations=bundle.operations,
            policy=bundle.policy,
            **others,
        )

    def by(self, **changes: Any) -> Lifecycle:
        """The same with another run or another way to say what is done."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A drift check: one look a night at whether something is still like what the champion was made of.

    `look` is given the lifecycle, the night and the champion's reference (:meth:`Domain.reference`), and reports;
    `reads` are the tables that it reads. `is_of_nights_champion`: it judges what the champion of that very night made,
    not what the one before was given.

    How its errors count for retraining: `makes_bad_nights`, or, as `excuses` for other watches, errors of a feed, on
    which nobody is to train; `lag` is how far behind a night the scores are that it judges.
    """

    name: str
    check: str
    look: Callable[[Lifecycle, dt.date, str], DriftReport]
    reads: Sequence[str]
    is_of_nights_champion: bool = False
    makes_bad_nights: bool = True
    excuses: bool = False
    lag: dt.timedelta = NO_TIME

    @property
    def description(self) -> str:
        """The docstring of `look`."""
        return self.look.__doc__ or ""


@dataclass(frozen=True, kw_only=True)
class CardText:
    """A model card's sentences that are the domain's."""

    purpose: str
    learnt: str
    means: str
    slices: str


class Domain(Protocol):
    """What the lifecycle asks of a domain. Methods with a body are optional: subclass the protocol to have them.

    `keys` are the identifying columns of an example, the first of which is the subject: whom scores are for, and whom
    the bootstrap draws. `labels` are the columns of an example that are not known when it is scored. `metrics` are the
    columns of :meth:`unit_metrics`, higher is better; `slice_metric` names that of :meth:`slice_metrics`.
    """

    name: str
    subjects: str  # plural noun: `households`
    new_data: str  # what new labels come from: `baskets`
    outcome: str  # what a probability is of: `bought within seven days`
    keys: Sequence[str]
    labels: Sequence[str]
    label_days: int  # days from a window's close to the last of its labels
    metrics: Sequence[str]
    slice_metric: str
    limits: Sequence[str]  # of every model of the domain, for its card: what it cannot know
    examples_table: str
    input_tables: Sequence[str]  # whose versions go on record with a model's version, the table of examples among them
    feature_tables: Sequence[str]  # of a night; a reference may use one whose gates are open
    reference_tables: Sequence[str]  # that `reference` reads, features among them
    holdout_tables: Sequence[str]  # that `slice_metrics` reads beside the examples
    data_table: str  # that `days_with_data` reads
    watches: Sequence[Watch]

    def windows(self, day: dt.date, settings: Any) -> Windows:
        """The label windows of the night of `day`; raises :class:`resources.errors.Refused` with too little history."""
        ...

    def inputs(self, day: dt.date, work: Lifecycle) -> Mapping[str, Versions]:
        """Versions by gated subject of what the examples up to `day` are made of: their gates must be open."""
        ...

    def examples(self, as_of: Sequence[dt.date], work: Lifecycle, *, version: int | None = None) -> pd.DataFrame:
        """The labelled examples of some windows to learn from, in a fixed order: features and `labels`.

        `version` is that of the table of examples, by default the newest.
        """
        ...

    def holdout(
        self, as_of: Sequence[dt.date], work: Lifecycle, *, version: int | None = None
    ) -> Iterable[pd.DataFrame]:
        """Those of some windows to judge by, with `keys` besides: in as many parts as memory asks for, each made when it is its turn."""
        ...

    def unit_metrics(self, holdout: pd.DataFrame, scores: np.ndarray, settings: Any) -> pd.DataFrame:
        """The `metrics` of what is judged one by one, such as a subject's window; the subject is a level of the index."""
        ...

    def scored(self, part: pd.DataFrame) -> pd.DataFrame:
        """What metrics need of a part of the holdout once it has scores: less than all, where its features take much."""
        return part

    def days_with_data(self, tables: TableStore) -> Collection[dt.date]:
        """The days that new labels can come from."""
        ...

    def made_from(self, as_of: Sequence[dt.date], work: Lifecycle) -> Sequence[Any]:
        """What tells examples of some windows from others: a model made of the same is the same version."""
        return [str(day) for day in as_of]

    def recorded_metrics(self, holdout: pd.DataFrame, scores: np.ndarray, settings: Any) -> Mapping[str, pd.Series]:
        """All metrics that go on record with a version, by recorded name, each one value a unit."""
        units = self.unit_metrics(holdout, scores, settings)
        return {name: units[name] for name in self.metrics}

    def probabilities(
        self, holdout: pd.DataFrame, scores: np.ndarray, settings: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, outcomes and weights that a calibration is judged by, where scores are probabilities."""
        raise NotImplementedError(f"{self.name} has scores that are probabilities, and no `probabilities`")

    def slice_metrics(
        self, holdout: pd.DataFrame, as_of: Sequence[dt.date], work: Lifecycle
    ) -> Callable[[np.ndarray], pd.DataFrame] | None:
        """A function of scores: `slice`, `value` and `score` (the slice metric) a unit, indexed as unit metrics are."""
        return None

    def reference(
        self,
        day: dt.date,
        model: Model,
        promised: Mapping[str, Sequence[float]],
        work: Lifecycle,
        may_be_used: Callable[[dt.date], bool],
    ) -> str:
        """The text that later nights are compared with by `watches`; kept with the version.

        `promised` is value, low and high by metric; `may_be_used` tells whether a night's features passed their gates.
        """
        return ""

    def examples_again(
        self, as_of: Sequence[dt.date], versions: Callable[[str], int], work: Lifecycle
    ) -> pd.DataFrame | None:
        """The examples made anew from the `versions` of their tables; None where they are not made of anything else."""
        return None

    def card_facts(self, settings: Any) -> Mapping[str, Any]:
        """Further facts that go on record for the card."""
        return {}

    def card_text(self, facts: Mapping[str, Any]) -> CardText:
        """The card's sentences, of what is on record of a version."""
        learnt = f"{facts['examples']} examples of the windows after {_told(facts['label_weeks'])}"
        return CardText(
            purpose=f"scores {self.subjects}",
            learnt=f"{learnt}. Judged on the windows after {_told(facts['holdout'])}, which it has not seen",
            means=f"Means over the {self.subjects} of the holdout",
            slices=f"{self.slice_metric.capitalize()} within parts of the {self.subjects}",
        )


def _told(closes: Sequence[str]) -> str:
    """Days as a card says them: those of a run by the first and the last."""
    runs = ranges(map(dt.date.fromisoformat, closes))
    return ", ".join(str(first) if first == last else f"{first} … {last}" for first, last in runs)
