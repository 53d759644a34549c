"""An identifier as bytes: every way in which text writes it, and where it stands alone.

Bytes can prove that an identifier is nowhere only if it is not found by chance: a short one, or a number of few digits,
stands in prices, times and digests too. Such a one counts where something says whose it is: the name of its column beside
it, or quotation marks around it.
"""

from __future__ import annotations

import encodings.aliases
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

SHORTEST, SHORTEST_NUMBER = 5, 8  # characters that are found nowhere by chance
WITH_MARK = {"utf_16", "utf_32", "utf_8_sig"}  # these write a mark of their byte order in front
# Before an identifier that begins with a digit these end in a digit, and yet are a sign of their own.
ESCAPE = re.compile(r"(\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|&#\d+;|\\[nrtvfb])$")
AROUND = 8  # characters that are looked at beside a hit


@dataclass(frozen=True)
class Needle:
    """A way to write an identifier: its bytes, and the encoding that tells what stands beside them."""

    content: bytes
    encoding: str
    text: str

    @property
    def width(self) -> int:
        """The bytes of a sign of ASCII in the encoding."""
        return len("x".encode(self.encoding))


@dataclass(frozen=True, kw_only=True)
class Needles:
    """What is looked for: `subject`, in or beside `columns`; `others` are identifiers that have it within them."""

    subject: str
    columns: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def is_telling(self) -> bool:
        """Whether bytes that are found are the subject's wherever they stand."""
        return len(self.subject) >= (SHORTEST_NUMBER if self.subject.isdigit() else SHORTEST)

    @cached_property
    def every(self) -> tuple[Needle, ...]:
        """The ways to write it, each bytes once, the most usual first."""
        subject, found = self.subject, {}
        for encoding in [
            "utf_8",
            "utf_16_le",
            "utf_16_be",
            *sorted(set(encodings.aliases.aliases.values()) - WITH_MARK),
        ]:
            forms = _forms(subject) if encoding.startswith("utf_") else (subject,)
            for text in forms:
                try:
                    content = text.encode(encoding)
                    "x0".encode(encoding)
                except (UnicodeError, LookupError):
                    continue
                found.setdefault(content, Needle(content, encoding, text))
        return tuple(found.values())

    @cached_property
    def beside_its_column(self) -> re.Pattern[bytes]:
        """What a text says that names the subject. A number alone says nothing: it may be any other."""
        ways = {re.escape(form) for form in _forms(self.subject)}
        name, columns = f"(?:{'|'.join(sorted(ways))})", "|".join(map(re.escape, self.columns))
        quoted = rf"""(?:{columns})(?:\\*"\s*:\s*\\*"?| is '| of |=){name}(?![\w-])"""
        pattern = quoted if self.subject.isdigit() else rf"""{quoted}|["']{name}\\*["']"""
        return re.compile(pattern.encode())

    def spans(self, content: bytes) -> Iterator[tuple[int, int, Needle | None]]:
        """Where it stands in some bytes, in any order, with the way it is written; None for one told by its column."""
        if not self.is_telling:
            yield from ((*found.span(), None) for found in self.beside_its_column.finditer(content))
            return
        for needle in self.every:
            place = content.find(needle.content)
            while place >= 0:
                if self._is_alone(content, place, needle):
                    yield place, place + len(needle.content), needle
                place = content.find(needle.content, place + 1)

    def are_in(self, content: bytes) -> int:
        """How often it stands in some bytes; of UTF-16 too where it is told by its column."""
        found = {(first, last) for first, last, _ in self.spans(content)}
        if not self.is_telling and b"\0" in content:
            return len(found) + sum(1 for _ in self.spans(content.replace(b"\0", b"")))
        return len(found)

    def _is_alone(self, content: bytes, place: int, needle: Needle) -> bool:
        """Whether what stands there is no part of a longer number, or of another's identifier.

        Letters and signs beside it say nothing: something was glued to it. What has no digits ends where letters end.
        """
        width, end = needle.width, place + len(needle.content)
        start = place % width if place < AROUND * width else place - AROUND * width
        before = content[start:place].decode(needle.encoding, "replace")
        after = content[end : end + AROUND * width].decode(needle.encoding, "replace")
        if ESCAPE.search(before):
            before = ""
        for beside, own in ((before[-1:], needle.text[0]), (after[:1], needle.text[-1])):
            if (beside.isdigit() and own.isdigit()) or (self._is_word and beside.isalnum() and beside.isascii()):
                return False
        return not any(self._is_of(other, content, place, needle) for other in self.others)

    @cached_property
    def _is_word(self) -> bool:
        """Whether it is a word, or might be a piece of a digest: it counts where it stands alone."""
        return self.subject.isalpha() or (
            bool(re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", self.subject)) and not self.subject.isdigit()
        )

    def _is_of(self, other: str, content: bytes, place: int, needle: Needle) -> bool:
        whole = other.encode(needle.encoding, "replace")
        first = place - whole.find(needle.content)
        return needle.content in whole and first >= 0 and content[first : first + len(whole)] == whole

    def filler(self, needle: Needle) -> bytes:
        """What is written over it: as many bytes, in its encoding."""
        return ("x" * (len(needle.content) // needle.width)).encode(needle.encoding)

    def without(self, content: bytes) -> bytes:
        """The bytes with others in its place."""
        changed = bytearray(content)
        for first, last, needle in self.spans(content):
            changed[first:last] = self.filler(needle) if needle else _told(content[first:last], self.subject)
        return bytes(changed)


def _told(found: bytes, subject: str) -> bytes:
    """What names the subject beside its column, with the name alone overwritten."""
    for form in sorted(_forms(subject), key=len, reverse=True):
        place = found.rfind(form.encode())
        if place >= 0:
            size = len(form.encode())
            return found[:place] + (b"0" if subject.isdigit() else b"x") * size + found[place + size :]
    return found


def _forms(subject: str) -> Iterable[str]:
    """The subject as it is, and as JSON, JSON in JSON, CSV, SQL, URLs and HTML write it."""
    escaped = json.dumps(subject)[1:-1]
    forms = (
        subject,
        escaped,
        json.dumps(escaped)[1:-1],
        json.dumps(subject, ensure_ascii=False)[1:-1],
        subject.replace('"', '""'),
        subject.replace("'", "''"),
        quote(subject, safe=""),
        quote_plus(subject),
        html.escape(subject),
        html.escape(subject, quote=False),
    )
    return dict.fromkeys(forms)
