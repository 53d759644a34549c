"""A state says whose it is, and whoever opens it for another, or with a part of another state, is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resources.errors import Refused
from resources.records import database
from resources.records.audit import START
from resources.records.identity import MARK, Owner
from resources.records.store import OperationsDatabase


def opened(folder: Path, retailer: str = "corner_shop", below: Path | None = None) -> str:
    """The database's audit head, after a process of `retailer` has opened it."""
    url = f"sqlite:///{(below or folder) / 'operations.db'}"
    return OperationsDatabase(url=url, owner=Owner(retailer=retailer, folder=folder)).audit_head()


def identity(folder: Path) -> str:
    return json.loads((folder / MARK).read_text())["identity"]


def test_it_is_written_when_the_state_is_made_and_is_no_others(tmp_path: Path):
    for name in ("a", "b"):
        assert opened(tmp_path / name) == f"0:{START}"  # the audit trail is as it was
    assert identity(tmp_path / "a") != identity(tmp_path / "b")
    before = identity(tmp_path / "a")
    opened(tmp_path / "a")
    assert identity(tmp_path / "a") == before


def test_folder_of_another_retailer_is_refused_before_anything_is_opened(tmp_path: Path):
    opened(tmp_path)
    with pytest.raises(Refused, match="is the state of corner_shop, and not of kiosk: nothing is read or written"):
        Owner(retailer="kiosk", folder=tmp_path).marked()


def test_database_of_another_retailer_is_refused(tmp_path: Path):
    opened(tmp_path / "shop", below=tmp_path)
    with pytest.raises(
        Refused, match=r"operations.db is the state of corner_shop, and not of kiosk.*NIGHTCART_OPERATIONS_URL"
    ):
        opened(tmp_path / "kiosk", "kiosk", below=tmp_path)
    assert not (tmp_path / "kiosk" / MARK).exists()


def test_database_of_another_state_of_the_same_retailer_is_refused(tmp_path: Path):
    opened(tmp_path / "a")
    opened(tmp_path / "b")
    database.connected(f"sqlite:///{tmp_path / 'a'}/operations.db").dispose()  # as its process ends
    (tmp_path / "a" / "operations.db").rename(tmp_path / "operations.db")
    with pytest.raises(Refused, match=r"not parts of one state.*bring back the part"):
        opened(tmp_path / "b", below=tmp_path)


def test_folder_that_lost_its_mark_is_told_by_the_database_and_a_new_database_by_the_folder(tmp_path: Path):
    opened(tmp_path)
    before = identity(tmp_path)
    (tmp_path / MARK).unlink()
    OperationsDatabase(url=f"sqlite:///{tmp_path}/operations.db")
    database.owned.cache_clear()  # as another process
    opened(tmp_path)
    assert identity(tmp_path) == before
    opened(tmp_path, below=tmp_path / "new")
    assert identity(tmp_path) == before


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"retailer": "corner_shop"}', "\ud800"])
def test_mark_that_says_nothing_is_told_with_what_mends_it(tmp_path: Path, content: str):
    (tmp_path / MARK).write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(Refused, match=r"does not say whose the state is.*or remove it"):
        Owner(retailer="corner_shop", folder=tmp_path).marked()
