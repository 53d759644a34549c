"""Bad nights: what faults cost, injected into feeds, tables, MLflow, processes, disks and the clock, beside a cron script.

    uv run --with time-machine python benchmarks/bad_nights.py [--part NAME …] [--nights MOST] [--keep FOLDER] [--report]

The tests' retailer, smaller, delivers a file a day. Every night runs `nightcart nightly` and `cron_night.py` as processes
on the same feed at the same time of the same clock, with the same fault; `nightcart watch` looks at half past six. In the
morning the delivery is corrected, where it was at fault, and a person who was told something types the commands that
they were told, and no others. Counted against the files as they should have been: nights after which households have
neither new lists nor marked ones, lists made from wrong baskets, and nobody told; lines lost or doubled in the end.

The nights are in parts, each a story of its own, which begins with a history and takes minutes. All is kept in one folder,
with a line for each night that is over: the same command goes on with the night that was interrupted, from its evening.
What needs root is left out elsewhere, with its reason.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import bad_nights_state as state
from bad_nights_feeds import (
    CATALOGUES,
    HARMLESS,
    HOSTILE,
    IN_ITS_PLACE,
    Files,
    columns,
    cut,
    cut_gzip,
    each,
    half_a_parquet,
    issued_anew,
    joined,
    mixed,
    rows,
    text,
    with_comma,
)
from bad_nights_sides import FIRST_NIGHT, STEPS, Cron, Line, Night, Nightcart, Side, at, line_of, waited
from bad_nights_state import Around, Disk, During

from resources.days import ONE_DAY
from tests.support import retailer

CLOSED_DAY = dt.date(2024, 4, 1)  # Easter Monday: so the shop is open on the Sunday on which the clocks change
HOUSEHOLDS = 60
SEED = 20240318
# `nightcart …` as it is told, or `rm …`.
BACKUP = re.compile(r"bring \S+/([\w.]+) back from the newest backup")  # which no command of ours makes in these nights
COMMAND = re.compile(r"`(?:uv run |\S*/)?((?:nightcart|rm) [^`]+)`")
NIGHTCART, CRON, TWIN = "Nightcart", "cron script", "twin"
NOT_TRIED = "–"
OUT_OF_REACH = "out of its reach"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a night. `files` makes of a day's file, and the one before, what is delivered instead."""

    name: str
    files: Callable[[dt.date, str, str], Files] | None = None
    place: Callable[[Path, dt.date], None] | None = None  # puts something where the file should be
    catalogue: Callable[[str], str] | None = None
    around: Around | None = None
    during: During | None = None
    kill: str | None = None
    limits: Mapping[int, int] = field(default_factory=dict)  # of the system, to the process
    variables: Mapping[str, str] = field(default_factory=dict)
    server: str = "well"
    times: int = 1
    is_at_once: bool = False
    hour: float = 2
    clock: dt.timedelta = dt.timedelta()
    needs_training: bool = False
    is_harmless: bool = False  # a night that should go well
    is_for_good: bool = False  # what of the file is harmed is lost by the sender, and never corrected
    fresh_is_wrong: bool = False  # lists of that night should not be served, whatever the lines are
    backfill: float | None = None  # instead of a night: the history taken in anew, killed at this share of its time
    is_of_nightcart: bool = False  # the script has nothing that it could befall


@dataclass(frozen=True, kw_only=True)
class Part:
    """Nights that follow each other from the same history."""

    faults: Sequence[Fault]
    has_twin: bool = False  # a second Nightcart that nothing befalls, compared with in the end, table by table
    is_by_http: bool = False
    is_of_nightcart: bool = False  # what befalls its nights is
    left_out: Callable[[], str | None] = lambda: None


def killed(step: str, *, needs_training: bool = False) -> Fault:
    return Fault(
        name=f"kill -9 during {step}", kill=step, needs_training=needs_training, is_of_nightcart=not STEPS[step][1]
    )


def stepped(hours: float) -> Fault:
    variables = {"CLOCK_STEP": str(hours * 3600)}
    return Fault(name=f"clock steps by {hours:+g} hours in the night", during=state.stepped, variables=variables)


def is_harmed(name: str, files: Callable[[dt.date, str, str], Files]) -> Fault:
    is_for_good = name in ("a time before Christ", "a NUL in a line", "a quote that stays open")
    return Fault(name=name, files=files, is_harmless=name in HARMLESS, is_for_good=is_for_good)


GOOD = Fault(name="", is_harmless=True)
STATE = ("operations.db", "tables", "mlflow", "dagster", "erasure.key")
PARTS = {
    "feeds": Part(faults=[
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
    ]),
    "hostile": Part(faults=[GOOD, *(is_harmed(*fault) for fault in HOSTILE.items()), *(Fault(name=name, place=put) for name, put in IN_ITS_PLACE.items()), GOOD]),
    "kills": Part(faults=[
        GOOD,
        *(killed(step) for step in ("ingest", "the checks of the ingest", "features", "scoring", "publication")),
        *(killed(step, needs_training=True) for step in ("training", "promotion", "the check of the promotion")),
        GOOD,
    ]),
    "random kills": Part(has_twin=True, faults=[
        GOOD,
        GOOD,
        *(Fault(name=f"kill -9 after {share:.0%} of a night", during=state.killed_at(share)) for share in state.moments(15, seed=SEED)),
        GOOD,
    ]),
    "backfill": Part(faults=[Fault(name=f"backfill killed after {share:.0%}", backfill=share) for share in state.moments(15, seed=SEED + 1)]),
    "processes": Part(faults=[
        GOOD,
        Fault(name="SIGTERM at the features", during=state.sent(signal.SIGTERM, at_step="features")),
        Fault(name="SIGTERM at the scoring", during=state.sent(signal.SIGTERM, at_step="scoring")),
        Fault(name="SIGINT at the ingest", during=state.sent(signal.SIGINT, at_step="ingest")),
        Fault(name="SIGINT at the publication", during=state.sent(signal.SIGINT, at_step="publication")),
        Fault(name="SIGTERM at the training", during=state.sent(signal.SIGTERM, at_step="training"), needs_training=True),
        Fault(name="asleep for ten seconds", during=state.asleep, is_harmless=True),
        Fault(
            name="lists made a second time sleep over a correction",
            during=state.zombie,
            files=lambda d, now, b: text(d, joined(rows(now)[0], rows(now)[1][: len(rows(now)[1]) * 7 // 8])),
        ),
        Fault(name="64 file handles", limits={resource.RLIMIT_NOFILE: 64}),
        Fault(name="24 file handles", limits={resource.RLIMIT_NOFILE: 24}),
        Fault(name="3 GB of memory", limits={resource.RLIMIT_AS: 3_000_000_000}),
        Fault(name="1.5 GB of memory", limits={resource.RLIMIT_AS: 1_500_000_000}),
        Fault(name="disk full (no file above 64 kB)", limits={resource.RLIMIT_FSIZE: 64 * 1024}),
        Fault(name="night run twice", times=2, is_harmless=True),
        Fault(name="night run twice at once", times=2, is_at_once=True, is_harmless=True),
        GOOD,
    ]),
    "databases": Part(faults=[
        GOOD,
        Fault(name="operations database locked a minute", around=state.operations_locked),
        Fault(name="MLflow's database locked a minute", around=state.mlflow_locked, needs_training=True, is_of_nightcart=True),
        Fault(name="MLflow's folder away", around=state.mlflow_away, is_of_nightcart=True),
        Fault(name="MLflow read-only", around=state.mlflow_read_only, needs_training=True, is_of_nightcart=True),
        Fault(name="last commit of a table cut", around=state.log_cut, is_of_nightcart=True),
        Fault(name="a file of a table deleted", around=state.file_deleted, is_of_nightcart=True),
        Fault(name="the served lists' files deleted", around=state.features_deleted, is_of_nightcart=True),
        Fault(name="the champion's files deleted", around=state.artifacts_gone, is_of_nightcart=True),
        Fault(name="the share of deliveries away", around=state.share_away),
        Fault(name="the mark of the tables cut off", around=state.mark_cut, is_of_nightcart=True),
        GOOD,
    ]),
    "clocks": Part(faults=[
        GOOD,
        *(stepped(hours) for hours in (-6, 6, -24, 24)),
        # In the retailer's zone, where it is an hour later then: it begins two seconds before.
        Fault(name="midnight while it runs", hour=-1.0005, is_harmless=True),
        *[GOOD] * 7,
        Fault(name="night run twice as the clocks change", times=2, hour=0.5, is_harmless=True),  # of 03-31
        Fault(name="clock a day ahead", clock=ONE_DAY),
        GOOD,
        Fault(name="clock a day behind", clock=-ONE_DAY),
        GOOD,
    ]),
    "restores": Part(is_of_nightcart=True, faults=[
        GOOD,
        GOOD,
        *(Fault(name=f"{part} of the day before restored", around=state.restored(part)) for part in STATE if part != "erasure.key"),
        Fault(name="all of the day before restored", around=state.restored(*STATE)),
        GOOD,
        Fault(name="MLflow's of before a training restored", around=state.restored("mlflow"), needs_training=True),
        GOOD,
        Fault(name="forgotten, then tables of before it restored", around=state.forgotten_and_restored("tables")),
        Fault(name="forgotten, then operations.db of before it", around=state.forgotten_and_restored("operations.db")),
        Fault(name="forgotten, then all of before it restored", around=state.forgotten_and_restored(*STATE)),
        GOOD,
    ]),
    "contents": Part(is_of_nightcart=True, faults=[
        GOOD,
        GOOD,
        *(Fault(name=f"a bit of the transactions' newest file, at {place:.0%}", around=state.flipped("tables/transactions/business_date=*/*.parquet", place)) for place in (0.1, 0.3, 0.5, 0.7)),
        Fault(name="a bit of the served lists", around=state.flipped("tables/published_recommendations/**/*.parquet", 0.3)),
        Fault(name="a bit of the features", around=state.flipped("tables/household_product_features/**/*.parquet", 0.4)),
        Fault(name="a bit of a table's log", around=state.flipped("tables/transactions/_delta_log/*.json", 0.6)),
        Fault(name="a bit of the champion's file", around=state.flipped("mlflow/artifacts/**/*.txt", 0.5)),
        Fault(name="the champion's trees exchanged", around=state.model_exchanged, fresh_is_wrong=True),
        Fault(name="a table's log counts otherwise", around=state.counted_otherwise),
        Fault(name="a bit of mlflow.db", around=state.flipped("mlflow/mlflow.db")),
        Fault(name="a bit of operations.db", around=state.flipped("operations.db")),
        Fault(name="the header of operations.db", around=state.flipped("operations.db", 0.0)),
        GOOD,
    ]),
    "catalogue": Part(is_of_nightcart=True, faults=[GOOD, *(Fault(name=name, catalogue=change, fresh_is_wrong=True) for name, change in CATALOGUES.items()), GOOD]),
    "server": Part(is_by_http=True, faults=[
        GOOD,
        Fault(name="HTTP server down", server="down", is_of_nightcart=True),
        Fault(name="HTTP server answers 500", server="error", is_of_nightcart=True),
        Fault(name="HTTP server sends half of a file", server="half", is_of_nightcart=True),
        Fault(name="not on the HTTP server", files=lambda day, now, before: {}),
        GOOD,
    ]),
    "disks": Part(left_out=state.no_root, faults=[
        GOOD,
        *(
            Fault(name=name, around=disk.around, during=disk.during)
            for name, disk in {
                "700 kB left on the disk": Disk("size={size}"),
                "20 inodes left on the disk": Disk("nr_inodes={inodes}"),
                "disk read-only from the features on": Disk(fails_at="features"),
                "disk read-only from the publication on": Disk(fails_at="publication"),
            }.items()
        ),
        GOOD,
    ]),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------ night by night


@dataclass(kw_only=True)
class Story:
    """The nights of a part, of all sides, one after the other, below `folder`."""

    folder: Path
    part: Part
    truth: dict[dt.date, Counter[Line]] = field(default_factory=dict)

    @cached_property
    def true(self) -> Path:
        return self.folder / "true"

    @property
    def faults(self) -> list[Fault]:
        return list(self.part.faults)

    def prepare(self) -> list[Side]:
        """The sides, with a history up to the eve; whatever is there from an earlier start is taken up."""
        retailer.HOUSEHOLDS, retailer.CLOSED_DAY = HOUSEHOLDS, CLOSED_DAY  # pyright: ignore[reportAttributeAccessIssue]
        config = self.true / "corner_shop.toml"
        if not config.exists():
            shutil.rmtree(self.true, ignore_errors=True)
            retailer.write(self.true)
        for day in retailer.days():
            if day != CLOSED_DAY:
                left = self.true / "left" / f"{day}.csv"
                self._is_true(day, rows(left.read_text(encoding="utf-8") if left.exists() else self.content(day))[1])
        kinds = [(Nightcart, NIGHTCART), (Cron, CRON), *[(Nightcart, TWIN)] * self.part.has_twin]
        sides = [
            kind(name=name, folder=self.folder / "now" / name.split()[0].lower(), true=self.true / "sales")
            for kind, name in kinds
        ]
        for side in sides:
            if isinstance(side, Nightcart):
                side.variables |= {"NIGHTCART_CONFIG": str(side.folder / "corner_shop.toml")}
            if self.part.is_by_http:
                side.variables |= {"FEED_PORT": str(40_000 + os.getpid() % 20_000)}
        if (self.folder / "prepared").exists():
            return sides
        shutil.rmtree(self.folder / "now", ignore_errors=True)
        for side in sides:
            self._laid_out(side, config)
            with state.server(side):
                if isinstance(side, Nightcart) and (made := self._backfilled(side))[0]:
                    raise SystemExit(made[1])
        (self.folder / "prepared").touch()
        return sides

    def _laid_out(self, side: Side, config: Path) -> None:
        side.sales.mkdir(parents=True)
        for day in retailer.days():
            if day < FIRST_NIGHT:
                side.deliver(day, text(day, self.content(day)))
        shutil.copy(self.true / "articles.csv", side.folder)
        if isinstance(side, Cron):
            side.state.mkdir()
            (side.state / "closed_days").write_text(str(CLOSED_DAY))
            (side.state / "first_day").write_text(str(retailer.FIRST_DAY - ONE_DAY))
            return
        told = config.read_text(encoding="utf-8").replace(str(self.true), str(side.folder))
        place = f"{side.sales}/{{date}}"
        told = told.replace(
            f"{place}.csv",
            f"http://127.0.0.1:{side.variables['FEED_PORT']}/{{date}}.csv" if self.part.is_by_http else f"{place}*",
        )
        (side.folder / "corner_shop.toml").write_text(re.sub("last_business_day.*\n", "", told), encoding="utf-8")

    def _backfilled(self, side: Side) -> tuple[int, str]:
        began, eve = time.monotonic(), FIRST_NIGHT - ONE_DAY
        found = side.run(at(eve, 2), *BACKFILL)
        side.usual = time.monotonic() - began
        return found

    def content(self, day: dt.date) -> str:
        return (self.true / "sales" / f"{day}.csv").read_text(encoding="utf-8")

    def evening(self, *, is_again: bool) -> None:
        """Keep what there is before a night; or go back to it, where a night was interrupted."""
        now, before, yesterday = (self.folder / name for name in ("now", "before", "yesterday"))
        if is_again and before.exists():
            shutil.rmtree(now)
        else:
            shutil.rmtree(yesterday, ignore_errors=True)
            if before.exists():
                before.rename(yesterday)
            shutil.copytree(now, self.folder / "copying", symlinks=True)
            (self.folder / "copying").rename(before)
            return
        shutil.copytree(before, now, symlinks=True)

    def night(self, side: Side, day: dt.date, fault: Fault) -> Night:
        if fault.backfill is not None:
            return self._backfill_killed(side, day, fault)
        night = Night(day=day, fault=fault.name)
        known = dict(side.alerts()) if isinstance(side, Nightcart) else {}
        old = sum(side.wrong(day - ONE_DAY, self.truth))  # what an earlier night left is that one's
        self._delivered(side, day, fault)
        if fault.needs_training and isinstance(side, Nightcart):
            side.run(at(day, -6), "nightcart", "retrain", "--reason", "to see it fail", "--later")
        with fault.around(side, day) if fault.around else contextlib.nullcontext():
            with state.server(side, how=fault.server):
                self._tried(side, day, fault, night)
        with state.server(side):
            if isinstance(side, Nightcart):
                code, said = side.run(at(day, 6.5) + fault.clock, "nightcart", "watch")
                if code and "✗" in said:
                    night.said.append(said)
                night.said += [told for number, told in side.alerts() if number not in known]
            night.lists = side.state_of_lists(day)
            is_served = night.lists == "fresh"
            night.is_wrong = self._is_wrong(side, day, fault, old=old, is_served=is_served)
            self._corrected(side, day, fault)
            if night.is_told:
                self._mended(side, night)
        night.after = side.state_of_lists(day)
        night.is_wrong_after = self._is_wrong(side, day, GOOD, old=old, is_served=True)
        side.is_overwritten = False
        return night

    def _delivered(self, side: Side, day: dt.date, fault: Fault) -> None:
        if fault.catalogue:
            catalogue = fault.catalogue((self.true / "articles.csv").read_text(encoding="utf-8"))
            (side.folder / "articles.csv").write_text(catalogue, encoding="utf-8")
        if day == CLOSED_DAY:
            return
        before = day - ONE_DAY if day - ONE_DAY != CLOSED_DAY else day - 2 * ONE_DAY
        now = self.content(day)
        side.deliver(day, fault.files(day, now, self.content(before)) if fault.files else text(day, now))
        if fault.place:
            fault.place(side.sales, day)
        if fault.is_for_good:
            there = set((side.sales / f"{day}.csv").read_text(encoding="utf-8").splitlines())
            header, lines = rows(now)
            left = [line for line in lines if line in there]
            (self.true / "left").mkdir(exist_ok=True)
            (self.true / "left" / f"{day}.csv").write_text(joined(header, left), encoding="utf-8")
            self._is_true(day, left)

    def _is_true(self, day: dt.date, lines: Sequence[str]) -> None:
        cells = [line.split(",") for line in lines]
        self.truth[day] = Counter(line_of(day, c[0], c[1], c[2], c[4], c[5]) for c in cells)

    def _corrected(self, side: Side, day: dt.date, fault: Fault) -> None:
        shutil.copy(self.true / "articles.csv", side.folder)
        if day != CLOSED_DAY and not fault.is_for_good and (fault.files or fault.place):
            side.deliver(day, text(day, self.content(day)))

    def _is_wrong(self, side: Side, day: dt.date, fault: Fault, *, old: int, is_served: bool) -> bool:
        """Whether lists are served that should not be, or rows of a household that was forgotten are there."""
        if isinstance(side, Nightcart):
            if side.is_overwritten or set(side.forgotten) & set(side.listed("household_id")):
                return True
            if is_served and self._ruled_out & set(side.listed()):
                return True
        return is_served and (
            (fault.fresh_is_wrong and isinstance(side, Nightcart)) or sum(side.wrong(day, self.truth)) > old
        )

    @cached_property
    def _ruled_out(self) -> set[str]:
        lines = rows((self.true / "articles.csv").read_text(encoding="utf-8"))[1]
        return {line.split(",")[0] for line in lines if line.endswith(",SERVICES")}

    def _tried(self, side: Side, day: dt.date, fault: Fault, night: Night) -> None:
        when = at(day, fault.hour) + fault.clock
        command = side.night_command((when + dt.timedelta(hours=2) - ONE_DAY).date())
        running = []
        for turn in range(fault.times):
            since = time.time()
            started = when + turn * dt.timedelta(hours=1) * (not fault.is_at_once)
            process, log = side.start(started, *command, limits=fault.limits, **fault.variables)
            running.append((process, log))
            if fault.kill:
                state.until(fault.kill, side, process, log)
                time.sleep(0.1)
                night.came_too_late = not state.signalled(process, signal.SIGKILL)
            elif fault.during:
                night.came_too_late = not fault.during(side, day, process, log)
            if not fault.is_at_once:
                waited(process)
            if fault == GOOD:
                side.usual = time.time() - since
        for process, log in running:
            # Whoever is killed with all that is around it mails nothing.
            if waited(process) not in (0, -signal.SIGKILL):
                night.said.append(log.read_text(errors="replace"))

    def _backfill_killed(self, side: Side, day: dt.date, fault: Fault) -> Night:
        """The whole history anew, killed, and the same command again: told, for whoever typed it saw it die."""
        night = Night(day=day, fault=fault.name, said=["killed"], lists=NOT_TRIED, after=NOT_TRIED)
        if not isinstance(side, Nightcart) or fault.backfill is None:
            return night
        undisturbed = side.digests()
        shutil.rmtree(side.folder / "state")
        process, log = side.start(at(FIRST_NIGHT - ONE_DAY, 2), *BACKFILL)
        state.killed_at(fault.backfill)(side, day, process, log)
        waited(process)
        night.typed.append("the same command again")
        code, said = self._backfilled(side)
        night.lists = night.after = "fresh" if code == 0 else "unreadable"
        night.is_wrong = night.is_wrong_after = side.digests() != undisturbed
        night.said += [said] * bool(code)
        return night

    def _mended(self, side: Side, night: Night) -> None:
        """A person types what they were told; lists of wrong baskets, which they were warned of, are made again."""
        hour = 8.0
        if isinstance(side, Cron):
            side.run(at(night.day, hour), *side.night_command(night.day))
            night.typed.append("the script again")
            return
        said = night.said
        for _ in range(3):
            for part in sorted(set(BACKUP.findall(" ".join(" ".join(said).split())))):
                night.typed.append(f"{part} of the day before brought back")
                with state.restored(part)(side, night.day):
                    pass
            told = list(dict.fromkeys(command for text in said for command in COMMAND.findall(" ".join(text.split()))))
            told = [each for each in told if not re.match(LOOKS, each) and not re.search(r"[…{]|\b[A-Z]{4,}\b", each)]
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


BACKFILL = ("nightcart", "backfill", "--from", str(retailer.FIRST_DAY), "--to", str(FIRST_NIGHT - ONE_DAY))
LOOKS = r"nightcart (override|drift|decisions|status|models|--debug|use|init)|nightcart retrain(?! --reason)"


# ---------------------------------------------------------------------------------------------------------- the result


def in_words(night: Night, fault: Fault) -> str:
    if night.lists == NOT_TRIED:
        return NOT_TRIED
    if fault.is_harmless and night.lists == "fresh" and not night.is_wrong:
        return "fresh" + (", **false alarm**" if night.is_told and not (fault.times > 1) else "")
    if night.came_too_late and night.lists == "fresh":
        return "fresh, done before it"
    lists = {"fresh": "fresh", "marked": "marked", "old": "**lost**", "unreadable": "**unreadable**"}[night.lists]
    lists = "**wrong**" if night.is_wrong else lists
    after = "" if night.after == night.lists and night.is_wrong == night.is_wrong_after else f" → {night.after}"
    after += ", still **wrong**" if night.is_wrong_after else ""
    return f"{lists}, {'told' if night.is_told else 'not told'}{after}"


def totals(pairs: Sequence[tuple[Night, Fault]], ends: Sequence[Sequence[int]]) -> dict[str, object]:
    tried = [(night, fault) for night, fault in pairs if night.lists != NOT_TRIED]
    return {
        "nights": len(tried),
        "lost nights (neither new lists nor marked ones by the morning)": sum(n.is_lost for n, _ in tried),
        "nights with lists of wrong baskets, or that should not be": sum(n.is_wrong for n, _ in tried),
        "silent: lost or wrong, and nobody told": sum((n.is_lost or n.is_wrong) and not n.is_told for n, _ in tried),
        "false alarms (told, and nothing was wrong)": sum(
            n.is_told and f.is_harmless and f.times == 1 and not n.is_wrong and n.lists == "fresh" for n, f in tried
        ),
        "not good again after a person did what they were told": sum(
            n.is_told and not f.is_harmless and (n.after != "fresh" or n.is_wrong_after) for n, f in tried
        ),
        "lines lost at the end": sum(lost for lost, _ in ends),
        "lines doubled or foreign at the end": sum(more for _, more in ends),
    }


@dataclass(frozen=True)
class Results:
    """What became of the nights so far: a line of JSON each, in one file."""

    file: Path

    def add(self, part: str, number: int, side: Side, night: Night, wrong: tuple[int, int], **more: object) -> None:
        said = [text[-2_000:] for text in night.said]
        told = dataclasses.asdict(night) | {"day": str(night.day), "said": said}
        with self.file.open("a") as lines:
            about = {
                "part": part,
                "number": number,
                "side": side.name,
                "usual": side.usual,
                "forgotten": side.forgotten,
            }
            line = about | {"night": told, "wrong": wrong, **more}
            lines.write(json.dumps(line) + "\n")

    def rows(self, part: str) -> list[dict]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [row for row in map(json.loads, lines) if row["part"] == part]

    def tables(self) -> str:
        """All parts in Markdown: the sums, then night by night."""
        pairs: dict[str, list[tuple[Night, Fault]]] = {NIGHTCART: [], CRON: []}
        ends: dict[str, list[Sequence[int]]] = {NIGHTCART: [], CRON: []}
        told, notes = [], []
        for name, part in PARTS.items():
            found, last = self.rows(name), {}
            if why := part.left_out():
                notes.append(f"- **{name}** was left out: {why}.")
            for number, fault in enumerate(part.faults):
                cells = {}
                for row in [row for row in found if row["number"] == number]:
                    night = Night(**row["night"] | {"day": dt.date.fromisoformat(row["night"]["day"])})
                    last[row["side"]] = row
                    if (
                        row["side"] == CRON
                        and (part.is_of_nightcart or fault.is_of_nightcart)
                        and not fault.is_harmless
                    ):
                        cells[CRON] = OUT_OF_REACH
                        continue
                    pairs[row["side"]].append((night, fault))
                    cells[row["side"]] = in_words(night, fault)
                if cells:
                    told.append(
                        f"| {name} | {fault.name} | {cells.get(NIGHTCART, NOT_TRIED)} | {cells.get(CRON, NOT_TRIED)} |"
                    )
            for side, row in last.items():
                ends[side].append(row["wrong"])
            differ = [row["differ"] for row in found if "differ" in row]
            if part.has_twin and differ:
                notes.append(
                    f"- **{name}**: unlike the undisturbed twin's at the end are {', '.join(differ[-1]) or 'none of the tables'}."
                )
        sums = {side: totals(pairs[side], ends[side]) for side in pairs}
        counted = [f"| {name} | {sums[NIGHTCART][name]} | {sums[CRON][name]} |" for name in sums[NIGHTCART]]
        head = ["| | Nightcart | cron script |", "|---|---|---|"]
        return "\n".join(
            [*head, *counted, "", "| part | fault | Nightcart | cron script |", "|---|---|---|---|", *told, "", *notes]
        )


def tell(name: str, folder: Path, results: Results, *, most: int, only: str | None) -> int:
    """Go on with a part, for at most so many nights; how many were done."""
    story, done = Story(folder=folder, part=PARTS[name]), results.rows(name)
    begins = max((row["number"] for row in done), default=-1) + 1
    if begins >= len(story.faults) or most <= 0:
        return 0
    if why := story.part.left_out():
        print(f"{name}: left out, {why}")
        return 0
    sides = story.prepare()
    usual = {row["side"]: row["usual"] for row in done}
    forgotten = {row["side"]: row["forgotten"] for row in done}
    for side in sides:
        side.usual, side.forgotten = usual.get(side.name, side.usual), forgotten.get(side.name, [])
    is_again = (folder / "begun").exists() and (folder / "begun").read_text() == str(begins)
    for number in range(begins, min(begins + most, len(story.faults))):
        fault, day = story.faults[number], FIRST_NIGHT + number * ONE_DAY
        story.evening(is_again=is_again and number == begins)
        (folder / "begun").write_text(str(number))
        nights = {
            side.name: story.night(side, day, GOOD if side.name == TWIN else fault)
            for side in sides
            if only in (None, side.name) or side.name == TWIN
        }
        differ: dict[str, object] = {}
        if story.part.has_twin and number == len(story.faults) - 1:
            mine, other = (side.digests() for side in sides if isinstance(side, Nightcart))
            differ = {"differ": sorted(table for table in {*mine, *other} if mine.get(table) != other.get(table))}
        for side in [side for side in sides if side.name in nights and side.name != TWIN]:
            night = nights[side.name]
            wrong = side.wrong(day, story.truth) if fault.backfill is None else (0, 0)  # no day of them was delivered
            results.add(name, number, side, night, wrong, **differ)
            words = in_words(night, fault)
            print(f"{name}: {fault.name or 'good':<44} {side.name:<12} {words}  {night.typed}", flush=True)
    return min(most, len(story.faults) - begins)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS), help="only these parts")
    parser.add_argument("--nights", type=int, default=1_000, help="at most so many more, then stop")
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path(tempfile.gettempdir(), "nightcart-bad-nights"),
        help="the folder of all that is made; to begin anew, remove it",
    )
    parser.add_argument("--side", choices=[NIGHTCART, CRON], help="only this one")
    parser.add_argument("--report", action="store_true", help="only print the tables of what was done so far")
    given = parser.parse_args()
    folder = given.keep.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results, most = Results(folder / "results.jsonl"), given.nights
    for name in [] if given.report else given.part:
        os.environ["NIGHTCART_HOME"] = str(folder / name / "now" / "nightcart" / "state")
        (folder / name).mkdir(exist_ok=True)
        most -= tell(name, folder / name, results, most=most, only=given.side)
    print(results.tables())


if __name__ == "__main__":
    main()
