"""Records of publications."""

from __future__ import annotations

import datetime as dt

from resources.records.base import Record


class Publication(Record, table="publications"):
    """The lists that are served from `published_at` on: made at the close of `made_on`, for the day `published_for`.

    `table_version` is that of `published_recommendations`, `model_version` the model that made the lists.
    """

    made_on: dt.date
    published_for: dt.date
    is_carried_over: bool
    because: str = ""
    table_version: int
    model_version: int | None
    rows: int
    run_id: str
    published_at: dt.datetime
