"""The lock of a state: one `nightcart` command runs on it at a time, on whatever machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from resources import locks
from resources.errors import Refused, Unavailable
from resources.records.base import RecordStore

# Who only looks whether the lock is free holds it for a few queries: that is waited for, a night is not.
PATIENCE = 3.0  # seconds


@contextlib.contextmanager
def hold(state: Path, records: RecordStore, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a state, which the system or the server frees when its holder dies.

    Raises :class:`Refused`, naming the holder's process, when another one has it for longer than `patience` seconds. A server
    that is started anew frees it early; whoever comes then is kept apart by what each writes: tokens, locks of tables, and
    what decisions expected.
    """
    held = contextlib.ExitStack()
    try:
        held.enter_context(
            locks.hold("command", database=records.url, file=state / "nightcart.lock", patience=patience)
        )
    except locks.Held as error:
        raise Refused(
            f"Another nightcart is running on {state} ({error.holder or 'process unknown'}).",
            remedy="wait for it to end; `nightcart status` shows what it does.",
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(Unavailable):
            held.close()
