"""Commands that remedies name work as they are printed: they are there, and have their options, those that are required among them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from orchestration.cli import app
from resources.home import PROJECT

FILES = [file for plane in ("orchestration", "assets", "resources") for file in (PROJECT / plane).rglob("*.py")]


def text(node: ast.AST) -> str:
    """What a string says, with `{}` for what is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text(each) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    return " ".join(text(each) for each in ast.iter_child_nodes(node))


def remedies() -> Iterator[tuple[str, str]]:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                for command in re.findall(r"`nightcart ([^`]+)`", text(node.value)):
                    yield f"{file.relative_to(PROJECT)}:{node.value.lineno}", command


def wrong_with(command: str, root: Any) -> str | None:
    name, *words = command.split()
    if name.startswith(("-", "{", "…")):
        return None
    if (found := root.commands.get(name)) is None:
        return "is no command"
    if getattr(found, "commands", None) and words:
        found = found.commands.get(words.pop(0))
        if found is None:
            return "is no command of its group"
    options = {name: each for each in found.params for name in each.opts + each.secondary_opts if name.startswith("--")}
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    if unknown := given - {*options, "--help", "--"}:
        return f"has no {', '.join(sorted(unknown))}"
    is_abridged = not words or any("…" in word and '"' not in word for word in words) or "{}" in words
    required = {each.opts[0] for each in options.values() if each.required}
    if not is_abridged or name in ("promote", "rollback", "forget", "retrain", "nightly"):
        return f"lacks {', '.join(sorted(required - given))}" if required - given else None
    return None


@pytest.mark.parametrize(("where", "command"), [pytest.param(*each, id=f"{each[0]} {each[1]}") for each in remedies()])
def test_a_command_of_a_remedy_works_as_printed(where: str, command: str) -> None:
    assert wrong_with(command, typer.main.get_command(app)) is None
