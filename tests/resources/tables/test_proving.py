"""A store that keeps its promises is told from one that lies; tables are in the first alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from orchestration.cli import app, drawing
from resources.errors import Refused
from resources.proofs import require_proven
from resources.records.object_stores import ProvenStore
from resources.records.store import OperationsDatabase
from resources.tables import object_store, proving
from tests.support.object_store import make_bucket, served


@pytest.fixture
def liar(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket in a store that ignores conditions."""
    with served(lies=True) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        make_bucket("shop")
        yield "s3://shop"


def test_a_store_that_keeps_them_is_tried_once_and_is_left_as_it_was(
    bucket: str, operations: OperationsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_proven(f"{bucket}/tables", operations)
    (proven,) = operations.records(ProvenStore)
    assert len(proven.promises) == 7
    assert list(object_store.versions(bucket)) == []
    monkeypatch.setattr(proving, "prove", lambda _: pytest.fail("it was tried again"))
    require_proven(f"{bucket}/tables", operations)
    require_proven("/a/folder", operations)


def test_a_store_that_lies_is_refused_for_tables(liar: str, operations: OperationsDatabase) -> None:
    broken = {each.name for each in proving.prove(liar) if not each.is_kept}
    assert broken == {
        "an object that is there is not made a second time",
        "a write for another ETag than the object has is refused",
        "after A, B and A again a write for the ETag of B is refused",
        "of 8 that make an object at the same moment one does",
    }
    for _ in range(2):
        with pytest.raises(
            Refused, match=r"ignores the conditions of writes.*made a second time: both writers were told"
        ):
            require_proven(f"{liar}/tables", operations)
    assert operations.records(ProvenStore) == []


@pytest.mark.parametrize(("store", "code", "broken"), [("bucket", 0, 0), ("liar", 1, 4)])
def test_the_command_says_each_promise_on_a_line(
    store: str, code: int, broken: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing.console, "_width", 300)
    result = CliRunner().invoke(app, ["store", "prove", f"{request.getfixturevalue(store)}/tables"])
    lines = result.output.splitlines()
    assert (result.exit_code, len(lines), sum(line.startswith("✗") for line in lines)) == (code, 7, broken)


def test_what_is_no_store_is_refused() -> None:
    for url in ("/a/folder", "s3://", "s3://key:secret@bucket/tables", "https://bucket/tables"):
        with pytest.raises(Refused, match="write s3://BUCKET/FOLDER") as refused:
            proving.prove(url)
        assert "secret" not in str(refused.value)
