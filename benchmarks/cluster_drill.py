"""What a cluster does to pods, done on purpose: each cell stops a night at a point, does it something, and looks at what is left.

    python benchmarks/cluster_store.py ADDRESS PORT FOLDER/fault                      the store, which fails when it is told to
    python benchmarks/cluster.py --folder … --image … --postgres … --s3 …          installs, once
    python benchmarks/cluster_drill.py --folder … … [--only WORDS …]                 goes on where it stopped
    python benchmarks/cluster_drill.py --folder … … --report                         writes cluster_drill.md

A cell is of a night (the next one), or of a stage of it alone, which takes less time: the lists made and published again, the next
day taken in, or a challenger trained and decided on for a night that has none. It passes when the run that was hit is terminal within 90 s of the blow, the night
is made good by itself (by nobody, where a person ended it), no line is lost or doubled, nothing is left in progress, nothing is
written after a termination, and a run that wakes up late is refused.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cluster
from cluster import Cluster, kubectl

WITHOUT = {
    "training_examples",
    "challenger",
    "champion",
    "realised_performance",
    "drift_signals",
    "retraining_decision",
}
# What is run, and where it is hit: the step with its table or version, and what makes it public.
STAGES = {
    "night": ("recommendations", "published_recommendations", None),
    "lists": ("recommendations", "published_recommendations", ["recommendations", "published_recommendations"]),
    "intake": ("transactions", None, ["transactions", "products"]),
    "training": ("challenger", "champion", ["training_examples", "challenger", "champion"]),
}
POINTS = (
    "in the middle of a write",
    "in the publication",
    "after the commit",
    "after a step's start",
    "before the first event",
)
BLOWS = ("deleted with grace", "deleted without", "out of memory", "evicted", "ended by a person", "zombie")
FAULTS = {  # what the store does for 20 s, and the word of it in cluster_store.py
    "the store gone for 20 s": "gone",
    "the store answers 503 for 20 s": "503",
    "the store answers 500 for 20 s": "500",
    "the store slow for 20 s": "slow",
}
BESIDE = ("Postgres restarted", *FAULTS, "the daemon deleted", "the code location deleted")
MENDED = (
    "What failed first, and was mended before it passed: a training that woke up between its files and its version registered a second "
    "version; a run that slept between its step's start and its token, and was made again meanwhile, took the later token and published; and, "
    "by hand, a drained node that had the code location too lost the night, whose retry Dagster gave up."
)
LIMIT = 90  # seconds until a run that was hit is terminal
PATIENCE = 420  # seconds until a night is made good
FIRST_NIGHT, LATEST = dt.date(2024, 4, 8), dt.date(2024, 5, 8)
LAUNCH = """
mutation($day: String!, $job: String!, $assets: [AssetKeyInput!], $checks: [AssetCheckHandleInput!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "nightcart", repositoryName: "__repository__", jobName: $job,
               assetSelection: $assets, assetCheckSelection: $checks}
    executionMetadata: {tags: [{key: "dagster/partition", value: $day}]}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
       ... on InvalidSubsetError { message } ... on RunConfigValidationInvalid { errors { message } } }
}
"""
# Runs in the daemon's pod, whose account may end runs; a line is a request, and so is an answer.
AGENT = """
import json, logging, sys
logging.disable(logging.WARNING)
import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.cli import execute_query
with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(
    instance, WorkspaceFileTarget(["/opt/nightcart/workspace/workspace.yaml"])
) as process:
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        kind, asked = json.loads(line)
        try:
            if kind == "end":
                said = instance.run_launcher.terminate(asked)
            elif kind == "dead":
                instance.report_run_failed(instance.get_run_by_id(asked), message="Taken for dead: its node does not answer.")
                said = True
            else:
                location = process.create_request_context().get_code_location("nightcart")
                graph = location.get_repository("__repository__").asset_graph
                keys = {key for key in graph.materializable_asset_keys if key.path[-1] in asked["assets"] or not asked["assets"]}
                keys = {key for key in keys if key.path[-1] not in asked["without"]}
                checks = [key for key in graph.asset_check_keys if key.name != "no_open_incident" and key.asset_key in keys]
                said = execute_query(process, asked["query"], {
                    "day": asked["day"], "job": asked["job"], "assets": [{"path": key.path} for key in keys],
                    "checks": [{"assetKey": {"path": key.asset_key.path}, "name": key.name} for key in checks],
                })
        except Exception as error:
            said = {"error": repr(error)}
        print(json.dumps(said), flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of a cell."""

    cell: str
    day: str
    end: str = ""  # of the run that was hit
    seconds: float | None = None  # from the blow until then
    said: str = ""
    good_after: float | None = None  # seconds until the night was made good, by which run
    wrong: tuple[str, ...] = ()


class Agent:
    """Asks Dagster from within the cluster."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, kind: str, asked: Any) -> Any:
        """The answer; an agent whose pod is gone is begun anew."""
        for _ in range(20):
            try:
                process = self._there()
                assert process.stdin
                process.stdin.write(json.dumps([kind, asked]) + "\n")
                process.stdin.flush()
                return self._heard(process)
            except (OSError, ValueError):
                self.end()
                time.sleep(3)
        raise RuntimeError("No daemon to ask.")

    def _there(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            command = [
                "kubectl",
                "-n",
                cluster.NAMESPACE,
                "exec",
                "-i",
                "deploy/nightcart-daemon",
                "--",
                "python",
                "-c",
                AGENT,
            ]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._heard(self.process)
        return self.process

    def _heard(self, process: subprocess.Popen[str]) -> Any:
        assert process.stdout
        while line := process.stdout.readline():
            with contextlib.suppress(ValueError):
                return json.loads(line)
        raise OSError

    def end(self) -> None:
        """End it."""
        if self.process:
            self.process.kill()
            self.process = None


class Drill:
    """The cells on one cluster, over the state that `place` has."""

    def __init__(self, place: Cluster, restart_postgres: str | None) -> None:
        import dagster as dg

        self.place, self.hooks, self.agent = place, place.folder / "drill", Agent()
        self.restart_postgres = restart_postgres
        home = place.folder / "home"
        home.mkdir(exist_ok=True)
        shutil.copy(cluster.PROJECT / "deploy/dagster.yaml", home / "dagster.yaml")
        os.environ.update(place.settings | place.secrets | {"NIGHTCART_ENVIRONMENT": "production"})
        self.instance = dg.DagsterInstance.from_config(str(home))
        self.results = place.folder / "drill.jsonl"

    def known(self) -> list[Found]:
        """The cells that are done."""
        lines = self.results.read_text().splitlines() if self.results.exists() else []
        return [Found(**{**json.loads(line), "wrong": tuple(json.loads(line)["wrong"])}) for line in lines]

    # ------------------------------------------------------------------------------------------------- runs

    def launch(self, day: dt.date, *, assets: list[str] | None = None, without: Iterable[str] = WITHOUT) -> str:
        """Ask for the night of `day`, or for some assets of it; the run's id."""
        for name in ("code", "daemon"):  # the cell before may have deleted it
            kubectl("rollout", "status", f"deployment/nightcart-{name}", "--timeout=300s")
        left_out = [] if assets else [*without]
        asked = {"query": LAUNCH, "day": str(day), "job": "nightly", "assets": assets or [], "without": left_out}
        said = self.agent("launch", asked)
        try:
            return said["data"]["launchRun"]["run"]["runId"]
        except (KeyError, TypeError) as error:
            raise RuntimeError(f"Not launched: {said}") from error

    def status(self, run_id: str) -> str:
        """Of a run."""
        for _ in range(30):
            with contextlib.suppress(Exception):  # the database is away, which may be the blow
                run = self.instance.get_run_by_id(run_id)
                return run.status.value if run else ""
            time.sleep(1)
        return ""

    def ended(self, run_id: str, *, within: float) -> str:
        """The status of a run once it is terminal, or what it is when that takes too long."""
        return self._until(
            lambda: self.status(run_id), lambda status: status in ("SUCCESS", "FAILURE", "CANCELED"), within
        )

    def family(self, run_id: str) -> list[Any]:
        """The run and what was started again from it, the oldest first."""
        import dagster as dg

        runs = self.instance.get_runs(dg.RunsFilter(tags={"dagster/root_run_id": run_id}))
        first = self.instance.get_run_by_id(run_id)
        return [*([first] if first else []), *reversed(runs)]

    def good(self, run_id: str, *, within: float) -> bool:
        """Whether one of the family comes to a good end."""

        def has_good(_: object = None) -> bool:
            with contextlib.suppress(Exception):
                return any(run.status.value == "SUCCESS" for run in self.family(run_id))
            return False

        return self._until(has_good, bool, within)

    @staticmethod
    def _until(ask: Callable[[], Any], is_so: Callable[[Any], bool], within: float) -> Any:
        until = time.time() + within
        while not is_so(found := ask()) and time.time() < until:
            time.sleep(0.5)
        return found

    # ------------------------------------------------------------------------------------------------ cells

    def run(self, stage: str, point: str, blow: str) -> Found:
        """One cell."""
        day, (hit, public, assets) = self.day_of(stage), STAGES[stage]
        for name in ("order.json", "taken.json", "at.json", "go"):
            (self.hooks / name).unlink(missing_ok=True)
        order = {"point": point, "oom": blow == "out of memory", "patience": 200}
        if point != "before the first event":
            order["table"] = public if point == "in the publication" else hit
        (self.hooks / "order.new").write_text(json.dumps(order))
        (self.hooks / "order.new").rename(self.hooks / "order.json")
        before, run_id = self.versions(), self.launch(day, assets=assets)
        found: dict[str, Any] = {"cell": name_of(stage, point, blow), "day": str(day)}
        reached = self._until(lambda: (self.hooks / "at.json").exists(), bool, 400)
        if not reached:
            (self.hooks / "order.json").unlink(missing_ok=True)
            return Found(**found, wrong=(f"the point was not reached: {self.ended(run_id, within=60)}",))
        pod, began = json.loads((self.hooks / "at.json").read_text())["pod"], time.time()
        process, slept = self.strike(blow, run_id, pod), run_id
        end, wrong = self.ended(run_id, within=150), []
        seconds = round(time.time() - began, 1)
        if end not in ("SUCCESS", "FAILURE", "CANCELED"):
            wrong.append(f"still {end} after 150 s")
        elif seconds > LIMIT and end != "SUCCESS":  # a pod that the cluster replaces may simply go on
            wrong.append(f"terminal after {seconds:.0f} s")
        if blow == "ended by a person":
            wrong += self.nothing_more(run_id, before if point == "before the first event" else None)
            run_id = self.launch(day, assets=assets)
        is_good = self.good(run_id, within=PATIENCE)
        good_after = round(time.time() - began, 1)
        if not is_good:
            wrong.append("not made good by itself: " + ", ".join(run.status.value for run in self.family(run_id)))
        if process:
            wrong += self.wake(process, pod, slept)
        wrong += self.decided(day) if stage == "training" else self.lines(day, is_intake=stage == "intake")
        wrong += self.in_progress()
        return Found(
            **found,
            end=end,
            seconds=seconds,
            said=self.said(run_id),
            good_after=good_after if is_good else None,
            wrong=tuple(wrong),
        )

    def strike(self, blow: str, run_id: str, pod: str) -> int | None:
        """Do it; of a zombie, the process that sleeps."""
        if blow == "deleted with grace":
            kubectl("delete", "pod", pod, "--wait=false")
        elif blow == "deleted without":
            kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false", check=False)
        elif blow == "evicted":
            eviction = {
                "apiVersion": "policy/v1beta1",
                "kind": "Eviction",
                "metadata": {"name": pod, "namespace": cluster.NAMESPACE},
            }
            where = f"/api/v1/namespaces/{cluster.NAMESPACE}/pods/{pod}/eviction"
            kubectl("create", "--raw", where, "-f", "-", given=json.dumps(eviction))
        elif blow == "ended by a person":
            self.agent("end", run_id)
        elif blow == "zombie":
            process = process_of(pod)
            os.kill(process, signal.SIGSTOP)
            self.agent("dead", run_id)
            return process
        elif blow == "the daemon deleted":
            kubectl("delete", "pod", "-l", "app.kubernetes.io/name=nightcart-daemon", "--wait=false")
        elif blow == "the code location deleted":
            kubectl("delete", "pod", "-l", "app.kubernetes.io/name=nightcart-code", "--wait=false")
        elif blow in FAULTS:
            fault = self.place.folder / "fault"
            fault.write_text(FAULTS[blow])
            threading.Timer(20, fault.unlink).start()
        (self.hooks / "go").touch() if blow in BESIDE else None
        if blow == "Postgres restarted" and self.restart_postgres:
            subprocess.run(self.restart_postgres, shell=True, check=True)
        return None

    def wake(self, process: int, pod: str, run_id: str) -> list[str]:
        """Wake a run whose successor has published, and see that it is refused."""
        before = self.versions()
        (self.hooks / "go").touch()
        os.kill(process, signal.SIGCONT)
        is_over = self._until(lambda: not Path(f"/proc/{process}").exists(), bool, 120)
        wrong = [] if is_over else ["the zombie is still at work after 120 s"]
        if (after := self.versions()) != before:
            wrong.append(f"the zombie wrote {sorted(key for key in after if after[key] != before.get(key))}")
        log = kubectl("logs", pod, check=False)
        for entry in self.instance.all_logs(run_id):  # before its first event, it has no other
            log += entry.dagster_event.message or "" if entry.dagster_event else ""
        refused = (
            "which began after this one",
            "while it slept",
            "Ignoring a duplicate run",
            "after the run had already finished",
        )
        if not any(words in log for words in refused):
            wrong.append("the zombie does not say that it was refused")
        return wrong

    def nothing_more(self, run_id: str, before: dict[str, int] | None) -> list[str]:
        """What is wrong after a person's word: writes, or a run that begins again."""
        versions = before or self.versions()
        time.sleep(20)
        wrong = [] if len(self.family(run_id)) == 1 else ["a run that a person ended was started again"]
        return wrong + ([] if self.versions() == versions else ["written after the termination"])

    # ---------------------------------------------------------------------------------------------- looking

    def day_of(self, stage: str) -> dt.date:
        """The day of a cell: that of the lists that are served, or the next one, of nights or of lines."""
        served = self.tables().read("published_recommendations").made_on.max().execute()
        if stage == "training":
            latest = max(record.business_date for record in self.operations().promotions())
            if latest >= dt.date.fromisoformat(
                str(served)[:10]
            ):  # every night has one: another night, which nothing happens to
                return self.day_after_a_night()
            return latest + dt.timedelta(days=1)
        if stage == "intake":
            days = [day for day in self.tables().rows_by_day("transactions") if day and day < LATEST]
            return max(days) + dt.timedelta(days=1)
        return dt.date.fromisoformat(str(served)[:10]) + dt.timedelta(days=stage == "night")

    def day_after_a_night(self) -> dt.date:
        """The day of a night that is made for a training to be of it."""
        day = self.day_of("night")
        if (end := self.ended(self.launch(day), within=600)) != "SUCCESS":
            raise RuntimeError(f"The night of {day}: {end}")
        return day

    def operations(self) -> Any:
        """The records, from outside."""
        from resources.records.store import OperationsDatabase

        return OperationsDatabase(url=self.place.secrets["NIGHTCART_OPERATIONS_URL"])

    def registry(self) -> Any:
        """The models' registry, from outside."""
        from resources.models.registry import ModelRegistry

        name = tomllib.loads((self.place.folder / "shop" / "corner_shop.toml").read_text())["name"]
        return ModelRegistry(name=f"{name}_recommender", tracking_uri=self.place.secrets["MLFLOW_TRACKING_URI"])

    def tables(self) -> Any:
        """The store, from outside."""
        from resources.tables.store import TableStore

        return TableStore(root=self.place.settings["NIGHTCART_TABLES"])

    def versions(self) -> dict[str, int]:
        """Of the tables that a night writes."""
        tables = self.tables()
        names = (
            "transactions",
            "recommendations",
            "published_recommendations",
            "household_features",
            "product_features",
        )
        written = {name: tables.version(name) for name in names if tables.exists(name)}
        return written | {
            "versions": len(self.registry().versions()),
            "promotions": len(self.operations().promotions()),
        }

    def decided(self, day: dt.date) -> list[str]:
        """What is wrong with the decision of a day, and with the versions that it is about."""
        ledger = [record for record in self.operations().promotions() if record.business_date == day]
        made = [
            each.version for each in self.registry().versions() if each.tags.get("nightcart.business_date") == str(day)
        ]
        wrong = [] if len(ledger) == 1 else [f"{len(ledger)} decisions of {day}"]
        if len(made) != 1 or (ledger and ledger[-1].challenger != made[0]):
            wrong.append(f"versions {made} of {day}, decided on {[record.challenger for record in ledger]}")
        if self.registry().aliased("champion") != self.operations().promotions()[-1].champion_after:
            wrong.append("the alias is not what was decided")
        return wrong

    def lines(self, day: dt.date, *, is_intake: bool) -> list[str]:
        """What was lost or doubled of a day."""
        tables = self.tables()
        delivered = len((self.place.folder / "shop" / "sales" / f"{day}.csv").read_text().splitlines()) - 1
        rows = tables.read("transactions", since=day, until=day)
        kept, distinct = rows.count().execute(), rows.distinct().count().execute()
        wrong = [] if kept == distinct == delivered else [f"{kept} lines ({distinct} different) of {delivered}"]
        if is_intake:
            return wrong
        lists = tables.read("recommendations", since=day, until=day)
        offered = lists.count().execute()
        places = lists.select("household_id", "product_id").distinct().count().execute()
        served = tables.read("published_recommendations")
        if not offered or offered != places:
            wrong.append(f"{offered} places of lists, {places} different")
        if served.count().execute() != offered or str(served.made_on.max().execute())[:10] != str(day):
            wrong.append("what is served is not the lists of the night")
        return wrong

    def in_progress(self) -> list[str]:
        """Runs and steps that nobody ends."""
        import dagster as dg

        over = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        left = [run for run in self.instance.get_runs(limit=30) if run.status not in over]
        return [f"{len(left)} runs in progress"] if left else []

    def said(self, run_id: str) -> str:
        """What the end of a run is told with."""
        from orchestration.runs.outcomes import end_of, failures

        runs = [run for run in self.family(run_id) if run.status.value == "FAILURE"]
        if not runs:
            return ""
        told = [each.message for each in failures(self.instance, runs[0].run_id)]
        return " | ".join(told or [end_of(self.instance, runs[0].run_id)])[:300]


def process_of(pod: str) -> int:
    """The process of a run in a pod, as the node numbers it."""
    kubectl(
        "wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s"
    )  # at its very beginning it has no number yet
    container = json.loads(kubectl("get", "pod", pod, "-o", "json"))["status"]["containerStatuses"][0]["containerID"]
    name = container.rpartition("/")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name in (folder / "cgroup").read_text() and b"execute_run" in (folder / "cmdline").read_bytes():
                return int(folder.name)
    raise RuntimeError(f"No process of {pod} on this machine.")


def cells(only: Iterable[str] = ("",)) -> list[tuple[str, str, str]]:
    """All cells whose name has some of the words, in the words' order."""
    every = []
    for stage in STAGES:
        points = [point for point in POINTS if STAGES[stage][1] or point != "in the publication"]
        beside = itertools.product(points[:-1], BESIDE)
        blows = [*itertools.product(points[:-1], BLOWS), *beside, *itertools.product(points[-1:], BLOWS)]
        every += [(stage, point, blow) for point, blow in blows]
    return list(dict.fromkeys(cell for words in only for cell in every if words in name_of(*cell)))


def name_of(stage: str, point: str, blow: str) -> str:
    """What a cell is called."""
    return f"{stage}: {point} × {blow}"


def report(found: list[Found]) -> str:
    """The table, and what of it was not run."""
    passed = sum(not each.wrong for each in found)
    every = [name_of(*cell) for cell in cells()]
    left = set(every) - {each.cell for each in found}
    lines = [
        "# Pods that were hit",
        "",
        f"`benchmarks/cluster_drill.py`, on one or two nodes: {passed} of {len(found)} cells pass; {len(left)} of {len(every)} were not run. "
        "Seconds are from the blow: *terminal* is the run that was hit, *good* the work done by the run in its place. A pod that is deleted "
        "before its run began is replaced by a cluster this old (1.20), and does the work itself: SUCCESS.",
        "",
        MENDED,
        "",
        "| cell | end | terminal | good | what is told | wrong |",
        "|---|---|--:|--:|---|---|",
    ]
    for each in found:
        said = each.said.replace("|", "/").replace("\n", " ")[:110]
        lines.append(
            f"| {each.cell} | {each.end} | {each.seconds or ''} | {each.good_after or ''} | {said} | {'; '.join(each.wrong)} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Prepare what is not, run what is left, write the table."""
    parser = cluster.with_options(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    )
    parser.add_argument("--only", nargs="*", default=[""], help="cells whose name has some of these, in this order")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--until", type=coming, help="HH:MM, UTC: no cell begins after it")
    parser.add_argument("--restart-postgres", help="the command that restarts it")
    options = parser.parse_args()
    drill = Drill(cluster.of(options), options.restart_postgres)
    if not options.report:
        done = drill.known()
        if not drill.tables().exists("published_recommendations"):
            prepare(drill)
        for stage, point, blow in cells(options.only):
            if any(each.cell == name_of(stage, point, blow) for each in done):
                continue
            if options.until and dt.datetime.now(dt.UTC) >= options.until:
                break
            if blow == "Postgres restarted" and not drill.restart_postgres:
                continue
            one = drill.run(stage, point, blow)
            with drill.results.open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")
            print(one, flush=True)
        drill.agent.end()
    (Path(__file__).with_suffix(".md")).write_text(report(drill.known()))


def coming(clock: str) -> dt.datetime:
    """The next moment at which a clock of UTC shows this: after midnight, if it has shown it today."""
    now = dt.datetime.now(dt.UTC)
    today = dt.datetime.combine(now, dt.time.fromisoformat(clock), dt.UTC)
    return today if today > now else today + dt.timedelta(days=1)


def prepare(drill: Drill) -> None:
    """The history and the first night, whose champion serves the others."""
    kubectl(
        "exec",
        "deploy/nightcart-code",
        "--",
        "nightcart",
        "backfill",
        "--from",
        "2024-01-01",
        "--to",
        str(FIRST_NIGHT - dt.timedelta(days=1)),
    )
    first = drill.launch(FIRST_NIGHT, without=())
    if drill.ended(first, within=600) != "SUCCESS":
        raise SystemExit(f"The first night did not end well: {drill.said(first)}")


if __name__ == "__main__":
    main()
