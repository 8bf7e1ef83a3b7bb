"""Drills: each passes, each fails when the world is not as its steps say, and nothing is left afterwards."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.drills import DRILLS, emergency_breaking, ksk_rollover
from lab.drills.checks import dnskeys, says, secure, states
from lab.drills.play import Check, CheckReport, Drill, Report, Step, perform
from lab.drills.stage import Stage, find_faketime
from lab.drills.watch import Mood
from lab.lifecycle import PROPAGATION_S

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
WWW = "www.example.jp."


class Silence:
    """An audience that remembers where it was played."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.directory: Path | None = None
        self.steps: list[int] = []

    def opens(self, drill: Drill, stage: Stage) -> None:
        self.stage, self.directory = stage, stage.directory.root

    def step(self, number: int, total: int, step: Step) -> None:
        self.steps.append(number)

    def typed(self, command: str, output: str) -> None:
        pass

    def checked(self, check: Check, report: CheckReport) -> None:
        pass


@pytest.fixture
def short_path() -> Iterator[Path]:
    """pytest's own are too long for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory)


def akashi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "resolver", "lab", "drill", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def run(drill: Drill, **options: bool) -> Report:
    return perform(drill, Stage(**options), Silence())


def failed(report: Report) -> list[str]:
    """What did not hold, in words."""
    return [f"{check.what}: {check.seen}" for step in report.steps for check in step.checks if not check.ok]


def mentioning(path: Path) -> list[str]:
    """Command lines of processes that have to do with a directory."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(path) in line:
            lines.append(line)
    return lines


# -- every drill passes ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", DRILLS)
def test_drill_passes(name: str) -> None:
    done = akashi(name, "--auto", "--json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    wrong = [c for step in report["steps"] for c in step["checks"] if not c["ok"]]
    assert (done.returncode, report["problem"], wrong) == (0, None, [])
    assert report["ok"] and len(report["steps"]) == report["total"] == len(DRILLS[name].steps)
    assert not DRILLS[name].watched or report["asked"] >= 5


class Tired(Stage):
    """A stage on a machine so slow that what is typed comes when every cache has forgotten everything."""

    def run(self, line: str) -> int:
        time.sleep(max(0.0, self.lab.ttl + PROPAGATION_S + 0.5 - self.since_typed()))
        return super().run(line)


@pytest.mark.slow
def test_what_comes_too_early_is_refused_on_a_slow_machine_too() -> None:
    drill = DRILLS["zsk-rollover"]
    (hurried,) = [number for number, step in enumerate(drill.steps) if step.hurry]
    report = perform(replace(drill, steps=drill.steps[hurried - 2 : hurried + 1]), Tired(), Silence())
    assert (report.problem, failed(report), report.ok) == (None, [], True)


@pytest.mark.slow
def test_wrong_clock_without_libfaketime() -> None:
    report = run(DRILLS["clock-skew"], use_faketime=False)
    assert (report.problem, failed(report), report.ok) == (None, [], True)


def test_this_machine_has_libfaketime() -> None:
    """Else the drill above is all that is tested of wrong clocks."""
    if find_faketime() is None:
        pytest.skip("libfaketime is not installed")


# -- the watcher ---------------------------------------------------------------------------------------------------------

_HEALTHY = Step("healthy", mood=Mood.SECURE, expect=(secure(WWW),))


def _passed(stage: Stage, seconds: float) -> str | None:
    return None if stage.since_typed() >= seconds else "not yet"


def test_the_watcher_sees_what_the_checks_do_not_look_at() -> None:
    """(A zone whose keys change too quickly would not do: the resolver looks again before it gives up.)"""
    wrong = Step(
        "the registrar got the wrong DS",
        type=("akashi lab key generate example.jp ksk", "akashi lab ds example.jp ksk-2 --force"),
        expect=(Check("time", lambda stage: _passed(stage, 4.0), within_s=10.0),),
    )
    report = run(replace(ksk_rollover.DRILL, steps=(_HEALTHY, wrong)))
    assert not report.ok
    (seen,) = failed(report)
    assert seen.startswith("all the while") and "SERVFAIL" in seen and "EDE 9" in seen


# -- expectations that are not met ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        dnskeys("example.jp.", "zsk"),
        states("example.jp.", ksk="Dead"),
        secure("www.unsigned.jp."),
        says("something else"),
    ],
    ids=lambda check: check.what,
)
def test_an_expectation_that_is_not_met_fails_the_drill(wrong: Check) -> None:
    first = Step("look", type=("akashi lab keys example.jp",), expect=(wrong,))
    report = run(replace(emergency_breaking.DRILL, steps=(first, _HEALTHY)))
    assert not report.ok
    assert len(report.steps) == 1  # the first that fails is the last
    assert failed(report)[0].startswith(wrong.what)


def test_a_command_that_ends_otherwise_fails_the_drill() -> None:
    step = Step("refused", type=("akashi lab key remove example.jp ksk",))
    report = run(replace(emergency_breaking.DRILL, steps=(step,)))
    assert not report.ok
    assert "exits with 0" in failed(report)[0]


def test_a_command_that_is_not_there_is_named() -> None:
    report = run(replace(emergency_breaking.DRILL, needs=("lab drill", "frobnicate")))
    assert report.problem == "this drill needs `akashi frobnicate`, which is not there"
    assert not report.ok and not report.steps


# -- nothing is left -----------------------------------------------------------------------------------------------------


def test_nothing_is_left_when_it_is_interrupted() -> None:
    class Impatient(Silence):
        def step(self, number: int, total: int, step: Step) -> None:
            raise KeyboardInterrupt

    audience = Impatient()
    with pytest.raises(KeyboardInterrupt):
        perform(replace(emergency_breaking.DRILL, steps=(_HEALTHY,)), Stage(), audience)
    assert audience.directory is not None
    assert not audience.directory.exists()
    assert mentioning(audience.directory) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_nothing_is_left_when_it_is_killed(short_path: Path) -> None:
    """The directory stays, since nobody is left to remove it; the processes do not."""
    environment = {**os.environ, "TMPDIR": str(short_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "resolver", "lab", "drill", "zsk-rollover", "--auto"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.startswith("Step 2"):
                break
        assert mentioning(short_path)
        process.kill()
        process.wait()
    assert _soon_gone(short_path)


def _soon_gone(path: Path) -> bool:
    deadline = time.monotonic() + 20.0
    while mentioning(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not mentioning(path)


# -- the command -----------------------------------------------------------------------------------------------------------


def test_listing() -> None:
    done = akashi("--list", "--json")
    assert [row["name"] for row in json.loads(done.stdout)] == list(DRILLS)
    text = akashi("--list").stdout
    assert all(name in text for name in DRILLS)


def test_usage() -> None:
    assert akashi().returncode == 2
    assert akashi("no-such-drill").returncode == 2


@pytest.mark.slow
def test_what_a_reader_sees() -> None:
    done = akashi("zsk-rollover", "--auto")
    assert done.returncode == 0
    text = done.stdout
    assert "Step 1 of 7." in text and "Step 7 of 7." in text
    assert "$ akashi lab key publish example.jp zsk-2" in text
    assert "✓ example.jp. keys: zsk Retired or Dead, zsk-2 Active" in text
    assert "zsk-rollover: passed" in text
