"""A retailer's whole configuration, proposed from its files; nothing is written but to temporary folders."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.catalogue import FEWEST_PRODUCTS
from assets.grocery.onboarding import answers, evidence, files, masterdata, transactions
from assets.grocery.onboarding.answers import Question, Told
from assets.grocery.onboarding.columns import Given
from assets.grocery.onboarding.history import TradingDays
from assets.grocery.onboarding.proposed import SEE_TIME, UNNAMED, Note, ProposedSetting, as_toml, by_gravity
from assets.grocery.onboarding.transactions import Delivered, TransactionsProposal
from resources.config.lifecycle import ScheduleConfig
from resources.config.loader import load_settings
from resources.config.retailer import RecommenderConfig, Settings
from resources.errors import NightcartError, Refused
from resources.feeds.reader import FeedReader
from resources.tables.engine import connect
from resources.text import without_secrets

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

GENERIC_NAMES = re.compile(
    "(a|all|and|archive|baskets?|by|csv|daily|data|date|day|days|db|delta|desktop|documents?|downloads?|drop|dt|dump|events?|"
    "exports?|extracts?|feeds?|files?|folder|full|history|home|import|in|inbox|incoming|input|items?|json|kasse|landing|lines?|"
    "mnt|new|of|old|orders?|out|parquet|part|path|pos|products?|purchases?|raw|receipts?|root|sales|sample|share|shop|"
    "source|srv|store|table|test|the|tills?|tmp|transactions?|tx|umsatz|upload|uploads|users?|v|var|verkauf|xlsx|zip)"
)
TOLD_ELSEWHERE = ("transactions.business_day_ends", "transactions.baskets_are")


@dataclass(frozen=True)
class RetailerProposal:
    """The settings as proposed and as loaded from `toml`, and the notes, the gravest first.

    `lines` and `quarantined` (by rule) are those of a typical day; `delivered` counts what becomes of every line.
    """

    settings: Settings
    proposed: tuple[ProposedSetting, ...]
    notes: tuple[Note, ...]
    history: TradingDays
    typical_day: dt.date
    lines: int
    quarantined: dict[str, int]
    delivered: Delivered

    @property
    def questions(self) -> list[Question]:
        """What a person could answer better than the files."""
        return answers.questions(self.proposed)

    @property
    def toml(self) -> str:
        """The configuration as a commented file."""
        return as_toml(self.proposed)

    def as_dict(self) -> dict[str, Any]:
        """What was understood, for machines."""
        return {
            "name": self.settings.name,
            "settings": [asdict(each) for each in self.proposed],
            "notes": [asdict(each) for each in self.notes],
            "switched_off": self.settings.switched_off(),
            "first_day": self.history.first,
            "last_day": self.history.last,
            "questions": [asdict(each) for each in self.questions],
            "delivered": asdict(self.delivered),
            "typical_day": {"date": self.typical_day, "lines": self.lines, "quarantined": self.quarantined},
        }


def propose(
    name: str,
    basket_lines: str,
    *,
    products: str | None = None,
    households: str | None = None,
    timezone: str | None,
    today: dt.date,
    given: Given,
    given_format: str | None = None,
    encoding: str | None = None,
    query: str | None = None,
    days: Sequence[dt.date] = (),
    told: Told = MappingProxyType({}),
    say: Callable[[str], None] = lambda _: None,
) -> RetailerProposal:
    """The configuration of a retailer, from its files (paths, folders, globs or URLs); `say` hears what is being done.

    `given` and `given_format` are the columns and the format of times that a person named, `encoding` is that of the
    basket lines if it is told, `told` any settings. With a `query`, `basket_lines` is the database, and `days` are the first
    and the last that a query of a day is asked for. Raises :class:`Refused` when the files are no feed, or lack what every
    feed needs.
    """
    given = {**answers.columns(told), **given}
    given_format = given_format or told.get("transactions.timestamp_format")
    timezone = timezone or told.get("timezone")
    with _refusing(), tempfile.TemporaryDirectory(prefix="nightcart-init-") as folder:
        engine, reader = connect(), FeedReader(raw=Path(folder))
        encoding = encoding or told.get("transactions.encoding")
        found = (
            files.find_rows(basket_lines, query, between=days)
            if query
            else files.find(basket_lines, encoding=encoding, timezone=timezone)
        )
        lines, source = files.read(found, engine=engine, reader=reader, encoding=encoding)
        say(
            f"{lines.count().to_pyarrow().as_py():,} lines of {without_secrets(basket_lines)}: understanding the columns"
        )
        zone = timezone or "UTC"
        try:
            feed = transactions.propose(
                lines, source, timezone=zone, today=today, given=given, given_format=given_format, told=told
            )
        except Refused as error:
            guess = source.files.encoding
            if encoding or guess.startswith("utf") or error.message.isascii():
                raise
            remedy = f"{error.remedy} If words read badly: the encoding is a guess, too ({guess}); --encoding cp1250, for instance."
            raise Refused(error.message, remedy=remedy) from error
        proposed, notes = list(_of_the_retailer(name, timezone)), list(feed.notes)
        settled = {each.setting for each in feed.proposed}
        proposed = [*(each for each in proposed if each.setting not in settled), *feed.proposed]

        def described(path: str, by: Callable[..., list[ProposedSetting]], key: str) -> list[ProposedSetting]:
            say(f"looking at {without_secrets(path)}")
            descriptions, of = files.read(files.find(path).undated(), engine=engine, reader=reader)
            notes.extend(of.notes)
            written, _ = evidence.written_as(descriptions, of.files)
            ids = feed.standard.group_by(key).agg(lines=feed.standard.count()).cache()
            return by(descriptions, written, ids=ids, given=given)

        if products:
            proposed += described(products, masterdata.products, "product_id")
        else:
            in_lines, notes_on_it = masterdata.products_in(lines, feed.feed, feed.other_columns, given=given)
            proposed, notes = [*proposed, *in_lines], [*notes, *notes_on_it]
        if households:
            proposed += described(households, masterdata.households, "household_id")
        sold = feed.standard.product_id.nunique().to_pyarrow().as_py()
        if not products and sold < FEWEST_PRODUCTS:
            k = RecommenderConfig().top_k  # pyright: ignore[reportCallIssue]
            says = f"{sold} products may be recommended; at least {FEWEST_PRODUCTS} are needed for lists of {k}."
            notes.append(Note("switched off", says, "no lists are made with fewer."))
        of_lines = ("transactions.encoding", *["products.encoding"] * (not products))
        proposed = [
            replace(each, why="as told", is_guess=False) if encoding and each.setting in of_lines else each
            for each in proposed
        ]
        proposed = answers.applied([*proposed, *_defaults()], told)
        say("reading a day with the new configuration")
        file = Path(folder) / f"{name}.toml"
        file.write_text(as_toml(proposed), encoding="utf-8")
        try:
            settings = load_settings(file)
        except Refused as error:
            says = error.message.replace(f"{file} is not", "What was found and told is not")
            raise Refused(says, remedy="correct what was told: --answers, --column, --timestamp-format.") from error
        lines_of_day, quarantined = _read_a_day(settings, feed, engine, reader)
    return RetailerProposal(
        settings,
        tuple(proposed),
        tuple(by_gravity([*notes, *_guesses(proposed), *_switched_off(settings, proposed)])),
        feed.history,
        feed.typical_day,
        lines_of_day,
        quarantined,
        feed.delivered,
    )


def _guesses(proposed: Iterable[ProposedSetting]) -> Iterator[Note]:
    """A note on every guess that has none of its own."""
    for each in proposed:
        if each.is_guess and each.setting not in TOLD_ELSEWHERE and each.why != SEE_TIME:
            _, _, key = each.setting.rpartition(".")
            remedy = "correct it in the file."
            if each.setting == "timezone":
                remedy = "--timezone Europe/Berlin, for instance."
            elif ".columns." in each.setting:
                remedy = f"look whether it is so; another one is told by --column {key}=NAME."
            yield Note("guessed", f"{each.setting} is {each.value}: {each.why}.", remedy)


def _switched_off(settings: Settings, proposed: Iterable[ProposedSetting]) -> Iterator[Note]:
    """A note on everything that the files cannot support; where a column is called so and is none, with why."""
    why = {each.setting: each.why for each in proposed if each.value is None and not each.why.startswith(UNNAMED)}
    for setting, means in settings.lacking().items():
        reason = f"; {why[setting]}" if setting in why else ""
        yield Note("switched off", f"no {setting}: {means}{reason}.")


def name_for(basket_lines: str) -> str:
    """A short name from a path: `/data/corner-shop/sales_2024.csv` is corner_shop, for sales are everybody's."""
    scheme, is_url, path = basket_lines.rpartition("://")
    path = without_secrets(f"{scheme}{is_url}{path}").rpartition("://")[2].split("?" if is_url else "\0")[0]
    parts = re.sub(r"\{[^}]*\}|[*?\[\]]", "", path).split("/")
    for part in reversed(parts):
        words = re.sub(r"[^a-z0-9]+", "_", part.split(".")[0].lower())
        words = re.sub(r"(^|_)\d+(?=_|$)", "_", words).strip("_")
        is_said = not all(GENERIC_NAMES.fullmatch(word) for word in words.split("_"))
        if words and is_said and words[0].isalpha():
            return words
    return "my_shop"


def _of_the_retailer(name: str, timezone: str | None) -> list[ProposedSetting]:
    zone = ProposedSetting("timezone", "UTC", "unknown: where are the stores?", is_guess=True)
    return [
        ProposedSetting("name", name),
        ProposedSetting("title", name.replace("_", " ").title()),
        ProposedSetting("timezone", timezone) if timezone else zone,
        ProposedSetting("currency", "USD", "for display; the files do not say it", is_guess=True),
    ]


def _defaults() -> list[ProposedSetting]:
    """Settings that no data tell, written out because they are the next ones to be changed."""
    schedule, model = ScheduleConfig(), RecommenderConfig()  # pyright: ignore[reportCallIssue]
    tries = "hourly after midnight, in the retailer's time zone, until the day's feed is there"
    weeks = "weeks of labels to train on; with less history, those that there are"
    return [
        ProposedSetting("schedule.cron", schedule.cron, tries),
        ProposedSetting("model.family", model.family),
        ProposedSetting("model.label_weeks", model.label_weeks, weeks),
    ]


def _read_a_day(
    settings: Settings, proposal: TransactionsProposal, engine: Backend, reader: FeedReader
) -> tuple[int, dict[str, int]]:
    """Read a typical day through the new settings, as a night does: its lines, and the quarantined by rule.

    Of files of many days its lines are those that were read: which they are is known by now.
    """
    feed, day = settings.transactions, proposal.typical_day
    if feed.is_dated:
        delivered, _ = reader.read(feed, engine=engine, columns=cleaning.source_columns(feed), days=[day])
    else:
        of_day = proposal.standard.filter(proposal.standard.business_date == day)
        delivered = proposal.lines.semi_join(of_day, ["source_file", "source_row"]).cache()
    cleaned = cleaning.clean(
        delivered,
        feed,
        timezone=settings.timezone,
        first_day=settings.first_business_day,
        last_day=max(day, settings.last_business_day or proposal.history.last),
        since=day,
        until=day,
        currency=settings.currency,
    )
    return cleaned.lines.get(day, 0), {rule: n for (of, rule), n in cleaned.broken.items() if of == day}


@contextmanager
def _refusing() -> Iterator[None]:
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
