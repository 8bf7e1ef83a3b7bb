"""conf/prometheus and conf/grafana: every rule is unit-tested with promtool, names metrics there are, says what to do."""

import json
import re
import subprocess
import sys

import pytest

from resolver.daemon.metrics.document import name_of
from resolver.daemon.metrics.table import METRICS
from tests.conftest import ROOT, require_binary

PROMETHEUS = ROOT / "conf" / "prometheus"
RULES = (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8")
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
DASHBOARD = json.loads((ROOT / "conf" / "grafana" / "akashi.json").read_text(encoding="utf-8"))

MUSTS = {"2-1", "2-2", "2-3", "2-4", "2-7", "2-12"}
"""Items of the guideline with MUST or MUST NOT, 2-14 and later having none."""


def rules() -> dict[str, str]:
    """Name of each alert → its text."""
    parts = re.split(r"^      - (?=alert|record)", RULES, flags=re.M)[1:]
    return {part.split()[1]: part for part in parts if part.startswith("alert:")}


def known_names() -> set[str]:
    names = set()
    for metric in METRICS:
        name = name_of(metric)
        names |= {name, f"{name}_total"}
        if metric.kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return names


def used_names(text: str) -> set[str]:
    return set(re.findall(r"\bakashi_[a-z0-9_]+", text))


@pytest.mark.parametrize(
    "what", [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]], ids=["config", "rules"]
)
def test_promtool_accepts(what):
    promtool = require_binary("promtool")
    done = subprocess.run([promtool, *what], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_promtool_unit_tests(file):
    promtool = require_binary("promtool")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("alert", rules())
def test_every_alert_is_tested_and_told(alert):
    text = rules()[alert]
    asked = [line for file in TESTS for line in file.read_text(encoding="utf-8").splitlines() if f'"{alert}"' in line]
    assert [line for line in asked if "exp_samples" in line], "a case in which it fires"
    per_instance = [line for line in asked if "by (instance)" in line]
    quiet = [line for line in asked if "exp_samples" not in line]
    assert per_instance or quiet, "a case in which it does not fire"
    assert re.search(r"severity: (critical|warning|info)\b", text)
    assert "summary: " in text
    description = re.search(r'description: "(.*)"$', text, re.M)
    assert description is not None
    assert "Next:" in description[1]
    guideline = re.search(r'guideline: "([\d-]+)"', text)
    if guideline is not None:
        assert guideline[1] in description[1] or guideline[1] in ("2-1", "2-21"), "the description names the item"
    assert f"| `{alert}` |" in (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")


def test_every_must_of_the_guideline_has_an_alert():
    assert set(re.findall(r'guideline: "([\d-]+)"', RULES)) >= MUSTS


def test_rules_and_dashboard_name_only_metrics_there_are():
    assert used_names(RULES) <= known_names()
    assert used_names(json.dumps(DASHBOARD)) <= known_names()


def test_dashboard_is_fresh_and_well_formed():
    script = ROOT / "tools" / "grafana_dashboard.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows[1:] == [
        "Traffic",
        "Verdicts",
        "EDE",
        "Cache",
        "Upstream",
        "Trust",
        "NTA",
        "Policy",
        "Watching itself",
        "Process",
    ]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]
