"""Small pieces of sentences that several messages share."""

from __future__ import annotations

from collections.abc import Sequence


def listed(items: Sequence[object], most: int = 5) -> str:
    """`a, b, c and 7 more`: the first `most` of `items`, and how many others there are."""
    shown = ", ".join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def plural(count: int, noun: str) -> str:
    """`1 night`, `1,200 nights`: a count with its regular noun."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
