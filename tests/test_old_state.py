"""A state that version 0.1 made opens in this one: its trail holds, its lists are explained, its champion can be undone.

By the command line and the kept archive alone (tests/fixtures): nothing here may change because modules move. Whoever
has to change what is expected here has broken somebody's state.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from assets.grocery.features import definitions
from tests.fixtures import old_state

FACTS = old_state.facts()
HEAD, NEXT, FORGOTTEN = FACTS["head"], FACTS["next_night"], FACTS["forgotten"]
NIGHTS = sorted(FACTS["lists"])
HOUSEHOLD = min(FACTS["lists"][NIGHTS[0]])
CHAMPION, BEFORE = FACTS["champions"][-1], FACTS["champions"][-2]

OPEN = ("audit", "verify", "--head", HEAD)
VIEWS = [
    ("status",),
    ("models",),
    ("decisions",),
    ("drift",),
    ("card",),
    ("override", "--list"),
    ("recommend", HOUSEHOLD),
]
# This code refuses to score with a version that was made for other features than its own: so it is on every state.
SCORES = pytest.mark.skipif(definitions.VERSION != "3", reason="the kept versions were made for features 3")
EXPLAINED = [(household, night) for night, of_night in FACTS["lists"].items() for household in of_night]

# What is done to the state, in this order, each step under its name. One process does it all, for each needs the same
# seconds to begin; every test looks at its own steps.
STEPS = {
    "the trail": OPEN,
    "its entries": ("audit", "show", "--json"),
    **{f"explain {who} {night}": ("explain", who, night, "--json") for who, night in EXPLAINED},
    "explain who is forgotten": ("explain", FORGOTTEN, NIGHTS[0], "--json"),
    **{" ".join(view): view for view in VIEWS},
    "rollback": ("rollback", "--reason", "as it was before"),
    "the trail after the rollback": OPEN,
    "the next night": ("nightly", "--date", NEXT),
    "the trail after the night": OPEN,
    "its list": ("explain", HOUSEHOLD, NEXT, "--json"),
    "who stays forgotten": ("explain", FORGOTTEN, NEXT, "--json"),
    "entries at the end": ("audit", "show", "--json"),
    "status at the end": ("status",),
}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """What came of each step."""
    state = old_state.unpack(tmp_path_factory.mktemp("old"))
    return dict(zip(STEPS, state.run(list(STEPS.values())), strict=True))


def said(steps: dict[str, tuple[int, str, str]], name: str) -> str:
    """What a step printed, which has to have gone well."""
    code, out, err = steps[name]
    assert code == 0, f"{' '.join(STEPS[name])}: {out}\n{err}"
    return out


def entries(steps: dict[str, tuple[int, str, str]], name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(steps, name).splitlines()]


def decisions(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(entry["payload"]) for entry in found if entry["kind"] == "promotions"]


def test_every_record_is_as_it_was_sealed(steps) -> None:
    said(steps, "the trail")
    number, _, digest = HEAD.partition(":")
    old = entries(steps, "its entries")[: int(number)]
    assert (old[-1]["id"], old[-1]["digest"]) == (int(number), digest)
    assert Counter(entry["kind"] for entry in old) == FACTS["entries"]
    promoted = [record["champion_after"] for record in decisions(old) if record["is_promoted"]]
    assert promoted == FACTS["champions"]


@SCORES
@pytest.mark.parametrize(("household", "night"), EXPLAINED)
def test_an_old_list_is_explained_with_the_scores_that_it_was_made_with(steps, household: str, night: str) -> None:
    found, expected = json.loads(said(steps, f"explain {household} {night}")), FACTS["lists"][night][household]
    assert found["model"]["version"] == expected["model_version"]
    for place, was in zip(found["places"], expected["places"], strict=True):
        assert {name: place[name] for name in was} == was
        assert place["score_again"] == pytest.approx(was["score"], rel=1e-9)  # the last digit is the processor's


@SCORES
def test_who_was_forgotten_is_in_no_old_list_and_in_no_new_one(steps) -> None:
    for name in ("explain who is forgotten", "who stays forgotten"):
        assert json.loads(said(steps, name))["is_fallback"]


@pytest.mark.parametrize("view", [" ".join(view) for view in VIEWS])
def test_it_can_be_looked_at(steps, view: str) -> None:
    assert said(steps, view).strip()


def test_status_tells_of_the_last_night(steps) -> None:
    assert NIGHTS[-1] in said(steps, "status")
    assert NEXT in said(steps, "status at the end")


@SCORES
def test_the_champion_before_is_brought_back_and_the_trail_goes_on(steps) -> None:
    said(steps, "rollback")
    said(steps, "the trail after the rollback")
    old, new = FACTS["entries"]["promotions"], decisions(entries(steps, "entries at the end"))
    assert (new[old]["kind"], new[old]["champion_before"], new[old]["champion_after"]) == ("rollback", CHAMPION, BEFORE)


@SCORES
def test_the_next_night_goes_on_from_it(steps) -> None:
    said(steps, "the next night")
    said(steps, "the trail after the night")
    found = json.loads(said(steps, "its list"))
    assert found["is_reproduced"]
    assert not found["is_fallback"]
    assert found["model"]["version"] == BEFORE  # which was brought back
