"""Text files as they lie there: their bytes as UTF-8, in blocks of whole physical lines, and where their header is.

Nothing here splits a line into values. A file may be of any size: it is held one block at a time, and of a line that
is longer than any line should be only the beginning.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import hashlib
import io
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from resources.config.feeds import FeedConfig
from resources.errors import FeedRefused
from resources.feeds import quoting
from resources.feeds.files import RAISE_MOST, REDELIVER, SMALL, FeedFile, own_names
from resources.text import listed

BLOCK = 1 << 20  # bytes that are read at once
LONGEST_LINE = 1 << 20  # bytes; a longer one is no line of a table, but a file that lost its line ends
SHOWN = 10_000  # bytes of such a line that are kept
MOST_COLUMNS = 1_000
TAIL = 256  # bytes at a file's end; a multiple of what a character of UTF-16 and UTF-32 has
LOOKED_AT = 100  # lines in which a header is looked for
HEADER_REMEDY = "have it delivered with the header that the others have, or correct the configuration."
HEADER_LINES = 20  # a name may go on over lines, as in a spreadsheet's cell, but not over more
# What a server answers that asks somebody to sign in, or says that it cannot.
PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)\b", re.IGNORECASE)
NO_PAGE = "look at it: it may ask somebody to sign in, or say what is wrong; then have the file itself delivered there."
GZIP = b"\x1f\x8b"  # the first bytes of what is packed so
NO_TEXT = re.compile(rb"[\0-\x06\x0e-\x19]")  # bytes that no text begins with, and what is packed has soon
BEGINNING = 64  # bytes in which they are looked for
DOS_END = b"\x1a"  # ctrl-Z, by which programs of DOS end a text: no line, and no part of one
# What Excel writes into a first line to tell itself the delimiter.
SEPARATOR_LINE = re.compile(rb'"?sep=([^"\r\n]{1,4})"?[;,|\t]*', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Whole lines, each ended by a line feed; `size` is the bytes of a single line that was shortened to its beginning.

    `is_open` says that the last line had no end of its own: it is the file's last.
    """

    content: bytes
    size: int = 0
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Header:
    """The names of a text's columns, and how many physical lines there are down to the last of the header's."""

    names: tuple[str, ...]
    lines: int


def is_gzip(content: IO[bytes], name: str) -> bool:
    """Whether a content is packed, by its first bytes, or by its name where it is no text: what is damaged shows as it is unpacked."""
    first = content.read(BEGINNING)
    content.seek(0)
    return first.startswith(GZIP) or (name.lower().endswith(".gz") and NO_TEXT.search(first) is not None)


def is_packed(copy: Path) -> bool:
    """:func:`is_gzip` of a kept copy."""
    with open(copy, "rb") as content:
        return is_gzip(content, copy.name)


def opened(copy: Path) -> IO[bytes]:
    """A kept copy's bytes, unpacked."""
    return gzip.open(copy, "rb") if is_packed(copy) else open(copy, "rb")  # pyright: ignore[reportReturnType]


def digest_unpacked(copy: Path) -> str:
    """The SHA-256 of a kept copy's bytes, unpacked; of the bytes as they are, if they cannot be."""
    try:
        with opened(copy) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
    except (OSError, EOFError, zlib.error):
        return hashlib.sha256(copy.read_bytes()).hexdigest()


def is_utf8(encoding: str) -> bool:
    """Whether bytes of `encoding` are UTF-8 as they stand. Raises :class:`FeedRefused` when there is no such encoding."""
    try:
        return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    except LookupError as error:
        raise FeedRefused(f"{encoding!r} is no encoding.", remedy="correct `encoding` in the configuration.") from error


def is_text(content: bytes, encoding: str = "utf-8") -> bool:
    """Whether bytes are text in an encoding."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def raw_blocks(file: FeedFile, settings: FeedConfig) -> Iterator[bytes]:
    """The file's bytes, unpacked, without the mark of their order.

    Raises :class:`FeedRefused` for a file that was cut off, and for one that grows beyond measure as it is unpacked.
    """
    size, read = file.copy.stat().st_size, 0
    try:
        with opened(file.copy) as content:
            while block := content.read(BLOCK):
                yield block if read else block.removeprefix(codecs.BOM_UTF8)
                read += len(block)
                if read > max(SMALL, settings.most_unpacked * size):
                    raise FeedRefused(
                        f"{file.path} has more than {settings.most_unpacked} times its {size:,} bytes when it is unpacked.",
                        remedy=RAISE_MOST,
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise FeedRefused(f"{file.path} is truncated or unreadable: {error}.", remedy=REDELIVER) from error


def ends_with_newline(file: FeedFile, settings: FeedConfig) -> bool:
    """Whether the last line of a text file has an end."""
    tail = b""
    if is_packed(file.copy):
        for block in raw_blocks(file, settings):
            tail = (tail + block)[-TAIL:]
    else:
        with open(file.copy, "rb") as content:
            content.seek(-min(file.copy.stat().st_size, TAIL), io.SEEK_END)
            tail = content.read()
    return tail.decode(settings.encoding, errors="replace").endswith(("\n", "\r", DOS_END.decode()))


def utf8_blocks(file: FeedFile, settings: FeedConfig) -> Iterator[bytes]:
    """The file's bytes as UTF-8; those that are none of its encoding stay as they are, and so are no UTF-8."""
    if is_utf8(settings.encoding):
        yield from raw_blocks(file, settings)
        return
    decoder = codecs.getincrementaldecoder(settings.encoding)(errors="surrogateescape")
    try:
        for block in raw_blocks(file, settings):
            yield decoder.decode(block).encode("utf-8", "surrogateescape")
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")
    except UnicodeError as error:
        raise FeedRefused(f"{file.path} is no text in {settings.encoding}: {error}.", remedy=REDELIVER) from error


def _without_dos_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        block = held + block
        text = block.rstrip(DOS_END)
        held = block[len(text) :]
        yield text


def with_line_feeds(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same text with line feeds alone, whatever its lines end with, and without :data:`DOS_END` at its own end."""
    held, has_feeds = b"", False
    for block in _without_dos_end(blocks):
        block = held + block
        held = b"\r" if block.endswith(b"\r") else b""
        has_feeds = has_feeds or b"\n" in block
        if b"\r" in block:
            block = block.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if block:
            yield block
    if held and not has_feeds:  # else it is one half of a line's end
        yield b"\n"


def whole_lines(blocks: Iterable[bytes]) -> Iterator[Block]:
    """The text in blocks of whole lines."""
    rest, beginning, size = b"", b"", 0
    for block in blocks:
        if size:  # within a line that is too long
            end = block.find(b"\n")
            if end < 0:
                size += len(block)
                continue
            yield Block(content=beginning + b"\n", size=size + end)
            block, size = block[end + 1 :], 0
        content = rest + block
        end = content.rfind(b"\n") + 1
        rest = content[end:]
        if end:
            yield Block(content=content[:end])
        if len(rest) > LONGEST_LINE:
            beginning, size, rest = rest[:SHOWN], len(rest), b""
    if size or rest:
        yield Block(content=(beginning if size else rest) + b"\n", size=size, is_open=True)


def line_blocks(file: FeedFile, settings: FeedConfig) -> Iterator[Block]:
    """The file as UTF-8 with line feeds alone, in blocks of whole lines."""
    return whole_lines(with_line_feeds(utf8_blocks(file, settings)))


def first_block(file: FeedFile, settings: FeedConfig) -> Block:
    """The beginning of the file as :func:`line_blocks` gives it, without a line if it has none."""
    return next(line_blocks(file, settings), Block(content=b""))


class NoHeader(ValueError):
    """Why lines have no header: a sentence without its subject, the file; and what to do about it."""

    def __init__(self, why: str, *, remedy: str = HEADER_REMEDY) -> None:
        super().__init__(why)
        self.remedy = remedy


def header_of(file: FeedFile, settings: FeedConfig) -> Header:
    """The header of a text file. Raises :class:`FeedRefused` for a file without one."""
    block = first_block(file, settings)
    if block.size:
        raise FeedRefused(f"{file.path} has no header: its first line is longer than a megabyte.", remedy=REDELIVER)
    try:
        return header_in(block.content.split(b"\n")[:-1], settings)
    except NoHeader as reason:
        raise FeedRefused(f"{file.path} {reason}.", remedy=reason.remedy) from reason


def header_in(lines: Sequence[bytes], settings: FeedConfig) -> Header:
    """The header among the first lines of a text, which are UTF-8 and without their ends. Raises :class:`NoHeader`."""
    if lines and PAGE.match(lines[0]):
        raise NoHeader("is a page of HTML or XML", remedy=NO_PAGE)
    above = settings.skip_lines + bool(lines and SEPARATOR_LINE.fullmatch(lines[0].removeprefix(codecs.BOM_UTF8)))
    own, sign = settings.delimiter.encode(), quoting.sign_for(settings.delimiter)
    of_header = [line.replace(own, sign) for line in lines[above : above + HEADER_LINES]]
    where = f" in line {above + 1}" if above else ""
    if not of_header or not of_header[0].strip():
        raise NoHeader(f"has no header{where}")
    height = quoting.height_of_header(of_header, sign)
    if not height:
        raise NoHeader(f"has no header: in line {above + 1} a quotation mark opens a name and is not closed")
    try:
        text = b"\n".join(of_header[:height]).decode("utf-8").removeprefix("\ufeff")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign.decode())
        names = [name.strip() for name in next(rows, [])]
    except UnicodeDecodeError as error:
        raise NoHeader(f"has a header that is no text in {settings.encoding}") from error
    except csv.Error as error:
        raise NoHeader(f"has a header{where} of which a name cannot be told, or is too long") from error
    if "\0" in text:
        raise NoHeader("has zero bytes in its header: it is no text, or of another encoding")
    if len(names) > MOST_COLUMNS:
        raise NoHeader(f"has {len(names):,} columns, more than {MOST_COLUMNS:,}")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise NoHeader(f"names the column {listed(twice)} twice", remedy="have one of them renamed.")
    # A column without a name is an index that somebody's program wrote, or a delimiter too many: nobody asks for it.
    names = own_names(name or f"column{place}" for place, name in enumerate(names, start=1))
    return Header(names=tuple(names), lines=above + height)


def header_elsewhere(file: FeedFile, settings: FeedConfig, columns: Iterable[str]) -> int | None:
    """The line of a text in which all of `columns` are named, if there is one near its beginning."""
    lines = first_block(file, settings).content.split(b"\n", LOOKED_AT)[:LOOKED_AT]
    wanted = {name.lower() for name in columns}
    for place in range(len(lines)):
        with contextlib.suppress(NoHeader):
            header = header_in(lines[place:], settings.model_copy(update={"skip_lines": 0}))
            if wanted <= {name.lower() for name in header.names}:
                return place + header.lines
    return None


def count_plain(file: FeedFile, settings: FeedConfig, header: Header) -> int | None:
    """How many lines follow the header, if each is a record as it stands there; None where anything is unusual.

    Unusual are line ends that are not all alike, lines without anything between others, quotation marks that are not
    closed on their line or stand within a value, zero bytes, ctrl-Z, bytes that are no UTF-8, lines that are too long.
    """
    import numpy as np

    delimiter = settings.delimiter.encode()
    if header.lines > 1 or len(delimiter) > 1:
        return None
    unicode = codecs.getincrementaldecoder("utf-8")() if is_utf8(settings.encoding) else None
    lines, has_returns, after_blank = 0, None, False
    for block in whole_lines(raw_blocks(file, settings)):
        content = block.content
        if block.size or b"\0" in content or DOS_END in content:
            return None
        returns = content.count(b"\r") if b"\r" in content else 0
        if returns and returns != content.count(b"\r\n"):
            return None
        signs = np.frombuffer(content, np.uint8)
        ends = np.flatnonzero(signs == ord("\n"))
        if returns and returns != len(ends) - block.is_open:
            return None
        if has_returns is not None and has_returns != bool(returns) and len(ends) > block.is_open:
            return None
        has_returns = bool(returns)
        lengths = np.diff(ends, prepend=-1) - 1 - has_returns
        is_blank = lengths <= 0
        blank = int(np.count_nonzero(is_blank))
        if (after_blank and blank < len(ends)) or lengths.max() > LONGEST_LINE:
            return None
        if blank:
            if not is_blank[-blank:].all():
                return None
            after_blank = True
        if b'"' in content and not quoting.are_closed(signs, ends, delimiter[0]):
            return None
        try:
            if unicode is not None and not content.isascii():
                unicode.decode(content)
        except UnicodeDecodeError:
            return None
        lines += len(ends) - blank
    return lines - 1


def rows_of(file: FeedFile, settings: FeedConfig, header: Header) -> int:
    """The physical lines after the header that have anything in them."""
    lines = (line for block in line_blocks(file, settings) for line in block.content.splitlines())
    return sum(bool(line.strip()) for line in itertools.islice(lines, header.lines, None))
