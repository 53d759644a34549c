"""What a feed's values give away that no name of a column says: how numbers are written, what is nested, units, currencies.

All of it is measured on lines that fit the header: a broken line says nothing of columns, shares or ranges.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import money
from assets.grocery.ingestion.numbers import currency_of, number_of
from assets.grocery.onboarding.columns import MOST_KINDS, ColumnProfile, one_row, said_in, shown
from assets.grocery.onboarding.proposed import Note, ProposedSetting, by_query, table_of, unpivoted
from assets.grocery.onboarding.words import matching_columns, split_name
from resources.config.feeds import FeedConfig
from resources.config.retailer import TransactionsConfig
from resources.errors import Refused
from resources.feeds import converted
from resources.feeds.files import FeedFile, own_columns, text_columns
from resources.tables.engine import count_values, quoted_name
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

# Programs of jq. A value with its type, as MongoDB and DynamoDB export it, is the value; objects within one are flattened, their names joined.
PLAIN = (
    '(if type == "array" then .[] else . end) | (if keys == ["{envelope}"] then .[] else . end) | walk(if type == "object" and '
    'length == 1 and (keys[0] | test("^({types})$")) then (if has("NULL") then null else .[] end) else . end)'
).format(envelope=converted.ENVELOPE, types="|".join(sorted(converted.TYPED)).replace("$", "[$]"))
FLAT = '[paths(type != "object" and type != "array") as $p | {key: $p | map(tostring) | join("_"), value: getpath($p)}] | from_entries'
WITHIN_AN_ENVELOPE = '.[{name}] | if type == "string" then fromjson else . end | objects'
BEFORE = frozenset({"before", "old", "oldimage"})  # what a log of changes calls a row as it was
UNIT_NAMES = frozenset(  # ME, VRKME and MEINS as SAP calls them
    "unit units uom einheit mengeneinheit me vrkme meins unite unidad unidade unita eenheid jm jedn birim ed izm".split()
)
MEASURES = frozenset("g gr gram grams gramm kg kilo lb lbs oz ml cl l ltr liter litre г гр кг мл л".split())
DISCOUNT = frozenset("discount discounts disc rabatt remise sconto descuento korting".split())
DISCOUNTS = DISCOUNT | frozenset("line total item amount value betrag montant sum retail coupon of".split())
NET = frozenset("net netto paid nettowert after".split())
TURNED = 0.5  # the share of a column's amounts below 0 from which its sales are, and not its returns
SAME_MEASURE = 0.5  # the share of lines in which two columns of quantities say the same if they are of one measure
OTHER_UNIT = 20  # times as much as on the day before, or in another store, a line is in another unit: in cents
OTHER_NUMBERS = 0.5  # more or less of a day's quantities are whole, where they are another day's prices
LINES_TO_TELL = 10  # of a day, a store or a file


def written_as(lines: ibis.Table, files: FeedConfig) -> tuple[FeedConfig, list[Note]]:
    """`files` with the separators of decimals and thousands that the whole feed's numbers have; notes."""
    import ibis

    texts = text_columns(lines)
    if not texts:
        return files, []
    blank = "[0-9' \u00a0\u202f"
    shapes = {
        "commas": rf"^\D{{0,5}}{blank}.]*[0-9],[0-9]{{1,2}}\D{{0,5}}$|^-?0,[0-9]{{3}}$",
        "points": rf"^\D{{0,5}}{blank},]*[0-9]\.[0-9]{{1,2}}\D{{0,5}}$|^-?0\.[0-9]{{3}}$",
        "comma_groups": r"^\D{0,5}[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?\D{0,5}$",
        "point_groups": r"^\D{0,5}[1-9][0-9]{0,2}(\.[0-9]{3})+(,[0-9]+)?\D{0,5}$",
    }

    def matches(name: str, shape: str) -> ir.IntegerScalar:
        n = lines[name].re_search(shapes[shape]).sum().fill_null(0)
        # Where every number has three digits behind a mark, they are decimals, as of weights: thousands are rarer.
        return (n == lines[name].count()).ifelse(0, n) if "groups" in shape else n

    facts = {shape: sum((matches(name, shape) for name in texts), ibis.literal(0)) for shape in shapes}
    found = one_row(lines.agg(**facts))
    decimal, notes = files.decimal, []
    if found["commas"] != found["points"]:
        decimal = "," if found["commas"] > found["points"] else "."
    elif found["comma_groups"] and not found["commas"]:
        decimal = "."
    mark = "," if decimal == "." else "."
    groups = found["comma_groups" if decimal == "." else "point_groups"]
    # A group of three digits with the point alone is a number with three decimals, in a feed without other decimals.
    is_shown = groups and (decimal == "," or found["points"] or not found["commas"])
    if is_shown and not (decimal == "," and not found["commas"]):
        says = (
            f"{groups:,} numbers have {mark!r} before three digits: it separates their thousands (1{mark}234 is 1234)."
        )
        notes.append(Note("guessed", says, f"leave out `thousands` where 1{mark}234 is a little more than 1."))
        return files.model_copy(update={"decimal": decimal, "thousands": mark}), notes
    return files.model_copy(update={"decimal": decimal}), notes


def refuse_nested(lines: ibis.Table, files: FeedConfig) -> None:
    """Refuse lines of which a column holds an object, as in an event's envelope, or a list of them, such as an order's items.

    With what makes a line of each.
    """
    objects: dict[str, str] = {}
    path = re.sub(r"\{date[^}]*\}", "*", files.path[0]) if len(files.path) == 1 else "FILE"
    for name in text_columns(lines):
        value = lines[name].max().to_pyarrow().as_py() or ""
        if value.startswith('{"'):
            objects[name] = value
        nested = re.match(r'(?:\{.{0,1000}?"(\w+)": )?\[\{', value, re.DOTALL)
        if not nested:
            continue
        is_all_in_one = lines.count().to_pyarrow().as_py() == 1
        item = f".[{json.dumps(name)}][]? as $item | del(.[{json.dumps(name)}]) + {{item: $item}}"
        program = converted.WITHIN_ONE.format(name=nested[1] or name) if is_all_in_one else f"{PLAIN} | {item} | {FLAT}"
        raise Refused(
            f"{name} holds a list ({value[:60]}…): one line a product is needed.",
            remedy=f"{converted.by_jq(program, path)} makes a line of each.",
        )
    if objects:
        flat = [name for name in own_columns(lines) if name not in objects]
        name = max(objects, key=lambda name: (_names_a_product(objects[name]), name.lower() not in BEFORE))
        is_envelope = not (matching_columns("household", flat) or matching_columns("product", flat))
        program = WITHIN_AN_ENVELOPE.format(name=json.dumps(name)) if is_envelope else f"{PLAIN} | {FLAT}"
        raise Refused(
            f"{name} holds what is needed as an object: a line of each is needed.",
            remedy=f"{converted.by_jq(program, path)} makes it so.",
        )


def lacking(files: Sequence[FeedFile], columns: Iterable[str]) -> list[Note]:
    """That files lack one of the `columns` that are read: a night refuses them."""
    notes = []
    for name in columns:
        without = [file.name for file in files if name not in file.columns]
        if without:
            says = f"{plural(len(without), 'file')} of {len(files)}, such as {without[0]}, lack the column {name}: a night refuses them."
            remedy = "have it called alike in all files, or read them by a query of DuckDB's in which it is: coalesce(new, old)."
            notes.append(Note("set aside", says, remedy))
    return notes


def refuse_side_by_side(product: str, columns: Iterable[str], files: FeedConfig) -> None:
    """Refuse products that stand beside one another in columns that are numbered: all but those of the first would be lost."""
    stem = product.rstrip("0123456789")
    beside = [name for name in columns if re.fullmatch(rf"{re.escape(stem)}\d+", name)]
    if stem == product or len(beside) < 2:
        return
    raise Refused(
        f"{listed(beside, 3)} hold a product each: one line a product is needed.",
        remedy=f"{unpivoted(table_of(files), 'place', 'product', on=beside)} Or name the one that counts: --column product_id={product}.",
    )


def _names_a_product(text: str) -> bool:
    """Whether the text of an object of JSON has something that is called like a product."""
    with contextlib.suppress(ValueError):
        return bool(matching_columns("product", json.loads(text)))
    return False


def units(lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile]) -> list[Note]:
    """That the quantities are of several units, where a column says so: grams beside pieces are added up as they are."""
    notes = []
    for name, column in free.items() if feed.columns.quantity else ():
        if UNIT_NAMES.isdisjoint(split_name(name)) or not 1 < column.different <= MOST_KINDS or column.is_number:
            continue
        counts, _ = said_in(lines[name])
        if MEASURES.isdisjoint(value.lower() for value in counts):
            continue
        says = f"{name} says what {feed.columns.quantity} counts ({shown(counts)}): its numbers are taken as they are."
        remedy = "have weights delivered in one unit, or leave the column out: --column quantity=."
        notes.append(Note("to know", says, remedy))
    return notes


def refuse_turned(lines: ibis.Table, feed: TransactionsConfig) -> None:
    """Refuse quantities and values of which most are below 0, as tills write what leaves the stock; with what turns their signs."""
    turned = {}
    for name in filter(None, (feed.columns.quantity, feed.columns.sales_value)):
        number = number_of(lines, name, feed)
        share = one_row(lines.agg(share=(number < 0).mean(where=number != 0)))["share"] or 0
        if share > TURNED:
            column = quoted_name(name)
            text = rf"regexp_replace('-' || trim({column}), '^--|^-(.*)-$', '\1')"
            turned[name] = share, f"{text if lines[name].type().is_string() else '-' + column} AS {column}"
    if turned:
        shares = listed([f"{name} is below 0 in {share:.1%} of lines" for name, (share, _) in turned.items()])
        query = f"SELECT * REPLACE ({', '.join(sign for _, sign in turned.values())}) FROM {table_of(feed)}"
        raise Refused(
            f"{shares}: as returns they count as no purchases, and hardly anything else is left.",
            remedy=f"{by_query(query)} turns the signs, if sales are written so; else have the sales delivered.",
        )


def beside(lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile]) -> list[Note]:
    """That another column of quantities says nearly the same, and that discounts stand in a column of their own."""
    notes = []
    own, paid = feed.columns.quantity, feed.columns.sales_value
    for name in matching_columns("quantity", free, max_unknown_words=1) if own else ():
        mine, other = (number_of(lines, each, feed) for each in (own, name))
        row = one_row(lines.agg(n=(mine != other).sum(), same=(mine == other).mean()))
        if row["n"] and row["same"] >= SAME_MEASURE:
            says = f"{name} says another quantity than {own} in {plural(row['n'], 'line')}, and {own} is read."
            notes.append(Note("guessed", says, f"if {name} is what was bought in the end: --column quantity={name}."))
    for name, column in free.items() if paid and NET.isdisjoint(split_name(paid)) else ():
        if column.is_number and set(split_name(name)) <= DISCOUNTS and not DISCOUNT.isdisjoint(split_name(name)):
            n = one_row(lines.agg(n=(number_of(lines, name, feed) != 0).sum()))["n"]
            if n:
                says = f"{name} is given in {plural(n, 'line')}, and {paid} is taken for what was paid in the end."
                notes.append(Note("guessed", says, "if it is to be subtracted first, have what was paid delivered."))
    return notes


def currency(
    lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile]
) -> tuple[ProposedSetting | None, str | None, dict[str, list[str]], list[Note]]:
    """The retailer's currency, the column that says each line's, what to leave out of several, and notes."""
    named = [
        name
        for name in free
        if not {"currency", "waehrung", "wahrung", "devise", "moneda", "valuta", "curr"}.isdisjoint(split_name(name))
    ]
    sources: list[tuple[str, bool]] = [(name, False) for name in named]
    if feed.columns.sales_value and lines[feed.columns.sales_value].type().is_string():  # numbers have no signs
        sources.append((feed.columns.sales_value, True))
    for name, is_amount in sources:
        said = currency_of(lines, name, feed, is_amount=is_amount)
        counts = {sign: n for sign, n in count_values(said).items() if sign and money.currencies(sign)}
        if not counts:
            continue
        (most, *others) = sorted(counts, key=lambda each: -counts[each])
        codes = money.currencies(most)
        where, notes = {}, []
        different = [each for each in others if codes[0] not in money.currencies(each)]
        if different:
            shown = ", ".join(f"{each} {counts[each]:,}" for each in [most, *others])
            says = f"{name} names several currencies ({shown}): they are not added up; only {codes[0]} is taken in."
            notes.append(Note("left out", says, "have one file for each currency, or the values converted."))
            if not is_amount:
                mine = money.ways_to_write(codes[0])
                texts, _ = said_in(lines[name])
                where = {name: sorted(text for text in texts if text.upper().rstrip(".") in mine)}
        why = f"{name} says {most}" + f"; {listed(codes[1:])} write it so, too" * (len(codes) > 1)
        setting = ProposedSetting("currency", codes[0], why, len(codes) > 1)
        return setting, None if is_amount else name, where, notes
    if code := money.in_name(feed.columns.sales_value or ""):
        return ProposedSetting("currency", code, f"{feed.columns.sales_value} says it"), None, {}, []
    return None, None, {}, []


def jumps(standard: ibis.Table) -> list[Note]:
    """That what a line costs is of another size, as in cents beside euros: from one day to the next, or in a store or a file.
    Or that quantities are no more whole numbers, or have become such: they changed places with prices.

    Of lines under our names.
    """
    paid = standard.filter(standard.business_date.notnull() & (standard.sales_value > 0))
    rows = _sizes(paid, "business_date")
    found = [
        (before, after)
        for before, after in pairwise(rows)
        if not 1 / OTHER_UNIT < after["value"] / before["value"] < OTHER_UNIT
    ]
    remedy = "have all of it delivered in one unit, euros or cents."
    if found:
        ((before, after), *more) = found
        says = (
            f"sales_value is of another size from {after['business_date']} on: half of the lines cost up to {after['value']:,.2f}, and "
            f"{before['value']:,.2f} on {before['business_date']}" + f"; so {len(more)} more times" * bool(more) + "."
        )
        return [Note("to know", says, remedy)]
    for before, after in pairwise(rows):
        if abs(after["wholes"] - before["wholes"]) > OTHER_NUMBERS:
            says = (
                f"quantity is a whole number in {before['wholes']:.0%} of lines on {before['business_date']}, and in {after['wholes']:.0%} "
                f"on {after['business_date']}: from then on the column may hold something else."
            )
            return [Note("to know", says, "look at both files; if columns changed places, have them delivered alike.")]
    for by in ("store_id", "source_file"):
        rows = sorted(_sizes(paid, by), key=lambda row: row["value"])
        usual = rows[(len(rows) - 1) // 2] if rows else {}  # the dearest and the cheapest store may well be far apart
        others = [row for row in rows if not 1 / OTHER_UNIT < row["value"] / usual["value"] < OTHER_UNIT]
        if others:
            other = others[-1]
            says = (
                f"sales_value is of another size by {by}: half of the lines cost up to {other['value']:,.2f} in {other[by]}, and "
                f"{usual['value']:,.2f} in {usual[by]}."
            )
            return [Note("to know", says, remedy)]
    return []


def _sizes(paid: ibis.Table, by: str) -> list[dict[str, Any]]:
    """What half of the lines cost at most, and how many have whole quantities, by a column of ours that has enough of them."""
    sizes = paid.group_by(by).agg(
        n=paid.count(), value=paid.sales_value.approx_median(), wholes=(paid.quantity % 1 == 0).mean()
    )
    sizes = sizes.filter(sizes[by].notnull() & (sizes.n >= LINES_TO_TELL))
    return sizes.order_by(by).to_pyarrow().to_pylist()
