"""A command that is printed can be typed as it is printed, on the machine at hand."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from orchestration.cli import drawing
from resources import home


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with an environment of its own, whose folder is the working directory; nothing on the path."""
    scripts = tmp_path / "project" / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for folder in (scripts, tmp_path / "tools"):
        folder.mkdir(exist_ok=True)
        script = folder / ("nightcart" if folder == scripts else "uv")
        script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    monkeypatch.setattr(home, "PROJECT", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    yield tmp_path
    drawing.prefix.cache_clear()


def called() -> str:
    drawing.prefix.cache_clear()
    return drawing.runnable("`nightcart status`, or `dg launch`; `make ui` shows it.")


def test_without_uv_it_is_the_script_of_the_environment(machine: Path, monkeypatch) -> None:
    assert called() == "`.venv/bin/nightcart status`, or `.venv/bin/dg launch`; `make ui` shows it."
    monkeypatch.chdir(machine)
    assert called().startswith("`project/.venv/bin/nightcart status`")


def test_with_uv_it_is_run_by_uv_inside_the_project(machine: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(machine / "tools"))
    assert called() == "`uv run nightcart status`, or `uv run dg launch`; `make ui` shows it."
    monkeypatch.chdir(machine / "tools")
    assert called().startswith(f"`{machine}/project/.venv/bin/nightcart status`")


def test_where_it_is_on_the_path_it_is_plain_but_not_for_what_uv_has_put_there(machine: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(machine / "project" / ".venv" / "bin"))
    assert called() == "`nightcart status`, or `dg launch`; `make ui` shows it."
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert called().startswith("`.venv/bin/nightcart status`")


def test_in_a_folder_that_was_removed_it_is_the_whole_path(machine: Path, monkeypatch) -> None:
    gone = machine / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert called().startswith(f"`{machine}/project/.venv/bin/nightcart status`")
    monkeypatch.chdir("/")  # for what undoes the first one


HOSTILE = (
    "[/b]",
    "K[red]1[/red]",
    "a|b",
    "<script>",
    "$x$",
    "two\nlines",
    ":smile:",
    "{0}",
    "\\",
    "ends with \\",
    "שלום 🥛",
    "[",
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is drawn, 80 places wide, with the escapes of a colour terminal."""
    screen = io.StringIO()
    made = Console(file=screen, width=80, highlight=False, markup=False, emoji=False, force_terminal=True)
    monkeypatch.setattr(drawing, "console", made)
    monkeypatch.setattr(drawing, "prefix", lambda: "")
    return screen


def without_colours(screen: io.StringIO) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue())


class TestText:
    """Whatever comes from a feed, a person or a library is shown as it is."""

    @pytest.mark.parametrize("value", HOSTILE)
    def test_value_in_a_template_is_text_in_the_templates_style(self, value):
        made = drawing.styled("[bold]a {}[/] b {:>3}", value, 7)
        assert made.plain == f"a {value} b   7"
        (span,) = [span for span in made.spans if span.style == "bold" and span.end > 2]
        assert made.plain[span.start : span.end] in (value, f"a {value}")

    @pytest.mark.parametrize("value", HOSTILE)
    def test_cells_titles_and_sentences_are_text(self, value, shown):
        drawn = drawing.table("name", "number", title=f"of {value}")
        drawn.add_row(value, drawing.styled("[red]{}[/]", value))
        drawing.console.print(drawn)
        drawing.say("{}", value)
        drawing.console.print(value)
        assert without_colours(shown).count(value.splitlines()[-1]) == 5

    def test_styled_value_keeps_its_style(self, shown):
        drawing.say("{} of it", drawing.styled("[red]{}[/]", "[all]"))
        assert shown.getvalue() == "\x1b[31m[all]\x1b[0m of it\n"

    @pytest.mark.parametrize("value", ["\x1b[31mred", "a\x07b", "a\rb", "\u202eabc", "\x9b31m"])
    def test_a_terminal_is_given_no_orders(self, value, shown):
        drawn = drawing.table("name")
        drawn.add_row(value)
        drawing.console.print(drawn)
        drawing.say("{}", value)
        assert value not in shown.getvalue()
        assert shown.getvalue().count("�") == 2

    def test_commands_in_values_are_called_as_they_are_here(self, monkeypatch):
        monkeypatch.setattr(drawing, "prefix", lambda: "[venv]/")
        said = drawing.styled("`nightcart a`, {}", "then `nightcart b`").plain
        assert said == "`[venv]/nightcart a`, then `[venv]/nightcart b`"


class TestWidth:
    def test_words_are_whole_while_there_is_room(self, shown):
        columns = ("version", "alias", "night of", "family", "Recall@10", "nDCG@10", "hit rate@10")
        drawn = drawing.table(*columns, right=columns[4:], wrap=("alias", "family", "hit rate@10"))
        drawn.add_row("12", "champion, challenger", "2017-11-27", "two-stage LightGBM", "0.1434", "0.2917", "0.7443")
        drawing.console.print(drawn)
        words = without_colours(shown).split()
        assert {"champion,", "challenger", "two-stage", "LightGBM", "2017-11-27", "rate@10", "0.7443"} <= set(words)
        assert max(map(len, without_colours(shown).splitlines())) <= 80

    def test_a_word_too_long_for_the_screen_is_folded_and_the_others_are_whole(self, shown):
        drawn = drawing.table("setting", "value", "why", wrap=("value", "why"))
        path = "assets.grocery.training.models.two_stage:TwoStageRanker" * 2
        drawn.add_row("model.family", path, "the import path of the class, as anybody would write it down for a reader")
        drawing.console.print(drawn)
        lines = without_colours(shown).splitlines()
        assert max(map(len, lines)) <= 80
        assert {"anybody", "import", "reader", "model.family"} <= set(" ".join(lines).split())
        assert len(lines) <= 8

    def test_short_columns_are_whole_and_long_ones_share_the_rest(self, shown):
        drawn = drawing.table("night", "reasons", "attempts", "state", wrap=("reasons", "attempts", "state"))
        drawn.add_row("2024-05-06", "word " * 30, "word " * 60, "failed, tried again")
        drawing.console.print(drawn)
        assert "failed, tried again" in without_colours(shown)

    def test_what_is_cut_off_takes_no_room_from_what_is_whole(self, shown):
        drawn = drawing.table("entry", "what", right=("entry",))
        drawn.add_column("says", no_wrap=True, overflow="ellipsis", ratio=1)
        drawn.add_row("412", "promotions 3", "{" + "x" * 200)
        drawing.console.print(drawn)
        line = without_colours(shown).splitlines()[-2 if without_colours(shown).endswith("\n\n") else -1]
        assert "412  promotions 3  {xxx" in line
        assert line.rstrip().endswith("…")
