"""Published messages, validated: the zone's own key is the trust anchor, and everything else is as printed in the RFC.

    rfc = Published(rfc4035_zone)
    rfc.judge("ml.example A", Kind.NXDOMAIN, authority=("example SOA", "b.example NSEC", "example NSEC"))

Only "example DNSKEY" can be asked for; `needs` lists what was. SHA-1 algorithms count, as they did then.
"""

from collections.abc import Generator
from typing import Protocol, TypeVar

from trust.anchors import TrustPoint, TrustPoints
from trust.chain import ZoneTrust, zone_trust
from trust.policy import Budget, Policy, Sha1
from trust.signature import KeySet, SignatureResult, verify_rrset
from trust.validate import Validated, validate
from trust.vocabulary import Cut, Kind, Need, Now, Outcome, Question, Reply, Step, Trouble
from wire import types as t
from wire.name import Name
from wire.rrset import RRset
from wire.text import name_from_text, rrsets_from_text, type_from_text

R = TypeVar("R")
EXAMPLE = name_from_text("example")


class Appendix(Protocol):
    """A module with an RFC's zone."""

    ZONE: str
    NOW: float


class Published:
    """One RFC's zone, and what the validator sees of it (a View)."""

    def __init__(self, appendix: Appendix, policy: Policy | None = None) -> None:
        self.rrsets = {(r.name, r.rtype): r for r in rrsets_from_text(appendix.ZONE, origin="example.")}
        self.policy = policy or Policy(sha1=Sha1.VALIDATE)
        self.now = Now(appendix.NOW, 1000.0)
        self.keys = self["example DNSKEY"]
        anchors = [rdata for rdata in self.keys.rdatas if rdata[1] & 1]
        self.points = TrustPoints([TrustPoint(EXAMPLE, dnskeys=anchors)])
        self.zones: dict[Name, ZoneTrust] = {}
        self.budget = Budget()
        self.cuts: dict[Name, Cut] = {}
        self.needs: list[Question] = []

    def __getitem__(self, text: str) -> RRset:
        """An RRset by "owner TYPE"; a copy, so that a test may alter it."""
        owner, rtype = text.split()
        known = self.rrsets[name_from_text(owner), type_from_text(rtype)]
        return RRset(known.name, known.rtype, known.ttl, list(known.rdatas), list(known.sigs))

    def cut(self, zone: Name) -> Cut | None:
        return self.cuts.get(zone)

    def closest_cut(self, name: Name) -> Cut:
        return Cut(EXAMPLE, None, {}, float("inf"))

    def play(self, steps: Generator[Need, Reply, R]) -> R:
        self.budget = Budget()
        self.zones = {}
        self.needs = []
        try:
            need = next(steps)
            while True:
                self.needs.append(need.question)
                reply = Reply(self.now, trouble=Trouble.UNREACHABLE)
                if need.question == Question(EXAMPLE, t.DNSKEY):
                    step = Step(EXAMPLE, t.DNSKEY, Kind.ANSWER, [self.keys], [], EXAMPLE, None)
                    reply = Reply(self.now, outcome=Outcome(need.question, [step]))
                need = steps.send(reply)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def judge_with(self, question: str, kind: Kind, answer: list[RRset], authority: list[RRset]) -> Validated:
        """The validator's word on a message."""
        owner, rtype = question.split()
        step = Step(name_from_text(owner), type_from_text(rtype), kind, answer, authority, EXAMPLE, None)
        return self.play(validate(step, self, self.now))  # type: ignore[arg-type]

    def judge(
        self, question: str, kind: Kind, *, answer: tuple[str, ...] = (), authority: tuple[str, ...] = ()
    ) -> Validated:
        """The validator's word on a message made of records of the zone."""
        return self.judge_with(question, kind, [self[r] for r in answer], [self[r] for r in authority])

    def trust_below(self, zone: str, *, ds: str | None = None, denial: tuple[str, ...] = ()) -> ZoneTrust:
        """The trust of a delegated zone, after a referral with this DS or this denial of it."""
        name = name_from_text(zone)
        found = None if ds is None else self[ds]
        self.cuts = {name: Cut(name, EXAMPLE, {}, float("inf"), found, [self[r] for r in denial])}
        return self.play(zone_trust(name, self, self.now))  # type: ignore[arg-type]

    def verify(self, text: str) -> SignatureResult:
        """Verify one RRset with the zone's keys."""
        return verify_rrset(self[text], KeySet.of(self.keys), EXAMPLE, self.now.wall, self.policy, Budget())


def without_each(records: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Each record, with the records that are left without it."""
    return [(gone, tuple(r for r in records if r != gone)) for gone in records]
