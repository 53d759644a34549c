"""What the number of business days costs: the tests' shop with a history of one year and of ten, night by night alike.

    python benchmarks/partitions.py FOLDER [--years 1 10]

The shop's twenty weeks are repeated back in time, as a file a day. Whatever was measured is a line of FOLDER/partitions.jsonl
and is not measured again. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curve import NIGHTCART, measured

from resources.days import ONE_DAY
from tests.support import retailer

NIGHT = dt.date(2024, 5, 6)
SPAN = len(retailer.days())  # whole weeks, so that weekdays stay what they are


def stages(first_day: dt.date) -> Mapping[str, Sequence[str]]:
    """Each stage's command, in order."""
    return {
        "the history as one range": ("backfill", "--from", f"{first_day}", "--to", f"{NIGHT - ONE_DAY}", "--assets", "transactions"),
        "first night": ("nightly", "--date", f"{NIGHT}"),
        "ordinary night": ("nightly", "--date", f"{NIGHT + ONE_DAY}"),
        "status": ("status",),
        "drift": ("drift",),
        "decisions": ("decisions",),
    }  # fmt: skip


def write(folder: Path, years: int) -> dt.date:
    """The shop's files with so many years before its own first day; returns the first of them."""
    config, first_day = retailer.write(folder), retailer.FIRST_DAY - dt.timedelta(days=365 * years)
    for file in sorted((folder / "sales").iterdir()):
        own = dt.date.fromisoformat(file.stem)
        with file.open(newline="", encoding="utf-8") as opened:
            header, *lines = csv.reader(opened)
        for back in range(1, 365 * years // SPAN + 2):
            day = own - dt.timedelta(days=SPAN * back)
            if day < first_day:
                break
            with (folder / "sales" / f"{day}.csv").open("w", newline="", encoding="utf-8") as made:
                at = f"{day} "
                moved = (
                    [who, f"{receipt}-{back}", what, at + when[11:], *rest] for who, receipt, what, when, *rest in lines
                )
                csv.writer(made).writerows([header, *moved])
    text = config.read_text(encoding="utf-8")
    closed = [retailer.CLOSED_DAY - dt.timedelta(days=SPAN * back) for back in range(365 * years // SPAN + 2)]
    text = text.replace(f"first_business_day = {retailer.FIRST_DAY}", f"first_business_day = {first_day}")
    text = text.replace(f"[{retailer.CLOSED_DAY}]", f"[{', '.join(str(day) for day in closed if day >= first_day)}]")
    # The shop's first days are quiet, and come again every twenty weeks.
    config.write_text(f"{text}\n[transactions.contract]\nvolume_against_weekday = [0.1, 10]\n", encoding="utf-8")
    return first_day


def events(state: Path) -> float:
    """MiB of Dagster's databases."""
    return sum(file.stat().st_size for file in state.glob("*/dagster/**/*.db*")) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--years", type=int, nargs="+", default=[1, 10])
    given = parser.parse_args()
    notes = given.folder.resolve() / "partitions.jsonl"
    notes.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    for years in given.years:
        folder = notes.parent / f"{years}"
        first_day = retailer.FIRST_DAY - dt.timedelta(days=365 * years)
        if not (folder / "corner_shop.toml").exists():
            write(folder, years)
        for name, words in stages(first_day).items():
            if any((each["years"], each["stage"]) == (years, name) for each in known):
                continue
            settings = {"NIGHTCART_CONFIG": str(folder / "corner_shop.toml")}
            found = measured([NIGHTCART, *words], state=folder / "state", settings=settings)
            known.append({"years": years, "stage": name, **found, "events": events(folder / "state"), "steps": {}})
            with notes.open("a") as lines:
                lines.write(json.dumps(known[-1]) + "\n")
            print(f"{years} years, {name}: {found['cpu']:.1f} CPU s", flush=True)
    print("\n".join(table(known, given.years)))


def table(known: Sequence[Mapping[str, Any]], years: Sequence[int]) -> list[str]:
    """CPU seconds and peak of each stage, and Dagster's databases at the end, a column a number of years."""
    found = {(each["stage"], each["years"]): each for each in known}
    rows = ["| | " + " | ".join(f"{365 * each + SPAN:,} days" for each in years) + " |", "|---|" + "---:|" * len(years)]
    for name in stages(NIGHT):
        cells = (found.get((name, each)) for each in years)
        rows.append(
            f"| {name} | " + " | ".join(f"{c['cpu']:.1f} s, {c['peak']:,.0f} MiB" if c else "" for c in cells) + " |"
        )
    last = (max((each["events"] for each in known if each["years"] == year), default=0.0) for year in years)
    return [*rows, "| Dagster's databases | " + " | ".join(f"{size:,.0f} MiB" for size in last) + " |"]


if __name__ == "__main__":
    main()
