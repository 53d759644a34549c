"""Exports of one known week of a shop, each with a habit that reads well and means something else."""

from __future__ import annotations

import datetime as dt
import random
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from assets.grocery.onboarding import files, proposal, transactions
from assets.grocery.onboarding.joins import join_of
from assets.grocery.onboarding.transactions import TransactionsProposal
from resources.errors import Refused

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
    """What 25 of 30 households bought on each day of a week, in two stores."""
    chance, made = random.Random(7), []
    for day in range(7):
        for household in chance.sample(range(30), 25):
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


@pytest.mark.parametrize(("is_first", "is_told"), [(lambda place: place == 0, True), (lambda place: place == 1, False)])
def test_a_state_that_the_first_line_of_a_household_has_is_told_without_a_number_too(proposed, is_first, is_told):
    rows = [
        (*row[1:], ("cancelled" if order.number % 4 == 0 else "paid") if is_first(place) else "")
        for order in sorted(orders(), key=lambda order: order.who)
        for place, row in enumerate(order.rows(seconds=7))
    ]
    assert ("first line of an order has it alone" in told(proposed(written((*COLUMNS[1:], "status"), rows)))) is is_told


def test_a_state_of_lines_is_taken_for_that_of_lines(proposed):
    rows = [(*row, "refunded" if row[3] == "P03" else "") for order in orders() for row in order.rows()]
    assert "stands once" not in told(proposed(written((*COLUMNS, "status"), rows)))


def in_two(folder, *, with_day: bool) -> tuple[str, str]:
    """Orders and their lines in two files, numbered anew each day and in each store: both as tables of a query."""
    numbered: Counter[tuple[object, ...]] = Counter()
    of_orders, of_lines = [], []
    for order in orders():
        numbered[key := (order.at.date(), order.store)] += 1
        day = [order.at.date()] * with_day
        of_orders.append([numbered[key], order.store, *day, order.at, order.who])
        of_lines += [[numbered[key], order.store, *day, *line] for line in order.lines]
    shared = ["bon_no", "store", *["day"] * with_day]
    (folder / "two").mkdir()
    (folder / "two" / "orders.csv").write_text(written([*shared, "sold_at", "customer_id"], of_orders))
    (folder / "two" / "lines.csv").write_text(written([*shared, *COLUMNS[3:]], of_lines))
    return tuple(f"read_csv('{folder}/two/{name}.csv', all_varchar = true)" for name in ("lines", "orders"))


@pytest.mark.parametrize(
    ("keys", "is_told"),
    [("bon_no", True), ("bon_no, store", True), ("bon_no, day", True), ("bon_no, store, day", False)],
)
def test_lines_that_are_joined_to_several_orders_are_told(proposed, tmp_path, keys, is_told):
    lines, of_orders = in_two(tmp_path, with_day=True)
    notes = told(proposed(query=f"SELECT * FROM {lines} AS l LEFT JOIN {of_orders} AS o USING ({keys})"))
    assert ("left out: All who have a bon_no have the same lines" in notes) is is_told


def test_orders_are_joined_to_their_lines_by_as_many_columns_as_tell_them_apart(proposed, tmp_path):
    in_two(tmp_path, with_day=True)
    with pytest.raises(Refused, match="If an order has the same bon_no, day, store in both") as refused:
        files.find(str(tmp_path / "two"))
    joined = proposed(query=query_of(refused.value.remedy))
    assert joined.delivered.taken == joined.delivered.lines == sum(len(order.lines) for order in orders())


def test_orders_that_nothing_tells_apart_are_joined_by_no_query(tmp_path):
    in_two(tmp_path, with_day=False)
    with pytest.raises(Refused, match=r"orders\.csv has several orders of one bon_no, and nothing else"):
        files.find(str(tmp_path / "two"))


def test_files_that_cannot_be_read_at_once_are_joined_by_their_keys(tmp_path):
    columns = {"orders.csv": {"order_id", "customer_id"}, "lines.csv": {"order_id", "sku"}}
    for name, of in columns.items():
        (tmp_path / name).write_bytes(",".join(sorted(of)).encode() + b"\nK\xfche,1\n")
    remedy = join_of({str(tmp_path / name): of for name, of in columns.items()})
    assert "If an order has the same order_id in both" in remedy


@pytest.mark.parametrize(("versions", "is_told"), [(2, True), (1, False)])
def test_lines_that_are_joined_to_several_versions_of_a_product_are_told(proposed, versions, is_told):
    several = {sku for number, sku in enumerate(PRICES) if number % 2}
    rows = [row for order in orders() for row in order.rows() for _ in range(versions if row[3] in several else 1)]
    notes = told(proposed(written(COLUMNS, rows)))
    assert ("left out: 15 of sku stand more than once with the same in nearly every basket" in notes) is is_told


def test_barcodes_of_a_scale_are_made_those_of_their_articles_by_a_query(proposed):
    def barcode(sku: str, piece: int) -> str:
        return f"28{sku[1:]:>05}{piece:05}7" if sku < "P05" else f"40123450000{sku[1:]}"

    rows = [
        (*row[:3], barcode(row[3], 312 + 7 * number), *row[4:])
        for number, row in enumerate(row for order in orders() for row in order.rows())
    ]
    text = written(COLUMNS, rows)
    found = proposed(text)
    note = next(note for note in found.notes if "barcodes of a scale" in note.says)
    mended = proposed(query=query_of(note.remedy))
    assert "barcodes of a scale" not in told(mended)
    assert mended.standard.product_id.nunique().to_pyarrow().as_py() == len(PRICES)
    assert mended.delivered.taken == len(rows)


@pytest.mark.parametrize("has_tax", [False, True])
def test_totals_among_the_products_are_told_by_what_they_cost(proposed, has_tax):
    rows = []
    for order in orders():
        paid = round(sum(amount for *_, amount in order.lines), 2)
        total = (*order.rows()[0][:3], "P90", 1, paid)
        tax = [(*total[:3], "P91", 1, round(0.07 * paid, 2)), (*total[:3], "P92", 1, round(1.07 * paid, 2))]
        rows += [*order.rows(), total, *tax * has_tax]
    note = next(note for note in proposed(written(COLUMNS, rows)).notes if "totals" in note.says)
    assert (note.kind, note.says.partition(" of sku")[0]) == ("left out", "P90")
    assert 'unless = { sku = ["P90"] }' in note.remedy


def test_deposits_are_told_by_standing_below_certain_products_each_time(proposed):
    bottled = {f"P{number:02}" for number in range(8)}
    rows = []
    for row in (row for order in orders() for row in order.rows()):
        *what, sku, quantity, _ = row
        rows += [row, *[(*what, "P90", quantity, 0.25 * quantity)] * (sku in bottled)]
    notes = told(proposed(written(COLUMNS, rows)))
    assert "to know: P90 stand below certain products each time" in notes
    assert "P90 stand below" not in told(proposed(written(COLUMNS, [*rows, *[(*rows[-1][:3], "P90", 1, 0.25)] * 99])))


def test_what_sells_together_is_no_total_and_no_deposit(proposed):
    notes = told(proposed(written(COLUMNS, (row for order in orders() for row in order.rows()))))
    assert "totals" not in notes
    assert "stand below" not in notes


@pytest.mark.parametrize(
    ("is_padded", "says"),
    [
        (True, "several kinds by record (L "),
        (False, "have another number of values than the header, which fits those with record H 175: they are records"),
    ],
)
def test_records_of_several_kinds_are_refused_as_such(proposed, is_padded, says):
    rows: list[list[object]] = []
    for order in orders():
        bought = [["L", order.number, *line] for line in order.lines]
        rows += [["H", order.number, order.who, order.at], *bought, ["T", order.number, len(bought)]]
    columns = ["record", "order_id", "customer_id", "sold_at", *["store"] * is_padded]
    rows = [[*row, *[""] * (is_padded * 5 - len(row))] for row in rows]
    with pytest.raises(Refused) as refused:
        proposed(written(columns, rows))
    assert says in refused.value.message
    assert refused.value.remedy.startswith("have what was bought delivered alone")


def test_an_encoding_that_was_told_is_no_guess(tmp_path):
    rows = [(*row, f"Молоко {row[3]}") for order in orders() for row in order.rows()]
    (tmp_path / "sales.csv").write_text(written((*COLUMNS, "name"), rows), encoding="cp1251")
    how = {"timezone": "UTC", "today": dt.date(2024, 7, 1), "given": {}, "encoding": "cp1251"}
    found = proposal.propose("shop", str(tmp_path / "sales.csv"), **how)
    encodings = {each.setting: (each.why, each.is_guess) for each in found.proposed if "encoding" in each.setting}
    assert encodings == dict.fromkeys(("transactions.encoding", "products.encoding"), ("as told", False))
    assert "encoding" not in " ".join(note.says for note in found.notes)


def test_products_of_deliveries_that_overlap_are_not_those_of_a_join(proposed):
    rows = [row for order in orders() for row in order.rows()]
    assert "as a join makes them" not in told(proposed(written(COLUMNS, [*rows, *rows])))


def test_lines_that_correct_what_stood_before_are_told(proposed):
    rows: list[tuple[object, ...]] = []
    for number, row in enumerate(row for order in orders() for row in order.rows()):
        rows += [(number, *row), *[(number, *row[:4], row[4] + 1, row[5] + 1)] * (number % 10 == 0)]
    corrected = sum(number % 10 == 0 for number in {row[0] for row in rows})
    notes = told(proposed(written(("line_id", *COLUMNS), rows)))
    assert f"left out: {corrected} lines have a line_id that stood before with the same product, and another" in notes


@pytest.mark.parametrize(("place", "column", "other"), [(1, "customer_id", "C9"), (3, "sku", "A7")])
def test_identifiers_that_all_end_on_a_day_are_told(proposed, place, column, other):
    rows = [list(row) for order in orders() for row in order.rows()]
    assert "re-keyed" not in told(proposed(written(COLUMNS, rows)))
    for row in rows:
        row[place] = f"{other}{row[place]}" if row[2].day >= 8 else row[place]
    note = next(note for note in proposed(written(COLUMNS, rows)).notes if "re-keyed" in note.says)
    assert note.says.startswith(f"Of 30 of {column} before 2024-03-08, 0 come again from then on, and 30 others begin:")


@pytest.mark.parametrize(("since", "says"), [(4, "7 days, 2024-03-04"), (9, "2 days, 2024-03-09"), (11, "")])
def test_days_whose_lines_have_one_time_are_told(proposed, since, says):
    rows = [
        (*row[:2], row[2] if row[2].day < since else row[2].replace(hour=23, minute=59, second=59), *row[3:])
        for order in orders()
        for row in order.rows()
    ]
    notes = told(proposed(written(COLUMNS, rows)))
    assert f"merged: All lines of {says}" * bool(says) in notes
    assert ("have one time a day" in notes) is bool(says)


def test_products_that_are_hardly_one_are_told(proposed):
    rows = [(*row[:3], "00000" if row[3] == "P07" else row[3], *row[4:]) for order in orders() for row in order.rows()]
    n = sum(row[3] == "00000" for row in rows)
    assert f"to know: sku has values that are hardly a product: 00000 ({n} lines)." in told(
        proposed(written(COLUMNS, rows))
    )


@pytest.mark.parametrize(("times", "is_told"), [(1000, True), (1, False)])
def test_quantities_of_thousandths_are_told(proposed, times, is_told):
    rows = [(*row[:4], row[4] * times, row[5]) for order in orders() for row in order.rows()]
    notes = told(proposed(written(COLUMNS, rows)))
    assert ("to know: quantity is a multiple of 100 in 100.0% of lines" in notes) is is_told
