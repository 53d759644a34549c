"""The suppression list: who was erased and is not taken in any more, known again without being named.

On record is a keyed hash (HMAC-SHA-256) of each. The key is random and not among the records (:func:`resources.home.erasure_key`):
whoever has these alone cannot try subject after subject. A feed that still has their lines is taken in without them.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources import home
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


def load_key(records: Iterable[Erasure], key: Path | bytes) -> bytes:
    """The key, or that of a file, which is made now if nobody was ever erased; in production it has to be there.

    Raises :class:`Refused` when it is not the one that the subjects on record were hashed with: without it they would not
    be known again, and would come back with the next feed.
    """
    made_with = {record.key for record in records}
    place = "NIGHTCART_ERASURE_KEY"
    if isinstance(key, Path):
        place, key = str(key), _read(key, may_be_made=not made_with and not home.is_production())
    if not key and not made_with:
        raise Refused(
            f"{place} is not there, and has the key by which a household that was forgotten is known again.",
            remedy="mount it where this runs; `openssl rand -hex 32` makes a key.",
        )
    if made_with - {key_id(key)}:
        raise Refused(
            f"{place} is {'not the key that' if key else 'gone, with which'} those who were forgotten were hashed: nobody "
            "would know them again, and a feed would bring them back.",
            remedy=f"restore {place} from a backup.",
        )
    return key


def _read(file: Path, *, may_be_made: bool) -> bytes:
    """The key in a file, as bytes or as hexadecimal digits; empty without the file."""
    if may_be_made and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".erasure-") as part:  # mode 600
            part.write(secrets.token_bytes(KEY_BYTES))
            part.flush()
            os.fsync(part.fileno())
            with contextlib.suppress(FileExistsError):  # somebody else made it meanwhile
                os.link(part.name, file)
    content = file.read_bytes() if file.exists() else b""
    digits = content.decode("ascii", "replace").strip()
    return bytes.fromhex(digits) if re.fullmatch(home.ERASURE_KEY, digits) else content


def suppression_list(operations: OperationsDatabase, *, key: Path | bytes) -> SuppressionList:
    """Who is to be left out; raises :class:`Refused` as :func:`load_key` does."""
    records = operations.records(Erasure)
    if not records:
        return SuppressionList()
    return SuppressionList(key=load_key(records, key), hashes=frozenset(record.household for record in records))
