"""Pieces of sentences."""

from __future__ import annotations

import pytest

from resources.text import listed, on_one_line, plural, printable, without_secrets


def test_long_lists_are_shortened():
    assert listed([1, 2]) == "1, 2"
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"


def test_nouns_follow_their_count():
    assert [plural(n, "night") for n in (0, 1, 1_200)] == ["0 nights", "1 night", "1,200 nights"]


def test_controls_are_marks_and_breaks_stay_or_are_blanks():
    assert printable("a\tb\r\nc\x1b[31m\u202ed\u200f") == "a b\nc�[31m�d�"
    assert on_one_line("a\nb\r\nc") == "a b c"
    assert on_one_line(17) == "17"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://u:p@h/x", "ftp://…@h/x"),
        ("ftp://u:se/cr#e?t@h/x.", "ftp://…@h/x."),
        ("at 'https://h/x?sig=se'cr\"", "at 'https://h/x?sig=…\""),
        ("('https://h/x?sig=secret', 1)", "('https://h/x?sig=…', 1)"),
        ("https://h/x;token=secret/y?page=12", "https://h/x;token=…/y?page=12"),
        ("http://localhost:3000/a and u@h", "http://localhost:3000/a and u@h"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(text, shown):
    assert without_secrets(text) == shown
