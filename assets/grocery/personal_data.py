"""What of the grocery domain's data is personal: the household, its baskets, and everything made of them."""

from __future__ import annotations

import datetime as dt

from assets.grocery.ingestion.suppressed import quarantined_lines
from assets.grocery.scoring.assets import record_publication
from assets.grocery.tables import BUSINESS_DATE, PUBLISHED, QUARANTINE, TRANSACTIONS
from assets.privacy.personal_data import DeliveredTable, PersonalData, PersonalFeed
from assets.quality.gates import Gates
from resources.config.retailer import Settings
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


def personal_data(settings: Settings, gates: Gates) -> PersonalData:
    """What an erasure is told of a retailer's data; `gates` are those of the definitions."""
    lines, file = settings.transactions, settings.households
    feeds = [PersonalFeed(files=lines, column=lines.columns.household_id, landing=settings.landing)]
    return PersonalData(
        subject="household",
        column="household_id",
        derived_columns=["basket_id"],  # one that was made of household and time
        feeds=feeds + ([PersonalFeed(files=file, column=file.columns.household_id)] if file else []),
        quarantined=quarantined_lines(lines),
        gates=gates,
        deliveries=DeliveredTable(
            table=TRANSACTIONS, quarantine=QUARANTINE, day=BUSINESS_DATE, source=("source_file", "source_row")
        ),
        rewritten={PUBLISHED: _published_anew},
    )


def _published_anew(tables: TableStore, operations: OperationsDatabase, now: dt.datetime) -> None:
    record_publication(tables, operations, run_id="", now=now)
