"""Play the resolver for a generator: answer its Needs from a world of zones, or as the test says.

    world = World(root, jp, example)
    world.script[n("example.jp"), t.DNSKEY] = [Trouble.TIMEOUT]
    trust = world.trust("example.jp")
    assert trust.secure and world.asked == [...]

`asked` is the list of Needs in order. A script's entries are used up one after the other; the last one stays. `cuts`:
whether iteration saw the zones' cuts (with their DS or denial), or only the root's.
"""

from collections.abc import Generator
from typing import TypeVar

from tests.trust.zones import NOW, SignedZone, n
from trust.anchors import TrustPoint, TrustPoints
from trust.chain import ZoneTrust, zone_trust
from trust.policy import Budget, Policy
from trust.validate import Validated, validate
from trust.vocabulary import Cut, Kind, Need, Now, Outcome, Question, Reply, Step, Trouble
from wire import types as t
from wire.name import ROOT, Name, ancestors, is_strict_subdomain, is_subdomain
from wire.text import name_to_text, type_from_text, type_to_text

R = TypeVar("R")
Play = Step | Outcome | Trouble | Reply


class World:
    """Zones, what the validator sees of them (a View), and a log of what it asked."""

    def __init__(self, *zones: SignedZone, policy: Policy | None = None, cuts: bool = True) -> None:
        self.by_name = {zone.origin: zone for zone in zones}
        self.points = TrustPoints([TrustPoint(ROOT, [zones[0].ksk.ds(ROOT)])])
        self.policy = policy or Policy()
        self.budget = Budget()
        self.zones: dict[Name, ZoneTrust] = {}
        self.now = Now(float(NOW), 1000.0)
        self.know_cuts = cuts
        self.hidden: set[Name] = set()
        """Cuts that iteration did not see: parent and child are served by the same server."""
        self.cuts: dict[Name, Cut] = {}
        """Cuts that differ from what the zones say."""
        self.script: dict[tuple[Name, int], list[Play]] = {}
        self.needs: list[Need] = []

    # --- View -----------------------------------------------------------------------------------------------------

    def cut(self, zone: Name) -> Cut | None:
        if zone in self.cuts:
            return self.cuts[zone]
        holder = self.by_name.get(zone)
        if zone == ROOT or holder is None or not self.know_cuts or zone in self.hidden:
            return None
        above = self.holder(zone, strict=True)
        return above.cut(zone, self.now.mono + 3600)

    def closest_cut(self, name: Name) -> Cut:
        for above in ancestors(name):
            cut = self.cut(above)
            if cut is not None:
                return cut
        return Cut(ROOT, None, {}, self.now.mono + 3600)

    # --- the world ------------------------------------------------------------------------------------------------

    def holder(self, name: Name, *, strict: bool = False) -> SignedZone:
        """The deepest zone that holds the name (above it: `strict`)."""
        inside = is_strict_subdomain if strict and name != ROOT else is_subdomain
        return self.by_name[max((origin for origin in self.by_name if inside(name, origin)), key=len)]

    def step(self, name: str, rtype: str = "A") -> Step:
        """What iteration brings for a question: the zone's answer, under the cut whose server gave it."""
        return self.answer(n(name), type_from_text(rtype))

    def answer(self, name: Name, rtype: int) -> Step:
        strict = rtype == t.DS
        step = self.holder(name, strict=strict).step(name, rtype)
        subject = name if not strict else name[name[0] + 1 :] or ROOT
        step.zone = self.closest_cut(subject).zone
        return step

    def reply(self, need: Need) -> Reply:
        self.needs.append(need)
        self.now = Now(self.now.wall + 0.01, self.now.mono + 0.01)
        name, rtype = need.question
        plays = self.script.get((name, rtype))
        play: Play = plays[0] if plays else self.answer(name, rtype)
        if plays and len(plays) > 1:
            plays.pop(0)
        if isinstance(play, Reply):
            return play
        if isinstance(play, Trouble):
            return Reply(self.now, trouble=play)
        return Reply(self.now, outcome=play if isinstance(play, Outcome) else Outcome(need.question, [play]))

    @property
    def asked(self) -> list[str]:
        """The questions asked so far, in order, as "example.jp/DS"."""
        return [f"{name_to_text(need.question.name)}/{type_to_text(need.question.rtype)}" for need in self.needs]

    def play(self, steps: Generator[object, Reply, R]) -> R:
        """Run a generator to its end."""
        try:
            effect = next(steps)
            for _ in range(1000):
                assert isinstance(effect, Need), effect
                effect = steps.send(self.reply(effect))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        raise AssertionError("the generator does not come to an end")

    def trust(self, zone: str) -> ZoneTrust:
        return self.play(zone_trust(n(zone), self, self.now))

    def judge(self, step: Step | str, rtype: str = "A") -> Validated:
        """Validate a step, or the answer to a question, within a fresh budget."""
        self.budget = Budget()
        return self.play(validate(self.step(step, rtype) if isinstance(step, str) else step, self, self.now))


def nothing(name: str, rtype: str, zone: SignedZone) -> Step:
    """An empty NOERROR answer without any record."""
    return Step(n(name), type_from_text(rtype), Kind.NODATA, [], [], zone.origin, zone.server)


def failed(name: str, rtype: str, **how: object) -> Outcome:
    """An outcome without steps."""
    return Outcome(Question(n(name), type_from_text(rtype)), [], **how)  # type: ignore[arg-type]
