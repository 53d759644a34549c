"""What stages show in the UI: names on pictures are text."""

from __future__ import annotations

import datetime as dt

import pytest
from matplotlib.dates import num2date

from assets.lifecycle import pictures
from assets.reporting import new_figure, over_days, picture

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


@pytest.mark.parametrize("shown", [1, 3, 60])
def test_an_axis_of_days_shows_a_week_at_least_and_every_day_whole(shown):
    days = [dt.date(2024, 1, 31) + dt.timedelta(days=n) for n in range(shown)]
    axes = new_figure().subplots()
    over_days(axes, reversed(days))
    first, last = (num2date(at).replace(tzinfo=None) for at in axes.get_xlim())
    assert last == dt.datetime.combine(days[-1], dt.time(12))
    assert first == dt.datetime.combine(min(days[0], days[-1] - dt.timedelta(days=6)), dt.time(0)) - dt.timedelta(
        hours=12
    )
