"""What README, CONTRIBUTING and docs/ name is there: paths, modules, classes, commands, targets of make."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from orchestration import definitions
from orchestration.cli import app
from resources.home import PROJECT

PAGES = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "benchmarks").glob("*.md")]
PLANES = ("orchestration", "assets", "resources", "tests")
FOLDERS = (*PLANES, "config", "docs", "benchmarks", ".github", ".ci")
# History names what was; the examples of CONTRIBUTING make a file that is not there.
HISTORY, TO_BE_MADE = "CHANGELOG.md", "assets/grocery/training/models/due_frequency.py"
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def texts() -> Iterator[tuple[Path, str]]:
    """The pages without their blocks of code."""
    for page in PAGES:
        if page.name != HISTORY:
            yield page, re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def quoted() -> Iterator[tuple[str, str]]:
    for page, text in texts():
        yield from ((str(page.relative_to(PROJECT)), each) for each in QUOTED.findall(text))


def is_there(path: str) -> bool:
    return (
        path == TO_BE_MADE or (PROJECT / path).exists() or any(PROJECT.glob(re.sub(r"<\w+>|\b[A-Z]+\b|…", "*", path)))
    )


def is_defined(name: str) -> bool:
    """Whether `a.b.C` is a module, or a name that is defined at the top of one, without importing it."""
    module, _, attribute = name.replace(":", ".").partition(" ")[0].rpartition(".")
    as_module = PROJECT / name.replace(".", "/")
    if as_module.is_dir() or as_module.with_suffix(".py").is_file():
        return True
    file = PROJECT / module.replace(".", "/")
    file = file.with_suffix(".py") if file.with_suffix(".py").is_file() else file / "__init__.py"
    if not file.is_file():
        return False
    pattern = rf"^(?:class |def |async def )?{re.escape(attribute)}\b|^from .* import .*\b{re.escape(attribute)}\b"
    return bool(re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE))


def test_paths_that_the_docs_name_are_there():
    missing = [
        f"{page}: {each}"
        for page, each in quoted()
        if re.fullmatch(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*<>…-]*", each) and not is_there(each)
    ]
    assert missing == []


def test_modules_and_classes_that_the_docs_name_are_there():
    missing = [
        f"{page}: {each}"
        for page, each in quoted()
        if re.fullmatch(rf"(?:{'|'.join(PLANES)})(?:\.\w+)+(?::\w+)?", each)
        and not each.endswith(".py")
        and not is_there(each.partition(":")[0].replace(".", "/") + ".py")
        and not is_defined(each.replace(":", "."))
    ]
    assert missing == []


def test_changes_that_contributing_shows_can_be_made():
    text, named, impossible = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "", []
    for part in re.split(r"(^ *```diff\n.*?^ *```)", text, flags=re.DOTALL | re.MULTILINE):
        if "```diff" not in part:
            named = ([each for each in QUOTED.findall(part) if each.endswith(".py")] or [named])[-1]
            continue
        lines = textwrap.dedent(part).splitlines()[1:-1]
        before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        if before not in (PROJECT / named).read_text(encoding="utf-8"):
            impossible.append((named, before))
    assert impossible == []


def test_links_between_pages_lead_somewhere():
    dead = [
        f"{page.relative_to(PROJECT)}: {target}"
        for page, text in texts()
        for target in LINK.findall(text)
        if not re.match(r"[a-z]+:", target)
        and not (page.parent / target).exists()
        # docs/ becomes the root of the site, beside pages that are generated and those of the project's root
        and not (page.is_relative_to(PROJECT / "docs") and (PROJECT / target.removeprefix("../")).exists())
        and not target.removeprefix("../").startswith("reference/")
    ]
    assert dead == []


FEATURES = {
    "household_product_features",
    "household_features",
    "product_features",
    "category_affinity",
    "subcategory_affinity",
}


def arrows(page: str) -> set[tuple[str, str]]:
    """The arrows between assets in the picture of the lineage on a page; `f` stands for the five tables of features."""
    pictures = re.findall(r"```mermaid\n(.*?)```", (PROJECT / page).read_text(encoding="utf-8"), re.DOTALL)
    (lineage,) = [picture for picture in pictures if "published_recommendations" in picture]
    drawn = set()
    for line in lineage.splitlines():
        steps = [[name.strip() for name in step.split("&")] for step in line.split("-->")]
        drawn |= {(a, b) for left, right in pairwise(steps) for a in left for b in right}
    return drawn


@pytest.fixture(scope="module")
def lineage() -> set[tuple[str, str]]:
    graph = definitions.defs.resolve_asset_graph()
    pairs = {
        (parent.to_user_string(), key.to_user_string())
        for key in graph.materializable_asset_keys
        for parent in graph.get(key).parent_keys
    }
    return {tuple("f" if name in FEATURES else name for name in pair) for pair in pairs}  # pyright: ignore


def test_pictures_of_the_lineage_are_of_the_graph(lineage: set[tuple[str, str]]):
    assert arrows("docs/architecture.md") == lineage
    assert arrows("README.md") < lineage  # a part of it


@pytest.fixture(scope="module")
def commands() -> set[str]:
    root = typer.main.get_command(app)
    groups = {name: getattr(command, "commands", {}) for name, command in root.commands.items()}  # pyright: ignore
    return {*groups, *(f"{group} {name}" for group, names in groups.items() for name in names)}


def test_commands_that_the_docs_name_are_there(commands: set[str]):
    unknown = []
    for page in PAGES:
        if page.name == HISTORY:
            continue
        text = page.read_text(encoding="utf-8")
        for first, second in re.findall(r"(?<![\w/-])nightcart ([a-z]+)(?: ([a-z]+))?", text):
            if f"def {first}(" in text:
                continue  # the page writes it, as an example of how a command is written
            has_group = any(name.startswith(f"{first} ") for name in commands)
            if first not in commands or (has_group and second and f"{first} {second}" not in commands):
                unknown.append(f"{page.relative_to(PROJECT)}: nightcart {first} {second}".strip())
    assert unknown == []


def test_targets_of_make_that_the_docs_name_are_there():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:`|^ *)make ([a-z]+)\b", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named <= targets
