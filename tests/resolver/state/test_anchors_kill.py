"""Power off at any moment: kill -9 while trust anchors change. As for NTAs, see test_nta_kill.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = Path(__file__).with_name("anchors_writer.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(WRITER), str(tmp_path), "150", "1"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["rounds"] == 150
    assert result["acknowledged"] > 150, "it was killed while at work"
