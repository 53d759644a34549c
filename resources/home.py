"""Where the state of the retailer in use is, and the variables that tell other programs so.

`nightcart` sets the variables in its own process (:func:`enter`). The tools' own commands read them from the `.env` of the project's
folder (:func:`write_env`; every `dg` and `dagster` command does, `mlflow --env-file .env` too). For another retailer or state
folder than the one that `.env` names, `python -m resources.home COMMAND …` runs a command with the right variables.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from resources.errors import Refused

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_CONFIG = PROJECT / "config" / "complete_journey.toml"
MLFLOW_DATABASE = "sqlite:///{state}/mlflow/mlflow.db"
ERASURE_KEY = "[0-9a-fA-F]{64}"
NOT_IN_A_PATH = "%?#*[]"  # what an SQLite URL or a glob of DuckDB's takes for something else

# How libraries behave in every process of ours.
LIBRARIES = {
    # No library phones home from a retailer's network.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    # A server of MLflow's that is down is told within seconds, and the asset is tried again: by itself MLflow asks each
    # time for four minutes, and one that hangs for a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Threads of a numeric library that wait for one another spin for a thousand rounds, then sleep. For longer, and
    # a fit beside anything else on two cores took five times as long; not at all, and a fit alone lost a third.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "1000",
}


def is_production() -> bool:
    """Whether `NIGHTCART_ENVIRONMENT` says that nothing that lasts is on this machine (`resources.config.deployment`)."""
    return os.environ.get("NIGHTCART_ENVIRONMENT") == "production"


def root() -> Path:
    """The folder of all state, one sub-folder a retailer: `$NIGHTCART_HOME`, by default `.nightcart` in the project."""
    return Path(os.environ.get("NIGHTCART_HOME") or PROJECT / ".nightcart").resolve()


def pointer() -> Path:
    """The file in which `nightcart use` keeps the path of the retailer's file that is in use."""
    return root() / "config_in_use"


def chosen_file() -> Path:
    """The retailer's file that `nightcart use` chose, else the demo's."""
    try:
        chosen = pointer().read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return DEFAULT_CONFIG
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{pointer()} cannot be read: {error}.", remedy="`nightcart use FILE` writes it anew.") from error
    if not chosen:
        raise Refused(f"{pointer()} is empty: it names no retailer.", remedy="`nightcart use FILE` writes it anew.")
    return Path(os.path.realpath(PROJECT / chosen))  # of links that lead round, reading says so


def config_file() -> Path:
    """The retailer's file in use: `$NIGHTCART_CONFIG`, else the one that `nightcart use` chose, else the demo's."""
    named = os.environ.get("NIGHTCART_CONFIG")
    return Path(os.path.realpath(PROJECT / named)) if named else chosen_file()


def state(config: Path | None = None) -> Path:
    """The state folder of a retailer's file, by default of the one in use. Two share nothing: neither tables, runs nor models."""
    folder = root() / (config or config_file()).stem
    if wrong := sorted(set(NOT_IN_A_PATH) & set(str(folder))):
        raise Refused(
            f"The state folder {folder} has {' and '.join(wrong)} in its path, which databases take for something else.",
            remedy="name another folder in NIGHTCART_HOME, or give the retailer's file another name.",
        )
    return folder


def erasure_key() -> Path | bytes:
    """The key that turns a household that was forgotten into the hash that is on record, or the file that has it.

    `$NIGHTCART_ERASURE_KEY`, else a file of the state folder; raises :class:`Refused` when the variable is neither key nor path.
    """
    named = os.environ.get("NIGHTCART_ERASURE_KEY", "")
    if not named or named.startswith("/"):
        return Path(named) if named else state() / "erasure.key"
    if not re.fullmatch(ERASURE_KEY, named):
        raise Refused(
            "NIGHTCART_ERASURE_KEY is neither 64 hexadecimal digits nor the whole path of a file that has them.",
            remedy="`openssl rand -hex 32` makes a new one; where somebody was forgotten already, it has to be the one of then.",
        )
    return bytes.fromhex(named)


def environment(config: Path | None = None) -> dict[str, str]:
    """The variables by which Dagster and MLflow find the state of a retailer, by default of the one in use.

    In production where MLflow is has been said, or is refused as missing.
    """
    folder = state(config)
    instance = {"DAGSTER_HOME": str(folder / "dagster"), **LIBRARIES}
    if is_production():
        return instance
    tracking_uri = MLFLOW_DATABASE.format(state=folder)
    return instance | {
        "MLFLOW_TRACKING_URI": tracking_uri,
        # The same for `mlflow server`, which has its own names for them.
        "MLFLOW_BACKEND_STORE_URI": tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(folder / "mlflow" / "artifacts"),
    }


def is_of_another(value: str) -> bool:
    """Whether a variable's value leads into the state of a retailer that is not in use: it was inherited, not meant."""
    return f"{root()}/" in f"{value}/" and f"{state()}/" not in f"{value}/"


def is_elsewhere(instance: str) -> bool:
    """Whether Dagster's home is another one than the state's, on one machine: a shell may set one for all projects."""
    own = environment()["DAGSTER_HOME"]
    return bool(instance) and not is_production() and Path(instance).resolve() != Path(own).resolve()


def enter() -> None:
    """Set the variables in this process. One that is set already wins, unless it is of another retailer than the one in use.

    Nor does another project's DAGSTER_HOME on one machine, and a line says so: two projects' runs in one history are nobody's.
    """
    keep_to_oneself(state())
    if os.geteuid() == 0 and not is_production():
        _refuse_to_leave_files_of_root(state())
    if is_elsewhere(instance := os.environ.get("DAGSTER_HOME", "")) and not is_of_another(instance):
        sys.stderr.write(f"DAGSTER_HOME is {instance}, and is left aside: this state's runs are kept with it.\n")
        del os.environ["DAGSTER_HOME"]
    for name, value in environment().items():
        if name not in os.environ or is_of_another(os.environ[name]):
            os.environ[name] = value
    if os.environ["DAGSTER_HOME"] == environment()["DAGSTER_HOME"]:
        _make_instance(Path(os.environ["DAGSTER_HOME"]))


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Stay with the retailer in use, and so do the processes that are started, whoever is chosen meanwhile."""
    before = os.environ.get("NIGHTCART_CONFIG")
    os.environ["NIGHTCART_CONFIG"] = str(config_file())
    try:
        yield
    finally:
        if before is None:
            del os.environ["NIGHTCART_CONFIG"]
        else:
            os.environ["NIGHTCART_CONFIG"] = before


def keep_to_oneself(folder: Path) -> None:
    """Let nobody but its user read a state: who bought what, and who is forgotten. Nor what this process writes from now on."""
    os.umask(0o077)
    with contextlib.suppress(OSError):  # of another user, or read-only: whoever writes there will say so
        folder.mkdir(parents=True, exist_ok=True)
        if not _others_may(folder):
            return
        _take_from_others(folder)
        for place, folders, files in os.walk(folder):
            for each in (Path(place, name) for name in (*folders, *files)):
                if not each.is_symlink() and _others_may(each):
                    with contextlib.suppress(OSError):
                        _take_from_others(each)


def _refuse_to_leave_files_of_root(folder: Path) -> None:
    """Raise :class:`Refused` where root would write what the folder's own user could not read afterwards."""
    try:
        owner = folder.stat().st_uid
        with tempfile.TemporaryFile(dir=folder) as file:
            is_ours = os.fstat(file.fileno()).st_uid == owner  # some disks give every file to one user
    except OSError:  # a read-only disk: nothing will be left there
        return
    if not is_ours:
        raise Refused(
            f"The state folder {folder} is of user {owner}, and this is root: what it wrote there would be closed to that user.",
            remedy=f"run it as that user (`sudo -u '#{owner}' …`), or give the folder to root: `chown -R root {shlex.quote(str(folder))}`.",
        )


def _others_may(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _take_from_others(path: Path) -> None:
    path.chmod(path.stat().st_mode & 0o7700)


def write_env() -> Path | None:
    """Write the variables of the chosen retailer to `.env`, beside what else stands there; a variable that is set still wins.

    Nothing is written, and None returned, where NIGHTCART_HOME names a state folder for this process alone, or in production.
    """
    from dotenv import set_key

    if os.environ.get("NIGHTCART_HOME") or is_production():
        return None
    file = PROJECT / ".env"
    config = chosen_file()
    variables = {"NIGHTCART_CONFIG": str(config), **environment(config)}
    _make_instance(state(config) / "dagster")
    with contextlib.suppress(OSError):  # a read-only disk: whoever needs the variables will say so
        file.touch(mode=0o600)
        for name, value in variables.items():
            set_key(file, name, f"${{{name}:-{value}}}")
    return file


def _make_instance(folder: Path) -> None:
    """Dagster reads dagster.yaml from its home, and refuses a home that is not there."""
    of_environment = {True: PROJECT / "deploy" / "dagster.yaml", False: PROJECT / "dagster.yaml"}
    link, other = folder / "dagster.yaml", of_environment[not is_production()]
    # A read-only disk, or another process that was first: whoever needs the instance will say so.
    with contextlib.suppress(OSError):
        if link.exists() and not (link.is_symlink() and link.readlink() == other):
            return
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"dagster.yaml.{os.getpid()}"
        part.symlink_to(of_environment[is_production()])
        part.replace(link)


if __name__ == "__main__":
    try:
        write_env()
        enter()
    except Refused as error:
        sys.exit(f"✗ {error}")
    os.environ["NIGHTCART_CONFIG"] = str(config_file())
    # The environment's own commands are found although nobody activated it.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    if command := sys.argv[1:]:
        os.execvp(command[0], command)  # noqa: S606
