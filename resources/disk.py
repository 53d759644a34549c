"""Files that outlast a power cut: what is written is the system's first, which takes its time to have it on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def to_disk(paths: Iterable[Path]) -> None:
    """Have files, and the entries of folders, on the disk, in the order given."""
    for path in paths:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def write(file: Path, content: bytes) -> None:
    """Write a small file anew, in a folder that is there: whole, or not at all."""
    part = file.with_name(f".part-{os.getpid()}-{file.name}")
    part.write_bytes(content)
    to_disk([part])
    part.replace(file)
    to_disk([file.parent])


def folder_to_disk(folder: Path) -> None:
    """The same of a folder, with all that is in it, where there is one."""
    if folder.exists():
        to_disk((*folder.rglob("*"), folder, folder.parent))
