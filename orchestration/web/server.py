"""What `nightcart ui` runs: the code servers, the daemon, and Dagster's web server behind the guard, ended together.

In place of `dg dev`, which has no room for middleware: the same processes, except that the web server is this one. Their
parts of Dagster are not its public API; tests/orchestration/web/test_server.py starts them all.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import dagster as dg
import uvicorn
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from graphql import ASTValidationRule, GraphQLError, OperationDefinitionNode, OperationType, specified_rules

from orchestration.web.guard import guarded
from resources import home
from resources.config.deployment import load_deployment
from resources.errors import Refused, Unavailable

GRACE = 5  # seconds that open requests have when it is told to end
DAEMONS_GRACE = 60


class NothingChanges(ASTValidationRule):
    """No mutation: Dagster's own read-only mode lets some through, such as trying a sensor, which acts."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        """Refuse it by its kind."""
        if node.operation is OperationType.MUTATION:
            self.report_error(GraphQLError("This web server was started with --read-only: it changes nothing.", node))


class ReadOnlyWebserver(DagsterWebserver):
    """Dagster's web server for a wall screen."""

    def build_graphql_validation_rules(self) -> Collection[type[ASTValidationRule]]:
        """GraphQL's own, and that nothing changes."""
        return [*specified_rules, NothingChanges]


def serve(
    *,
    host: str,
    port: int,
    names: Sequence[str],
    token: str | None,
    is_read_only: bool,
    has_daemon: bool,
    ready: Callable[[], None],
) -> None:
    """Serve until interrupted; `ready` is called as soon as it can be opened.

    `names` are host names beside this machine's own. Without a `token` whoever reaches it is let in.
    Raises :class:`Refused` when the port is taken, :class:`Unavailable` when the daemon ends by itself.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: all that was started is ended
    kind = ReadOnlyWebserver if is_read_only else DagsterWebserver
    # `.env` is read by the code servers where they are started.
    with home.kept(), contextlib.chdir(home.PROJECT), _listening(host, port) as listening, _instance() as instance:
        with (
            _code_servers(instance) as workspace,
            WorkspaceProcessContext(
                instance, WorkspaceFileTarget([str(workspace)]), version=__version__, read_only=is_read_only
            ) as process,
        ):
            app = guarded(kind(process, live_data_poll_rate=2000).create_asgi_app(), token, names)
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE)
            server = uvicorn.Server(config)
            daemon = _daemon(workspace, server) if has_daemon else contextlib.nullcontext()
            with daemon as ended, contextlib.suppress(KeyboardInterrupt):
                ready()
                server.run(sockets=[listening])
            if ended and ended.is_set():
                raise Unavailable(
                    "Dagster's daemon ended by itself; its log above says why.", remedy="start it again: `make ui`."
                )


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise Refused(
            f"Nothing can be served on {host}:{port}: {os.strerror(error.errno or 0)}.",
            remedy=f"end what uses it, or take another: `nightcart ui --port {port + 1}`.",
        ) from error
    with listening:
        yield listening


@contextlib.contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3600, max_overflow=20)
        yield instance


@contextlib.contextmanager
def _code_servers(instance: dg.DagsterInstance) -> Iterator[Path]:
    """The code servers of the workspace, and a workspace file that names where they listen."""
    target = WorkspaceFileTarget([str(load_deployment().workspace or home.PROJECT / "workspace.yaml")])
    with ProxyServerManager(instance, target, code_server_log_level="warning") as servers:
        with tempfile.TemporaryDirectory(prefix="nightcart-ui-") as folder:
            file = Path(folder) / "workspace.yaml"
            file.write_text(json.dumps({"load_from": [*servers.get_code_server_specs()]}))  # which is YAML too
            yield file


@contextlib.contextmanager
def _daemon(workspace: Path, server: uvicorn.Server) -> Iterator[threading.Event]:
    """The daemon beside the web server, which ends when it does; yields whether that was the daemon's own doing."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)]
    process = subprocess.Popen(command)  # noqa: S603
    has_ended, is_over = threading.Event(), threading.Event()

    def watch() -> None:
        process.wait()
        if not is_over.is_set():
            has_ended.set()
            server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield has_ended
    finally:
        is_over.set()
        process.terminate()
        try:
            process.wait(DAEMONS_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
