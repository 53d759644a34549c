"""How the files of a feed are configured, whatever the domain: where they are, how to read them, where they arrive."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from resources.config import validators
from resources.config.base import BaseConfig, setting
from resources.identifiers import EMPTY_VALUES

# `{date}`, or `{date:%Y%m%d}`: the business day in a file's path.
DATE_IN_PATH = re.compile(r"\{date(?::([^}]*))?\}")
DAY_DIRECTIVES = frozenset("Ymdj")  # of strftime: they can be read back; others depend on language or century

# `:date` in a query, as SQLAlchemy finds what is to be filled in.
BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")

# What a purchase's time is called when it is the day that the file's path names, for want of a column.
FILE_DATE = "file_date"

OneOrMore = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class FeedConfig(BaseConfig):
    """Where the files of a feed are, or the query that gives its rows, and how to read them."""

    path: OneOrMore = setting(
        [],
        "File, glob, or URL that fsspec knows (`s3://…`, `https://…`, `package://module/file`). "
        "`{date}` or `{date:%Y%m%d}` stands for the business day when each day has files of its own. "
        "With `query`, the URL of an SQLite database, `sqlite:////folder/shop.db`, or `duckdb://` for a query over files.",
    )
    url_in: str | None = setting(
        None,
        "With `query`, instead of `path`: the environment variable that has the database's URL, as SQLAlchemy writes it "
        "(`postgresql+psycopg://…`); its driver is to be installed.",
        min_length=1,
    )
    query: str | None = setting(
        None,
        "SELECT whose rows are the feed. With `:date` in it, which is the business day, every day is a query of its own.",
        min_length=1,
    )
    format: Literal["csv", "parquet"] | None = setting(
        None,
        "Default: by the file's ending, which also tells packed files (.gz, .zst, .bz2, .zip with one file in it), workbooks "
        "(.xlsx, with the extra `excel`) and lines of JSON (.jsonl, .ndjson).",
    )
    delimiter: str = setting(",", "CSV only: one character.")
    encoding: str = setting("utf-8", "CSV only.")
    decimal: str = setting(".", "CSV only: the decimal separator of its numbers.")
    thousands: str | None = setting(
        None,
        "CSV only: what separates thousands. Without it 1,234.50 is read all the same, and 1,234 is not: it may be a little "
        "more than one.",
    )
    empty_values: list[str] = setting(
        list(EMPTY_VALUES),
        "Words for no value, whatever their capitals, in identifiers, numbers and descriptions. For a product that is "
        "called NA in earnest, list the others.",
    )
    sheet: str | None = setting(None, "Workbooks only: the sheet, where there are several.")
    skip_lines: int = setting(0, "CSV only: how many lines there are above the header.", ge=0)
    most_unpacked: int = setting(
        200,
        "A file that has more than so many times its bytes when it is unpacked, and more than 100 MB, is refused.",
        ge=1,
    )

    _delimiter_is_one_character = field_validator("delimiter")(validators.one_character)
    _encoding_is_known = field_validator("encoding")(validators.encoding)
    _decimal_is_a_separator = field_validator("decimal")(validators.decimal)

    @field_validator("path")
    @classmethod
    def _path_can_be_filled_in(cls, value: list[str]) -> list[str]:
        if not all(value):
            raise ValueError("it names no file: write a path, a glob or a URL")
        return [validators.path(each) for each in value]

    @model_validator(mode="after")
    def _is_files_or_a_query(self) -> FeedConfig:
        if self.query is None:
            if self.url_in:
                raise ValueError("url_in is of a database: write the query beside it")
            if not self.path:
                raise ValueError(
                    "path names no file: write a path, a glob or a URL, or url_in and query for a database"
                )
            return self
        if bool(self.url_in) == bool(self.path) or len(self.path) > 1:
            raise ValueError(
                "query is of one database: write url_in, or path with the URL of one SQLite file, or duckdb://"
            )
        if self.path and not self.path[0].startswith(("sqlite:", "duckdb:")):
            raise ValueError(
                "path is no URL of an SQLite file (sqlite:////folder/shop.db), and a URL may have a password: put it into an "
                "environment variable, and write url_in with its name"
            )
        if self.format:
            raise ValueError("format is of files: leave it out beside query")
        if unknown := sorted({*BIND.findall(self.query)} - {"date"}):
            raise ValueError(
                f"query has :{unknown[0]}, and only :date can be filled in: write \\: for a colon, and CAST(:date AS text) for "
                ":date::text"
            )
        return self

    @property
    def is_dated(self) -> bool:
        """Whether every business day has files, or a query, of its own."""
        if self.query is not None:
            return bool(BIND.search(self.query))
        return any("{date" in path for path in self.path)


class LandingConfig(BaseConfig):
    """Where files of single days arrive, in the feed's own format: the sensor `ingest_on_arrival` watches it."""

    path: str = Field(
        description="File or URL with `{date}` or `{date:%Y%m%d}` (of %Y, %m, %d and %j), and globs: as in "
        "`transactions.path`, or another place. `{state}` is the retailer's state folder."
    )
    marker: str | None = setting(
        None, "Ending of the file that is put beside one that is complete, such as `.done`.", min_length=1
    )
    settle_seconds: int = setting(
        60, "Without a marker, a file is complete when it has stayed as it is for so long.", ge=0
    )
    files_a_day: int = setting(1, "With fewer files than this, a day is not complete.", ge=1)

    @field_validator("path")
    @classmethod
    def _path_tells_the_day(cls, value: str) -> str:
        told = set(re.findall(r"%(.)", "".join(found or "%Y-%m-%d" for found in DATE_IN_PATH.findall(value))))
        if not (told >= set("Ymd") or told >= set("Yj")):
            raise ValueError("it does not tell the day: put {date}, or all its parts such as {date:%Y%m%d}, into it")
        if unknown := told - DAY_DIRECTIVES:
            raise ValueError(f"%{min(unknown)} cannot be read back from a path: use %Y, %m, %d or %j")
        return value
