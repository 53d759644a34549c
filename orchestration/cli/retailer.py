"""Commands that set a retailer up: `init` writes its file from a look at the data, `use` chooses it."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import available_timezones

import typer
from rich.console import Console
from rich.text import Text

from orchestration.cli.drawing import Json, console, prefix, print_json, say, styled
from orchestration.cli.understood import draw, shown
from resources import home
from resources.config.loader import load_settings
from resources.config.retailer import ProductColumnsConfig, TransactionColumnsConfig
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.records.identity import Owner
from resources.text import without_secrets

if TYPE_CHECKING:
    from assets.grocery.onboarding.proposal import RetailerProposal

COLUMN_SETTINGS = (
    *TransactionColumnsConfig.model_fields,
    *(f"products.{name}" for name in ProductColumnsConfig.model_fields),
    "households.household_id",
)
NAME_A_COLUMN = "Say which column is which, such as household_id=CARD; nothing after = leaves it out. Repeatable."


def _option(help_: str, metavar: str | None = None) -> Any:
    return typer.Option(help=help_, metavar=metavar, show_default=False)


def init(
    transactions: Annotated[
        str,
        typer.Argument(
            help="The basket lines: a file, folder, glob or URL; with --query, an SQLite URL, duckdb:// for files, or the "
            "environment variable that has a database's URL.",
            show_default=False,
        ),
    ],
    products: Annotated[str | None, _option("The catalogue.", "PATH")] = None,
    households: Annotated[str | None, _option("What is known of households.", "PATH")] = None,
    name: Annotated[str | None, _option("Short name; by default that of the file or folder.")] = None,
    timezone: Annotated[str | None, _option("Where the stores are, such as Europe/Berlin.", "ZONE")] = None,
    output: Annotated[Path | None, _option("The file to write; by default config/NAME.toml.")] = None,
    column: Annotated[list[str] | None, _option(NAME_A_COLUMN, "SETTING=NAME")] = None,
    timestamp_format: Annotated[str | None, _option("How times are written, such as '%d/%m/%Y'.", "FORMAT")] = None,
    encoding: Annotated[
        str | None, _option("The encoding of the basket lines, such as cp1251, if a guess is wrong.", "NAME")
    ] = None,
    query: Annotated[str | None, _option("SELECT of the basket lines; :date in it is the business day.", "SQL")] = None,
    days: Annotated[str | None, _option("With :date in it: the days to look at.", "FROM..TO")] = None,
    answers: Annotated[
        Path | None,
        _option("Settings that are not to be guessed, as the configuration writes them; TOML or JSON.", "FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    json_: Json = False,
) -> None:
    """Look at a retailer's files and write its configuration, with all that was guessed said.

    Nothing else is changed: `nightcart use` chooses the file afterwards. At a terminal it asks where something is in doubt;
    with `--answers` or `--json`, or without a terminal, it never does.

    Examples: `nightcart init sales.csv --timezone Europe/Berlin`,
    `nightcart init exports/ --products articles.csv --column household_id=CARD`,
    `nightcart init SHOP_DATABASE --query "SELECT * FROM lines WHERE day = :date" --days 2024-01-01..2024-06-30`
    """
    from assets.grocery.onboarding.answers import read
    from assets.grocery.onboarding.proposal import name_for, propose

    told = read(answers) if answers else {}
    products, households = products or told.pop("products.path", None), households or told.pop("households.path", None)
    short = name or told.get("name") or (output.stem if output else name_for(transactions))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", short):
        raise Refused(
            f"{short!r} is no short name.", remedy="--name with small letters, digits and _, such as corner_shop."
        )
    target = (output or home.PROJECT / "config" / f"{short}.toml").resolve()
    if target.exists() and not force:
        raise Refused(
            f"{_shown(target)} exists.", remedy="--name or --output for another file, or --force to overwrite it."
        )
    given, between = _given(column or []), _days(days) if days else []
    for zone in (timezone, told.get("timezone")):
        if zone and zone not in available_timezones():
            raise Refused(f"{zone!r} is no IANA time zone.", remedy="--timezone Europe/Berlin, for instance.")

    def proposed() -> RetailerProposal:
        with Console(stderr=True).status(Text(f"reading {without_secrets(transactions)}")) as status:
            return propose(
                short,
                transactions,
                products=products,
                households=households,
                timezone=timezone,
                today=dt.datetime.now(dt.UTC).date(),
                given=given,
                given_format=timestamp_format,
                encoding=encoding,
                query=query,
                days=between,
                told=told,
                say=lambda doing: status.update(Text(doing)),
            )

    proposal = proposed()
    if not answers and not json_ and sys.stdin.isatty() and sys.stdout.isatty() and (better := _asked(proposal)):
        told |= better
        proposal = proposed()
    _write(target, proposal.toml)
    first, last = proposal.history.first, proposal.history.last
    commands = [
        f"{prefix()}nightcart use {shlex.quote(_shown(target))}",
        f"{prefix()}nightcart backfill --from {first} --to {max(first, last - ONE_DAY)}",
        f"{prefix()}nightcart nightly --date {last}",
    ]
    if json_:
        understood = {"file": str(target), **proposal.as_dict(), "next": commands}
        print_json(json.dumps(understood, default=str, ensure_ascii=False))
    else:
        draw(proposal, _shown(target), commands)


def use(
    config: Annotated[Path, typer.Argument(help="A retailer's file, such as config/complete_journey.toml.")],
    json_: Json = False,
) -> None:
    """Choose the retailer that every command works on from now on.

    Example: `nightcart use config/complete_journey.toml`
    """
    file = config.resolve()
    settings, state = load_settings(file), home.root() / file.stem
    Owner(retailer=settings.name, folder=state).marked()
    _write(home.pointer(), f"{_shown(file)}\n")
    home.write_env()
    wins = os.environ.get("NIGHTCART_CONFIG")
    if json_:
        print_json(
            json.dumps({"name": settings.name, "file": str(file), "state": str(state), "nightcart_config": wins})
        )
        return
    lines = [
        styled("[green]✓[/] [bold]{}[/] is in use: {}", settings.title, _shown(file)),
        styled(
            "  Its state is in {}. What runs already, a web server and its daemon too, goes on for the retailer it began with.",
            state,
        ),
    ]
    if file != home.DEFAULT_CONFIG:
        back = f"{prefix()}nightcart use {_shown(home.DEFAULT_CONFIG)}"
        lines.append(styled("  Back to the demo: [cyan]{}[/]", back))
    if wins:
        lines.append(
            styled("[yellow]![/] NIGHTCART_CONFIG is set and wins over it: {}. [bold]unset NIGHTCART_CONFIG[/]", wins)
        )
    for line in lines:
        console.print(line, soft_wrap=True)


def _days(text: str) -> list[dt.date]:
    try:
        first, last = (dt.date.fromisoformat(day) for day in text.split(".."))
    except ValueError as error:
        raise Refused(f"--days {text} is not understood.", remedy="--days 2024-01-01..2024-06-30.") from error
    return [first, last]


def _given(columns: Sequence[str]) -> dict[str, list[str]]:
    """`household_id=CARD` and the like as lists of columns by setting; an empty list leaves the column out."""
    given: dict[str, list[str]] = {}
    for each in columns:
        setting, is_given, column = each.partition("=")
        if not is_given or setting not in COLUMN_SETTINGS:
            raise Refused(
                f"--column {each} is not understood.",
                remedy=f"SETTING=NAME with a setting of {', '.join(COLUMN_SETTINGS)}.",
            )
        given.setdefault(setting, []).extend([column] if column else [])
    for needed in ("household_id", "product_id", "occurred_at"):
        if given.get(needed) == []:
            raise Refused(f"{needed} cannot be left out.", remedy=f"name its column: --column {needed}=NAME.")
    return given


def _asked(proposal: RetailerProposal) -> dict[str, Any]:
    """What a person at the terminal answers otherwise than was guessed; nothing entered leaves the guess."""
    answered: dict[str, Any] = {}
    for question in proposal.questions:
        say("[bold yellow]?[/] {} [dim]{}[/]", question.asks, question.why)
        default = shown(question.value)
        if (answer := typer.prompt("  ", default=default).strip()) != default:
            answered[question.setting] = answer
    return answered


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, target)


def _shown(file: Path) -> str:
    """Relative to the project when inside it."""
    return str(file.relative_to(home.PROJECT) if file.is_relative_to(home.PROJECT) else file)
