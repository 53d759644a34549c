"""The event that announces a file: a CloudEvent, whose JSON schema is `resources/schemas/feed_arrived.json`."""

from __future__ import annotations

import datetime as dt
import functools
import json
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.errors import Refused

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent
    from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parent / "schemas" / "feed_arrived.json"
ARRIVED = "com.nightcart.feed.arrived"


class EventRefused(Refused):
    """An event breaks its schema, or says other things of a file than the file itself."""


def arrived(
    *, retailer: str, path: str, day: dt.date, digest: str, rows: int | None = None, at: dt.datetime, source: str
) -> CloudEvent:
    """The event of a file's arrival. The same bytes of the same day are the same event, whoever tells of them."""
    from cloudevents.core.v1.event import CloudEvent

    told = {"retailer": retailer, "business_date": day.isoformat(), "file": posixpath.basename(path), "sha256": digest}
    return CloudEvent(
        attributes={
            "id": f"{retailer}/{day}/{digest}",
            "source": source,
            "type": ARRIVED,
            "subject": path,
            "time": at,
            "datacontenttype": "application/json",
        },
        data=told | ({"rows": rows} if rows is not None else {}),
    )


def as_json(event: CloudEvent) -> str:
    """The event in CloudEvents' structured JSON."""
    from cloudevents.core.formats.json import JSONFormat

    return JSONFormat().write(event).decode("utf-8")


def read(text: str, *, where: str) -> CloudEvent:
    """The event of a text, or :class:`EventRefused` with what is wrong with it; `where` is for people."""
    from cloudevents.core.exceptions import BaseCloudEventException
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    remedy = f"deliver the file again with an event that fits {SCHEMA.name}, or without one."
    try:
        told = json.loads(text)
        wrong = sorted(_validator().iter_errors(told), key=lambda error: list(map(str, error.path)))
    except ValueError as error:
        raise EventRefused(f"{where} is no JSON: {error}.", remedy=remedy) from error
    except RecursionError as error:
        raise EventRefused(f"{where} is nested too deep for an event.", remedy=remedy) from error
    if wrong:
        first = wrong[0]
        at = ".".join(map(str, first.path)) or "the event"
        raise EventRefused(f"{where} breaks its schema: {at}: {first.message[:300]}.", remedy=remedy)
    try:
        event: Any = JSONFormat().read(CloudEvent, text)
    except (BaseCloudEventException, ValueError, TypeError) as error:
        raise EventRefused(f"{where} is no CloudEvent: {' '.join(str(error).split())}.", remedy=remedy) from error
    return event


def require_match(event: CloudEvent, *, retailer: str, path: str, day: dt.date, digest: str, rows: int) -> None:
    """Raise :class:`EventRefused` where the event says other things of a file than the file itself."""
    told: Any = event.get_data()
    is_so = {
        "retailer": retailer,
        "business_date": day.isoformat(),
        "file": posixpath.basename(path),
        "sha256": digest,
        "rows": rows,
    }
    for name, value in is_so.items():
        if told.get(name, value) != value:
            raise EventRefused(
                f"The event of {path} says {name} {told[name]!r}, the file {value!r}.",
                remedy="have the file and its event delivered again; they do not belong together.",
            )


@functools.cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
