"""A short run of every target, the same each time; and the engine itself must see what goes wrong."""

import time

import pytest

from tests.fuzz.engine import run
from tests.fuzz.targets import ALL

INPUTS = {"reader": 12_000, "query": 4_000, "upstream": 400, "config": 300, "anchors": 2_000, "state": 25, "control": 2_000}


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.name)
def test_nothing_is_found(target):
    result = run(target(), INPUTS.get(target.name, 300))
    assert not result.findings, [(finding.what, finding.data, finding.detail) for finding in result.findings]
    assert len(result.labels) > 1, "every input meets the same fate: the inputs are not worth much"


class Broken:
    """A target with a fault of each kind."""

    name, text, seeds = "broken", False, (b"seed",)

    def __init__(self, fault):
        self.fault = fault
        self.hoard = []

    def take(self, data):
        if self.fault == "crash" and b"\xff" in data:
            raise ZeroDivisionError
        if self.fault == "hang" and len(data) > 8:
            end = time.process_time() + 0.12
            while time.process_time() < end:
                pass
        if self.fault == "growth":
            self.hoard.append(bytes(40_000))
        return str(len(data) % 5)


@pytest.mark.parametrize(("fault", "what"), [("crash", "crash ZeroDivisionError"), ("hang", "hang"), ("growth", "growth")])
def test_what_goes_wrong_is_seen(fault, what):
    result = run(Broken(fault), 5000, findings=1)
    assert [finding.what for finding in result.findings] == [what]


def test_a_run_follows_from_its_seed():
    one, two, other = (run(ALL[0](), 2000, seed) for seed in (1, 1, 2))
    assert one.labels == two.labels
    assert one.labels != other.labels
