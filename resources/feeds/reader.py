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
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resources import disk
from resources.config.feeds import FeedConfig, LandingConfig
from resources.errors import FeedMissing, FeedRefused, Refused
from resources.feeds import databases, landing, parquet, remote_copies, second_headers, text
from resources.feeds.files import (
    EMPTY_PART,
    REDELIVER,
    ColumnsMissing,
    FeedFile,
    in_our_words,
    is_parquet,
    told,
    told_apart,
)
from resources.feeds.lines import Header, digest_unpacked, ends_with_newline, header_elsewhere, header_of, rows_of
from resources.feeds.sources import blocks_of, copy_name, expand, open_file, require_folders, where
from resources.feeds.table_folders import refuse_files_of_tables
from resources.tables.engine import temporary_name
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend


@dataclass(frozen=True)
class FeedReader:
    """Reads feeds through the raw store at `raw`; with a `store`, the URL of an object store, the copies are kept there.

    They are read here all the same: each came through this machine, byte by byte.
    """

    raw: Path
    store: str | None = None

    @property
    def place(self) -> str:
        """Where the copies are kept."""
        return self.store or str(self.raw)

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
        if files.query is not None:
            asked = others if files.is_dated else [None] if others or not days else []
            found += [
                (databases.path_of(files, day), day) for day in asked if not day or databases.has_rows(files, day)
            ]
            return found
        for pattern in files.path if others or not days else ():
            wanted = [(pattern.format(date=day), day) for day in others] if "{date" in pattern else [(pattern, None)]
            for path, day in wanted:
                found += [(match, day) for match in expand(path)]
        refuse_files_of_tables(path for path, _ in found)
        return list(dict.fromkeys(found))  # a file that two patterns match is one file

    def keep(
        self,
        files: FeedConfig,
        *,
        days: Sequence[dt.date] = (),
        landing_place: LandingConfig | None = None,
        refused: Callable[[str, Refused], object] | None = None,
    ) -> list[FeedFile]:
        """Copy the files that the feed has now into the raw store, unread: what their digests are.

        `refused` is told the path of one that cannot be copied, and why; without it that is raised. Raises
        :class:`FeedMissing` and :class:`Unavailable` as :meth:`read` does.
        """
        located = self.locate(files, days=days, landing_place=landing_place)
        landed = [landing_place.path] if landing_place and days else []
        place = " or ".join([*landed, where(files)])
        without = sorted(set(days) - {day for _, day in located})
        if files.query is None and (without or not located):
            # A landing place in the state may be not there yet.
            require_folders([path for path in landed if "{state}" not in path] if landed else files.path)
        if files.is_dated and without:
            what = "no file" if files.query is None else "neither a row nor a file" if landing_place else "no row"
            raise FeedMissing(
                f"There is {what} for {listed(without)} at {place}.",
                remedy="deliver it, or add the day to `closed_days` in the configuration if the stores were closed.",
            )
        if not files.is_dated and (without or not days) and all(day for _, day in located):
            raise FeedMissing(f"No file matches {place}.", remedy="deliver it, or correct `path` in the configuration.")
        kept = []
        for path, day in located:
            try:
                kept.append(self.kept(path, day, files))
            except Refused as error:
                if refused is None:
                    raise
                refused(path, error)
        return _once(_without_empty_parts(kept), drop=self._drop)

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
        with in_our_words(listed([file.name for file in kept])):
            return self._lines(files, kept, engine=engine, columns=columns)

    def _lines(
        self, files: FeedConfig, kept: Sequence[FeedFile], *, engine: Backend, columns: Collection[str]
    ) -> tuple[ibis.Table, list[FeedFile]]:
        headers: dict[FeedFile, Header] = {}
        parquet_files: list[FeedFile] = []
        # How the configuration, or else the first file, spells a column: capitals are no difference between two files'.
        spelling = {name.lower(): name for name in columns}
        for file in kept:
            if file.copy.stat().st_size == 0:
                raise FeedRefused(f"{file.path} is empty (0 bytes).", remedy=REDELIVER)
            is_text = not (is_parquet(file.name, files) or is_parquet(file.copy.name, files))
            header = _header(file, files, columns) if is_text else None
            given = dict.fromkeys(header.names, "text") if header else parquet.columns_of(file)
            _refuse_ambiguous(file, list(given), columns)
            given = {spelling.setdefault(name.lower(), name): type_ for name, type_ in given.items()}
            known = replace(file, columns=dict.fromkeys(file.partitions, "text") | given)
            if missing := sorted(set(columns) - set(known.columns)):
                raise _lacking(known, missing, files, header, columns)
            if header:
                ended = replace(known, is_ended=ends_with_newline(file, files))
                headers[ended] = replace(header, names=tuple(given))
            else:
                parquet_files.append(known)
        if headers and parquet_files:
            raise FeedRefused(
                f"{where(files)} mixes Parquet and CSV files.",
                remedy="narrow `path` to files of one format.",
            )
        if headers:
            lines, rows = text.read(engine, files, headers, raw=self.raw)
        else:
            rows = {}
            lines = parquet.read(engine, parquet_files, files)
            lines = lines.rename({spelling.get(name.lower(), name): name for name in lines.columns})
        lines = second_headers.set_aside(lines, engine, files, headers, parquet_files)
        read = [*parquet_files, *(replace(file, lines=rows[file] + header.lines) for file, header in headers.items())]
        return lines.join(_names(engine, read, set(lines.columns)), "copy").drop("copy"), read

    def kept(self, path: str, day: dt.date | None, settings: FeedConfig) -> FeedFile:
        """Copy a file into the raw store; it is there entirely or not at all, and on the disk before its lines are.

        Archives, workbooks, lines of JSON and rows of a query are kept as :mod:`resources.feeds.converted` and
        :mod:`resources.feeds.databases` say; `settings` name the sheet, or the query.
        """
        self.raw.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.raw, prefix=".part-", delete=False) as part:
            try:
                with in_our_words(told(path)), open_file(path, settings, day) as content:
                    for block in blocks_of(content, path, room=shutil.disk_usage(self.raw).free):
                        digest.update(block)
                        part.write(block)
                part.close()
                copy = self.raw / digest.hexdigest()[:16] / copy_name(path)
                copy.parent.mkdir(exist_ok=True)
                os.replace(part.name, copy)
                disk.to_disk((copy, copy.parent, self.raw))
            finally:
                Path(part.name).unlink(missing_ok=True)
        if self.store:
            remote_copies.put(self.store, copy)
        return FeedFile(path=path, copy=copy, digest=digest.hexdigest(), day=day)

    def digest(self, path: str, day: dt.date | None, settings: FeedConfig) -> str:
        """The digest that a file would be kept by now."""
        digest = hashlib.sha256()
        with in_our_words(told(path)), open_file(path, settings, day) as content:
            for block in blocks_of(content, path, room=shutil.disk_usage(self.raw).free):
                digest.update(block)
        return digest.hexdigest()

    def put_back(self, copies: Collection[Path]) -> None:
        """To be called for copies that were changed, or deleted, in the raw store."""
        if self.store:
            remote_copies.put_back(self.store, [copy for copy in copies if copy.is_relative_to(self.raw)])

    def _drop(self, copy: Path) -> None:
        copy.unlink(missing_ok=True)
        self.put_back([copy])


def _without_empty_parts(kept: Sequence[FeedFile]) -> list[FeedFile]:
    """The files without parts of no bytes (:data:`EMPTY_PART`), which the first other one of their day has the names of."""
    first: dict[dt.date | None, FeedFile] = {}
    empty: dict[dt.date | None, list[str]] = {}
    for file in kept:
        if file.copy.stat().st_size:
            first.setdefault(file.day, file)
        elif EMPTY_PART.match(Path(file.path).name):
            empty.setdefault(file.day, []).append(file.path)
    return [
        replace(file, empty=tuple(empty.get(file.day, ()))) if file is first.get(file.day) else file
        for file in kept
        if file.day not in first or file.path not in empty.get(file.day, ())
    ]


def _once(kept: Sequence[FeedFile], *, drop: Callable[[Path], None]) -> list[FeedFile]:
    """The same bytes under two names, both for one day and one partition, are one delivery; packed and unpacked too."""
    firsts: dict[tuple[object, ...], FeedFile] = {}
    by_name: dict[tuple[object, ...], list[str]] = {}
    for file in kept:
        by_name.setdefault((_unpacked_name(file), file.day), []).append(file.path)
    for file in kept:
        is_twice = len(by_name[_unpacked_name(file), file.day]) > 1
        content = digest_unpacked(file.copy) if is_twice else file.digest
        key = (content, file.day, tuple(file.partitions.items()))
        first = firsts.get(key)
        if first and first.copy != file.copy:
            drop(file.copy)  # one copy of them is enough to be looked after
        firsts[key] = replace(first, also=(*first.also, file.path)) if first else file
    return list(firsts.values())


def _unpacked_name(file: FeedFile) -> str:
    """The path of a file, were it not packed."""
    return file.path.lower().removesuffix(".gz")


def _refuse_ambiguous(file: FeedFile, names: Sequence[str], columns: Collection[str]) -> None:
    """Refuse a file of which two columns differ from one that is needed in their capitals alone."""
    for name in columns:
        alike = [each for each in names if each.lower() in (name.lower(), f"{name.lower()}_1")]
        if len(alike) > 1 and name not in names and any(each.lower() == name.lower() for each in alike):
            raise FeedRefused(
                f"{file.path} has {listed(alike)}: which of them is {name} cannot be told.",
                remedy="have one of them renamed, or write into the configuration how the file spells it.",
            )


def _header(file: FeedFile, files: FeedConfig, columns: Collection[str]) -> Header:
    try:
        return header_of(file, files)
    except FeedRefused as error:
        line = header_elsewhere(file, files, columns) if columns else None
        if line is None:
            raise
        raise FeedRefused(error.message + f" Its line {line} has the columns.", remedy=_skip(line)) from error


def _skip(line: int) -> str:
    return f"have it delivered without what is above, or write skip_lines = {line - 1} into the configuration."


def _names(engine: Backend, kept: Sequence[FeedFile], own: Collection[str]) -> ibis.Table:
    """What is known of each kept copy, to be joined to its lines: with the columns of its path that it has not itself."""
    import pyarrow as pa

    given = {name.lower() for name in own}
    in_paths = told_apart(
        {name.lower(): name for file in kept for name in file.partitions if name.lower() not in given}.values()
    )
    return engine.create_table(
        temporary_name("files"),
        pa.table(
            {
                **{name: pa.array([file.partitions.get(name) for file in kept], pa.string()) for name in in_paths},
                "copy": pa.array([str(file.copy) for file in kept], pa.string()),
                "source_file": pa.array([file.name for file in kept], pa.string()),
                "file_date": pa.array([file.day for file in kept], pa.date32()),
            }
        ),
        temp=True,
    )


def _lacking(
    file: FeedFile, missing: Sequence[str], files: FeedConfig, header: Header | None, columns: Collection[str]
) -> ColumnsMissing:
    """The refusal of a file, Parquet or a text with a `header`, that has not all of `columns`."""
    line = header_elsewhere(file, files, columns) if header else None
    return ColumnsMissing(
        f"{file.name} lacks the column{'s' * (len(missing) > 1)} {listed(missing)}; it has {listed(list(file.columns), 20)}."
        + (f" Its line {line} has them." if line else ""),
        remedy=_skip(line) if line else "have it delivered with them, or correct `columns` in the configuration.",
        file=file,
        rows=rows_of(file, files, header) if header else parquet.rows_of(file),
    )
