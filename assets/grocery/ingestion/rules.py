"""The rules of the transactions: what a line must be to be kept, and what a day must be to be used.

A line that breaks a rule goes to quarantine with the first that it breaks; a day that breaks one closes its gate.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.quality import rules
from assets.quality.rules import DayRule
from resources.feeds.second_headers import NO_RECORD
from resources.identifiers import identifier, is_exact
from resources.validation import Expectation

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from resources.config.retailer import Range, TransactionsConfig

AMOUNTS = ("quantity", "sales_value")
IDENTIFIERS = ("basket_id", "product_id", "household_id")


@dataclass(frozen=True)
class LineRule:
    """What a line must be. `is_broken` is None where the contract, or the feed, has no such rule.

    The reason in quarantine quotes the feed's own value of the column `quotes`, and the range it is not in.
    """

    name: str
    sentence: str
    is_broken: Callable[[ibis.Table, TransactionsConfig], ir.BooleanValue | None]
    quotes: str = ""
    is_range: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """What the good lines of a business day with the same `key` must be together; else all go, or all but the first."""

    name: str
    sentence: str
    key: Sequence[str]
    is_bad: Callable[[ibis.Table], ir.BooleanScalar]
    quotes: str
    keeps_first: bool = False


def ranges_of(feed: TransactionsConfig) -> dict[str, Range]:
    """The contract's ranges of the amounts that the feed has."""
    return {name: getattr(feed.contract, name) for name in AMOUNTS if getattr(feed.columns, name)}


def are_allowed(lines: ibis.Table, feed: TransactionsConfig) -> dict[str, ir.BooleanValue]:
    """Whether each line has an allowed value, by column; an empty one is none of them."""
    return {
        name: lines[name].isin(list(map(identifier, values))).fill_null(False)
        for name, values in feed.contract.allowed.items()
    }


def are_exact(lines: ibis.Table) -> dict[str, ir.BooleanValue]:
    """Whether each line's identifiers are written in full and are one, by column; an empty one is."""
    return {name: is_exact(lines[name]).fill_null(True) for name in IDENTIFIERS}


def _not_exact(lines: ibis.Table, feed: TransactionsConfig) -> ir.BooleanValue | None:
    import ibis

    return ~ibis.and_(*are_exact(lines).values()) if feed.contract.are_identifiers_exact else None


def _not_allowed(lines: ibis.Table, feed: TransactionsConfig) -> ir.BooleanValue | None:
    import ibis

    return ~ibis.and_(*are_allowed(lines, feed).values()) if feed.contract.allowed else None


def _amount(name: str, title: str) -> list[LineRule]:
    def outside(lines: ibis.Table, feed: TransactionsConfig) -> ir.BooleanValue | None:
        return ~lines[name].between(*ranges_of(feed)[name]) if name in ranges_of(feed) else None

    def no_number(lines: ibis.Table, feed: TransactionsConfig) -> ir.BooleanValue | None:
        return lines[name].isnull() if name in ranges_of(feed) else None

    return [
        LineRule(f"{name}_is_a_number", f"the {title} is a number", no_number, quotes=name),
        LineRule(f"{name}_is_in_range", f"the {title} is within the contract's range", outside, name, is_range=True),
    ]


# In the order in which they are tried.
LINE_RULES = (
    LineRule(
        "line_is_no_header",
        "a line is neither the header again nor a second one below it, of types, units or other names",
        lambda lines, _: lines.defect.startswith(NO_RECORD).fill_null(False),
    ),
    LineRule(
        "line_fits_the_header",
        "a text line has as many columns as its header, in the declared encoding",
        lambda lines, _: lines.defect.notnull(),
    ),
    LineRule(
        "occurred_at_is_a_time",
        "the time of the purchase can be read",
        lambda lines, _: lines.occurred_at.isnull(),
        quotes="occurred_at",
    ),
    LineRule(
        "occurred_at_is_within_the_history",
        "the purchase lies between the first business day and tomorrow",
        lambda lines, _: lines.business_date.isnull(),
        quotes="occurred_at",
    ),
    LineRule(
        "line_is_of_the_files_day",
        "a file of one business day holds that day's purchases alone",
        lambda lines, _: lines.local_date != lines.file_date,
        quotes="occurred_at",
    ),
    LineRule(
        "household_id_is_given",
        "the household is named (unless the contract allows anonymous baskets)",
        lambda lines, feed: lines.household_id.isnull() & feed.contract.is_household_required,
    ),
    LineRule("product_id_is_given", "the product is named", lambda lines, _: lines.product_id.isnull()),
    LineRule(
        "basket_id_is_given",
        "the basket is named",
        lambda lines, feed: (
            lines.basket_id.isnull() & (lines.household_id.notnull() | feed.contract.is_household_required)
        ),
    ),
    LineRule(
        "identifier_is_exact",
        "an identifier is whole and one: neither rounded (4.01E+12) nor several in a cell ([1, 2])",
        _not_exact,
    ),
    LineRule("value_is_allowed", "a column whose values the contract lists has one of them", _not_allowed),
    *_amount("quantity", "quantity"),
    *_amount("sales_value", "value"),
    LineRule(
        "value_is_in_the_currency",
        "the value is in the retailer's currency, where the line says in which it is",
        lambda lines, _: lines.other_currency.notnull(),
    ),
)
IN_ONE_FILE = LineRule(
    "line_is_in_one_file",
    "a line of a basket that an earlier file of the delivery has too is taken once (it counts as no mistake)",
    lambda _, __: None,  # of lines together: assets.grocery.ingestion.doubles
    quotes="basket_id",
)
ONCE_IN_A_FILE = LineRule(
    "basket_is_once_in_a_file",
    "a basket does not stand in a file again, line for line",
    lambda _, __: None,
    quotes="basket_id",
)
ONE_HOUSEHOLD = GroupRule(
    name="basket_has_one_household",
    sentence="all lines of a basket are of one household",
    key=("business_date", "basket_id"),
    is_bad=lambda group: group.household_id.min() != group.household_id.max(),
    # Not the household: a reason is quoted in verdicts, which stay on record when a household is forgotten.
    quotes="basket_id",
)
PRODUCT_ONCE = GroupRule(
    name="product_is_once_a_basket",
    sentence="a product is once in a basket; the first line of it is kept",
    key=("business_date", "basket_id", "product_id"),
    is_bad=lambda group: group.count() > 1,
    quotes="product_id",
    keeps_first=True,
)
RULES = (*LINE_RULES, IN_ONE_FILE, ONCE_IN_A_FILE, ONE_HOUSEHOLD, PRODUCT_ONCE)


def _amount_range(feed: TransactionsConfig, column: str) -> rules.Range | None:
    end, _, name = column.partition("_")
    if name not in (ranges := ranges_of(feed)):
        return None
    return (ranges[name][0], None) if end == "lowest" else (None, ranges[name][1])


DAY_RULES = (
    DayRule(
        "day_has_lines_unless_closed",
        "A business day that was not declared closed has lines.",
        {"is_empty": "there are no rows"},
    ),
    DayRule(
        "columns_have_their_types",
        "The table has its columns, with their types.",
        {"wrong_types": "{wrong_types:,.0f} columns of the table have another type"},
    ),
    DayRule(
        "keys_are_complete",
        "Every line names its product, and its household and basket unless anonymous ones are allowed.",
        {"missing_keys": "{missing_keys:,.0f} keys are missing in {lines:,.0f} rows"},
    ),
    DayRule(
        "basket_has_one_household",
        "All lines of a basket are of one household.",
        {"baskets_of_several_households": "{baskets_of_several_households:,.0f} baskets are of several households"},
    ),
    DayRule(
        "timestamps_are_inside_the_day",
        "Every purchase happened on the partition's local day.",
        {"lines_of_another_day": "{lines_of_another_day:,.0f} rows are of another day"},
    ),
    DayRule(
        "amounts_are_in_range",
        "Quantities and values are within the contract's ranges.",
        {
            f"{end}_{name}": f"{{outside_{name}:,.0f}} rows have a {name} outside {{{name}[0]:,g}} … {{{name}[1]:,g}}: "
            f"{{lowest_{name}:,g}} … {{highest_{name}:,g}}"
            for name in AMOUNTS
            for end in ("lowest", "highest")
        },
        range_of=_amount_range,
    ),
    DayRule(
        "quarantined_share_is_small",
        "No more lines were quarantined than the contract allows: else the feed is to be mended.",
        {
            "quarantined_share": "{quarantined:,.0f} of {delivered:,.0f} rows broke a rule ({quarantined_share:.1%}, "
            "{max_quarantined_share:.1%} may), {aside}"
        },
        range_of=lambda feed, _: (0, feed.contract.max_quarantined_share),
    ),
    DayRule(
        "volume_is_like_the_same_weekday",
        "The day has about as many lines as the same weekday of the eight weeks before: far fewer is a feed that "
        "broke off, far more one that was sent twice.",
        {
            "volume_against_weekday": "{lines:,.0f} rows came where {usual_lines:,.0f} are usual on this weekday "
            "({volume_against_weekday:.2f} times as many; {volume[0]:g} … {volume[1]:g} times may be)"
        },
        range_of=lambda feed, _: feed.contract.volume_against_weekday,
    ),
    DayRule(
        "values_are_allowed",
        "A column whose values the contract lists has no others.",
        {"strange_values": "{strange_values:,.0f} values are none of those allowed"},
        range_of=lambda feed, _: (0, 0) if feed.contract.allowed else None,
    ),
    DayRule(
        "product_is_once_a_basket",
        "A product is one line of a basket.",
        {"repeated_keys": "{repeated_keys:,.0f} rows repeat a product of their basket"},
        range_of=lambda feed, _: (0, 0) if feed.contract.is_product_once_a_basket else None,
    ),
)


def expectations(feed: TransactionsConfig) -> dict[str, list[Expectation]]:
    """What each check expects of the columns of :func:`assets.grocery.ingestion.profile.profile`."""
    return rules.expectations(DAY_RULES, feed)


def fault(column: str, day: Mapping[str, Any], feed: TransactionsConfig, *, aside: object) -> str:
    """What is wrong with a day whose profile (a row of `profile`) has an unexpected `column`.

    `aside` says in words which of its lines are in quarantine; None where that is not known.
    """
    contract = feed.contract
    sentence = next(rule.faults[column] for rule in DAY_RULES if column in rule.faults)
    return sentence.format(
        **day,
        delivered=day["lines"] + day["quarantined"],
        max_quarantined_share=contract.max_quarantined_share,
        volume=contract.volume_against_weekday,
        quantity=contract.quantity,
        sales_value=contract.sales_value,
        aside=aside or "which are not on record",
    )
