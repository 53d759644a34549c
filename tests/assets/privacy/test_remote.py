"""Forgetting in an object store whose bucket keeps versions: they go too, and so do markers and uploads that were never finished."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from assets.privacy.find import find
from assets.privacy.personal_data import ErasureScope
from resources.errors import Unavailable
from resources.feeds import remote_copies
from resources.records.store import OperationsDatabase
from resources.tables import history, object_store
from resources.tables.store import TableStore
from tests.assets.privacy.test_erasure import do, households, is_gone, shop  # noqa: F401

WHO = "household-7731"


@pytest.fixture
def tables(bucket: str, operations: OperationsDatabase) -> TableStore:
    """In the place of tables on a disk, in :func:`shop`."""
    object_store.client().put_bucket_versioning(
        Bucket=bucket.removeprefix("s3://"), VersioningConfiguration={"Status": "Enabled"}
    )
    return TableStore(root=f"{bucket}/tables", ledger=operations)


@pytest.fixture
def scope(shop: Callable[..., ErasureScope], bucket: str) -> ErasureScope:  # noqa: F811
    """With a kept copy and a file that nobody knows, each of two versions, a deleted one, and half an upload."""
    made = replace(shop(WHO), raw_store=f"{bucket}/raw", models=f"{bucket}/models")
    client, name = object_store.client(), bucket.removeprefix("s3://")
    line = made.data.feeds[0].column
    for n in (1, 2):
        body = f"{line},article\n{WHO},{n}\nH2,{n}\n".encode()
        client.put_object(Bucket=name, Key="raw/0123456789abcdef/sales.csv", Body=body)
        client.put_object(Bucket=name, Key="raw/0123456789abcdef/notes.txt", Body=f"ask {WHO} {n}".encode())
    client.put_object(Bucket=name, Key="raw/fedcba9876543210/gone.csv", Body=f"{line}\n{WHO}\n".encode())
    client.delete_object(Bucket=name, Key="raw/fedcba9876543210/gone.csv")
    client.create_multipart_upload(Bucket=name, Key="raw/0123456789abcdef/half.csv")
    client.put_object(Bucket=name, Key="models/1/model.txt", Body=b"trees")
    return made


def everything(url: str) -> bytes:
    """Every byte of every version that is there."""
    content, (bucket, _) = io.BytesIO(), object_store.bucket_and_prefix(url)
    for version in object_store.versions(url):
        if version.size is not None:
            object_store.fetch(bucket, version, content)
    return content.getvalue()


def test_no_version_of_any_object_has_it_afterwards(scope: ErasureScope, bucket: str) -> None:
    assert WHO.encode() in everything(bucket)
    done = do(scope, WHO)
    is_gone(scope, WHO)
    assert households(scope.tables, "transactions") == ["H2", "H2", None]
    products = scope.tables.uri("products")  # one of that name
    assert done.everywhere.left == {products: "the table has it where it names no household (column product_id)"}
    assert done.everywhere.closed == {}
    left = list(object_store.versions(bucket))
    assert all(version.is_newest for version in left)
    for url in (f"{bucket}/raw", *(scope.tables.uri(name) for name in history.names(scope.tables))):
        assert (WHO.encode() in everything(url)) == (url == products)
    assert done.everywhere.searched.files >= len(left)
    assert {copy.name: copy.read_text().count("H2") for copy in remote_copies.each(f"{bucket}/raw")} == {
        "sales.csv": 1,
        "notes.txt": 0,
    }
    assert find("H2", scope).total > 0


def test_not_together_with_a_writer(scope: ErasureScope) -> None:
    other = TableStore(root=scope.tables.root, ledger=scope.tables.ledger)
    with other._held(is_shared=True), pytest.raises(Unavailable, match="Somebody is writing a table below s3://"):
        do(scope, WHO)
