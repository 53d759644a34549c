"""Identifiers as text: one rule for what a file writes, for the engine and for Python, so that both know a household again.

An identifier is its text without blanks around it, and a whole number without a point and zeros: `17001`, `17001.0` and a
float of 17001 are one, for a program that met a gap in a column writes the second. What keeps a spreadsheet from taking text
for a number is no part of it: `="00123"` and `'00123` are `00123`; nor is the width of digits: `１２３` is `123`. The rule looks at one value alone, so
that it is the same every night, whatever else a file holds. Leading zeros, capitals and check digits are left as they are.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

# Read alike by Python, DuckDB and Arrow (the last two use RE2).
POINT_ZERO = r"^(-?[0-9]+)\.0+$"
FORMULA, APOSTROPHE = r'^="(.*)"$', "^'([0-9]+)$"
# Digits as wide as a Chinese or Japanese sign, by which a number begins or ends.
DIGITS, WIDE_DIGITS = "0123456789", "".join(chr(0xFF10 + digit) for digit in range(10))
WIDE = f"^[{WIDE_DIGITS}]|[{WIDE_DIGITS}]$"
# As spreadsheets and programs write long numbers, and what digits they had is gone: 4.01E+12, 1.5159e+18, 4,01E12.
ROUNDED = r"^-?[0-9]([.,][0-9]+)?[eE]\+[0-9]+$|^-?[0-9][.,][0-9]+[eE][0-9]+$"
# Several values in one cell: ['milk', 'tea'], {1,2}, ('milk',). In brackets alone, a value may be an identifier: [A12].
LIST = r"^[\[{].*[,;|'\"].*[\]}]$|^\(['\"].*['\"],?\)$"
BLANKS = " \t\n\r\v\f\u00a0\u202f\u200b\ufeff"
# What programs write where there is nothing; whatever the capitals.
EMPTY_VALUES = (
    *("NULL", "(null)", "[NULL]", "<null>", r"\N", "nil", "None", "nan", "NaT", "NA", "<NA>", "N/A", "#N/A", "n.a."),
    *("#NULL!", "#VALUE!", "#REF!", '""', "''", "-", "--"),
)


def identifier(value: Any, *, nothing: Collection[str] = ()) -> str:
    """A value of a file as an identifier, empty for none and for the words `nothing`: the rule in Python."""
    if value is None or value != value:  # no number
        return ""
    text = re.sub(FORMULA, r"\1", str(value).strip(BLANKS))
    if re.search(WIDE, text):
        text = text.translate(str.maketrans(WIDE_DIGITS, DIGITS))
    for written in (APOSTROPHE, POINT_ZERO):
        text = re.sub(written, r"\1", text)
    return "" if text.lower() in {word.lower() for word in nothing} else text


def same_as(subject: str) -> Callable[[str], bool]:
    """Whether a value of a file is the identifier `subject`, however it is written there."""
    wanted = identifier(subject)
    return lambda value: identifier(value) == wanted


def identifiers(column: ir.Value, *, nothing: Collection[str] = ()) -> ir.StringValue:
    """A column as identifiers, null for none and for the words `nothing` (whatever their capitals): the rule in the engine."""
    import ibis

    if column.type().is_integer():
        return column.cast("string")
    if column.type().is_floating():
        column = column.isnan().ifelse(ibis.null(column.type()), column)
    text = column.cast("string")
    words = {"", *(word.lower() for word in nothing)}
    first, last, longest = text.left(1), text.right(1), max(map(len, words))
    # What is certainly none of the exceptions is left as it is: to trim every value took three times as long in all.
    is_odd = (first < "!") | (last < "!") | (first > "~") | (last > "~") | (last == "0") | (text.length() <= longest)
    is_odd |= first.isin(["=", "'"])
    bare = trimmed(text)
    bare = bare.re_search(WIDE).ifelse(bare.translate(WIDE_DIGITS, DIGITS), bare)
    bare = without_point_zero(bare.re_replace(APOSTROPHE, r"\1"))
    # Not `isin`: the engine joins a longer list to every row, and that is half of a small query's time.
    return is_odd.ifelse(ibis.array(sorted(words)).contains(bare.lower()).ifelse(ibis.null("string"), bare), text)


def without_point_zero(text: ir.StringValue) -> ir.StringValue:
    """Texts, whole numbers without a point and zeros: the rule in the engine."""
    return text.re_replace(POINT_ZERO, r"\1")


def unwrapped(text: ir.StringValue) -> ir.StringValue:
    """Texts out of the formula that keeps a spreadsheet from taking them for numbers: `="00123"`."""
    return text.startswith('="').ifelse(text.re_replace(FORMULA, r"\1"), text)


def trimmed(text: ir.StringValue) -> ir.StringValue:
    """Texts without blanks around them, those that do not break a line included, and without such a formula."""
    import ibis

    @ibis.udf.scalar.builtin(name="trim", signature=(("string", "string"), "string"))
    def trim(text: str, blanks: str) -> str: ...

    return unwrapped(trim(text, BLANKS))  # pyright: ignore


def is_one_of(rows: pa.Table, column: str, subject: str) -> pa.ChunkedArray:
    """Whether each row of a stored table has the identifier `subject`, however an earlier version wrote it: the rule in Arrow."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = rows[column].cast(pa.string())
    for written in (FORMULA, APOSTROPHE, POINT_ZERO):
        texts = pc.replace_substring_regex(texts, pattern=written, replacement=r"\1")  # pyright: ignore
    as_written = pc.is_in(rows[column].cast(pa.string()), pa.array(ways_to_write(subject)))  # pyright: ignore
    return pc.or_(pc.equal(texts, identifier(subject)), as_written)  # pyright: ignore


def ways_to_write(subject: str) -> tuple[str, ...]:
    """How an identifier may have been written by a version that took each way for another."""
    wide = subject.translate(str.maketrans(DIGITS, WIDE_DIGITS))
    numbers = (f"{subject}.0", f"{subject}.00", f"'{subject}", wide) if re.fullmatch(r"-?[0-9]+", subject) else ()
    return (subject, *numbers, f'="{subject}"')


def is_exact(text: ir.StringValue) -> ir.BooleanValue:
    """Whether identifiers are whole, and one: neither rounded nor several in a cell."""
    return ~(text.re_search(ROUNDED) | text.re_search(LIST))
