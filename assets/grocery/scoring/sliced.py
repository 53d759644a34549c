"""The lists of all households, made slice by slice: of those of one, candidates and their features are in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import candidates, in_subcategories
from assets.grocery.features.definitions import FeatureTables
from assets.grocery.scoring import lists
from assets.grocery.tables import RECOMMENDATIONS, TABLES
from resources.tables import engine
from resources.tables.slices import sliced

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa

    from assets.lifecycle.model import Model
    from resources.config.retailer import RecommenderConfig

IN_ORDER = [("household_id", "ascending"), ("product_id", "ascending")]
LISTS_IN_ORDER = [("household_id", "ascending"), ("rank", "ascending")]
BYTES_A_CANDIDATE = 2000  # its hundred features in the engine's frame, in pandas and in the model's matrix


def personal_lists(
    built: FeatureTables,
    recommender: Model,
    model: RecommenderConfig,
    *,
    kept_back: pd.DataFrame,
    slices: int,
    as_rows: Callable[[pd.DataFrame], pa.Table],
) -> pa.Table:
    """The personal list of every household, by household and rank, as `as_rows` puts lists into a table.

    The same, whatever the number of `slices`.
    """
    import ibis
    import pyarrow as pa

    def made(pairs: pa.Table, products: ir.Table) -> pa.Table:
        frame = pairs.to_pandas(split_blocks=True, self_destruct=True)
        scores = recommender.score(frame)
        personal = lists.personal(
            in_subcategories(frame, products),
            scores,
            k=model.top_k,
            explore=model.explore_places,
            places=model.places_a_subcategory,
        )
        return as_rows(personal)

    if engine.is_spark(built.product):
        sold = built.product.select("product_id", "subcategory").to_pyarrow()
        of_all = engine.spark().by_slice(
            candidates_of(built, model, kept_back),
            lambda pairs: made(pairs.sort_by(IN_ORDER), ibis.memtable(sold)),
            of=slices,
            schema=TABLES[RECOMMENDATIONS].arrow_schema(),
        )
        return of_all.sort_by(LISTS_IN_ORDER)
    parts = []
    with sliced(built.by_name(), of=slices) as each:
        for of_slice in each:
            part = FeatureTables.of(of_slice.__getitem__)
            pairs = candidates_of(part, model, kept_back).order_by("household_id", "product_id").to_pyarrow()
            if slices > 1 and not pairs.num_rows:
                continue
            parts.append(made(pairs, part.product))
            del pairs
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts).sort_by(LISTS_IN_ORDER)


def candidates_of(built: FeatureTables, model: RecommenderConfig, kept_back: pd.DataFrame) -> ir.Table:
    """What is scored: candidates without those that the policy kept back (:func:`assets.grocery.scoring.allowed.denied`)."""
    import ibis

    denied = ibis.memtable(kept_back) if len(kept_back) else None
    # Who bought a single product has a full list all the same: one that is short closes the night to everybody.
    new = max(model.new_candidates, model.top_k)
    return candidates(built, own=model.candidates, new=new, denied=denied)
