"""An object store that is down, slow, or refuses: in our words, soon, by whichever library it was asked, and without secrets."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from resources.errors import NightcartError, Refused, Unavailable, of_the_machine
from resources.tables import object_store
from resources.tables.store import TableStore
from tests.support.object_store import FAULTS


def by_delta(url: str) -> None:
    TableStore(root=url).read("sales")


def by_duckdb(url: str) -> None:
    with duckdb.connect() as connection:
        object_store.admit(connection)
        connection.execute(f"FROM read_parquet(['{url}/a.parquet'])")


def by_fsspec(url: str) -> None:
    filesystem, path = object_store.filesystem(url)
    filesystem.find(path)


def by_boto(url: str) -> None:
    list(object_store.versions(url))


ASKED = [by_delta, by_duckdb, by_fsspec, by_boto]
SAID = {
    "403 AccessDenied": (Refused, "does not permit this"),
    "403 SignatureDoesNotMatch": (Refused, "does not know who asks"),
    "403 RequestTimeTooSkewed": (Refused, "from a clock that differs"),
    "503 SlowDown": (Unavailable, "has too much to do"),
    "404 NoSuchBucket": (Refused, "has no such bucket"),
    "slow": (Unavailable, "does not answer"),
}


def told(ask: Callable[[str], None], url: str) -> NightcartError:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each library has its own
        ask(url)
    known = of_the_machine(raised.value)
    assert known, repr(raised.value)
    assert "secret-of-the-shop" not in str(known)
    assert "\n" not in str(known)
    return known


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("bucket")
def test_a_fault_is_told(ask: Callable[[str], None], fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "TRIES", 1)
    monkeypatch.setattr(object_store, "ANSWER", 1)
    kind, says = SAID[fault]
    if ask is by_duckdb and "NoSuchBucket" in fault:
        kind, says = Unavailable, "no longer has what was there"  # it does not say more; Delta is asked before
    known = told(ask, f"s3://fault-{FAULTS.index(fault)}/tables")
    assert (type(known), says in known.message) == (kind, True), known


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.usefixtures("bucket")
def test_one_that_is_down_may_come_back(ask: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    known = told(ask, "s3://shop/tables")
    assert (type(known), known.message) == (Unavailable, "The object store at 127.0.0.1:9 does not answer.")


def test_without_credentials_nothing_is_asked(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for ask in ASKED:
        with pytest.raises(Refused, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
            ask(bucket)


@pytest.mark.usefixtures("bucket")
def test_an_address_is_told_without_the_secret_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://key:hidden@127.0.0.1:9")
    assert "hidden" not in object_store.address("s3://shop/tables")
    assert "hidden" not in str(told(by_delta, "s3://shop/tables"))
