"""Small pieces of sentences that several messages share, and text that comes from elsewhere, made fit to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What moves the cursor, rings, colours, or turns the direction of all that follows: everything but line breaks.
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# User, password, parameters and query of a URL, wherever one stands in a text. A password may have signs in it that belong
# there as %2F or so alone: then all up to the last @ is the user's, unless what stands behind the colon is a port.
USER = re.compile(r"(\b[a-zA-Z][\w+.-]*://)(?:[^/\s?#]*@|[^/\s?#:@]*:(?!\d{1,5}[/?#])\S*@)")
QUERY = re.compile(r"""(\b[a-zA-Z][\w+.-]*://[^\s?]*)\?([^\s"<>]*?)(?=['")\],.:;]*(?:[\s"<>]|$))""")
URL, PARAMETER = re.compile(r"\b[a-zA-Z][\w+.-]*://\S+"), re.compile(r"(;[\w.-]+=)[^\s?;/&'\"]+")
# Values of a query that can be no secret: a small number, a day, the place of a day.
HARMLESS = re.compile(r"\d{0,3}|(19|20)\d\d-?\d\d-?\d\d|\{date[^}]*\}")


def without_secrets(text: str) -> str:
    """The text with `…` for all that may be secret in its URLs: users with their passwords, and values of queries."""
    text = QUERY.sub(lambda found: f"{found[1]}?{_harmless(found[2])}", USER.sub(r"\1…@", text))
    return URL.sub(lambda found: PARAMETER.sub(r"\1…", found[0]), text)


def _harmless(query: str) -> str:
    """A URL's query with its names, and those of its values that can be no secret."""
    parts = (part.partition("=") for part in query.split("&"))
    return "&".join(
        f"{name}={value if HARMLESS.fullmatch(value) else '…'}" if is_named else "…" for name, is_named, value in parts
    )


def listed(items: Sequence[object], most: int = 5) -> str:
    """`a, b, c and 7 more`: the first `most` of `items`, and how many others there are."""
    shown = ", ".join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def plural(count: int, noun: str) -> str:
    """`1 night`, `1,200 nights`: a count with its regular noun."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def printable(value: object) -> str:
    """`value` as text without control characters, which a terminal would obey; each is shown as one mark."""
    return CONTROLS.sub(lambda found: " " if found[0] == "\t" else "�", str(value).replace("\r\n", "\n"))


def on_one_line(value: object) -> str:
    """The same on a line of its own: breaks are blanks."""
    return " ".join(printable(value).split("\n"))
