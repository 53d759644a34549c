"""Whether to train anew, on hand-made ledgers: every cause for itself, what holds it back, and the same twice."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from assets.grocery.monitoring.watches import WATCHES
from assets.lifecycle.retraining import Choice, Known, choose
from resources.config.lifecycle import RetrainingConfig
from resources.records.lifecycle import RetrainingDecision, RetrainingRequest, Signal

RULE = RetrainingConfig()
TRAINED = dt.date(2024, 3, 1)
NOON = dt.datetime(2024, 3, 20, 12, tzinfo=dt.UTC)


def after(days: int) -> dt.date:
    """So many days after the training."""
    return TRAINED + dt.timedelta(days=days)


def signals(watch: str, levels: str, *, until: dt.date, version: int | None = 3) -> list[Signal]:
    """One a night up to `until`, written as letters: o, w, e, u for the levels, and a dot for none."""
    names = {"o": Signal.OK, "w": Signal.WARN, "e": Signal.ERROR, "u": Signal.UNKNOWN}
    return [
        Signal(
            business_date=until - dt.timedelta(days=len(levels) - 1 - place),
            watch=watch,
            level=names[letter],
            value=0.3,
            says=f"{watch} moved by .3",
            model_version=version,
            run_id="run",
            seen_at=NOON,
        )
        for place, letter in enumerate(levels)
        if letter != "."
    ]


def decision(day: dt.date, *, is_retraining: bool = True, reasons=("because",), **numbers) -> RetrainingDecision:
    return RetrainingDecision(
        business_date=day,
        is_retraining=is_retraining,
        reasons=list(reasons),
        numbers=numbers,
        run_id="run",
        decided_at=NOON,
    )


def on_record(day: dt.date, choice: Choice | None) -> RetrainingDecision:
    assert choice
    return decision(day, is_retraining=choice.is_retraining, reasons=choice.reasons, **choice.numbers)


def wish(number: int = 1) -> tuple[int, RetrainingRequest]:
    return number, RetrainingRequest(reason="a new leaflet", by="ada", made_at=NOON)


KNOWN = Known(trained_on=TRAINED, serving=3, newest_promotion=1, new_data="baskets")
PATIENT = RULE.model_copy(update={"max_age_days": 90, "new_label_weeks": 12})


def causes(day: dt.date, known: Known, rule: RetrainingConfig = PATIENT) -> list[str]:
    """What the decision to train rests on; nothing when it is a no."""
    choice = choose(day, known, rule=rule, watches=WATCHES)
    assert choice
    assert choice.reasons
    assert all(choice.reasons)
    return choice.numbers["causes"] if choice.is_retraining else []


# What speaks for a training


def test_a_quiet_night_says_of_everything_why_not() -> None:
    seen = [*signals("features", "owooo", until=after(5)), *signals("outcomes", "ooe", until=after(5))]
    choice = choose(after(5), replace(KNOWN, signals=seen), rule=RULE, watches=WATCHES)
    assert choice
    assert not choice.is_retraining
    assert choice.reasons == (
        "features: tonight ok",
        "predictions: nothing was seen tonight",
        "outcomes: tonight error, 1 of the last 7 nights bad (4 are asked for)",
        "new labels: 0 weeks of baskets since the last training, 4 are worth a new one",
        "age: last trained on 2024-03-01, 5 days ago, at most 7 are allowed",
    )


@pytest.mark.parametrize("watch", ["features", "predictions", "outcomes"])
def test_four_bad_nights_of_seven_and_tonight_are_a_reason(watch: str) -> None:
    known = replace(KNOWN, signals=signals(watch, "eoeoeoe", until=after(12)))
    assert causes(after(12), known) == [watch]
    choice = choose(after(12), known, rule=PATIENT, watches=WATCHES)
    assert choice
    assert choice.reasons == (f"{watch}: 4 of the last 7 nights bad, and tonight: {watch} moved by .3",)


@pytest.mark.parametrize(
    ("levels", "why_not"),
    [
        ("ooooeee", "three are too few"),
        ("eeeeeeo", "tonight is good"),
        ("eeeeeeu", "tonight there is too little to say"),
        ("eeeeee.", "tonight nobody looked"),
        ("wwwwwww", "a warning is no bad window"),
        ("eeeooooooe", "the three of last week have left the window"),
    ],
)
def test_what_is_not_enough_of_it(levels: str, why_not: str) -> None:
    known = replace(KNOWN, signals=signals("features", levels, until=after(12)))
    assert causes(after(12), known) == [], why_not


def test_a_night_that_was_looked_at_again_counts_as_it_was_seen_last() -> None:
    bad = signals("outcomes", "eeee", until=after(12))
    mended = signals("outcomes", "o", until=after(11))
    assert causes(after(12), replace(KNOWN, signals=bad)) == ["outcomes"]
    assert causes(after(12), replace(KNOWN, signals=[*bad, *mended])) == []


def test_a_broken_feed_is_nothing_to_train_on() -> None:
    alone = signals("inputs", "eeeeeee", until=after(12))
    assert causes(after(12), replace(KNOWN, signals=alone)) == []
    with_its_consequences = [*alone, *signals("features", "eeeeeee", until=after(12))]
    choice = choose(after(12), replace(KNOWN, signals=with_its_consequences), rule=PATIENT, watches=WATCHES)
    assert choice
    assert not choice.is_retraining
    assert "does not count while inputs is in error" in choice.reasons[0]


def test_what_was_seen_before_the_last_training_or_of_another_version_was_answered_by_it() -> None:
    before = signals("features", "eeeeeee", until=after(3))  # of which three nights came after
    assert causes(after(3), replace(KNOWN, signals=before)) == []
    of_the_old = signals("features", "eeeeeee", until=after(12), version=2)
    assert causes(after(12), replace(KNOWN, signals=of_the_old)) == []


def test_outcomes_judge_lists_of_a_week_before_and_count_once_these_are_the_champions() -> None:
    watch, new = "outcomes", replace(KNOWN, serving_since=TRAINED)
    assert causes(after(7), replace(new, signals=signals(watch, "eeeeeee", until=after(7)))) == []
    assert causes(after(10), replace(new, signals=signals(watch, "eeeeeee", until=after(10)))) == []
    assert causes(after(11), replace(new, signals=signals(watch, "eeeeeee", until=after(11)))) == [watch]
    # One that was challenged in vain has made them all along.
    old = replace(KNOWN, serving_since=after(-30))
    assert causes(after(5), replace(old, signals=signals(watch, "eeeee", until=after(5)))) == [watch]


def test_a_week_of_age_is_a_reason() -> None:
    assert causes(after(6), KNOWN, RULE) == []
    assert causes(after(7), KNOWN, RULE) == ["age"]


def test_new_labels_are_counted_in_weeks_of_days_with_baskets() -> None:
    rule = PATIENT.model_copy(update={"new_label_weeks": 2})
    days = [after(n) for n in range(-5, 30)]
    assert causes(after(13), replace(KNOWN, days_with_data=days), rule) == []
    assert causes(after(14), replace(KNOWN, days_with_data=days), rule) == ["new labels"]
    without_sundays = [day for day in days if day.weekday() != 6]
    assert causes(after(14), replace(KNOWN, days_with_data=without_sundays), rule) == []


def test_all_causes_are_told_together() -> None:
    known = replace(KNOWN, signals=signals("outcomes", "eeee", until=after(9)), requests=[wish()])
    choice = choose(after(9), known, rule=RULE, watches=WATCHES)
    assert choice
    assert choice.numbers["causes"] == ["outcomes", "age", "wish"]
    assert choice.reasons[-1] == "wished by ada: a new leaflet"


# What holds it back


def test_in_the_cool_down_only_a_wish_decides() -> None:
    known = replace(KNOWN, decisions=[decision(after(7))])
    for days in (8, 9):
        choice = choose(after(days), known, rule=RULE, watches=WATCHES)
        assert choice
        assert not choice.is_retraining
        assert choice.reasons[0] == (
            "Not before 2024-03-11: a training was decided on in the night of 2024-03-08, and 3 days are to pass."
        )
        assert "age: last trained on 2024-03-01" in choice.reasons[1]  # what would have spoken
    assert causes(after(10), known, RULE) == ["age"]  # it failed for good, and is tried with newer days
    assert causes(after(8), replace(known, requests=[wish()]), RULE) == ["age", "wish"]


def test_a_training_cools_down_too_whoever_began_it() -> None:
    rule = RULE.model_copy(update={"max_age_days": 1})
    assert causes(after(2), KNOWN, rule) == []
    assert causes(after(3), KNOWN, rule) == ["age"]


def test_before_the_first_champion_the_nightly_trains_and_nothing_is_decided() -> None:
    choice = choose(after(0), Known(), rule=RULE, watches=WATCHES)
    assert choice
    assert not choice.is_retraining
    assert "Nobody is champion yet" in choice.reasons[0]
    assert causes(after(0), Known(requests=[wish()])) == ["wish"]


def test_a_night_that_has_trained_does_not_train_again() -> None:
    choice = choose(TRAINED, KNOWN, rule=RULE, watches=WATCHES)
    assert choice
    assert choice.reasons == ("The model was trained tonight already.",)


# The same night again


def test_the_same_night_again_decides_the_same() -> None:
    for known in (KNOWN, replace(KNOWN, requests=[wish()])):
        first = choose(after(7), known, rule=RULE, watches=WATCHES)
        record = on_record(after(7), first)
        again = choose(after(7), replace(known, decisions=[record]), rule=RULE, watches=WATCHES)
        assert again
        assert again.is_that_of(record)


def test_what_was_carried_out_stays_unless_a_person_wishes_more() -> None:
    known = replace(KNOWN, requests=[wish()])
    record = on_record(after(7), choose(after(7), known, rule=RULE, watches=WATCHES))
    trained = replace(known, decisions=[record], trained_on=after(7), newest_promotion=2)
    assert choose(after(7), trained, rule=RULE, watches=WATCHES) is None
    assert causes(after(7), replace(trained, requests=[wish(), wish(2)])) == ["wish"]


def test_a_wish_is_answered_once() -> None:
    known = replace(KNOWN, requests=[wish()])
    record = on_record(after(4), choose(after(4), known, rule=RULE, watches=WATCHES))
    assert record.numbers["wishes"] == [1]
    assert causes(after(5), replace(known, decisions=[record])) == []


def test_a_day_before_one_that_was_decided_is_left_alone() -> None:
    assert (
        choose(
            after(9), replace(KNOWN, decisions=[decision(after(10), is_retraining=False)]), rule=RULE, watches=WATCHES
        )
        is None
    )


def test_what_came_after_the_day_does_not_count() -> None:
    later = signals("features", "eeee", until=after(12))
    assert causes(after(11), replace(KNOWN, signals=later)) == []
