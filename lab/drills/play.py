"""The language that drills are written in, and how one is played.

A `Drill` is a list of `Step`s. A step says what happens and why, names the commands to type, which are run exactly as they
are shown, and says what has to be seen afterwards. `perform` plays it on a `Stage` before an `Audience`:

    Step(
        say="Submit the DS of the new KSK to the registry.",
        type=("akashi lab ds example.jp ksk-2",),
        expect=(at_parent("example.jp.", "ksk-2"), secure("www.example.jp.")),
    )

Theory of operation. While the steps are played, a watcher asks the resolver all the time (lab/drills/watch.py) and each
step ends with its verdict, so that an answer that fails between two looks is seen too. The first step that fails ends the
play: what would follow was written for another world.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from lab.drills.stage import Stage
from lab.drills.watch import Mood
from lab.errors import LabError

POLL_S = 0.2


@dataclass(frozen=True)
class Check:
    """Something that has to be seen. `look`: a command by which people see it; `test`: None, or what was seen instead.

    `within_s`: how long it may take until it is so.
    """

    what: str
    test: Callable[[Stage], str | None]
    look: str | None = None
    within_s: float = 0.0


@dataclass(frozen=True)
class Step:
    """One step of a play.

    `type`: command lines, run as shown; `exits`: the exit status that the last one owes. `do`: what no command does; it
    returns in words what it did. `wait`: checks to wait for before anything is typed. `mood`: what the watcher may see from
    now on. `hurry`: it follows the step before at once, which must not grow old while somebody reads; what it tries too
    early is refused however slow the machine is, because the lab's keys wait by a clock that stands still until then.
    """

    say: str
    type: tuple[str, ...] = ()
    exits: int = 0
    do: Callable[[Stage], str] | None = None
    wait: tuple[Check, ...] = ()
    expect: tuple[Check, ...] = ()
    mood: Mood | None = None
    hurry: bool = False


@dataclass(frozen=True)
class Drill:
    """A story. `zone`: the zone it is about; `watched`: a wildcard name below which fresh names are asked all the time.

    `ttl`: largest TTL of its mini-Internet, seconds. `settings`: of the resolver. `hold_down_s`: of RFC 5011, longer where
    commands take long. `needs`: commands of `akashi` without which it cannot be played.
    """

    name: str
    title: str
    story: str
    zone: str
    steps: tuple[Step, ...]
    source: str = ""
    watched: str | None = None
    ttl: int = 2
    settings: tuple[str, ...] = ()
    hold_down_s: float = 0.0
    needs: tuple[str, ...] = ()


@dataclass
class CheckReport:
    """What came of a check; `seen` says what was seen when that was not what it should be."""

    what: str
    ok: bool
    seen: str | None = None


@dataclass
class StepReport:
    """What came of a step."""

    number: int
    say: str
    commands: list[str] = field(default_factory=list)
    checks: list[CheckReport] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Every check held."""
        return all(check.ok for check in self.checks)


@dataclass
class Report:
    """What came of a drill; `steps` has the steps that were played, of `total`."""

    drill: str
    total: int
    steps: list[StepReport] = field(default_factory=list)
    asked: int = 0
    """Questions of the watcher."""
    problem: str | None = None
    """Why it could not be played at all."""

    @property
    def ok(self) -> bool:
        """All steps were played and held."""
        return self.problem is None and len(self.steps) == self.total and all(step.ok for step in self.steps)


class Audience(Protocol):
    """Who watches: a terminal, a test."""

    def opens(self, drill: Drill, stage: Stage) -> None:
        """The stage is ready."""

    def step(self, number: int, total: int, step: Step) -> None:
        """A step is about to be played; may wait for the reader."""

    def typed(self, command: str, output: str) -> None:
        """A command was run, or something was done that no command does."""

    def checked(self, check: Check, report: CheckReport) -> None:
        """A check was made."""


def perform(drill: Drill, stage: Stage, audience: Audience) -> Report:
    """Play a drill from an empty stage to an empty stage."""
    report = Report(drill.name, len(drill.steps))
    missing = [name for name in drill.needs if not stage.has_command(name)]
    if missing:
        report.problem = f"this drill needs {', '.join(f'`akashi {name}`' for name in missing)}, which is not there"
        return report
    settings = drill.settings
    if drill.hold_down_s:
        settings += (f"trust.add-hold-down={stage.patient(drill.hold_down_s):.1f}s",)
    try:
        with stage.set(drill.ttl, settings, drill.watched):
            audience.opens(drill, stage)
            play(drill, stage, audience, report)
            report.asked = stage.watcher.asked
    except LabError as error:
        report.problem = str(error)
    return report


def play(drill: Drill, stage: Stage, audience: Audience, report: Report) -> None:
    """Play the steps of a drill on a stage that is set; the first that fails is the last."""
    for number, step in enumerate(drill.steps, 1):
        audience.step(number, len(drill.steps), step)
        entry = StepReport(number, step.say)
        report.steps.append(entry)
        begin = time.monotonic()
        following = drill.steps[number] if number < len(drill.steps) else None
        try:
            _act(step, stage, audience, entry, too_early=following is not None and following.hurry and following.exits != 0)
        except (LabError, OSError) as error:
            _note(audience, entry, Check("the step can be played", lambda _: None), str(error))
        entry.seconds = round(time.monotonic() - begin, 1)
        if not entry.ok:
            return


def _act(step: Step, stage: Stage, audience: Audience, entry: StepReport, *, too_early: bool) -> None:
    """`too_early`: the next step is to come too early after the last command of this one."""
    for check in step.wait:
        _note(audience, entry, check, _await(check, stage))
    if not entry.ok:
        return
    if step.mood is not None:
        stage.watcher.mood = step.mood
    for index, line in enumerate(step.type):
        last = index == len(step.type) - 1
        owed = step.exits if last else 0
        if last and too_early:
            stage.stop_key_clock()
        status = stage.run(line)
        entry.commands.append(line)
        audience.typed(line, stage.output)
        if status != owed:
            _note(audience, entry, Check(f"`{line}` exits with {owed}", lambda _: None), f"it exited with {status}")
            return
    if step.hurry and step.exits:
        stage.start_key_clock()
    if step.do is not None:
        audience.typed("", step.do(stage))
    for check in step.expect:
        _note(audience, entry, check, _await(check, stage))
    trouble = stage.watcher.verdict()
    if stage.watcher.mood is not Mood.AWAY:
        what = f"all the while, every answer: {stage.watcher.mood.value}"
        _note(audience, entry, Check(what, lambda _: None), trouble)


def _note(audience: Audience, entry: StepReport, check: Check, seen: str | None) -> None:
    report = CheckReport(check.what, seen is None, seen)
    entry.checks.append(report)
    audience.checked(check, report)


def _await(check: Check, stage: Stage) -> str | None:
    """None as soon as the check holds, else what is seen when its time is over."""
    deadline = time.monotonic() + check.within_s
    while True:
        seen = check.test(stage)
        if seen is None or time.monotonic() >= deadline:
            return seen
        time.sleep(POLL_S)
