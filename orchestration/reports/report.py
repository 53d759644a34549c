"""What every report has: it is a frozen dataclass, and can be had as JSON."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, is_dataclass
from typing import Any


class Report:
    """A frozen dataclass of plain values, lists and further dataclasses; names of fields are the keys, and stay."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, with what they hold as dictionaries and lists."""
        assert is_dataclass(self)
        return asdict(self)

    def as_json(self) -> str:
        """The same as JSON, in one line; dates and instants are in ISO 8601."""
        return json.dumps(self.as_dict(), default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else str(value)
