"""What a stage tells the UI about a table that it wrote: size, columns, version, and pictures."""

from __future__ import annotations

import base64
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.tables import Table
from resources.tables.store import Commit, TableStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWNERS = ["team:personalisation"]
SHORTEST = 6  # days from the first to the last of an axis, at least
WARNING = "warning"  # the metadata that a command shows to who has run it


def columns(table: Table) -> dg.TableSchema:
    """A table's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, type_, description) for name, (type_, description) in table.columns.items()]
    )


def lineage(**upstream: tuple[str, list[str]]) -> dg.TableColumnLineage:
    """Which upstream columns each column is made of: `column=("asset", ["its", "columns"])`."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=name) for name in names]
            for column, (asset, names) in upstream.items()
        }
    )


def written(commit: Commit, tables: TableStore) -> dict[str, Any]:
    """Metadata of a table after a write, for all of the run's partitions alike."""
    return {
        "dagster/row_count": commit.rows,
        "dagster/uri": tables.uri(commit.table),
        "dagster/table_name": commit.table,
        "table_version": commit.version,
    }


def report_days(
    context: dg.AssetExecutionContext,
    commit: Commit,
    days: Sequence[dt.date],
    *,
    asset: str | None = None,
    on_last: Mapping[str, Any] | None = None,
) -> None:
    """Each partition's own row count, also where many are made in one run; `asset` for a step that makes several.

    `on_last` is what is told once, on the last day: a picture on each of a year's events would be stored 365 times.
    """
    for day in days:
        rows = commit.rows_by_day.get(day, 0)
        context.add_asset_metadata(
            {"dagster/partition_row_count": rows, "share_of_table": round(rows / max(commit.rows, 1), 4)},
            asset_key=asset,
            partition_key=day.isoformat(),
        )
    if on_last:
        context.add_asset_metadata(on_last, asset_key=asset, partition_key=days[-1].isoformat())


def new_figure(**options: Any) -> Figure:
    """An empty figure of matplotlib's; names on it are text, in which `$` is a dollar and no formula."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["text.parse_math"] = False
    return Figure(**options)


def over_days(axes: Axes, days: Iterable[dt.date]) -> None:
    """Let an axis of days show a week at least: of one day matplotlib shows years, of two hours."""
    from matplotlib.dates import AutoDateLocator, DateFormatter, date2num

    numbers = [float(date2num(day)) for day in days]
    first, last = min(numbers), max(numbers)
    axes.set_xlim(min(first, last - SHORTEST) - 0.5, last + 0.5)  # a bar is half a day wider on each side
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=7))
    axes.xaxis.set_major_formatter(DateFormatter("%Y-%m-%d"))
    axes.tick_params(axis="x", rotation=45)


def picture(figure: Figure) -> dg.MarkdownMetadataValue:
    """A matplotlib figure as a picture in the UI, which stays with the event for good: a third of what it takes as PNG."""
    content = io.BytesIO()
    figure.savefig(content, format="webp", dpi=80, bbox_inches="tight", pil_kwargs={"lossless": True})
    return dg.MetadataValue.md(f"![plot](data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()})")
