"""`nightcart benchmark quality`: our model and its rivals on the retailer's own data."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportArgumentType=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli import context
from orchestration.cli.drawing import DAY, TextTable, console, say, styled, table
from resources import home
from resources.errors import Refused

if TYPE_CHECKING:
    import pandas as pd

    from assets.grocery.evaluation.contest import Contestant
    from assets.grocery.evaluation.protocol import Comparison

benchmark = typer.Typer(help="Measure, on the data of the retailer in use.", no_args_is_help=True)


@benchmark.callback()
def _group() -> None:
    """Keeps `quality` a command of its own while it is the only one."""


@benchmark.command()
def quality(
    weeks: Annotated[int, typer.Option(min=1, help="How many weeks are judged.")] = 8,
    to: Annotated[
        dt.datetime | None, typer.Option(**DAY, help="Last day of the last week; default: the last taken in.")
    ] = None,
    rivals: Annotated[str, typer.Option(help="Names of rivals' classes with commas, `all` or `none`.")] = "all",
    out: Annotated[Path | None, typer.Option(help="Folder of the results; default: in the state folder.")] = None,
) -> None:
    """Is the model better than what one could pick instead? The last weeks, week by week, against ten other methods.

    For each week the model is trained as the nightly would have trained it the evening before, and every method sees
    the same baskets up to that close. Writes `quality.csv`, `quality.png` and every list as `lists.parquet`. The demo
    takes in the rest of its year first.

    Examples: `nightcart benchmark quality`, `nightcart benchmark quality --weeks 4 --rivals TIFUKNN,PersonalTopFrequency`
    """
    from assets.grocery.evaluation import protocol
    from assets.grocery.evaluation.contest import enter_model, enter_rival, truths_of
    from resources.config.loader import load_settings
    from resources.tables.store import TableStore

    settings = load_settings()
    last_day = _last_day_taken_in(to.date() if to else None)
    as_of_dates = protocol.closes(last_day, weeks=weeks)
    chosen = _rivals(rivals)
    folder = out or home.state() / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    tables_root, kept_root = context.resources().tables.root, str(folder / "tables")

    say("\n[bold]Quality[/] · {} · {} weeks after {} … {}\n", settings.title, weeks, as_of_dates[0], as_of_dates[-1])
    entries = [_in_its_own_process(enter_model, as_of_dates, tables_root, kept_root)]
    for name in chosen:
        try:
            entries.append(_in_its_own_process(enter_rival, name, as_of_dates, tables_root))
        except Refused as error:
            say("[yellow]![/] {} {}", error.message, error.remedy)
    truth = truths_of(as_of_dates, TableStore(root=tables_root))
    found = _compare(entries, truth)
    _write(folder, entries, truth, found)
    _show(entries, truth, found, folder)


def _rivals(wanted: str) -> list[str]:
    """The names of the classes that are wanted."""
    if wanted == "none":
        return []
    from assets.grocery.evaluation.rivals import RIVALS

    known = [rival.__name__ for rival in RIVALS]
    chosen = known if wanted == "all" else [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in chosen if name not in known]:
        raise Refused(f"There is no rival {', '.join(unknown)}.", remedy=f"choose of {', '.join(known)}.")
    return chosen


def _last_day_taken_in(wanted: dt.date | None) -> dt.date:
    """The last day that can be judged, with all days up to it taken in; the demo's are taken in here."""
    from assets.grocery.partitions import business_days, settings
    from orchestration.cli.launch import running
    from orchestration.cli.runs import take_in

    last = wanted or settings.last_business_day
    with running() as instance:
        if last is None:
            import dagster as dg

            made = instance.get_materialized_partitions(dg.AssetKey("transactions"))
            last = dt.date.fromisoformat(max(made, default=settings.first_business_day.isoformat()))
        if not business_days.has_partition_key(last.isoformat()):
            raise Refused(f"{last} is no business day that is over.", remedy="choose an earlier one with --to.")
        take_in(instance, settings.first_business_day, last)
    return last


def _in_its_own_process(enter: Callable[..., Contestant], *arguments: Any) -> Contestant:
    """Run a method in a fresh process, so that its peak memory is its own."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(enter, *arguments).result()


def _compare(entries: Sequence[Contestant], truth: pd.DataFrame) -> list[Comparison]:
    from assets.grocery.evaluation.protocol import TRUTHS, compared, judged
    from resources.config.loader import load_settings

    model, rule = load_settings().model, load_settings().promotion
    found: list[Comparison] = []
    for name in TRUTHS:
        part = truth[truth["truth"] == name]
        by_method = {entry.title: judged(entry.lists, part, k=model.ranked_places) for entry in entries}
        found += compared(
            by_method,
            model=entries[0].title,
            truth=name,
            samples=rule.bootstrap_samples,
            confidence=rule.confidence,
            seed=model.seed,
        )
    return found


def _discoveries(entry: Contestant, truth: pd.DataFrame) -> Mapping[str, float]:
    """The metrics of the places that are kept for discoveries, against what was new to the household in the week."""
    from assets.grocery.evaluation.protocol import judged
    from assets.grocery.training.metrics import METRICS
    from resources.config.loader import load_settings

    model = load_settings().model
    if not model.explore_places:
        return {}
    places = entry.lists[entry.lists["rank"] > model.ranked_places]
    places = places.assign(rank=places["rank"] - model.ranked_places)
    new = truth[(truth["truth"] == "week") & ~truth["is_repeat"]]
    lists = judged(places, new, k=model.explore_places)
    return {name: float(lists[name].mean()) for name in METRICS}


def _write(folder: Path, entries: Sequence[Contestant], truth: pd.DataFrame, found: Sequence[Comparison]) -> None:
    import pandas as pd

    from assets.grocery.evaluation.pictures import leads
    from resources.config.loader import load_settings

    costs = {entry.title: entry for entry in entries}
    rows = [
        {
            "method": one.method,
            "truth": one.truth,
            **one.means,
            **{f"lead_{name}": lead.value for name, lead in one.leads.items()},
            **{f"lead_{name}_{end}": getattr(lead, end) for name, lead in one.leads.items() for end in ("low", "high")},
            **{f"dates_won_{name}": won for name, won in one.dates_won.items()},
            "fit_seconds": costs[one.method].fit_seconds,
            "score_seconds": costs[one.method].score_seconds,
            "peak_mib": costs[one.method].peak_mib,
        }
        for one in found
    ]
    pd.DataFrame(rows).to_csv(folder / "quality.csv", index=False, float_format="%.5f")
    pd.concat([entry.lists.assign(method=entry.title) for entry in entries]).to_parquet(folder / "lists.parquet")
    truth.to_parquet(folder / "truths.parquet")
    if len(entries) > 1:
        leads(found, metric="recall", k=load_settings().model.ranked_places).savefig(folder / "quality.png", dpi=150)


def _show(entries: Sequence[Contestant], truth: pd.DataFrame, found: Sequence[Comparison], folder: Path) -> None:
    from assets.grocery.evaluation.protocol import TRUTHS
    from assets.grocery.training.metrics import METRICS
    from resources.config.loader import load_settings

    k, dates = load_settings().model.ranked_places, truth["as_of_date"].nunique()
    for name in TRUTHS:
        lists = truth[truth["truth"] == name].groupby(["as_of_date", "household_id"]).ngroups
        drawn = _table(
            f"{name}: {lists:,} lists of {dates} weeks", *(f"{m}@{k}" for m in METRICS), "our lead in recall", "won"
        )
        for one in (one for one in found if one.truth == name):
            lead = one.leads.get("recall")
            drawn.add_row(
                one.method if lead else styled("[bold]{}[/]", one.method),
                *(_short(one.means[metric]) for metric in METRICS),
                styled("{} [dim]{} {}[/]", *(_short(each, "+") for each in (lead.value, lead.low, lead.high)))
                if lead
                else "",
                f"{one.dates_won['recall']}/{dates}" if lead else "",
            )
        console.print(drawn)
    drawn = _table(
        "what it takes, a week; recall of the week, told apart", "fit s", "score s", "MiB", "repeat", "explore"
    )
    for entry in entries:
        means = next(one.means for one in found if one.method == entry.title and one.truth == "week")
        drawn.add_row(
            entry.title,
            f"{entry.fit_seconds:.1f}",
            f"{entry.score_seconds:.1f}",
            f"{entry.peak_mib:,.0f}",
            _short(means["repeat"]),
            _short(means["explore"]),
        )
    console.print(drawn)
    if discoveries := _discoveries(entries[0], truth):
        said = ", ".join(f"{metric} {value:.4f}" for metric, value in discoveries.items())
        say("Places for discoveries alone, against what was new to the household in the week: {}.", said)
    say("Table, picture and all lists are in {}", folder)


def _table(title: str, *headers: str) -> TextTable:
    return table("method", *headers, title=title, right=headers, wrap=["method"])


def _short(value: float, sign: str = "") -> str:
    """A number between -1 and 1 with four digits: .1234."""
    return f"{value:{sign}.4f}".replace("0.", ".", 1)
