"""Where the files of a feed are: one path, glob or `{date}` pattern for them, and the days that their names say."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import datetime as dt
import glob
import re
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.onboarding import dated_names, dialect, joins
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.purchases import files_of_others
from resources import home
from resources.config.feeds import FeedConfig
from resources.errors import Refused
from resources.feeds import converted, second_headers, sources, table_folders
from resources.feeds.files import EMPTY_PART, FeedFile, as_long_as_sheets, own_columns, taken_once, text_columns
from resources.feeds.prepared import NO_TEXT, NOT_AS_MANY, NOT_CLOSED, NOT_DOUBLED, ZERO_BYTES
from resources.feeds.reader import FeedReader
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

TEXTS = (".tsv", ".txt", ".psv", ".dat")
ENDINGS = (".csv", ".parquet", ".pq", *TEXTS, *converted.WORKBOOKS, *converted.JSON_LINES, ".zip")
# Parts as databases unload them, without an ending: `0000_part_00`, `000000000000`, `20261126_…_0a1b2c3d-…-444455556666`.
UNENDED = re.compile(r"[^.]*(\d|-[0-9a-f]{12})(\.(gz|zst|bz2))?")
PART = "[0-9a-f]"  # what their names end with, as a glob
OTHER_WIDTH = NOT_AS_MANY.partition(":")[0]
TOO_MANY, TOO_FEW = "it has more values than the header", "it has fewer values than the header"
REMEDIES = {
    TOO_MANY: "have values with the delimiter in them put in quotation marks.",
    ZERO_BYTES: "have it delivered without: they are of a program that broke off, or of another encoding.",
    TOO_FEW: "if it is a total or a message, have it left out; if it is cut off, have it delivered again.",
}
FILES_COMPARED = 50
MOST_CUT = 0.1  # of the files; where more end within their last line, that is how they are written
MOST_CACHED = 3_000_000  # lines of text


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files of a feed as the settings describe them; `days` are those in their names, if every name has one.

    `kept` are those that were read. `are_ended`: nearly every text has an end of its last line. `notes` are what a person is
    to know of them.
    """

    files: FeedConfig
    days: tuple[dt.date, ...] = ()
    undated_path: tuple[str, ...] = ()
    kept: tuple[FeedFile, ...] = ()
    are_ended: bool = True
    notes: tuple[Note, ...] = ()

    def undated(self) -> SourceFiles:
        """The same files, whatever their names say."""
        path = list(self.undated_path) or self.files.path
        return replace(self, files=self.files.model_copy(update={"path": path}), days=())


def find(argument: str, *, encoding: str | None = None, timezone: str | None = None) -> SourceFiles:
    """The files that `argument` (a file, folder, glob, `{date}` pattern or URL) means, and how they are written.

    `encoding` is what a person says of them, `timezone` where the stores are. Raises :class:`Refused` when there are none,
    or when they are no feed, saying what they are.
    """
    patterns, notes = _patterns(argument)
    found = {
        pattern: [path for path, _ in FeedReader(raw=Path()).locate(FeedConfig(path=[pattern]))] for pattern in patterns
    }
    paths = [path for each in found.values() for path in each]
    if not paths:
        raise Refused(f"There is no file at {argument}.", remedy="name an existing file, folder, glob or URL.")
    dated = [dated_names.as_told(argument, each) or dated_names.one_file_a_day(each) for each in found.values() if each]
    days = sorted({day for each in dated if each for day in each[1]}) if all(dated) else []
    # Relative to the project when inside it: the file of settings can then be shared.
    undated = [pattern.removeprefix(f"{home.PROJECT}/") for pattern in patterns]
    path = [each[0].removeprefix(f"{home.PROJECT}/") for each in dated if each] if days else undated
    filled, note = _filled(paths)
    usual = dialect.USUAL_ENCODINGS.get((timezone or "").rpartition("/")[2])
    files = dialect.recognise(filled[0], FeedConfig(path=path), encoding=encoding, usual=usual)
    if not days:
        _refuse_a_mixture({path: dialect.columns_of(path, files) for path in filled[:FILES_COMPARED]})
        note += _months_in_words(filled)
    return SourceFiles(
        files=files,
        days=tuple(days),
        undated_path=tuple(undated),
        notes=(*notes, *note, *_archives(filled), *files_of_others(filled)),
    )


def find_rows(database: str, query: str, *, between: Sequence[dt.date]) -> SourceFiles:
    """The rows of a query on a `database`: the URL of an SQLite file, or the environment variable with another's.

    A query of a day is asked for the days from the first of `between` to the last. Raises :class:`Refused` when the
    database or the query cannot be used.
    """
    place = {"path": [database]} if "://" in database else {"url_in": database}
    try:
        files = FeedConfig.model_validate({**place, "query": query})
    except ValueError as error:
        (first, *_) = error.errors()  # pyright: ignore[reportAttributeAccessIssue] - pydantic's
        why = first["msg"].removeprefix("Value error, ")
        raise Refused(f"The query cannot be a feed: {why}.", remedy="correct --query, or the database.") from None
    if not files.is_dated:
        return SourceFiles(files=files)
    if not between:
        raise Refused(
            "The query is of a day, and which days there are is not told.",
            remedy="--days 2024-01-01..2024-06-30, to ask for each of them.",
        )
    first, last = min(between), max(between)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    found = [day for _, day in FeedReader(raw=Path()).locate(files, days=days) if day]
    if not found:
        raise Refused(
            f"The query has no rows for {first} to {last}.", remedy="--days with others, or correct the query."
        )
    return SourceFiles(files=files, days=tuple(found))


def read(
    source: SourceFiles, *, engine: Backend, reader: FeedReader, encoding: str | None = None
) -> tuple[ibis.Table, SourceFiles]:
    """The lines of the feed, read as every night will read them; a first guess of the encoding is corrected.

    `encoding` is what a person says of it. Raises :class:`Refused` when bytes do not exist in the encoding.
    """
    lines, kept = reader.read(source.files, engine=engine, columns=(), days=source.days)
    foreign = _foreign(lines)
    if foreign and source.files.encoding == "utf-8" and not encoding and foreign > _beyond_ascii(lines):
        source = replace(source, files=source.files.model_copy(update={"encoding": "cp1252"}))
        lines, kept = reader.read(source.files, engine=engine, columns=(), days=source.days)
        foreign = _foreign(lines)
    notes = [Note("merged", says) for says in taken_once(kept)]
    notes += [Note("left out", says) for says in as_long_as_sheets(kept)]
    notes += _notes_on_encoding(lines, foreign, source, is_told=encoding is not None)
    notes += _notes_on_marks(lines)
    _refuse_a_mixture({file.name: {name.lower() for name in file.columns} - {*file.partitions} for file in kept})
    are_ended, note_on_ends = _ends(kept)
    notes += note_on_ends
    _refuse_another_order(lines)
    if source.files.sheet:
        notes.append(Note("left out", f"Of the workbook only the sheet {source.files.sheet} is read.", "set `sheet`."))
    if source.files.skip_lines:
        header = source.files.skip_lines + 1
        notes.append(Note("left out", f"The header is in line {header}: what is above it is left out of every file."))
    is_text = text_columns(lines) == own_columns(lines)
    # Text is numbered and put together anew by every query; what is much lies in columns on disk, as Parquet does.
    is_cached = is_text and lines.count().to_pyarrow().as_py() <= MOST_CACHED
    source = replace(source, kept=tuple(kept), are_ended=are_ended, notes=(*source.notes, *notes))
    return (lines.cache() if is_cached else lines), source


def _foreign(lines: ibis.Table) -> int:
    """How many lines have bytes that do not exist in the encoding."""
    return lines.filter(lines.defect.contains(NO_TEXT)).count().to_pyarrow().as_py()


def _notes_on_marks(lines: ibis.Table) -> list[Note]:
    """Where quotation marks are wrong, or there are not as many values as columns, for whoever can mend what writes them."""
    import ibis

    wrong = lines.filter(
        lines.defect.isin([NOT_CLOSED, NOT_DOUBLED, ZERO_BYTES])
        | lines.defect.startswith(OTHER_WIDTH)
        | lines.defect.startswith(second_headers.NO_RECORD)
    )
    columns, values = (wrong.defect.re_extract(rf"{word}: (\d+)", 1).try_cast("int64") for word in ("Columns", "Found"))
    wrong = wrong.mutate(
        defect=ibis.cases((values > columns, TOO_MANY), (values < columns, TOO_FEW), else_=wrong.defect)
    )
    found = wrong.group_by("defect").agg(
        n=wrong.count(),
        file=wrong.source_file.min(),
        row=wrong.source_row.argmin(wrong.source_file + wrong.source_row.cast("string").lpad(12, "0")),
    )
    return [
        Note(
            "set aside",
            f"{each['file']}, row {each['row']:,}: {each['defect']}"
            + (f"; so in {plural(each['n'] - 1, 'other line')}." if each["n"] > 1 else "."),
            remedy_of(each["defect"]),
        )
        for each in found.order_by("defect").to_pyarrow().to_pylist()
    ]


def _ends(kept: Sequence[FeedFile]) -> tuple[bool, list[Note]]:
    """Whether the last lines of texts have ends, but for a few that may be cut off; a note on those."""
    cut = [file.name for file in kept if file.is_ended is False]
    ended = sum(file.is_ended is True for file in kept)
    if not cut or len(cut) > max(1, MOST_CUT * len(kept)) or len(cut) >= ended:
        return not cut, []
    says = f"The last line of {listed(cut, 3)} has no end, as it has in {plural(ended, 'other file')}: the rest may be lost."
    return True, [Note("left out", says, "look at it; if it was cut off, have it delivered again.")]


def remedy_of(defect: str) -> str:
    """What to do about lines with a defect."""
    if defect.startswith(second_headers.NO_RECORD):
        return "nothing is lost; a feed without it is shorter by a warning every night."
    marks = (
        "have quotation marks in values doubled, and values that have them put in marks, as Spark does with "
        """option("escape", '"') and MySQL with ESCAPED BY '"'."""
    )
    return REMEDIES.get(defect, marks)


def _refuse_another_order(lines: ibis.Table) -> None:
    """Refuse files that were appended to one another with their columns in different orders: a header says it."""
    own = text_columns(lines)
    names = [name.lower() for name in own]
    if not own:
        return
    again = lines.filter(lines.defect.isnull() & lines[own[0]].strip().lower().isin(names))
    for row in again.limit(FILES_COMPARED).to_pyarrow().to_pylist():
        values = [(row[name] or "").strip().lower() for name in own]
        if values != names and len(set(values).intersection(names)) > len(names) / 2:
            raise Refused(
                f"{row['source_file']}, row {row['source_row']:,} is a header with its columns in another order: "
                "the lines below it would be taken for other things.",
                remedy="have each part delivered as a file of its own: their columns may be in any order.",
            )


def _beyond_ascii(lines: ibis.Table) -> int:
    """How many lines that could be read have letters beyond ASCII."""
    strange = _strange(lines)
    return strange.count().to_pyarrow().as_py() if strange is not None else 0


def _strange(lines: ibis.Table) -> ibis.Table | None:
    """The values with letters beyond ASCII, as the column `value`."""
    import ibis

    read = lines.filter(lines.defect.isnull())
    values = [read.select(value=read[name]) for name in text_columns(lines)]
    every = ibis.union(*values) if len(values) > 1 else values[0] if values else None
    return None if every is None else every.filter(every.value.re_search(r"[^\x00-\x7F]"))


def _notes_on_encoding(lines: ibis.Table, foreign: int, source: SourceFiles, *, is_told: bool) -> list[Note]:
    encoding, files = source.files.encoding, sources.where(source.files)
    if foreign and not encoding.lower().startswith("utf"):
        raise Refused(
            f"{files} is no text in {encoding}{'' if is_told else ', which was a guess'}: {plural(foreign, 'line')} "
            "have bytes that do not exist in it.",
            remedy="--encoding with the right one: cp1251 is Cyrillic, shift_jis Japanese, cp437 that of old tills.",
        )
    if foreign:
        says = f"{plural(foreign, 'line')} of {files} have bytes that are no text in {encoding}, and are set aside."
        return [Note("set aside", says, "have it delivered in one encoding, or name the right one by --encoding.")]
    strange = None if is_told or encoding.lower().startswith("utf") else _strange(lines)
    words = _commonest(strange) if strange is not None else []
    if not words:
        return []
    says = f"The encoding of {files} is a guess: {encoding}. It reads words such as {listed([repr(word) for word in words])}."
    return [Note("guessed", says, "if they read badly, name the right one: --encoding cp1251, for instance.")]


def _commonest(values: ibis.Table) -> list[str]:
    """The three commonest of `values.value`; of those as common, the first by the alphabet."""
    counted = values.group_by("value").agg(n=values.count())
    return counted.order_by(counted.n.desc(), "value").limit(3).to_pyarrow()["value"].to_pylist()


def _patterns(argument: str) -> tuple[list[str], list[Note]]:
    """Paths, globs or URLs that `FeedReader` understands, absolute; and what of a folder they leave out."""
    plain = re.sub(r"\{date[^}]*\}", "*", argument)
    if "://" in plain:
        if table_folders.format_of(plain.rstrip("/")):
            return [plain.rstrip("/")], []
        return [plain.rstrip("/") + "/*" if plain.endswith("/") else plain], []
    path = Path(plain).expanduser().absolute()
    if path.is_file() or table_folders.format_of(str(path)):
        return [glob.escape(str(path))], []
    return _folder(path) if path.is_dir() else ([str(path)], [])


def _folder(folder: Path) -> tuple[list[str], list[Note]]:
    """The globs of a folder's data files: those of its commonest ending, packed or not, whatever their capitals."""
    inside: list[Path] = []
    for depth in ("*", "**/*"):
        inside = [path for path in folder.glob(depth) if path.is_file() and not path.name.startswith((".", "_"))]
        kinds: dict[str, list[Path]] = {}
        for path in inside:
            kinds.setdefault(_ending(path), []).append(path)
        others = kinds.pop("", [])
        depths = {len(path.relative_to(folder).parts) for path in kinds.get(PART, ())}
        if not kinds or ({*kinds} == {PART} and len(depths) > 1):  # whose glob would take folders, too
            continue
        kind = max(kinds, key=lambda ending: len(kinds[ending]))
        others += [path for ending, paths in kinds.items() if ending != kind for path in paths]
        is_part = kind == PART
        endings = {
            path.name[path.name.lower().rindex(kind) :] if not is_part else kind + path.suffix for path in kinds[kind]
        }
        notes = []
        if others:
            names = listed(sorted(str(path.relative_to(folder)) for path in others), 3)
            says = f"{plural(len(others), 'file')} in {folder} are left out: {names}."
            notes = [Note("left out", says, f"name files that do not end in {kind} by a path of their own.")]
        where = "*/" * (depths.pop() - 1) + "*" if is_part and len(depths) == 1 else depth
        return [f"{glob.escape(str(folder))}/{where}{ending}" for ending in sorted(endings)], notes
    names = f"; there are {listed(sorted(str(path) for path in inside), 3)}" if inside else ""
    raise Refused(
        f"There is no data file in {folder}{names}.",
        remedy=f"name the files, by a glob if they are several; known endings are {listed(ENDINGS, 20)}.",
    )


def _ending(file: Path) -> str:
    """Which of the :data:`ENDINGS` a file has, packed or not; :data:`PART` for a part without one, else empty."""
    if UNENDED.fullmatch(file.name):
        return PART
    *_, inner, last = ("", "", *Path(file.name.lower()).suffixes)
    if inner in ENDINGS and last in converted.PACKED:
        return inner
    return last if last in ENDINGS else ""


def _filled(paths: Sequence[str]) -> tuple[list[str], list[Note]]:
    """The paths without the files of this machine that are empty parts, and a note on those.

    Raises :class:`Refused` for any other file of no bytes: it was lost on its way.
    """
    empty = [path for path in paths if "://" not in path and Path(path).is_file() and not Path(path).stat().st_size]
    parts = [path for path in empty if EMPTY_PART.match(Path(path).name)]
    if lost := sorted({*empty} - {*parts}) or parts * (parts == list(paths)):
        raise Refused(
            f"{lost[0]} is empty (0 bytes)" + f"; so are {len(lost) - 1} others" * (len(lost) > 1) + ".",
            remedy=f"have it delivered again; if there was nothing to deliver, `rm {shlex.quote(lost[0])}`.",
        )
    says = f"{plural(len(parts), 'part')} of no bytes, such as {parts[0]}, hold no lines." if parts else ""
    remedy = "if they should, have them delivered again."
    return [path for path in paths if path not in {*parts}], [Note("left out", says, remedy)] if parts else []


def _months_in_words(paths: Sequence[str]) -> list[Note]:
    """A note on days in the names of files that are not read, for their months are words."""
    word = dated_names.month_in_words(paths[0])
    says = f"The day in the name {Path(paths[0]).name} is not read, for {word} is none of Jan … Dec: every night reads all files."
    return [Note("to know", says, "have the day written in numbers, as 2026-10-12.")] if word else []


def _archives(paths: Sequence[str]) -> list[Note]:
    """A note on the archives of this machine that hold several files, whose lines are read as those of one."""
    held = {
        path: names
        for path in paths
        if not path.lower().endswith(converted.WORKBOOKS) and zipfile.is_zipfile(path)
        if len(names := converted.names_in(path)) > 1
    }
    if not held:
        return []
    (path, names), *others = held.items()
    says = (
        f"{path} holds {len(names)} files, {listed(names, 3)}"
        + f"; {plural(len(others), 'other archive')} likewise" * bool(others)
    )
    return [
        Note("merged", f"{says}: read as one.", "if one of them is no part of the feed, take it out of the archive.")
    ]


def _refuse_a_mixture(columns: Mapping[str, set[str]]) -> None:
    """Refuse files, by their columns, that share less than half of them: a folder of transactions, products and others."""
    (first, own), *others = columns.items()
    for other, theirs in others:
        if not theirs:
            raise Refused(
                f"{Path(other).name} has no header, or nothing in it.",
                remedy="have it delivered again, or name the others by a path or a glob.",
            )
        if len(own & theirs) < 0.5 * len(own | theirs):
            apart = {name for each in theirs for name in re.split(r"[,;|\t]", each)}
            if len(own & apart) > len(own & theirs):
                raise Refused(
                    f"{Path(other).name} has another delimiter than {Path(first).name}: its header is {listed(sorted(theirs))}.",
                    remedy="have all files written with one.",
                )
            raise Refused(
                f"{Path(first).name} (with {listed(sorted(own), 3)}) and {Path(other).name} (with "
                f"{listed(sorted(theirs), 3)}) are of different kinds.",
                remedy="name the files of the transactions by a path or a glob, and the others with --products and "
                f"--households; a file without a header is to be delivered with one. {joins.join_of({first: own, other: theirs})}",
            )
