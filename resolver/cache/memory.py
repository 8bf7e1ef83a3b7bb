"""All that one worker remembers, and the view of it that one resolution has.

A trust generation (anchors and NTAs) and an epoch go with it: when trust changes, verdicts of older generations count as
unchecked, zone trust is built anew, and the packet cache, which keeps no verdicts, starts over under the new epoch.
"""

from typing import Final

from resolver.cache.answers import AnswerCache, Entry, Rank
from resolver.cache.bounded import trim
from resolver.cache.channels import ReportChannels
from resolver.cache.delegations import Delegations
from resolver.cache.denials import DenialCache
from resolver.cache.failures import Failures
from resolver.cache.forgery import ForgeryWatch
from resolver.cache.local_root import LocalRoot
from resolver.cache.selection import Selection
from resolver.cache.servers import Servers
from resolver.settings import Dice, Settings
from trust.anchors import TrustPoints
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Cut, Kind, Now, Question, Security, Step
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT, Name
from wire.rdata import soa_minimum

MAX_ZONES: Final = 100_000
"""Zones whose keys are remembered; the oldest go first."""
_UNREACHED: Final = frozenset((Reason.CHAIN_UNREACHABLE, Reason.INDETERMINATE))
"""Reasons that say nothing of the delegation: its servers did not answer."""

# A member of an enum takes the compiled core two look-ups, a constant none.
_CNAME: Final = Kind.CNAME
_ANSWER: Final = Kind.ANSWER
_NODATA: Final = Kind.NODATA
_NXDOMAIN: Final = Kind.NXDOMAIN


class ZoneTrusts:
    """Zone trust by zone, bounded in number.

    When a zone turns out to be broken, the DS and DNSKEY RRsets found for it, which nobody had judged, are dropped from the
    answer cache, and the delegation that the DS came with: the zone is looked at again in a minute, and then not at what
    was bad, which may have a TTL of days.
    """

    def __init__(self, answers: AnswerCache, delegations: Delegations, limit: int = MAX_ZONES) -> None:
        self._zones: dict[Name, ZoneTrust] = {}
        self._answers = answers
        self._delegations = delegations
        self._limit = limit

    def __len__(self) -> int:
        return len(self._zones)

    def get(self, zone: Name, /) -> ZoneTrust | None:
        """The state kept for the name, fresh or not."""
        return self._zones.get(zone)

    def __setitem__(self, zone: Name, trust: ZoneTrust, /) -> None:
        if trust.security is Security.BOGUS:
            self._answers.forget(zone, t.DS)
            self._answers.forget(zone, t.DNSKEY)
            if zone != ROOT and trust.reason not in _UNREACHED:
                self._delegations.forget(zone)
        self._zones.pop(zone, None)
        self._zones[zone] = trust
        trim(self._zones, self._limit)

    def forget(self, zone: Name) -> None:
        """Drop what is known of the zone: its keys may have changed."""
        self._zones.pop(zone, None)

    def forget_selected(self, selection: Selection) -> int:
        """Drop the zones meant; returns how many."""
        doomed = [
            name
            for name, trust in self._zones.items()
            if selection.covers(name) and selection.covers_security(trust.security)
        ]
        for name in doomed:
            del self._zones[name]
        return len(doomed)


class Memory:
    """One worker's memory. The clock never enters: callers pass monotonic seconds.

    `due`: questions whose answers are wanted and about to expire: the mesh has them fetched anew, and empties the list.
    `prefetches`: entries that were fetched anew ahead of their end. `local_root`: a verified copy of the root zone, if any.
    """

    def __init__(self, settings: Settings, points: TrustPoints, policy: Policy, dice: Dice) -> None:
        self.settings = settings
        self.points = points
        self.policy = policy
        self.dice = dice
        self.answers = AnswerCache(settings.cache_size, settings.stale_max_age if settings.serve_stale else 0.0)
        self.delegations = Delegations(configured_cuts(settings))
        self.servers = Servers(settings.cookie_secret)
        self.forgery = ForgeryWatch()
        self.failures = Failures()
        self.zones = ZoneTrusts(self.answers, self.delegations)
        self.denials = DenialCache()
        self.channels = ReportChannels()
        self.local_root: LocalRoot | None = None
        self.epoch = 0
        self.clock_note = ""
        self.clock_verified = False
        self.due: list[Question] = []
        self.prefetches = 0

    @property
    def is_blank(self) -> bool:
        """Whether nothing has been learnt yet from any server."""
        return not len(self.answers) and not len(self.delegations)

    def set_trust(self, points: TrustPoints) -> None:
        """Put new anchors and NTAs in force at once.

        What came in under an NTA that is no more is forgotten: nobody checked it, other servers were not asked for better,
        and a zone that was mended meanwhile would stay bogus as long as its old keys are remembered (RFC 7646 §4).
        """
        ended = self.points.ntas.keys() - points.ntas.keys()
        self.points = points
        self.zones = ZoneTrusts(self.answers, self.delegations)
        self.failures.clear()
        self.denials.clear()
        for name in ended:
            self.flush_selected(Selection(name))
        self.epoch += 1

    def set_clock(self, note: str, *, verified: bool) -> None:
        """What is known of our clock: what errors about times say of it ("" when nothing), and whether it is right.

        When it turns out right, what was refused for its sake is forgotten.
        """
        if verified and not self.clock_verified:
            self.flush_selected(Selection(ROOT, True, None, True))
        elif (note, verified) != (self.clock_note, self.clock_verified):
            self.epoch += 1
        self.clock_note, self.clock_verified = note, verified

    def flush(self) -> None:
        """Forget everything learnt, server round-trip times excepted."""
        self.answers.clear()
        self.delegations.clear()
        self.failures.clear()
        self.denials.clear()
        self.channels = ReportChannels()
        self.zones = ZoneTrusts(self.answers, self.delegations)
        self.epoch += 1

    def flush_selected(self, selection: Selection) -> dict[str, int]:
        """Forget what an operator means; returns how much of each kind.

        A type that is not DS or DNSKEY leaves cuts and keys alone. Remembered failures and denials go in any case: they
        could stand in for what is forgotten.
        """
        if selection.everything:
            dropped = {
                "answers": len(self.answers),
                "delegations": len(self.delegations),
                "zones": len(self.zones),
                "failures": len(self.failures),
                "denials": len(self.denials),
            }
            self.flush()
            return dropped
        zones = selection.rtype in (None, t.DS, t.DNSKEY)
        dropped = {
            "answers": self.answers.forget_selected(selection),
            "delegations": self.delegations.forget_selected(selection) if zones and not selection.bogus else 0,
            "zones": self.zones.forget_selected(selection) if zones else 0,
            "failures": self.failures.forget_selected(selection),
            "denials": 0 if selection.bogus else self.denials.forget_selected(selection),
        }
        self.epoch += 1
        return dropped

    def store(
        self,
        step: Step,
        mono: float,
        validated: Validated | None,
        rank: Rank = Rank.AUTHORITATIVE,
        *,
        generation: int | None = None,
    ) -> Entry:
        """Remember a step; its life is its TTL within the configured bounds and the validator's cap.

        `generation`: of the anchors and NTAs under which it was validated, if they may have changed since.
        """
        ttl = self.ttl_of(step)
        if validated is not None and validated.ttl_cap_s is not None:
            ttl = min(ttl, validated.ttl_cap_s)
        return self.answers.put(
            step, rank, mono, ttl, validated, self.points.generation if generation is None else generation
        )

    def learn_denials(self, step: Step, validated: Validated, expires: float) -> None:
        """Keep what a secure answer proves not to exist, for answers to other questions (RFC 8198)."""
        if not self.settings.aggressive_nsec or not validated.authority or validated.zone is None:
            return
        zone = validated.zone.zone
        self.denials.learn(zone, validated.authority, expires)
        if step.kind in (_ANSWER, _CNAME):
            for rrset, result in validated.signatures:
                if result.ok and rrset is step.rrsets[0]:
                    self.denials.learn_wildcard(zone, rrset, result, expires)

    def ttl_of(self, step: Step) -> float:
        """Seconds a step may be kept, before the validator's cap: RFC 2181 §5.2, RFC 2308 §5 for denials."""
        settings = self.settings
        if step.kind in (_NODATA, _NXDOMAIN):
            for rrset in step.authority:
                if rrset.rtype == t.SOA and rrset.rdatas:
                    ttl = min(rrset.ttl, soa_minimum(rrset.rdatas[0]))
                    return min(max(ttl, settings.min_ttl), settings.max_negative_ttl)
            return 0.0  # RFC 2308 §5: a denial without SOA is not cached
        rrsets = step.rrsets
        ttl = rrsets[0].ttl if rrsets else 0
        for rrset in rrsets:
            if rrset.ttl < ttl:
                ttl = rrset.ttl
        return min(max(ttl, settings.min_ttl), settings.max_ttl)


class View:
    """What one resolution sees: the memory, its own budget, and the time of the last reply. Fulfils `trust.chain.View`.

    `renewing`: no client waits; what is about to expire is fetched anew.
    """

    __slots__ = ("budget", "memory", "now", "renewing")

    def __init__(self, memory: Memory, budget: Budget, now: Now, *, renewing: bool = False) -> None:
        self.memory = memory
        self.budget = budget
        self.now = now
        self.renewing = renewing

    @property
    def points(self) -> TrustPoints:
        """Trust points and NTAs in force."""
        return self.memory.points

    @property
    def policy(self) -> Policy:
        """Algorithms, digests and NSEC3 iterations that count."""
        return self.memory.policy

    @property
    def zones(self) -> ZoneTrusts:
        """Zone trust already built."""
        return self.memory.zones

    def cut(self, zone: Name) -> Cut | None:
        """The live cut at exactly this zone."""
        return self.memory.delegations.get(zone, self.now.mono)

    def closest_cut(self, name: Name) -> Cut:
        """The deepest live cut at or above the name."""
        return self.memory.delegations.closest(name, self.now.mono)


def configured_cuts(settings: Settings) -> list[Cut]:
    """The cuts that the configuration gives: root hints, stub and forward zones. They never expire."""
    forever = float("inf")
    cuts = [Cut(ROOT, None, {name: list(a) for name, a in settings.root.items()}, forever)]
    cuts += [Cut(zone, None, {zone: list(a)}, forever) for zone, a in settings.stub.items()]
    cuts += [Cut(zone, None, {zone: list(a)}, forever, forward=True) for zone, a in settings.forward.items()]
    return cuts
