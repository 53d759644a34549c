"""Households that were forgotten: how they are known again without being named, and which lines are theirs.

On record is a keyed hash (HMAC-SHA-256) of each. The key is random, in a file of the retailer's state folder: whoever
has the record alone cannot try household after household. A feed that still has their lines is taken in without them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources import home
from resources.errors import Refused
from resources.feeds.redaction import as_text, tokens
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    import ibis

    from assets.grocery.ingestion.cleaning import Cleaned
    from resources.config.retailer import TransactionsConfig

KEY_BYTES = 32
UNREADABLE = "line_fits_the_header"  # the rule of lines whose columns are not known


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """The households on record, as hashes made with `key`; nobody, without any."""

    key: bytes = b""
    hashes: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def has(self, household: str) -> bool:
        """Whether a household is one of them."""
        return hashed(household, self.key) in self.hashes


def hashed(household: str, key: bytes) -> str:
    """What stands for a household on record."""
    return hmac.new(key, household.encode(), hashlib.sha256).hexdigest()


def name_of(key: bytes) -> str:
    """What tells a key from another, and tells nothing of it."""
    return hashlib.sha256(b"nightcart erasure key" + key).hexdigest()[:16]


def the_key(records: Iterable[Erasure], file: Path) -> bytes:
    """The key in `file`, made now if nobody was ever forgotten.

    Raises :class:`Refused` when it is not the one that the households on record were hashed with: without it they would
    not be known again, and would come back with the next feed.
    """
    made_with = {record.key for record in records}
    if not file.exists() and not made_with:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".erasure-") as part:  # mode 600
            part.write(secrets.token_bytes(KEY_BYTES))
            part.flush()
            os.fsync(part.fileno())
            with contextlib.suppress(FileExistsError):  # somebody else made it meanwhile
                os.link(part.name, file)
    key = file.read_bytes() if file.exists() else b""
    if made_with - {name_of(key)}:
        raise Refused(
            f"{file} is {'not the key that' if key else 'gone, with which'} forgotten households were hashed: nobody "
            "would know them again, and a feed would bring them back.",
            remedy=f"restore {file} from a backup.",
        )
    return key


def on_record(operations: OperationsDatabase, *, file: Path | None = None) -> Forgotten:
    """Who is to be left out; raises :class:`Refused` as :func:`the_key` does."""
    records = operations.records(Erasure)
    if not records:
        return Forgotten()
    return Forgotten(
        key=the_key(records, file or home.erasure_key()), hashes=frozenset(record.household for record in records)
    )


def without(cleaned: Cleaned, feed: TransactionsConfig, forgotten: Forgotten) -> Cleaned:
    """What is left of cleaned lines without those of forgotten households, which are counted by day.

    After they were judged with all others: what a basket of two households did to the other's lines stays as it was.
    """
    if not forgotten:
        return cleaned
    import ibis

    transactions, quarantine = cleaned.transactions, cleaned.quarantine
    theirs = transactions.household_id.isin(_of_them(transactions, forgotten))
    found = transactions.filter(theirs)
    erased: Counter[dt.date | None] = Counter()
    for row in found.group_by("business_date").agg(n=found.count()).to_pyarrow().to_pylist():
        erased[row["business_date"]] += row["n"]
    broken = Counter(cleaned.broken)
    rows = quarantine.select("business_date", "rule", "line", "source_file", "source_row").to_pyarrow().to_pylist()
    aside = [row for row in rows if is_of(row, feed, forgotten.has)]
    for row in aside:
        erased[row["business_date"]] += 1
        broken[(row["business_date"], row["rule"])] -= 1
    if aside:
        keys = ibis.memtable([{"source_file": row["source_file"], "source_row": row["source_row"]} for row in aside])
        quarantine = quarantine.anti_join(keys, ["source_file", "source_row"])
    return replace(
        cleaned,
        transactions=transactions.filter(~theirs.fill_null(False)),
        quarantine=quarantine,
        lines={day: n - erased[day] for day, n in cleaned.lines.items()},
        broken={key: n for key, n in broken.items() if n},
        erased=dict(erased),
    )


def without_households(rows: ibis.Table, forgotten: Forgotten) -> tuple[ibis.Table, int]:
    """The household file's rows without forgotten ones, and how many those were."""
    theirs = _of_them(rows, forgotten) if forgotten else []
    return (rows.filter(rows.household_id.notin(theirs)) if theirs else rows), len(theirs)


def _of_them(rows: ibis.Table, forgotten: Forgotten) -> list[str]:
    known = rows.select("household_id").distinct().to_pyarrow()["household_id"].to_pylist()
    return [household for household in known if household is not None and forgotten.has(household)]


def is_of(row: Mapping[str, Any], feed: TransactionsConfig, is_it: Callable[[str], bool]) -> bool:
    """Whether a quarantined line (`rule`, and `line` as it was delivered) is of a household.

    Its household column says so. A line that does not say whose it is, is, if any value in it is the household.
    """
    values: Mapping[str, Any] = json.loads(row["line"])
    if row["rule"] == UNREADABLE:
        whole = next((value for value in values.values() if value is not None), "")
        return any(map(is_it, tokens(str(whole), feed.delimiter)))
    named = as_text(values.get(feed.columns.household_id))
    return is_it(named) if named else any(is_it(as_text(value)) for value in values.values())
