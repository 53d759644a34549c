"""The lock of a state folder: one `nightcart` command runs on it at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from resources.errors import Refused

# Who only looks whether the lock is free holds it for a few queries: that is waited for, a night is not.
PATIENCE = 3.0  # seconds


@contextlib.contextmanager
def hold(state: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a state, which the system frees when its holder dies.

    Raises :class:`Refused`, naming the holder's process, when another one has it for longer than `patience` seconds.
    """
    state.mkdir(parents=True, exist_ok=True)
    file = state / "nightcart.lock"
    lock = FileLock(file, timeout=patience, poll_interval=0.1)
    try:
        lock.acquire()
    except Timeout as error:
        holder = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        raise Refused(
            f"Another nightcart is running on {state} (process {holder or 'unknown'}).",
            remedy="wait for it to end; `nightcart status` shows what it does.",
        ) from error
    try:
        file.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        lock.release()
