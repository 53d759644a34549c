"""What `nightcart status` says of the assets."""

from __future__ import annotations

import dagster as dg

from assets.quality.gates import Gates
from orchestration.reports import status


def test_an_asset_whose_runs_a_person_deleted_has_no_days() -> None:
    @dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
    def transactions() -> None: ...

    @dg.asset
    def households() -> None: ...

    defs = dg.Definitions(assets=[transactions, households])
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([transactions, households], instance=instance, partition_key="2024-01-02").run_id

        def days() -> dict[str, int | None]:
            rows = status._assets(instance, defs.resolve_asset_graph(), Gates([]), set())
            return {row.name: row.days for row in rows if row.made_at}

        assert days() == {"transactions": 1, "households": None}
        instance.delete_run(run)
        assert days() == {"transactions": 0, "households": None}
