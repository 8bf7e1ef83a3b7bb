"""All that one worker remembers, and the view of it that one resolution has.

A trust generation (anchors and NTAs) and an epoch go with it: when trust changes, verdicts of older generations count as
unchecked, zone trust is built anew, and the packet cache, which keeps no verdicts, starts over under the new epoch.
"""

from typing import Final

from resolver.cache.answers import AnswerCache, Entry, Rank
from resolver.cache.delegations import Delegations
from resolver.cache.denials import DenialCache
from resolver.cache.failures import Failures
from resolver.cache.servers import Servers
from resolver.settings import Dice, Settings
from trust.anchors import TrustPoints
from trust.policy import Budget, Policy
from trust.validate import Validated
from trust.vocabulary import Cut, Kind, Now, Step
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT, Name
from wire.rdata import soa_minimum

MAX_ZONES: Final = 100_000
"""Zones whose keys are remembered; the oldest go first."""


class ZoneTrusts:
    """Zone trust by zone, bounded in number."""

    def __init__(self) -> None:
        self._zones: dict[Name, ZoneTrust] = {}

    def __len__(self) -> int:
        return len(self._zones)

    def get(self, zone: Name, /) -> ZoneTrust | None:
        """The state kept for the name, fresh or not."""
        return self._zones.get(zone)

    def __setitem__(self, zone: Name, trust: ZoneTrust, /) -> None:
        self._zones.pop(zone, None)
        self._zones[zone] = trust
        if len(self._zones) > MAX_ZONES:
            del self._zones[next(iter(self._zones))]

    def forget(self, zone: Name) -> None:
        """Drop what is known of the zone: its keys may have changed."""
        self._zones.pop(zone, None)


class Memory:
    """One worker's memory. The clock never enters: callers pass monotonic seconds."""

    def __init__(self, settings: Settings, points: TrustPoints, policy: Policy, dice: Dice) -> None:
        self.settings = settings
        self.points = points
        self.policy = policy
        self.dice = dice
        self.answers = AnswerCache(settings.cache_size)
        self.delegations = Delegations(configured_cuts(settings))
        self.servers = Servers()
        self.failures = Failures()
        self.zones = ZoneTrusts()
        self.denials = DenialCache()
        self.epoch = 0

    def set_trust(self, points: TrustPoints) -> None:
        """Put new anchors and NTAs in force at once."""
        self.points = points
        self.zones = ZoneTrusts()
        self.failures.clear()
        self.denials.clear()
        self.epoch += 1

    def flush(self) -> None:
        """Forget everything learnt, server round-trip times excepted."""
        self.answers.clear()
        self.delegations.clear()
        self.failures.clear()
        self.denials.clear()
        self.zones = ZoneTrusts()
        self.epoch += 1

    def store(self, step: Step, mono: float, validated: Validated | None, rank: Rank = Rank.AUTHORITATIVE) -> Entry:
        """Remember a step; its life is its TTL within the configured bounds and the validator's cap."""
        ttl = self.ttl_of(step)
        if validated is not None and validated.ttl_cap_s is not None:
            ttl = min(ttl, validated.ttl_cap_s)
        generation = self.points.generation
        entry = self.answers.put(step, rank, mono, ttl, generation)
        if validated is not None and entry.step is step:
            entry.validated = validated
            entry.generation = generation
        return entry

    def learn_denials(self, step: Step, validated: Validated, expires: float) -> None:
        """Keep what a secure answer proves not to exist, for answers to other questions (RFC 8198)."""
        if not self.settings.aggressive_nsec or not validated.authority or validated.zone is None:
            return
        zone = validated.zone.zone
        self.denials.learn(zone, validated.authority, expires)
        if step.kind in (Kind.ANSWER, Kind.CNAME):
            for rrset, result in validated.signatures:
                if result.ok and rrset is step.rrsets[0]:
                    self.denials.learn_wildcard(zone, rrset, result, expires)

    def ttl_of(self, step: Step) -> float:
        """Seconds a step may be kept, before the validator's cap: RFC 2181 §5.2, RFC 2308 §5 for denials."""
        settings = self.settings
        if step.kind in (Kind.NODATA, Kind.NXDOMAIN):
            for rrset in step.authority:
                if rrset.rtype == t.SOA and rrset.rdatas:
                    ttl = min(rrset.ttl, soa_minimum(rrset.rdatas[0]))
                    return min(max(ttl, settings.min_ttl), settings.max_negative_ttl)
            return 0.0  # RFC 2308 §5: a denial without SOA is not cached
        ttl = min((rrset.ttl for rrset in step.rrsets), default=0)
        return min(max(ttl, settings.min_ttl), settings.max_ttl)


class View:
    """What one resolution sees: the memory, its own budget, and the time of the last reply. Fulfils `trust.chain.View`."""

    __slots__ = ("budget", "memory", "now")

    def __init__(self, memory: Memory, budget: Budget, now: Now) -> None:
        self.memory = memory
        self.budget = budget
        self.now = now

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
