"""The ledger's decisions add up to a champion and the one before; what the registry says otherwise is told apart."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from assets.lifecycle.champion import (
    PROBABILITIES,
    SAME_AS,
    ChampionState,
    are_probabilities,
    champion_state,
    divergences,
)
from resources.models.registry import CHAMPION, PREVIOUS
from resources.records.lifecycle import PromotionRecord

NIGHT, PROMOTE, ROLLBACK, RESTORE = (
    PromotionRecord.NIGHT,
    PromotionRecord.PROMOTE,
    PromotionRecord.ROLLBACK,
    PromotionRecord.RESTORE,
)


def ledger(*decisions: tuple[Any, ...]) -> list[PromotionRecord]:
    """Decisions one after the other: the kind, the champion that it left, and which deleted version that is, if it is one."""
    before, made = None, []
    for kind, after, *same_as in decisions:
        made.append(
            PromotionRecord(
                business_date=dt.date(2024, 3, 1),
                challenger=after or 0,
                champion_before=before,
                champion_after=after,
                is_promoted=after != before,
                reasons=["because"],
                numbers={SAME_AS: same_as[0]} if same_as else {},
                kind=kind,
                decided_at=dt.datetime(2024, 3, 2, tzinfo=dt.UTC),
                run_id="run",
            )
        )
        before = after
    return made


@pytest.mark.parametrize(
    ("judged", "version", "expected"),
    [
        ([True], 1, True),
        ([True, False], 1, False),  # judged again, by newer weeks
        ([False], 2, True),  # never judged itself: as its family says
        ([], 1, True),
    ],
)
def test_scores_are_what_the_newest_decision_took_them_for(judged: list[bool], version: int, expected: bool) -> None:
    (record,) = ledger((NIGHT, 1))
    decisions = [replace(record, numbers={PROBABILITIES: each}) for each in judged]
    family: Any = SimpleNamespace(scores_are_probabilities=True)
    assert are_probabilities(decisions, version, family) is expected


def test_a_version_that_was_registered_again_is_taken_for_what_it_was() -> None:
    judged, again = ledger((NIGHT, 1), (RESTORE, 2, 1))
    family: Any = SimpleNamespace(scores_are_probabilities=True)
    assert not are_probabilities([replace(judged, numbers={PROBABILITIES: False}), again], 2, family)


@pytest.mark.parametrize(
    ("decisions", "champion", "previous"),
    [
        ([], None, None),
        ([(NIGHT, None)], None, None),
        ([(NIGHT, 1)], 1, None),
        ([(NIGHT, 1), (NIGHT, 2)], 2, 1),
        ([(NIGHT, 1), (NIGHT, 2), (NIGHT, 2)], 2, 1),  # a challenger that lost changes nothing
        ([(NIGHT, 1), (NIGHT, 2), (ROLLBACK, 1)], 1, None),  # not to what was just undone
        ([(NIGHT, 1), (NIGHT, 2), (NIGHT, 3), (ROLLBACK, 2)], 2, 1),
        ([(NIGHT, 1), (NIGHT, 2), (NIGHT, 3), (ROLLBACK, 1)], 1, None),
        ([(NIGHT, 1), (NIGHT, 2), (ROLLBACK, 1), (NIGHT, 3)], 3, 1),
        ([(NIGHT, 1), (NIGHT, 2), (PROMOTE, 1)], 1, 2),
        ([(NIGHT, 1), (NIGHT, 2), (RESTORE, 3, 2)], 3, 1),  # the same model under another number
        ([(NIGHT, 1), (RESTORE, 2, 1)], 2, None),
        ([(NIGHT, 1), (NIGHT, 2), (NIGHT, 3), (ROLLBACK, 4, 2)], 4, 1),  # to one that was deleted
        ([(NIGHT, 1), (NIGHT, 2), (ROLLBACK, 1), (ROLLBACK, 2)], 2, 1),  # a rollback that is itself undone
    ],
)
def test_decisions_add_up(decisions, champion, previous) -> None:
    assert champion_state(ledger(*decisions)) == ChampionState(champion=champion, previous=previous)


TWO = ledger((NIGHT, 1), (NIGHT, 2))
THREE = ledger((NIGHT, 1), (NIGHT, 2), (NIGHT, 3))


@pytest.mark.parametrize(
    ("decided", "aliases", "is_unfinished"),
    [
        (TWO, {CHAMPION: 1}, True),  # died before the first alias
        (TWO, {CHAMPION: 1, PREVIOUS: 1}, True),  # died between the two
        (THREE, {CHAMPION: 2, PREVIOUS: 1}, True),
        (THREE, {CHAMPION: 2, PREVIOUS: 2}, True),
        (ledger((NIGHT, 1)), {}, True),
        (THREE, {CHAMPION: 1, PREVIOUS: 2}, False),  # by hand
        (THREE, {CHAMPION: 3}, False),
        (THREE, {PREVIOUS: 2}, False),
        (THREE, {CHAMPION: 2, PREVIOUS: 3}, False),
    ],
)
def test_what_a_run_left_half_way_is_told_from_what_a_hand_did(decided, aliases, is_unfinished) -> None:
    found = divergences(decided, aliases=aliases, versions={1, 2, 3})
    assert found
    assert {each.is_unfinished for each in found} == {is_unfinished}


def test_registry_that_is_what_was_decided_has_no_divergences() -> None:
    assert divergences(THREE, aliases={CHAMPION: 3, PREVIOUS: 2, "theirs": 1}, versions={1, 2, 3}) == []
    assert divergences([], aliases={}, versions=[]) == []


def test_deleted_versions_are_told_with_what_that_costs() -> None:
    (found,) = divergences(THREE, aliases={PREVIOUS: 2}, versions={1, 2})
    assert found.says == "version 3, the champion one, was deleted: nothing can be scored"
    assert not found.is_unfinished
    (found,) = divergences(THREE, aliases={CHAMPION: 3}, versions={1, 3})
    assert found.says == "version 2, the previous one, was deleted: a rollback has to register it again from its files"
