"""Power off at any moment: kill -9 while NTAs change, two hundred times and more.

Limitations: a killed process loses what only it has; what the kernel has not yet written is lost only with the machine.
For that there is `synchronous = FULL`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = Path(__file__).with_name("nta_writer.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(WRITER), str(tmp_path), "220", "1"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["rounds"] == 220
    # It was killed while at work, not before or after.
    assert result["acknowledged"] > 220
