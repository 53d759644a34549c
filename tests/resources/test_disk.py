"""What must outlast a power cut is on the disk before anything says that it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources import disk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was synced, in its order."""
    paths: list[Path] = []
    monkeypatch.setattr("os.fsync", lambda opened: paths.append(Path(f"/dev/fd/{opened}").resolve()))
    return paths


def test_a_file_is_whole_on_the_disk_before_it_has_its_name(tmp_path: Path, synced: list[Path]):
    (tmp_path / "a").write_bytes(b"old")
    disk.write(tmp_path / "a", b"new")
    part, folder = synced
    assert (part.name.startswith(".part-"), folder) == (True, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


def test_a_folder_is_with_all_that_is_in_it(tmp_path: Path, synced: list[Path]):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").touch()
    disk.folder_to_disk(tmp_path / "a")
    assert set(synced) == {tmp_path / "a" / "b" / "c", tmp_path / "a" / "b", tmp_path / "a", tmp_path}
    disk.folder_to_disk(tmp_path / "nothing")
