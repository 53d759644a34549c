"""How the files of a feed are configured, whatever the domain: where they are, how to read them, where they arrive."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from resources.config import validators
from resources.config.base import BaseConfig, setting
from resources.identifiers import EMPTY_VALUES

# `{date}`, or `{date:%Y%m%d}`: the business day in a file's path.
DATE_IN_PATH = re.compile(r"\{date(?::([^}]*))?\}")
DAY_DIRECTIVES = frozenset("Ymdj")  # of strftime: they can be read back; others depend on language or century

# What a purchase's time is called when it is the day that the file's path names, for want of a column.
FILE_DATE = "file_date"

OneOrMore = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class FeedConfig(BaseConfig):
    """Where the files of a feed are, and how to read them."""

    path: OneOrMore = Field(
        description="File, glob, or URL that fsspec knows (`s3://…`, `https://…`, `package://module/file`). "
        "`{date}` or `{date:%Y%m%d}` stands for the business day when each day has files of its own."
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
        if not value or not all(value):
            raise ValueError("it names no file: write a path, a glob or a URL")
        return [validators.path(each) for each in value]

    @property
    def is_dated(self) -> bool:
        """Whether every business day has files of its own."""
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
