"""The table of labelled weeks: each is made once, kept, and made again only when what it is made from has changed."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportOperatorIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import FEATURES
from assets.grocery.features.purchases import recommendable
from assets.grocery.features.shared_days import shared_days, slices_of_lines
from assets.grocery.tables import AS_OF, EXAMPLES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.examples import LABEL_DAYS, in_parts, inputs_of, label_weeks, truth_with_slices
from assets.lifecycle.domain import Windows
from assets.quality.gates import Versions, history, whole
from resources.errors import Refused
from resources.tables.engine import combined, content_digest, content_digests
from resources.tables.slices import SLICE, InParts, slices_for, with_slice
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from resources.config.retailer import RecommenderConfig, Settings
    from resources.tables.store import Commit


KEYS = [AS_OF, "household_id", "product_id"]
LABELS = ("is_repeat", "label", "label_next", "truth_size", "next_size", "new_size", "stands_for", "fold")
BYTES_A_ROW = 1_000  # of a holdout in frames, and beside them while they are made


@dataclass(frozen=True, kw_only=True)
class Made:
    """How many label weeks were made and kept, and the last commit, if there was one."""

    made: int
    kept: int
    commit: Commit | None


def windows(day: dt.date, settings: Settings) -> Windows:
    """The label weeks of the night of `day`; raises :class:`Refused` with too little history."""
    model = settings.model
    return label_weeks(day, train=model.label_weeks, holdout=model.holdout_weeks, first_day=settings.first_business_day)


def delivered(tables: TableStore, *, until: dt.date) -> dict[str, Versions]:
    """The delivered tables that label weeks are made of."""
    return {
        TRANSACTIONS: history(tables, TRANSACTIONS, until=until),
        PRODUCTS: whole(tables, PRODUCTS),
        OFFERS: whole(tables, OFFERS),
    }


def make_missing(
    weeks: Sequence[dt.date],
    *,
    sources: TableStore,
    kept_in: TableStore,
    model: RecommenderConfig,
    say: Callable[[str], object],
    judging: Collection[dt.date] = (),
) -> Made:
    """Make those of the label weeks after the closes `weeks` that `kept_in` does not have, from the tables of `sources`.

    Those that are `judging` have more households (`model.households_judged`); one that did so before is learnt from as it is.
    """
    import ibis

    if not weeks:
        return Made(made=0, kept=0, commit=None)
    catalogue, offers = sources.read(PRODUCTS).cache(), sources.read(OFFERS).cache()
    lines = sources.read(TRANSACTIONS, until=max(weeks) + dt.timedelta(days=LABEL_DAYS))
    # Of the catalogue what a week is made of: a feed's catalogue changes every day, and hardly ever in that.
    sold = lines.group_by("product_id").agg(first_day=lines.business_date.min())
    products = content_digests(recommendable(catalogue).join(sold, "product_id"), by="first_day")
    few, many = model.households_a_week, max(model.households_a_week, model.households_judged)
    missing: list[tuple[dt.date, ibis.Table, int, str]] = []
    for as_of in weeks:
        end = as_of + dt.timedelta(days=LABEL_DAYS)
        known = offers.filter((offers.known_from <= as_of) & (offers.starts_on <= end))
        digest = partial(
            inputs_of,
            transactions=sources.fingerprint(TRANSACTIONS, until=end),
            products=combined(digest for first_day, digest in products.items() if first_day <= end),
            offers=content_digest(known),
            model=model,
        )
        households = many if as_of in judging else few
        if inputs_on_record(kept_in, as_of) not in {digest(households=households), digest(households=many)}:
            missing.append((as_of, known, households, digest(households=households)))
    commit = None
    if missing:
        newest = max(as_of for as_of, *_ in missing)
        slices = slices_of_lines(sources.count(TRANSACTIONS, until=newest))
        with shared_days(lines, catalogue, until=newest, slices=slices) as days:
            for as_of, known, households, inputs in missing:
                say(f"Labelling the week to {as_of + dt.timedelta(days=LABEL_DAYS)}")
                own = {"inputs": ibis.literal(inputs), AS_OF: ibis.literal(as_of)}
                commit = kept_in.replace_days(
                    EXAMPLES,
                    in_parts(lines, catalogue, known, as_of=as_of, model=model, households=households, days=days).each(
                        lambda part, own=own: in_order(part.mutate(**own))
                    ),
                    days=[as_of],
                    by=AS_OF,
                )
    return Made(made=len(missing), kept=len(weeks) - len(missing), commit=commit)


def make_again(
    weeks: Sequence[dt.date],
    versions: Callable[[str], int],
    *,
    sources: TableStore,
    folder: str,
    model: RecommenderConfig,
    say: Callable[[str], object],
) -> TableStore:
    """The label weeks made anew in a table below `folder`, from the `versions` of their tables of `sources`."""
    import ibis

    catalogue, offers = (sources.read(name, version=versions(name)).cache() for name in (PRODUCTS, OFFERS))
    kept, end = TableStore(root=folder), max(weeks) + dt.timedelta(days=LABEL_DAYS)
    lines = sources.read(TRANSACTIONS, until=end, version=versions(TRANSACTIONS))
    slices = slices_of_lines(sources.count(TRANSACTIONS, until=end))
    with shared_days(lines, catalogue, until=max(weeks), slices=slices) as days:
        for as_of in weeks:
            say(f"Labelling the week after {as_of}")
            parts = in_parts(lines, catalogue, offers, as_of=as_of, model=model, days=days)
            rows = parts.each(lambda part, own=as_of: in_order(part).mutate(**{AS_OF: ibis.literal(own)}))
            kept.replace_days(EXAMPLES, rows, days=[as_of], by=AS_OF)
    return kept


def in_order(week: ibis.Table) -> ibis.Table:
    """A label week's rows in the order that they are stored in."""
    return week.order_by("household_id", "product_id")


def inputs_on_record(tables: TableStore, as_of: dt.date) -> str | None:
    """The digest of the inputs that a stored label week was made from; None when it is not stored."""
    if not tables.rows_by_day(EXAMPLES).get(as_of):
        return None
    stored = tables.read(EXAMPLES, since=as_of, until=as_of)
    if "inputs" not in stored.columns:
        return None
    return stored.select("inputs").limit(1).to_pyarrow()["inputs"][0].as_py()


def read_examples(
    tables: TableStore, weeks: Sequence[dt.date], *, households: int | None = None, version: int | None = None
) -> pd.DataFrame:
    """The labelled candidates of some weeks to learn from, in a fixed order: the same rows in another are another model.

    Without their identifiers: a million rows take a fifth of the time and a third of the memory. `households` leaves out
    those that were drawn after so many. `version` is that of the table, by default the newest. Raises :class:`Refused`
    when a week is missing.
    """
    wanted = _of_weeks(tables, weeks, version=version)
    # A week that is older than the column has none to leave out.
    if households is not None and "draw" in wanted.columns:
        wanted = wanted.filter(wanted.draw.fill_null(0) < households)
    return _in_memory(wanted, weeks, [])


def read_holdout(tables: TableStore, weeks: Sequence[dt.date], *, version: int | None = None) -> InParts[pd.DataFrame]:
    """Those of some weeks to judge by, with their keys: of parts of the households, as many as the memory asks for."""
    wanted, counts = _of_weeks(tables, weeks, version=version), tables.rows_by_day(EXAMPLES)
    parts = slices_for(sum(counts.get(week, 0) for week in weeks), bytes_a_row=BYTES_A_ROW)

    def part(number: int) -> pd.DataFrame:
        if parts == 1:
            return _in_memory(wanted, weeks, KEYS)
        numbered = with_slice(wanted, of=parts)
        return _in_memory(numbered.filter(numbered[SLICE] == number), weeks, KEYS)

    return InParts(parts, part)


def _of_weeks(tables: TableStore, weeks: Sequence[dt.date], *, version: int | None) -> ibis.Table:
    rows = tables.read(EXAMPLES, since=min(weeks), until=max(weeks), version=version)
    wanted = rows.filter(rows[AS_OF].isin(list(weeks)))
    if (stored := wanted[AS_OF].nunique().execute()) != len(weeks):
        raise Refused(
            f"{EXAMPLES} has {stored} of the {len(weeks)} label weeks {min(weeks)} … {max(weeks)}.",
            remedy="materialise training_examples for this business day first.",
        )
    return wanted


def _in_memory(rows: ibis.Table, weeks: Sequence[dt.date], keys: Sequence[str]) -> pd.DataFrame:
    """Rows in the order of their keys, with `keys`, labels and features: of these there is one copy, made week by week."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    others = [*keys, *LABELS]
    values, labels, begin = np.empty((len(FEATURES), rows.count().to_pyarrow().as_py()), np.float32), [], 0
    for week in sorted(weeks):
        made = rows.filter(rows[AS_OF] == week).order_by(KEYS).select(*others, *FEATURES).to_pyarrow()
        end = begin + made.num_rows
        for place, name in enumerate(FEATURES):
            values[place, begin:end] = made[name].to_numpy()
        # A copy: of what the engine hands over, one column keeps all the others in memory.
        labels.append(made.select(others).take(np.arange(made.num_rows)))
        begin = end
    features = pd.DataFrame(values.T, columns=FEATURES, copy=False)
    return pd.concat([pa.concat_tables(labels).to_pandas(), features], axis=1)


def read_truth(tables: TableStore, weeks: Sequence[dt.date], *, among: Sequence[str] | None = None) -> pd.DataFrame:
    """What was bought in some label weeks, with its slices (:func:`assets.grocery.training.examples.truth_with_slices`).

    Of all households, or of those `among` the given alone.
    """
    import ibis
    import pandas as pd

    lines = tables.read(TRANSACTIONS, until=max(weeks) + dt.timedelta(days=LABEL_DAYS))
    if among is not None:
        lines = lines.semi_join(ibis.memtable({"household_id": list(among)}), "household_id")
    products = tables.read(PRODUCTS)
    truths = [
        truth_with_slices(lines, products, as_of=as_of).to_pyarrow().to_pandas().assign(**{AS_OF: as_of})
        for as_of in weeks
    ]
    return pd.concat(truths, ignore_index=True)
