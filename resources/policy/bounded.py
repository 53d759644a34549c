"""The evaluation of a policy, and of the tests that it brings, in a process of its own, bounded in time and memory.

A rule may run for ever, and the engine ends its process where there is no memory: neither may be a night's. Run as a module, it is
that process: a question comes as JSON, its answer goes as JSON. The engine reserves more address space than it uses, so that no
limit of the system bounds it: whoever asks looks at what it really has.
"""

from __future__ import annotations

import functools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.errors import Refused
from resources.policy import in_process
from resources.policy.in_process import Sources

TESTS = "_test.rego"
TEST_RULE = re.compile(r"^(test_\w+)", re.MULTILINE)
PACKAGE = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)

# The demo's 3,430 places of a catalogue take 3 seconds and 0.4 GB, and ten times as many ten times that.
SECONDS = 120  # of CPU
PATIENCE = 600  # seconds by the clock, on a machine that is busy
MEMORY = 4 * 1024**3  # bytes
LOOKS_EVERY = 0.05  # seconds


@dataclass(frozen=True, kw_only=True)
class PolicyTest:
    """A test of the policy's own, and how it went."""

    file: str
    name: str
    has_passed: bool


@functools.lru_cache(maxsize=4)
def test_results(sources: Sources) -> tuple[PolicyTest, ...]:
    """How the tests among `sources` went, in the order of their files."""
    results = []
    for file, text in sources:
        names = TEST_RULE.findall(text) if file.endswith(TESTS) else []
        if not names:
            continue
        package = PACKAGE.search(text)
        document = evaluate(sources, f"data.{package[1]}", {}) if package else None
        passed = document if isinstance(document, Mapping) else {}
        # A rule that does not hold is not there: the names are the text's.
        results += [
            PolicyTest(file=file, name=name, has_passed=passed.get(name) is True) for name in dict.fromkeys(names)
        ]
    return tuple(results)


def evaluate(sources: Sources, query: str, question: Mapping[str, Any]) -> Any:
    """As :func:`resources.policy.in_process.evaluate`; raises :class:`Refused` also when it takes too much."""
    command = [sys.executable, "-I", "-m", __name__]
    ends, answer = time.monotonic() + PATIENCE, ""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given:
        # Not by a pipe: of what is more than it holds, the rest is not sent once a look has interrupted it.
        json.dump([sources, query, question], given)
        given.seek(0)
        child = subprocess.Popen(  # noqa: S603
            command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    with child:
        while True:
            try:
                answer, _ = child.communicate(timeout=LOOKS_EVERY)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > ends or _memory(child.pid) > MEMORY:
                    child.kill()
    if child.returncode:
        raise Refused(
            f"{query.removeprefix('data.')} of the policy takes more than {SECONDS} seconds or {MEMORY // 1024**2} MB: it decides nothing.",
            remedy=f"mend the rules in {', '.join(file for file, _ in sources)}; `nightcart policy test` says whether they are right.",
        )
    found = json.loads(answer)
    if "refused" in found:
        message, remedy = found["refused"]
        raise Refused(message, remedy=remedy)
    return found["said"]


def _memory(pid: int) -> int:
    """The bytes that a process has in memory; none where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        files, query, question = json.load(sys.stdin)
        print(json.dumps({"said": in_process.evaluate(tuple(map(tuple, files)), query, question)}))
    except Refused as refusal:
        print(json.dumps({"refused": [refusal.message, refusal.remedy]}))
