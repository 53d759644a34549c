"""Stops a run where the drill says, once: Python loads this before anything else in a run's pod (PYTHONPATH=/drill).

The order is a file, which the first process of a run that comes by takes away with it; it then says where it is, and waits until it
is killed, told to go on, or tired of waiting. `"oom"` in an order: it fills its memory instead of waiting.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import pathlib
import sys
import time

FOLDER = pathlib.Path("/drill")
POINTS = (
    "before the first event",
    "after a step's start",
    "in the middle of a write",
    "after the commit",
    "in the publication",
)


def order() -> dict:
    """The order as it stands, or none."""
    try:
        return json.loads((FOLDER / "order.json").read_text())
    except (OSError, ValueError):
        return {}


def stop_at(point: str, table: str = "") -> None:
    """Take the order, if it is for here, and wait."""
    wanted = order()
    if wanted.get("point") != point or wanted.get("table", table) != table:
        return
    try:
        os.rename(FOLDER / "order.json", FOLDER / "taken.json")
    except OSError:
        return
    (FOLDER / "at.json").write_text(json.dumps({"point": point, "pod": os.environ.get("HOSTNAME"), "at": time.time()}))
    if wanted.get("oom"):
        hoard = []
        while True:
            hoard.append(bytearray(32 << 20))
    tired = time.time() + wanted.get("patience", 120)
    while not (FOLDER / "go").exists() and time.time() < tired:
        time.sleep(0.05)


def batches(data, table: str):
    """The data of a write, with a stop after its first batch."""
    import pyarrow as pa

    reader = data if isinstance(data, pa.RecordBatchReader) else data.to_reader()

    def halfway():
        yield from (batch for batch in [next(reader, None)] if batch is not None)
        stop_at("in the middle of a write", table)
        yield from reader

    return pa.RecordBatchReader.from_batches(reader.schema, halfway())


def patch_deltalake(module) -> None:
    """Stops in the middle of a write and after its commit."""
    write = module.write_deltalake

    def write_deltalake(place, data, **how):
        table = (place if isinstance(place, str) else place.table_uri).rstrip("/").rsplit("/", 1)[-1]
        wanted = order()
        if wanted.get("point") == "in the middle of a write" and wanted.get("table") == table:
            data = batches(data, table)
        if table == "published_recommendations":
            stop_at("in the publication", table)
        done = write(place, data, **how)
        stop_at("after the commit", table)
        return done

    module.write_deltalake = write_deltalake


def patch_fence(module) -> None:
    """Stops when a step has begun."""
    begin = module.begin

    def begun(context, *arguments, **named):
        stop_at("after a step's start", context.op_def.name)
        return begin(context, *arguments, **named)

    module.begin = begun


def patch_registry(module) -> None:
    """Stops when a version's files are there and it is not, and when it is."""
    numbered, register = module.ModelRegistry._numbered, module.ModelRegistry.register

    def in_the_middle(self, *arguments, **named):
        stop_at("in the middle of a write", "challenger")
        return numbered(self, *arguments, **named)

    def registered(self, *arguments, **named):
        made = register(self, *arguments, **named)
        stop_at("after the commit", "challenger")
        return made

    module.ModelRegistry._numbered, module.ModelRegistry.register = in_the_middle, registered


def patch_champion(module) -> None:
    """Stops when the champion is decided on and the registry does not know."""
    sync = module.sync_aliases

    def sync_aliases(*arguments):
        stop_at("in the publication", "champion")
        return sync(*arguments)

    module.sync_aliases = sync_aliases


PATCHES = {
    "deltalake": patch_deltalake,
    "assets.quality.fence": patch_fence,
    "resources.models.registry": patch_registry,
    "assets.lifecycle.champion": patch_champion,
}


class Finder(importlib.abc.MetaPathFinder):
    """Patches a module right after it was loaded."""

    def find_spec(self, name, path, target=None):
        """The module's own spec, with a loader that patches."""
        if name not in PATCHES:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                PATCHES[name](module)

            spec.loader.exec_module = exec_module
        return spec


if {"execute_run", "execute_step"} & set(sys.orig_argv):
    stop_at("before the first event")
    sys.meta_path.insert(0, Finder())
