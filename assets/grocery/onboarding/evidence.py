"""What a feed's values give away that no name of a column says: how numbers are written, what is no purchase, and doubts.

All of it is measured on lines that fit the header: a broken line says nothing of columns, shares or ranges.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import glob
import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning, money
from assets.grocery.ingestion.numbers import currency_of
from assets.grocery.onboarding import alike
from assets.grocery.onboarding.columns import ColumnProfile, one_row
from assets.grocery.onboarding.proposed import Note, ProposedSetting
from assets.grocery.onboarding.words import split_name
from resources.config.feeds import FeedConfig
from resources.config.retailer import TransactionContractConfig, TransactionsConfig
from resources.errors import Refused
from resources.feeds import converted
from resources.feeds.files import text_columns
from resources.identifiers import LIST, ROUNDED, identifiers, trimmed
from resources.tables.engine import count_values
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

# Orders with their lines in a list, flattened: the names of what is nested joined, those of an item after `item`.
ONE_LINE_A_PRODUCT = (
    '`jq -c \'if type == "array" then .[] else . end | .[{name}][]? as $item | del(.[{name}]) + {{item: $item}} | '
    '[paths(type != "object" and type != "array") as $p | {{key: $p | map(tostring) | join("_"), value: getpath($p)}}] | '
    "from_entries' {file} > {file}.jsonl` makes a line of each."
)
WITHIN_AN_ENVELOPE = (
    "`jq -c '.[{name}] | if type == \"string\" then fromjson else . end | objects' {file} > {file}.jsonl` makes it so."
)
MOST_KINDS = 30  # a column with more values says no kind of a line
LISTED = 0.2  # the share of lines with several products in a cell above which a feed is no feed of lines
DOMINANT = 0.1  # the share of lines above which one household of many is hardly one
HOUSEHOLDS_TO_TELL = 20
UNIT_NAMES = frozenset("unit units uom einheit unite unidad unidade unita eenheid jm birim".split())  # noqa: SIM905
MEASURES = frozenset("g gr gram grams gramm kg kilo lb lbs oz ml cl l ltr liter litre".split())  # noqa: SIM905
# Of households that are none: nothing but zeros or nines, and words.
PLACEHOLDERS = r"^(0+|9{3,}|-1|anon(ymous)?|unknown|unbekannt|guest|gast|walk.?in|dummy|default|no.?card|cash|inconnu|desconocido)$"
PURCHASES = frozenset(
    """purchase purchased transaction sale sales sold sell buy bought order ordered complete completed paid delivered shipped closed
    verkauf kauf vente achat venta compra vendita acquisto verkoop aankoop salg sprzedaz
    invoice invoiced rechnung facture factura fattura""".split()  # noqa: SIM905
)
OTHERS = frozenset(
    """view viewed cart addtocart add remove removed click impression wishlist search detail return returned returns refund
    refunded cancel cancelled canceled cancellation void voided storno retoure rueckgabe ruckgabe retour remboursement
    devolucion reso voucher gutschein coupon deposit pfand giftcard gift tip fee shipping discount rabatt test pending failed
    payment zahlung exchange correction writeoff waste annulation annule anulado
    memo note gutschrift avoir abono chargeback reversal reversed rejected declined""".split()  # noqa: SIM905
)
# In the name of a column of yes and no: a yes is no purchase.
FLAGS = frozenset(
    """return returned returns refund refunded cancel cancelled canceled cancellation void voided storno storniert retoure
    correction deleted annulled annule test training uebung retour remboursement devolucion reso""".split()  # noqa: SIM905
)
QUANTITIES = frozenset("qty quantity units amount value total menge anzahl betrag quantite montant".split())  # noqa: SIM905
# As people write them, and spreadsheets and databases in their languages; -1 is true in Access.
YES = frozenset(
    """1 -1 y yes true t x j ja oui si sí sim tak wahr vrai verdadero vero verdadeiro waar prawda sand sant""".split()  # noqa: SIM905
)
NO = frozenset("0 n no false f nein non nee não nao nie falsch faux falso onwaar fałsz falsk".split())  # noqa: SIM905
OF_A_LINE = frozenset(
    "line transaction trans txn sale sales event order record rec row item document doc beleg bon satz receipt".split()  # noqa: SIM905
)
TYPE_NAMES = frozenset(
    """type status kind event action typ art state vorgang tipo statut estado belegart rectype satzart linetype sign vorzeichen
    shkzg debit credit soll haben""".split()  # noqa: SIM905
)

# What a log of changes says of each, as databases' connectors write it: of made, read, changed and removed rows.
CHANGE_NAMES = frozenset("op operation change cdc dml type action event rowkind recordtype".split())  # noqa: SIM905
MADE = frozenset("c r i +i create read insert inserted".split())  # noqa: SIM905
CHANGED = frozenset(
    "u -u +u d -d update updated upsert delete deleted update_preimage update_postimage update_before update_after".split()  # noqa: SIM905
)


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
    envelope = None
    for name in text_columns(lines):
        value = lines[name].max().to_pyarrow().as_py() or ""
        nested = re.match(r'(?:\{.{0,1000}?"(\w+)": )?\[\{', value, re.DOTALL)
        if not nested:
            envelope = name if value.startswith('{"') and name.lower() != "before" else envelope
            continue
        file = _file_of(files)
        is_all_in_one = lines.count().to_pyarrow().as_py() == 1
        command = converted.WITHIN_ONE.format(name=nested[1] or name, file=file)
        if not is_all_in_one:
            command = ONE_LINE_A_PRODUCT.format(name=json.dumps(name), file=file)
        raise Refused(f"{name} holds a list ({value[:60]}…): one line a product is needed.", remedy=command)
    if envelope:
        command = WITHIN_AN_ENVELOPE.format(name=json.dumps(envelope), file=_file_of(files))
        raise Refused(f"{envelope} holds what is needed as an object: a line of each is needed.", remedy=command)


def _file_of(files: FeedConfig) -> str:
    """The file of a command that takes one apart."""
    (path, *others) = files.path or ["FILE"]
    return "FILE" if others or glob.has_magic(path) or "{" in path else shlex.quote(path)


def doubts_of_identifiers(lines: ibis.Table, feed: TransactionsConfig, *, is_told: bool) -> list[Note]:
    """What a person is to know of the columns of households, products and baskets.

    Raises :class:`Refused` when the products' column holds several products a cell, unless a person named it (`is_told`).
    """
    notes, who_is_it = [], []
    columns = feed.columns
    for column in (columns.household_id, columns.product_id, columns.basket_id):
        if column is None:
            continue
        type_ = lines[column].type()
        values = lines.group_by(value=lines[column]).agg(n=lines.count()).cache()  # each is looked at once
        text, of = trimmed(values.value.cast("string")), values.n
        is_list = text.re_search(LIST if column != columns.product_id else rf"{LIST}|[^;|]+[;|][^;|]+")
        is_rounded, is_nothing = (
            text.re_search(ROUNDED),
            text.notnull() & (text != "") & identifiers(values.value, nothing=feed.empty_values).isnull(),
        )
        row = one_row(
            values.agg(
                n=of.sum(), lists=of.sum(where=is_list), a_list=text.max(where=is_list), rounded=of.sum(where=is_rounded),
                a_rounded=text.max(where=is_rounded), nothing=of.sum(where=is_nothing), a_word=text.argmax(of, where=is_nothing),
            )
        )  # fmt: skip
        n, several = row["n"] or 1, row["lists"] or 0
        if column == columns.product_id and (type_.is_array() or several / n >= LISTED) and not is_told:
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
        notes += alike.notes_on(read, column)
        if column != columns.household_id:
            continue
        most = one_row(
            read.agg(
                n=read.n.sum().fill_null(0), different=read.count(), who=read.text.argmax(read.n), of_one=read.n.max()
            )
        )
        lion = most["of_one"] / most["n"] if most["different"] >= HOUSEHOLDS_TO_TELL else 0
        if lion > DOMINANT:
            says = f"{columns.household_id} {most['who']} has {lion:.1%} of the lines: is it nobody?"
            who_is_it.append(Note("to know", says, "if so, add the word to `empty_values` in [transactions]."))
            read = read.filter(read.text != most["who"])
        who_is_it += _placeholders(read, column, nobody=1 - most["n"] / n)
    return notes + who_is_it


def _placeholders(households: ibis.Table, column: str, *, nobody: float) -> list[Note]:
    """Which of the `households` (`text`, with `n` lines) read as if they were nobody; and `nobody`, the share of lines that name none."""
    notes = []
    if nobody > DOMINANT:
        says = f"{nobody:.1%} of lines name no {column}: they are nobody's, and count for products alone."
        remedy = "if only the first line of a receipt names it, have it written into every line."
        notes.append(Note("to know", says, remedy))
    odd = households.filter(households.text.lower().re_search(PLACEHOLDERS))
    words = odd.order_by(odd.n.desc(), "text").limit(5).to_pyarrow().to_pylist()
    if words:
        shown = listed([f"{row['text']} ({row['n']:,} lines)" for row in words])
        says = f"{column} has values that are hardly somebody: {shown}."
        notes.append(Note("to know", says, "if so, add them to `empty_values` in [transactions]."))
    return notes


def no_purchases(
    lines: ibis.Table, free: Mapping[str, ColumnProfile]
) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str], list[Note]]:
    """Which lines are purchases (`where`, `unless`), by columns that say what a line is; these columns; and notes."""
    where: dict[str, list[str]] = {}
    unless: dict[str, list[str]] = {}
    told, notes = [], []
    for name, column in free.items():
        words = set(split_name(name))
        may_be_flag = column.different <= 2 and not words.isdisjoint(FLAGS) and words.isdisjoint(QUANTITIES)
        if column.different > MOST_KINDS or not (may_be_flag or lines[name].type().is_string()):
            continue
        counts, is_always_given = _said_in(lines[name].cast("string"))
        if may_be_flag and {value.lower() for value in counts} <= YES | NO:
            others = sorted(value for value in counts if value.lower() in YES)
            if others:
                unless[name] = others
                remedy = "take `unless` out of [transactions] if they are purchases."
                notes.append(_left_out(name, counts, f"with {listed(others)}", others, remedy))
            told.append(name)
            continue
        kinds = {value.lower() for value in counts}
        if kinds & CHANGED and kinds <= MADE | CHANGED and not words.isdisjoint(CHANGE_NAMES):
            told.append(name)
            says = (
                f"{name} says what became of a row ({_shown(counts)}): each change is taken for a purchase of its own."
            )
            remedy = "have the rows delivered as they are now: the last change of each, and none that was deleted."
            notes.append(Note("left out", says, remedy))
            continue
        of_values = {value: {*split_name(value), *split_name(value.lower().replace("_", ""))} for value in counts}
        others = [value for value in counts if of_values[value] & OTHERS]
        sales = sorted(value for value in counts if of_values[value] & PURCHASES and value not in others)
        is_named = not words.isdisjoint(TYPE_NAMES)
        # Codes (S and R) are no words: only a name that speaks of the line makes them worth the question.
        speaks_of_lines = is_named and words <= TYPE_NAMES | OF_A_LINE and len(counts) > 1
        if not ((others and sales) or (is_named and (others or sales)) or speaks_of_lines):
            continue
        told.append(name)
        if sales and len(sales) + len(others) == len(counts):
            if is_always_given:
                where[name] = sales
            elif others:  # a line may say nothing, as further ones of an order: it is no other kind
                unless[name] = sorted(others)
            if others:
                setting = "where" if is_always_given else "unless"
                remedy = f"correct `{setting}` in [transactions] if others of {name} are purchases."
                notes.append(_left_out(name, counts, f"that are not {listed(sales)}", others, remedy))
        else:
            says = f"{name} says what a line is ({_shown(counts)}): all are taken for purchases. Are they?"
            remedy = f'name those that are under [transactions]: where = {{ {_key(name)} = ["…"] }}.'
            notes.append(Note("left out", says, remedy))
    return where, unless, told, notes


def _said_in(column: ir.StringColumn) -> tuple[dict[str, int], bool]:
    """How many lines have each value of a column, without the empty ones; and whether there are none of those."""
    counts = count_values(trimmed(column))
    given = {value: n for value, n in counts.items() if value}
    return given, len(given) == len(counts)


def _key(name: str) -> str:
    """A name as TOML writes it before the sign of equality."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _left_out(name: str, counts: Mapping[str, int], which: str, others: Iterable[str], remedy: str) -> Note:
    lines = sum(counts[value] for value in others)
    says = f"{name} says what a line is ({_shown(counts)}): {lines:,} lines {which} are left out."
    return Note("left out", says, remedy)


def _shown(counts: Mapping[str, int]) -> str:
    return listed([f"{value} {n:,}" for value, n in sorted(counts.items(), key=lambda item: -item[1])], 10)


def units(lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile]) -> list[Note]:
    """That the quantities are of several units, where a column says so: grams beside pieces are added up as they are."""
    notes = []
    for name, column in free.items() if feed.columns.quantity else ():
        if UNIT_NAMES.isdisjoint(split_name(name)) or not 1 < column.different <= MOST_KINDS or column.is_number:
            continue
        counts, _ = _said_in(lines[name])
        if MEASURES.isdisjoint(value.lower() for value in counts):
            continue
        says = f"{name} says what {feed.columns.quantity} counts ({_shown(counts)}): its numbers are taken as they are."
        remedy = "have weights delivered in one unit, or leave the column out: --column quantity=."
        notes.append(Note("to know", says, remedy))
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
                texts, _ = _said_in(lines[name])
                where = {name: sorted(text for text in texts if text.upper().rstrip(".") in mine)}
        why = f"{name} says {most}" + f"; {listed(codes[1:])} write it so, too" * (len(codes) > 1)
        setting = ProposedSetting("currency", codes[0], why, len(codes) > 1)
        return setting, None if is_amount else name, where, notes
    if code := money.in_name(feed.columns.sales_value or ""):
        return ProposedSetting("currency", code, f"{feed.columns.sales_value} says it"), None, {}, []
    return None, None, {}, []


def good_otherwise(standard: ibis.Table, feed: TransactionsConfig) -> tuple[ibis.Table, ibis.Table]:
    """The purchases that break no rule but those that are to be measured: ranges, and who is named; and their
    :func:`assets.grocery.ingestion.cleaning.suspects`, which hold those of any contract."""
    anything: Any = (-math.inf, math.inf)
    lenient = TransactionContractConfig(
        quantity=anything,
        sales_value=anything,
        is_product_once_a_basket=False,
        is_household_required=False,
        are_identifiers_exact=False,
    )
    bought, feed = cleaning.purchases(standard), feed.model_copy(update={"contract": lenient})
    among = cleaning.suspects(cleaning.by_line(bought, feed))
    judged = cleaning.judge(bought, feed, among=among)
    return judged.filter(judged.rule.isnull()), among
