"""Great Expectations, in one call: a frame and expectations as data in, what held and where it did not out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One expectation of Great Expectations as data: its type in snake case, and its arguments."""

    type: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one expectation; `offenders` are the index values of the rows that break it, `observed` theirs."""

    expectation: Expectation
    is_met: bool
    offenders: Sequence[Any] = ()
    observed: Sequence[Any] = ()


def validate(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[Outcome]:
    """Validate `frame` in one pass; rows are named by the frame's index. Importing the library costs seconds."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    index = str(frame.index.name or "index")
    batch = (
        context.data_sources.add_pandas("frame")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("whole")
        .get_batch(batch_parameters={"dataframe": frame.rename_axis(index).reset_index()})
    )
    suite = gx.ExpectationSuite(
        name="suite",
        expectations=[
            ExpectationConfiguration(type=e.type, kwargs=dict(e.kwargs), meta={"place": place}).to_domain_obj()
            for place, e in enumerate(expectations)
        ],
    )
    report = batch.validate(
        suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [index]}
    )
    results = sorted(report.results, key=lambda result: result.expectation_config.meta["place"])  # pyright: ignore
    return [_outcome(expectation, result, index) for expectation, result in zip(expectations, results, strict=True)]


def _outcome(expectation: Expectation, result: Any, index: str) -> Outcome:
    raised = result.exception_info or {}
    if raised.get("raised_exception") or any(isinstance(entry, dict) for entry in raised.values()):
        raise RuntimeError(f"{expectation.type}({dict(expectation.kwargs)}) could not be evaluated: {raised}")
    rows = result.result.get("unexpected_index_list") or []
    column = expectation.kwargs.get("column")
    return Outcome(
        expectation=expectation,
        is_met=bool(result.success),
        offenders=[row[index] for row in rows],
        # numpy scalars do not go into Dagster's metadata
        observed=[getattr(row.get(column), "item", lambda row=row: row.get(column))() for row in rows],
    )
