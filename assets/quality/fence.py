"""A step that is fenced: what it reads is of one version, and what it writes is made onto that, by the latest run alone.

A run that slept after its gates, or was believed dead and made again, would else write over what is newer. So a step
takes a token for what it makes (`resources.records.fencing`), and asks once more at each commit: whether its run is not over and
no later one at work on the same, and whether all that its gates let through is still there, with the gates still open. What comes
between that question and the commit, the table's own log decides (`resources.tables.fence`).
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import dagster as dg

from assets.failures import explained
from assets.partitions import first_and_last
from assets.quality.costs import costed
from assets.quality.gates import Gates, Versions
from resources.errors import Superseded
from resources.records.fencing import FencingToken
from resources.records.privacy import Erasure
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase
from resources.tables.fence import Fence
from resources.text import listed

if TYPE_CHECKING:
    from resources.tables.store import TableStore

P = ParamSpec("P")
R = TypeVar("R")

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def fenced(body: Callable[P, R]) -> Callable[P, R]:
    """Make the body of an asset a fenced step, whose failures are explained (:func:`assets.failures.explained`) and cost known.

    It takes `tables` and `operations` as resources, and `gates` if it asks any.
    """

    @explained
    @functools.wraps(body)
    def run(*args: P.args, **resources: P.kwargs) -> R:
        (context,) = args
        assert isinstance(context, dg.AssetExecutionContext)
        outputs = [key.to_user_string() for key in context.selected_asset_keys]
        with costed(context, resources):
            return body(*args, **begin(context, resources, writes=outputs))  # pyright: ignore[reportCallIssue]

    return run


def begin(context: Context, resources: Mapping[str, Any], *, writes: Iterable[str] = ()) -> dict[str, Any]:
    """The resources of a step, fenced; raises :class:`Superseded` if a later run is at work on the same, or this one is over.

    `writes` are the tables that it makes, each with its quarantine.
    """
    days = first_and_last(context.run.tags) or (dt.date.min, dt.date.max)
    operations: OperationsDatabase = resources["operations"].fenced(
        FencingToken(
            subject=context.op_def.name,
            since=days[0],
            until=days[1],
            run_id=context.run.run_id,
            taken_at=dt.datetime.now(dt.UTC),
        ),
        end=lambda: _end_of(context),
    )
    step = FencedStep(resources={**resources, "operations": operations}, erasures=_erasures(operations))
    assert operations.token
    fence = Fence(
        tables=resources["tables"],
        run_id=context.run.run_id,
        token=(operations.token.token, operations.number),
        days=days,
        ask=lambda: step.ask(tables),
    )
    names = [name for table in writes for name in (table, f"{table}_quarantine")]
    tables = resources["tables"].fenced(fence, writes=names)
    gates = {"gates": _Asked(resources["gates"], step)} if "gates" in resources else {}
    return {**resources, "operations": operations, "tables": tables, **gates}


@dataclass(frozen=True, kw_only=True)
class FencedStep:
    """What a fenced step was begun with, and what its gates have let through: the versions of each subject."""

    resources: Mapping[str, Any]  # the records with their token, the tables as they are now
    erasures: int  # that were on record
    asked: dict[str, tuple[Versions, int]] = field(default_factory=dict)

    def note(self, needs: Mapping[str, Versions], last: Mapping[str, int]) -> None:
        """Note what was let through, and which verdict was the last on each."""
        for subject, versions in needs.items():
            before, _ = self.asked.get(subject, ({}, 0))
            self.asked[subject] = ({**before, **versions}, last[subject])

    def ask(self, seen: TableStore) -> None:
        """Raise :class:`Superseded` unless this run is the latest, and all that was let through is there and still is.

        And where somebody was forgotten since: what was read may have them.
        """
        operations: OperationsDatabase = self.resources["operations"]
        operations.require_newest()
        if _erasures(operations) > self.erasures:
            raise Superseded(
                "Somebody was forgotten since this step began, and what it has read may have them. Nothing of it is written.",
                remedy="nothing is to be done if a later run makes it again; else `nightcart nightly --date YYYY-MM-DD` goes on with what is there now.",
            )
        for subject, (versions, last) in self.asked.items():
            gates: Gates = self.resources["gates"]
            if not seen.is_newest(subject) or gates[subject][0].versions:
                self._require_present(gates, subject, versions, seen)
            if _last_verdict(operations, subject) != last:
                gates.require(operations, {subject: versions}, now=dt.datetime.now(dt.UTC))

    def _require_present(self, gates: Gates, subject: str, versions: Versions, seen: TableStore) -> None:
        present = gates[subject][0].present([each for each in versions if each], **self.resources)
        if changed := [each for each, version in versions.items() if present.get(each) != version]:
            writes = seen.writes_since(subject) if seen.exists(subject) else []
            by = f" ({listed(writes[-3:])})" if writes else ""
            raise superseded(f"{subject}{f' of {listed(changed, 3)}' if changed[0] else ''}", by)


def superseded(what: str, by: str) -> Superseded:
    """What is to be told where `what` a run had read was replaced meanwhile, `by` whom."""
    return Superseded(
        f"{what} is no longer what this run has read{by}. What was made of it is not written.",
        remedy="nothing is to be done if a later run makes it again; else `nightcart nightly --date YYYY-MM-DD --force` begins "
        "with what is there now.",
    )


class _Asked(Gates):
    """The gates of a step, which remembers what they have let through."""

    def __init__(self, gates: Gates, step: FencedStep) -> None:
        super().__init__(gate for of_subject in gates.values() for gate in of_subject)
        self._step = step

    def require(self, operations: OperationsDatabase, needs: Mapping[str, Versions], *, now: dt.datetime) -> None:
        last = {subject: _last_verdict(operations, subject) for subject in needs}  # before the look at them
        super().require(operations, needs, now=now)
        self._step.note(needs, last)


def _end_of(context: Context) -> str | None:
    """How the run ended, as Dagster has it by now; None while it is under way."""
    run = context.instance.get_run_by_id(context.run.run_id)
    return run.status.value if run and run.is_finished else None


def _erasures(operations: OperationsDatabase) -> int:
    """How many a person has asked for; those that a restore lacked go on record again at the beginning of a night."""
    return sum(bool(each.by) for each in operations.records(Erasure, step=Erasure.ASKED))


def _last_verdict(operations: OperationsDatabase, subject: str) -> int:
    return max((number for number, _ in operations.numbered(Verdict, subject=subject, last=1)), default=0)
