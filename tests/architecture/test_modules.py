"""The product's files: short enough to have one subject, and importing only what is there."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANES = ("orchestration", "assets", "resources")
MODULES = sorted(path for plane in PLANES for path in (ROOT / plane).rglob("*.py"))
OTHERS = sorted(path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 400


def test_a_file_is_short_enough_for_one_subject() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path for path, length in lines.items() if length > MOST_LINES} == set()


def imported_names(path: Path) -> Iterator[tuple[str, str]]:
    """What a file imports from modules of the project, wherever it does: module and name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in (*PLANES, "tests"):
            yield from ((node.module, alias.name) for alias in node.names)


def is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}") is not None
    except ModuleNotFoundError:
        return False


def test_every_import_of_our_own_is_there() -> None:
    """Also those inside functions, which nothing else would find before they run."""
    missing = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path in (*MODULES, *OTHERS)
        for module, name in sorted(set(imported_names(path)))
        if not is_there(module, name)
    ]
    assert missing == []


def test_style_on_screens_is_written_in_templates_alone() -> None:
    """Rich's markup is a literal that values are put into as text (`orchestration.cli.drawing`): nothing is escaped by hand."""
    wrong = []
    for path in sorted((ROOT / "orchestration" / "cli").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        templates = {
            id(part)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in ("say", "styled")
            and call.args
            for part in ast.walk(call.args[0])
        }
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if (isinstance(node, ast.Constant) and "[/" in str(node.value) and id(node) not in templates)
            or (isinstance(node, ast.JoinedStr) and id(node) in templates)
            or (isinstance(node, ast.ImportFrom) and node.module == "rich.markup")
        ]
    assert wrong == []
