"""The command `ui`: the web server, for whoever opens the link that it prints, with the daemon beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.cli.drawing import console, say, styled
from resources.config.deployment import load_deployment


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
) -> None:
    """The graph, the runs and the checks in the browser, with the daemon that runs the schedule, until interrupted.

    Only who opens the link that it prints sees or starts anything. `NIGHTCART_UI_TOKEN` keeps one token for all starts.

    Examples: `nightcart ui`, `nightcart ui --read-only --port 3001`
    """
    from orchestration.web.server import serve

    own = load_deployment().ui_token
    say("Starting; the link is printed as soon as it can be opened. Ctrl-C ends it.")

    def ready(link: str) -> None:
        whose = " (with the token that NIGHTCART_UI_TOKEN has)" if own else ""
        what = "Look, and change nothing" if read_only else "Graph, runs and checks"
        console.print(styled("{}: [bold cyan]{}[/]{}", what, link, whose), soft_wrap=True)

    serve(
        host=host,
        port=port,
        names=allowed_host or (),
        token=own.get_secret_value() if own else None,
        is_read_only=read_only,
        ready=ready,
    )
    say("Ended.")
