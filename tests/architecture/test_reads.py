"""Declared is read, read is declared: a night with a table store that notes which step reads which table."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from assets.grocery.features import tables as feature_tables
from assets.grocery.tables import EXAMPLES, QUARANTINE, TABLES
from resources.tables.store import TableStore
from tests.support.shop import TOMORROW, CornerShop, failures

STORED = {*TABLES, *feature_tables.TABLES, EXAMPLES}
MADE_WITH = {QUARANTINE: "transactions"}  # tables that an asset of another name writes
# Methods of the store that say nothing of what is in a table.
NO_READS = {"exists", "replace", "replace_days", "rewrite", "uri", "alone"}


@dataclass(frozen=True)
class Step:
    """A step of the night: what it makes and checks, what it declares to read, and the tables that it read."""

    makes: frozenset[str]
    declares: frozenset[str]
    reads: frozenset[str]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, set[str]]:
    """The tables that each step reads, by the step's name."""
    by_step: dict[str, set[str]] = defaultdict(set)

    def noted(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(store: TableStore, table: str, *args: Any, **kwargs: Any) -> Any:
            by_step[_step()].add(MADE_WITH.get(table, table))
            return method(store, table, *args, **kwargs)

        return call

    for name, method in inspect.getmembers(TableStore, inspect.isfunction):
        if not name.startswith("_") and name not in NO_READS and "table" in inspect.signature(method).parameters:
            monkeypatch.setattr(TableStore, name, noted(method))
    return by_step


def _step() -> str:
    """The step that runs now."""
    return dg.OpExecutionContext.get().op_handle.name


def steps(defs: dg.Definitions, reads: Mapping[str, set[str]]) -> Iterator[tuple[str, Step]]:
    """Every step that ran, with what the graph says of it."""
    graph = defs.resolve_asset_graph()
    assets = {node.key: node for node in (graph.get(key) for key in graph.materializable_asset_keys)}
    checks = {node.key: node for node in graph.asset_check_nodes}
    for definition in defs.get_repository_def().assets_defs_by_key.values():
        name = definition.op.name
        keys = [key for key in definition.keys if key in assets]
        parents = {parent for key in keys for parent in assets[key].parent_keys}
        makes = {key.to_user_string() for key in keys}
        yield name, Step(frozenset(makes), frozenset(each.to_user_string() for each in parents), frozenset(reads[name]))
    by_op: dict[str, set[dg.AssetCheckKey]] = defaultdict(set)
    for key, definition in defs.get_repository_def().asset_checks_defs_by_key.items():
        by_op[definition.op.name].add(key)
    for name, keys in by_op.items():
        parents = {
            parent.to_user_string() for key in keys if key in checks for parent in checks[key].parent_entity_keys
        }
        yield (
            name,
            Step(frozenset(key.asset_key.to_user_string() for key in keys), frozenset(parents), frozenset(reads[name])),
        )


def test_a_night_reads_what_is_declared_and_declares_what_it_reads(
    after_a_night: CornerShop, reads: Mapping[str, set[str]]
) -> None:
    everything = after_a_night.defs.resolve_asset_graph().materializable_asset_keys
    result = after_a_night.run("backfill", TOMORROW, asset_selection=sorted(everything))
    assert result.success, failures(result)
    undeclared, unread = {}, {}
    for name, step in steps(after_a_night.defs, reads):
        if more := step.reads - step.declares - step.makes:
            undeclared[name] = sorted(more)
        if (less := (step.declares & STORED) - step.reads - step.makes) and step.reads:
            unread[name] = sorted(less)
    assert (undeclared, unread) == ({}, {})
