"""Standard output that ends no night: whoever reads it may go away (`| head`), and the disk of a log may be full."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO


class Output:
    """A stream; once it cannot be written, that is told on standard error, and what else is said is said to nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_lost = False  # whether a disk was full; a reader that goes away has what it wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or not; the characters that it was given."""
        self._tried(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is held back, or not."""
        self._tried(self._stream.flush)

    def _tried(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            # Also for the processes that are started, and for what is still held back.
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                self.is_lost = True
                with contextlib.suppress(OSError):
                    print(f"What this command says cannot be written ({error.strerror}); it goes on.", file=sys.stderr)


def keep_going() -> None:
    """Let standard output be one that ends nothing, also where a process was started without, or where it has few signs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.stdout is None:  # closed (`>&-`)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the life of the process
    sys.stdout = Output(sys.stdout)  # pyright: ignore[reportAttributeAccessIssue]
