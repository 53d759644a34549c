"""The command `ui`: the web server, for whoever opens the link that it prints, with the daemon beside it."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from orchestration.cli.drawing import console, say, styled
from resources.config.deployment import load_deployment
from resources.errors import Refused


def ui(
    port: Annotated[int, typer.Option(help="Where it listens.")] = 3000,
    host: Annotated[
        str, typer.Option(help="The address that it listens on; by default only this machine reaches it.")
    ] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name under which it is reached otherwise, behind a proxy for instance. Repeatable.",
            show_default=False,
        ),
    ] = None,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="For a wall screen: nothing can be launched or changed; without a daemon."),
    ] = False,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="A proxy on this machine knows who asks, and passes their Host on: nobody is asked for the token.",
        ),
    ] = False,
    daemon: Annotated[
        bool,
        typer.Option("--daemon/--no-daemon", help="Whether the daemon runs beside it, if it does not run elsewhere."),
    ] = True,
) -> None:
    """The graph, the runs and the checks in the browser, with the daemon that runs the schedule, until interrupted.

    Only who opens the link that it prints sees or starts anything. `NIGHTCART_UI_TOKEN` keeps one token for all starts.

    Examples: `nightcart ui`, `nightcart ui --read-only --port 3001`
    """
    from orchestration.web.guard import LOCAL
    from orchestration.web.server import serve

    if behind_proxy and host not in LOCAL:
        raise Refused(
            f"On {host} others than the proxy would reach the web server too, and nobody is asked for the token.",
            remedy="leave `--host` out, and run the proxy on this machine.",
        )
    own = load_deployment().ui_token
    token = None if behind_proxy else own.get_secret_value() if own else secrets.token_urlsafe(32)
    shown = "" if behind_proxy else "?token=…" if own else f"?token={token}"
    link = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}/{shown}"
    say("Starting; the link is printed as soon as it can be opened. Ctrl-C ends it.")

    def ready() -> None:
        whose = " (for the proxy)" if behind_proxy else " (with the token that NIGHTCART_UI_TOKEN has)" if own else ""
        what = "Look, and change nothing" if read_only else "Graph, runs and checks"
        console.print(styled("{}: [bold cyan]{}[/]{}", what, link, whose), soft_wrap=True)

    serve(
        host=host,
        port=port,
        names=["*"] if behind_proxy else allowed_host or (),
        token=token,
        is_read_only=read_only,
        has_daemon=daemon and not read_only,
        ready=ready,
    )
    say("Ended.")
