"""What this validator takes for secure, and what one resolution may spend on finding out.

`Policy` is configuration, the same for every query. `Budget` belongs to one resolution and is handed to everything that
hashes or verifies for it: a signature verification or an NSEC3 hash that the budget refuses is not done, and what was to
be proven by it is then not proven. So a limit leads to SERVFAIL, never to SECURE and never to INSECURE.

RFC 4035 §5.2 (unsupported algorithms are treated as unsigned), RFC 8624 and RFC 9904 (algorithm status), RFC 9905 (SHA-1),
RFC 9276 §3.2 (iterations), CVE-2023-50387 (KeyTrap), CVE-2023-50868 (NSEC3 hashing).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from wire.limits import NSEC3_PER_RESOLUTION, SIG_PER_RESOLUTION, Limit, Limits

# Algorithm numbers (IANA "DNS Security Algorithm Numbers")
RSASHA1: Final = 5
RSASHA1_NSEC3_SHA1: Final = 7
RSASHA256: Final = 8
RSASHA512: Final = 10
ECDSAP256SHA256: Final = 13
ECDSAP384SHA384: Final = 14
ED25519: Final = 15
ED448: Final = 16

# Digest types (IANA "Delegation Signer Digest Algorithms")
SHA1: Final = 1
SHA256: Final = 2
SHA384: Final = 4

_ALGORITHMS: Final = frozenset((RSASHA256, RSASHA512, ECDSAP256SHA256, ECDSAP384SHA384, ED25519, ED448))
_ALGORITHMS_WITH_SHA1: Final = _ALGORITHMS | {RSASHA1, RSASHA1_NSEC3_SHA1}
_DIGESTS: Final = frozenset((SHA256, SHA384))
_DIGESTS_WITH_SHA1: Final = _DIGESTS | {SHA1}


class Sha1(Enum):
    """What becomes of algorithms 5 and 7 and of DS digest type 1 (RFC 9905)."""

    INSECURE = "insecure"
    """Unsupported: a zone that has nothing better counts as unsigned (RFC 9905 §2)."""
    VALIDATE = "validate"
    """Validated as of old."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices: `[trust] sha1` and `[trust] nsec3-max-iterations`."""

    sha1: Sha1 = Sha1.INSECURE
    nsec3_max_iterations: int = 50
    """More iterations than this and the denial counts as insecure (RFC 9276 §3.2)."""
    timeless: bool = False
    """Signatures count whatever the time. Only `resolver.resolve.untimely` sets it, and calls nothing secure by it."""

    @property
    def algorithms(self) -> frozenset[int]:
        """DNSKEY algorithms in use."""
        return _ALGORITHMS if self.sha1 is Sha1.INSECURE else _ALGORITHMS_WITH_SHA1

    @property
    def digests(self) -> frozenset[int]:
        """DS digest types in use."""
        return _DIGESTS if self.sha1 is Sha1.INSECURE else _DIGESTS_WITH_SHA1


class Budget:
    """What one resolution has spent. Every step of it shares one Budget.

    Attributes:
        verifications, nsec3_hashes: done so far.
        hit: the first limit of the whole resolution that refused something; None while all is well.
        limits: which limits are in force, and where those reached are counted: each once for this budget.
        refusals: the limits that refused something, in words. lost_lookups: name servers whose address was not found.
    """

    __slots__ = ("_reached", "hit", "limits", "lost_lookups", "nsec3_hashes", "refusals", "verifications")

    def __init__(self, limits: Limits | None = None) -> None:
        self.verifications = 0
        self.nsec3_hashes = 0
        self.hit: Limit | None = None
        self.limits = Limits() if limits is None else limits
        self._reached: set[tuple[str, bool]] = set()
        self.refusals: list[str] = []
        self.lost_lookups = 0

    def ceiling(self, limit: Limit, wanted: int) -> int:
        """How many of `wanted` things may be had; counts the limit as reached when that is fewer than wanted."""
        value = self.limits.value(limit)
        if wanted <= value:
            return value
        ceiling = self.limits.ceiling(limit)
        self.reach(limit, refused=wanted > ceiling)
        return ceiling

    def reach(self, limit: Limit, *, refused: bool = True) -> None:
        """Count the limit as reached."""
        if (limit.label, refused) not in self._reached:
            self._reached.add((limit.label, refused))
            if refused:
                self.refusals.append(f"limit {self.limits.text(limit)} reached")
            self.limits.count(limit, refused=refused)

    def take_verification(self) -> bool:
        """Whether one more signature may be verified; counts it when so."""
        wanted = self.verifications + 1
        if wanted > self.ceiling(SIG_PER_RESOLUTION, wanted):
            self.hit = self.hit or SIG_PER_RESOLUTION
            return False
        self.verifications = wanted
        return True

    def take_nsec3(self, hashes: int = 1) -> bool:
        """Whether `hashes` more names may be hashed; counts them when so."""
        wanted = self.nsec3_hashes + hashes
        if wanted > self.ceiling(NSEC3_PER_RESOLUTION, wanted):
            self.hit = self.hit or NSEC3_PER_RESOLUTION
            return False
        self.nsec3_hashes = wanted
        return True


def limit_text(limit: Limit) -> str:
    """The sentence that names a limit."""
    return f"limit {limit.label} of {limit.value} reached"
