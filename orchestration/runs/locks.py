"""The lock of a state: one `nightcart` command runs on it at a time.

A file of the state folder, or, where the records are on a server, a lock of theirs: commands of several machines share nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from resources.errors import Refused
from resources.records.base import Held, RecordStore

# Who only looks whether the lock is free holds it for a few queries: that is waited for, a night is not.
PATIENCE = 3.0  # seconds


@contextlib.contextmanager
def hold(state: Path, records: RecordStore, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a state, which the system or the server frees when its holder dies.

    Raises :class:`Refused`, naming the holder's process, when another one has it for longer than `patience` seconds.
    """
    lock = records.alone("command", patience=patience) if records.is_on_a_server else _file(state, patience)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock)
        except Held as error:
            raise Refused(
                f"Another nightcart is running on {state} ({error or 'process unknown'}).",
                remedy="wait for it to end; `nightcart status` shows what it does.",
            ) from error
        yield


@contextlib.contextmanager
def _file(state: Path, patience: float) -> Iterator[None]:
    state.mkdir(parents=True, exist_ok=True)
    file = state / "nightcart.lock"
    lock = FileLock(file, timeout=patience, poll_interval=0.1)
    try:
        lock.acquire()
    except Timeout as error:
        holder = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        raise Held(holder and f"process {holder}") from error
    try:
        file.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        lock.release()
