"""The audit trail: every record, in the order in which it was added, each entry sealed with the digest of the one before.

Pure: `resources.records.base` adds an entry with every record, in the same transaction. To change, remove or reorder an
entry, or a record behind one, takes new digests for all later entries; the last digest, kept elsewhere (`nightcart
audit head`), shows that too, and whether the end was cut off.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

START = "0" * 64  # what the first entry is sealed with
# Fields that came after version 0.1: empty, they stand in no payload, so that those of older records stay as they were.
LATER = frozenset({"stamp", "is_ended", "alike", "distinct_lines"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One link: the record with the number `record_id` of the table `kind`, as `payload` (JSON, keys in order).

    `id` counts from 1 without a gap, `previous` is the digest of the entry before, and `digest` (SHA-256, hexadecimal)
    is of everything else here.
    """

    TABLE: ClassVar = "audit"

    id: int
    kind: str
    record_id: int
    payload: str
    previous: str
    digest: str


def sealed(*, id: int, kind: str, record_id: int, payload: str, previous: str) -> Entry:
    """The entry with its digest."""
    # As a JSON list, so that no two different entries read the same.
    text = json.dumps([id, kind, record_id, payload, previous], ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Entry(id=id, kind=kind, record_id=record_id, payload=payload, previous=previous, digest=digest)


def payload(row: Mapping[str, Any]) -> str:
    """A record's fields as JSON that is the same for the same record, whatever database it was read from."""
    # To JSON twice: keys become texts first, and are then put in the order of texts.
    text = json.dumps({name: row[name] for name in row if row[name] or name not in LATER}, default=_plain)
    return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)


def _plain(value: dt.date) -> str:
    return (value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else value).isoformat()


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """A difference from what was recorded: the entry, and what is wrong with it."""

    entry: int
    message: str

    def __str__(self) -> str:
        return f"entry {self.entry}: {self.message}"


def broken_links(entries: Iterable[Entry]) -> Iterator[Flaw]:
    """The entries at which the chain breaks, in order; each break is one flaw, however much follows it."""
    expected, previous = 1, START
    for entry in entries:
        if entry.id != expected:
            what = f"entry {expected} is" if entry.id == expected + 1 else f"entries {expected} to {entry.id - 1} are"
            yield Flaw(entry=expected, message=f"{what} missing before it is followed by entry {entry.id}")
        elif entry.previous != previous:
            yield Flaw(
                entry=entry.id, message="it does not follow the entry before it: one of them was put here or changed"
            )
        again = sealed(
            id=entry.id, kind=entry.kind, record_id=entry.record_id, payload=entry.payload, previous=entry.previous
        )
        if again.digest != entry.digest:
            yield Flaw(
                entry=entry.id, message=f"its digest is not that of what it says ({entry.kind} {entry.record_id})"
            )
        expected, previous = entry.id + 1, entry.digest


def broken_ends(entries: Iterable[Entry], head: str) -> Iterator[Flaw]:
    """A flaw if `head`, the number and digest of an entry that was the last once (`5:ab12…`), is not in the trail."""
    number, _, digest = head.partition(":")
    entry = next((entry for entry in entries if entry.id == int(number)), None)
    if int(number) and entry is None:
        yield Flaw(entry=int(number), message="it was the last one once, and is gone: the end was cut off")
    elif entry and entry.digest != digest:
        yield Flaw(entry=entry.id, message="it was the last one once, with another digest: everything was made anew")


def changed_records(entries: Iterable[Entry], rows: Mapping[tuple[str, int], str]) -> Iterator[Flaw]:
    """Records that differ from the trail: changed, gone, or without an entry; `rows` are payloads by table and number."""
    sealed_keys = set()
    last = 0
    for entry in entries:
        last = entry.id
        key = (entry.kind, entry.record_id)
        if key in sealed_keys:
            yield Flaw(entry=entry.id, message=f"{entry.kind} {entry.record_id} is recorded twice")
        sealed_keys.add(key)
        if (present := rows.get(key)) is None:
            yield Flaw(entry=entry.id, message=f"{entry.kind} {entry.record_id} is gone from its table")
        elif present != entry.payload and (names := _differences(entry.payload, present)):
            yield Flaw(entry=entry.id, message=f"{entry.kind} {entry.record_id} was changed: {', '.join(names)}")
    for kind, number in sorted(rows.keys() - sealed_keys):
        yield Flaw(
            entry=last + 1, message=f"{kind} {number} has no entry: it was put there by hand, or its entry was removed"
        )


def is_alike(recorded: str, present: str | None) -> bool:
    """Whether a row's payload is what was recorded; a field that came later says nothing."""
    return present is not None and (present == recorded or not _differences(recorded, present))


def _differences(recorded: str, present: str) -> list[str]:
    """The fields that differ, each with both values."""
    try:
        before, after = json.loads(recorded), json.loads(present)
    except ValueError:
        return ["what was recorded cannot be read"]
    return [
        f"{name} was {before[name]!r} and is {after.get(name)!r}"
        for name in before  # a field that came later says nothing of a record that is older
        if before[name] != after.get(name)
    ]
