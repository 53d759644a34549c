"""What the orchestrator costs a night: `dg launch --job nightly` against the same functions called from a bare script.

Both start from a copy of the same state, in a process of their own, and must end with the same recommendations.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from measure import BENCHMARKS, PYTHON, arguments, in_turns, report
from states import NIGHT, night_of, prepared_state, with_keep

if TYPE_CHECKING:
    import pyarrow as pa

GOAL = 1.10
BARE, DAGSTER = "bare script", "dg launch --job nightly"


def main() -> None:
    parser = with_keep(arguments(__doc__, repeat=3))
    parser.add_argument(
        "--first-night", action="store_true", help="no night went before: every label week is made, nobody is champion"
    )
    given = parser.parse_args()
    with prepared_state(given.keep, is_first_night=given.first_night) as prepared:
        made = prepared.folder / "made"
        shutil.rmtree(made, ignore_errors=True)
        costs = in_turns(
            {
                BARE: [PYTHON, str(BENCHMARKS / "bare_night.py"), str(NIGHT)],
                DAGSTER: night_of(NIGHT),
            },
            repeat=given.repeat,
            state=prepared.state,
            before=prepared.restore,
            after=lambda run: shutil.copytree(prepared.state / "complete_journey/tables/recommendations", made / run),
            # Otherwise the night that prepared the state has compiled and read everything.
            warm_up=given.first_night,
        )
        report(f"the night of {NIGHT}{', the first' * given.first_night}", costs, goal=GOAL)
        print(f"  {same_rows(sorted(made.iterdir()))}")


def same_rows(tables: list[Path]) -> str:
    """What the recommendations of :data:`NIGHT` have in common; raises SystemExit when they differ in any value."""
    first, *others = [recommendations(table) for table in tables]
    if not first.num_rows or any(not first.equals(other) for other in others):
        raise SystemExit(f"The runs made different recommendations: {[table.name for table in tables]}")
    return f"all {len(tables)} runs made the same {first.num_rows:,} recommendations, in every column"


def recommendations(table: Path) -> pa.Table:
    """The rows of :data:`NIGHT`, in a fixed order of rows and columns."""
    from deltalake import DeltaTable

    found = DeltaTable(table).to_pyarrow_table(filters=[("business_date", "=", NIGHT)])
    return found.select(sorted(found.column_names)).sort_by([("household_id", "ascending"), ("rank", "ascending")])


if __name__ == "__main__":
    main()
