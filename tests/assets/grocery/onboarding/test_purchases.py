"""Which lines are purchases, by what a column is called and says."""

from __future__ import annotations

import pytest

from assets.grocery.onboarding.purchases import FLAGS, NO, YES, Purchases
from assets.grocery.onboarding.words import split_name


def kinds(name: str, counts: dict[str, int], *, is_always_given: bool = True) -> Purchases:
    found = Purchases()
    found.add_kinds(name, counts, is_always_given=is_always_given)
    return found


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("till_mode", ["NORMAL", "TRAINING"]),
        ("RETAILTYPECODE", ["2001", "2801"]),
        ("TransTypCode", ["1001", "1014"]),
        ("doc_status_id", ["1", "2"]),
        ("remark", ["", "VOIDED BY MANAGER"]),
    ],
)
def test_kinds_of_lines_are_told(name, others):
    (note,) = kinds(name, dict.fromkeys(others, 5)).notes
    assert note.kind == "left out"
    assert "where = {" in note.remedy


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("delivery_mode", ["PICKUP", "HOME"]),
        ("tax_code", ["A", "B"]),
        ("category", ["Test strips", "Training pants", "Correction fluid"]),
        ("promo_flag", ["X"]),
    ],
)
def test_what_says_nothing_of_lines_is_not(name, values):
    assert kinds(name, dict.fromkeys(values, 5), is_always_given=False) == Purchases()


def test_kinds_in_cyrillic_letters_are_understood():
    assert kinds("Тип операции", {"Продажа": 90, "Возврат": 10}).where == {"Тип операции": ["Продажа"]}


def test_kinds_that_most_lines_lack_are_named_by_what_they_are_not():
    (note,) = kinds("receipt_flag", {"V": 33}, is_always_given=False).notes
    assert "unless = { receipt_flag" in note.remedy  # nothing cannot be named in `where`


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("Anulado", "S", "N"),
        ("Mode école", "OUI", "NON"),
        ("TRAININGFLAG", "X", "N"),
        ("isreturn", "1", "0"),
        ("Возврат", "Да", "Нет"),
    ],
)
def test_flags_in_other_languages_and_without_capitals(name, yes, no):
    assert not FLAGS.isdisjoint(split_name(name))
    assert yes.lower() in YES
    assert no.lower() in NO
