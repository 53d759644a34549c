"""`nightcart ui` as it is started: what it prints opens, what it starts runs, and all of it ends with it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from graphql import build_schema, parse, validate

from tests.support.command_line import Nightcart


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def children(pid: int) -> list[int]:
    own = [
        int(each) for each in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    ]
    return own + [further for each in own for further in children(each)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def asked(client: httpx.Client, query: str) -> dict[str, object]:
    return client.post("/graphql", json={"query": query}).json()


@pytest.mark.slow
def test_link_opens_and_all_that_was_started_ends_with_it(tmp_path: Path) -> None:
    nightcart = Nightcart(tmp_path)
    started = nightcart.start("ui", "--port", str(free_port()))
    try:
        while not (link := re.search(r"(http://localhost:\d+/)\?token=\S+", started.said("out"))):
            assert is_alive(started.pid), started.said("err")
            time.sleep(0.1)
        began = children(started.pid)
        with httpx.Client(base_url=link[1], follow_redirects=True) as client:
            assert client.get("/").status_code == 403
            assert "__NEXT_DATA__" in client.get(link[0]).text
            locations = asked(
                client, "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
            )
            assert "'name': 'nightcart', 'loadStatus': 'LOADED'" in str(locations)
            assert asked(client, "mutation { setNuxSeen }") == {"data": {"setNuxSeen": True}}
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in began]
        assert any(b"dagster._daemon" in each for each in commands)
        os.kill(started.pid, signal.SIGTERM)
        assert started.wait(60) == 0
        until = time.monotonic() + 30
        while left := [pid for pid in began if is_alive(pid)]:
            assert time.monotonic() < until, left
            time.sleep(0.2)
    finally:
        for pid in [*children(started.pid), started.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_port_that_is_taken_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        code, _, err = Nightcart(tmp_path)("ui", "--port", str(port))
    assert code == 1
    assert f"on 127.0.0.1:{port}: Address already in use" in err
    assert f"nightcart ui --port {port + 1}" in err


def test_without_a_token_no_other_machine_is_listened_to(tmp_path: Path) -> None:
    code, _, err = Nightcart(tmp_path)("ui", "--behind-proxy", "--host", "0.0.0.0")
    assert code == 1
    assert "others than the proxy would reach" in err


def test_read_only_lets_no_mutation_through_whatever_dagster_permits() -> None:
    from orchestration.web.server import ReadOnlyWebserver

    rules = ReadOnlyWebserver.build_graphql_validation_rules(None)  # pyright: ignore
    schema = build_schema(
        "type Query { runs: Int } type Mutation { sensorDryRun: Int } type Subscription { logs: Int }"
    )
    for harmless in ("{ runs }", "subscription { logs }"):
        assert validate(schema, parse(harmless), rules) == []
    for hostile in ("mutation { sensorDryRun }", "query a { runs } mutation b { sensorDryRun }"):
        assert "started with --read-only" in validate(schema, parse(hostile), rules)[0].message
