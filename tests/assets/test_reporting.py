"""What stages show in the UI: names on pictures are text."""

from __future__ import annotations

from assets.lifecycle import pictures
from assets.reporting import picture

NAMES = ("$x$", "$\\frac{1$", "a|b", "<b>", "[/b]", "two\nlines")


def test_names_on_pictures_are_no_formulas():
    compared = [
        {"slice": "department", "value": name, "households": 40, "recall": 0.1, "difference": [0.0, -0.1, 0.1]}
        for name in NAMES
    ]
    figure = pictures.slices(compared, subjects="households", metric="recall")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{name} (40)" for name in reversed(NAMES)]
    assert not any(label.get_parse_math() for label in axes.get_yticklabels())
    assert picture(figure).md_str.startswith("![plot](data:image/webp;base64,")  # an unclosed formula would end it
