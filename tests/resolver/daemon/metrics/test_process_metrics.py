"""What is read from /proc and of the state's directory."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resolver.daemon.metrics import process
from resolver.daemon.metrics.process import cpu_seconds, is_writable, open_files, resident_octets


@pytest.fixture
def gone() -> int:
    """The ID of a process that has ended."""
    with subprocess.Popen(["true"]) as child:
        child.wait()
    return child.pid


def database(directory: Path) -> Any:
    return SimpleNamespace(path=directory / "state.sqlite")


def test_a_process(gone: int) -> None:
    ours = os.getpid()
    assert resident_octets(ours) > 1 << 20
    before = cpu_seconds(ours)
    assert before > 0
    assert cpu_seconds(ours) >= before
    (count,) = open_files([ours, gone])
    with (Path("/dev/null")).open() as _:
        assert open_files([ours]) == [count + 1]


def test_one_that_is_gone(gone: int) -> None:
    assert (resident_octets(gone), cpu_seconds(gone), open_files([gone])) == (0, 0, [])


def test_a_command_name_with_blanks_and_brackets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """proc(5): the second field of stat is the name, whatever it is."""
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *"123456789", "x", "100", "50", "0"])
    (tmp_path / "7" / "stat").write_text(f"7 (a ) b) {fields}\n")
    monkeypatch.setattr(process, "_PROC", tmp_path)
    assert cpu_seconds(7) == 150 / os.sysconf("SC_CLK_TCK")


def test_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_writable(database(tmp_path))
    assert not is_writable(None)
    assert not is_writable(database(tmp_path / "absent"))
    monkeypatch.setattr(process, "_MIN_FREE", 1 << 62)
    assert not is_writable(database(tmp_path)), "the disk is full"
