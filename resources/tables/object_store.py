"""Object stores that speak S3 (`s3://bucket/folder`): what each library that reaches one has to be told.

The address and who asks come from the variables that all of them know (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, or the role of a machine or pod). Every request has a time limit and few tries: a store that
does not answer is told within a minute or two (`resources.errors.of_the_machine`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from resources.errors import Refused
from resources.tables.engine import quoted_text
from resources.text import without_secrets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CONNECT, ANSWER, TRIES = 5, 30, 3  # seconds until there is a connection, until an answer; tries of a request
MOST_AT_ONCE = 1_000  # objects of one request to delete
NO_SUCH_LISTING = ("NotImplemented", "MethodNotAllowed", "NoSuchUpload")  # what stores without versions or uploads say
HTTPFS = "duckdb_extension_httpfs"


class Version(NamedTuple):
    """A version of an object, a marker that it was deleted (without a size), or an upload that was never finished."""

    key: str
    version: str | None  # None in a store that has no versions
    is_newest: bool
    size: int | None
    is_upload: bool = False


def is_url(place: str) -> bool:
    """Whether a place is the URL of an object store, and not a folder."""
    return "://" in place


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """The bucket of an `s3://` URL, and what the names of the objects below it begin with, ending in a slash."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.username:
        raise Refused(f"{url} is no address of an object store.", remedy="write s3://BUCKET/FOLDER.")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def address(url: str) -> str:
    """A URL with the store that it is in: the same bucket may be in two."""
    bucket, prefix = bucket_and_prefix(url)
    store = os.environ.get("AWS_ENDPOINT_URL") or "https://s3.amazonaws.com"
    return f"{without_secrets(store)}/{bucket}/{prefix}"


def region() -> str:
    """The region that is asked, of a store that has such."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def delta_options(url: str) -> dict[str, str] | None:
    """What delta-rs is told, which reads the variables itself; None for a folder."""
    if not url.startswith("s3:"):
        return None
    credentials()  # without any it would ask the machine for some, for minutes
    return {
        "aws_region": region(),
        "allow_http": "true",  # of an endpoint that is named so; there is none without TLS otherwise
        "connect_timeout": f"{CONNECT}s",
        "timeout": f"{ANSWER}s",
        "max_retries": str(TRIES),
        "retry_timeout": f"{2 * ANSWER}s",
    }


def client() -> Any:
    """A boto3 client, for what only S3 itself knows: versions, unfinished uploads, conditions."""
    return _client(credentials()[0], region(), os.environ.get("AWS_ENDPOINT_URL"), ANSWER, TRIES)


@functools.lru_cache(maxsize=2)  # to make one takes longer than most of what it is asked
def _client(_: str, region: str, endpoint: str | None, *__: int) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client("s3", region_name=region, endpoint_url=endpoint, config=Config(**_limits(TRIES)))


def versions(url: str) -> Iterator[Version]:
    """Everything that a bucket has below a URL: of each object every version, markers of deletion, uploads never finished."""
    bucket, prefix = bucket_and_prefix(url)
    asked, of_bucket = client(), {"Bucket": bucket, "Prefix": prefix}
    for page in (
        _pages(asked, "list_object_versions", **of_bucket) or _pages(asked, "list_objects_v2", **of_bucket) or ()
    ):
        for kind in ("Versions", "DeleteMarkers", "Contents"):
            for each in page.get(kind, ()):
                is_newest = each.get("IsLatest", True) and kind != "DeleteMarkers"
                yield Version(each["Key"], each.get("VersionId"), is_newest=is_newest, size=each.get("Size"))
    for page in _pages(asked, "list_multipart_uploads", **of_bucket) or ():
        for each in page.get("Uploads", ()):
            yield Version(each["Key"], each["UploadId"], is_newest=False, size=None, is_upload=True)


def _pages(asked: Any, operation: str, **of: str) -> list[Mapping[str, Any]] | None:
    """All pages of a listing; None of a store that does not have such."""
    from botocore.exceptions import ClientError

    try:
        return list(asked.get_paginator(operation).paginate(**of))
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_SUCH_LISTING:
            raise
        return None


def remove(url: str, *, every_version: bool = False) -> None:
    """Remove what nobody reads any more below a URL, for good: older versions, markers of deletion, uploads never finished.

    With `every_version` the newest too. Raises as :func:`delete`.
    """
    bucket, _ = bucket_and_prefix(url)
    delete(bucket, [each for each in versions(url) if every_version or not each.is_newest])


def delete(bucket: str, gone: Sequence[Version]) -> None:
    """Delete versions for good, and end uploads. Raises :class:`Refused` where that is not permitted."""
    asked = client()
    for each in gone:
        if each.is_upload:
            asked.abort_multipart_upload(Bucket=bucket, Key=each.key, UploadId=each.version)
    objects = [{"Key": each.key, **_of(each)} for each in gone if not each.is_upload]
    for start in range(0, len(objects), MOST_AT_ONCE):
        some = objects[start : start + MOST_AT_ONCE]
        if errors := asked.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True}).get("Errors"):
            raise Refused(
                f"{len(errors)} versions of objects in s3://{bucket} cannot be deleted: {errors[0].get('Code')}, of "
                f"{errors[0].get('Key')}.",
                remedy="permit s3:DeleteObjectVersion there, and see that no object lock holds them.",
            )


def fetch(bucket: str, version: Version, into: IO[bytes]) -> None:
    """Write the bytes of a version of an object into a file."""
    content = client().get_object(Bucket=bucket, Key=version.key, **_of(version))["Body"]
    for block in content.iter_chunks(1 << 20):
        into.write(block)


def _of(version: Version) -> dict[str, str]:
    return {"VersionId": version.version} if version.version else {}


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's filesystem of a folder or URL, and the path in it; what is listed is as it is now."""
    import fsspec

    options: dict[str, Any] = {}
    if url.startswith("s3://"):
        credentials()
        options = {
            "endpoint_url": os.environ.get("AWS_ENDPOINT_URL"),
            "client_kwargs": {"region_name": region()},
            "config_kwargs": _limits(1),  # s3fs tries again by itself
            "use_listings_cache": False,
        }
    elif url.startswith("http"):
        from aiohttp import ClientTimeout

        # By itself it lets a download take five minutes, however large it is, and a server that says nothing as long.
        options = {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=ANSWER, sock_read=ANSWER)}}
    found, path = fsspec.core.url_to_fs(url, **options)
    found.invalidate_cache()
    return found, path


def admit(connection: DuckDBPyConnection) -> None:
    """Let DuckDB read from the store: its extension from the package, never from the network, and who asks."""
    connection.execute(f"LOAD {quoted_text(str(_httpfs()))}")
    connection.execute(f"SET http_timeout = {ANSWER}")
    connection.execute(f"SET http_retries = {TRIES}")
    # What a file of a table is called is never used again: each query would ask anew how long every one of them is.
    connection.execute("SET enable_http_metadata_cache = true")
    key, secret, token = credentials()
    told = {"KEY_ID": key, "SECRET": secret, "SESSION_TOKEN": token, "REGION": region()}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        address = urlsplit(endpoint)
        told |= {"ENDPOINT": address.netloc.rpartition("@")[2] + address.path.rstrip("/"), "URL_STYLE": "path"}
    secure = "" if not endpoint else f", USE_SSL {endpoint.startswith('https')}"
    values = ", ".join(f"{name} {quoted_text(value)}" for name, value in told.items() if value)
    # Not kept anywhere but in this engine's memory, which shows it to nobody.
    try:
        connection.execute(f"CREATE OR REPLACE TEMPORARY SECRET nightcart (TYPE s3, {values}{secure})")
    except Exception:  # which quotes the statement
        raise Refused(
            "DuckDB does not take the key, secret or address of the object store.",
            remedy="correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL.",
        ) from None


def credentials() -> tuple[str, str, str | None]:
    """Key, secret and token of who asks; raises :class:`Refused` when there are none."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return key, secret, os.environ.get("AWS_SESSION_TOKEN")
    found = _session().get_credentials()
    if found is None:
        raise Refused(
            "An object store is asked, and nothing says as whom.",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine or pod a role.",
        )
    frozen = found.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token


@functools.cache
def _session() -> Any:
    """Who asks, by botocore's own rules; of the process, for what a role gets has to be asked for anew every hour."""
    import botocore.session

    return botocore.session.get_session()


@functools.cache
def _httpfs() -> Path:
    package = importlib.util.find_spec(HTTPFS)
    places = package.submodule_search_locations if package else None
    found = next(Path(places[0]).rglob("httpfs.duckdb_extension"), None) if places else None
    if found is None:
        raise Refused(
            "Tables are in an object store, and the package that lets DuckDB read there is missing.",
            remedy="`uv sync --extra production`.",
        )
    return found


def _limits(tries: int) -> dict[str, Any]:
    addressing = {"s3": {"addressing_style": "path"}} if os.environ.get("AWS_ENDPOINT_URL") else {}
    retries = {"total_max_attempts": tries, "mode": "standard"}
    return {"connect_timeout": CONNECT, "read_timeout": ANSWER, "retries": retries, **addressing}
