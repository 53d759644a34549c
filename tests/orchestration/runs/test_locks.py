"""One command at a time on a state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.runs.locks import hold
from resources.errors import Refused


def test_a_second_command_is_refused_with_the_process_that_is_first(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(Refused, match=rf"process {os.getpid()}"), hold(tmp_path, patience=0.2):
        pass
    with hold(tmp_path):
        pass


def test_the_lock_of_a_killed_command_is_free(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from orchestration.runs.locks import hold
with hold(Path({str(tmp_path)!r})):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as command:
        assert command.stdout
        command.stdout.readline()
        with pytest.raises(Refused, match=rf"process {command.pid}"), hold(tmp_path, patience=0):
            pass
        command.kill()
    with hold(tmp_path):
        pass
