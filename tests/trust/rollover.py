"""A zone whose keys roll, for RFC 5011 tests: what it publishes at a moment, and a resolver that looks at it.

follow = Follower(A)                    # trusts A by configuration
follow.look(present=[A, B], signers=[A], days=0)
assert follow.state(B) is State.ADD_PEND
"""

from collections.abc import Iterable, Sequence

from tests.trust.zones import DAY, NOW, KeyPair, n, sign
from trust.algorithms import REVOKED
from trust.anchor_merge import merge_configured
from trust.anchors import TrustPoint
from trust.policy import Policy
from trust.rfc5011 import KeyState, Observation, PointState, State, Timers, Transition, missed, observe
from wire import types as t
from wire.rrset import RRset

ZONE = n("example.jp")
TTL = 7200


def key(index: int, *, algorithm: int = 15, flags: int = 257) -> KeyPair:
    """A key-signing key; the same for the same index."""
    return KeyPair(algorithm, flags, index)


def revoked(pair: KeyPair) -> KeyPair:
    """The key with its REVOKE bit set."""
    return pair.altered(flags=int.from_bytes(pair.rdata[:2], "big") | REVOKED)


def published(
    present: Iterable[KeyPair],
    signers: Iterable[KeyPair],
    at: float,
    *,
    ttl: int = TTL,
    valid_s: int = 14 * DAY,
    zone: bytes = ZONE,
) -> RRset:
    """A DNSKEY RRset with signatures made an hour before `at` and valid for `valid_s` from then on."""
    rrset = RRset(zone, t.DNSKEY, ttl, [pair.rdata for pair in present])
    if rrset.rdatas:
        rrset.sigs = [sign(rrset, pair, zone, int(at) - 3600, int(at) + valid_s) for pair in signers]
    return rrset


class Follower:
    """A resolver that follows one zone. Days count from NOW."""

    def __init__(self, *configured: KeyPair | bytes, timers: Timers | None = None, policy: Policy | None = None) -> None:
        self.timers = timers or Timers()
        self.policy = policy or Policy()
        self.transitions: list[Transition] = []
        self.last: Observation | None = None
        self.point = PointState(ZONE, ())
        self.configure(*configured)

    def configure(self, *configured: KeyPair | bytes, days: float = 0.0) -> tuple[str, ...]:
        """Keys, or DS RDATA, as the configuration has them from now on; returns the warnings."""
        keys = [item.rdata for item in configured if isinstance(item, KeyPair)]
        ds = [item for item in configured if isinstance(item, bytes)]
        merged = merge_configured(self.point, TrustPoint(ZONE, ds, keys), ZONE, NOW + days * DAY)
        assert merged.point is not None
        self.point = merged.point
        self.transitions += merged.transitions
        return merged.warnings

    def look(
        self,
        present: Sequence[KeyPair],
        signers: Sequence[KeyPair],
        days: float,
        *,
        ttl: int = TTL,
        valid_s: int = 14 * DAY,
    ) -> Observation:
        """See the zone publish these keys, signed by those, on that day."""
        at = NOW + days * DAY
        return self.see(published(present, signers, at, ttl=ttl, valid_s=valid_s), at)

    def see(self, rrset: RRset, at: float) -> Observation:
        seen = observe(self.point, rrset, at, self.policy, self.timers)
        self.point = seen.point
        self.transitions += seen.transitions
        self.last = seen
        return seen

    def miss(self, days: float) -> None:
        """Look in vain."""
        self.point = missed(self.point, NOW + days * DAY, "timed out", self.timers)

    def entry(self, pair: KeyPair) -> KeyState | None:
        return next((entry for entry in self.point.keys if entry.dnskey == pair.rdata), None)

    def state(self, pair: KeyPair) -> State:
        entry = self.entry(pair)
        return State.START if entry is None else entry.state

    @property
    def story(self) -> list[str]:
        """Transitions as "tag: Old -> New (event)"."""
        return [
            f"{move.key_tag}: {move.old.value} -> {move.new.value} ({move.event.value if move.event else 'operator'})"
            for move in self.transitions
        ]
