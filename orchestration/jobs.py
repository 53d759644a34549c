"""Jobs, named for their outcome. What is in them is a selection of the graph; nothing else is decided here."""

from __future__ import annotations

import dagster as dg

MAX_RUNTIME_SECONDS = 3 * 60 * 60  # a demo night takes about a minute; a run that hangs is ended before the next night

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    description="Everything for one business day: baskets in, features, a challenger, the decision on the champion, "
    "the lists for tomorrow, and how earlier lists did.",
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)

ingestion = dg.define_asset_job(
    "ingestion",
    selection=dg.AssetSelection.groups("ingestion"),
    description="Take in one business day, or a range of days in one run, without training or scoring.",
    tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
)
