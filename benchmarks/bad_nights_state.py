"""What happens to the machine, the clock and the parts of the state in `bad_nights.py`.

Around a night (a context manager of the side and the day), while it runs (a function of the side, the day, its process and
its log), or to a part of the state before it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import glob
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bad_nights_feeds import one_bit
from bad_nights_sides import Nightcart, Side, at, waited

from resources import home
from resources.days import ONE_DAY

LOCKED = 60  # seconds
Around = Callable[[Side, dt.date], contextlib.AbstractContextManager[object]]
# Whether the night was still at work when it came.
During = Callable[[Side, dt.date, subprocess.Popen[bytes], Path], bool]


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
    return side.state / ("operations.db" if isinstance(side, Nightcart) else "shop.db")


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
def share_away(side: Side, day: dt.date) -> Iterator[None]:
    """The folder of the deliveries is not there, as a share that is not mounted."""
    away = side.sales.with_name("away")
    side.sales.rename(away)
    yield
    away.rename(side.sales)


@contextlib.contextmanager
def mark_cut(side: Side, day: dt.date) -> Iterator[None]:
    """What says of what time the tables are is empty, as after a power cut."""
    if isinstance(side, Nightcart):
        os.truncate(side.state / "tables" / ".mark", 0)
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


# While it runs


def until(step: str, side: Side, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the night that was just started is at a step, or over."""
    earlier = side.runs()
    while process.poll() is None and not side.is_at(step, log, earlier):
        time.sleep(0.02)


def signalled(process: subprocess.Popen[bytes], which: signal.Signals) -> bool:
    """Send a signal to the night and to all that it started; whether it was still there."""
    found = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, which)
    return found


def sent(which: signal.Signals, *, at_step: str) -> During:
    """A signal to the night, and to all that it started, at a step."""

    def send(side: Side, day: dt.date, process: subprocess.Popen[bytes], log: Path) -> bool:
        until(at_step, side, process, log)
        return signalled(process, which)

    return send


def killed_at(share: float) -> During:
    """Killed after a share of the time that the night before took."""

    def kill(side: Side, day: dt.date, process: subprocess.Popen[bytes], log: Path) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=share * side.usual)
        return signalled(process, signal.SIGKILL)

    return kill


def asleep(side: Side, day: dt.date, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Stopped at the scoring, as by a laptop's lid, and woken ten seconds later."""
    until("scoring", side, process, log)
    found = signalled(process, signal.SIGSTOP)
    time.sleep(10)
    signalled(process, signal.SIGCONT)
    return found


def stepped(side: Side, day: dt.date, process: subprocess.Popen[bytes], log: Path) -> bool:
    """The clock jumps, by CLOCK_STEP, at the features."""
    until("features", side, process, log)
    is_at_work = process.poll() is None
    if is_at_work:
        os.kill(process.pid, signal.SIGUSR1)
    return is_at_work


def zombie(side: Side, day: dt.date, process: subprocess.Popen[bytes], log: Path) -> bool:
    """A second making of the lists sleeps after its gates; the day is corrected and made anew; it wakes.

    The day's file lacked its last lines. What is served in the end is to be of the corrected ones.
    """
    waited(process)
    if not isinstance(side, Nightcart):
        return True  # its file lacks the lines as well
    dg = (str(Path(sys.executable).with_name("dg")), "launch", "--assets", "recommendations,published_recommendations")
    # Without these, `dg` reads the project's own, of the demo, from its `.env`.
    places = home.environment(Path(side.variables["NIGHTCART_CONFIG"]))
    sleeper, its_log = side.start(at(day, 5), *dg, "--partition", str(day), limits=None, **places)
    until("scoring", side, sleeper, its_log)
    found = signalled(sleeper, signal.SIGSTOP)
    side.deliver(day, {f"{day}.csv": side.truth(day)})
    side.run(at(day, 6), "nightcart", "nightly", "--date", str(day), "--force")
    newest = side.digests()
    signalled(sleeper, signal.SIGCONT)
    waited(sleeper)
    after = side.digests()
    side.is_overwritten = any(after[name] != newest[name] for name in ("recommendations", "published_recommendations"))
    return found


# To parts of the state


def restored(*parts: str) -> Around:
    """Parts of the state as they were before the night before, as from a backup; the others are today's."""

    @contextlib.contextmanager
    def restore(side: Side, day: dt.date) -> Iterator[None]:
        if isinstance(side, Nightcart):
            assert side.yesterday.exists(), f"{side.yesterday} is not there"
            for part in parts:
                before, now = side.yesterday / "state" / "corner_shop" / part, side.state / part
                for file in glob.glob(f"{now}-wal") + glob.glob(f"{now}-shm"):
                    os.remove(file)
                if before.is_dir():
                    shutil.rmtree(now)
                    shutil.copytree(before, now, symlinks=True)
                elif before.exists():
                    shutil.copy2(before, now)
        yield

    return restore


def forgotten_and_restored(*parts: str) -> Around:
    """A household is forgotten in the evening, and the parts are restored from before that."""

    @contextlib.contextmanager
    def restore(side: Side, day: dt.date) -> Iterator[None]:
        if isinstance(side, Nightcart):
            side.forgotten.append(somebody := side.somebody())
            side.run(at(day, 0), "nightcart", "forget", somebody, "--reason", "asked for it")
        with restored(*parts)(side, day):
            yield

    return restore


def newest(side: Nightcart, pattern: str) -> Path:
    """The file that was written last of those that a pattern names, below the state."""
    return max((Path(each) for each in glob.glob(str(side.state / pattern), recursive=True)), key=os.path.getmtime)


def flipped(pattern: str, place: float = 0.5) -> Around:
    """One bit of the newest of these files, turned over for good."""

    @contextlib.contextmanager
    def flip(side: Side, day: dt.date) -> Iterator[None]:
        if isinstance(side, Nightcart):
            _checkpointed(file := newest(side, pattern))
            file.write_bytes(one_bit(file.read_bytes(), place))
        yield

    return flip


def _checkpointed(file: Path) -> None:
    """A database whose last changes are in it, and no longer beside it."""
    if file.suffix == ".db":
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def counted_otherwise(side: Side, day: dt.date) -> Iterator[None]:
    """The last commit of the transactions says of its files that they have one row more."""
    if isinstance(side, Nightcart):
        log = Path(max(glob.glob(str(side.state / "tables" / "transactions" / "_delta_log" / "*.json"))))
        commits = [json.loads(line) for line in log.read_text().splitlines()]
        for added in [commit["add"] for commit in commits if "add" in commit]:
            statistics = json.loads(added["stats"])
            added["stats"] = json.dumps(statistics | {"numRecords": statistics["numRecords"] + 1})
        log.write_text("\n".join(map(json.dumps, commits)) + "\n")
    yield


@contextlib.contextmanager
def model_exchanged(side: Side, day: dt.date) -> Iterator[None]:
    """The champion's trees answer the other way round, and MLflow's own tag of their digest says that all is well."""
    if isinstance(side, Nightcart):
        for file in glob.glob(str(side.state / "mlflow" / "artifacts" / "**" / "*.txt"), recursive=True):
            lines = Path(file).read_text().splitlines()
            turned = [
                "leaf_value=" + " ".join(str(-float(value)) for value in line[11:].split())
                if line.startswith("leaf_value=")
                else line
                for line in lines
            ]
            Path(file).write_text("\n".join(turned) + "\n")
        with contextlib.closing(sqlite3.connect(side.state / "mlflow" / "mlflow.db")) as database, database:
            database.execute("DELETE FROM model_version_tags WHERE key LIKE '%digest%'")
    yield


# To disks, which needs root: the state lies on one of its own


class Disk:
    """The side's state folder on a file system of its own, for a night: in memory, with `options`, or one that `fails_at` a step.

    That one is ext4 in a file, and is told by the kernel's own switch that it is damaged: it takes no write from then on, as a
    disk does that fails. In the morning it is repaired (`e2fsck`), and what had not reached it is lost.
    """

    def __init__(self, options: str = "", *, fails_at: str = "") -> None:
        self.options, self.fails_at = options, fails_at

    @contextlib.contextmanager
    def around(self, side: Side, day: dt.date) -> Iterator[None]:
        aside, image = side.state.with_name("aside"), side.state.with_name("disk.img")
        side.state.rename(aside)
        side.state.mkdir()
        used = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file() and not file.is_symlink())
        files = sum(1 for _ in aside.rglob("*")) + 1
        if self.fails_at:
            with image.open("wb") as file:
                file.truncate(2 * used + 300_000_000)
            subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
            mount = ["mount", "-o", "loop,errors=remount-ro", image, side.state]
        else:
            options = self.options.format(size=used + files * 4096 + 700_000, inodes=files + 20)
            mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", side.state]
        subprocess.run(mount, check=True)
        try:
            subprocess.run(["cp", "-a", f"{aside}/.", side.state], check=True)
            if self.fails_at:
                subprocess.run(["sync", "-f", side.state], check=True)
            yield
        finally:
            if self.fails_at:
                subprocess.run(["umount", side.state], check=True)
                subprocess.run(["e2fsck", "-fy", image], check=False, stdout=subprocess.DEVNULL)  # 1: it was mended
                subprocess.run(mount, check=True)
            shutil.rmtree(aside)
            subprocess.run(["cp", "-a", f"{side.state}/.", aside], check=True)
            subprocess.run(["umount", "-l", side.state], check=True)
            side.state.rmdir()
            image.unlink(missing_ok=True)
            aside.rename(side.state)

    def during(self, side: Side, day: dt.date, process: subprocess.Popen[bytes], log: Path) -> bool:
        """At the step, the disk fails, if it does."""
        if not self.fails_at:
            return True
        until(self.fails_at, side, process, log)
        found = process.poll() is None
        device = side.state.stat().st_dev
        name = os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").rpartition("/")[2]
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")
        with contextlib.suppress(OSError):
            (side.state / "tried").touch()
            raise SystemExit(f"{side.state} can still be written: the fault was not planted")
        return found


def no_root() -> str | None:
    """Why faults of disks cannot be tried here."""
    return None if sys.platform == "linux" and os.geteuid() == 0 else "needs root on Linux, to mount a file system"


# To a server that has the files


@contextlib.contextmanager
def server(side: Side, *, how: str = "well") -> Iterator[None]:
    """The folder of delivered files behind HTTP; `how`: well, or down, or answering 500, the half of each file, or never."""
    if how == "down" or "FEED_PORT" not in side.variables:
        yield
        return

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if how == "error":
                self.send_error(500)
            elif how == "half" and (file := Path(self.translate_path(self.path))).is_file():
                content = file.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(
        ("127.0.0.1", int(side.variables["FEED_PORT"])), partial(Handler, directory=side.sales)
    ) as http:
        serving = threading.Thread(target=http.serve_forever)
        serving.start()
        try:
            yield
        finally:
            http.shutdown()
            serving.join()


def moments(count: int, *, seed: int) -> list[float]:
    """Shares of a night at which something happens, spread over it at random."""
    drawn = random.Random(seed)
    return [(number + drawn.random()) / count for number in range(count)]
