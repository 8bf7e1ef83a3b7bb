"""Telling a zone's operator that his zone fails here: which failures, to whom, how often.

A report is a question of type TXT whose name says it all: `_er.<type>.<name>.<code>._er.<agent domain>`. It is resolved
like any other; what it is answered does not matter. `Reports` decides; the mesh, which resolves it on a budget of its own,
never hands in the outcome of a report, and what a client asks below `_er` is never reported: no report causes another.

Bounds: one report a failure and REPEAT_S seconds, BURST reports at once and RATE a second after that, whoever is told.

Limitations: of several codes the most specific is reported. What comes from a cache, and what our own limits ended, is not.
The agent's domain is believed unsigned: whoever can forge a zone's answers can draw BURST and RATE questions to a name.

RFC 9567 §4 (overview), §6.1.1 (the reporting query), §6.3 (limits), §8.2 (which failures).
"""

from collections.abc import Callable
from typing import Final

from resolver.cache.bounded import trim
from resolver.cache.channels import ReportChannels
from resolver.resolution import Resolution
from trust.reason import Reason
from trust.vocabulary import Question, Security
from wire import types as t
from wire.limits import MAX_NAME
from wire.name import ROOT, Name

REPEAT_S: Final = 3600.0
RATE: Final = 1.0
BURST: Final = 10.0
MAX_TOLD: Final = 10_000
ERROR_REPORTS: Final = ("sent", "repeated", "over-rate", "too-long")
"""What becomes of a failure that an agent wants to know of."""
_MARK: Final = b"\x03_er"
_CACHED: Final = 13
_OUR_LIMITS: Final = frozenset((Reason.LIMIT, Reason.OVER_QUOTA, Reason.EXCESSIVE))


def report_name(qname: Name, qtype: int, code: int, agent: Name) -> Name | None:
    """The name that reports this failure to the agent; None when it would be too long (RFC 9567 §6.1.1)."""
    name = _MARK + _number(qtype) + qname[:-1] + _number(code) + _MARK + agent
    return name if len(name) <= MAX_NAME else None


def _number(value: int) -> bytes:
    text = b"%d" % value
    return bytes((len(text),)) + text


class Reports:
    """Which failures are reported.

    Attributes:
        counts: how many were sent, and left out: repeated, over the rate, too long for a name.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(ERROR_REPORTS, 0)
        self._told: dict[Name, float] = {}
        self._tokens = BURST
        self._filled_mono = float("-inf")

    def due(
        self, resolution: Resolution, channels: ReportChannels, cut_of: Callable[[Name], Name], mono: float
    ) -> Question | None:
        """The report to send about what a client is told; None when there is none.

        `cut_of`: the deepest zone cut known at or above a name: whose servers were asked when no answer came.
        """
        failure = _failure(resolution)
        if failure is None:
            return None
        question, code, zones = failure
        agent = None
        for zone in zones or (cut_of(question.name),):
            agent = agent or channels.get(zone)
        if agent is None:
            return None
        name = report_name(question.name, question.rtype, code, agent)
        if name is None:
            self.counts["too-long"] += 1
            return None
        if self._told.get(name, float("-inf")) > mono:
            self.counts["repeated"] += 1
            return None
        if not self._take(mono):
            self.counts["over-rate"] += 1
            return None
        self._told.pop(name, None)
        self._told[name] = mono + REPEAT_S
        trim(self._told, MAX_TOLD)
        self.counts["sent"] += 1
        return Question(name, t.TXT)

    def _take(self, mono: float) -> bool:
        self._tokens = min(BURST, self._tokens + max(0.0, mono - self._filled_mono) * RATE)
        self._filled_mono = mono
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def _failure(resolution: Resolution) -> tuple[Question, int, tuple[Name, ...]] | None:
    """What failed, its code, and the zones whose answers showed it; None when there is nothing to report."""
    if resolution.rcode != t.SERVFAIL or resolution.reason in _OUR_LIMITS or not resolution.errors:
        return None
    codes = [code for code, _ in resolution.errors]
    if _CACHED in codes or resolution.question.name.startswith(_MARK):
        return None
    question = resolution.question
    zones: tuple[Name, ...] = ()
    if resolution.steps:
        step, validated = resolution.steps[-1]
        if validated is not None and validated.verdict.security is Security.BOGUS:
            question = Question(step.name, step.rtype)
            # A broken link of the chain is the affair of the zone that it leads to.
            zones = (validated.verdict.at, step.zone)
        elif step.target is not None:
            question = Question(step.target, question.rtype)
    if question.name == ROOT or question.name.startswith(_MARK):
        return None
    return question, codes[0], zones
