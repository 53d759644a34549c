"""What a person tells instead of letting it be guessed: answers to questions, written as the configuration writes them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assets.grocery.onboarding.proposed import SEE_TIME, ProposedSetting
from resources.errors import Refused

# Settings by their dotted paths, as a person tells them.
Told = Mapping[str, Any]

COLUMNS = {"transactions.columns.": "", "products.columns.": "products.", "households.columns.": "households."}
# Guesses that cost nothing when they are wrong are not asked about.
NOT_ASKED = ("currency",)
ASKS = {
    "timezone": "In which time zone are the stores (such as Europe/Berlin)?",
    "transactions.columns.household_id": "Which column says who bought?",
    "transactions.columns.product_id": "Which column says what was bought?",
    "transactions.columns.occurred_at": "Which column says when?",
    "transactions.columns.quantity": "Which column says how many (- for none)?",
    "transactions.columns.sales_value": "Which column has what was paid for the line (- for none)?",
    "transactions.encoding": "In which encoding are the files?",
    "transactions.timestamp_format": "How are the times written?",
    "transactions.business_day_ends": "Until when are sales of the day before?",
    "transactions.baskets_are": "Are baskets those of a 'day' or of one 'instant'?",
}


@dataclass(frozen=True)
class Question:
    """A doubt: the setting, the question, what is taken without an answer, and why."""

    setting: str
    asks: str
    value: Any
    why: str


def questions(proposed: Iterable[ProposedSetting]) -> list[Question]:
    """A question for every guess that matters."""
    return [
        Question(each.setting, ASKS.get(each.setting, f"What is {each.setting}?"), each.value, each.why)
        for each in proposed
        if each.is_guess and each.setting not in NOT_ASKED and each.why != SEE_TIME
    ]


def read(file: Path) -> dict[str, Any]:
    """The answers of a TOML or JSON file, nested as the configuration is; :class:`Refused` when it is neither."""
    try:
        text = file.read_text(encoding="utf-8")
        answers = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise Refused(
            f"{file} cannot be read as answers: {error}.",
            remedy="write them as the configuration is written, in TOML or (ending .json) in JSON.",
        ) from error
    if not isinstance(answers, dict):
        raise Refused(f"{file} has no settings.", remedy='write {"timezone": "Europe/Berlin"}, for instance.')
    return dict(_flat(answers))


def _flat(answers: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in answers.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def columns(told: Told) -> dict[str, list[str]]:
    """The columns among what was told, as `--column` names them; an empty list is for none."""
    given = {}
    for setting, value in told.items():
        for prefix, short in COLUMNS.items():
            if setting.startswith(prefix):
                names = [value] if isinstance(value, str) else list(value or [])
                given[short + setting.removeprefix(prefix)] = [name for name in names if name not in ("", "-")]
    return given


def applied(proposed: Iterable[ProposedSetting], told: Told) -> list[ProposedSetting]:
    """The proposed settings with what was told in their places, and what nothing was proposed for after them."""
    others = {
        setting: value
        for setting, value in told.items()
        if not setting.startswith(tuple(COLUMNS)) and setting != "transactions.path"
    }
    settings = [
        replace(each, value=others.pop(each.setting), why="as told", is_guess=False) if each.setting in others else each
        for each in proposed
    ]
    return [*settings, *(ProposedSetting(setting, value, "as told") for setting, value in others.items())]
