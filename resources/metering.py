"""What a piece of work takes of the machine: CPU, memory and bytes, as the operating system counts them for this process.

CPU seconds and bytes are those of all threads and of the processes that were started and waited for. Bytes are those that
went from and to disks; what goes to another machine, such as an object store, is not among them.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

INTERVAL = 0.1  # seconds between two looks at the memory
MIB, GIB = 2**20, 2**30
_BLOCK = 512  # bytes that the operating system counts as one
_MAX_RSS = 1 if sys.platform == "darwin" else 2**10  # bytes of the unit that it tells the peak in
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, kw_only=True)
class Used:
    """What was used: seconds, CPU seconds, GiB of memory by second, and in MiB the peak and what was read and written."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    gib_seconds: float = 0.0
    peak_mib: float = 0.0
    read_mib: float = 0.0
    written_mib: float = 0.0

    def __add__(self, other: Used) -> Used:
        """Both together, one after the other."""
        return Used(
            wall_seconds=self.wall_seconds + other.wall_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            gib_seconds=self.gib_seconds + other.gib_seconds,
            peak_mib=max(self.peak_mib, other.peak_mib),
            read_mib=self.read_mib + other.read_mib,
            written_mib=self.written_mib + other.written_mib,
        )


@dataclass(frozen=True)
class _Counters:
    """What this process has used since it began."""

    wall: float
    cpu: float
    read: float
    written: float

    @classmethod
    def now(cls) -> _Counters:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(
            time.monotonic(),
            sum(each.ru_utime + each.ru_stime for each in both),
            sum(each.ru_inblock for each in both) * _BLOCK / MIB,
            sum(each.ru_oublock for each in both) * _BLOCK / MIB,
        )

    def until(self, later: _Counters, *, peak: float, mean: float) -> Used:
        wall, cpu, read, written = (b - a for a, b in zip(astuple(self), astuple(later), strict=True))
        return Used(
            wall_seconds=wall,
            cpu_seconds=cpu,
            gib_seconds=wall * mean / 2**10,
            peak_mib=peak,
            read_mib=read,
            written_mib=written,
        )


# Up to where what this process used is accounted for: from its beginning, which is about as long ago as it has worked.
_accounted = _Counters(time.monotonic() - time.process_time(), 0.0, 0.0, 0.0)


def unaccounted() -> Used:
    """What this process used since its last piece of work ended, or since it began."""
    global _accounted
    now, resident = _Counters.now(), _resident()
    used, _accounted = _accounted.until(now, peak=resident, mean=resident), now
    return used


@contextlib.contextmanager
def metered() -> Iterator[list[Used]]:
    """Measure what is inside: the list has, first, what was :func:`unaccounted` before, and once it has ended, what it used."""
    global _accounted
    found = [unaccounted()]
    start, watch, most = _accounted, _Memory(), _max_rss()
    try:
        with watch:
            yield found
    finally:
        _accounted = _Counters.now()
        after = _max_rss()  # exact where it rose: between two looks as well
        peak = max(watch.peak, after if after > most else 0.0)
        found.append(start.until(_accounted, peak=peak, mean=watch.mean))


class _Memory:
    """The resident memory of this process, looked at while something goes on."""

    def __init__(self) -> None:
        self._seen = [_resident()]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)

    def __enter__(self) -> None:
        with contextlib.suppress(RuntimeError):  # no more threads: then what there is at both ends is all that is known
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.ident:
            self._thread.join()
        self._seen.append(_resident())

    def _look(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._seen.append(_resident())

    @property
    def peak(self) -> float:
        return max(self._seen)

    @property
    def mean(self) -> float:
        return sum(self._seen) / len(self._seen)


def _resident() -> float:
    """MiB of this process in memory; where the system does not tell, the most that it ever had."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / MIB
    except OSError:
        return _max_rss()


def _max_rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAX_RSS / MIB
