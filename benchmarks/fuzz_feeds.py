"""Damages a clean feed in ten thousand ways and reads it: is every line accounted for, and every refusal one with a remedy?

    python benchmarks/fuzz_feeds.py --count 10000 --record fuzz.jsonl   # goes on where an earlier call ended
    python benchmarks/fuzz_feeds.py --count 500 --init                  # the proposal of a configuration too

Each way is a number, the seed of its damage: `--only 4711` makes it anew and keeps the file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import json
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.config.feeds import FeedConfig
from resources.errors import NightcartError, Refused
from resources.feeds.files import OUR_COLUMNS
from resources.feeds.lines import header_in
from resources.feeds.prepared import TOO_LONG
from resources.feeds.reader import FeedReader
from resources.tables.engine import connect

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

HEADER = "customer,receipt,article,name,bought_at,quantity,amount"
NAMES = ["bread", '"tea, green"', "Käse", '"7"" plate"', "jam", '"semi\nskimmed"', "rice", '7" dish']
NEEDED = HEADER.split(",")
OF_TOO_LONG = TOO_LONG.partition("{")[0]
LINE_END = re.compile(rb"\r\n|\r|\n")


def clean(lines: int = 160) -> bytes:
    """A feed as a till writes it on its good days."""
    start = dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC)
    rows = (
        f"K{n % 23},{n // 2},A{n % 9},{NAMES[n % len(NAMES)]},"
        f"{start + dt.timedelta(minutes=97 * (n // 2)):%Y-%m-%d %H:%M:%S},{n % 3 + 1},{n % 7 + 0.5:.2f}"
        for n in range(lines)
    )
    return "\n".join([HEADER, *rows, ""]).encode()


def _insert(*pieces: bytes) -> Callable[[bytes, random.Random], bytes]:
    def insert(content: bytes, draw: random.Random) -> bytes:
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(content) + 1)
            content = content[:place] + draw.choice(pieces) + content[place:]
        return content

    return insert


def _span(content: bytes, draw: random.Random) -> tuple[int, int]:
    first = draw.randrange(len(content) + 1)
    return first, min(len(content), first + draw.choice([1, 7, 80, 900, 4000]))


def _doubled(content: bytes, draw: random.Random) -> bytes:
    first, last = _span(content, draw)
    return content[:last] + content[first:last] + content[last:]


def _removed(content: bytes, draw: random.Random) -> bytes:
    first, last = _span(content, draw)
    return content[:first] + content[last:]


def _exchanged(content: bytes, draw: random.Random) -> bytes:
    first, last = _span(content, draw)
    old, new = draw.sample([b",", b";", b"\t", b"|", b'"', b"\n", b"\r\n", b"\r", b" ", b".", b"'"], 2)
    return content[:first] + content[first:last].replace(old, new) + content[last:]


def _garbled(content: bytes, draw: random.Random) -> bytes:
    first, last = _span(content, draw)
    return content[:first] + bytes(draw.randrange(256) for _ in range(last - first)) + content[last:]


def _encoded(content: bytes, draw: random.Random) -> bytes:
    to = draw.choice(["utf-16", "utf-16-le", "utf-8-sig", "latin-1", "cp1252", "cp437", "utf-7", "cp500"])
    return content.decode("utf-8", "replace").encode(to, "replace")


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _above(content: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"sep=,\n", b"sep=;\r\n", b"Corner Shop\n\n", b"\n", b'"Printed:","today"\n']) + content


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "quotes": _insert(b'"', b'""', b'"', b'",', b',"', b'\\"', b"'"),
    "separators": _insert(b",", b";", b"\t", b",,,", b"\n,"),
    "line ends": _insert(b"\n", b"\r", b"\r\n", b"\n\n\n", b"\x0b", b"\xe2\x80\xa8"),
    "bytes": _insert(b"\0", b"\xff", b"\xe9", b"\x1a", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1f"),
    "long": _insert(b"x" * 1_500_000, b"y," * 40_000, b"z" * 3_000_000),
    "doubled": _doubled,
    "removed": _removed,
    "exchanged": _exchanged,
    "garbled": _garbled,
    "encoded": _encoded,
    "cut": _cut,
    "above": _above,
}


def damaged(seed: int) -> tuple[bytes, str, list[str]]:
    """The file of a seed, its name, and what was done to it."""
    draw, content, done = random.Random(seed), clean(), []
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        kind = draw.choices(list(DAMAGES), [1 if each == "long" else 8 for each in DAMAGES])[0]
        content = DAMAGES[kind](content, draw)
        done.append(kind)
    if draw.random() < 0.05:
        packed = gzip.compress(content)
        return (packed if draw.random() < 0.5 else _cut(packed, draw)), "sales.csv.gz", [*done, "packed"]
    return content, "sales.csv", done


def unaccounted(content: bytes, rows: list[dict[str, Any]], settings: FeedConfig) -> list[int]:
    """Rows of the file that no line of the reader covers, or two do."""
    content = content[:-1] if content.endswith(b"\r") and b"\n" in content else content
    lines = LINE_END.split(content)
    given = lines[header_in(lines[:100], settings).lines :]
    covered: Counter[int] = Counter()
    for row in rows:
        own = [value for name, value in row.items() if name not in OUR_COLUMNS and isinstance(value, str)]
        height = 1 + sum(value.count("\n") for value in own)
        covered.update(range(row["source_row"], row["source_row"] + height))
    cut = {row["source_row"] for row in rows if (row["defect"] or "").startswith(OF_TOO_LONG)}
    found = []
    for row, line in enumerate(given, start=1):
        if covered[row] == 0 and row - 1 in cut:
            cut.add(row)  # of a value that goes on over lines only the beginning is kept, and the reader says so
        elif covered[row] != 1 and (line or covered[row] > 1):
            found.append(row)
    return found


def try_one(seed: int, folder: Path, engine: Backend, *, with_init: bool) -> dict[str, Any]:
    """What became of the file of a seed."""
    content, name, done = damaged(seed)
    path = folder / name
    path.write_bytes(content)
    settings = FeedConfig(path=[str(path)])
    result: dict[str, Any] = {"seed": seed, "damages": done}
    try:
        lines, _ = FeedReader(raw=folder / "raw").read(settings, engine=engine, columns=NEEDED)
        rows = lines.to_pyarrow().to_pylist()
        missing = unaccounted(gzip.decompress(content) if name.endswith(".gz") else content, rows, settings)
        bad = sum(row["defect"] is not None for row in rows)
        result |= {
            "outcome": "lost" if missing else "read",
            "good": len(rows) - bad,
            "bad": bad,
            "missing": missing[:5],
        }
    except Refused as error:
        result |= {"outcome": "refused", "why": error.message[:200]}
    except NightcartError as error:
        result |= {"outcome": "crash", "why": str(error)[:500]}
    except Exception:  # what nobody expects is what is looked for
        result |= {"outcome": "crash", "why": traceback.format_exc(limit=-4)[-900:]}
    if with_init:
        result["init"] = _proposed(path)
    return result


def _proposed(path: Path) -> str:
    from assets.grocery.onboarding.proposal import propose

    try:
        propose("shop", str(path), timezone="UTC", today=dt.date(2025, 6, 1), given={})
    except Refused as error:
        return f"refused: {error.message[:150]}"
    except Exception:
        return f"crash: {traceback.format_exc(limit=-4)[-900:]}"
    return "proposed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--record", type=Path, help="a file of JSON lines to go on with")
    parser.add_argument("--init", action="store_true", help="propose a configuration from every file too")
    parser.add_argument("--only", type=int, help="one seed, shown whole; its file is kept")
    given = parser.parse_args()
    if given.only is not None:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        print(json.dumps(try_one(given.only, folder, connect(), with_init=given.init), indent=1), folder, sep="\n")
        return 0
    before = given.record.read_text().splitlines() if given.record and given.record.exists() else []
    outcomes = [json.loads(line) for line in before]
    seen = {each["seed"] for each in outcomes}
    engine = connect()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for seed in range(given.first, given.first + given.count):
            if seed in seen:
                continue
            if seed % 200 == 0:  # its tables are temporary, but they are there
                engine = connect()
                print(seed, Counter(each["outcome"] for each in outcomes), file=sys.stderr, flush=True)
            outcomes.append(try_one(seed, Path(folder), engine, with_init=given.init))
            if given.record:
                with given.record.open("a") as record:
                    record.write(json.dumps(outcomes[-1]) + "\n")
    bad = [each for each in outcomes if each["outcome"] in ("lost", "crash") or "crash" in each.get("init", "")]
    print(json.dumps({"outcomes": Counter(each["outcome"] for each in outcomes), "bad": bad[:20]}, indent=1))
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
