"""Numbers and amounts as files write them: what can be read without doubt is read, by one function for every column.

Read are signs before and after (`-3.50`, `3.50-`, `(3.50)`), a currency before or after (`$3.50`, `3,50 €`, `CHF 1'234.50`,
`1.234,50 kr`), and separators of thousands that stand where they must. With the decimal point, a comma before exactly three
digits may be either (`1,234`): it is read where the feed says what separates its thousands, and is no number otherwise.
With the decimal comma, a point that cannot separate thousands is a decimal one (`0.5`): programs write it everywhere.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assets.grocery.ingestion import money
from resources.identifiers import identifiers, trimmed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from resources.config.feeds import FeedConfig

BLANK = "[ \t\u00a0\u2009\u202f]"
QUOTE = "['’´`]"  # the Swiss separator of thousands
SIGN, MINUS = "[-+−–]", "[-−–(]"
MARK = "¤"  # stands for any currency
CURRENCY = "(?i)(" + "|".join(re.escape(sign) for sign in sorted(money.KNOWN, key=len, reverse=True)) + r")\.?"


def number_of(lines: ibis.Table, column: str | None, files: FeedConfig) -> ir.FloatingValue:
    """The column as float64, as `files` write numbers; null for what is none, and for what may be two."""
    import ibis

    if column is None:
        return ibis.null("float64")
    value = lines[column]
    if not value.type().is_string():
        return value.try_cast("float64")
    marked = trimmed(value).re_replace(CURRENCY, MARK)
    number = _matches(marked, _bodies(files)).ifelse(_digits(marked, files.decimal), ibis.null("string"))
    if files.decimal == ",":
        with_point = r"[0-9]+\.([0-9]{1,2}|[0-9]{4,})|0\.[0-9]+|\.[0-9]+"
        number = _matches(marked, with_point).ifelse(_digits(marked, "."), number)
    number = number.try_cast("float64")
    read = marked.re_search(MINUS).ifelse(-number, number)
    # Most are plain, and read at once.
    return _is_plain(value, files).ifelse(value.replace(files.decimal, ".").try_cast("float64"), read)


def currency_of(lines: ibis.Table, column: str, files: FeedConfig, *, is_amount: bool) -> ir.StringValue:
    """How each line says its currency, in capitals and without a point at the end; null where it does not.

    With `is_amount`, what stands around the amounts of the column; else the column itself.
    """
    import ibis

    value = lines[column]
    if not is_amount:
        return identifiers(value, nothing=files.empty_values).upper()
    if not value.type().is_string():
        return ibis.null("string")
    return _is_plain(value, files).ifelse(None, value.re_extract(CURRENCY, 1)).upper().nullif("")


def _is_plain(value: ir.StringValue, files: FeedConfig) -> ir.BooleanValue:
    return value.re_search(rf"^-?[0-9]+({re.escape(files.decimal)}[0-9]+)?([eE][-+]?[0-9]+)?$")


def _matches(marked: ir.StringValue, body: str) -> ir.BooleanValue:
    """Whether amounts are a `body` with at most one sign and one currency, before or after it."""
    body, b = f"({body})", f"{BLANK}*"
    signed = f"({SIGN}?{b}{body}|{body}{b}{SIGN}|\\({b}{body}{b}\\))"
    ways = [
        *(f"({MARK}{b})?{signed}", f"{signed}{b}{MARK}", f"{SIGN}{b}{MARK}{b}{body}", f"{body}{b}{MARK}{b}{SIGN}"),
        *(f"\\({b}{MARK}{b}{body}{b}\\)", f"\\({b}{body}{b}{MARK}{b}\\)"),
    ]
    return marked.re_search(f"^({'|'.join(ways)})$")


def _digits(marked: ir.StringValue, decimal: str) -> ir.StringValue:
    return marked.re_replace(f"[^0-9{re.escape(decimal)}]", "").replace(decimal, ".")


def _bodies(files: FeedConfig) -> str:
    """What a number without its sign looks like."""
    decimal, other = re.escape(files.decimal), re.escape("." if files.decimal == "," else ",")
    fraction, head, group = f"{decimal}[0-9]+", "[1-9][0-9]{0,2}", "[0-9]{3}"
    bodies = [f"[0-9]+{decimal}?|[0-9]*{fraction}"]
    # Blanks and the Swiss mark are never decimal separators; the other of point and comma may be one.
    marks = [BLANK, QUOTE, *([re.escape(files.thousands)] if files.thousands else [])]
    bodies += [f"{head}({mark}{group})+({fraction})?" for mark in marks]
    bodies += [f"{head}({other}{group})+{fraction}", f"{head}({other}{group}){{2,}}"]
    if files.decimal == ".":  # as in India: 1,23,456.00
        bodies += [f"[1-9][0-9]?(,[0-9]{{2}})+,{group}({fraction})?"]
    return "|".join(bodies)
