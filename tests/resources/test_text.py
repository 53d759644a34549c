"""Pieces of sentences."""

from __future__ import annotations

from resources.text import listed, plural


def test_long_lists_are_shortened():
    assert listed([1, 2]) == "1, 2"
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"


def test_nouns_follow_their_count():
    assert [plural(n, "night") for n in (0, 1, 1_200)] == ["0 nights", "1 night", "1,200 nights"]
