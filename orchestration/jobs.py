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
