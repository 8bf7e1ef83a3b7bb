"""The answer to one question, ready to be composed for any client: `server.respond` makes a message of it, applying what
the client set (DO, AD, CD, buffer size).
"""

from enum import Enum
from typing import NamedTuple

from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Finding, Question, Security, Step
from wire.name import Name
from wire.rrset import RRset


class Handling(Enum):
    """What is done with an answer; anything but ANSWER is the doing of a response policy."""

    ANSWER = "answer"
    DROP = "drop"
    """Nothing is sent."""
    TRUNCATE = "truncate"
    """Over UDP an empty answer with TC."""


class Hit(NamedTuple):
    """A policy rule that was met: the zone, what triggered, what was done, and the rule as text."""

    zone: str
    trigger: str
    action: str
    rule: str


class Resolution:
    """What resolve() returns.

    Attributes:
        question: name and type asked.
        rcode: NOERROR, NXDOMAIN, SERVFAIL, REFUSED …, before CD is applied.
        answer, authority: RRsets in order, each with the monotonic time at which it expires (TTL = that minus now).
            For BOGUS answers they hold the data all the same: a client that sets CD gets it.
        security: of the whole answer: the weakest of its steps.
        errors: Extended DNS Errors, most specific first: (INFO-CODE, text). The code may stand without a text.
        expires_mono: until when this very object may be reused for an equal question.
        authoritative: AA: locally served names only.
        steps: each link with what the validator said of it: the material of `explain`.
        findings: what the servers asked did, when resolution failed.
        handling: whether and how it is sent; `policy`: the policy rules that were met.
        halted_at: where the caller wanted the alias chain not to be followed further; None when it was followed to its end.
    """

    __slots__ = (
        "answer",
        "authoritative",
        "authority",
        "bogus_rcode",
        "errors",
        "expires_mono",
        "findings",
        "halted_at",
        "handling",
        "policy",
        "question",
        "rcode",
        "reason",
        "security",
        "steps",
    )

    def __init__(
        self,
        question: Question,
        rcode: int,
        answer: list[tuple[RRset, float]],
        authority: list[tuple[RRset, float]],
        security: Security,
        errors: list[tuple[int, str]],
        expires_mono: float,
        *,
        reason: Reason = Reason.VALID,
        authoritative: bool = False,
        bogus_rcode: int = 0,
        steps: list[tuple[Step, Validated | None]] | None = None,
        findings: list[Finding] | None = None,
    ) -> None:
        self.question = question
        self.rcode = rcode
        self.answer = answer
        self.authority = authority
        self.security = security
        self.errors = errors
        self.expires_mono = expires_mono
        self.reason = reason
        self.authoritative = authoritative
        self.bogus_rcode = bogus_rcode
        """What a client that sets CD gets for a BOGUS answer: the authority's own RCODE."""
        self.steps = [] if steps is None else steps
        self.findings = [] if findings is None else findings
        self.handling = Handling.ANSWER
        self.policy: tuple[Hit, ...] = ()
        self.halted_at: Name | None = None
