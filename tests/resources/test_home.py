"""Every program finds the same state, unless it is told otherwise."""

from __future__ import annotations

from pathlib import Path

from resources import home


def test_state_is_below_home_and_named_for_the_retailers_file(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path))
    monkeypatch.setenv("NIGHTCART_CONFIG", "config/complete_journey.toml")  # from the project's folder
    assert home.config_file() == home.DEFAULT_CONFIG
    assert home.state() == tmp_path / "complete_journey"
    assert home.environment()["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/complete_journey/mlflow/mlflow.db"


def test_retailer_chosen_by_use_holds_until_the_environment_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path))
    monkeypatch.delenv("NIGHTCART_CONFIG")
    assert home.config_file() == home.DEFAULT_CONFIG
    home.pointer().write_text("/etc/shops/other.toml\n")
    assert home.state() == tmp_path / "other"
    monkeypatch.setenv("NIGHTCART_CONFIG", "/etc/shops/third.toml")
    assert home.state() == tmp_path / "third"


def test_announcing_leaves_what_is_set(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    monkeypatch.delenv("NIGHTCART_STATE")
    home.announce()
    import os

    assert os.environ["MLFLOW_TRACKING_URI"] == "http://elsewhere"
    assert Path(os.environ["NIGHTCART_STATE"]) == home.state()
