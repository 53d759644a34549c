"""Records of several kinds below one kind's header: receipts, their lines and their totals, as tills write them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assets.grocery.onboarding.columns import MOSTLY, said_in, shown
from assets.grocery.onboarding.dialect import MOST_RECORDS, ONE_KIND
from assets.grocery.onboarding.files import OTHER_WIDTH
from resources.errors import Refused
from resources.feeds.files import text_columns
from resources.text import plural

if TYPE_CHECKING:
    import ibis

KIND = re.compile(r"[A-Za-z]{1,12}|[0-9]{1,2}")
MANY = 0.5  # of the lines, those with another number of values from which they are no broken ones


def refuse_several_kinds(lines: ibis.Table) -> None:
    """Refuse records of several kinds, by what the first column has; for feeds in which something needed was not found."""
    total, read = lines.count().to_pyarrow().as_py(), lines.filter(lines.defect.isnull())
    (kind, *others) = text_columns(lines) or [""]
    counts = said_in(read[kind])[0] if others else {}
    if not counts or not all(map(KIND.fullmatch, counts)):
        return
    broken = lines.filter(lines.defect.startswith(OTHER_WIDTH)).count().to_pyarrow().as_py()
    if broken > MANY * total:
        raise Refused(
            f"{plural(broken, 'line')} of {total:,} have another number of values than the header, which fits those with {kind} "
            f"{shown(counts)}: they are records of several kinds.",
            remedy=ONE_KIND,
        )
    if not 1 < len(counts) <= MOST_RECORDS:
        return
    numbers = {f"column_{place}": read[name].try_cast("float64").notnull().mean() for place, name in enumerate(others)}
    shares = read.group_by(kind).agg(**numbers).to_pyarrow()
    for place, name in enumerate(others):
        of_kinds = shares[f"column_{place}"].to_pylist()
        if min(of_kinds) <= 1 - MOSTLY and max(of_kinds) >= MOSTLY:
            raise Refused(
                f"The lines are records of several kinds by {kind} ({shown(counts)}), below the header of one: {name} has numbers in some "
                "and other things in others.",
                remedy=ONE_KIND,
            )
