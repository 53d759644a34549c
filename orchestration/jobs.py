"""Jobs, named for their outcome. What is in them is a selection of the graph; nothing else is decided here.

The job :data:`ALERTING`, which makes no asset, is in `orchestration.alerting.job`.
"""

from __future__ import annotations

import dagster as dg

from orchestration.tags import NIGHT, SLOT

MAX_RUNTIME_SECONDS = 3 * 60 * 60  # a demo night takes about a minute; a run that hangs is ended before the next night
ALERTING, INGESTION, RETRAINING = "alerting", "ingestion", "retraining"
TRAINING_GROUP = "training"  # of a domain's graph
# The checks that show standing incidents are reported by :data:`ALERTING`: no other job has them.
NO_OPEN_INCIDENT = [
    dg.AssetCheckKey(dg.AssetKey(asset), "no_open_incident")
    for asset in (
        "transactions",
        "recommendations",
        "published_recommendations",
        "drift_signals",
        "retraining_decision",
        "champion",
    )
]
INCIDENTS = dg.AssetSelection.checks(*NO_OPEN_INCIDENT)
EVERYTHING = dg.AssetSelection.all() - INCIDENTS
TRAINING = dg.AssetSelection.groups(TRAINING_GROUP) - INCIDENTS
WORK = {SLOT: "work", "dagster/max_runtime": str(MAX_RUNTIME_SECONDS)}

nightly = dg.define_asset_job(
    "nightly",
    selection=EVERYTHING,
    description="Everything for one business day: baskets in, features, a challenger, the decision on the champion, "
    "the lists for tomorrow, how earlier lists did, and whether to train anew. By itself, and from the command line, it "
    "runs without the training once there is a champion.",
    tags={**WORK, NIGHT: "grocery"},  # each makes the catalogue anew, by which the other was judged
)


def training_job(selection: dg.AssetSelection) -> dg.UnresolvedAssetJobDefinition:
    """A domain's training as the job that `retrain_on_decision` launches; `selection` is its group of that name."""
    return dg.define_asset_job(
        RETRAINING,
        selection=selection,
        description="A challenger trained on what is known at a business day's close, and the decision on the champion. A "
        "run of its own, so that one that fails costs no lists: the champion before serves on.",
        # Attempts have a budget and pauses of their own (orchestration/runs/attempts.py): Dagster must not add to them.
        tags={**WORK, "dagster/max_retries": "0"},
    )


retraining = training_job(TRAINING)

backfill = dg.define_asset_job(
    "backfill",
    selection=EVERYTHING,
    description="Some assets for a range of business days in one run: what `nightcart backfill` launches.",
    tags=WORK,
)

ingestion = dg.define_asset_job(
    INGESTION,
    selection=dg.AssetSelection.groups("ingestion") - INCIDENTS,
    description="A business day's baskets and the snapshots, with their checks, and nothing that is made of them: for a "
    "file that came late or was corrected.",
    tags=WORK,
)


def night_selection(*, has_champion: bool) -> dg.AssetSelection:
    """What a night makes by itself: all of it while nobody is champion, else everything but the training.

    When to train is decided each night (`retraining_decision`), and done by a run of :data:`retraining`.
    """
    return EVERYTHING - TRAINING if has_champion else EVERYTHING
