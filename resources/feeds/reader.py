"""Feeds: the files that a retailer delivers, kept as they came and read as they are.

Every file is first copied, byte for byte, into the raw store (`raw/<digest>/<name>`, written once) and read from
there: what was ingested can be looked at later, a file that changes while it is read does no harm, and a remote file
is fetched once. A day that has files in the landing place is read from them, and from nowhere else
(:meth:`FeedReader.locate`). Reading gives the source's own columns plus `source_file`, `source_row` (of a text file the physical
line below the header, counted from 1), `file_date` (the day that a file's path names) and `defect` (why a line of a text
file could not be split into columns). Meaning — names, types, rules — begins in `assets.grocery.ingestion.cleaning`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resources.config.feeds import FeedConfig, LandingConfig
from resources.errors import FeedMissing, FeedRefused
from resources.feeds import landing, parquet, text
from resources.feeds.files import OUR_COLUMNS, REDELIVER, FeedFile, is_parquet
from resources.feeds.lines import Header, header_of, rows_of
from resources.feeds.sources import expand, open_file
from resources.tables.engine import temporary_name
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend


class ColumnsMissing(FeedRefused):
    """A file lacks columns: `file` with those that it has, and how many `rows` it has."""

    def __init__(self, message: str, *, remedy: str, file: FeedFile, rows: int) -> None:
        super().__init__(message, remedy=remedy)
        self.file, self.rows = file, rows


@dataclass(frozen=True)
class FeedReader:
    """Reads feeds through the raw store at `raw`."""

    raw: Path

    def locate(
        self, files: FeedConfig, *, days: Sequence[dt.date] = (), landing_place: LandingConfig | None = None
    ) -> list[tuple[str, dt.date | None]]:
        """The paths that the feed has now, with the day that each is for; of a dated feed only those of `days`.

        Those of `days` that have complete files in the landing place have no others; when all have, the feed's own
        files are not asked for.
        """
        landed = landing.of_days(landing_place, days) if landing_place and days else []
        found: list[tuple[str, dt.date | None]] = [(file.path, file.day) for file in landed]
        others = sorted(set(days) - {file.day for file in landed})
        for pattern in files.path if others or not days else ():
            wanted = [(pattern.format(date=day), day) for day in others] if "{date" in pattern else [(pattern, None)]
            for path, day in wanted:
                found += [(match, day) for match in expand(path)]
        return list(dict.fromkeys(found))  # a file that two patterns match is one file

    def keep(
        self, files: FeedConfig, *, days: Sequence[dt.date] = (), landing_place: LandingConfig | None = None
    ) -> list[FeedFile]:
        """Copy the files that the feed has now into the raw store, unread: what their digests are.

        Raises :class:`FeedMissing` and :class:`Unavailable` as :meth:`read` does.
        """
        located = self.locate(files, days=days, landing_place=landing_place)
        where = " or ".join([*([landing_place.path] if landing_place and days else []), *files.path])
        without = sorted(set(days) - {day for _, day in located})
        if files.is_dated and without:
            raise FeedMissing(
                f"There is no file for {listed(without)} at {where}.",
                remedy="deliver it, or add the day to `closed_days` in the configuration if the stores were closed.",
            )
        if not files.is_dated and (without or not days) and all(day for _, day in located):
            raise FeedMissing(f"No file matches {where}.", remedy="deliver it, or correct `path` in the configuration.")
        kept = [self.kept(path, day) for path, day in located]
        # The same bytes under two names, both for one day, are one delivery.
        return list({(file.digest, file.day) if file.day else file.path: file for file in reversed(kept)}.values())[
            ::-1
        ]

    def read(
        self,
        files: FeedConfig,
        *,
        engine: Backend,
        columns: Collection[str],
        days: Sequence[dt.date] = (),
        landing_place: LandingConfig | None = None,
    ) -> tuple[ibis.Table, list[FeedFile]]:
        """The feed's lines as one table of `engine`, and the files that they came from.

        `columns` are the source's columns that must be there. Columns of text files are all text. Raises
        :class:`FeedMissing` when there is no file (or none for one of `days`), :class:`FeedRefused` when a file is
        empty, truncated, unreadable or lacks a column, :class:`Unavailable` when a remote file cannot be fetched.
        """
        kept = self.keep(files, days=days, landing_place=landing_place)
        return self.lines(files, kept, engine=engine, columns=columns)

    def lines(
        self, files: FeedConfig, kept: Sequence[FeedFile], *, engine: Backend, columns: Collection[str]
    ) -> tuple[ibis.Table, list[FeedFile]]:
        """The lines of files that were kept, as :meth:`read` gives them."""
        headers: dict[FeedFile, Header] = {}
        parquet_files: list[FeedFile] = []
        for file in kept:
            if file.copy.stat().st_size == 0:
                raise FeedRefused(f"{file.path} is empty (0 bytes).", remedy=REDELIVER)
            if is_parquet(file.name, files):
                own = parquet.columns_of(file)
                _require(file, own, columns, rows=lambda file=file: parquet.rows_of(file))
                parquet_files.append(replace(file, columns=own))
            else:
                header = header_of(file, files)
                own = dict.fromkeys(header.names, "text")
                _require(file, own, columns, rows=lambda file=file, header=header: rows_of(file, files, header))
                headers[replace(file, columns=own)] = header
        if headers and parquet_files:
            raise FeedRefused(
                f"{' or '.join(files.path)} mixes Parquet and CSV files.",
                remedy="narrow `path` to files of one format.",
            )
        if headers:
            lines = text.read(engine, files, headers, raw=self.raw)
        else:
            lines = parquet.read(engine, parquet_files, files)
        read = [*parquet_files, *headers]
        return lines.join(_names(engine, read), "copy").drop("copy"), read

    def kept(self, path: str, day: dt.date | None) -> FeedFile:
        """Copy a file into the raw store, unless the same bytes are there; it is there entirely or not at all."""
        self.raw.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.raw, prefix=".part-", delete=False) as part:
            try:
                with open_file(path) as content:
                    while block := content.read(1 << 20):
                        digest.update(block)
                        part.write(block)
                part.close()
                copy = self.raw / digest.hexdigest()[:16] / Path(path).name
                copy.parent.mkdir(exist_ok=True)
                os.replace(part.name, copy)
            finally:
                Path(part.name).unlink(missing_ok=True)
        return FeedFile(path=path, copy=copy, digest=digest.hexdigest(), day=day)


def _names(engine: Backend, kept: Sequence[FeedFile]) -> ibis.Table:
    """What is known of each kept copy, to be joined to its lines."""
    import pyarrow as pa

    return engine.create_table(
        temporary_name("files"),
        pa.table(
            {
                "copy": pa.array([str(file.copy) for file in kept], pa.string()),
                "source_file": pa.array([file.name for file in kept], pa.string()),
                "file_date": pa.array([file.day for file in kept], pa.date32()),
            }
        ),
        temp=True,
    )


def _require(file: FeedFile, has: Mapping[str, str], columns: Collection[str], *, rows: Callable[[], int]) -> None:
    if missing := sorted(set(columns) - set(has)):
        raise ColumnsMissing(
            f"{file.name} lacks the column{'s' * (len(missing) > 1)} {listed(missing)}; it has {listed(list(has), 20)}.",
            remedy="have it delivered with them, or correct `columns` in the configuration.",
            file=replace(file, columns=has),
            rows=rows(),
        )
    if ours := sorted(OUR_COLUMNS.intersection(name.lower() for name in has)):
        raise FeedRefused(
            f"{file.path} has a column named {listed(ours)}, which is a name of ours.", remedy="have it renamed."
        )
