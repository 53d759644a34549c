"""The toy domain as a code location: what a second domain writes beside grocery's `orchestration/definitions.py`."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

import assets.lifecycle.checks
from orchestration import environment
from orchestration.jobs import TRAINING_GROUP, training_job
from orchestration.sensors.retraining import retrain_on_decision
from resources.config.lifecycle import LifecycleSettings
from resources.config.loader import read_settings
from resources.resources import build_resources
from tests.support import toy_domain

CONFIG = Path(__file__).with_name("power.toml")

environment.enter(CONFIG)
defs = environment.definitions(
    assets=dg.load_assets_from_modules([toy_domain]),
    checks=dg.load_asset_checks_from_modules([toy_domain, assets.lifecycle.checks]),
    jobs=[
        dg.define_asset_job("night", selection=dg.AssetSelection.all()),
        training_job(dg.AssetSelection.groups(TRAINING_GROUP)),
    ],
    sensors=[retrain_on_decision],
    resources=build_resources(read_settings(CONFIG, LifecycleSettings)),
)
