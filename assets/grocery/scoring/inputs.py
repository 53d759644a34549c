"""What lists are made of, and whether it is still the same: to be asked before they are published, by whomever."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.grocery.features.definitions import FeatureTables
from assets.grocery.scoring.allowed import PLACE
from assets.grocery.staleness import LISTS, stale_now
from assets.grocery.tables import FEATURES, HOUSEHOLDS, PRODUCTS, RECOMMENDATIONS
from assets.quality.fence import superseded
from resources.errors import Refused
from resources.records.lifecycle import Scoring
from resources.records.store import OperationsDatabase
from resources.tables.engine import content_digest
from resources.tables.store import TableStore
from resources.text import listed

if TYPE_CHECKING:
    import ibis.expr.types as ir


def features_of(
    day: dt.date, tables: TableStore, *, versions: Mapping[str, int], household: str | None = None
) -> FeatureTables:
    """The features of a business day's close, as of the `versions` of their tables; of all households, or of one alone."""

    def read(name: str) -> ir.Table:
        rows = tables.read(name, since=day, until=day, version=versions[name]).drop("business_date")
        is_of_all = household is None or "household_id" not in rows.columns
        return rows if is_of_all else rows.filter(rows.household_id == household)

    return FeatureTables.of(read)


def placed(rows: ir.Table, tables: TableStore, *, version: int | None = None) -> ir.Table:
    """The products of `rows` with their places in the catalogue, which are empty where it has none; one row a product."""
    catalogue = tables.read(PRODUCTS, version=version).select("product_id", *PLACE)
    products = rows.select("product_id").distinct().left_join(catalogue, "product_id").drop("product_id_right")
    return products.mutate(**{name: products[name].fill_null("") for name in PLACE})


def require_newest_inputs(day: dt.date, tables: TableStore, operations: OperationsDatabase) -> None:
    """Raise :class:`Superseded` if baskets, features, catalogue or households of the lists of `day` were replaced since.

    A catalogue that was only taken in again, with the same rows, is none that replaces it. Of lists without a record, or
    of versions that an erasure has cut off, nothing is known beside the verdicts on them.
    """
    for stale in stale_now(operations):
        if stale.subject == LISTS and day in stale.days:
            raise superseded(f"transactions of {listed(stale.corrected, 3)}, which the lists of {day} are made of,", "")
    for scored in operations.records(Scoring, business_date=day, last=1):
        try:
            if _rows_of(day, RECOMMENDATIONS, tables, scored.tables[RECOMMENDATIONS]) != _rows_of(
                day, RECOMMENDATIONS, tables
            ):
                return
            changed = [
                name
                for name in (*FEATURES, PRODUCTS, HOUSEHOLDS)
                if (version := scored.tables.get(name)) not in (None, tables.version(name))
                and _rows_of(day, name, tables, version) != _rows_of(day, name, tables)
                and not _is_same_content(name, tables, version)
            ]
        except Refused:
            return
        if changed:
            writes = tables.writes_since(changed[0], scored.tables[changed[0]])
            what = f"{listed(changed)}, which the lists of {day} are made of,"
            raise superseded(what, f" ({listed(writes[-3:])})")


def _rows_of(day: dt.date, name: str, tables: TableStore, version: int | None = None) -> str | None:
    by_day = tables.fingerprints(name, version=version)
    return by_day.get(day) if tables.day_column(name) else by_day.get(None)


def _is_same_content(name: str, tables: TableStore, version: int | None) -> bool:
    return not tables.day_column(name) and content_digest(tables.read(name, version=version)) == content_digest(
        tables.read(name)
    )
