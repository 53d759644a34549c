"""Exports of one known week of a shop, each with a habit that reads well and means something else."""

from __future__ import annotations

import datetime as dt
import random
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from assets.grocery.onboarding import files, transactions
from assets.grocery.onboarding.transactions import TransactionsProposal

PRICES = {f"P{number:02}": 0.79 + number * 0.3 for number in range(30)}
COLUMNS = ("order_id", "customer_id", "sold_at", "sku", "quantity", "amount")


@dataclass(frozen=True)
class Order:
    """What was bought at once: `lines` are product, quantity and amount."""

    number: int
    who: str
    at: dt.datetime
    store: str
    lines: tuple[tuple[str, int, float], ...]

    def rows(self, *, seconds: int = 0) -> list[tuple[object, ...]]:
        """Its lines by :data:`COLUMNS`, each so many seconds after the one before."""
        return [
            (self.number, self.who, self.at + dt.timedelta(seconds=place * seconds), *line)
            for place, line in enumerate(self.lines)
        ]


@cache
def orders() -> tuple[Order, ...]:
    """What 25 households bought in a week, in two stores."""
    chance, made = random.Random(7), []
    for day in range(7):
        for household in range(25):
            at = dt.datetime(2024, 3, 4 + day, chance.randrange(8, 20), chance.randrange(60), chance.randrange(60))
            bought = [(sku, chance.choice((1, 1, 1, 2))) for sku in chance.sample(sorted(PRICES), chance.randint(2, 6))]
            lines = tuple((sku, quantity, round(PRICES[sku] * quantity, 2)) for sku, quantity in bought)
            made.append(Order(101 + len(made), f"K{household:02}", at, f"S{household % 2}", lines))
    return tuple(made)


def written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A text of rows below their header."""
    return "".join(",".join(map(str, row)) + "\n" for row in (columns, *rows))


Proposed = Callable[..., TransactionsProposal]


@pytest.fixture
def proposed(engine, feeds, tmp_path) -> Proposed:
    """What is made of a file with the given text, or of a query."""

    def propose(text: str = "", *, query: str = "", encoding: str | None = None, **given) -> TransactionsProposal:
        if text:
            (tmp_path / "sales.csv").write_text(text, encoding=encoding or "utf-8")
        found = (
            files.find_rows("duckdb://", query, between=())
            if query
            else files.find(str(tmp_path / "sales.csv"), encoding=encoding)
        )
        read = files.read(found, engine=engine, reader=feeds, encoding=encoding)
        return transactions.propose(*read, timezone="UTC", today=dt.date(2024, 7, 1), given=given)

    return propose


def told(proposal: TransactionsProposal) -> str:
    """The notes as one text."""
    return "\n".join(f"{note.kind}: {note}" for note in proposal.notes)


def query_of(text: str) -> str:
    """The query of the first command in a remedy."""
    return shlex.split(text.split("`")[1])[-1]


@pytest.mark.parametrize("is_in_order", [True, False])
def test_a_state_that_one_line_of_an_order_has_is_told_where_each_line_has_its_own_time(proposed, is_in_order):
    states = {order.number: "cancelled" if order.number % 4 == 0 else "paid" for order in orders()}
    rows = [
        (*row, states[order.number] if place == 0 else "")
        for order in orders()
        for place, row in enumerate(order.rows(seconds=7))
    ]
    found = proposed(written((*COLUMNS, "status"), rows if is_in_order else sorted(rows, key=lambda row: row[2])))
    note = next(note for note in found.notes if "stands once" in note.says)
    assert note.kind == "left out"
    assert note.says.startswith("status stands once in 175 of 175 orders of several lines by order_id")
    mended = proposed(query=query_of(note.remedy))
    assert "stands once" not in told(mended)
    paid = sum(len(order.lines) for order in orders() if states[order.number] == "paid")
    assert (mended.delivered.taken, mended.delivered.lines) == (paid, len(rows))


def test_a_state_of_lines_is_taken_for_that_of_lines(proposed):
    rows = [(*row, "refunded" if row[3] == "P03" else "") for order in orders() for row in order.rows()]
    assert "stands once" not in told(proposed(written((*COLUMNS, "status"), rows)))
