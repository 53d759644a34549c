"""Columns that play no role in a feed, and say that its lines are not what they seem: each is told, for no setting can use it."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.onboarding.columns import MOST_KINDS, MOSTLY, ColumnProfile, one_row, shown, some_of
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.purchases import FLAGS, NO, YES, as_key
from assets.grocery.onboarding.words import KEYS, matching_columns, split_name
from resources.config.retailer import TransactionsConfig
from resources.identifiers import identifiers
from resources.tables.engine import count_values
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

# Given in some lines alone (cancelled_at, qty_refunded, return_reason), they are not bought, or not all of them.
UNDONE = FLAGS - {"test", "training", "correction", "reward"}
REASONS = frozenset("reason code grund motif motivo".split())
VALID = frozenset(
    """active aktiv valid gueltig gultig actif valide activo attivo ok success successful succeeded complete completed approved
    confirmed accepted settled abgeschlossen bezahlt erfolgreich""".split()
)
SOLD = frozenset("is was sale sold purchase purchased bought kauf verkauf vente venta flag yn".split())
OF_TESTS = r"(?i)(^|[^\p{L}])(test|training|schulung|demo|dummy)([^\p{L}]|$)"  # a store or a till
NESTED = 1.02  # pairs of who bought by two columns for each of the other: above, the other is no part of the first
FINER = 1.2  # times as many products by another column: it tells variants apart
LONG_ENOUGH = 4  # characters of an identifier that is no number of something else by chance
REFERRED = 0.9  # of the values of a column, those that are another column's, if it refers to that
ZONES = ({"time", "zone"}, {"timezone"}, {"tz"}, {"utc", "offset"}, {"zeitzone"})
VERSIONS = frozenset("version revision rev".split())
SAID, BASKET, WHO, DAY = (f"nightcart_{name}" for name in ("said", "basket", "who", "day"))  # no feed's columns
EVIDENCE_BASKETS = 5  # of several values of a column, from which it is no chance that each line has each
ALWAYS_AGAIN = 0.1  # of the products, those from which it is no habit of buying that they stand more than once
MOSTLY_OWN = 0.5  # of the lines have a value of their own in a column that tells lines apart


def notes_on(
    lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile], *, timezone: str
) -> Iterator[Note]:
    """What the columns `free` say of the purchases `lines`."""
    for name in matching_columns("household", free):
        yield from _renamed(lines, name, feed)
        yield from _others(lines, name, feed)
    for name in matching_columns("product", free, max_unknown_words=1):
        yield from _finer(lines, name, feed)
    if feed.columns.store_id:
        for name in matching_columns("name", free)[:1]:
            yield from _of_stores(lines, name, feed)
        yield from _of_tests(lines, feed.columns.store_id)
    for name, column in free.items():
        words = set(split_name(name))
        if not words.isdisjoint(UNDONE) or (words <= REASONS and words != {"code"}):
            yield from _undone(lines, name, feed)
        elif "parent" not in words and 0 < column.given < 1 and not column.is_measure:
            yield from _referring(lines, name, feed)
        if "parent" in words and 0 < column.given < 1:
            n = round(column.given * column.lines)
            says = f"{name} is given in {plural(n, 'line')}: they are parts of another line, and each counts as a purchase of its own."
            yield Note(
                "left out",
                says,
                "have the parts of bundles and variants delivered without, or the lines that they are parts of.",
            )
        if not words.isdisjoint(VALID) or words <= SOLD:
            yield from _not_valid(lines, name)
        if any(zone <= words for zone in ZONES) and feed.timestamps_in == "local":
            says = f"{name} ({column.example}) says in which zone times are, and is not used: they are read as times of {timezone}."
            yield Note("guessed", says, "--timezone with that of the stores, or have offsets written behind the times.")
        if not words.isdisjoint(VERSIONS) and column.different > 1:
            says = f"{name} says that lines came in versions: each version counts as a purchase of its own."
            yield Note("to know", says, "have the last version of each line delivered.")
        if not words.isdisjoint(KEYS) and MOSTLY_OWN * column.lines <= column.different < column.lines * column.given:
            yield from _repeated(lines, name, feed)

    yield from _crossed(lines, feed, free, timezone=timezone)
    yield from _always_again(lines, feed)
    if feed.columns.basket_id and (
        kinds := [name for name, column in free.items() if 1 < column.different <= MOST_KINDS]
    ):
        repeats = _with_repeats(lines, feed)
        for name in kinds:
            yield from _multiplied(repeats, name)


def _renamed(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    """That a column is given where the household's is not, and nowhere else."""
    own = feed.columns.household_id
    other, mine = (identifiers(lines[each], nothing=feed.empty_values).notnull() for each in (name, own))
    row = one_row(lines.agg(alone=(other & ~mine).sum(), both=(other & mine).sum()))
    if row["alone"] and not row["both"]:
        says = f"{name} is given in {plural(row['alone'], 'line')} in which {own} is not: they are taken for nobody's."
        yield Note("left out", says, f"if both name households, have the column called {own} in every line.")


def _others(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    """That another column may say who bought, unless what it says is a part of who did: a cashier, or a card's owner."""
    own = feed.columns.household_id
    row = _pairs(lines, own, name, feed)
    if row["others"] > 1 and row["pairs"] > NESTED * row["others"]:
        says = f"{own} ({row['own']:,} different) is taken for who bought; {name} ({row['others']:,} different) is called so, too."
        yield Note("guessed", says, f"if it says who bought: --column household_id={name}.")


def _pairs(lines: ibis.Table, own: str, name: str, feed: TransactionsConfig) -> dict[str, int]:
    """How many identifiers two columns have (`own`, `others`), how many `pairs` of them stand in a line, and in how many `lines`."""
    mine, other = (identifiers(lines[each], nothing=feed.empty_values) for each in (own, name))
    pairs = lines.select(mine=mine, other=other).drop_null().group_by("mine", "other").agg(n=lambda t: t.count())
    facts = {
        "pairs": pairs.count(),
        "others": pairs.other.nunique(),
        "own": pairs.mine.nunique(),
        "lines": pairs.n.sum(),
    }
    return one_row(pairs.agg(**facts))


def _finer(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    """That another column tells several products apart where the one that is read says one: its variants."""
    own = feed.columns.product_id
    row = _pairs(lines, own, name, feed)
    is_of_lines = row["others"] > MOSTLY * row["lines"]  # a number of the line's own
    if FINER * row["own"] < row["pairs"] <= NESTED * row["others"] and not is_of_lines:
        says = f"{own} ({row['own']:,} different) is taken for what was bought; {name} ({row['others']:,} different) tells more apart."
        yield Note("guessed", says, f"if these are products of their own: --column product_id={name}.")


def _of_stores(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    """That a product has another name in each store: the stores number their products by themselves."""
    product, store = (
        identifiers(lines[each], nothing=feed.empty_values) for each in (feed.columns.product_id, feed.columns.store_id)
    )
    named = lines.select(product=product, store=store, name=lines[name].cast("string").strip()).drop_null().distinct()
    products = named.group_by("product").agg(
        names=named.name.nunique(), stores=named.store.nunique(), pairs=named.count()
    )
    sold = products.filter(products.stores > 1)
    are_others = (sold.names == sold.stores) & (sold.names == sold.pairs)
    row = one_row(sold.agg(all=sold.count(), n=are_others.sum(), example=sold["product"].max(where=are_others)))
    if row["n"] and row["n"] >= MOSTLY_OWN * row["all"]:
        own = feed.columns.product_id
        says = f"{row['n']:,} of {own} have another {name} in each store ({row['example']}): what may be several products is taken for one."
        yield Note("merged", says, "if each store has numbers of its own, have the store written before them.")


def _of_tests(lines: ibis.Table, store: str) -> Iterator[Note]:
    """That a store or a till is one of tests, by its name."""
    name = lines[store].cast("string")
    counts = count_values(name.re_search(OF_TESTS).ifelse(name, None))
    del counts[None]
    if counts:
        says = f"{store} names what is hardly a store ({shown(counts)}): its lines are taken for purchases. Are they?"
        values = ", ".join(json.dumps(value, ensure_ascii=False) for value in sorted(counts))
        yield Note("left out", says, f"if not, under [transactions]: unless = {{ {as_key(store)} = [{values}] }}.")


def _referring(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    """That some lines name the basket or the product of others: returns do so, corrections, and parts of bundles."""
    value = identifiers(lines[name], nothing=feed.empty_values)
    for column in filter(None, (feed.columns.basket_id, feed.columns.product_id)):
        own = identifiers(lines[column], nothing=feed.empty_values)
        said = lines.select(value=value, own=own).filter(lambda t: t.value.length() >= LONG_ENOUGH)
        said = said.group_by("value").agg(n=said.count(), is_other=(said.own != said.value).all())
        known = said.semi_join(lines.select(value=own).distinct(), "value").filter(lambda t: t.is_other)
        row = one_row(known.agg(kinds=known.count(), n=known.n.sum(), example=known.value.max()))
        if row["kinds"] and row["kinds"] >= REFERRED * one_row(said.agg(n=said.count()))["n"]:
            says = (
                f"{name} names the {column} of others in {plural(row['n'], 'line')} ({row['example']}), as returns, corrections and parts "
                "of bundles do: each counts as a purchase of its own. Is it?"
            )
            yield Note("left out", says, "if not, have them delivered without.")


def _undone(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    value = identifiers(lines[name], nothing=feed.empty_values)
    is_said = value.notnull() & value.lower().notin(sorted(NO)) & ~value.re_search(r"^[-+]?0*([.,]0*)?$")
    row = one_row(lines.agg(lines=lines.count(), n=is_said.sum(), example=value.max(where=is_said)))
    if 0 < (row["n"] or 0) < row["lines"]:
        says = (
            f"{name} is given in {plural(row['n'], 'line')} ({row['example']}): they are taken for purchases. Are they?"
        )
        yield Note("left out", says, "have them delivered without, or with a column of yes and no, which is read.")


def _not_valid(lines: ibis.Table, name: str) -> Iterator[Note]:
    value = lines[name].cast("string").strip().lower()
    row = one_row(lines.agg(others=value.notin(sorted(YES | NO)).sum(), n=value.isin(sorted(NO)).sum()))
    if row["n"] and not row["others"]:
        says = f"{name} says no in {plural(row['n'], 'line')}: they are taken for purchases. Are they?"
        yield Note(
            "left out",
            says,
            f'if not, name its other value under [transactions]: where = {{ {as_key(name)} = ["…"] }}.',
        )


def _repeated(lines: ibis.Table, name: str, feed: TransactionsConfig) -> Iterator[Note]:
    """That lines of one identifier say the same: a queue delivered them again."""
    columns = feed.columns
    same = [columns.household_id, columns.product_id, *columns.occurred_at, columns.quantity, columns.sales_value]
    known = lines.filter(lines[name].notnull())
    groups = known.group_by(*{name, *filter(None, same)}).agg(again=known.count() - 1)
    again = one_row(groups.agg(n=groups.again.sum()))["n"]
    if again:
        says = f"{plural(again, 'line')} have a {name} that stood before, with the same in all that is read: each counts as a purchase of its own."
        yield Note("to know", says, "if they came twice, have each delivered once.")
    others = [each for each in (columns.quantity, columns.sales_value) if each]
    if not others:
        return
    same = [name, *(each for each in same if each and each not in others)]
    differing = known.group_by(*dict.fromkeys(same)).agg(
        own=_joined([known[each].cast("string") for each in others]).nunique()
    )
    corrected = one_row(differing.agg(n=(differing.own - 1).sum(where=differing.own > 1)))["n"]
    if corrected:
        says = f"{plural(corrected, 'line')} have a {name} that stood before with the same product, and another {listed(others)}: each counts as a purchase of its own."
        yield Note("left out", says, "if they correct what stood before, have the last of each delivered alone.")


def _crossed(
    lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile], *, timezone: str
) -> Iterator[Note]:
    """That all who have an order's number have the same lines: orders and lines were joined by it, and several orders have it."""
    columns = feed.columns
    who = identifiers(lines[columns.household_id], nothing=feed.empty_values)
    told = lines.mutate(
        **{SAID: _said(lines, feed), WHO: who, DAY: cleaning.business_date_of(lines, feed, timezone=timezone)}
    )
    told = told.filter(told[WHO].notnull())
    also = [*filter(None, [columns.store_id]), DAY]
    for name in matching_columns("basket", [*filter(None, [columns.basket_id]), *free]):
        some = some_of(told, name)
        for more in chain.from_iterable(combinations(also, n) for n in range(len(also) + 1)):
            pairs = some.group_by(name, *more, WHO, SAID).agg(n=some.count())
            orders = pairs.group_by(name, *more).agg(
                whose=pairs[WHO].nunique(), said=pairs[SAID].nunique(), pairs=pairs.count(), n=pairs.n.sum()
            )
            several = orders.filter((orders.whose > 1) & (orders.said > 1))
            is_crossed = several.pairs == several.whose * several.said
            row = one_row(several.agg(all=several.count(), n=is_crossed.sum(), lines=several.n.sum()))
            if not row["all"] and not more:  # each number is of one household
                break
            if row["all"] >= EVIDENCE_BASKETS and row["n"] >= MOSTLY * row["all"]:
                says = (
                    f"All who have a {name} have the same lines ({row['lines']:,} lines): orders and lines were joined by too little, for several "
                    f"orders have one {name}, and each line counts for every one of them."
                )
                remedy = "join by the store, the till and the day as well, or whatever else tells orders of one number apart."
                yield Note("left out", says, remedy)
                return


def _always_again(lines: ibis.Table, feed: TransactionsConfig) -> Iterator[Note]:
    """That products stand more than once in nearly every basket that has them: as scans of their own they would in some."""
    columns = feed.columns
    lines = some_of(lines, columns.household_id)
    of = [
        lines[each].cast("string") for each in (columns.basket_id, columns.household_id, *columns.occurred_at) if each
    ]
    told = lines.select(
        "source_file", product=columns.product_id, basket=_joined(of), said=_said(lines, feed)
    ).drop_null()
    told = told.group_by("source_file", "product", "basket", "said").agg(n=told.count())
    products = told.group_by("product").agg(baskets=told.count(), again=(told.n > 1).sum())
    products = products.filter(products.baskets >= EVIDENCE_BASKETS)
    is_again = products.again >= MOSTLY * products.baskets
    row = one_row(
        products.agg(
            all=products.count(), n=is_again.sum().fill_null(0), example=products["product"].min(where=is_again)
        )
    )
    if 0 < ALWAYS_AGAIN * row["all"] <= row["n"] < MOSTLY * row["all"]:  # where all are, they were delivered again
        says = (
            f"{row['n']:,} of {columns.product_id} stand more than once with the same in nearly every basket that has them ({row['example']}), as "
            "a join makes them with a catalogue that has several rows of a product: each counts as a purchase of its own."
        )
        yield Note(
            "left out",
            says,
            "if so, join by what is once in the catalogue: the version of a product that holds on the day.",
        )


def _with_repeats(lines: ibis.Table, feed: TransactionsConfig) -> ibis.Table:
    """The lines of the baskets in which lines are alike, with what makes them so as :data:`SAID` and their :data:`BASKET`."""
    columns = feed.columns
    of = [lines[each].cast("string") for each in (columns.basket_id, *columns.occurred_at) if each]
    told = lines.mutate(**{SAID: _said(lines, feed), BASKET: _joined(of)})
    baskets = told.group_by(BASKET).agg(n=told.count(), own=told[SAID].nunique())
    return told.semi_join(baskets.filter((baskets.n > baskets.own) & (baskets.own > 1)), BASKET).cache()


def _said(lines: ibis.Table, feed: TransactionsConfig) -> ir.StringValue:
    """What a line says was bought: product, quantity and value."""
    columns = feed.columns
    same = filter(None, (columns.product_id, columns.quantity, columns.sales_value))
    return _joined([lines[each].cast("string").fill_null("") for each in same])


def _joined(texts: Sequence[ir.StringValue]) -> ir.StringValue:
    return functools.reduce(lambda joined, text: joined + "|" + text, texts)


def _multiplied(repeats: ibis.Table, name: str) -> Iterator[Note]:
    """That the lines of baskets stand once for each value of a column, as a join with their payments makes them."""
    facts = {"n": repeats[name].count(), "kinds": repeats[name].nunique(), "own": repeats[SAID].nunique()}
    baskets = repeats.group_by(BASKET).agg(**facts)
    several = baskets.filter(baskets.kinds > 1)
    is_multiplied = several.n == several.kinds * several.own
    row = one_row(several.agg(all=several.count(), n=is_multiplied.sum(), more=(several.n - several.own).sum()))
    if row["all"] >= EVIDENCE_BASKETS and row["n"] >= MOSTLY * row["all"]:
        says = (
            f"The lines of {row['n']:,} baskets stand once for each {name} of the basket, as a join with payments makes them: "
            f"{row['more']:,} lines count again."
        )
        yield Note("left out", says, f"have each line delivered once, however many a basket has of {name}.")
