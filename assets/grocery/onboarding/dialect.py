"""How a file is written: its format, delimiter, encoding and decimal separator, from its beginning."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import tempfile
from pathlib import Path

from resources.config.feeds import FeedConfig
from resources.errors import Refused
from resources.feeds.sources import open_file

SAMPLE_BYTES, HEADER_BYTES = 1 << 20, 1 << 16
SAMPLE_LINES = 200
PARQUET = b"PAR1"
DATUM = re.compile(r"-?\d+([.,]\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
# Encodings of retailers' files in other scripts than ours. Told no choice, charset-normalizer finds mac_latin2 or cp437.
FOREIGN_ENCODINGS = [
    *("cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949"),
    *("cp1252", "cp1250", "cp1254", "cp1257"),
]

AS_CSV = "convert it to CSV or Parquet, one row a line of a basket"
# What a file that is no feed begins with, and what to do about it.
FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"SQLite format": ("an SQLite database", "export the table as CSV"),
    b"{": ("JSON", AS_CSV),
    b"[": ("JSON", AS_CSV),
    b"<": ("XML or HTML", AS_CSV),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it, or compress it with gzip"),
    b"BZh": ("compressed with bzip2", "unpack it, or compress it with gzip"),
}


def recognise(path: str, files: FeedConfig) -> FeedConfig:
    """`files` with the format, delimiter, encoding and decimal separator of the file `path`.

    Raises :class:`Refused` when it is no table with a header, saying what it is.
    """
    first = _beginning(path, SAMPLE_BYTES)
    if not first:
        raise Refused(f"{path} is empty (0 bytes).", remedy="have it delivered again.")
    if first.startswith(PARQUET):
        has_ending = ".parquet" in Path(path).name or ".pq" in Path(path).name
        return files if has_ending else files.model_copy(update={"format": "parquet"})
    for magic, (what, remedy) in FOREIGN.items():
        if first.lstrip().startswith(magic):
            raise Refused(f"{path} is {what}, neither CSV nor Parquet.", remedy=f"{remedy}.")
    encoding, text = _decoded(first)
    if "\0" in text:
        raise Refused(f"{path} is binary, neither CSV nor Parquet.", remedy="name the files of the basket lines.")
    delimiter = _delimiter(text)
    rows = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
    header, *body = itertools.islice(rows, SAMPLE_LINES + 1)
    if len(header) < 2:
        raise Refused(
            f"{path} has no two columns, its first line is {text.splitlines()[0][:80]!r}.",
            remedy=r"deliver it with one of the delimiters ',', ';', '\t', '|'.",
        )
    # DuckDB's sniffer takes a header with a single number in it for data.
    if sum(bool(DATUM.fullmatch(cell.strip())) for cell in header) >= len(header) / 2:
        raise Refused(
            f"{path} has no header: its first line is {text.splitlines()[0][:80]!r}.",
            remedy="put a first line with the columns' names into every file.",
        )
    cells = [cell.strip() for row in body for cell in row]
    commas = sum(bool(re.fullmatch(r"-?(\d+|\d{1,3}(\.\d{3})+),\d+", cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)\.\d+", cell)) for cell in cells)
    decimal = "," if commas > points else "."
    return files.model_copy(update={"delimiter": delimiter, "encoding": encoding, "decimal": decimal})


def columns_of(path: str, files: FeedConfig) -> set[str]:
    """The columns that the file `path` has, from its beginning."""
    first = _beginning(path, HEADER_BYTES)
    if first.startswith(PARQUET):
        import pyarrow.parquet as pq

        with open_file(path) as content:
            return set(pq.read_schema(content).names)
    line = (_decoded(first)[1].splitlines() or [""])[0]
    return {name.strip() for name in next(csv.reader([line], delimiter=files.delimiter), [])}


def _beginning(path: str, most: int) -> bytes:
    """The first bytes of a file, unpacked."""
    with open_file(path) as content:
        return (gzip.GzipFile(fileobj=content) if path.endswith(".gz") else content).read(most)


def _decoded(first: bytes) -> tuple[str, str]:
    """The encoding of a text that begins so, and its whole lines."""
    encoding = _encoding(first)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(first).lstrip("\ufeff")
    return encoding, text[: text.rfind("\n")] if len(first) >= SAMPLE_BYTES else text


def _encoding(first: bytes) -> str:
    """UTF-8 if it can be; another script's encoding if the words are of that script; else Western Europe's.

    By statistics alone charset-normalizer reads `Piñas` as Central European (cp1250) and `Crème` as Cyrillic (cp1251):
    between the encodings of the Latin script its answer does not count.
    """
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
        return "utf-8"
    except UnicodeDecodeError:
        import charset_normalizer

    # Its words alone, each once: numbers between short names are too much noise for it.
    words = {word for word in re.split(rb'[\d,;"\s]+', first.rpartition(b"\n")[0]) if not word.isascii()}
    content = b"\n".join(sorted(words))[:HEADER_BYTES]
    best = charset_normalizer.from_bytes(content, cp_isolation=FOREIGN_ENCODINGS).best()
    strange = "".join(word for word in re.findall(r"[^\W\d_]{2,}", str(best or "")) if not word.isascii())
    is_foreign = sum(not letter.isascii() for letter in strange) > len(strange) / 2
    return best.encoding if best and is_foreign else "cp1252"  # Latin-1 with € and curly quotes: what Excel writes


def _delimiter(text: str) -> str:
    import duckdb

    with tempfile.TemporaryDirectory(prefix="nightcart-init-") as folder, duckdb.connect() as engine:
        sample = Path(folder) / "sample.csv"
        sample.write_text(text, encoding="utf-8")
        # `skip`: else a header is taken for a title when its lines have more decimal commas than delimiters.
        query = "SELECT Delimiter FROM sniff_csv(?, skip = 0, ignore_errors = true)"
        return engine.execute(query, [str(sample)]).fetchall()[0][0]
