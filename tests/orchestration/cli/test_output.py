"""Standard output that cannot be written any more ends no command."""

from __future__ import annotations

import io
import os
import sys

import pytest

from orchestration import cli
from orchestration.cli.drawing import print_json
from orchestration.cli.output import Output, keep_going
from resources.errors import Unwritable


def test_a_reader_that_went_away_is_not_missed(capfd):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        output = Output(stream)
        for _ in range(3):
            print("x" * 10_000, file=output, flush=True)
    assert capfd.readouterr().err == ""


def test_a_full_disk_is_told_once(capfd):
    with open("/dev/full", "w", encoding="utf-8") as stream:
        for _ in range(3):
            print("x" * 10_000, file=Output(stream), flush=True)
    assert capfd.readouterr().err == "What this command says cannot be written (No space left on device); it goes on.\n"


def test_a_process_without_any_has_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", None)
    keep_going()
    print("said to nobody", flush=True)


def test_a_sign_that_the_terminal_has_not_is_a_question_mark(monkeypatch: pytest.MonkeyPatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    keep_going()
    print("✓ 2 of \udcff", flush=True)
    assert written.getvalue() == b"? 2 of ?\n"


def test_a_path_that_cannot_be_used_is_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys):
    def fail() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/backup")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(cli, "keep_going", lambda: None)
    monkeypatch.setattr(cli.home, "enter", lambda: None)
    with pytest.raises(SystemExit):
        cli.main()
    said = " ".join(capsys.readouterr().err.split())
    assert (
        said
        == "✗ /proc/backup cannot be used: No such file or directory. Remedy: correct the path, or put right what is there."
    )


def test_half_of_a_report_for_machines_is_no_success(monkeypatch: pytest.MonkeyPatch, capfd):
    with open("/dev/full", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", Output(stream))
        with pytest.raises(Unwritable, match="could not be written whole"):
            print_json("{}")


def test_a_reader_of_json_may_go_away(monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", Output(stream))
        print_json("{}")


def test_a_panic_of_a_library_is_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys):
    panic = type("PanicException", (BaseException,), {})

    def fail() -> None:
        raise panic('Failed to create a tokio runtime for IO.: Os { message: "Too many open files" }')

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(cli, "keep_going", lambda: None)
    monkeypatch.setattr(cli.home, "enter", lambda: None)
    with pytest.raises(SystemExit):
        cli.main()
    assert "may not open as many files as it needs" in " ".join(capsys.readouterr().err.split())
