"""Whether an object store keeps the promises that commits stand on: tried on the store, not believed.

A commit is an object that is made only where there is none (`If-None-Match: *`). A store that ignores that condition lets two
writers make the same commit, and the first one's rows are gone without a word.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

from resources.errors import Refused
from resources.tables import object_store

RACERS, ROUNDS, LISTED = 8, 3, 12
RACING = [f"racer {number}" for number in range(RACERS)]  # what each of them writes
FOLDER = ".nightcart-prove"
REFUSALS = ("PreconditionFailed", "ConditionalRequestConflict")  # 412, and 409 of one that another is just making


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A promise of a store, and whether it was kept; `says` is what happened instead."""

    name: str
    is_kept: bool
    says: str = ""


def prove(url: str) -> list[Promise]:
    """Try every promise below `url`, with small objects that are removed again.

    Raises what :func:`resources.errors.of_the_machine` knows when the store does not answer or lets nobody in.
    """
    bucket, prefix = object_store.bucket_and_prefix(url)
    folder = f"{prefix}{FOLDER}/{uuid.uuid4().hex}/"
    try:
        return list(_promises(_Objects(object_store.client(), bucket, folder)))
    finally:
        object_store.remove(f"s3://{bucket}/{folder}", every_version=True)


def require_promises(url: str) -> list[Promise]:
    """The promises that the store at `url` keeps; raises :class:`Refused`, naming them, when it breaks some."""
    promises = prove(url)
    if broken := [each for each in promises if not each.is_kept]:
        raise Refused(
            f"The object store of {url} ignores the conditions of writes, so that two runs can lose each other's rows: "
            f"{'; '.join(f'{each.name}: {each.says}' for each in broken)}.",
            remedy=f"keep tables in a store that has conditional writes, as S3 does, or on a shared volume; `nightcart store "
            f"prove {url}` tries it again.",
        )
    return promises


@dataclass(frozen=True)
class _Objects:
    client: Any
    bucket: str
    folder: str

    def put(self, name: str, body: str, **conditions: str) -> str | None:
        """Write an object; its ETag, or None where the store refused to for a condition."""
        from botocore.exceptions import ClientError

        try:
            made = self.client.put_object(
                Bucket=self.bucket, Key=f"{self.folder}{name}", Body=body.encode(), **conditions
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in REFUSALS or _status(error) in (409, 412):
                return None
            raise
        return made["ETag"]

    def get(self, name: str) -> str:
        return self.client.get_object(Bucket=self.bucket, Key=f"{self.folder}{name}")["Body"].read().decode()

    def names(self) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.folder)
        return {each["Key"].removeprefix(self.folder) for each in listed.get("Contents", ())}


def _status(error: Any) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _promises(objects: _Objects) -> Iterator[Promise]:
    def promise(name: str, *, is_kept: bool, says: str) -> Promise:
        return Promise(name=name, is_kept=is_kept, says="" if is_kept else says)

    first, second = objects.put("once", "first", IfNoneMatch="*"), objects.put("once", "second", IfNoneMatch="*")
    yield promise(
        "an object is made where there is none",
        is_kept=first is not None,
        says="the store refuses it, or the condition",
    )
    yield promise(
        "an object that is there is not made a second time",
        is_kept=second is None and objects.get("once") == "first",
        says=f"both writers were told that it is theirs, and it has what the {objects.get('once')} wrote",
    )
    tag = objects.put("matched", "a") or ""
    yield promise(
        "a write for another ETag than the object has is refused",
        is_kept=objects.put("matched", "b", IfMatch='"00000000000000000000000000000000"') is None,
        says="it was written",
    )
    yield promise(
        "a write for the ETag that the object has is done",
        is_kept=objects.put("matched", "b", IfMatch=tag) is not None and objects.get("matched") == "b",
        says="it was refused",
    )
    objects.put("changed", "a")
    stale = objects.put("changed", "b") or ""
    objects.put("changed", "a")
    yield promise(
        "after A, B and A again a write for the ETag of B is refused",
        is_kept=objects.put("changed", "c", IfMatch=stale) is None and objects.get("changed") == "a",
        says="it was written",
    )
    won = [_race(lambda body, name=f"race{n}": objects.put(name, body, IfNoneMatch="*")) for n in range(ROUNDS)]
    there = objects.names()
    yield promise(
        f"of {RACERS} that make an object at the same moment one does",
        # None, where the winner's answer was lost on its way and its second try was refused: nobody else's rows are gone.
        is_kept=all(
            len(of) <= 1 and f"race{n}" in there and objects.get(f"race{n}") in (of or RACING)
            for n, of in enumerate(won)
        ),
        says=f"{' and '.join(str(len(winners)) for winners in won)} did, in {ROUNDS} rounds",
    )
    names = {f"listed{n}" for n in range(LISTED)}
    for name in names:
        objects.put(name, name)
    missing = names - objects.names()
    yield promise(
        "what was written is listed at once", is_kept=not missing, says=f"{len(missing)} of {LISTED} are not there"
    )


def _race(put: Callable[[str], str | None]) -> list[str]:
    """The racers, each with a body of its own, that were told that they made the object."""
    start = Barrier(RACERS)

    def run(racer: str) -> str | None:
        from botocore.exceptions import ClientError

        start.wait()
        with contextlib.suppress(ClientError):  # a store that fails at it: then too few, or none, have made it
            return racer if put(racer) else None

    with ThreadPoolExecutor(RACERS) as pool:
        return [each for each in pool.map(run, RACING) if each]
