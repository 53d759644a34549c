"""Code locations put together: two domains in one instance, another deployment, another retailer's instance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build_defs, defs
from resources import home

RUN = """
import dagster as dg
from {module} import defs

with dg.DagsterInstance.get() as instance:
    job = defs.resolve_job_def({job!r})
    day = {{"dagster/asset_partition_range_start": {day!r}, "dagster/asset_partition_range_end": {day!r}}}
    assert job.execute_in_process(instance=instance, tags=day, asset_selection=[dg.AssetKey({asset!r})]).success
"""
LOAD = """
import sys
import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, WorkspaceFileTarget([sys.argv[1]])) as process:
    for location in process.create_request_context().code_locations:
        print("location", location.name, sorted(key.to_user_string() for key in location.get_repository("__repository__").asset_graph.materializable_asset_keys))
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The tests' retailer with a state folder, and so an instance, of its own."""
    own = {"NIGHTCART_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "corner_shop" / "dagster")}
    Path(own["DAGSTER_HOME"]).mkdir(parents=True)
    return {name: value for name, value in os.environ.items() if name not in home.environment()} | own


def python(code: str, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, env=environ, cwd=home.PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_domains_run_in_one_instance_each_with_a_state_of_its_own(tmp_path: Path, environ: dict[str, str]) -> None:
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(
        "load_from:\n"
        "  - python_module: {module_name: orchestration.definitions, location_name: nightcart}\n"
        "  - python_module: {module_name: tests.support.toy_location, location_name: power}\n"
    )
    loaded = python(LOAD, environ, str(workspace))
    assert loaded.returncode == 0, loaded.stderr
    nightcart, power = (line for line in loaded.stdout.splitlines() if line.startswith("location "))
    assert nightcart.startswith("location nightcart")
    assert "'recommendations'" in nightcart
    assert power.startswith("location power")
    assert "'readings'" in power
    assert "'recommendations'" not in power

    for module, job, asset in [
        ("orchestration.definitions", "ingestion", "transactions"),
        ("tests.support.toy_location", "night", "readings"),
    ]:
        done = python(RUN.format(module=module, job=job, asset=asset, day="2024-01-02"), environ)
        assert done.returncode == 0, done.stderr
    states = {
        domain: {table.name for table in (tmp_path / domain / "tables").glob("[a-z]*")}
        for domain in ("corner_shop", "power")
    }
    assert states == {"corner_shop": {"transactions", "transactions_quarantine"}, "power": {"readings"}}
    assert not (tmp_path / "power" / "dagster").exists()
    with dg.DagsterInstance.from_config(environ["DAGSTER_HOME"]) as instance:
        assert sorted(run.job_name for run in instance.get_runs()) == ["ingestion", "night"]


def test_an_instance_of_another_retailer_is_refused_with_what_to_do(tmp_path: Path, environ: dict[str, str]) -> None:
    code = "from orchestration import environment; environment.enter()"
    assert python(code, environ).returncode == 0
    refused = python(code, environ | {"DAGSTER_HOME": str(tmp_path / "other" / "dagster")})
    assert "the retailer in use is" in refused.stderr
    assert f"export DAGSTER_HOME={environ['DAGSTER_HOME']}" in refused.stderr


def test_an_instance_of_another_project_is_told_and_used_by_dagsters_own_commands_alone(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    elsewhere = environ | {"DAGSTER_HOME": str(tmp_path.parent / "dagster")}
    code = "import os; from resources import home; {}; from orchestration import environment; environment.enter(); print(os.environ['DAGSTER_HOME'])"
    ours, theirs = (python(code.format(enter), elsewhere) for enter in ("home.enter()", "pass"))
    assert ours.stdout.strip() == environ["DAGSTER_HOME"]
    assert "is left aside: this state's runs are kept with it" in ours.stderr
    assert theirs.stdout.strip() == elsewhere["DAGSTER_HOME"]
    assert "runs are kept there, and not with the state of" in theirs.stderr


def test_executor_and_default_status_are_the_deployments(environ: dict[str, str]) -> None:
    code = "from orchestration.environment import EXECUTOR, SENSOR_STATUS; print(EXECUTOR.name, SENSOR_STATUS.value)"
    assert python(code, environ).stdout == "in_process RUNNING\n"
    other = environ | {"NIGHTCART_EXECUTOR": "multiprocess", "NIGHTCART_DEFAULT_STATUS": "stopped"}
    assert python(code, other).stdout == "multiprocess STOPPED\n"


def test_a_misspelt_adapter_is_an_error() -> None:
    with pytest.raises(TypeError, match="tabels"):
        build_defs(tabels=None)  # pyright: ignore[reportCallIssue]


def test_run_configuration_moves_no_adapter() -> None:
    job = defs.resolve_job_def("ingestion")
    elsewhere = {"resources": {"operations": {"config": {"url": "sqlite:///elsewhere.db"}}}}
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, elsewhere)


def test_a_foreign_package_of_one_of_our_names_is_told_and_not_run(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "foreign" / "resources").mkdir(parents=True)
    (tmp_path / "foreign" / "resources" / "__init__.py").write_text("print('foreign code was run')")
    command = [sys.executable, "-c", "import orchestration.cli"]
    found = environ | {"PYTHONPATH": str(tmp_path / "foreign")}
    told = subprocess.run(command, env=found, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode
    assert "foreign/resources/__init__.py, not Nightcart's. Remedy: take its folder out of PYTHONPATH" in told.stderr
    assert "foreign code was run" not in told.stdout
