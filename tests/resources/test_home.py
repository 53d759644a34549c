"""Every program finds the state of the retailer in use, and no process carries one retailer's state into another's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from resources import home
from resources.errors import Refused


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of the test's own, and no variable but that."""
    for name in (*home.environment(), "NIGHTCART_CONFIG"):
        monkeypatch.setenv(name, "")  # so that what a test sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path))


def test_state_is_below_home_and_named_for_the_retailers_file(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCART_CONFIG", "config/complete_journey.toml")  # from the project's folder
    assert home.config_file() == home.DEFAULT_CONFIG
    assert home.state() == tmp_path / "complete_journey"
    assert home.environment()["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/complete_journey/mlflow/mlflow.db"


def test_retailer_chosen_by_use_holds_until_the_environment_says_otherwise(tmp_path, monkeypatch):
    assert home.config_file() == home.DEFAULT_CONFIG
    home.pointer().write_text("/etc/shops/other.toml\n")
    assert home.state() == tmp_path / "other"
    monkeypatch.setenv("NIGHTCART_CONFIG", "/etc/shops/third.toml")
    assert home.state() == tmp_path / "third"


@pytest.mark.parametrize(("content", "named"), [(b"", "is empty"), (b"\xff\xfe", "cannot be read")])
def test_a_choice_that_cannot_be_read_is_not_the_demo(content, named):
    home.pointer().write_bytes(content)
    with pytest.raises(Refused, match=rf"config_in_use {named}.*Remedy: `nightcart use FILE`"):
        home.config_file()


@pytest.mark.parametrize("sign", ["%41", "#", "?", "[1]", "*"])
def test_a_path_that_databases_misread_is_refused_in_words(tmp_path, monkeypatch, sign):
    monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path / f"a{sign}b"))
    with pytest.raises(
        Refused, match=r"state folder .* has .* in its path.*Remedy: name another folder in NIGHTCART_HOME"
    ):
        home.state()


def test_entering_leaves_what_is_set(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    home.enter()
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://elsewhere"
    assert Path(os.environ["DAGSTER_HOME"]) == home.state() / "dagster"
    assert (home.state() / "dagster" / "dagster.yaml").resolve() == home.PROJECT / "dagster.yaml"


def test_the_instance_is_that_of_the_environment(tmp_path, monkeypatch):
    link = home.state() / "dagster" / "dagster.yaml"
    home.enter()
    for environment, instance in (("production", "deploy/dagster.yaml"), ("local", "dagster.yaml")):
        monkeypatch.setenv("NIGHTCART_ENVIRONMENT", environment)
        home.enter()
        assert link.resolve() == home.PROJECT / instance
    link.unlink()
    link.write_text("# ours")
    monkeypatch.setenv("NIGHTCART_ENVIRONMENT", "production")
    home.enter()
    assert link.read_text() == "# ours"


def test_entering_replaces_what_is_of_another_retailer(tmp_path, monkeypatch):
    home.enter()  # as a process does that then starts one for another retailer
    monkeypatch.setenv("NIGHTCART_CONFIG", "/etc/shops/third.toml")
    home.enter()
    assert Path(os.environ["DAGSTER_HOME"]) == tmp_path / "third" / "dagster"
    assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/third/mlflow/mlflow.db"


def test_a_python_of_the_environment_sets_nothing():
    code = "import os, resources; print(sorted(set(os.environ) & {'DAGSTER_HOME', 'MLFLOW_TRACKING_URI', 'OMP_WAIT_POLICY'}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


class TestEnvFile:
    @pytest.fixture(autouse=True)
    def _own_project(self, tmp_path, monkeypatch):
        monkeypatch.delenv("NIGHTCART_HOME")
        monkeypatch.setattr(home, "PROJECT", tmp_path / "pro'ject")
        (tmp_path / "pro'ject").mkdir()

    def test_tools_read_the_chosen_retailers_state_from_it(self, monkeypatch):
        monkeypatch.setenv("NIGHTCART_CONFIG", "/etc/shops/of_this_shell.toml")
        home.root().mkdir()
        home.pointer().write_text("/etc/shops/chosen.toml\n")
        file = home.write_env()
        monkeypatch.delenv("NIGHTCART_CONFIG")
        assert file
        found = dotenv_values(file)
        assert found["NIGHTCART_CONFIG"] == "/etc/shops/chosen.toml"
        assert {name: found[name] for name in home.environment()} == home.environment()
        assert Path(str(found["DAGSTER_HOME"])).is_dir()

    def test_a_variable_that_is_set_wins_over_it(self, monkeypatch):
        file = home.write_env()
        monkeypatch.setenv("DAGSTER_HOME", "/srv/dagster")
        assert file
        assert dotenv_values(file)["DAGSTER_HOME"] == "/srv/dagster"

    def test_other_lines_stay(self):
        file = home.PROJECT / ".env"
        file.write_text("# ours\nNIGHTCART_ALERT_URLS=slack://secret\n")
        home.write_env()
        home.write_env()
        assert file.read_text().startswith("# ours\nNIGHTCART_ALERT_URLS=slack://secret\n")
        assert file.read_text().count("DAGSTER_HOME=") == 1

    def test_it_is_not_written_for_a_state_folder_of_one_process(self, tmp_path, monkeypatch):
        monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path / "state"))
        assert home.write_env() is None
        assert not (home.PROJECT / ".env").exists()


def test_a_command_is_run_with_the_variables_of_the_retailer_in_use(tmp_path):
    code = "import os, dagster; print(os.environ['DAGSTER_HOME'])"
    command = [sys.executable, "-m", "resources.home", "python", "-c", code]
    environment = {
        **os.environ,
        "PATH": "/usr/bin",
        "NIGHTCART_CONFIG": "/etc/shops/third.toml",
        "DAGSTER_HOME": f"{tmp_path}/other/dagster",
    }
    found = subprocess.run(command, env=environment, cwd=home.PROJECT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(tmp_path / "third" / "dagster")


def test_a_state_is_its_users_alone_and_one_of_before_is_tightened(tmp_path):
    old = home.state() / "tables" / "transactions"
    old.mkdir(parents=True, mode=0o755)
    (old / "part.parquet").touch(mode=0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(mode=0o644)
    (old / "link").symlink_to(elsewhere)
    for each in (home.state(), home.state() / "tables", old):
        each.chmod(0o755)
    (old / "part.parquet").chmod(0o644)
    elsewhere.chmod(0o644)
    code = "from pathlib import Path; from resources import home; home.enter(); Path(home.state(), 'new').touch()"
    subprocess.run([sys.executable, "-c", code], check=True, preexec_fn=lambda: os.umask(0o022))
    rights = {
        each: each.stat().st_mode & 0o777 for each in (home.state(), *home.state().rglob("*")) if not each.is_symlink()
    }
    assert {oct(each) for path, each in rights.items() if path.is_dir()} == {"0o700"}
    assert rights[old / "part.parquet"] == rights[home.state() / "new"] == 0o600
    assert elsewhere.stat().st_mode & 0o777 == 0o644


def test_a_process_stays_with_its_retailer_whoever_is_chosen_meanwhile():
    home.pointer().parent.mkdir(exist_ok=True)
    home.pointer().write_text("/etc/shops/first.toml\n")
    with home.kept():
        home.pointer().write_text("/etc/shops/second.toml\n")
        assert home.state().name == "first"
        code = "from resources import home; print(home.state().name)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert found == "first\n"
    assert home.state().name == "second"
    assert "NIGHTCART_CONFIG" not in os.environ


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_leaves_nothing_in_the_state_of_another_user(monkeypatch):
    home.enter()
    os.chown(home.state(), 12345, -1)
    with pytest.raises(Refused, match=r"is of user 12345, and this is root.*Remedy: run it as that user"):
        home.enter()
    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: (dir / "written").open("w"))
    (home.state() / "written").touch()
    os.chown(home.state() / "written", 12345, -1)  # a disk that gives all files to one user
    home.enter()
