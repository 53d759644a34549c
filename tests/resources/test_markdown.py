"""Whatever is put into Markdown is shown as it is: no markup of its own, no table that breaks, nothing loaded."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from resources.markdown import Markdown, bullets, code, table, text
from resources.text import on_one_line

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = [
    "a|b", "[/b]", "K[red]1[/red]", "<script>alert(1)</script>", "![x](http://evil/x.png)", "[x](http://evil)", "`a`", "``",
    "a\nb", "*a*", "_a_", "snake_case", "__a__", "# a", "- a", "1. a", "1) a", "+ a", "=", "---", "&lt;", "&#65;", "$x$", "~~a~~",
    "\\", "a\\", "\\|", "<http://evil>", "a ` b | c", "🥛", "שלום", "> a",
]  # fmt: skip
PIECES = st.sampled_from([*"\\`*_[]()<>|~&#+-=!.;1a \n$:/", "http://e.x", "<b>", "![", "](", "&amp;", "```"])


def shown(markdown: str) -> str:
    """What a reader sees of the only paragraph, cell or item."""
    return unescape(re.sub(r"</?(p|code|ul|li)>|\n", "", READER.render(markdown)))


@pytest.mark.parametrize("value", HOSTILE)
def test_text_is_shown_as_it_is(value):
    assert shown(text(value)) == on_one_line(value)
    assert shown(bullets([value])) == on_one_line(value)


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_text_makes_no_markup_whatever_it_is(value):
    found = READER.render(text(value))
    assert re.sub(r"^<p>|</p>\n?$", "", found).count("<") == 0
    assert " ".join(shown(text(value)).split()) == " ".join(on_one_line(value).split())


@pytest.mark.parametrize("value", HOSTILE)
def test_cell_keeps_to_its_column(value):
    found = READER.render(table(["name", "number"], [[value, 7], [code(value), 8]]))
    cells = [unescape(re.sub(r"</?code>", "", cell)) for cell in re.findall(r"<td>(.*?)</td>", found)]
    assert cells == [on_one_line(value).strip(), "7", on_one_line(value).strip(), "8"]


@pytest.mark.parametrize("value", [each for each in HOSTILE if "|" not in each])
def test_code_is_shown_as_it_is(value):
    assert shown(code(value)) == on_one_line(value)


def test_markdown_is_not_escaped_once_more():
    assert text(Markdown("**a**")) == "**a**"
    assert text(text("*a*")) == r"\*a\*"
