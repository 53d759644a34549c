"""The days whose feed is not there although its contract says by when: one incident for as long as it goes on."""

from __future__ import annotations

from collections.abc import Iterator

from assets.grocery.ingestion import contract
from assets.grocery.tables import TRANSACTIONS
from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.feeds import landing, sources
from resources.records.alerts import Alert
from resources.records.feeds import Delivery
from resources.text import listed, without_secrets


def look(context: ProbeContext) -> Iterator[Incident]:
    """One incident for all days that are overdue."""
    settings, place, feed = context.settings, context.settings.landing, context.settings.transactions
    delivered = {delivery.business_date for delivery in context.operations.records(Delivery)}
    taken_in = delivered | set(filter(None, context.tables.rows_by_day(TRANSACTIONS)))
    late = contract.overdue(settings, taken_in=taken_in, now=context.now)
    # What is there and was not taken in is a night's business; of one file of many days nobody can tell without reading.
    landed = {file.day for file in landing.of_days(place, late)} if place and late else set()
    late = [day for day in late if day not in landed and not (feed.is_dated and context.feeds.locate(feed, days=[day]))]
    if not late:
        return
    first, last, served = late[0], late[-1], context.served
    where = without_secrets(landing.pattern_of(place)) if place else sources.where(feed)
    happened = (
        f"The feed of {listed(late)} is overdue: it was to be at {where} by {feed.contract.due_by:%H:%M} of the day after "
        f"({settings.timezone}). Until it is there, no later night can be good."
    )
    command = "have it delivered, or add the day to `closed_days` if the stores were closed; then "
    past = [day for day in late if served and day <= served.made_on]
    again = [f"`nightcart backfill --from {past[0]} --to {past[-1]}`"] if past else []
    again += [f"`nightcart nightly --date {last}`"] if last not in past else []
    command += ", then ".join(again) + "."
    yield context.incident(f"feed {first}", Alert.OVERDUE, happened, command=command)
