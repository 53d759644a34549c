"""The suppression list: who was erased and is not taken in any more, known again without being named.

On record is a keyed hash (HMAC-SHA-256) of each. The key is random, in a file of the state folder: whoever has the record
alone cannot try subject after subject. A feed that still has their lines is taken in without them.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import Refused
from resources.identifiers import identifier, ways_to_write
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    import ibis

KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class SuppressionList:
    """The subjects on record, as hashes made with `key`; nobody, without any."""

    key: bytes = b""
    hashes: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def has(self, subject: str) -> bool:
        """Whether a subject is one of them, also one that was put on record as an earlier version wrote it."""
        ways = ways_to_write(identifier(subject))
        return any(subject_hash(way, self.key) in self.hashes for way in ways)

    def among(self, rows: ibis.Table, column: str) -> list[str]:
        """Which of the subjects in a column are suppressed."""
        if not self:
            return []
        subjects = rows.select(column).distinct().to_pyarrow()[column].to_pylist()
        return [subject for subject in subjects if subject is not None and self.has(subject)]


def subject_hash(subject: str, key: bytes) -> str:
    """What stands for a subject on record."""
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()


def key_id(key: bytes) -> str:
    """What tells a key from another, and tells nothing of it."""
    return hashlib.sha256(b"nightcart erasure key" + key).hexdigest()[:16]


def load_key(records: Iterable[Erasure], file: Path) -> bytes:
    """The key in `file`, made now if nobody was ever erased.

    Raises :class:`Refused` when it is not the one that the subjects on record were hashed with: without it they would not
    be known again, and would come back with the next feed.
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
    if made_with - {key_id(key)}:
        raise Refused(
            f"{file} is {'not the key that' if key else 'gone, with which'} those who were forgotten were hashed: nobody "
            "would know them again, and a feed would bring them back.",
            remedy=f"restore {file} from a backup.",
        )
    return key


def suppression_list(operations: OperationsDatabase, *, file: Path) -> SuppressionList:
    """Who is to be left out; raises :class:`Refused` as :func:`load_key` does."""
    records = operations.records(Erasure)
    if not records:
        return SuppressionList()
    return SuppressionList(key=load_key(records, file), hashes=frozenset(record.household for record in records))
