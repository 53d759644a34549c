"""Everything below the state folder, for an erasure: what is left of killed processes goes, the rest is searched and cleaned.

What may not be changed, or cannot be, is named with why: files that are sealed, columns of tables that name nobody.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assets.privacy import objects
from assets.privacy.clean import clean, renamed
from assets.privacy.containers import Unsearchable
from assets.privacy.find import columns_of, delivered
from assets.privacy.needles import Needles
from assets.privacy.personal_data import ErasureScope
from assets.privacy.search import Searched, real, search
from resources.feeds import remote_copies
from resources.feeds.landing import EVENT, SET_ASIDE
from resources.identifiers import identifier, same_as
from resources.tables import commits, history

LEFT_SECONDS = 24 * 3600  # nothing that is at work leaves a file alone for so long
LINES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")  # endings of files whose lines may be a subject's
OF_A_TABLE = "the table has it where it names no household"
OF_A_MODEL = (
    "a model's version, whose files are sealed: `nightcart retrain`, and delete the version when it is out of use"
)
OURS = ("tables", "mlflow", "dagster")  # folders in which names are known to others


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """What a search of everything came to: `left` are files that still have it, with why, `closed` those not searched."""

    searched: Searched
    remote: objects.Objects
    left: Mapping[str, str]
    closed: Mapping[str, str]
    is_telling: bool


def needles_of(subject: str, scope: ErasureScope) -> Needles:
    """What is looked for; others that have the subject within their identifier are asked of the tables."""
    data, subject = scope.data, identifier(subject)
    needles = Needles(subject=subject, columns=columns_of(data))
    if not needles.is_telling:
        return needles
    is_it, others = same_as(subject), set()
    for _, store in scope.stores():
        for name in history.names(store):
            rows = store.read(name)
            if data.column in rows.columns:
                found = rows[data.column].cast("string")
                names = rows.filter(found.contains(subject)).select(found.name("who")).distinct().to_pyarrow()  # pyright: ignore
                others |= {who for who in names["who"].to_pylist() if not is_it(who)}
    return dataclasses.replace(needles, others=tuple(sorted(others)))


def look(needles: Needles, scope: ErasureScope, *, say: Callable[[str], object] = lambda _: None) -> Everywhere:
    """Search everything that is ours, and change nothing."""
    tables = [Path(store.root) for _, store in scope.stores() if "://" not in store.root]
    roots = [
        scope.state,
        # A folder of the state may be a link to another disk.
        *(each for each in (scope.raw, *tables) if not real(each).is_relative_to(real(scope.state)) and each.exists()),
    ]
    theirs = {Path(path) for path, _, _ in delivered(scope) if "://" not in path}

    def is_skipped(path: Path) -> bool:
        """The key, and the retailer's own files with what announces them."""
        own = path.with_name(path.name.removesuffix(EVENT))
        return path == scope.key or own in theirs or not theirs.isdisjoint(path.parents)

    searched = search(roots, needles, is_skipped=is_skipped, say=say)
    remote = objects.search(scope.urls(), needles, say=say)
    left: dict[tuple[str, str], dict[str, None]] = {}
    for path, places in searched.found.items():
        left.setdefault(_why_it_stays(path, scope), {}).update(dict.fromkeys(filter(None, places)))
    tables_there = [store.uri(name) for _, store in scope.stores() if store.is_remote for name in history.names(store)]
    for name, those in remote.found.items():
        table = next((uri for uri in tables_there if name.startswith(f"{uri}/")), None)
        is_model = scope.models and name.startswith(f"{scope.models}/")
        why = (table, OF_A_TABLE) if table else (name, OF_A_MODEL if is_model else "it has it")
        left.setdefault(why, {}).update(dict.fromkeys(place for _, place in those if place))
    return Everywhere(
        searched=dataclasses.replace(searched, files=searched.files + remote.files, size=searched.size + remote.size),
        remote=remote,
        left={where: f"{why} ({', '.join(places)})" if places else why for (where, why), places in left.items()},
        closed={**searched.closed, **remote.closed, **scope.elsewhere},
        is_telling=needles.is_telling,
    )


def sweep(needles: Needles, scope: ErasureScope, *, say: Callable[[str], object]) -> Everywhere:
    """Search everything, take out what can be taken out, and search again for the proof."""
    _compact(scope)
    before = look(needles, scope, say=say)
    uncleaned: dict[str, str] = {}
    of_table = {path for path in before.searched.found if _table_of(path, scope)}
    objects.remove_old(scope.urls(), before.remote)
    of_remote_tables = {
        (store, name)
        for _, store in scope.stores()
        if store.is_remote
        for name in history.names(store)
        if any(found.startswith(f"{store.uri(name)}/") for found in before.remote.found)
    }
    for store, name in {found for path in of_table if (found := _table_of(path, scope))} | of_remote_tables:
        if scope.data.column in store.read(name).columns or scope.data.deliveries.quarantine == name:
            history.purge_history(store, name)
    rest = sorted(set(before.searched.found) - of_table, key=lambda path: len(path.parts), reverse=True)
    changed = bool(of_table or before.remote.found or before.remote.closed)
    for copy in remote_copies.each(scope.raw_store) if scope.raw_store and before.remote.found else ():
        if f"{scope.raw_store}/{copy.parent.name}/{copy.name}" in before.remote.found:
            _clean_copy(copy, needles, say=say)
    for path in rest:
        if _is_sealed(path, scope):
            continue
        changed = True
        try:
            _clean(path, before.searched.found[path], needles, scope, say=say)
        except (Unsearchable, OSError) as error:
            uncleaned[str(path)] = f"it cannot be written anew: {error}"
    after = look(needles, scope, say=say) if changed else before
    return dataclasses.replace(after, left={path: uncleaned.get(path, why) for path, why in after.left.items()})


def _clean_copy(copy: Path, needles: Needles, *, say: Callable[[str], object]) -> None:
    """Take the identifier out of a kept copy; one that cannot be written anew goes as a whole."""
    try:
        clean(copy, needles, lines=True)
    except Unsearchable:
        say(f"Deleting {copy}: it has it, and cannot be written anew")
        copy.unlink()


def _clean(
    path: Path, places: list[str], needles: Needles, scope: ErasureScope, *, say: Callable[[str], object]
) -> None:
    is_kept = path.is_relative_to(scope.raw) or SET_ASIDE in path.parts
    if path.is_file() and any(place != "its name" for place in places):
        try:
            clean(path, needles, lines=is_kept or any(ending in path.name.lower() for ending in LINES))
        except Unsearchable:
            if not is_kept:
                raise
            say(f"Deleting {path}: it has it, and cannot be written anew")
            path.unlink()
            return
    below = path.relative_to(scope.state).parts if path.is_relative_to(scope.state) else ()
    if "its name" in places and not (below and below[0] in OURS):
        renamed(path, needles)


def remove_leftovers(scope: ErasureScope, *, now: dt.datetime) -> None:
    """Delete what killed processes left: half copies and spilled rows that no living process has open."""
    used, spills = open_files(), [store.spill for _, store in scope.stores() if store.spill]
    parts = [path for root in {scope.state, scope.raw} for path in root.rglob(".part-*")]
    # An engine that lives has the lock beside its folder open, and not each of the files in it at every moment.
    living = {
        lock.with_suffix("") for spill in spills for lock in spill.glob("*.lock") if str(lock.resolve()) in (used or ())
    }
    for path in [*parts, *(path for spill in spills for path in spill.rglob("*"))]:
        if not living.isdisjoint(path.parents):
            continue
        with contextlib.suppress(FileNotFoundError):
            is_old = now.timestamp() - path.lstat().st_mtime > LEFT_SECONDS
            if not path.is_dir() and (is_old if used is None else str(path.resolve()) not in used):
                path.unlink()


def open_files() -> set[str] | None:
    """The paths that living processes have open; None where that cannot be asked."""
    processes = Path("/proc")
    if not (processes / "self" / "fd").exists():
        return None
    found = set()
    for process in processes.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is another user's, who has nothing here
            for file in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found.add(str(file.readlink()))
    return found


def _compact(scope: ErasureScope) -> None:
    """Leave nothing in the records' file that is no record: pages that are free, and the journal."""
    import sqlite3

    if file := _records_file(scope):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _why_it_stays(path: Path, scope: ErasureScope) -> tuple[str, str]:
    """Where something was found, as it is told, and why it is still there."""
    if found := _table_of(path, scope):
        store, name = found
        return f"{store.uri(name)}", OF_A_TABLE
    if reason := _is_sealed(path, scope):
        return str(path), reason
    return str(path), "it has it"


def _table_of(path: Path, scope: ErasureScope):  # noqa: ANN202
    """The table whose folder a file is in, with its store."""
    for _, store in scope.stores():
        if "://" not in store.root and path.is_relative_to(store.root):
            name = (*path.relative_to(store.root).parts, "")[0]
            if (Path(store.root) / name / commits.LOG).is_dir():
                return store, name
    return None


def _is_sealed(path: Path, scope: ErasureScope) -> str | None:
    """Why a file may not be changed: its digest is on record."""
    records = _records_file(scope)
    if records and str(path).removesuffix("-wal").removesuffix("-shm") == str(records):
        return "records that quote it are sealed as they are: `nightcart audit show --json` has them"
    if any((folder / "MLmodel").exists() for folder in _above(path, scope.state)):
        return OF_A_MODEL
    return None


def _above(path: Path, root: Path) -> Iterator[Path]:
    return (folder for folder in path.parents if folder.is_relative_to(root))


def _records_file(scope: ErasureScope) -> Path | None:
    import sqlalchemy as sa

    url = sa.make_url(scope.operations.url)
    return Path(url.database).resolve() if url.get_backend_name() == "sqlite" and url.database else None
