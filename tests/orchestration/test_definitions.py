"""The code location as the tools load it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ["pandas", "numpy", "ibis", "duckdb", "pyarrow", "mlflow", "lightgbm", "great_expectations", "matplotlib"]


def test_a_fresh_interpreter_loads_the_definitions_without_anything_heavy() -> None:
    script = (
        "import sys, orchestration.definitions as d; d.defs.resolve_asset_graph();"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_asset_says_what_it_is_whose_it_is_and_is_guarded() -> None:
    from orchestration.definitions import STAGES, defs

    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.group_name in STAGES, key
        assert len(node.description or "") > 80, key
        assert ":`" not in (node.description or ""), key  # a role of docstrings: the UI shows it as it stands
        assert node.owners, key
        assert node.kinds, key
        assert node.code_version, key
        if node.group_name != "monitoring":
            assert graph.get_check_keys_for_assets({key}), key


def test_every_asset_can_be_made_for_a_range_in_one_run() -> None:
    import dagster as dg

    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    assert {graph.get(key).backfill_policy for key in graph.materializable_asset_keys} == {
        dg.BackfillPolicy.single_run()
    }


def test_nothing_of_a_night_follows_its_ends() -> None:
    from orchestration.definitions import defs
    from orchestration.jobs import night_selection
    from orchestration.runs.nights import ENDS

    graph = defs.resolve_asset_graph()
    night = night_selection(has_champion=False).resolve(graph)
    assert {key.to_user_string() for key in night if not graph.get(key).child_keys & night} == ENDS


def test_every_step_of_a_night_is_tried_again_when_what_it_asks_is_down() -> None:
    from assets.failures import RETRIES
    from orchestration.definitions import defs

    steps = {
        each.name: each.retry_policy
        for each in defs.resolve_job_def("nightly").all_node_defs
        if hasattr(each, "retry_policy")
    }
    del steps["retraining_decision"]  # what fails in it is told, and costs nothing
    assert len(steps) > 15
    assert {*steps.values()} == {RETRIES}, {name for name, policy in steps.items() if policy != RETRIES}
