"""`nightcart`: the command line, for people and for cron.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 75 worth trying again later (sysexits' EX_TEMPFAIL).
"""

from __future__ import annotations

import gc
import inspect
import logging
import os
import sys
import warnings

import typer
from rich.console import Console

from orchestration.cli import (
    again,
    audit,
    backup,
    benchmark,
    costs,
    decide,
    doctor,
    erasure,
    look,
    policy,
    prune,
    retailer,
    runs,
    store,
    ui,
)
from orchestration.cli.drawing import runnable, styled
from orchestration.cli.drop import drop
from orchestration.cli.output import keep_going
from resources import home
from resources.errors import NightcartError, of_the_machine

app = typer.Typer(
    name="nightcart",
    help="Nightly personalisation for grocery retailers, on Dagster.",
    epilog=runnable(
        "Start with `nightcart demo`. All state is in one folder; `make ui` shows the runs in the browser."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group, commands in {
    "Run": (runs.demo, runs.nightly, runs.retrain, runs.backfill, runs.replay, drop, again.rebuild, again.check),
    "Look": (
        look.recommend,
        look.explain,
        look.models,
        look.card,
        look.drift,
        look.decisions,
        look.status,
        costs.costs,
        look.watch,
        ui.ui,
    ),
    "Decide": (
        decide.override,
        decide.promote,
        decide.rollback,
        decide.reconcile,
        erasure.forget,
    ),
    "Keep": (backup.backup, backup.restore, backup.move, prune.prune),
    "Set up": (retailer.init, retailer.use, doctor.doctor),
}.items():
    for command in commands:
        app.command(rich_help_panel=group, help=runnable(inspect.getdoc(command) or ""))(command)
app.add_typer(benchmark.benchmark, name="benchmark", rich_help_panel="Look")
app.add_typer(audit.audit, name="audit", rich_help_panel="Look")
app.add_typer(policy.policy, name="policy", rich_help_panel="Look")
app.add_typer(store.store, name="store", rich_help_panel="Look")


@app.callback()
def options(  # noqa: D103 (its docstring would be the help of all commands)
    debug: bool = typer.Option(False, "--debug", help="Show stack traces and the libraries' own warnings."),
) -> None:
    if debug:
        os.environ["NIGHTCART_DEBUG"] = "1"
    else:
        warnings.filterwarnings("ignore")
        logging.disable(logging.WARNING)


def main() -> None:
    """Run a command; an error of ours is one line with its remedy, any other asks for `--debug`."""
    # Nearly all that is imported stays: to look through it for garbage, again and again, is a tenth of a look's time.
    gc.set_threshold(50_000, 10, 10)
    keep_going()
    try:
        home.enter()
        app()
    except NightcartError as error:
        _say(error.message, error.remedy)
        _reraise_if_debugging(error)
        sys.exit(75 if error.is_worth_retrying else 1)
    except KeyboardInterrupt:
        _say("Interrupted.", "the same command goes on where it stopped.")
        sys.exit(130)
    except BaseException as error:  # the last line of defence: a stack trace helps a developer, not an operator
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of a library in Rust
            raise
        if known := of_the_machine(error):
            _say(known.message, f"{known.remedy} Then the same command goes on where it stopped.")
            _reraise_if_debugging(error)
            sys.exit(75 if known.is_worth_retrying else 1)
        if isinstance(error, OSError) and error.filename:  # a path that was typed, or is in the configuration
            _say(f"{error.filename} cannot be used: {error.strerror}.", "correct the path, or put right what is there.")
            _reraise_if_debugging(error)
            sys.exit(1)
        _say(
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            "`nightcart --debug …` shows the trace.",
        )
        _reraise_if_debugging(error)
        sys.exit(1)
    finally:
        gc.freeze()  # nor is it worth looking through once more at the end


def _say(message: str, remedy: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(styled("[bold red]✗[/] {}", message))
    console.print(styled("  [bold]Remedy:[/] {}", remedy))


def _reraise_if_debugging(error: BaseException) -> None:
    if os.environ.get("NIGHTCART_DEBUG"):
        raise error
