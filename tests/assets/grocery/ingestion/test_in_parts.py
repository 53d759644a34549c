import datetime as dt

import pyarrow as pa
import pytest

from assets.grocery.ingestion import cleaning, in_parts
from resources.config.retailer import TransactionsConfig

FIRST, SINCE, UNTIL, LAST = (dt.date(2024, 3, day) for day in (1, 4, 12, 31))
FEED = TransactionsConfig.model_validate(
    {
        "path": "sales.csv",
        "columns": {
            "household_id": "who", "basket_id": "receipt", "product_id": "what", "occurred_at": "at", "sales_value": "paid",
        },
    }
)  # fmt: skip


def delivered(engine):
    """Nine days, each with a basket of two households; one day of them twice, and lines that are of no day."""
    lines = [
        (f"H{n % 3}", f"R{day}-{n // 3}", f"P{n}", f"2024-03-{day:02} 2{n % 4}:30:00", None if n == 5 else str(n))
        for day in (1, *range(3, 15), 8)
        for n in range(9)
    ]
    lines += [("H1", "R", "P1", at, "1") for at in ("yesterday", None, "1999-01-01 08:00:00", "2031-01-01 08:00:00")]
    columns = dict(zip(("who", "receipt", "what", "at", "paid"), map(list, zip(*lines, strict=True)), strict=True))
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    table = table.append_column("source_file", pa.array(["sales.csv"] * len(lines)))
    table = table.append_column("source_row", pa.array(range(1, len(lines) + 1)))
    table = table.append_column("file_date", pa.nulls(len(lines), pa.date32()))
    return engine.create_table("delivered_in_parts", table.append_column("defect", pa.nulls(len(lines), pa.string())))


@pytest.mark.parametrize("parts", [2, 4, 50])
def test_days_in_parts_are_cleaned_as_all_at_once(engine, parts):
    lines = (
        delivered(engine) if "delivered_in_parts" not in engine.list_tables() else engine.table("delivered_in_parts")
    )
    how = {"timezone": "Europe/Berlin", "first_day": FIRST, "last_day": LAST, "since": SINCE, "until": UNTIL}
    whole = cleaning.clean(lines, FEED, **how)

    def rows(table):
        return sorted(table.to_pyarrow().to_pylist(), key=lambda row: (row["source_row"], row["source_file"]))

    with in_parts.cleaned(lines, FEED, parts=parts, **how) as cleaned:
        cleaned.refuse_unaccounted()
        assert {rule for _, rule in cleaned.broken} >= {
            "occurred_at_is_a_time",
            "occurred_at_is_within_the_history",
            "sales_value_is_a_number",
        }
        for name in ("lines", "broken", "left_out", "delivered"):
            assert dict(getattr(cleaned, name)) == dict(getattr(whole, name)), name
        assert rows(cleaned.transactions) == rows(whole.transactions)
        assert rows(cleaned.quarantine) == rows(whole.quarantine)
        assert cleaned.transactions.schema() == whole.transactions.schema()
