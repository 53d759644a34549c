"""Commands that copy the whole state: `backup`, `restore`, `move`."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import say
from orchestration.tags import RETAILER
from resources import home
from resources.errors import Refused, Unavailable
from resources.records import identity
from resources.tables import object_store
from resources.text import listed, plural

if TYPE_CHECKING:
    import dagster as dg

    from resources.backup.files import Folder, Manifest
    from resources.backup.state import Places

MADE_BY = ("nightcart", "dagster", "mlflow")
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace all of what is there.")]


def backup(
    folder: Annotated[str, typer.Argument(help="A new folder, or a place in an object store (`s3://…`).")],
    with_key: Annotated[
        bool | None, typer.Option("--with-key/--without-key", help="Whether the erasure key goes into the backup.")
    ] = None,
) -> None:
    """Copy everything that must last into one folder: tables, raw copies, models, records and runs, all of one moment.

    It is a backup when the command has ended: one that was killed is none. Whoever has the erasure key beside the records
    can find out by guessing who was forgotten; without it nobody is known again, so it is either in the backup or kept
    elsewhere. Delivered files and the retailer's own file are not part of it.

    Examples: `nightcart backup /mnt/backup/2025-11-27 --without-key`, `nightcart backup s3://backups/2025-11-27`
    """
    from orchestration.cli.launch import running
    from resources.backup.files import Folder
    from resources.backup.state import back_up

    key = _chosen(with_key)
    if not object_store.is_url(folder) and Path(folder).resolve().is_relative_to(home.state()):
        raise Refused(
            f"{folder!r} is in the state folder: what befalls the state befalls the backup, and `nightcart forget` looks into it.",
            remedy="name a folder elsewhere, on another disk or in an object store.",
        )
    with contextlib.ExitStack() as held:
        instance = held.enter_context(running())
        require_quiet(instance)
        held.enter_context(context.resources().tables.alone())
        context.resources().operations.audit_head()  # whose the state is goes on record, in one of an earlier version
        manifest = back_up(
            places(instance),
            Folder(folder),
            retailer=context.resources().settings.name,
            key=key,
            versions=_versions(),
            say=_progress,
        )
        require_quiet(instance)
    say(
        "[green]✓[/] {} ({:,.1f} MB) are in {}. The audit trail's head is {}: kept elsewhere, it proves later that nothing was "
        "cut off. `nightcart restore {}` brings them back.",
        *(plural(len(manifest.files), "file"), manifest.size / 1e6, folder, manifest.head, folder),
    )
    if with_key is False:
        say("  The erasure key is not among them: keep a copy elsewhere.")


def restore(
    folder: Annotated[str, typer.Argument(help="A backup.")],
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look whether the backup is whole, and whose.")
    ] = False,
) -> None:
    """Bring a backup back, onto an empty machine or in the place of what is there; the copy is verified, then used.

    To where the settings say: what was on SQLite comes to Postgres, and back. Whom the records that are replaced had
    forgotten since is forgotten again. Killed, it is done again by the same command; no night begins meanwhile.

    Examples: `nightcart restore /mnt/backup/2025-11-27 --dry-run`, `nightcart restore /mnt/backup/2025-11-27`
    """
    from orchestration.cli.launch import running
    from resources.backup.files import Folder, Manifest, require_whole

    source = Folder(folder)
    manifest = Manifest.read(source)
    if manifest.retailer != (ours := context.resources().settings.name):
        raise Refused(
            f"{folder} is a backup of {manifest.retailer}, and not of {ours}.",
            remedy="`nightcart use FILE` with the file of that retailer, or name another backup.",
        )
    if dry_run:
        require_whole(source, manifest)
        say(
            "[green]✓[/] {} is whole: {} of {}, made {}.",
            *(folder, plural(len(manifest.files), "file"), manifest.retailer, manifest.made_at),
        )
        return
    with running() as instance:
        _bring(instance, source, manifest, is_told=overwrite)


def move(
    folder: Annotated[
        Path | None, typer.Argument(help="The state folder of a laptop. Default: that of the retailer in use.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Copy a state that is in one folder to where the settings say: SQLite to Postgres, tables to an object store.

    What the settings leave where it is is not copied. The folder stays as it is, and the audit trail is verified.

    Examples: `NIGHTCART_OPERATIONS_URL=postgresql+psycopg://… nightcart move`, `nightcart move /mnt/laptop/complete_journey`
    """
    from orchestration.cli.launch import running
    from orchestration.runs.locks import hold
    from resources.backup.files import Folder
    from resources.backup.state import Places, back_up
    from resources.parts import MOVE
    from resources.records.identity import Owner
    from resources.records.store import OperationsDatabase

    place = (folder or home.state()).resolve()
    source = Places.of_files(place)
    with contextlib.ExitStack() as held:
        instance = held.enter_context(running())
        if place != home.state():
            held.enter_context(hold(place, OperationsDatabase(url=source.operations)))
        target = places(instance)
        if target == source:
            raise Refused(
                f"The settings say that the state is in {place}, where it is.",
                remedy="name where it is to be: `NIGHTCART_OPERATIONS_URL=… MLFLOW_TRACKING_URI=… nightcart move`.",
            )
        retailer = context.resources().settings.name
        # Refused where it is another's.
        OperationsDatabase(url=source.operations, owner=Owner(retailer=retailer, folder=place)).audit_head()
        scratch = held.enter_context(tempfile.TemporaryDirectory(prefix="nightcart-move-"))
        manifest = back_up(
            source,
            Folder(scratch),
            retailer=retailer,
            key=_key(place / "erasure.key"),
            versions=_versions(),
            say=_progress,
            but=[part for part, of in source.folders.items() if of == target.folders[part]],
        )
        # Killed and typed again, it is the same.
        _bring(instance, Folder(scratch), replace(manifest, id=f"{MOVE}{manifest.state}"), is_told=overwrite)


def places(instance: dg.DagsterInstance) -> Places:
    """Where the parts of the state in use are."""
    from orchestration.runs.dagster_internals import storage_of
    from resources.backup.state import Places
    from resources.config.deployment import load_deployment

    reached = context.resources()
    deployment = load_deployment().of(name=reached.settings.name, state=home.state())
    return Places(
        tables=deployment.tables,
        raw=deployment.raw,
        models=deployment.mlflow_artifacts or "",
        operations=deployment.operations_url.get_secret_value(),
        mlflow=deployment.mlflow_tracking_uri,
        dagster=storage_of(instance),
    )


def _bring(instance: dg.DagsterInstance, source: Folder, manifest: Manifest, *, is_told: bool) -> None:
    from assets.privacy.suppression import suppression_list
    from orchestration.cli.erasure import forget_again
    from resources.backup.state import KEY, RECORDS, restore
    from resources.records import database
    from resources.records.privacy import Erasure
    from resources.records.store import OperationsDatabase
    from resources.tables import contents

    now, target, key = dt.datetime.now(dt.UTC), places(instance), home.erasure_key()
    is_known = _key(key) is not None
    require_quiet(instance)
    if manifest.rows[RECORDS].get(Erasure.TABLE) and not (manifest.has_key or is_known):
        raise Refused(
            f"{source.url} knows those who were forgotten by a key that is neither in it nor here: nobody would know them again.",
            remedy="put the key where it belongs (NIGHTCART_ERASURE_KEY, or erasure.key in the state folder), and run the same command again.",
        )
    # Dagster's database may be one of several retailers.
    of_runs = {value for _, values in instance.get_run_tags(tag_keys=[RETAILER]) for value in values}
    if others := of_runs - {manifest.retailer}:
        say("[yellow]![/] Dagster's storage has runs of {} as well, and is left as it is.", listed(sorted(others)))
    with context.resources().tables.alone():
        again = restore(source, manifest, target, is_told=is_told, say=_progress, now=now, with_runs=not others)
    if manifest.has_key and not is_known and isinstance(key, Path):
        key.touch(mode=0o600)
        key.write_bytes(source.read(KEY))
    # Refused without the right key, until it is there: nights do not begin before the marks are set.
    suppression_list(OperationsDatabase(url=target.operations), key=key)
    # The folder belongs to the state that is there now.
    (home.state() / identity.MARK).unlink(missing_ok=True)
    database.owned.cache_clear()
    contents.seal_again(context.resources().tables, context.resources().operations)
    if forgotten := forget_again(instance) if again else 0:
        say("[green]✓[/] {} that had been forgotten since the backup: removed again.", plural(forgotten, "household"))
    context.parts(instance).set_marks(now=now)  # from now on nights may begin
    say(
        "[green]✓[/] The state is that of {}: {}, verified. `nightcart status` shows it.",
        manifest.made_at,
        manifest.head,
    )
    say(
        "  Households that were forgotten after that moment, and not on record here, are there again: "
        '`nightcart forget HOUSEHOLD --reason "…"` each.'
    )


def _chosen(with_key: bool | None) -> bytes | None:
    """The erasure key, if there is one and it goes into the backup; raises :class:`Refused` where nobody has said."""
    if (key := _key(home.erasure_key())) is None:
        return None
    if with_key is None:
        raise Refused(
            "Shall the erasure key (NIGHTCART_ERASURE_KEY, or erasure.key in the state folder) go into the backup? Whoever has both can find out by guessing who was forgotten; "
            "without it nobody knows them again, and a feed brings them back.",
            remedy="`nightcart backup … --with-key`, where few can read the backup; `nightcart backup … --without-key`, with the "
            "key kept elsewhere.",
        )
    return key if with_key else None


def _key(key: Path | bytes) -> bytes | None:
    if isinstance(key, bytes):
        return key
    return key.read_bytes() if key.exists() else None


def _versions() -> dict[str, str]:
    return {name: version(name) for name in MADE_BY}


def require_quiet(instance: dg.DagsterInstance) -> None:
    """Raise :class:`Unavailable` while a run is under way."""
    from orchestration.runs.nights import runs_under_way

    if runs := runs_under_way(instance):
        raise Unavailable(
            f"Run {runs[0].run_id[:8]} ({runs[0].job_name}) is under way.", remedy="run it again when that is over."
        )


def _progress(line: str) -> None:
    say("  [dim]{}[/]", line)
