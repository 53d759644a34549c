"""Bad nights: what faults cost, injected into feeds, tables, MLflow, processes and the clock, beside a cron script.

    uv run --with time-machine python benchmarks/bad_nights.py [--keep FOLDER] [--only WORD …]

The tests' retailer, smaller, delivers a file a day. Every night runs `nightcart nightly` and `cron_night.py` as processes
on the same feed at the same time of the same clock, with the same fault; `nightcart watch` looks at half past six. In the
morning the delivery is corrected, where it was at fault, and a person who was told something types the commands that
they were told, and no others. Counted against the files as they should have been: nights after which households have
neither new lists nor marked ones, lists made from wrong baskets, and nobody told; lines lost or doubled in the end.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import glob
import gzip
import os
import random
import re
import resource
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import BENCHMARKS, environment

from resources import home
from tests.support import retailer

ONE_DAY = dt.timedelta(days=1)
FIRST_NIGHT = dt.date(2024, 3, 18)
CLOSED_DAY = dt.date(2024, 4, 1)  # Easter Monday: so the shop is open on the Sunday on which the clocks change
HOUSEHOLDS = 60
SEED = 20240318
LOCKED = 60  # seconds
# `nightcart …` as it is told, or `rm …`.
COMMAND = re.compile(r"`((?:nightcart|rm) [^`]+)`")
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
NIGHTCART, CRON = "Nightcart", "cron script"

Files = Mapping[str, bytes]
Line = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a night. `files` makes of a day's file, and the one before, what is delivered instead."""

    name: str
    files: Callable[[dt.date, str, str], Files] | None = None
    around: Callable[[Side, dt.date], contextlib.AbstractContextManager[object]] | None = None
    kill: str | None = None
    most_bytes: int | None = None  # of a file, as on a disk that is full
    times: int = 1
    is_at_once: bool = False
    clock: dt.timedelta = dt.timedelta()
    needs_training: bool = False
    is_harmless: bool = False  # a night that should go well


@dataclass(kw_only=True)
class Night:
    """What became of a night on one side."""

    day: dt.date
    fault: str
    lists: str = ""  # in the morning: fresh, marked, old
    is_wrong: bool = False
    said: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    after: str = ""
    is_wrong_after: bool = False

    @property
    def is_told(self) -> bool:
        return bool(self.said)

    @property
    def is_lost(self) -> bool:
        return self.lists == "old"


# ------------------------------------------------------------------------------------------------------- both sides


@dataclass(kw_only=True)
class Side:
    """One of the two, with a folder of its own and a feed in it."""

    name: str
    folder: Path
    nights: list[Night] = field(default_factory=list)

    def start(self, when: dt.datetime, *arguments: str, most_bytes: int | None = None) -> tuple[subprocess.Popen, Path]:
        log = self.folder / "logs" / f"{time.time_ns()}.txt"
        log.parent.mkdir(exist_ok=True)
        limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))) if most_bytes else None
        with log.open("w") as output:
            output.write(f"$ {' '.join(arguments)} at {when}\n")
            output.flush()
            process = subprocess.Popen(
                ["nice", "-n", "10", sys.executable, str(BENCHMARKS / "at.py"), when.isoformat(), *arguments],
                cwd=home.PROJECT,
                env=environment(self.folder / "state") | {"COLUMNS": "2000", "TZ": "UTC", **self.variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=limit,
            )
        return process, log

    def run(self, when: dt.datetime, *arguments: str) -> tuple[int, str]:
        process, log = self.start(when, *arguments)
        code = process.wait(timeout=900)
        return code, log.read_text()

    def wrong(self, until: dt.date, truth: Mapping[dt.date, Counter[Line]]) -> tuple[int, int]:
        """Lines of the days up to `until` that are lost, and that are there and should not be."""
        is_there, should = self.lines(until), Counter()
        for day, lines in truth.items():
            if FIRST_NIGHT <= day <= until:
                should += lines
        return (should - is_there).total(), (is_there - should).total()

    variables: Mapping[str, str] = field(default_factory=dict)

    def night_command(self, day: dt.date) -> list[str]:
        raise NotImplementedError

    def state_of_lists(self, day: dt.date) -> str:
        raise NotImplementedError

    def lines(self, until: dt.date) -> Counter[Line]:
        raise NotImplementedError

    def is_at(self, step: str, log: Path, since: float) -> bool:
        raise NotImplementedError


class Nightcart(Side):
    @property
    def state(self) -> Path:
        return self.folder / "state" / "corner_shop"

    def night_command(self, day: dt.date) -> list[str]:
        return ["nightcart", "nightly", "--date", str(day)]

    def state_of_lists(self, day: dt.date) -> str:
        from assets.grocery.scoring.assets import served_now

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

    def is_at(self, step: str, log: Path, since: float) -> bool:
        name = STEPS[step][0]
        for file in (self.state / "dagster" / "history" / "runs").glob("*.db"):
            if file.stat().st_mtime >= since:
                with (
                    contextlib.suppress(sqlite3.Error),
                    contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as events,
                ):
                    query = "SELECT 1 FROM event_logs WHERE dagster_event_type = 'STEP_START' AND step_key = ?"
                    if events.execute(query, [name]).fetchone():
                        return True
        return False

    def alerts(self) -> list[tuple[int, str]]:
        with contextlib.closing(sqlite3.connect(self.state / "operations.db")) as records:
            with contextlib.suppress(sqlite3.OperationalError):
                return records.execute(
                    "SELECT id, kind || ': ' || happened || ' ' || meaning || ' Next: ' || command FROM alerts WHERE is_delivered AND NOT is_over"
                ).fetchall()
        return []


class Cron(Side):
    def night_command(self, day: dt.date) -> list[str]:
        return [str(BENCHMARKS / "cron_night.py"), str(self.folder)]

    def state_of_lists(self, day: dt.date) -> str:
        lists = self.folder / "lists.csv"
        rows = lists.read_text().splitlines() if lists.exists() else []
        return "fresh" if len(rows) > 1 and rows[-1].endswith(str(day)) else "old"

    def lines(self, until: dt.date) -> Counter[Line]:
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as shop:
            query = "SELECT substr(bought_at, 1, 10), customer, receipt, article, items, paid FROM sales WHERE substr(bought_at, 1, 10) BETWEEN ? AND ?"
            try:
                return Counter(line_of(*row) for row in shop.execute(query, [str(FIRST_NIGHT), str(until)]))
            except sqlite3.OperationalError:  # before the first night
                return Counter()

    def is_at(self, step: str, log: Path, since: float) -> bool:
        return bool(STEPS[step][1]) and f"\n{STEPS[step][1]}\n" in log.read_text()


def line_of(day: object, household: object, basket: object, product: object, items: object, paid: object) -> Line:
    def number(value: object) -> str:
        try:
            return f"{float(str(value)):.2f}"
        except ValueError:
            return str(value)

    return (str(day)[:10], str(household), str(basket), str(product), number(items), number(paid))


# ---------------------------------------------------------------------------------------------------------- the faults


def text(day: dt.date, content: str, *, name: str = "") -> Files:
    return {name or f"{day}.csv": content.encode()}


def rows(content: str) -> tuple[str, list[str]]:
    header, *lines = content.splitlines()
    return header, lines


def joined(header: str, lines: Sequence[str]) -> str:
    return "\n".join([header, *lines]) + "\n"


def columns(content: str, change: Callable[[list[str]], list[str]]) -> str:
    return "\n".join(",".join(change(line.split(","))) for line in content.splitlines()) + "\n"


def each(content: str, place: int, change: Callable[[str], str]) -> str:
    """Change a column of every line but the header."""
    header, lines = rows(content)
    cells = [line.split(",") for line in lines]
    return joined(header, [",".join([*c[:place], change(c[place]), *c[place + 1 :]]) for c in cells])


def with_comma(day: dt.date, now: str, before: str) -> Files:
    return text(day, each(now, 5, lambda paid: '"' + paid.replace(".", ",") + '"'))


def half_a_parquet(day: dt.date, now: str, before: str) -> Files:
    import io

    import pandas as pd

    buffer = io.BytesIO()
    pd.read_csv(io.StringIO(now)).to_parquet(buffer, index=False)
    return {f"{day}.parquet": buffer.getvalue()[: buffer.tell() // 2]}


def cut(day: dt.date, now: str, before: str) -> Files:
    return {f"{day}.csv": now.encode()[: len(now) * 2 // 3]}


def cut_gzip(day: dt.date, now: str, before: str) -> Files:
    whole = gzip.compress(now.encode())
    return {f"{day}.csv.gz": whole[: len(whole) * 2 // 3]}


def mixed(day: dt.date, now: str, before: str) -> Files:
    header, lines = rows(now)
    return text(day, joined(header, [*lines, *rows(before)[1][:20]]))


def issued_anew(content: str) -> str:
    return each(content, 0, lambda household: f"C-{(int(household[2:]) * 7919) % 99991:05}")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process holds the database for a minute, or for as long as the night lasts."""
    if not file.exists():
        yield
        return
    ready, over = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:
            database.execute("BEGIN EXCLUSIVE")
            ready.set()
            over.wait(LOCKED)
            database.rollback()

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait()
    try:
        yield
    finally:
        over.set()
        holder.join()


def database_of(side: Side) -> Path:
    return side.state / "operations.db" if isinstance(side, Nightcart) else side.folder / "shop.db"


def operations_locked(side: Side, day: dt.date):
    return locked(database_of(side))


def mlflow_locked(side: Side, day: dt.date):
    return locked(side.state / "mlflow" / "mlflow.db") if isinstance(side, Nightcart) else contextlib.nullcontext()


@contextlib.contextmanager
def mlflow_away(side: Side, day: dt.date) -> Iterator[None]:
    """Its folder is not there, as when a share is not mounted."""
    if not isinstance(side, Nightcart):
        yield
        return
    folder, elsewhere = side.state / "mlflow", side.state / "mlflow.away"
    folder.rename(elsewhere)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        elsewhere.rename(folder)


@contextlib.contextmanager
def mlflow_read_only(side: Side, day: dt.date) -> Iterator[None]:
    database = side.folder / "state" / "corner_shop" / "mlflow" / "mlflow.db"
    if not database.exists():
        yield
        return
    subprocess.run(["chattr", "+i", database], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", database], check=True)


@contextlib.contextmanager
def artifacts_gone(side: Side, day: dt.date) -> Iterator[None]:
    """The champion's files are lost, and nobody brings them back."""
    if isinstance(side, Nightcart):
        shutil.rmtree(side.state / "mlflow" / "artifacts")
    yield


@contextlib.contextmanager
def log_cut(side: Side, day: dt.date) -> Iterator[None]:
    """The last commit of the transactions is half written, as after a power cut; the script's database likewise."""
    if isinstance(side, Nightcart):
        last = max(glob.glob(str(side.state / "tables" / "transactions" / "_delta_log" / "*.json")))
        os.truncate(last, os.path.getsize(last) // 2)
    yield


@contextlib.contextmanager
def file_deleted(side: Side, day: dt.date) -> Iterator[None]:
    """The file of a day of the transactions, a week ago, is gone."""
    if isinstance(side, Nightcart):
        for file in glob.glob(
            str(side.state / "tables" / "transactions" / f"business_date={day - 7 * ONE_DAY}" / "*.parquet")
        ):
            os.remove(file)
    yield


@contextlib.contextmanager
def features_deleted(side: Side, day: dt.date) -> Iterator[None]:
    """The files of the lists that are served are gone."""
    if isinstance(side, Nightcart):
        for file in glob.glob(str(side.state / "tables" / "published_recommendations" / "*.parquet")):
            os.remove(file)
    yield


def killed(step: str, *, needs_training: bool = False) -> Fault:
    return Fault(name=f"kill -9 during {step}", kill=step, needs_training=needs_training)


GOOD = Fault(name="", is_harmless=True)
FAULTS = [
    GOOD,
    GOOD,
    Fault(name="file missing", files=lambda day, now, before: {}),
    Fault(name="file empty", files=lambda day, now, before: text(day, "")),
    Fault(name="header alone", files=lambda day, now, before: text(day, joined(rows(now)[0], []))),
    Fault(name="gzip cut", files=cut_gzip),
    Fault(name="half a Parquet", files=half_a_parquet),
    Fault(name="text cut in a line", files=cut),
    Fault(name="half of the lines", files=lambda d, now, b: text(d, joined(rows(now)[0], rows(now)[1][: len(rows(now)[1]) // 2]))),
    Fault(name="column renamed", files=lambda d, now, b: text(d, now.replace("customer", "client", 1))),
    Fault(name="column order changed", files=lambda d, now, b: text(d, columns(now, lambda c: c[::-1])), is_harmless=True),
    Fault(name="dates another way round", files=lambda d, now, b: text(d, each(now, 3, lambda at: f"{at[8:10]}.{at[5:7]}.{at[:4]}{at[10:]}"))),
    Fault(name="decimals with comma", files=with_comma),
    Fault(name="byte order mark", files=lambda d, now, b: {f"{d}.csv": b"\xef\xbb\xbf" + now.encode()}, is_harmless=True),
    GOOD,
    Fault(name="doubled lines", files=lambda d, now, b: text(d, joined(rows(now)[0], rows(now)[1] * 2))),
    Fault(name="file twice, two names", files=lambda d, now, b: {**text(d, now), **text(d, now, name=f"{d}_2.csv")}),
    Fault(name="20 lines of yesterday's in it", files=mixed),
    Fault(name="yesterday's file, today's name", files=lambda d, now, before: text(d, before)),
    Fault(name="households issued anew", files=lambda d, now, b: text(d, issued_anew(now))),
    GOOD,
    *(killed(step) for step in ("ingest", "the checks of the ingest", "features", "scoring", "publication")),
    *(killed(step, needs_training=True) for step in ("training", "promotion", "the check of the promotion")),
    GOOD,
    Fault(name="disk full (no file above 64 kB)", most_bytes=64 * 1024),
    Fault(name="operations database locked a minute", around=operations_locked),
    Fault(name="MLflow's database locked a minute", around=mlflow_locked, needs_training=True),
    Fault(name="MLflow's folder away", around=mlflow_away),
    Fault(name="MLflow read-only", around=mlflow_read_only, needs_training=True),
    Fault(name="last commit of a table cut", around=log_cut),
    Fault(name="a file of a table deleted", around=file_deleted),
    Fault(name="the served lists' files deleted", around=features_deleted),
    Fault(name="the champion's files deleted", around=artifacts_gone),
    GOOD,
    Fault(name="night run twice", times=2, is_harmless=True),
    Fault(name="night run twice at once", times=2, is_at_once=True, is_harmless=True),
    Fault(name="clock a day behind", clock=-ONE_DAY),
    Fault(name="clock a day ahead", clock=ONE_DAY),
    GOOD,
    GOOD,
]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ night by night


@dataclass(kw_only=True)
class Story:
    """The nights of both sides, one after the other."""

    folder: Path
    random: random.Random
    truth: dict[dt.date, Counter[Line]] = field(default_factory=dict)
    say: Callable[[str], None] = print

    def prepare(self) -> list[Side]:
        retailer.HOUSEHOLDS, retailer.CLOSED_DAY = HOUSEHOLDS, CLOSED_DAY  # pyright: ignore[reportAttributeAccessIssue]
        config = retailer.write(self.folder / "true")
        for day in retailer.days():
            if day != CLOSED_DAY:
                cells = [line.split(",") for line in rows(self.content(day))[1]]
                self.truth[day] = Counter(line_of(day, c[0], c[1], c[2], c[4], c[5]) for c in cells)
        sides: list[Side] = []
        for kind, name in ((Nightcart, NIGHTCART), (Cron, CRON)):
            side = kind(name=name, folder=self.folder / name.split()[0].lower())
            (side.folder / "sales").mkdir(parents=True)
            for day in retailer.days():
                if day < FIRST_NIGHT:
                    self.deliver(side, day, text(day, self.content(day)))
            sides.append(side)
        nightcart, cron = sides
        told = config.read_text(encoding="utf-8").replace(
            f"{self.folder / 'true'}/sales/{{date}}.csv", f"{nightcart.folder}/sales/{{date}}*"
        )
        (nightcart.folder / "corner_shop.toml").write_text(re.sub("last_business_day.*\n", "", told), encoding="utf-8")
        nightcart.variables = {"NIGHTCART_CONFIG": str(nightcart.folder / "corner_shop.toml")}
        (cron.folder / "closed_days").write_text(str(CLOSED_DAY))
        (cron.folder / "first_day").write_text(str(retailer.FIRST_DAY - ONE_DAY))
        eve = FIRST_NIGHT - ONE_DAY
        code, said = nightcart.run(
            at(eve, 2), "nightcart", "backfill", "--from", str(retailer.FIRST_DAY), "--to", str(eve)
        )
        if code:
            raise SystemExit(said)
        return sides

    def content(self, day: dt.date) -> str:
        return (self.folder / "true" / "sales" / f"{day}.csv").read_text(encoding="utf-8")

    def deliver(self, side: Side, day: dt.date, files: Files) -> None:
        for old in (side.folder / "sales").glob(f"{day}*"):
            old.unlink()
        for name, content in files.items():
            (side.folder / "sales" / name).write_bytes(content)

    def night(self, side: Side, day: dt.date, fault: Fault) -> Night:
        night = Night(day=day, fault=fault.name)
        known = dict(side.alerts()) if isinstance(side, Nightcart) else {}
        old = sum(side.wrong(day - ONE_DAY, self.truth))  # what an earlier night left is that one's
        is_open = day != CLOSED_DAY
        if is_open:
            before = day - ONE_DAY if day - ONE_DAY != CLOSED_DAY else day - 2 * ONE_DAY
            now = self.content(day)
            self.deliver(side, day, fault.files(day, now, self.content(before)) if fault.files else text(day, now))
        if fault.needs_training and isinstance(side, Nightcart):
            side.run(at(day, -6), "nightcart", "retrain", "--reason", "to see it fail", "--later")
        with fault.around(side, day) if fault.around else contextlib.nullcontext():
            self._tried(side, day, fault, night)
        if isinstance(side, Nightcart):
            code, said = side.run(at(day, 6.5) + fault.clock, "nightcart", "watch")
            if code and "✗" in said:
                night.said.append(said)
            night.said += [told for number, told in side.alerts() if number not in known]
        night.lists = side.state_of_lists(day)
        night.is_wrong = night.lists == "fresh" and sum(side.wrong(day, self.truth)) > old
        if fault.files and is_open:
            self.deliver(side, day, text(day, self.content(day)))
        if night.is_told:
            self._mended(side, night)
        night.after = side.state_of_lists(day)
        night.is_wrong_after = sum(side.wrong(day, self.truth)) > old
        side.nights.append(night)
        return night

    def _tried(self, side: Side, day: dt.date, fault: Fault, night: Night) -> None:
        when = at(day, 2) + fault.clock
        command = side.night_command((when - ONE_DAY).date())
        running = []
        for _ in range(fault.times):
            since = time.time()
            process, log = side.start(when, *command, most_bytes=fault.most_bytes)
            running.append((process, log))
            if fault.kill:
                self._kill(side, process, log, fault.kill, since)
            elif not fault.is_at_once:
                process.wait(timeout=900)
        for process, log in running:
            # Whoever is killed with all that is around it mails nothing.
            if process.wait(timeout=900) and not fault.kill:
                night.said.append(log.read_text())

    def _kill(self, side: Side, process: subprocess.Popen, log: Path, step: str, since: float) -> None:
        while process.poll() is None and not side.is_at(step, log, since):
            time.sleep(0.02)
        time.sleep(self.random.uniform(0, 0.3))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _mended(self, side: Side, night: Night) -> None:
        """A person types what they were told; lists of wrong baskets, which they were warned of, are made again."""
        hour = 8.0
        if isinstance(side, Cron):
            side.run(at(night.day, hour), *side.night_command(night.day))
            night.typed.append("the script again")
            return
        said = night.said
        for _ in range(3):
            told = list(dict.fromkeys(command for text in said for command in COMMAND.findall(" ".join(text.split()))))
            told = [
                each
                for each in told
                if not re.match(
                    r"nightcart (override|drift|decisions|status|models|--debug)|nightcart retrain(?! --reason)", each
                )
            ]
            if night.is_wrong and not told:
                told = [f"nightcart nightly --date {night.day} --force"]
            said = []
            for command in told:
                hour += 0.2
                night.typed.append(command)
                if command.startswith("rm "):
                    code, output = subprocess.call(shlex.split(command)), ""
                else:
                    code, output = side.run(at(night.day, hour), *shlex.split(command))
                if code:
                    said.append(output)
            if not said:
                return


def at(day: dt.date, hour: float) -> dt.datetime:
    """An hour (UTC) of the morning after `day`."""
    return dt.datetime.combine(day + ONE_DAY, dt.time()) + dt.timedelta(hours=hour)


# ---------------------------------------------------------------------------------------------------------- the result


def told_in_short(night: Night) -> str:
    return "told" if night.is_told else "not told"


def in_words(night: Night, fault: Fault) -> str:
    if fault.is_harmless and night.lists == "fresh" and not night.is_wrong:
        return "fresh" + (", **false alarm**" if night.is_told and not (fault.times > 1) else "")
    lists = {"fresh": "fresh", "marked": "marked", "old": "**lost**", "unreadable": "**unreadable**"}[night.lists]
    lists = "**wrong**" if night.is_wrong else lists
    after = "" if night.after == night.lists and night.is_wrong == night.is_wrong_after else f" → {night.after}"
    after += ", lines still **wrong**" if night.is_wrong_after else ""
    return f"{lists}, {told_in_short(night)}{after}"


def totals(side: Side, faults: Sequence[Fault], truth: Mapping[dt.date, Counter[Line]]) -> dict[str, object]:
    lost, more = side.wrong(side.nights[-1].day, truth)
    pairs = list(zip(side.nights, faults, strict=True))
    return {
        "nights": len(pairs),
        "lost nights (neither new lists nor marked ones by the morning)": sum(n.is_lost for n, _ in pairs),
        "nights with lists of wrong baskets": sum(n.is_wrong for n, _ in pairs),
        "silent: lost or wrong, and nobody told": sum((n.is_lost or n.is_wrong) and not n.is_told for n, _ in pairs),
        "false alarms (told, and nothing was wrong)": sum(
            n.is_told and f.is_harmless and f.times == 1 and not n.is_wrong and n.lists == "fresh" for n, f in pairs
        ),
        "not good again after a person did what they were told": sum(
            n.is_told and not f.is_harmless and (n.after != "fresh" or n.is_wrong_after) for n, f in pairs
        ),
        "lines lost at the end": lost,
        "lines doubled or foreign at the end": more,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", type=Path, help="a new folder for all that is made, to be looked at afterwards")
    parser.add_argument("--only", nargs="+", help="only faults whose names have one of these words; good nights stay")
    parser.add_argument("--side", choices=[NIGHTCART, CRON], help="only this one")
    given = parser.parse_args()
    faults = [each for each in FAULTS if not given.only or any(word in each.name for word in given.only)]
    if given.only:
        faults = [GOOD, *faults, GOOD]
    with contextlib.ExitStack() as stack:
        folder = given.keep.resolve() if given.keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["NIGHTCART_HOME"] = str(folder / "nightcart" / "state")
        story = Story(folder=folder, random=random.Random(SEED))
        sides = [side for side in story.prepare() if given.side in (None, side.name)]
        for number, fault in enumerate(faults):
            day = FIRST_NIGHT + number * ONE_DAY
            for side in sides:
                night = story.night(side, day, fault)
                print(
                    f"{day} {fault.name or 'good':<38} {side.name:<12} {in_words(night, fault)}  {night.typed}",
                    flush=True,
                )
        print("\n| night | fault | " + " | ".join(side.name for side in sides) + " |\n|---|---|" + "---|" * len(sides))
        for number, fault in enumerate(faults):
            cells = " | ".join(in_words(side.nights[number], fault) for side in sides)
            print(f"| {FIRST_NIGHT + number * ONE_DAY:%m-%d} | {fault.name} | {cells} |")
        print("\n| | " + " | ".join(side.name for side in sides) + " |\n|---|" + "---|" * len(sides))
        found = [totals(side, faults, story.truth) for side in sides]
        for name in found[0]:
            print(f"| {name} | " + " | ".join(str(each[name]) for each in found) + " |")


if __name__ == "__main__":
    main()
