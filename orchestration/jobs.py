"""Jobs, named for their outcome. What is in them is a selection of the graph; nothing else is decided here."""

from __future__ import annotations

import dagster as dg

MAX_RUNTIME_SECONDS = 3 * 60 * 60  # a demo night takes about a minute; a run that hangs is ended before the next night
TRAINING = dg.AssetSelection.groups("training")

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    description="Everything for one business day: baskets in, features, a challenger, the decision on the champion, "
    "the lists for tomorrow, how earlier lists did, and whether to train anew. By itself, and from the command line, it "
    "runs without the training once there is a champion.",
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)

retraining = dg.define_asset_job(
    "retraining",
    selection=TRAINING,
    description="A challenger trained on what is known at a business day's close, and the decision on the champion. A "
    "run of its own, so that one that fails costs no lists: the champion before serves on.",
    # Attempts have a budget and pauses of their own (orchestration/runs/attempts.py): Dagster must not add to them.
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS), "dagster/max_retries": "0"},
)

backfill = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.all(),
    description="Some assets for a range of business days in one run: what `nightcart backfill` launches.",
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)

ingestion = dg.define_asset_job(
    "ingestion",
    selection=dg.AssetSelection.groups("ingestion"),
    description="A business day's baskets and the snapshots, with their checks, and nothing that is made of them: for a "
    "file that came late or was corrected.",
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)


def night_selection(*, has_champion: bool) -> dg.AssetSelection:
    """What a night makes by itself: all of it while nobody is champion, else everything but the training.

    When to train is decided each night (`retraining_decision`), and done by a run of :data:`retraining`.
    """
    return dg.AssetSelection.all() - TRAINING if has_champion else dg.AssetSelection.all()
