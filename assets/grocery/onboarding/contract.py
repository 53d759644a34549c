"""What the contract of a feed must allow: ranges that the history keeps, and what is a habit of the feed, no mistake."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.doubles import BASKET
from assets.grocery.ingestion.profile import volume_against_weekday
from assets.grocery.ingestion.rules import IN_ONE_FILE, ONCE_IN_A_FILE, are_exact
from assets.grocery.onboarding.columns import finite, one_row
from assets.grocery.onboarding.history import TradingDays
from assets.grocery.onboarding.proposed import Note, ProposedSetting
from resources.config.retailer import TransactionContractConfig, TransactionsConfig
from resources.errors import Refused
from resources.text import listed

if TYPE_CHECKING:
    import ibis

ODD = 0.001  # the share of lines above which something is a habit of the feed and no mistake in it
HEADROOM = 1.1  # of the contract's ranges over what the data spans
LEAST_HIGHEST = {"quantity": 100, "sales_value": 1_000}  # a small sample must not make a tight contract
RETURNS, NOTHING = "are returns", "count as no purchases"
VOLUME = (0.4, 2.5)  # at least as wide as the settings' default
LEAST_QUARANTINE, MOST_QUARANTINE = 0.01, 0.5  # above the second no day is worth its lines


def of_lines(
    parts: Sequence[ibis.Table], feed: TransactionsConfig
) -> tuple[list[ProposedSetting], Sequence[ibis.Table]]:
    """What a line may be, from all of them under our names that are good otherwise; each part has all lines of its days.

    And the baskets of each part among which alone are those that break a rule of lines together.
    """
    amounts = [name for name in ("quantity", "sales_value") if getattr(feed.columns, name)]
    good, among = zip(*(_good_otherwise(part, feed) for part in parts), strict=True)
    found = [_facts(lines, amounts, among=suspects) for lines, suspects in zip(good, among, strict=True)]
    if not any(each["n"] for each in found):
        found = [_facts(part, amounts) for part in parts]
    row: dict[str, Any] = {}
    for fact in found[0]:
        values = [each[fact] for each in found if each[fact] is not None]
        row[fact] = (min if fact.endswith("_low") else max if fact.endswith("_high") else sum)(values or [0])
    repeated, inexact = row["repeated"], row["inexact"]
    proposed = []
    for name in amounts:
        low, high, negative = (row[f"{name}_{fact}"] or 0.0 for fact in ("low", "high", "negative"))
        why = f"spans {low:,.6g} to {high:,.6g}"
        least = 0
        if negative / row["n"] > ODD:
            least = -outward(-HEADROOM * low)
            why += f"; the {negative / row['n']:.1%} below 0 {RETURNS}: kept, but no purchases"
        elif negative:
            why += f"; the {negative:,} lines below 0 are quarantined"
        if name == "quantity" and row["quantity_zero"] / row["n"] > ODD:
            why += f"; the {row['quantity_zero'] / row['n']:.1%} of 0 {NOTHING}"
        proposed.append(ProposedSetting(name, [least, max(outward(HEADROOM * high), LEAST_HIGHEST[name])], why))
    repeats, anonymous = repeated / row["n"], row["anonymous"] / row["n"]
    why_repeated = f"{repeats:.1%} of lines repeat a product of their basket" * bool(repeated)
    why_anonymous = f"{anonymous:.1%} of lines have none" + "; kept, but unscored" * (anonymous > ODD)
    why_inexact = f"{inexact / row['n']:.1%} of lines have rounded identifiers, or several in one" * bool(inexact)
    exact = ProposedSetting("are_identifiers_exact", inexact / row["n"] <= ODD, why_inexact)
    proposed = [
        *proposed,
        *([exact] if inexact else []),
        ProposedSetting("is_product_once_a_basket", repeats <= ODD, why_repeated),
        ProposedSetting("is_household_required", anonymous <= ODD, why_anonymous * bool(row["anonymous"])),
    ]
    return proposed, among


def _good_otherwise(standard: ibis.Table, feed: TransactionsConfig) -> tuple[ibis.Table, ibis.Table]:
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


def _facts(standard: ibis.Table, amounts: Sequence[str], *, among: ibis.Table | None = None) -> dict[str, Any]:
    """What is counted and measured of lines: sums, the lowest and the highest; what repeats is looked for `among` baskets."""
    import ibis

    once = standard.filter(standard.basket_id.notnull() & standard.product_id.notnull())
    once = once if among is None else once.semi_join(among, BASKET)
    lines = once.group_by("business_date", "basket_id", "product_id").agg(n=once.count())
    facts: dict[str, Any] = {
        "n": standard.count(),
        "anonymous": standard.household_id.isnull().sum(),
        "inexact": (~ibis.and_(*are_exact(standard).values())).sum(),
    }
    for name in amounts:
        amount = finite(standard[name])
        facts |= {f"{name}_low": amount.min(), f"{name}_high": amount.max(), f"{name}_negative": (amount < 0).sum()}
        facts[f"{name}_zero"] = (amount == 0).sum()
    return one_row(standard.agg(**facts)) | {"repeated": one_row(lines.agg(n=(lines.n - 1).sum()))["n"]}


def outward(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 … that is not below `value`; 0 for 0."""
    if value <= 0:
        return 0
    power = 10.0 ** math.floor(math.log10(value))
    rounded = next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-12))
    return int(rounded) if rounded >= 1 else rounded


def of_days(
    parts: Iterable[ibis.Table],
    feed: TransactionsConfig,
    history: TradingDays,
    *,
    today: dt.date,
    among: Iterable[ibis.Table],
) -> tuple[list[ProposedSetting], list[Note], dt.date, Counter[str | None]]:
    """What a day may be, measured by cleaning the whole history, in `parts` that have all lines of their days; notes; a typical day; and all lines by the rule that
    they break (None: by none), without those of a day that is not over. `among` are the baskets that :func:`of_lines` found."""
    import ibis

    last_day = history.last if history.is_finished else today  # the lines of a day that is not over are no mistakes
    first, last = history.first, history.last

    def counted(part: ibis.Table, suspects: ibis.Table) -> list[dict[str, Any]]:
        lines_of_days = cleaning.of_days(part, first_day=first, last_day=last_day, since=first, until=last)
        judged = cleaning.judge(lines_of_days, feed, among=suspects)
        line = ibis.struct({"file": judged.source_file, "row": judged.source_row})
        facts = {"n": judged.count(), "first": line.min(where=judged.rule.notnull())}
        return judged.group_by("business_date", "rule").agg(**facts).to_pyarrow().to_pylist()

    again = (IN_ONE_FILE.name, ONCE_IN_A_FILE.name)
    lines, good, by_rule = Counter[dt.date | None](), Counter[dt.date | None](), Counter[str]()
    firsts: dict[str, tuple[str, int]] = {}
    for row in itertools.chain.from_iterable(map(counted, parts, among)):
        lines[row["business_date"]] += row["n"]
        if row["rule"] is None:
            good[row["business_date"]] += row["n"]
        else:
            by_rule[row["rule"]] += row["n"]
            first_line = (row["first"]["file"], row["first"]["row"])
            firsts[row["rule"]] = min(firsts.get(row["rule"], first_line), first_line)
        if row["rule"] in again:  # a doubled delivery is no habit: it widens nothing
            lines[row["business_date"]] -= row["n"]
    rules = "; ".join(
        f"{rule} {n:,}, first in {firsts[rule][0]}, row {firsts[rule][1]:,}"
        for rule, n in sorted(by_rule.items(), key=lambda each: (-each[1], each[0]))
        if rule not in again
    )
    if not good:
        raise Refused(
            f"No line is usable by the rules that were found: {rules}.",
            remedy="name the columns: --column SETTING=NAME.",
        )
    twice = [(rule, by_rule.pop(rule.name)) for rule in (IN_ONE_FILE, ONCE_IN_A_FILE) if by_rule[rule.name]]
    shares = {day: 1 - good[day] / n for day, n in lines.items() if day and n}
    worst = max(shares, key=shares.__getitem__)
    share = by_rule.total() / max(lines.total(), 1)
    notes = [
        Note(
            "merged",
            f"{n:,} lines were delivered more than once, and are taken once: {rule.sentence}.",
            "have them sent once.",
        )
        for rule, n in twice
    ]
    if bad := sorted(day for day, of_day in shares.items() if of_day > MOST_QUARANTINE):
        says = f"More than half of the lines of {listed(bad)} would be quarantined: these days are refused."
        notes.append(Note("set aside", says))
    if by_rule:
        notes.append(Note("set aside", f"{share:.2%} of all lines would be quarantined ({rules})."))
    ratios = [ratio for day in history.days if not math.isnan(ratio := volume_against_weekday(day, good))]
    low, high = min(ratios, default=VOLUME[0]), max(ratios, default=VOLUME[1])
    volume = [min(VOLUME[0], math.floor(90 * low) / 100), max(VOLUME[1], math.ceil(11 * high) / 10)]
    most = min(max(LEAST_QUARANTINE, math.ceil(125 * shares[worst]) / 100), MOST_QUARANTINE)
    spans = f"the history spans {low:.2f} to {high:.2f}" if ratios else "too short a history to measure it"
    why = f"its worst day, {worst}, has {shares[worst]:.2%}" if shares[worst] else "the history has none"
    by_volume = sorted((day for day in good if day), key=lambda day: (good[day], day))
    measured = {"volume_against_weekday": (volume, spans), "max_quarantined_share": (most, why)}
    proposed = [ProposedSetting(name, *each) for name, each in measured.items()]
    outcomes = Counter[str | None](by_rule)
    outcomes[None] = good.total()
    outcomes.update({rule.name: n for rule, n in twice})
    return proposed, notes, by_volume[len(by_volume) // 2], outcomes
