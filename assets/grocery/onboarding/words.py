"""How well a column's name matches a role, by the words of `words.toml`.

A name is split into words (`CustomerID`, `cust_id`, `custid` → customer or cust, id). It matches a role when it has one of
the role's nouns, none of its excluded words, and few words that are neither.
"""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
CYRILLIC = dict(  # the hard and the soft sign say nothing
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ",
        "a b v g d e e zh z i y k l m n o p r s t u f h c ch sh sch  y  e yu ya i i e g".split(" "),
        strict=True,
    )
)
LETTERS = str.maketrans(
    {"ß": "ss", "ł": "l", "Ł": "L", "ı": "i", "ø": "o", "Ø": "O", "°": "o", "æ": "ae", "đ": "d"}
    | CYRILLIC
    | {letter.upper(): latin.capitalize() for letter, latin in CYRILLIC.items()}
)
SHARED: dict[str, str] = VOCABULARY.pop("shared")


# What shops write before what a line has: `Lineitem sku`, `Order Lines/Product`. Not `line` alone, which is a brand's too.
OF_A_LINE = frozenset(
    {
        *(("order", *line) for line in (("line",), ("lines",), ("line", "items"))),
        ("lines",),
        ("line", "item"),
        ("line", "items"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """The words of a column with a certain meaning, as `words.toml` explains them."""

    nouns: list[str]
    modifiers: list[str]
    excluded: list[str]
    keyed: list[str]
    is_key: bool  # whether an identifier (`category_id`) is better than a name (`category`)


def _role(words: dict[str, Any]) -> Role:
    lists = {name: words.get(name, "") for name in ("nouns", "excluded", "keyed")}
    lists["modifiers"] = words.get("modifiers", "@key")
    expanded = {name: re.sub(r"@(\w+)", lambda m: SHARED[m[1]], text).split() for name, text in lists.items()}
    return Role(**expanded, is_key=words.get("is_key", True))


ROLES = {name: _role(words) for name, words in VOCABULARY.items()}
KEYS = frozenset(SHARED["key"].split())
_KNOWN = KEYS.union(
    SHARED["marks"].split(), *({*role.nouns, *role.modifiers, *role.excluded} for role in ROLES.values())
)


@functools.cache
def split_name(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower case, without accents; `custid` and `CustId` alike."""
    plain = unicodedata.normalize("NFKD", name.translate(LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", plain)
    words = [word for part in parts for word in _known_words(part.lower())]
    of_a_line = next((n for n in (3, 2, 1) if tuple(words[:n]) in OF_A_LINE), 0)
    return tuple(words[of_a_line:] or words)


def _known_words(part: str) -> tuple[str, ...]:
    """`custid` → cust, id when all of it is made of known words; else the part as it is."""
    for end in range(len(part) - 1, 1, -1) if part not in _KNOWN else ():
        if part[:end] in _KNOWN and _KNOWN.issuperset(rest := _known_words(part[end:])):
            return (part[:end], *rest)
    return (part,)


def match_rank(name: str, role: Role) -> tuple[int, int, bool] | None:
    """How well `name` matches `role`, lower is better: unknown words, the noun's position, the wrong kind of key.

    None when it does not match.
    """
    own = split_name(name)
    has_key = not KEYS.isdisjoint(own)
    nouns = [noun for noun in own if noun in role.nouns and (has_key or noun not in role.keyed)]
    if not nouns or not set(role.excluded).isdisjoint(own):
        return None
    unknown = [word for word in own if word not in role.nouns and word not in role.modifiers]
    return len(unknown), min(role.nouns.index(noun) for noun in nouns), has_key != role.is_key


def matching_columns(role: str, names: Iterable[str], *, max_unknown_words: int = 0) -> list[str]:
    """The `names` that match the role of :data:`ROLES`, best first."""
    ranks = {name: rank for name in names if (rank := match_rank(name, ROLES[role])) and rank[0] <= max_unknown_words}
    return sorted(ranks, key=ranks.__getitem__)
