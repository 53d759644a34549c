"""Settings as onboarding proposes them, each with its reason, and the TOML file that they make."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from resources.config.feeds import FeedConfig
from resources.feeds import converted
from resources.feeds.files import is_parquet
from resources.tables.engine import quoted_name

ITEMS_IN_A_LINE = 6
SECTIONS = {
    "": "",
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


# Of files that do not have it all: the remedy besides naming a column.
JOIN = (
    'Orders in one file and their lines in another are one feed by a query: `nightcart init duckdb:// --query "SELECT * FROM '
    "read_csv('/folder/lines.csv', all_varchar = true) AS l LEFT JOIN read_csv('/folder/orders.csv', all_varchar = true) AS o "
    'USING (order_id)"`.'
)

A_FILE = "read_csv($$/folder/sales.csv$$, header = true, all_varchar = true)"


# As DuckDB calls them; of cp1252 it reads what latin-1 has, and refuses the rest.
ENCODINGS = {
    "cp1252": "latin-1",
    "latin-1": "latin-1",
    "iso-8859-1": "latin-1",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16",
}


def table_of(files: FeedConfig) -> str:
    """The rows of a feed in a query of DuckDB's: of its files, or of its own query."""
    if files.query is not None:
        return f"({files.query})"
    paths = [re.sub(r"\{date[^}]*\}", "*", path) for path in files.path]
    given = ", ".join(f"$${path}$$" for path in paths)
    if is_parquet(paths[0], files):
        return f"read_parquet([{given}])"
    if paths[0].lower().removesuffix(".gz").endswith(converted.JSON_LINES):
        return f"read_json([{given}])"
    how = f"delim = $${files.delimiter}$$, skip = {files.skip_lines}"
    if encoding := ENCODINGS.get(files.encoding.lower()):
        how += f", encoding = $${encoding}$$"
    return f"read_csv([{given}], header = true, all_varchar = true, {how})"


def by_query(query: str) -> str:
    """The command that takes a query of DuckDB's for the feed."""
    return f"`nightcart init duckdb:// --query {shlex.quote(query)}`"


def unpivoted(table: str, name: str, value: str, *, but: Sequence[str] = (), on: Sequence[str] = ()) -> str:
    """The command that makes a line each of the columns `on` of a table, or of all `but` some: what they are called, and their value."""
    columns = ", ".join(map(quoted_name, on)) or f"COLUMNS(* EXCLUDE ({', '.join(map(quoted_name, but))}))"
    query = f"SELECT * FROM (UNPIVOT (FROM {table}) ON {columns} INTO NAME {name} VALUE {value})"
    return f"{by_query(query + f' WHERE {value} <> $$0$$' * (not on))} makes a line of each."


# What a note is about, the gravest first: in this order they are told, before what was understood.
NoteKind = Literal["left out", "set aside", "merged", "guessed", "switched off", "to know"]
NOTE_KINDS: tuple[NoteKind, ...] = get_args(NoteKind)


@dataclass(frozen=True)
class Note:
    """What a person is to know of the files before the configuration is used, with the remedy if there is one.

    `left out` are files or lines that are not read, `set aside` those that go to quarantine, `merged` is what differed and
    became one, `guessed` what the files do not prove, `switched off` what they cannot support.
    """

    kind: NoteKind
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.says} Remedy: {self.remedy}" if self.remedy else self.says


# Why a setting is a guess that is told with another one.
SEE_TIME = "see occurred_at"
UNNAMED = "no column is called like"  # begins the reason why there is none


def by_gravity(notes: Iterable[Note]) -> list[Note]:
    """The notes, the gravest kind first, each once."""
    return sorted(dict.fromkeys(notes), key=lambda note: NOTE_KINDS.index(note.kind))


@dataclass(frozen=True)
class ProposedSetting:
    """A setting by its dotted path, its value (None: left out) and the reason."""

    setting: str
    value: Any
    why: str = ""
    is_guess: bool = False


def under(section: str, proposed: Iterable[ProposedSetting]) -> list[ProposedSetting]:
    """The same settings in a section of the file."""
    return [replace(each, setting=f"{section}.{each.setting}") for each in proposed]


def of_files(files: FeedConfig, section: str) -> list[ProposedSetting]:
    """The settings of where the files are and how they are written; defaults are not repeated."""
    path = files.path[0] if len(files.path) == 1 else list(files.path)
    each_day = f"a {'file' if files.query is None else 'query'} a day" if files.is_dated else ""
    proposed = [ProposedSetting("path", path, each_day)] if path else []
    if files.url_in:
        proposed.append(ProposedSetting("url_in", files.url_in, "the environment variable with the database's URL"))
    if files.query is not None:
        proposed.append(ProposedSetting("query", files.query, each_day))
    for name in ("format", "delimiter", "encoding", "decimal", "thousands", "sheet", "skip_lines"):
        value = getattr(files, name)
        if value != FeedConfig.model_fields[name].default:
            is_guess = name == "encoding" and not value.startswith("utf")
            why = "not UTF-8; look whether its names read well" * is_guess + "lines above the header" * (
                name == "skip_lines"
            )
            proposed.append(ProposedSetting(name, value, why, is_guess))
    return under(section, proposed)


def as_toml(proposed: Sequence[ProposedSetting]) -> str:
    """The configuration: every setting with its reason, and what was left out as a comment."""
    title = next(each.value for each in proposed if each.setting == "title")
    lines = [
        f"# {title}, as `nightcart init` understood its files. Look through it, above all where it",
        '# says "guess". Every setting is described in resources/config/retailer.py.',
        "",
    ]
    sections = {each.setting.rpartition(".")[0] for each in proposed}
    sections |= {"products.not_recommendable"} if "products" in sections else set()
    for section in [*SECTIONS, *sorted(sections - SECTIONS.keys())]:
        if section in sections:
            lines += ["", f"[{section}]"] if section else []
            lines += [f"# {line}" for line in SECTIONS.get(section, "").splitlines()]
            lines += [_line(each) for each in proposed if each.setting.rpartition(".")[0] == section]
    return "\n".join(lines) + "\n"


def _line(proposed: ProposedSetting) -> str:
    import tomlkit
    from tomlkit.items import Array

    key = proposed.setting.rpartition(".")[2]
    why = " ".join(f"{'guess: ' * proposed.is_guess}{proposed.why}".split())
    comment = f"  # {why}" if why else ""
    if proposed.value is None:
        return f"# {key} = …{comment}"
    value = tomlkit.item(proposed.value)
    if isinstance(proposed.value, dict):
        value = tomlkit.inline_table()
        value.update(proposed.value)
    if isinstance(proposed.value, list) and all(type(item) in (int, float) for item in proposed.value):
        value = tomlkit.value(f"[{', '.join(f'{item:_}' for item in proposed.value)}]")  # 100_000 can be read
    if isinstance(value, Array) and len(value) > ITEMS_IN_A_LINE:
        value.multiline(True)
    return f"{key} = {value.as_string()}{comment}"
