"""What `nightcart doctor` looks at: everything outside that a night needs, each whatever the others are like.

Nothing is changed but for a small file or object that is written and removed again. No line has a secret: places are named by
their variables.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from orchestration.reports import doctor_databases as databases
from orchestration.reports.report import Report
from resources import home
from resources.config.deployment import DeploymentConfig, load_deployment
from resources.config.feeds import FeedConfig
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.errors import NightcartError, Refused, Unavailable, of_the_machine
from resources.feeds import landing, sources
from resources.provenance import code_version
from resources.tables import engine, object_store
from resources.text import on_one_line, plural, without_secrets

LIBRARIES = ("duckdb", "deltalake", "pyarrow", "lightgbm", "regopy", "mlflow")
OF_PRODUCTION = ("psycopg", "psycopg2", "dagster_postgres")
OF_A_STORE = ("boto3", "s3fs")
# Of the system, not of Python: in which package Debian has what libraries of ours are linked against.
PACKAGES = {"libgomp.so.1": "libgomp1", "libatomic.so.1": "libatomic1"}
LEAST_FREE = 1 << 30  # bytes: below it the first query that spills fails


@dataclass(frozen=True, kw_only=True)
class Finding(Report):
    """What was looked at, whether it is well, what was seen of it, and what to do where it is not."""

    name: str
    is_well: bool
    says: str
    remedy: str = ""
    is_worth_retrying: bool = False


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Report):
    """All findings."""

    is_well: bool
    findings: Sequence[Finding]


def examine() -> Iterator[Finding]:
    """Look at one after the other; when settings are wrong, at nothing else."""
    settings, places = None, None

    def read() -> str:
        nonlocal settings, places
        settings = load_settings()
        places = load_deployment().of(name=settings.name, state=home.state())
        return (
            f"{home.config_file()}, {places.environment}; Nightcart {code_version()} on Python {sys.version.split()[0]}"
        )

    yield _finding("settings", read)
    if settings and places:
        for name, look in _looks(settings, places):
            yield _finding(name, look)


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name=name, is_well=True, says=without_secrets(look()))
    except Exception as error:  # whatever it is, it is a line of the report, and hides no other
        known = error if isinstance(error, NightcartError) else of_the_machine(error)
        if known is None:
            says = without_secrets(on_one_line(str(error).strip().partition("\n")[0]))
            return Finding(
                name=name, is_well=False, says=f"{type(error).__name__}: {says}", remedy="`nightcart --debug doctor`."
            )
        return Finding(
            name=name,
            is_well=False,
            says=known.message,
            remedy=known.remedy,
            is_worth_retrying=known.is_worth_retrying,
        )


def _looks(settings: Settings, places: DeploymentConfig) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is looked at, with the look."""
    is_production = places.environment == "production"
    stores = [places.tables, places.raw, places.mlflow_artifacts or ""]
    libraries = [
        *LIBRARIES,
        *OF_PRODUCTION * is_production,
        *OF_A_STORE * any(place.startswith("s3:") for place in stores),
    ]
    records, models = places.operations_url.get_secret_value(), places.mlflow_tracking_uri
    yield "libraries", functools.partial(_libraries, libraries)
    yield "disk", _disk
    yield (
        "records",
        lambda: databases.examined(records, variable="NIGHTCART_OPERATIONS_URL", schema=databases.of_records),
    )
    if models.startswith("http"):
        yield "models", functools.partial(_mlflow_server, models)
    else:
        yield "models", lambda: databases.examined(models, variable="MLFLOW_TRACKING_URI", schema=databases.of_models)
    yield "runs", functools.partial(_dagster, places)
    yield "tables", functools.partial(_place, places.tables, "NIGHTCART_TABLES", has_commits=True)
    yield "raw copies", functools.partial(_place, places.raw, "NIGHTCART_RAW")
    if places.mlflow_artifacts:
        yield "models' files", functools.partial(_place, places.mlflow_artifacts, "NIGHTCART_MLFLOW_ARTIFACTS")
    if places.engine == "spark":
        yield "spark", lambda: engine.spark().described()
    yield "erasure key", functools.partial(_erasure_key, records, is_production=is_production)
    for name in ("transactions", "products", "households", "offers"):
        if feed := getattr(settings, name):
            yield f"feed of {name}", functools.partial(_feed, feed)
    if place := settings.landing:
        yield "landing place", lambda: f"{plural(len(landing.look(place)), 'file')} there"
    yield "policy", functools.partial(_policy, settings)
    yield "alerts", functools.partial(_alerts, settings.alerts.urls_in)


def _libraries(names: Sequence[str]) -> str:
    versions = []
    for name in names:
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError) as error:
            found = re.search(r"lib[\w.+-]+\.so[.\d]*", str(error))
            if found is None:
                raise Refused(
                    f"{name} is not installed.", remedy="`uv sync --extra production`, or build the image anew."
                ) from error
            package = PACKAGES.get(found[0], found[0])
            raise Refused(
                f"{name} does not load: the system lacks {found[0]}.",
                remedy=f"`apt-get install {package}`, or what the system calls it; deploy/Dockerfile has it.",
            ) from error
        versions.append(f"{name} {getattr(module, '__version__', '')}".partition(" (")[0].strip())
    return ", ".join(versions)


def _disk() -> str:
    folder = home.state()
    _written(folder)
    disk = shutil.disk_usage(folder)
    if disk.free < LEAST_FREE:
        raise Refused(
            f"{folder} has {disk.free >> 20:,} MB left.", remedy="make room, or name another folder in NIGHTCART_HOME."
        )
    return f"{folder}, {disk.free >> 30:,} of {disk.total >> 30:,} GB free"


def _written(folder: Path) -> None:
    """Write, read and remove a file; raises what the machine says."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f".nightcart-doctor-{uuid.uuid4().hex}"
    try:
        file.write_bytes(b"well")
    finally:
        file.unlink(missing_ok=True)


def _mlflow_server(uri: str) -> str:
    import httpx
    import mlflow

    try:
        answer = httpx.get(f"{uri.rstrip('/')}/version", timeout=10).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(
            "The server of MLFLOW_TRACKING_URI does not answer, or does not let us in.",
            remedy="see whether it runs, and whether host, port, user and password are right in MLFLOW_TRACKING_URI.",
        ) from error
    theirs, ours = answer.text.strip(), mlflow.__version__
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise Refused(
            f"The server of MLFLOW_TRACKING_URI is MLflow {theirs[:20]}, and {ours} is installed here.",
            remedy="run the same version on both.",
        )
    return f"a server with MLflow {theirs}"


def _dagster(places: DeploymentConfig) -> str:
    import dagster as dg

    folder = os.environ.get("DAGSTER_HOME", "")
    if not Path(folder).is_dir():
        raise Refused(
            f"DAGSTER_HOME is {folder or 'not set'}, and there is no such folder.",
            remedy="mount it, or unset DAGSTER_HOME: then it is made by itself.",
        )
    with dg.DagsterInstance.get() as instance:
        schema = databases.of_runs(instance)
        if places.environment != "production":
            return f"in {folder}, {schema}"
        if not hasattr(instance.run_storage, "postgres_url") or not places.dagster_url:
            raise Refused(
                f"The instance in DAGSTER_HOME ({folder}) keeps its history on this machine.",
                remedy="mount deploy/dagster.yaml there, or unset DAGSTER_HOME: then it is linked by itself.",
            )
        return databases.examined(
            places.dagster_url.get_secret_value(), variable="NIGHTCART_DAGSTER_URL", schema=lambda _: schema
        )


def _place(place: str, variable: str, *, has_commits: bool = False) -> str:
    """A place that is written and read back; one where tables are committed keeps what commits stand on."""
    if not object_store.is_url(place) or place.startswith("file:"):
        _written(Path(unquote(place.removeprefix("file://")) if place.startswith("file:") else place))
        return f"{place}, can be written"
    if not place.startswith("s3:"):
        return f"{place}, not looked at: only S3 is"
    if has_commits:
        from resources.tables.proving import require_promises

        return f"{place}, can be written and {plural(len(require_promises(place)), 'promise')} of commits kept"
    filesystem, path = object_store.filesystem(place)
    probe = f"{path.rstrip('/')}/.nightcart-doctor-{uuid.uuid4().hex}"
    with landing.reached(f"{variable} ({place})"):
        filesystem.pipe_file(probe, b"well")
        try:
            assert filesystem.cat_file(probe) == b"well"
        finally:
            filesystem.rm_file(probe)
    return f"{place}, can be written"


def _erasure_key(records: str, *, is_production: bool) -> str:
    from assets.privacy.suppression import key_id, load_key
    from resources.records.privacy import Erasure
    from resources.records.store import OperationsDatabase

    known = OperationsDatabase(url=records).records(Erasure)
    if not known and not is_production:
        return "made when somebody is forgotten"
    key = load_key(known, home.erasure_key())
    forgotten = len({each.household for each in known})
    return f"{key_id(key)[:8]}, by which {plural(forgotten, 'forgotten household')} is known again".replace(
        "households is", "households are"
    )


def _feed(feed: FeedConfig) -> str:
    from resources.feeds.reader import FeedReader

    where = sources.where(feed)
    if feed.is_dated:
        for path in feed.path:
            folder = home.PROJECT / re.split(r"[*?{\[]", path)[0].rpartition("/")[0]
            if "://" not in path and not folder.is_dir():
                raise Refused(
                    f"There is no folder {folder}.", remedy="mount it, or correct `path` in the configuration."
                )
        return f"{where}, asked for its days by night"
    if not (found := FeedReader(raw=home.state() / "raw").locate(feed)):
        raise Refused(f"No file matches {where}.", remedy="deliver it, or correct `path` in the configuration.")
    return f"{where}, {plural(len(found), 'file')}"


def _policy(settings: Settings) -> str:
    from orchestration.reports.governance import rule_tests
    from resources.policy.client import Policy

    policy = Policy(folder=str(home.PROJECT / settings.policy.path), server=settings.policy.server)
    report = rule_tests(policy)
    if report.failed:
        raise Refused(
            f"{report.failed} of {plural(len(report.tests), 'test')} of the policy fail: it decides nothing.",
            remedy="`nightcart policy test` names them.",
        )
    return f"{plural(len(report.tests), 'test')} passed, digest {policy.digest()[:12]}"


def _alerts(urls_in: str) -> str:
    urls = os.environ.get(urls_in, "").split()
    if not urls:
        return f"only the log is told: {urls_in} is not set"
    with contextlib.suppress(ImportError):
        import apprise

        wrong = [url.partition("://")[0] for url in urls if not apprise.Apprise().add(url)]
        if wrong:
            raise Refused(
                f"{urls_in} has addresses that apprise does not understand ({', '.join(wrong)}).",
                remedy="write them as apprise does: https://github.com/caronc/apprise/wiki.",
            )
        return f"{plural(len(urls), 'address')} understood; none was told anything".replace("addresss", "addresses")
    raise Refused(
        f"{urls_in} names addresses, and the library that writes to them is not installed.",
        remedy="`uv sync --extra alerts`.",
    )
