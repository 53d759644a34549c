"""How much a state grows a night, and what `nightcart prune` leaves: sixty nights of the tests' shop, replayed.

Goes on where it stopped: `python benchmarks/growth.py FOLDER [--nights N]`. Prints the table of growth.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.support import retailer

HISTORY = dt.date(2024, 3, 19)  # the last day that is taken in at once
PARTS = {
    "tables": "tables/*/[!_]*",
    "logs of tables": "tables/*/_delta_log",
    "copies of delivered files": "raw",
    "files of models": "mlflow/artifacts",
    "MLflow's database": "mlflow/mlflow.db*",
    "records": "operations.db*",
    "Dagster: runs and schedules": "dagster/{history/runs.db*,schedules}",
    "Dagster: what lasts of events": "dagster/history/runs/index.db*",
    "Dagster: messages of steps": "dagster/history/runs/????????-*",
    "Dagster: captured output": "dagster/storage",
}
KEEP = dict.fromkeys(("EXPLAINED_DAYS", "VERSIONS_DAYS", "RAW_DAYS", "LOG_DAYS"), "7") | {
    "CHAMPIONS": "2"
}  # the shortest


def size(state: Path, pattern: str) -> int:
    first, _, rest = pattern.partition("{")
    patterns = [first + each for each in rest.rstrip("}").split(",")] if rest else [pattern]
    found = {path for each in patterns for path in state.glob(each)}
    files = {file for path in found for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}
    return sum(file.stat().st_size for file in files)


def sizes(state: Path) -> dict[str, int]:
    return {part: size(state, pattern) for part, pattern in PARTS.items()}


def nightcart(folder: Path, *arguments: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("NIGHTCART_", "DAGSTER_", "MLFLOW_"))
    }
    environment |= {"NIGHTCART_HOME": str(folder / "state"), "NIGHTCART_CONFIG": str(folder / "corner_shop.toml")}
    environment |= {f"NIGHTCART_RETENTION__{name}": days for name, days in KEEP.items()}
    subprocess.run([Path(sys.executable).with_name("nightcart"), *arguments], env=environment, check=True)


def as_old_as_their_nights(state: Path, newest: dt.date) -> None:
    """Let runs have ended when their nights were, and not when they were replayed."""
    ended = "UPDATE runs SET update_timestamp = datetime('now', ?) WHERE run_id IN (SELECT run_id FROM run_tags WHERE key = 'dagster/partition' AND value = ?)"
    with contextlib.closing(sqlite3.connect(state / "dagster" / "history" / "runs.db")) as connection, connection:
        for n in range(100):
            connection.execute(ended, [f"-{n} days", str(newest - dt.timedelta(days=n))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nights", type=int, default=60)
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    state, notes = folder / "state" / "corner_shop", folder / "growth.jsonl"
    if not (folder / "corner_shop.toml").exists():
        folder.mkdir(parents=True)
        retailer.write(folder)
    known = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    if not known:
        until = str(HISTORY)
        nightcart(folder, "backfill", "--from", str(retailer.FIRST_DAY), "--to", until, "--assets", "transactions")
    for number in range(len(known), options.nights + 1):
        if number:
            nightcart(folder, "replay", "--days", "1")
        known.append(sizes(state))
        with notes.open("a") as file:
            file.write(json.dumps(known[-1]) + "\n")
    as_old_as_their_nights(state, HISTORY + dt.timedelta(days=options.nights))
    nightcart(folder, "prune")
    nightcart(folder, "audit", "verify", "--tables")
    after, half = sizes(state), len(known) // 2
    print(f"| part | kB a night | after {options.nights} nights, kB | pruned, kB |\n|---|---:|---:|---:|")
    for part in PARTS:
        a_night = (known[-1][part] - known[half][part]) / (len(known) - 1 - half)
        print(f"| {part} | {a_night / 1e3:,.1f} | {known[-1][part] / 1e3:,.0f} | {after[part] / 1e3:,.0f} |")
    total = [sum(each.values()) for each in (known[half], known[-1], after)]
    print(
        f"| all | {(total[1] - total[0]) / (len(known) - 1 - half) / 1e3:,.1f} | {total[1] / 1e3:,.0f} | {total[2] / 1e3:,.0f} |"
    )


if __name__ == "__main__":
    main()
