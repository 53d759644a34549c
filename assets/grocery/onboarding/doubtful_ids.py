"""What a person is to know of the identifiers of households, products and baskets: lists, nobody, two that may be one.

One may be written in two ways, or several in one: by zeros, capitals, blanks, and masks.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assets.grocery.onboarding.columns import MOSTLY, one_row
from assets.grocery.onboarding.proposed import Note, by_query, table_of
from assets.grocery.onboarding.words import matching_columns
from resources.config.retailer import TransactionsConfig
from resources.errors import Refused
from resources.feeds.files import text_columns
from resources.identifiers import LIST, ROUNDED, identifiers, trimmed
from resources.tables.engine import quoted_name
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

PRODUCTS = rf"{LIST}|[^;|]+[;|][^;|]+"  # several in one cell
LISTED = 0.2  # the share of lines with several products in a cell above which a feed is no feed of lines
# Of the lines that say nothing of their kind, the share that are of the order before them, if its first line says it for all.
FURTHER = 0.99
DOMINANT = 0.1  # the share of lines above which one household of many is hardly one
HOUSEHOLDS_TO_TELL = 20
# Of households and products that are none: nothing but zeros or nines, and words.
PLACEHOLDERS = r"^(0+|9{3,}|-1|anon(ymous)?|unknown|unbekannt|guest|gast|walk.?in|dummy|default|test(er|user|kunde|customer)?|no.?card|cash|inconnu|desconocido)$"
MASKED = r"^[0-9]{0,6}[*xX•# -]*[*xX•#]{4}[*xX•# -]*[0-9]{0,4}$"  # what a receipt prints of a card's number

# What an identifier has in some lines and not in others, as a pattern, and what is left of it without.
LONGER = (
    ("letters before them", r"^\p{L}{1,3}[-_ ]?([0-9]+)$", r"\1"),
    ("one digit more behind them, as a check digit is,", r"^([0-9]{6,})[0-9]$", r"\1"),
)
# A barcode that a scale prints: the article's number, and behind it the weight or the price of the piece, and a check digit.
OF_A_SCALE, ITS_PIECE = "^(0{0,2}2[0-9]{5,6})[0-9]{6}$", "[0-9]{6}$"
ALIKE = 0.1  # the share of all identifiers from which it is no chance that they stand in both ways


def doubts(lines: ibis.Table, feed: TransactionsConfig, *, is_told: bool) -> list[Note]:
    """What a person is to know of the columns of households, products and baskets.

    Raises :class:`Refused` when the products' column holds several products a cell, unless a person named it (`is_told`).
    """
    columns = feed.columns
    notes, who_is_it = [], []
    for column in filter(None, (columns.household_id, columns.product_id, columns.basket_id)):
        values = lines.group_by(value=lines[column]).agg(n=lines.count()).cache()  # each is looked at once
        is_product = column == columns.product_id
        row = _written(values, feed, list_=PRODUCTS if is_product else LIST)
        n = row["n"] or 1
        if is_product and (row["lists"] or 0) / n >= LISTED and not is_told:
            raise Refused(
                f"{column} holds lists ({row['a_list']}): one line a product is needed.",
                remedy="export one line for each product of a basket, or name another column: --column product_id=NAME.",
            )
        if row["rounded"]:
            says = (
                f"{column} looks rounded ({row['a_rounded']}) in {row['rounded']:,} of {n:,} lines: different ones may have "
                "become one."
            )
            notes.append(Note("merged", says, "export it as text, not through a spreadsheet."))
        if row["nothing"]:
            says = f"{row['nothing'] / n:.1%} of lines have no {column} (written {row['a_word']})."
            notes.append(
                Note("to know", says, "if it names something in earnest, say in `empty_values` which words do not.")
            )
        read = values.select("n", text=identifiers(values.value, nothing=feed.empty_values))
        read = read.filter(read.text.notnull()).group_by("text").agg(n=read.n.sum()).cache()
        notes += [*_alike(read, column), *(_weighed(read, column, feed) if is_product else [])]
        if is_product:
            notes += _placeholders(read, column, what="a product")
        if column == columns.household_id:
            who_is_it = _nobody(read, column, total=n)
    return notes + who_is_it + _on_first_lines(lines, feed)


def _on_first_lines(lines: ibis.Table, feed: TransactionsConfig) -> list[Note]:
    """That the first lines of orders alone say who bought and when, or what became of them."""
    import ibis

    texts, columns = text_columns(lines), feed.columns
    (marker, *_), who = columns.occurred_at, columns.household_id
    is_bought, is_named = (lines[name].notnull() for name in (columns.product_id, who))
    row = one_row(lines.agg(all=is_bought.sum(), n=(is_bought & is_named).sum(), above=(is_named & ~is_bought).sum()))
    if row["above"] and row["n"] < DOMINANT * row["all"]:
        name = quoted_name(who)
        query = (
            f"SELECT * EXCLUDE (_row) FROM (SELECT * REPLACE (last_value({name} IGNORE NULLS) OVER (ORDER BY _row) AS {name}) FROM "
            f"(SELECT *, row_number() OVER () AS _row FROM {table_of(feed)})) WHERE {quoted_name(columns.product_id)} IS NOT NULL"
        )
        says = f"{who} is given in {plural(row['above'], 'line')} without {columns.product_id} alone, as a heading above its own: those are nobody's."
        return [Note("left out", says, f"{by_query(query)} has each line say what its heading does.")]
    lines = lines.filter(is_bought)
    if marker in texts and who in texts:
        later = lines[marker].isnull()
        row = one_row(lines.agg(all=lines.count(), n=(later & lines[who].isnull()).sum(), later=later.sum()))
        if row["n"] > DOMINANT * row["all"] and row["n"] >= row["later"]:
            says = f"{row['n'] / row['all']:.1%} of lines have neither {who} nor {marker}: the first line of an order has them alone."
            return [Note("left out", says, _filled(lines, marker, feed))]
    for marker in feed.unless:
        if marker not in texts:
            continue
        for order in matching_columns("basket", texts):
            orders = lines.group_by(order, who).agg(lines=lines.count(), given=lines[marker].count())
            several = orders.filter(orders.lines > 1)
            row = one_row(several.agg(all=several.count(), n=(several.given == 1).sum(), lines=several.lines.sum()))
            if row["all"] and row["n"] >= MOSTLY * row["all"]:
                says = (
                    f"{marker} stands once in {row['n']:,} of {row['all']:,} orders of several lines by {order}, in one line for all: the "
                    "others are taken for purchases whatever it says."
                )
                return [Note("left out", says, _filled(lines, marker, feed, order=order))]
        before = ibis.window(group_by="source_file", order_by="source_row")
        name = lines[who].cast("string").fill_null("")  # guests', too
        later, is_same = lines[marker].isnull(), (name == name.lag().over(before)).fill_null(False)
        further = lines.select(later=later, is_same=is_same)
        facts = {
            "all": further.count(),
            "later": further.later.sum(),
            "n": (further.later & further.is_same).sum(),
            "begun": (~further.is_same).sum(),
            "marked": (~further.is_same & ~further.later).sum(),
        }
        row = one_row(further.agg(**facts))
        is_once = row["n"] >= FURTHER * row["later"] and row["marked"] >= FURTHER * row["begun"]
        if row["n"] > DOMINANT * row["all"] and is_once:
            says = (
                f"{row['later'] / row['all']:.1%} of lines say no {marker}: the first line of an order has it alone, and the others are "
                "taken for purchases whatever it says."
            )
            return [Note("left out", says, _filled(lines, marker, feed))]
    return []


def _filled(lines: ibis.Table, marker: str, feed: TransactionsConfig, *, order: str | None = None) -> str:
    """The remedy that has further lines of an order say what the one does that alone has the `marker`.

    Lines of an order are those of one `order` and household; without such a column those from one with the marker to the next.
    """
    texts, later = text_columns(lines), lines[marker].isnull()
    given = {f"given_{place}": lines[name].count(where=later) for place, name in enumerate(texts)}
    numbers = {f"numbers_{place}": lines[name].try_cast("float64").count() for place, name in enumerate(texts)}
    row = one_row(lines.agg(**given, **numbers))
    # What is a number would be added up: an order's total.
    first = [name for place, name in enumerate(texts) if not row[f"given_{place}"] and not row[f"numbers_{place}"]]
    by = f"{quoted_name(order)}, {quoted_name(feed.columns.household_id)}" if order else "_order"
    whole = ", ".join(f"max({quoted_name(name)}) OVER (PARTITION BY {by}) AS {quoted_name(name)}" for name in first)
    query = (
        f"SELECT * REPLACE ({whole}) FROM {table_of(feed)}"
        if order
        else f"SELECT * EXCLUDE (_row, _order) REPLACE ({whole}) FROM (SELECT *, count({quoted_name(marker)}) OVER (ORDER BY _row) AS _order "
        f"FROM (SELECT *, row_number() OVER () AS _row FROM {table_of(feed)}))"
    )
    return f"{by_query(query)} has the others say what the first does."


def _written(values: ibis.Table, feed: TransactionsConfig, *, list_: str) -> dict[str, Any]:
    """How many of the lines `values.n` have a list by the pattern `list_`, a rounded number, or a word for nothing."""
    text, of = trimmed(values.value.cast("string")), values.n
    is_list = text.re_search(list_) | values.value.type().is_array()
    is_rounded = text.re_search(ROUNDED)
    is_nothing = text.notnull() & (text != "") & identifiers(values.value, nothing=feed.empty_values).isnull()
    facts = {
        "n": of.sum(),
        "lists": of.sum(where=is_list),
        "a_list": text.max(where=is_list),
        "rounded": of.sum(where=is_rounded),
        "a_rounded": text.max(where=is_rounded),
        "nothing": of.sum(where=is_nothing),
        "a_word": text.argmax(of, where=is_nothing),
    }
    return one_row(values.agg(**facts))


def _nobody(households: ibis.Table, column: str, *, total: int) -> list[Note]:
    """Which of the `households` (`text`, with `n` of the `total` lines) may be nobody."""
    facts = {"n": households.n.sum().fill_null(0), "different": households.count(), "of_one": households.n.max()}
    most = one_row(households.agg(**facts, who=households.text.argmax(households.n)))
    notes, others = [], households
    if most["different"] >= HOUSEHOLDS_TO_TELL and most["of_one"] / most["n"] > DOMINANT:
        says = f"{column} {most['who']} has {most['of_one'] / most['n']:.1%} of the lines: is it nobody?"
        notes.append(Note("to know", says, "if so, add the word to `empty_values` in [transactions]."))
        others = households.filter(households.text != most["who"])
    nobody = 1 - most["n"] / total
    if nobody > DOMINANT:
        says = f"{nobody:.1%} of lines name no {column}: they are nobody's, and count for products alone."
        remedy = "if only the first line of a receipt names it, have it written into every line."
        notes.append(Note("to know", says, remedy))
    return notes + _placeholders(others, column, what="somebody")


def _placeholders(values: ibis.Table, column: str, *, what: str) -> list[Note]:
    """Which of the identifiers `values` (`text`, with `n` lines) read as if they were none of `what` they name."""
    odd = values.filter(values.text.lower().re_search(PLACEHOLDERS))
    words = odd.order_by(odd.n.desc(), "text").limit(5).to_pyarrow().to_pylist()
    if not words:
        return []
    shown = listed([f"{row['text']} ({row['n']:,} lines)" for row in words])
    says = f"{column} has values that are hardly {what}: {shown}."
    return [Note("to know", says, "if so, add them to `empty_values` in [transactions].")]


def _alike(values: ibis.Table, column: str) -> list[Note]:
    """Which of the identifiers `values.text` of a column may be one written in two ways, or several written in one."""
    of_zeros = "stand with leading zeros and without", "have all files written with the zeros, or all without."
    of_signs = "are told apart by capitals, blanks or marks alone", "have all files write them alike."
    letters = (
        _composed(values.text).re_replace(r"[\s\x{a0}]", "").lower().re_replace(r"^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$", "")
    )
    marked = letters.re_replace("[-–—_./]+", "-").nullif("")
    bare, least = letters.re_replace("[-–—_./,]", "").nullif(""), ALIKE * values.count().to_pyarrow().as_py()
    return [
        *_of_several(values, values.text.re_replace("^0+([0-9]+)$", r"\1"), column, *of_zeros),
        *(_of_several(values, marked, column, *of_signs) or _of_several(values, bare, column, *of_signs, least=least)),
        *_longer(values, column),
        *_masked(values, column),
    ]


def _longer(values: ibis.Table, column: str) -> list[Note]:
    """A note where many identifiers stand with letters or a check digit that they are without elsewhere."""
    total, notes = values.count().to_pyarrow().as_py(), []
    for what, more, bare in LONGER:
        longer = values.select("text", bare=values.text.re_replace(more, bare)).filter(lambda t: t.bare != t.text)
        longer = longer.group_by("bare").agg(n=longer.count(), other=longer.text.min()).filter(lambda t: t.n == 1)
        same = longer.join(values.select(bare="text"), "bare")
        row = one_row(same.agg(n=same.count(), one=same.bare.min(), other=same.other.argmin(same.bare)))
        if row["n"] > 1 and row["n"] >= ALIKE * total:
            says = f"{row['n']:,} of {column} stand with {what} and without ({row['one']}, {row['other']}): each counts as two."
            notes.append(Note("guessed", says, "if each is one, have all files write them alike."))
    return notes


def _weighed(values: ibis.Table, column: str, feed: TransactionsConfig) -> list[Note]:
    """A note where barcodes have the weight or the price of a piece in them: own numbers of a shop differ elsewhere, too."""
    codes = values.filter(values.text.re_search(OF_A_SCALE))
    articles = codes.group_by(article=codes.text.re_replace(ITS_PIECE, "")).agg(
        n=codes.count(), one=codes.text.min(), other=codes.text.max()
    )
    several = articles.filter(articles.n > 1)
    row = one_row(
        several.agg(
            articles=several.count(), n=several.n.sum(), one=several.one.min(), other=several.other.argmin(several.one)
        )
    )
    if row["articles"] < 2:
        return []
    says = (
        f"{row['n']:,} of {column} read like barcodes of a scale, with the weight or the price of a piece in them ({row['one']}, "
        f"{row['other']}): each piece counts as a product of its own."
    )
    name = quoted_name(column)
    article = rf"regexp_replace(trim(CAST({name} AS VARCHAR)), '{OF_A_SCALE}', '\1000000') AS {name}"
    query = by_query(f"SELECT * REPLACE ({article}) FROM {table_of(feed)}")
    return [
        Note("guessed", says, f"if so, {query} has zeros for the piece; better have the article's number delivered.")
    ]


def _composed(text: ir.StringValue) -> ir.StringValue:
    """Texts in which a letter and its accent are one character, as some programs write it and others do not."""
    import ibis

    @ibis.udf.scalar.builtin(name="nfc_normalize", signature=(("string",), "string"))
    def composed(text: str) -> str: ...

    return composed(text)  # pyright: ignore


def _of_several(
    values: ibis.Table, bare: ir.StringValue, column: str, what: str, remedy: str, *, least: float = 1
) -> list[Note]:
    """A note where several identifiers are the same when they are `bare`, and so are at `least` so many."""
    same = values.group_by(bare=bare).agg(n=values.count(), one=values.text.min(), other=values.text.max())
    same = same.filter(same.n > 1)
    row = one_row(same.agg(n=same.count(), one=same.one.min(), other=same.other.argmin(same.one)))
    if row["n"] < max(least, 1):
        return []
    says = f"{row['n']:,} of {column} {what} ({row['one']}, {row['other']}): each counts as two."
    return [Note("guessed", says, remedy)]


def _masked(values: ibis.Table, column: str) -> list[Note]:
    masked = values.filter(values.text.re_search(MASKED))
    row = one_row(masked.agg(n=masked.count(), example=masked.text.min()))
    if not row["n"]:
        return []
    says = (
        f"{row['n']:,} of {column} are masked ({row['example']}): different ones with the same end are taken for one."
    )
    return [Note("merged", says, "have a token or a customer's number delivered instead.")]
