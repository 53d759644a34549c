"""A search over every byte below some folders for an identifier, packed and columnar contents decoded.

What is found is named by file and place; what cannot be looked through is named with why.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from assets.privacy import containers
from assets.privacy.containers import BLOCK, DEEPEST, Unsearchable
from assets.privacy.needles import Needles

OVERLAP = 4_096  # bytes of a block that are looked at again with the next, for what stands across both
EVERY = 10.0  # seconds between two words on how far it is


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search came to: the places in each file that has it, why others could not be looked through, how much it was."""

    found: dict[Path, list[str]] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    files: int = 0
    size: int = 0


def search(
    roots: Sequence[Path],
    needles: Needles,
    *,
    is_skipped: Callable[[Path], bool] = lambda _: False,
    say: Callable[[str], object] = lambda _: None,
) -> Searched:
    """Look through every file below `roots`, and at its name; `say` is told now and then how far it is."""
    found: dict[Path, list[str]] = {}
    closed: dict[str, str] = {}
    below: dict[Path, int] = {}
    for path, why, size in everything(roots):
        if is_skipped(path):
            continue
        if why:
            closed[str(path)] = why
        elif path.is_file():
            below[path] = size
        if needles.is_telling and needles.are_in(os.fsencode(path.name)):
            found.setdefault(path, []).append("its name")
    done, told, whole = 0, time.monotonic(), sum(below.values())
    for number, (path, size) in enumerate(below.items()):
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            say(f"{number:,} of {len(below):,} files, {done / 1e9:.1f} of {whole / 1e9:.1f} GB")
        try:
            for place in dict.fromkeys(places_in(path, needles, closed)):
                found.setdefault(path, []).append(place)
        except FileNotFoundError:  # it is gone meanwhile
            continue
        except OSError as error:
            closed[str(path)] = (error.strerror or "it cannot be read").lower()
        done += size
    return Searched(found=found, closed=closed, files=len(below), size=done)


def everything(roots: Sequence[Path]) -> Iterator[tuple[Path, str | None, int]]:
    """Every file and folder below `roots`, each once: why it cannot be looked through, and its size."""
    seen: set[Path] = set()
    for root in roots:
        closed: list[OSError] = []
        for folder, folders, files in os.walk(root, onerror=closed.append):
            for name in sorted([*files, *folders]):
                path = Path(folder, name)
                if path in seen:
                    continue
                seen.add(path)
                about = path.lstat()
                if stat.S_ISREG(about.st_mode):
                    yield path, None, about.st_size
                elif stat.S_ISLNK(about.st_mode):
                    target = real(path)
                    if name != "dagster.yaml" and not any(target.is_relative_to(real(each)) for each in roots):
                        yield path, f"a link that leads elsewhere, to {target}", 0
                elif not stat.S_ISDIR(about.st_mode):
                    yield path, "a pipe, socket or device", 0
                else:
                    yield path, None, 0
        for error in closed:
            yield Path(error.filename), (error.strerror or "it cannot be listed").lower(), 0


def real(path: Path) -> Path:
    """Where links lead, as far as they do: one that leads round leads to itself."""
    return Path(os.path.realpath(path))


def places_in(path: Path, needles: Needles, closed: dict[str, str]) -> Iterator[str]:
    """Where in a file the identifier stands: in its bytes, in a member of an archive, a column, a table."""
    with open(path, "rb") as content:
        if kind := (yield from _bytes(content, "", needles)):
            yield from _inside(content, kind, str(path), "", needles, closed, database=path)


def _bytes(content: IO[bytes], at: str, needles: Needles) -> Iterator[str]:
    """Looks through the bytes as they are; returns the first of them if they are of a kind that holds others."""
    content.seek(0)
    first, held, is_found = b"", b"", False
    while block := content.read(BLOCK):
        first = first or block[:512]
        held += block
        is_found = is_found or needles.are_in(held) > 0
        held = held[-OVERLAP:]
    if is_found:
        yield at
    return first


def _inside(
    content: IO[bytes],
    head: bytes,
    name: str,
    at: str,
    needles: Needles,
    closed: dict[str, str],
    *,
    database: Path | None = None,
) -> Iterator[str]:
    """Looks into what holds others: packs and archives by their contents, tables by their columns."""
    try:
        kind = containers.kind_of(head)
        if kind is None:
            return
        if at.count(INTO) >= DEEPEST:
            raise Unsearchable(f"packed more than {DEEPEST} times")
        if kind == "sqlite":
            with _on_disk(content, database) as file:
                for table in containers.tables_with(file, needles, is_copy=database is None):
                    yield _within(at, f"table {table}")
        elif kind in ("parquet", "arrow"):
            content.seek(0)
            for batch in containers.batches(content, kind):
                for column, values in zip(batch.schema.names, batch.columns, strict=True):
                    if containers.mask(values, column, needles) is not None:
                        yield _within(at, f"column {column}")
        else:
            size = content.seek(0, os.SEEK_END)
            content.seek(0)
            for member, inside in containers.parts(content, kind, size):
                inner = _within(at, member)
                inner_head = yield from _bytes(inside, inner, needles)
                yield from _inside(inside, inner_head, name, inner, needles, closed)
    except Unsearchable as error:
        closed[_within(name, at) if at else name] = str(error)
    except FileNotFoundError:
        raise
    except Exception:  # what libraries say of a damaged file has no type in common
        closed[_within(name, at) if at else name] = "damaged: only what stands unpacked in it was looked through"


INTO = " › "


def _within(at: str, name: str) -> str:
    """A place within a place: `b.zip › a.csv › column who`."""
    return f"{at}{INTO}{name}" if at else name


class _on_disk:
    """A database as a file: itself, or a copy of one that lies in an archive."""

    def __init__(self, content: IO[bytes], database: Path | None) -> None:
        self.content, self.database = content, database

    def __enter__(self) -> Path:
        if self.database:
            return self.database
        self.copy = tempfile.NamedTemporaryFile(suffix=".db")
        self.content.seek(0)
        while block := self.content.read(BLOCK):
            self.copy.write(block)
        self.copy.flush()
        return Path(self.copy.name)

    def __exit__(self, *_: object) -> None:
        if not self.database:
            self.copy.close()
