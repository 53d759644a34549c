"""What the largest feature table costs, against a query for the same table written by hand: CPU seconds of the work.

`python benchmarks/feature_cost.py TABLES --date DAY [--repeat N]` reads the tables of a state (`…/tables`). The query knows no
slices, no checks of files and no other tables; of products it works out the two columns that this table needs, where the
project makes all of them. Both write one Parquet file, which have to hold the same rows, to 1e-6.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import PYTHON, WORK, arguments, in_turns, report

from assets.grocery.features.described import HALF_LIVES, LATEST, MONTH, PRIOR_GAPS, TRIP_DECAYS

GOAL = 1.2
BY_HAND, PROJECT = "a query by hand", "the project"
FILES = {BY_HAND: "by_hand.parquet", PROJECT: "project.parquet"}


def main() -> None:
    parser = arguments(__doc__, repeat=3)
    parser.add_argument("tables", type=Path, help="of a state")
    parser.add_argument("--date", type=dt.date.fromisoformat, required=True, help="the close")
    parser.add_argument("--side", choices=list(FILES), help="be one side in this process (used by itself)")
    parser.add_argument("--files", type=Path, help="where the tables are written (used by itself)")
    given = parser.parse_args()
    if given.side:
        with cpu_work():
            {BY_HAND: by_hand, PROJECT: project}[given.side](given.tables, given.date, given.files / FILES[given.side])
        return
    with tempfile.TemporaryDirectory() as files:
        base = [PYTHON, __file__, str(given.tables.resolve()), "--date", str(given.date), "--files", files, "--side"]
        state = Path(files, "state")
        costs = in_turns({name: [*base, name] for name in FILES}, repeat=given.repeat, state=state)
        require_the_same(Path(files))
    report(f"household_product_features of {given.date}", costs, goal=GOAL, judged_by=["work"])


@contextmanager
def cpu_work() -> Iterator[None]:
    """Tell the parent the CPU seconds of what is inside: others may work on the machine meanwhile."""
    import duckdb  # noqa: F401
    import ibis  # noqa: F401
    import pyarrow as pa  # noqa: F401

    before = sum(os.times()[:4])
    yield
    print(f"{WORK} {sum(os.times()[:4]) - before:.4f}", flush=True)


def project(tables: Path, day: dt.date, file: Path) -> None:
    """The table as a night makes it."""
    from assets.grocery.features.definitions import build
    from assets.grocery.tables import OFFERS, PRODUCTS, TRANSACTIONS
    from resources.tables.store import TableStore

    store = TableStore(root=str(tables))
    lines, products, offers = store.read(TRANSACTIONS, until=day), store.read(PRODUCTS), store.read(OFFERS)
    build(lines, products, offers, as_of=day).household_product.to_parquet(file)


def by_hand(tables: Path, day: dt.date, file: Path) -> None:
    """The same by one script of SQL, with the same whole parts of sums (:func:`resources.tables.engine.exact_sum`)."""
    from resources.tables import engine
    from resources.tables.store import TableStore

    store = TableStore(root=str(tables))

    def files(name: str) -> str:
        listed = ", ".join(f"'{tables}/{name}/{path}'" for path in store.live(name))
        days = "hive_types = {business_date: DATE}" if store.day_column(name) else "hive_partitioning = false"
        return f"read_parquet([{listed}], union_by_name = true, {days})"

    def total(value: str) -> str:
        return f"sum(round(({value}) * 16777216.0)::bigint)::double / 16777216"

    con = engine.connect().con
    con.execute(f"""
        create temp table sold as select product_id, subcategory, (row_number() over (order by product_id))::int as p
        from {files("products")} where is_recommendable;
        create temp table lines as select household_id, p, business_date, quantity, sales_value
        from {files("transactions")} join sold using (product_id)
        where quantity > 0 and household_id is not null and business_date <= date '{day}';
        create temp table people as select household_id, (row_number() over (order by household_id))::int as h
        from (select distinct household_id from lines);
        create temp table days as
        with bought as (
            select h, p, (date '{day}' - business_date)::int as age, {total("quantity")} as quantity,
                {total("sales_value")} as paid
            from lines join people using (household_id) group by all
        ), trips as (
            select h, age, count(*)::int as size, (row_number() over (partition by h order by age) - 1)::int as ago
            from bought group by h, age
        ), planned as (
            select p, unnest(range((date '{day}' - ends_on)::int, (date '{day}' - starts_on)::int + 1))::int as age, reach
            from {files("offers")} join sold using (product_id)
            where known_from <= date '{day}' and starts_on <= date '{day}'
        ), offered as (select p, age, max(reach)::double as reach from planned group by all)
        select bought.*, size, ago, coalesce(reach, 0) as reach
        from bought join trips using (h, age) left join offered using (p, age);
        create temp table coming as
        with each as (
            select p, d, max(reach)::double as reach
            from (select p, unnest(generate_series(starts_on, ends_on, interval 1 day))::date as d, reach
                  from {files("offers")} join sold using (product_id)
                  where known_from <= date '{day}' and starts_on <= date '{day}' + 7 and ends_on > date '{day}')
            where d > date '{day}' and d <= date '{day}' + 7 group by all
        ) select p, sum(reach) / 7 as offered_next from each group by p;
    """)
    halves = ", ".join(f"{total(f'0.5 ** (age / {h})')} as decayed_{h}" for h in HALF_LIVES)
    trips = ", ".join(f"{total(f'{decay} ** ago')} as decayed_trips_{name}" for name, decay in TRIP_DECAYS.items())
    latest = ", ".join(f"max(age) filter (where place = {n - 1}) as days_since_{n}" for n in LATEST)
    con.execute(f"""
        create temp table history as
        with placed as (
            select *, lead(age) over pair - age as own_gap, row_number() over pair - 1 as place from days
            window pair as (partition by h, p order by age)
        )
        select h, p, count(*) as purchases, count(*) filter (where age < {MONTH}) as purchases_month, {halves}, {trips},
            {total("0.5 ** (age / 90) / size")} as decayed_share,
            {total("0.5 ** (age / 90) / sqrt(size)")} as decayed_root_share,
            min(age) as days_since_last, {latest}, max(age) as days_since_first, min(ago) as trips_since_last,
            max(ago) + 1 as trips_since_first,
            sqrt((count(own_gap) * sum(own_gap * own_gap) - sum(own_gap) * sum(own_gap))
                / nullif(count(own_gap) * (count(own_gap) - 1), 0)) as gap_deviation,
            min(own_gap) as gap_shortest, max(own_gap) as gap_longest,
            {total("quantity")} / count(*) as quantity,
            {total("paid")} / nullif({total("quantity")}, 0) as price,
            {total("0.5 ** (age / 90) * reach")} as decayed_on_offer,
            min(age) filter (where reach > 0.5) as days_since_on_offer,
            min(age) filter (where reach <= 0.5) as days_since_off_offer
        from placed group by h, p;
        create temp table paced as
        with product as (
            select p, sum(days_since_first - days_since_last) / nullif(sum(purchases) - count(*), 0) as usual
            from history group by p
        ), joined as (
            select history.*, household_id, product_id, subcategory, usual, coalesce(offered_next, 0) as planned
            from history join product using (p) join sold using (p) join people using (h) left join coming using (p)
        )
        select *, round(decayed_90 * planned * 16777216.0) / 16777216 as own_planned,
            sum(round(decayed_90 * planned * 16777216.0)::bigint) over needs::double / 16777216 as all_planned,
            sum(round(decayed_90 * 16777216.0)::bigint) over needs::double / 16777216 as all_bought,
            (days_since_first - days_since_last + {PRIOR_GAPS} * coalesce(usual, days_since_first + 1.0))
                / (purchases - 1 + {PRIOR_GAPS}) as gap
        from joined window needs as (partition by h, subcategory);
    """)
    columns = (
        *("purchases", "purchases_month", *(f"decayed_{h}" for h in HALF_LIVES)),
        *(f"decayed_trips_{name}" for name in TRIP_DECAYS),
        *("decayed_share", "decayed_root_share", "days_since_last", *(f"days_since_{n}" for n in LATEST)),
        *("days_since_first", "trips_since_last", "trips_since_first", "gap", "gap_deviation", "gap_shortest"),
        *("gap_longest", "overdue", "quantity", "price", "decayed_on_offer", "days_since_on_offer"),
        *("days_since_off_offer", "subcategory_offered", "rivals_offered"),
    )
    worked_out = {
        "overdue": "days_since_last / nullif(gap, 0)",
        "subcategory_offered": "case when subcategory is not null then all_planned / nullif(all_bought, 0) end",
        "rivals_offered": "case when subcategory is not null then (all_planned - own_planned) / nullif(all_bought - decayed_90, 0) end",
    }
    shown = ", ".join(f"({worked_out.get(name, name)})::float as {name}" for name in columns)
    con.execute(f"copy (select household_id, product_id, {shown} from paced) to '{file}' (format parquet)")


def require_the_same(files: Path) -> None:
    """Compare the two tables, column by column."""
    import numpy as np
    import pyarrow.parquet as pq

    keys = [("household_id", "ascending"), ("product_id", "ascending")]
    one, other = (pq.read_table(files / name).sort_by(keys) for name in FILES.values())
    assert one.column_names == other.column_names, (one.column_names, other.column_names)
    for name in one.column_names:
        these, those = (table[name].to_pandas().to_numpy() for table in (one, other))
        if name in ("household_id", "product_id"):
            assert (these == those).all(), name
        else:
            np.testing.assert_allclose(these.astype(float), those.astype(float), rtol=1e-6, atol=1e-6, err_msg=name)


if __name__ == "__main__":
    main()
