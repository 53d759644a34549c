"""The two sides of `bad_nights.py`, each with a folder of its own: how their nights are started, and what came of them."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from measure import BENCHMARKS, environment

from resources import home
from resources.days import ONE_DAY

FIRST_NIGHT = dt.date(2024, 3, 18)
# Steps of Nightcart's runs and of the script, by what they do.
STEPS = {
    "ingest": ("transactions", "ingest"),
    "the checks of the ingest": ("transactions_are_fit_to_use", None),
    "features": ("features", "features"),
    "scoring": ("recommendations", "scoring"),
    "publication": ("published_recommendations", "publication"),
    "training": ("challenger", "training"),
    "promotion": ("champion", None),
    "the check of the promotion": ("champion_is_fit_to_use", None),
}
# What differs from one making of the same rows to the next.
OF_THE_MAKING = {"inputs", "run_id", "made_at", "published_at", "scored_at", "source_file", "model_version", "made_in"}

Line = tuple[str, ...]


@dataclass(kw_only=True)
class Night:
    """What became of a night on one side."""

    day: dt.date
    fault: str
    lists: str = ""  # in the morning: fresh, marked, old, unreadable
    is_wrong: bool = False
    said: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    came_too_late: bool = False  # what was to befall it found it done
    after: str = ""
    is_wrong_after: bool = False

    @property
    def is_told(self) -> bool:
        return bool(self.said)

    @property
    def is_lost(self) -> bool:
        return self.lists in ("old", "unreadable")


def waited(process: subprocess.Popen[bytes]) -> int:
    """A process's exit code; one that does not end within a quarter of an hour is killed, which is its fault's worst end."""
    try:
        return process.wait(timeout=900)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait() or -signal.SIGKILL


@dataclass(kw_only=True)
class Side:
    """One of the two, with a folder of its own and a feed in it."""

    name: str
    folder: Path
    nights: list[Night] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    usual: float = 60.0  # seconds that an undisturbed night takes
    forgotten: list[str] = field(default_factory=list)  # households that asked for it
    is_overwritten: bool = False  # newer lists, by older ones
    true: Path = Path()  # the folder of the files as they should have been

    def truth(self, day: dt.date) -> bytes:
        """A day's file as it should have been."""
        return (self.true / f"{day}.csv").read_bytes()

    @property
    def state(self) -> Path:
        """The folder of all that it keeps from one night to the next."""
        raise NotImplementedError

    @property
    def yesterday(self) -> Path:
        """The copy of this folder from before the night before."""
        return self.folder.parents[1] / "yesterday" / self.folder.name

    def start(
        self, when: dt.datetime, *arguments: str, limits: Mapping[int, int] | None = None, **variables: str
    ) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a program at a time of its own, with `limits` of the system (`resource.RLIMIT_…`)."""
        log = self.folder / "logs" / f"{time.time_ns()}.txt"
        log.parent.mkdir(exist_ok=True)

        def limit() -> None:
            signal.signal(
                signal.SIGINT, signal.SIG_DFL
            )  # which a shell sets aside for what it starts in the background
            for which, most in (limits or {}).items():
                resource.setrlimit(which, (most, most))

        with log.open("w") as output:
            output.write(f"$ {' '.join(arguments)} at {when}\n")
            output.flush()
            process = subprocess.Popen(
                ["nice", "-n", "10", sys.executable, str(BENCHMARKS / "at.py"), when.isoformat(), *arguments],
                cwd=home.PROJECT,
                env=environment(self.folder / "state")
                | {"COLUMNS": "2000", "TZ": "UTC", **self.variables, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=limit,
            )
        return process, log

    def run(self, when: dt.datetime, *arguments: str) -> tuple[int, str]:
        process, log = self.start(when, *arguments)
        return waited(process), log.read_text(errors="replace")

    @property
    def sales(self) -> Path:
        """The folder of delivered files."""
        return self.folder / "sales"

    def deliver(self, day: dt.date, files: Mapping[str, bytes]) -> None:
        """Put `files` in the place of whatever was delivered for a day."""
        for old in self.sales.glob(f"{day}*"):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        for name, content in files.items():
            (self.sales / name).write_bytes(content)

    def wrong(self, until: dt.date, truth: Mapping[dt.date, Counter[Line]]) -> tuple[int, int]:
        """Lines of the days up to `until` that are lost, and that are there and should not be, as those of forgotten households."""
        is_there, should = self.lines(until), Counter()
        for day, lines in truth.items():
            if FIRST_NIGHT <= day <= until:
                should += Counter({line: n for line, n in lines.items() if line[1] not in self.forgotten})
        return (should - is_there).total(), (is_there - should).total()

    def night_command(self, day: dt.date) -> list[str]:
        raise NotImplementedError

    def state_of_lists(self, day: dt.date) -> str:
        raise NotImplementedError

    def lines(self, until: dt.date) -> Counter[Line]:
        raise NotImplementedError

    def is_at(self, step: str, log: Path, earlier: Collection[Path]) -> bool:
        """Whether a run that is not among the `earlier` ones is at a step, or has been."""
        raise NotImplementedError

    def runs(self) -> set[Path]:
        """The runs that there are, if there is a record of each."""
        return set()


class Nightcart(Side):
    @property
    def state(self) -> Path:
        return self.folder / "state" / "corner_shop"

    def night_command(self, day: dt.date) -> list[str]:
        return ["nightcart", "nightly", "--date", str(day)]

    def state_of_lists(self, day: dt.date) -> str:
        from assets.grocery.publication.served import served_now

        try:
            served = served_now(self.tables)
        except Exception:  # a table that cannot be read is what such a night left: it counts against it
            return "unreadable"
        if served is None or served.published_for <= day:
            return "old"
        return "marked" if served.is_carried_over else "fresh"

    @property
    def tables(self):
        from resources.tables.store import TableStore

        return TableStore(root=str(self.state / "tables"))

    def lines(self, until: dt.date) -> Counter[Line]:
        try:
            rows = self.tables.read("transactions", since=FIRST_NIGHT, until=until)
            rows = rows.select("business_date", "household_id", "basket_id", "product_id", "quantity", "sales_value")
            found = rows.to_pyarrow().to_pylist()
        except Exception:  # no line can be read: all of them count as lost
            return Counter()
        return Counter(line_of(*row.values()) for row in found)

    def is_at(self, step: str, log: Path, earlier: Collection[Path]) -> bool:
        name = STEPS[step][0]
        for file in self.runs() - set(earlier):
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as events,
            ):
                query = "SELECT 1 FROM event_logs WHERE dagster_event_type = 'STEP_START' AND step_key = ?"
                if events.execute(query, [name]).fetchone():
                    return True
        return False

    def runs(self) -> set[Path]:
        return set((self.state / "dagster" / "history" / "runs").glob("*.db"))

    def alerts(self) -> list[tuple[int, str]]:
        with contextlib.closing(sqlite3.connect(self.state / "operations.db")) as records:
            with contextlib.suppress(sqlite3.DatabaseError):  # none yet, or damaged
                return records.execute(
                    "SELECT id, kind || ': ' || happened || ' ' || meaning || ' Next: ' || command FROM alerts WHERE is_delivered AND NOT is_over"
                ).fetchall()
        return []

    def digests(self) -> dict[str, object]:
        """The contents of each table, but for what differs whenever the same is made again: to be compared with a twin's."""
        from resources.tables.engine import content_digest

        found: dict[str, object] = {}
        for folder in sorted((self.state / "tables").glob("[!.]*")):
            try:
                rows = self.tables.read(folder.name)
                found[folder.name] = content_digest(rows.drop(*(OF_THE_MAKING & set(rows.columns))))
            except Exception as error:  # unreadable is unlike any twin's
                found[folder.name] = repr(error)
        return found

    def somebody(self) -> str:
        """A household that has bought something."""
        return min(filter(None, self.tables.read("transactions").to_pyarrow()["household_id"].to_pylist()))

    def listed(self, column: str = "product_id") -> list[str]:
        """The products, or another column, of the lists that are served."""
        try:
            return self.tables.read("published_recommendations").to_pyarrow()[column].to_pylist()
        except Exception:  # no lists, or none that can be read
            return []


class Cron(Side):
    @property
    def state(self) -> Path:
        return self.folder / "state"

    def night_command(self, day: dt.date) -> list[str]:
        return [str(BENCHMARKS / "cron_night.py"), str(self.state), str(self.sales)]

    def state_of_lists(self, day: dt.date) -> str:
        lists = self.state / "lists.csv"
        rows = lists.read_text().splitlines() if lists.exists() else []
        return "fresh" if len(rows) > 1 and rows[-1].endswith(str(day)) else "old"

    def lines(self, until: dt.date) -> Counter[Line]:
        with contextlib.closing(sqlite3.connect(self.state / "shop.db")) as shop:
            query = "SELECT substr(bought_at, 1, 10), customer, receipt, article, items, paid FROM sales WHERE substr(bought_at, 1, 10) BETWEEN ? AND ?"
            try:
                return Counter(line_of(*row) for row in shop.execute(query, [str(FIRST_NIGHT), str(until)]))
            except sqlite3.OperationalError:  # before the first night
                return Counter()

    def is_at(self, step: str, log: Path, earlier: Collection[Path]) -> bool:
        return bool(STEPS[step][1]) and f"\n{STEPS[step][1]}\n" in log.read_text()


def line_of(day: object, household: object, basket: object, product: object, items: object, paid: object) -> Line:
    def number(value: object) -> str:
        try:
            return f"{float(str(value)):.2f}"
        except ValueError:
            return str(value)

    return (str(day)[:10], str(household), str(basket), str(product), number(items), number(paid))


def at(day: dt.date, hour: float) -> dt.datetime:
    """An hour (UTC) of the morning after `day`."""
    return dt.datetime.combine(day + ONE_DAY, dt.time()) + dt.timedelta(hours=hour)
