"""How a file is written: its format, delimiter, encoding and header, from its beginning."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from assets.grocery.onboarding.proposed import table_of, unpivoted
from resources.config.feeds import FeedConfig
from resources.errors import Refused
from resources.feeds import converted, workbooks
from resources.feeds.files import is_parquet
from resources.feeds.lines import GZIP, NO_PAGE, SEPARATOR_LINE, NoHeader, header_in, is_text
from resources.feeds.sources import open_file, open_raw
from resources.feeds.table_folders import format_of, refuse_unreadable
from resources.text import listed

SAMPLE_BYTES, HEADER_BYTES = 1 << 20, 1 << 16
SAMPLE_LINES = 200
MOST_RECORDS = 10  # kinds of records, which a log of a till names first in each line
ONE_KIND = "have what was bought delivered alone, each line with what its receipt's says of who and when."
RARE_DELIMITERS = "\x01\x1f\x1e\x02~^¦§#"  # Hive's own and others that DuckDB's sniffer does not try
LINES_ABOVE = 50  # in which a header is looked for
MOST = 0.5  # of the lines, at least, have as many values as the header
PARQUET = b"PAR1"
DATUM = re.compile(r"\w+=.+|-?\d+([.,]\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
UPRIGHT = re.compile(r"-\[ RECORD|\*+ 1\. row")  # a column a line, as psql's \x and mysql's \G write it
DAY = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
MOST_NULS = 0.01  # of the bytes of a text: a few were lost on its way, and spoil their lines alone
# Encodings of retailers' files in other scripts than ours. Told no choice, charset-normalizer finds mac_latin2 or cp437.
FOREIGN_ENCODINGS = [
    *("cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949"),
    *("cp1252", "cp1250", "cp1254", "cp1257"),
]

# What is usual where the stores are: better than statistics, which take Greek for Chinese, if the bytes can be it.
USUAL_ENCODINGS = {
    zone: encoding
    for encoding, zones in {
        "cp1250": "Belgrade Bratislava Bucharest Budapest Ljubljana Podgorica Prague Sarajevo Warsaw Zagreb",
        "cp1251": "Almaty Bishkek Chisinau Kiev Kyiv Minsk Moscow Samara Sofia Skopje Yekaterinburg",
        "cp1253": "Athens Nicosia",
        "cp1254": "Istanbul",
        "cp1255": "Jerusalem",
        "cp1256": "Amman Baghdad Beirut Cairo Dubai Karachi Riyadh Tehran",
        "cp1257": "Riga Tallinn Vilnius",
        "cp932": "Tokyo",
        "cp949": "Seoul",
        "gb18030": "Shanghai",
        "big5": "Hong_Kong Taipei",
    }.items()
    for zone in zones.split()
}

AS_CSV = "convert it to CSV or Parquet, one row a line of a basket"
AS_JSON_LINES = (
    f"deliver it as a file .jsonl of one JSON object a line of a basket, or {AS_CSV}; if it is no part of the feed, name the "
    "others by a glob"
)
# What a file that is no feed begins with, and what to do about it.
FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "give it the ending .zip or .xlsx, by which it is read"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"SQLite format": (
        "an SQLite database",
        "name its table: nightcart init sqlite:///{path} --query 'SELECT * FROM sales', for instance; or export it as CSV",
    ),
    b"{": ("JSON", AS_JSON_LINES),
    b"[": ("JSON", AS_JSON_LINES),
    b"<": ("XML or HTML", f"{AS_CSV}; if it is a page, {NO_PAGE.removesuffix('.')}"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "give it the ending .zst, by which it is read"),
    b"BZh": ("compressed with bzip2", "give it the ending .bz2, by which it is read"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it, or compress it with gzip"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it, or compress it with gzip"),
    b"Rar!": ("a RAR archive", "unpack it, or compress it with gzip"),
    b"%PDF": ("a PDF", AS_CSV),
}
SQL = re.compile(rb"^(INSERT INTO|CREATE TABLE|COPY [\w.\"]+ \()", re.IGNORECASE | re.MULTILINE)
AS_SQL = (
    "a dump of SQL",
    "load it into a database and name that: nightcart init sqlite:////folder/shop.db --query 'SELECT * FROM sales', for instance; or "
    "export the table by `psql --csv` or `mysql --batch`",
)
TAR, TAR_AT = b"ustar", 257
AS_TAR = ("a tar archive", "`tar -xf` unpacks it; name the files that were in it")


def recognise(path: str, files: FeedConfig, *, encoding: str | None = None, usual: str | None = None) -> FeedConfig:
    """`files` with the format, delimiter, encoding and header's place of the file `path`.

    `encoding` is what a person says, `usual` one of :data:`USUAL_ENCODINGS`. Raises :class:`Refused` when it is no table with a header, saying what it is.
    """
    if is_of := format_of(path):
        refuse_unreadable(path, is_of)
        return files
    if path.lower().endswith(converted.WORKBOOKS):
        with open_raw(path) as content:
            found = workbooks.sheets(content, path)
        return files.model_copy(update={"sheet": found[0] if len(found) > 1 else None})
    first = _beginning(path, SAMPLE_BYTES, files)
    if first.startswith(PARQUET) and converted.is_converted(Path(path).name):
        return files
    if not first:
        raise Refused(f"{path} is empty (0 bytes).", remedy="have it delivered again.")
    if first.startswith(PARQUET):
        has_ending = is_parquet(Path(path).name, files)
        return files if has_ending else files.model_copy(update={"format": "parquet"})
    if foreign := _foreign(first):
        what, remedy = foreign
        raise Refused(f"{path} is {what}, neither CSV nor Parquet.", remedy=f"{remedy.replace('{path}', path)}.")
    encoding, text = _decoded(first, encoding, usual)
    if text.count("\0") > MOST_NULS * len(text):
        raise Refused(f"{path} is binary, neither CSV nor Parquet.", remedy="name the files of the basket lines.")
    lines = text.split("\n")
    declared = SEPARATOR_LINE.fullmatch(lines[0].encode())
    if declared:
        del lines[0]
    above = _lines_above(lines[: SAMPLE_LINES + 1])
    lines = lines[above:]
    own = declared[1].decode(errors="replace") if declared else ""
    delimiter = own if len(own) == 1 and lines and own in lines[0] else _delimiter("\n".join(lines))
    header = _cells(lines[0], delimiter)
    if len(header) < 2 and (rare := next((sign for sign in RARE_DELIMITERS if _divides(lines, sign)), None)):
        delimiter, header = rare, _cells(lines[0], rare)
    if len(header) < 2 or UPRIGHT.match(text):
        raise Refused(
            f"{path} has no two columns, its first line is {text[:80].splitlines()[0]!r}.",
            remedy=r"deliver it with one of the delimiters ',', ';', '\t', '|': instead of columns of fixed width, or blanks "
            "between values or drawn lines, `psql --csv`, `mysql --batch`, `sqlcmd -s, -W`, `duckdb -csv`, `clickhouse-client --format "
            "CSVWithNames`, R's write.csv(sales, 'sales.csv', row.names = FALSE) and "
            "pandas' sales.to_csv('sales.csv', index=False) write it so.",
        )
    # DuckDB's sniffer takes a header with a single number in it for data.
    if sum(bool(DATUM.fullmatch(cell.strip())) for cell in header) >= len(header) / 2:
        names, of_days = [cell for cell in header if not DAY.fullmatch(cell.strip())], ""
        if len(header) - len(names) > 1:
            table = table_of(files.model_copy(update={"path": [path], "delimiter": delimiter, "skip_lines": above}))
            of_days = f" If every day is a column of its own, {unpivoted(table, 'day', 'quantity', but=names)}"
        kinds = {_cells(line, delimiter)[0].strip() for line in lines if line}
        if 1 < len(kinds) <= MOST_RECORDS and all(kind.isalpha() for kind in kinds):
            of_days = f" Its first values say that its lines are of several kinds ({listed(sorted(kinds))}): {ONE_KIND}"
        raise Refused(
            f"{path} has no header: its first line is {lines[0][:80]!r}.",
            remedy=f"put a first line with the columns' names into every file.{of_days}",
        )
    if all(cell[:1] == cell[-1:] == "'" for cell in header):
        raise Refused(f"{path} has its values in single quotation marks.", remedy="have it delivered with double ones.")
    how = {"delimiter": delimiter, "encoding": encoding, "skip_lines": above}
    return files.model_copy(update=how | ({"format": "csv"} if is_parquet(Path(path).name, files) else {}))


def _foreign(first: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and what to do about it; None where it may be a feed."""
    for magic, told in FOREIGN.items():
        if first.lstrip().startswith(magic):
            return told
    return AS_TAR if first[TAR_AT:].startswith(TAR) else AS_SQL if SQL.search(first) else None


def columns_of(path: str, files: FeedConfig) -> set[str]:
    """The columns that the file `path` has, from its beginning, in small letters."""
    first = _beginning(path, HEADER_BYTES, files)
    if first.startswith(PARQUET):
        import pyarrow.parquet as pq

        with open_file(path, files) as content:
            return {name.lower() for name in pq.read_schema(content).names}
    lines = _decoded(first, files.encoding)[1].encode().split(b"\n")
    try:
        return {name.lower() for name in header_in(lines, files).names}
    except NoHeader:
        return set()


def _cells(line: str, delimiter: str) -> list[str]:
    """The values of a line by itself; a mark that is not closed is not looked for in others."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _lines_above(lines: Sequence[str]) -> int:
    """How many lines there are above the header: the shop's name, or when a report was printed.

    The header is the first line with as many values as most lines have, each of them a name.
    """
    best = (0.0, 0, "")
    for delimiter in ",;\t|":
        widths = [len(_cells(line, delimiter)) for line in lines if line.strip()]
        usual = Counter(width for width in widths if width > 1).most_common(1)
        if not usual:
            continue
        width, count = usual[0]
        first = _cells(lines[0], delimiter)
        if 0 <= width - len(first) <= 1 < len(first) and not _are_of_groups(first):
            return 0
        best = max(best, (count / len(widths), width, delimiter))
    share, width, delimiter = best
    if share < MOST:
        return 0
    for place, line in enumerate(lines[:LINES_ABOVE]):
        names = _cells(line, delimiter)
        if len(names) == width and not (place == 0 and _are_of_groups(names)):
            inner = _inner(names)
            is_header = all(inner) and len(set(inner)) == len(inner) and not any(map(DATUM.fullmatch, inner))
            return place if is_header else 0
    return 0


def _inner(names: Sequence[str]) -> Sequence[str]:
    """Names without blanks, and of a drawn table (`| a | b |`) without those before and behind it, which are none."""
    names = [name.strip() for name in names]
    return names[1:-1] if len(names) > 2 and not names[0] + names[-1] else names


def _are_of_groups(names: Sequence[str]) -> bool:
    """Whether names are those of groups of columns, whose own stand below: several are repeated, or given once for all."""
    names = _inner(names)
    named = [name for name in names if name]
    return len(named) - len(set(named)) + len(names) - len(named) > 1


def _beginning(path: str, most: int, files: FeedConfig) -> bytes:
    """The first bytes of a file, unpacked."""
    with open_file(path, files) as content:
        first = content.read(most)
        if not first.startswith(GZIP):
            return first
        content.seek(0)
        try:
            return gzip.GzipFile(fileobj=content).read(most)
        except (OSError, EOFError, zlib.error) as error:
            raise Refused(f"{path} cannot be unpacked: {error}.", remedy="have it delivered again.") from error


def _decoded(first: bytes, encoding: str | None = None, usual: str | None = None) -> tuple[str, str]:
    """The encoding of a text that begins so, if it is not told, and its whole lines, ended by line feeds."""
    encoding = encoding or _encoding(first, usual)
    try:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(first).lstrip("\ufeff")
    except LookupError as error:
        raise Refused(f"{encoding!r} is no encoding.", remedy="--encoding cp1251, for instance.") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return encoding, text[: text.rfind("\n")] if len(first) >= SAMPLE_BYTES else text


def _encoding(first: bytes, usual: str | None = None) -> str:
    """UTF-8 if it can be; what is `usual`, if it can be that; another script's encoding if the words are of that script; else Western Europe's.

    By statistics alone charset-normalizer reads `Piñas` as Central European (cp1250) and `Crème` as Cyrillic (cp1251):
    between the encodings of the Latin script its answer does not count.
    """
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [first[place:SAMPLE_BYTES:2].count(0) for place in (0, 1)]
    if max(zeros) > len(first) / 4:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    strange_lines = [
        line for line in first.splitlines()[: None if len(first) < SAMPLE_BYTES else -1] if not line.isascii()
    ]
    if 2 * sum(is_text(line) for line in strange_lines) >= len(strange_lines):
        return "utf-8"
    if usual and all(is_text(line, usual) for line in strange_lines):
        return usual
    import charset_normalizer

    # Its words alone, each once: numbers between short names are too much noise for it.
    words = {word for word in re.split(rb'[\d,;"\s]+', first.rpartition(b"\n")[0]) if not word.isascii()}
    content = b"\n".join(sorted(words))[:HEADER_BYTES]
    best = charset_normalizer.from_bytes(content, cp_isolation=FOREIGN_ENCODINGS).best()
    strange = "".join(word for word in re.findall(r"[^\W\d_]{2,}", str(best or "")) if not word.isascii())
    is_foreign = sum(not letter.isascii() for letter in strange) > len(strange) / 2
    return best.encoding if best and is_foreign else "cp1252"  # Latin-1 with € and curly quotes: what Excel writes


def _divides(lines: Sequence[str], sign: str) -> bool:
    """Whether a sign stands in every line as often as in the first, and there are names between."""
    first, *others = [line.count(sign) for line in lines[:SAMPLE_LINES] if line]
    return first > 1 and sum(n == first for n in others) >= MOST * len(others)


def _delimiter(text: str) -> str:
    import duckdb

    with tempfile.TemporaryDirectory(prefix="nightcart-init-") as folder, duckdb.connect() as engine:
        sample = Path(folder) / "sample.csv"
        sample.write_text(text, encoding="utf-8")
        # `skip`: else a header is taken for a title when its lines have more decimal commas than delimiters.
        query = "SELECT Delimiter FROM sniff_csv(?, skip = 0, ignore_errors = true)"
        return engine.execute(query, [str(sample)]).fetchall()[0][0]
