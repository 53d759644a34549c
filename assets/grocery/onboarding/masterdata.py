"""The catalogue and the households' file: which of their columns holds the ids of the transactions, and what describes."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from assets.grocery.onboarding.columns import ColumnProfile, Given, one_row, profile_columns, refuse_unknown
from assets.grocery.onboarding.proposed import Note, ProposedSetting, of_files, under
from assets.grocery.onboarding.roles import NEARLY_ALL
from assets.grocery.onboarding.words import matching_columns, split_name
from resources.config.feeds import FeedConfig
from resources.config.retailer import TransactionsConfig
from resources.errors import Refused
from resources.identifiers import identifiers
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

LEAST_KNOWN = 0.9  # of the lines whose products the catalogue has now: with fewer, something is wrong with it
CONSTANT = 0.5  # the least share of products that a column must describe alike on all of their lines


def products(lines: ibis.Table, files: FeedConfig, *, ids: ibis.Table, given: Given) -> list[ProposedSetting]:
    """The settings of a catalogue, from its `lines`; `ids` are the products sold, and the `lines` of each.

    Raises :class:`Refused` when no column holds their ids.
    """
    columns = profile_columns(lines, files=files)
    asked = given.get("products.product_id", ())
    key = _key("product_id", lines, columns, ids, role="product", asked=asked, what="products sold")
    del columns[key.value]
    known = lines.select(product_id=identifiers(lines[key.value])).distinct()
    share = one_row(ids.agg(known=ids.semi_join(known, "product_id").lines.sum().as_scalar() / ids.lines.sum()))[
        "known"
    ]
    why = f"of the lines, {share:.1%} are of products that it has"
    least = ProposedSetting("least_known_share", math.floor(LEAST_KNOWN * share * 100) / 100, why)
    return [
        *of_files(files, "products"),
        *under("products", [least]),
        *under("products.columns", [key, *_descriptions(columns, given)]),
    ]


def products_in(
    lines: ibis.Table, feed: TransactionsConfig, columns: Mapping[str, ColumnProfile], *, given: Given
) -> tuple[list[ProposedSetting], list[Note]]:
    """The settings of a catalogue that the transactions themselves are, if their other `columns` describe products; notes.

    Not with a file a day: the catalogue is read as one feed, whatever the day.
    """
    constant = _constant_share(lines, columns, feed.columns.product_id)
    # A product may be renamed; but what differs on most products' lines, such as a way of payment, is not theirs.
    columns = {name: column for name, column in columns.items() if constant[name] >= CONSTANT}
    proposed = {each.setting: each for each in _descriptions(columns, given)}
    levels = _levels(columns, constant)
    if levels and proposed["category"].value is None:
        why = "the finest group of products"
        proposed["category"] = ProposedSetting("category", levels[0], why, is_guess=True)
        if len(levels) > 1 and proposed["department"].value is None:
            why = "the coarsest group of products"
            proposed["department"] = ProposedSetting("department", levels[-1], why, is_guess=True)
    described = [str(proposed[setting].value) for setting in ("name", "category") if proposed[setting].value]
    if not described:
        return [], []
    if feed.is_dated:
        says = f"{' and '.join(described)} could make a catalogue, which is read as one file, not one a day."
        return [], [Note("switched off", says, "put all products into one file: --products FILE.")]
    files = FeedConfig(**feed.model_dump(include=set(FeedConfig.model_fields)))
    key = ProposedSetting("product_id", feed.columns.product_id, "the first line of a product describes it")
    return [*of_files(files, "products"), *under("products.columns", [key, *proposed.values()])], []


def households(lines: ibis.Table, files: FeedConfig, *, ids: ibis.Table, given: Given) -> list[ProposedSetting]:
    """The settings of a household file, from its `lines`; `ids` are the households that bought, and the `lines` of each.

    Raises :class:`Refused` when no column holds their ids.
    """
    columns = profile_columns(lines, files=files)
    asked = given.get("households.household_id", ())
    key = _key("household_id", lines, columns, ids, role="household", asked=asked, what="households that bought")
    return [*of_files(files, "households"), *under("households.columns", [key])]


def _descriptions(columns: Mapping[str, ColumnProfile], given: Given) -> list[ProposedSetting]:
    """`name`, `category`, `subcategory`, `department` and `brand` of the columns of a catalogue."""
    names = matching_columns("name", columns)[:1]
    if not names and (kinds := matching_columns("kind", columns)[:1]):
        names = [*kinds, *matching_columns("size", columns)[:1]]  # for want of a name: `MILK 1L`
    chosen: dict[str, Sequence[str]] = {"name": names}
    for setting in ("category", "department", "brand"):
        taken = {name for each in chosen.values() for name in each}
        free = [name for name in matching_columns(setting, columns, max_unknown_words=1) if name not in taken]
        chosen[setting] = free[:1]
    if chosen["category"]:
        # Whatever else groups products, and more finely: what replaces what.
        taken = {*chosen["category"], *chosen["department"], *chosen["brand"]}
        groups = [*matching_columns("category", columns), *matching_columns("kind", columns)]
        coarse = columns[chosen["category"][0]].different
        chosen["subcategory"] = [n for n in groups if n not in taken and columns[n].different > coarse][:1]
    chosen |= {setting: given[f"products.{setting}"] for setting in chosen if f"products.{setting}" in given}
    proposed = []
    for setting, (*value,) in chosen.items():
        refuse_unknown(value, columns)
        first = columns[value[0]] if value else None
        why = f"{first.different:,} different, such as {first.example!r}" if first else "not found"
        proposed.append(ProposedSetting(setting, value if len(value) > 1 else first and first.name, why))
    return proposed


def _constant_share(lines: ibis.Table, names: Iterable[str], product: str) -> dict[str, float]:
    """For each of the columns `names` the share of products on whose lines it is always the same."""
    is_one = {str(place): lines[name].min() == lines[name].max() for place, name in enumerate(names)}
    by_product = lines.group_by(product).agg(**is_one)
    shares = one_row(by_product.agg(**{place: by_product[place].mean() for place in is_one})) if is_one else {}
    return {name: share or 0.0 for name, share in zip(names, shares.values(), strict=True)}


def _levels(columns: Mapping[str, ColumnProfile], constant: Mapping[str, float]) -> list[str]:
    """Columns such as PROD_CODE_10 that group the products, the finest first: called like a product, with a number."""
    numbered = [
        name
        for name in matching_columns("product", columns, max_unknown_words=1)
        if split_name(name)[-1].isdigit() and constant[name] >= NEARLY_ALL
    ]
    return sorted(numbered, key=lambda name: -columns[name].different)


def _key(
    setting: str,
    lines: ibis.Table,
    columns: Mapping[str, ColumnProfile],
    ids: ibis.Table,
    *,
    role: str,
    asked: Sequence[str],
    what: str,
) -> ProposedSetting:
    """The column with most of `ids` (text, in their first column) among its values."""
    id_ = ids.columns[0]
    refuse_unknown(asked, columns)
    total = ids.count().to_pyarrow().as_py()
    shared = {}
    for name in asked or columns:
        values = lines.select(**{id_: identifiers(lines[name])}).distinct()
        shared[name] = ids.semi_join(values, id_).count().to_pyarrow().as_py()
    named = matching_columns(role, columns)
    best = max(shared, key=lambda name: (shared[name], name in named))
    if not shared[best]:
        _refuse_looks_alike(lines, columns, ids, what=what)
        raise Refused(
            f"None of the columns {listed(list(columns), 20)} holds any id of the {total:,} {what}.",
            remedy="give a file with the same ids as the transactions, or leave it out.",
        )
    return ProposedSetting(setting, best, f"has {shared[best]:,} of the {total:,} {what}", best not in named)


def _refuse_looks_alike(lines: ibis.Table, columns: Mapping[str, ColumnProfile], ids: ibis.Table, *, what: str) -> None:
    """Raise :class:`Refused` when ids would be the same but for the way in which they are written."""
    id_ = ids.columns[0]

    def without_zeros(text: ir.StringValue) -> ir.StringValue:
        return text.re_replace("^0+([0-9])", r"\1")

    def without_signs(text: ir.StringValue) -> ir.StringValue:
        return text.re_replace("[^0-9A-Za-z]", "").lower()

    def shortened(text: ir.StringValue) -> ir.StringValue:
        return text.re_replace("[0-9]$", "")

    looks = {
        "leading zeros are left out": lambda ours, theirs: (without_zeros(ours), without_zeros(theirs)),
        "capitals and small letters are the same": lambda ours, theirs: (ours.lower(), theirs.lower()),
        "blanks and signs are left out": lambda ours, theirs: (without_signs(ours), without_signs(theirs)),
        "the last digit of the file is left out": lambda ours, theirs: (ours, shortened(theirs)),
        "the last digit of the transactions is left out": lambda ours, theirs: (shortened(ours), theirs),
    }
    total = ids.count().to_pyarrow().as_py()
    for how, look in looks.items():
        for name in columns:
            ours, theirs = look(ids[id_], identifiers(lines[name]))
            known = lines.select(**{id_: theirs}).distinct()
            n = ids.select(**{id_: ours}).distinct().semi_join(known, id_).count().to_pyarrow().as_py()
            if n and n >= total / 2:
                raise Refused(
                    f"{name} has {n:,} of the {total:,} {what} when {how}: as it is written, it has none.",
                    remedy="have both files write the ids alike, as text.",
                )
