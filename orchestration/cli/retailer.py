"""Commands that set a retailer up: `init` writes its file from a look at the data, `use` chooses it."""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from resources import home
from resources.config.loader import load_settings
from resources.config.retailer import Settings, TransactionColumnsConfig
from resources.errors import NightcartError, Refused

if TYPE_CHECKING:
    from assets.grocery.ingestion.cleaning import Cleaned
    from assets.grocery.onboarding.look import Finding, Understood

ONE_DAY = dt.timedelta(days=1)
GENERIC_NAMES = {
    "data",
    "raw",
    "input",
    "transactions",
    "transaction",
    "sales",
    "baskets",
    "orders",
    "csv",
    "parquet",
    "tmp",
}
ITEMS_IN_A_LINE = 6
SETTINGS_TOLD = (
    *TransactionColumnsConfig.model_fields,
    *(f"products.{name}" for name in ("product_id", "name", "category", "subcategory", "department", "brand")),
    "households.household_id",
)


def init(
    transactions: Annotated[
        str,
        typer.Argument(
            help="The basket lines: a file, folder, glob or URL of CSV or Parquet files.", show_default=False
        ),
    ],
    products: Annotated[str | None, typer.Option(metavar="PATH", help="The catalogue.", show_default=False)] = None,
    households: Annotated[
        str | None, typer.Option(metavar="PATH", help="What is known of households.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Short name; by default that of the file or folder.", show_default=False)
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Where the stores are, such as Europe/Berlin.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; by default config/NAME.toml.", show_default=False)
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING=NAME",
            help="Say which column is which, such as household_id=CARD; nothing after = leaves it out. Repeatable.",
            show_default=False,
        ),
    ] = None,
    timestamp_format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="How times are written, such as '%d/%m/%Y'.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Look at a retailer's files and write its configuration, with all that was guessed said.

    Nothing else is changed: `nightcart use` chooses the file afterwards.

    Examples: `nightcart init sales.csv --timezone Europe/Berlin`,
    `nightcart init exports/ --products articles.csv --column household_id=CARD`
    """
    from assets.grocery.onboarding import files, look
    from resources.feeds.reader import FeedReader
    from resources.tables.engine import connect

    short = name or (output.stem if output else name_for(transactions))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", short):
        raise Refused(
            f"{short!r} is no short name.", remedy="--name with small letters, digits and _, such as corner_shop."
        )
    target = (output or home.PROJECT / "config" / f"{short}.toml").resolve()
    if target.exists() and not force:
        raise Refused(
            f"{_shown(target)} exists.", remedy="--name or --output for another file, or --force to overwrite it."
        )
    told = _told(column or [])
    _refuse_unknown_zone(timezone)
    today = dt.datetime.now(dt.UTC).date()
    with _explained(), tempfile.TemporaryDirectory(prefix="nightcart-init-") as folder, _looking(transactions) as say:
        engine, reader = connect(), FeedReader(raw=Path(folder))
        found = files.find(transactions)
        lines, found = files.read(found, engine=engine, reader=reader)
        say("understanding the columns")
        seen = look.transactions(
            lines, found, timezone=timezone or "UTC", today=today, told=told, told_format=timestamp_format
        )
        findings, notes = list(seen.findings), list(seen.notes)
        if products:
            say(f"looking at {products}")
            catalogue, of = files.read(files.find(products).undated(), engine=engine, reader=reader)
            sold = seen.standard.select("product_id").distinct()
            findings += look.products(catalogue, of.files, ids=sold, told=told)
        else:
            catalogue, said = look.products_in(lines, seen.feed, told=told)
            findings, notes = [*findings, *catalogue], [*notes, *said]
        if households:
            say(f"looking at {households}")
            people, of = files.read(files.find(households).undated(), engine=engine, reader=reader)
            known = seen.standard.select("household_id").distinct()
            findings += look.households(people, of.files, ids=known, told=told)
        if timezone is None:
            notes.insert(
                0, "The time zone is unknown, and UTC until you say it: --timezone Europe/Berlin, for instance."
            )
        findings = [*_of_the_retailer(short, timezone), *findings, *_defaults()]
        say("reading a day with the new configuration")
        settings = _validated(as_toml(findings), target)
        day = _read_a_day(settings, seen, reader)
        _write(target, as_toml(findings))
    _tell(target, settings, findings, notes, seen, day)


def use(
    config: Annotated[Path, typer.Argument(help="A retailer's file, such as config/complete_journey.toml.")],
) -> None:
    """Choose the retailer that every command works on from now on.

    Example: `nightcart use config/complete_journey.toml`
    """
    from rich.console import Console

    file = config.resolve()
    settings = load_settings(file)
    pointer = home.pointer()
    pointer.parent.mkdir(parents=True, exist_ok=True)
    part = pointer.with_suffix(".part")
    part.write_text(f"{_shown(file)}\n", encoding="utf-8")
    os.replace(part, pointer)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[green]✓[/] [bold]{settings.title}[/] is in use: {_shown(file)}")
    console.print(
        f"  Its state is in {home.root() / file.stem}; what runs already (web server, daemon) is to be started anew."
    )
    if file != home.DEFAULT_CONFIG:
        console.print(f"  Back to the demo: [cyan]nightcart use {_shown(home.DEFAULT_CONFIG)}[/]")
    if chosen := os.environ.get("NIGHTCART_CONFIG"):
        console.print(
            f"[yellow]![/] NIGHTCART_CONFIG is set and wins over it: {chosen}. [bold]unset NIGHTCART_CONFIG[/]"
        )


def name_for(transactions: str) -> str:
    """A short name from a path: `/data/corner-shop/sales_2024.csv` is corner_shop, for sales are everybody's."""
    parts = re.sub(r"\{[^}]*\}|[*?\[\]]", "", transactions.split("://")[-1]).split("/")
    for part in reversed(parts):
        words = re.sub(r"[^a-z0-9]+", "_", part.split(".")[0].lower())
        words = re.sub(r"(^|_)\d+(?=_|$)", "_", words).strip("_")
        if words and words not in GENERIC_NAMES and words[0].isalpha():
            return words
    return "my_shop"


SECTIONS = {
    "transactions": "The basket lines.",
    "transactions.columns": "Our names for the feed's columns.",
    "transactions.contract": "What a line and a day must satisfy; other lines go to the table transactions_quarantine.",
    "products": "The catalogue.",
    "products.columns": "",
    "products.not_recommendable": "Values that rule products out, such as bags, deposits, gift cards, fuel, tobacco. By\n"
    'product_id, category, department or brand: category = ["BAGS", "DEPOSITS"]',
    "households": "What is known of households beside their baskets.",
    "households.columns": "",
    "schedule": "",
    "model": "",
}


def as_toml(findings: Sequence[Finding]) -> str:
    """The configuration: every finding with why it is so, and what was left out as a comment."""
    import tomlkit

    by_section: dict[str, list[Finding]] = {}
    for finding in findings:
        by_section.setdefault(finding.setting.rpartition(".")[0], []).append(finding)
    title = next(finding.value for finding in findings if finding.setting == "title")
    document = tomlkit.document()
    document.add(
        tomlkit.comment(f"{title}, as `nightcart init` understood its files. Look through it, above all where it")
    )
    document.add(tomlkit.comment('says "guess". Every setting is described in resources/config/.'))
    document.add(tomlkit.nl())
    for finding in by_section.pop(""):
        _add(document, finding)
    if "products" in by_section:
        by_section["products.not_recommendable"] = []
    tables: dict[str, Any] = {"": document}
    for section, what in SECTIONS.items():
        if section not in by_section:
            continue
        table = tomlkit.table()
        for line in what.splitlines():
            table.add(tomlkit.comment(line))
        for finding in by_section[section]:
            _add(table, finding)
        parent, _, key = section.rpartition(".")
        tables[section] = table
        tables[parent].add(key, table)
    return tomlkit.dumps(document)


def _add(table: Any, finding: Finding) -> None:
    import tomlkit

    key = finding.setting.rpartition(".")[2]
    why = " ".join(f"{'guess: ' * finding.is_guess}{finding.why}".split())
    if finding.value is None:
        table.add(tomlkit.comment(f"{key} = …" + f"  # {why}" * bool(why)))
        return
    value = tomlkit.item(finding.value)
    if isinstance(finding.value, list) and all(type(item) in (int, float) for item in finding.value):
        value = tomlkit.value(f"[{', '.join(f'{item:_}' for item in finding.value)}]")  # 100_000 can be read
    if isinstance(value, tomlkit.items.Array) and len(value) > ITEMS_IN_A_LINE:
        value.multiline(True)
    if why:
        value.comment(why).trivia.comment_ws = "  "
    table.add(key, value)


def _of_the_retailer(name: str, timezone: str | None) -> list[Finding]:
    from assets.grocery.onboarding.look import Finding

    return [
        Finding(setting="name", value=name),
        Finding(setting="title", value=name.replace("_", " ").title()),
        Finding(
            setting="timezone",
            value=timezone or "UTC",
            why="" if timezone else "unknown: where are the stores?",
            is_guess=timezone is None,
        ),
        Finding(setting="currency", value="USD", why="for display; the files do not say it", is_guess=True),
    ]


def _defaults() -> list[Finding]:
    """Settings that no look at the data tells, written out because they are the next ones to be changed."""
    from assets.grocery.onboarding.look import Finding
    from resources.config.lifecycle import ScheduleConfig
    from resources.config.retailer import RecommenderConfig

    schedule, model = ScheduleConfig(), RecommenderConfig()
    tries = "hourly after midnight, in the retailer's time zone, until the day's feed is there"
    weeks = "weeks of labels to train on; with less history, those that there are"
    return [
        Finding(setting="schedule.cron", value=schedule.cron, why=tries),
        Finding(setting="model.family", value=model.family),
        Finding(setting="model.label_weeks", value=model.label_weeks, why=weeks),
    ]


def _refuse_unknown_zone(timezone: str | None) -> None:
    try:
        ZoneInfo(timezone or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise Refused(
            f"{timezone!r} is no IANA time zone.", remedy="--timezone Europe/Berlin, for instance."
        ) from error


def _told(columns: Sequence[str]) -> dict[str, list[str]]:
    """`household_id=CARD` and the like as lists of columns by setting; an empty list leaves the column out."""
    told: dict[str, list[str]] = {}
    for each in columns:
        setting, is_given, column = each.partition("=")
        if not is_given or setting not in SETTINGS_TOLD:
            raise Refused(
                f"--column {each} is not understood.",
                remedy=f"SETTING=NAME with a setting of {', '.join(SETTINGS_TOLD)}.",
            )
        told.setdefault(setting, []).extend([column] if column else [])
    for needed in ("household_id", "product_id", "occurred_at"):
        if told.get(needed) == []:
            raise Refused(f"{needed} cannot be left out.", remedy=f"name its column: --column {needed}=NAME.")
    return told


def _validated(text: str, target: Path) -> Settings:
    """The settings that the text makes, read as any other file of settings; nothing stays behind."""
    with tempfile.TemporaryDirectory(prefix="nightcart-init-") as folder:
        file = Path(folder) / target.name
        file.write_text(text, encoding="utf-8")
        return load_settings(file)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, target)


def _read_a_day(settings: Settings, seen: Understood, reader: Any) -> Cleaned:
    """A typical day through the new settings, exactly as a night reads it."""
    from assets.grocery.ingestion import cleaning
    from resources.tables.engine import connect

    feed, day = settings.transactions, seen.typical_day
    delivered, _ = reader.read(
        feed, engine=connect(), columns=cleaning.source_columns(feed), days=[day] if feed.is_dated else ()
    )
    return cleaning.clean(
        delivered,
        feed,
        timezone=settings.timezone,
        first_day=settings.first_business_day,
        last_day=max(day, settings.last_business_day or seen.past.last),
        since=day,
        until=day,
    )


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of the engine and the file system as refusals: a person gave the files, a person can mend them."""
    import duckdb
    import ibis.common.exceptions

    try:
        yield
    except NightcartError:
        raise
    except (duckdb.Error, ibis.common.exceptions.IbisError, OSError, ImportError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refused(
            f"The files cannot be looked at: {first}",
            remedy="check the path and the files; `nightcart --debug init …` says more.",
        ) from error


@contextmanager
def _looking(transactions: str) -> Iterator[Any]:
    from rich.console import Console

    with Console(stderr=True).status(f"reading {transactions}") as status:
        yield lambda what: status.update(what)


def _tell(
    target: Path, settings: Settings, findings: Sequence[Finding], notes: Sequence[str], seen: Understood, day: Cleaned
) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, title=f"{settings.title}: what was understood", title_justify="left")
    for name in ("setting", "value", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == "setting")
    section = ""
    for finding in findings:
        above, _, key = finding.setting.rpartition(".")
        if above != section:
            table.add_row(f"[bold]{above}[/]")
            section = above
        value = "[dim]—[/]" if finding.value is None else escape(_value(finding.value))
        table.add_row(f"  {key}", value, "[yellow]guess[/] " * finding.is_guess + f"[dim]{escape(finding.why)}[/]")
    console.print(table)
    for note in notes:
        console.print(f"[yellow]![/] {escape(note)}")
    for line in settings.switched_off():
        console.print(f"[dim]switched off · {escape(line)}[/]")
    lines = day.lines.get(seen.typical_day, 0)
    rules = {rule: n for (of, rule), n in day.broken.items() if of == seen.typical_day}
    quarantined = ", ".join(f"{rule} {n:,}" for rule, n in rules.items())
    console.print(
        f"\n[green]✓[/] {seen.typical_day} reads through it: {lines:,} lines, "
        + (f"{sum(rules.values()) / max(lines, 1):.2%} quarantined ({quarantined})" if rules else "none quarantined")
        + f".\n[green]✓[/] Written: [bold]{escape(_shown(target))}[/]. Look through it, then:\n"
    )
    first, last = seen.past.first, seen.past.last
    for command in (
        f"nightcart use {_shown(target)}",
        f"nightcart backfill --from {first} --to {max(first, last - ONE_DAY)}",
        f"nightcart nightly --date {last}",
    ):
        console.print(f"  [cyan]{escape(command)}[/]", soft_wrap=True)


def _value(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(_value(item) for item in value[:4])
        return shown + (f" and {len(value) - 4} more" if len(value) > 4 else "")
    return (
        f"{value:,g}"
        if isinstance(value, float)
        else "yes"
        if value is True
        else "no"
        if value is False
        else str(value)
    )


def _shown(file: Path) -> str:
    """Relative to the project when inside it."""
    return str(file.relative_to(home.PROJECT) if file.is_relative_to(home.PROJECT) else file)
