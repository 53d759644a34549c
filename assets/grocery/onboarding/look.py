"""What a retailer's files mean, found out by looking at them: names first, then the values to confirm.

Everything that is found is a :class:`Finding`: a setting, its value, and why. The findings together are a
configuration; `orchestration.cli.retailer` writes and shows them. All work on lines is done by the engine, in sets.
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.profile import volume_against_weekday
from assets.grocery.onboarding import times, words
from assets.grocery.onboarding.files import Found
from resources.config.feeds import FeedConfig
from resources.config.retailer import TransactionColumnsConfig, TransactionContractConfig, TransactionsConfig
from resources.errors import Refused
from resources.feeds.reader import OUR_COLUMNS
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

ONE_DAY = dt.timedelta(days=1)
SAMPLE_LINES = 200_000  # enough to tell what a column holds
MOSTLY = 0.9  # the least share of a column's values that must be of a kind for the column to be of it
NEARLY_ALL = 0.99
ODD = 0.001  # the share of lines above which something is a habit of the feed and no mistake in it
MIXED_BASKETS = 0.01  # the share of lines in baskets of several households above which a column names no baskets
EVIDENCE_PRODUCTS = 5  # products sold in different quantities from which a line's value is told from a unit's price
STRAY_GAP_DAYS, STRAY_SHARE = 30, 0.01  # a few lines this far from all others are mistakes in the date
FINISHED_DAYS = 60  # a feed whose last day is longer ago than this has ended
HEADROOM = 1.1  # of the contract's ranges over what the data spans
LEAST_HIGHEST = {"quantity": 100, "sales_value": 1_000}  # a small sample must not make a tight contract
VOLUME = (0.4, 2.5)  # at least as wide as the settings' default
LEAST_QUARANTINE, MOST_QUARANTINE = 0.01, 0.5  # above the second no day is worth its lines
DAYS_TO_TRAIN = 42  # four weeks of history, a week of labels to learn from and one to judge by


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A setting by its dotted path, its value (None: left out) and why."""

    setting: str
    value: Any
    why: str = ""
    is_guess: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a column holds; `given` is the share of lines that have a value, the other shares are of those."""

    name: str
    lines: int
    different: int
    given: float
    numbers: float
    wholes: float
    highest: float
    example: str

    @property
    def is_number(self) -> bool:
        return self.numbers >= MOSTLY

    @property
    def is_measure(self) -> bool:
        """Whether it holds numbers with decimals, which identify nothing."""
        return self.is_number and self.wholes < MOSTLY


@dataclass(frozen=True, kw_only=True)
class Past:
    """The days of a history: `closed` are those without lines, `strays` the number of lines outside."""

    first: dt.date
    last: dt.date
    is_finished: bool
    closed: tuple[dt.date | str, ...]
    closed_weekdays: tuple[str, ...]
    strays: int


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What was found in the transactions, what to say loudly, and what the rest of the look needs."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    feed: TransactionsConfig
    standard: ibis.Table
    past: Past
    typical_day: dt.date


def transactions(
    lines: ibis.Table,
    found: Found,
    *,
    timezone: str,
    today: dt.date,
    told: Mapping[str, Sequence[str]],
    told_format: str | None = None,
) -> Understood:
    """The settings of a feed of basket lines, from its `lines` as `FeedReader` gives them.

    `told` are columns that a person named, by our name for them; an empty list means that there is none. Raises
    :class:`Refused` when a household, a product or a time cannot be found, naming what there is.
    """
    columns = describe(lines, decimal=found.files.decimal)
    if not columns:
        raise Refused(f"{listed(found.files.path)} has no lines.", remedy="have it delivered again.")
    _refuse_unknown(told.get("occurred_at", ()), columns)
    when, notes = times.find(
        lines, list(columns), told=told.get("occurred_at", ()), told_format=told_format, today=today
    )
    free = _without(columns, when.columns)
    household = _household(free, told)
    free = _without(free, [household.value])
    product = _product(free, told)
    free = _without(free, [product.value])
    feed = TransactionsConfig(
        **found.files.model_dump(),
        columns=TransactionColumnsConfig(
            household_id=household.value, product_id=product.value, occurred_at=list(when.columns)
        ),  # pyright: ignore[reportCallIssue]
        timestamps_in=when.zone,
        timestamp_format=when.format,
    )
    if found.days and not _is_of_the_files_days(lines, feed, timezone=timezone):
        import ibis

        notes.append(
            f"The dates in the files' names are not the days of their lines ({timezone}): every night reads all files."
        )
        lines = lines.mutate(file_date=ibis.null("date"))
        feed = feed.model_copy(update={"path": found.undated().files.path})

    basket = _basket(lines, free, feed, told, timezone=timezone)
    free = _without(free, [basket.value])
    store = _store(free, told)
    free = _without(free, [store.value])
    quantity = _quantity(free, told)
    free = _without(free, [quantity.value])
    sales_value = _sales_value(lines, free, feed, basket.value, quantity.value, told)
    named = {
        "household_id": household,
        "basket_id": basket,
        "product_id": product,
        "occurred_at": Finding(
            setting="occurred_at",
            value=when.columns[0] if len(when.columns) == 1 else list(when.columns),
            why=when.why,
            is_guess=when.is_guess,
        ),
        "quantity": quantity,
        "sales_value": sales_value,
        "store_id": store,
    }
    feed = feed.model_copy(update={"columns": TransactionColumnsConfig(**{name: f.value for name, f in named.items()})})
    if not when.has_time_of_day and basket.value is None:
        notes.append("There are dates without times and no baskets: what a household buys in a day is one basket.")

    standard = cleaning.standardise(lines, feed, timezone=timezone).cache()
    counted = standard.group_by("business_date").agg(n=standard.count()).to_pyarrow().to_pylist()
    past = history({row["business_date"]: row["n"] for row in counted if row["business_date"]}, today=today)
    notes += _notes_on(past)
    contract = _contract(standard, feed)
    feed = feed.model_copy(update={"contract": TransactionContractConfig(**{f.setting: f.value for f in contract})})
    measured, notes_on_days, typical_day = _measured(standard, feed, past, today=today)
    how = "ISO 8601" if when.format is None else "see occurred_at" * when.is_guess
    formatted = Finding(setting="timestamp_format", value=when.format, why=how, is_guess=when.is_guess)
    zone = Finding(setting="timestamps_in", value=when.zone, why="the retailer's own time" * (when.zone == "local"))
    return Understood(
        findings=(
            *_days(past),
            *_files(feed),
            *_under("transactions", zone, formatted),
            *_under("transactions.columns", *(replace(each, setting=name) for name, each in named.items())),
            *_under("transactions.contract", *contract, *measured),
        ),
        notes=(*notes, *notes_on_days),
        feed=feed,
        standard=standard,
        past=past,
        typical_day=typical_day,
    )


def products(
    lines: ibis.Table, files: FeedConfig, *, ids: ibis.Table, told: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """The settings of a catalogue, from its `lines`; `ids` are the products sold, in one column.

    Raises :class:`Refused` when no column holds their ids.
    """
    columns = describe(lines, decimal=files.decimal)
    key = _key(lines, columns, ids, role=words.PRODUCT, told=told.get("products.product_id", ()), what="products sold")
    found = _catalogue_columns(_without(columns, [key.value]), told)
    return [*_files(files, "products"), *_under("products.columns", replace(key, setting="product_id"), *found)]


def products_in(
    lines: ibis.Table, feed: TransactionsConfig, *, told: Mapping[str, Sequence[str]]
) -> tuple[list[Finding], list[str]]:
    """The settings of a catalogue that the transactions themselves are, if their lines describe their products; notes.

    Not with a file a day: the catalogue is read as one feed, whatever the day.
    """
    taken = [name for each in feed.columns.model_dump().values() if each for name in _listed(each)]
    columns = _without(describe(lines, decimal=feed.decimal), taken)
    constant = _constant_share(lines, columns, feed.columns.product_id)
    # A product may be renamed; but what differs on most products' lines, such as a way of payment, is not theirs.
    columns = {name: column for name, column in columns.items() if constant[name] >= 0.5}
    found = {finding.setting: finding for finding in _catalogue_columns(columns, told)}
    levels = _levels(columns, constant)
    if levels and found["category"].value is None:
        why = "the finest group of products"
        found["category"] = Finding(setting="category", value=levels[0], why=why, is_guess=True)
        if len(levels) > 1 and found["department"].value is None:
            why = "the coarsest group of products"
            found["department"] = Finding(setting="department", value=levels[-1], why=why, is_guess=True)
    described = [str(found[setting].value) for setting in ("name", "category") if found[setting].value]
    if not described:
        return [], []
    if feed.is_dated:
        return [], [
            f"{' and '.join(described)} could make a catalogue: put all products into one file, --products FILE."
        ]
    files = FeedConfig(**feed.model_dump(include=set(FeedConfig.model_fields)))
    key = Finding(setting="product_id", value=feed.columns.product_id, why="the first line of a product describes it")
    return [*_files(files, "products"), *_under("products.columns", key, *found.values())], []


def households(
    lines: ibis.Table, files: FeedConfig, *, ids: ibis.Table, told: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """The settings of a household file, from its `lines`; `ids` are the households that bought, in one column.

    Raises :class:`Refused` when no column holds their ids.
    """
    columns = describe(lines, decimal=files.decimal)
    asked = told.get("households.household_id", ())
    key = _key(lines, columns, ids, role=words.HOUSEHOLD, told=asked, what="households that bought")
    return [*_files(files, "households"), *_under("households.columns", replace(key, setting="household_id"))]


# ---------------------------------------------------------------------------------------------------------- columns


def describe(lines: ibis.Table, *, decimal: str) -> dict[str, Column]:
    """What each of the feed's own columns holds, by name; empty columns are left out."""
    names = [name for name in lines.columns if name not in OUR_COLUMNS]
    total = int(lines.count().execute())
    sample = lines.filter(lines.source_row.hash() % max(total // SAMPLE_LINES, 1) == 0).select(*names).cache()
    facts: dict[str, Any] = {"n": sample.count()}
    for place, name in enumerate(names):
        value, number = times.text(sample, [name]), _number(sample, name, decimal)
        facts[f"given_{place}"] = value.count()
        facts[f"numbers_{place}"] = number.count()
        facts[f"wholes_{place}"] = (number == number.floor()).sum()
        facts[f"highest_{place}"] = number.abs().max()
        facts[f"example_{place}"] = value.max()
    seen = sample.agg(**facts).to_pyarrow().to_pylist()[0]
    different = lines.agg(**{f"d_{place}": lines[name].nunique() for place, name in enumerate(names)})
    counted = different.to_pyarrow().to_pylist()[0]
    return {
        name: Column(
            name=name,
            lines=total,
            different=counted[f"d_{place}"],
            given=given / seen["n"],
            numbers=seen[f"numbers_{place}"] / given,
            wholes=(seen[f"wholes_{place}"] or 0) / max(seen[f"numbers_{place}"], 1),
            highest=seen[f"highest_{place}"] or 0.0,
            example=str(seen[f"example_{place}"])[:30],
        )
        for place, name in enumerate(names)
        if (given := seen[f"given_{place}"])
    }


def _number(lines: ibis.Table, name: str, decimal: str) -> ir.FloatingValue:
    """A column as numbers, as the cleaning rules read them; null for what is none."""
    value = lines[name]
    if value.type().is_string() and decimal != ".":
        value = value.replace(decimal, ".")
    number = value.cast("string").try_cast("float64")
    return (number.isnan() | number.isinf()).ifelse(None, number)


def _household(columns: Mapping[str, Column], told: Mapping[str, Sequence[str]]) -> Finding:
    if asked := _asked("household_id", columns, told):
        return asked
    for most_strays in (0, 1):
        for name in words.called(words.HOUSEHOLD, columns, most_strays=most_strays):
            column = columns[name]
            # Somebody who never comes back cannot be told from a number of the line.
            if not column.is_measure and 2 <= column.different < MOSTLY * column.lines * column.given:
                why = f"{column.different:,} different" + _gaps(column)
                return Finding(setting="household_id", value=name, why=why, is_guess=most_strays > 0)
    raise Refused(
        f"No column says who bought; the others are {_all(columns)}.",
        remedy="name the column of customers, cards or households: --column household_id=NAME. Without one there is "
        "nobody to recommend to.",
    )


def _product(columns: Mapping[str, Column], told: Mapping[str, Sequence[str]]) -> Finding:
    if asked := _asked("product_id", columns, told):
        return asked
    for role, most_strays in ((words.PRODUCT, 0), (words.NAME, 0), (words.PRODUCT, 1)):
        for name in words.called(role, columns, most_strays=most_strays):
            column = columns[name]
            if not column.is_measure and column.different >= 2:
                why = f"{column.different:,} different" + _gaps(column)
                if role is words.NAME:
                    why += "; products are known by their name alone"
                return Finding(setting="product_id", value=name, why=why, is_guess=most_strays > 0)
    raise Refused(
        f"No column says what was bought; the others are {_all(columns)}.",
        remedy="name the column of products: --column product_id=NAME.",
    )


def _store(columns: Mapping[str, Column], told: Mapping[str, Sequence[str]]) -> Finding:
    if asked := _asked("store_id", columns, told):
        return asked
    for name in words.called(words.STORE, columns):
        if not columns[name].is_measure:
            return Finding(setting="store_id", value=name, why=f"{columns[name].different:,} different")
    return Finding(setting="store_id", value=None, why="no column is called like a store")


def _basket(
    lines: ibis.Table,
    columns: Mapping[str, Column],
    feed: TransactionsConfig,
    told: Mapping[str, Sequence[str]],
    *,
    timezone: str,
) -> Finding:
    """The column whose values are baskets: each of one household, and most of several lines."""
    asked = _asked("basket_id", columns, told)
    if asked:
        return asked
    why = "no column is called like a basket"
    for name in words.called(words.BASKET, columns):
        with_baskets = feed.model_copy(update={"columns": feed.columns.model_copy(update={"basket_id": name})})
        standard = cleaning.standardise(lines, with_baskets, timezone=timezone)
        standard = standard.filter(standard.basket_id.notnull())
        baskets = standard.group_by("business_date", "basket_id").agg(
            lines=standard.count(), is_mixed=standard.household_id.min() != standard.household_id.max()
        )
        seen = baskets.agg(
            baskets=baskets.count(), lines=baskets.lines.sum(), mixed=baskets.lines.sum(where=baskets.is_mixed)
        )
        found = seen.to_pyarrow().to_pylist()[0]
        if not found["lines"]:
            continue
        mixed = (found["mixed"] or 0) / found["lines"]
        size = found["lines"] / found["baskets"]
        if mixed > MIXED_BASKETS:
            why = f"{name} is none: {mixed:.0%} of lines share it with another household's"
        elif size < 1.02:  # a line's own number, not a basket's
            why = f"{name} is none: nearly every line has its own"
        else:
            said = f"{found['baskets']:,} different, {size:.1f} lines each, of one household each"
            return Finding(setting="basket_id", value=name, why=said)
    return Finding(setting="basket_id", value=None, why=why)


def _quantity(columns: Mapping[str, Column], told: Mapping[str, Sequence[str]]) -> Finding:
    if "quantity" in told:
        return _asked("quantity", columns, told) or Finding(setting="quantity", value=None, why="as told")
    why = "no column is called like a quantity"
    money = {*words.called(words.LINE_TOTAL, columns), *words.called(words.PRICE, columns)}
    for name in words.called(words.QUANTITY, columns):
        column = columns[name]
        # `amount` is a number of items or of money: of items when they are whole and the money stands elsewhere.
        is_money = name in money and (column.wholes < NEARLY_ALL or money == {name})
        if column.is_number and not is_money:
            doubt = "whole numbers, and the money stands elsewhere" * (name in money)
            return Finding(setting="quantity", value=name, why=doubt, is_guess=name in money)
        if not column.is_number:
            why = f"{name} ({column.example}) holds no numbers"
    return Finding(setting="quantity", value=None, why=why)


def _sales_value(
    lines: ibis.Table,
    columns: Mapping[str, Column],
    feed: TransactionsConfig,
    basket: str | None,
    quantity: str | None,
    told: Mapping[str, Sequence[str]],
) -> Finding:
    """The column of what was paid for the line: a total grows with the quantity, the price of one does not."""
    if "sales_value" in told:
        return _asked("sales_value", columns, told) or Finding(setting="sales_value", value=None, why="as told")
    prices = words.called(words.PRICE, columns)
    totals = [name for name in words.called(words.LINE_TOTAL, columns) if name not in prices]
    why = "no column is called like a value or a price"
    for name in [*totals, *prices]:
        if not columns[name].is_number:
            why = f"{name} ({columns[name].example}) holds no numbers"
            continue
        if basket and _is_the_baskets(lines, name, basket, feed.decimal):
            why = f"{name} is the same on all lines of a basket: its total"
            continue
        growth = _growth(lines, name, quantity, feed) if quantity else None
        if growth is not None and growth >= 0.5:
            return Finding(setting="sales_value", value=name, why="grows with the quantity: the line's total")
        if name in totals:
            is_flat = growth is not None
            doubt = "; it does not grow with the quantity: leave it out if it is the price of one" if is_flat else ""
            return Finding(setting="sales_value", value=name, why=f"by its name{doubt}", is_guess=is_flat)
        if quantity is None:
            why = "the price; without a quantity every line is one item"
            return Finding(setting="sales_value", value=name, why=why, is_guess=True)
        why = (
            f"{name} is the price of one item, not what was paid for the line"
            if growth is not None
            else f"{name} is a price, and nothing shows that it is the whole line's"
        )
    return Finding(setting="sales_value", value=None, why=why)


def _growth(lines: ibis.Table, value: str, quantity: str, feed: TransactionsConfig) -> float | None:
    """By which power a column grows with the quantity within a product: 1 for a line's total, 0 for a unit's price.

    The pooled slope of log value on log quantity; None without enough products sold in different quantities.
    """
    both = lines.select(
        product=lines[feed.columns.product_id],
        x=_number(lines, quantity, feed.decimal),
        y=_number(lines, value, feed.decimal),
    )
    both = both.filter((both.x > 0) & (both.y > 0))
    both = both.mutate(x=both.x.ln(), y=both.y.ln())
    by_product = both.group_by("product").agg(
        n=both.count(), x=both.x.sum(), y=both.y.sum(), xx=(both.x * both.x).sum(), xy=(both.x * both.y).sum()
    )
    spread = by_product.xx - by_product.x * by_product.x / by_product.n
    shared = by_product.xy - by_product.x * by_product.y / by_product.n
    seen = by_product.agg(spread=spread.sum(), shared=shared.sum(), products=(spread > 1e-9).sum())
    found = seen.to_pyarrow().to_pylist()[0]
    return found["shared"] / found["spread"] if (found["products"] or 0) >= EVIDENCE_PRODUCTS else None


def _is_the_baskets(lines: ibis.Table, value: str, basket: str, decimal: str) -> bool:
    """Whether nearly all baskets of several lines have one value on all of them."""
    number = _number(lines, value, decimal)
    baskets = lines.group_by(basket).agg(n=lines.count(), is_one=number.min() == number.max())
    several = baskets.filter(baskets.n > 1)
    found = several.agg(baskets=several.count(), one=several.is_one.mean()).to_pyarrow().to_pylist()[0]
    return found["baskets"] >= EVIDENCE_PRODUCTS and found["one"] > 0.95


def _catalogue_columns(columns: Mapping[str, Column], told: Mapping[str, Sequence[str]]) -> list[Finding]:
    """`name`, `category`, `subcategory`, `department` and `brand` of the columns of a catalogue."""
    names = words.called(words.NAME, columns)[:1]
    if not names and (kinds := words.called(words.KIND, columns)[:1]):
        names = [*kinds, *words.called(words.SIZE, columns)[:1]]  # for want of a name: `MILK 1L`
    found = {"name": names}
    for setting, role in (("category", words.CATEGORY), ("department", words.DEPARTMENT), ("brand", words.BRAND)):
        taken = {name for each in found.values() for name in each}
        choice = [name for name in words.called(role, columns, most_strays=1) if name not in taken]
        found[setting] = choice[:1]
    if found["category"]:
        # Whatever else groups products, and more finely: what replaces what.
        taken = {*found["category"], *found["department"], *found["brand"]}
        groups = [*words.called(words.CATEGORY, columns), *words.called(words.KIND, columns)]
        coarse = columns[found["category"][0]].different
        found["subcategory"] = [n for n in groups if n not in taken and columns[n].different > coarse][:1]
    found |= {key: list(told[f"products.{key}"]) for key in found if f"products.{key}" in told}
    for chosen in found.values():
        _refuse_unknown(chosen, columns)
    return [
        Finding(
            setting=setting,
            value=None if not chosen else chosen if len(chosen) > 1 else chosen[0],
            why=f"{columns[chosen[0]].different:,} different, such as {columns[chosen[0]].example!r}"
            if chosen
            else "not found",
        )
        for setting, chosen in found.items()
    ]


def _constant_share(lines: ibis.Table, names: Iterable[str], product: str) -> dict[str, float]:
    """For each of the columns `names` the share of products on whose lines it is always the same."""
    names = list(names)
    by_product = lines.group_by(product).agg(
        **{f"is_one_{place}": lines[name].min() == lines[name].max() for place, name in enumerate(names)}
    )
    shares = by_product.agg(**{f"share_{place}": by_product[f"is_one_{place}"].mean() for place in range(len(names))})
    found = shares.to_pyarrow().to_pylist()[0] if names else {}
    return {name: found[f"share_{place}"] or 0.0 for place, name in enumerate(names)}


def _levels(columns: Mapping[str, Column], constant: Mapping[str, float]) -> list[str]:
    """Columns such as PROD_CODE_10 that group the products, the finest first: called like a product, with a number."""
    numbered = [
        name
        for name in words.called(words.PRODUCT, columns, most_strays=1)
        if words.words(name)[-1].isdigit() and constant[name] >= NEARLY_ALL
    ]
    return sorted(numbered, key=lambda name: -columns[name].different)


def _key(
    lines: ibis.Table,
    columns: Mapping[str, Column],
    ids: ibis.Table,
    *,
    role: words.Role,
    told: Sequence[str],
    what: str,
) -> Finding:
    """The column with most of `ids` (one column of text) among its values."""
    _refuse_unknown(told, columns)
    (id_,) = ids.columns
    total = int(ids.count().execute())
    shared = {}
    for name in told or columns:
        values = lines.select(**{id_: times.text(lines, [name])}).distinct()
        shared[name] = int(ids.semi_join(values, id_).count().execute())
    named = words.called(role, columns)
    best = max(shared, key=lambda name: (shared[name], name in named))
    if not shared[best]:
        raise Refused(
            f"None of the columns {listed(list(columns), 20)} holds any id of the {total:,} {what}.",
            remedy="give a file with the same ids as the transactions, or leave it out.",
        )
    return Finding(
        setting="", value=best, why=f"has {shared[best]:,} of the {total:,} {what}", is_guess=best not in named
    )


def _asked(setting: str, columns: Mapping[str, Column], told: Mapping[str, Sequence[str]]) -> Finding | None:
    """The column that a person named for a setting, or the answer that there is none."""
    if setting not in told:
        return None
    _refuse_unknown(told[setting], columns)
    return Finding(setting=setting, value=next(iter(told[setting]), None), why="as told")


def _refuse_unknown(asked: Iterable[str], columns: Mapping[str, Column]) -> None:
    if unknown := [name for name in asked if name not in columns]:
        raise Refused(
            f"There is no column {listed(unknown)} with values; there are {_all(columns)}.",
            remedy="name one of those: --column SETTING=NAME.",
        )


def _without(columns: Mapping[str, Column], taken: Iterable[str | None]) -> dict[str, Column]:
    names = set(taken)
    return {name: column for name, column in columns.items() if name not in names}


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _all(columns: Mapping[str, Column]) -> str:
    return listed([f"{column.name} ({column.example})" for column in columns.values()], 30)


def _gaps(column: Column) -> str:
    return f", {1 - column.given:.1%} of lines have none" if column.given < 1 else ""


# --------------------------------------------------------------------------------------------------------- contract


def history(lines_by_day: Mapping[dt.date, int], *, today: dt.date) -> Past:
    """The days that are the history: without the few lines far from all others, in the future, and of today.

    Days without lines are closed; a day of the year (`12-25`) when it was closed in each of several years.
    """
    days = sorted(day for day in lines_by_day if day < today)
    if not days:
        raise Refused(
            "No line has a day before today.", remedy="check the column of the time: --column occurred_at=NAME."
        )
    spells: list[list[dt.date]] = [[]]
    for day in days:
        if spells[-1] and (day - spells[-1][-1]).days > STRAY_GAP_DAYS:
            spells.append([])
        spells[-1].append(day)
    total = sum(lines_by_day.values())
    kept = [spell for spell in spells if sum(lines_by_day[day] for day in spell) >= STRAY_SHARE * total] or spells
    first, last = kept[0][0], kept[-1][-1]
    calendar_days = [first + n * ONE_DAY for n in range((last - first).days + 1)]
    empty = [day for day in calendar_days if not lines_by_day.get(day)]
    by_date: dict[str, list[bool]] = {}
    for day in calendar_days:
        by_date.setdefault(f"{day:%m-%d}", []).append(not lines_by_day.get(day))
    yearly = {date for date, closed in by_date.items() if len(closed) > 1 and all(closed)}
    weekdays = {n: [d for d in calendar_days if d.weekday() == n] for n in range(7)}
    never = [n for n, all_of in weekdays.items() if len(all_of) >= 3 and set(all_of) <= set(empty)]
    return Past(
        first=first,
        last=last,
        is_finished=(today - last).days > FINISHED_DAYS,
        closed=(*sorted(yearly), *(day for day in empty if f"{day:%m-%d}" not in yearly)),
        closed_weekdays=tuple(calendar.day_name[n] for n in never),
        strays=sum(n for day, n in lines_by_day.items() if not first <= day <= last and day != today),
    )


def _days(past: Past) -> list[Finding]:
    closed = list(past.closed)
    ended = "a finished data set; a live feed leaves this out"
    return [
        Finding(setting="first_business_day", value=past.first),
        Finding(
            setting="last_business_day",
            value=past.last if past.is_finished else None,
            why=ended if past.is_finished else f"a live feed; its newest day is {past.last}",
        ),
        Finding(setting="closed_days", value=closed, why=f"{len(closed)} without a line" if closed else ""),
    ]


def _notes_on(past: Past) -> list[str]:
    notes = []
    if past.strays:
        notes.append(
            f"{past.strays:,} lines lie outside {past.first} … {past.last}: mistakes in the date, quarantined."
        )
    if past.closed_weekdays and not past.is_finished:
        notes.append(
            f"There are no lines on any {' or '.join(past.closed_weekdays)}: add the coming ones to `closed_days`, or "
            "every one of them is missed."
        )
    if (days := (past.last - past.first).days + 1) < DAYS_TO_TRAIN:
        notes.append(f"A history of {days} days is too short to train on: it takes {DAYS_TO_TRAIN}.")
    return notes


def _is_of_the_files_days(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> bool:
    standard = cleaning.standardise(lines, feed, timezone=timezone)
    return bool(((standard.local_date == standard.file_date).mean().execute() or 0) >= NEARLY_ALL)


def _contract(standard: ibis.Table, feed: TransactionsConfig) -> list[Finding]:
    """Ranges that the data keeps, and which habits of the feed are none of its mistakes."""
    once = standard.filter(standard.basket_id.notnull() & standard.product_id.notnull())
    lines = once.group_by("business_date", "basket_id", "product_id").agg(n=once.count())
    repeated = int((lines.n - 1).sum().execute() or 0)
    facts: dict[str, Any] = {"n": standard.count(), "anonymous": standard.household_id.isnull().sum()}
    amounts = [name for name in ("quantity", "sales_value") if getattr(feed.columns, name)]
    for name in amounts:
        amount = standard[name]
        finite = (amount.isnan() | amount.isinf()).ifelse(None, amount)
        facts |= {f"{name}_low": finite.min(), f"{name}_high": finite.max(), f"{name}_negative": (finite < 0).sum()}
    seen = standard.agg(**facts).to_pyarrow().to_pylist()[0]
    findings = []
    for name in amounts:
        low, high = seen[f"{name}_low"] or 0.0, seen[f"{name}_high"] or 0.0
        negative = (seen[f"{name}_negative"] or 0) / seen["n"]
        spans = f"spans {low:,.6g} to {high:,.6g}"
        top = max(outward(HEADROOM * high), LEAST_HIGHEST[name])
        if negative > ODD:
            why = f"{spans}; the {negative:.1%} below 0 are returns: kept, but no purchases"
            findings.append(Finding(setting=name, value=[-outward(-HEADROOM * low), top], why=why))
        else:
            why = spans + (f"; the {seen[f'{name}_negative']:,} lines below 0 are quarantined" if negative else "")
            findings.append(Finding(setting=name, value=[0, top], why=why))
    repeats, anonymous = repeated / seen["n"], seen["anonymous"] / seen["n"]
    findings += [
        Finding(
            setting="is_product_once_a_basket",
            value=repeats <= ODD,
            why=f"{repeats:.1%} of lines repeat a product of their basket" if repeated else "",
        ),
        Finding(
            setting="is_household_required",
            value=anonymous <= ODD,
            why=f"{anonymous:.1%} of lines have none" + "; kept, but unscored" * (anonymous > ODD)
            if seen["anonymous"]
            else "",
        ),
    ]
    return findings


def outward(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 … that is not below `value`; 0 for 0."""
    if value <= 0:
        return 0
    power = 10.0 ** math.floor(math.log10(value))
    found = next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-12))
    return int(found) if found >= 1 else found


def _measured(
    standard: ibis.Table, feed: TransactionsConfig, past: Past, *, today: dt.date
) -> tuple[list[Finding], list[str], dt.date]:
    """What the contract must allow of a day, measured by judging the whole history; notes; and a typical day."""
    days = [past.first + n * ONE_DAY for n in range((past.last - past.first).days + 1)]
    last_day = past.last if past.is_finished else today  # the lines of a day that is not over are no mistakes
    of_days = cleaning.of_days(standard, first_day=past.first, last_day=last_day, since=past.first, until=past.last)
    judged = cleaning.judge(of_days, feed)
    counts = judged.group_by("business_date", "rule").agg(n=judged.count()).to_pyarrow().to_pylist()
    lines: dict[dt.date | None, int] = {}
    good: dict[dt.date | None, int] = {}
    by_rule: dict[str, int] = {}
    for row in counts:
        lines[row["business_date"]] = lines.get(row["business_date"], 0) + row["n"]
        if row["rule"] is None:
            good[row["business_date"]] = row["n"]
        else:
            by_rule[row["rule"]] = by_rule.get(row["rule"], 0) + row["n"]
    if not good:
        raise Refused(
            f"No line is usable by the rules that were found: {by_rule}.",
            remedy="name the columns: --column SETTING=NAME.",
        )
    shares = {day: 1 - good.get(day, 0) / n for day, n in lines.items() if day}
    worst = max(shares, key=shares.__getitem__)
    share = sum(by_rule.values()) / sum(lines.values())
    notes = []
    if bad := [day for day, of_day in shares.items() if of_day > MOST_QUARANTINE]:
        notes.append(
            f"More than half of the lines of {listed(sorted(bad))} would be quarantined: these days are refused."
        )
    if by_rule:
        rules = ", ".join(f"{rule} {n:,}" for rule, n in sorted(by_rule.items(), key=lambda item: -item[1]))
        notes.append(f"{share:.2%} of all lines would be quarantined ({rules}).")
    ratios = [ratio for day in days if not math.isnan(ratio := volume_against_weekday(day, good))]
    low, high = min(ratios, default=VOLUME[0]), max(ratios, default=VOLUME[1])
    volume = [min(VOLUME[0], math.floor(90 * low) / 100), max(VOLUME[1], math.ceil(11 * high) / 10)]
    most = min(max(LEAST_QUARANTINE, math.ceil(125 * shares[worst]) / 100), MOST_QUARANTINE)
    middle = sorted((day for day in good if day), key=good.__getitem__)[len(good) // 2]
    spans = f"the history spans {low:.2f} to {high:.2f}" if ratios else "too short a history to measure it"
    why = f"its worst day, {worst}, has {shares[worst]:.2%}" if shares[worst] else "the history has none"
    return (
        [
            Finding(setting="volume_against_weekday", value=volume, why=spans),
            Finding(setting="max_quarantined_share", value=most, why=why),
        ],
        notes,
        middle,
    )


# --------------------------------------------------------------------------------------------------------- findings


def _under(section: str, *findings: Finding) -> list[Finding]:
    return [replace(each, setting=f"{section}.{each.setting}") for each in findings]


def _files(files: FeedConfig, section: str = "transactions") -> list[Finding]:
    """The settings of where the files are and how they are written; defaults are not repeated."""
    path = files.path[0] if len(files.path) == 1 else list(files.path)
    found = [Finding(setting="path", value=path, why="a file a day" if files.is_dated else "")]
    for name in ("format", "delimiter", "encoding", "decimal"):
        value = getattr(files, name)
        if value != FeedConfig.model_fields[name].default:
            found.append(Finding(setting=name, value=value))
    return _under(section, *found)
