"""Every limit of the product, in one place, each with the RFC or CVE that motivates it.

A limit that is hit ends in SERVFAIL with an Extended DNS Error whose text is the limit's `label`, and is counted under
that label. Values follow DESIGN §4; sizes are octets, times are seconds.

Shadow mode (`[limits] shadow`): a limit named there is counted where it would have refused, and refuses only at its hard
ceiling, so that an operator sees what it would cost him before he enforces it. Without a ceiling of its own a limit cannot
be put into shadow: what ends loops and bounds memory stays.
"""

from dataclasses import dataclass
from typing import Final

# --- sizes -------------------------------------------------------------------------------------------------------
MAX_NAME: Final = 255
"""Octets of an uncompressed domain name (RFC 1035 §2.3.4)."""
MAX_LABEL: Final = 63
"""Octets of one label (RFC 1035 §2.3.4)."""
MAX_UDP: Final = 1232
"""Octets of UDP payload we send or ask for: never fragmented (RFC 9715 §3, guideline 2-4)."""
MIN_UDP: Final = 512
"""Octets every client takes without EDNS (RFC 1035 §4.2.1)."""
MAX_MESSAGE: Final = 65535
"""Octets of a message over TCP (RFC 1035 §4.2.2: two-octet length)."""
CLIENT_COOKIE: Final = 8
"""Octets of a client cookie (RFC 7873 §4)."""
MAX_EDE_TEXT: Final = 220
"""Octets of one EDE text; short texts keep answers under 512 octets of UDP (RFC 8914 §3: truncation must be avoided)."""
MAX_POLICY_RECORDS: Final = 5_000_000
"""Records of one response policy zone: a feed gone mad, or a primary that never ends, must not take all memory."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One budget: `label` names it in metrics and EDE texts, `value` is the ceiling, `why` its source.

    `hard`: the ceiling that holds even in shadow mode; 0 when the limit may not be put into shadow.
    """

    label: str
    value: int
    why: str
    hard: int = 0

    @property
    def shadowable(self) -> bool:
        """Whether it may be counted without being enforced, up to `hard`."""
        return self.hard > self.value


class Limits:
    """The limits in force in one worker, and how often each was reached.

    Attributes:
        shadow: labels of those that are only counted, up to their hard ceilings.
        hits: how often a limit refused something, by label; `shadowed`: how often it would have.
        lowered: values in place of the limits' own, by label, for tests.
    """

    __slots__ = ("hits", "lowered", "shadow", "shadowed")

    def __init__(self, shadow: frozenset[str] = frozenset()) -> None:
        self.shadow = shadow
        self.hits: dict[str, int] = {}
        self.shadowed: dict[str, int] = {}
        self.lowered: dict[str, int] = {}

    def value(self, limit: Limit) -> int:
        """The limit's value here, whether or not it is enforced."""
        return self.lowered.get(limit.label, limit.value) if self.lowered else limit.value

    def ceiling(self, limit: Limit) -> int:
        """What holds now: the value, or in shadow mode the hard ceiling."""
        return limit.hard if limit.hard and limit.label in self.shadow else self.value(limit)

    def text(self, limit: Limit) -> str:
        """The words that name a limit that has refused: label and ceiling."""
        return f"{limit.label} of {self.ceiling(limit)}"

    def allows(self, limit: Limit, wanted: int) -> bool:
        """Whether `wanted` of something may be had, counting when that is over the limit."""
        if wanted <= self.value(limit):
            return True
        allowed = wanted <= self.ceiling(limit)
        self.count(limit, refused=not allowed)
        return allowed

    def count(self, limit: Limit, *, refused: bool) -> None:
        """Count one time that the limit was reached."""
        counts = self.hits if refused else self.shadowed
        counts[limit.label] = counts.get(limit.label, 0) + 1


# --- one client query --------------------------------------------------------------------------------------------
PACKETS: Final = Limit(
    "packets-per-query", 100, "NXNSAttack (CVE-2020-8616): upstream packets one client query may cause", 1000
)
SUBQUERIES: Final = Limit(
    "sub-resolutions-per-query", 32, "NXNSAttack, TsuNAME: sub-resolutions one client query may start", 320
)
CHAIN: Final = Limit("cname-hops", 11, "RFC 1034 §3.6.2: CNAME and DNAME links followed for one answer", 32)
DEPTH: Final = Limit("resolution-depth", 8, "iDNS/NRDelegation: resolutions that wait for one another in a row", 24)
NS_PER_CUT: Final = Limit("ns-per-delegation", 20, "CVE-2020-8616: name servers of one delegation considered", 200)
ADDRESSES_PER_NS: Final = Limit("addresses-per-ns", 8, "CAMP: addresses kept for one name server", 80)
ADDRESSES_PER_CUT: Final = Limit(
    "addresses-per-delegation", 64, "CAMP: addresses taken from one referral; the root and .com have 26", 640
)
LOST_LOOKUPS: Final = Limit(
    "failed-address-lookups", 10, "NXNSAttack, CAMP: name servers without an address looked up for one client query", 100
)
ATTEMPTS: Final = Limit("attempts-per-zone", 16, "NXNSAttack: exchanges with one zone's servers for one question", 160)
RESOLUTION_SECONDS: Final = Limit("seconds-per-resolution", 10, "clients give up sooner than this (RFC 8767 §5)")
FETCHES_PER_ZONE: Final = Limit(
    "fetches-per-zone", 400, "random-subdomain floods (RFC 8020 §6): questions to one zone's servers at once", 4000
)
FETCHES_PER_SERVER: Final = Limit(
    "fetches-per-server", 300, "random-subdomain floods: questions to one server address at once", 3000
)
FETCHES_WHEN_SILENT: Final = Limit(
    "fetches-per-silent-server", 20, "floods for dead zones: questions at once to a server that rests after time-outs", 400
)
REFERRALS: Final = Limit(
    "referrals", 64, "labels in a name bound useful referrals; loops do not end (RFC 1034 §5.3.3)", 256
)
RECORDS_PER_SET: Final = Limit(
    "records-per-rrset", 1000, "CVE-2024-1737: records of one RRset, its signatures with them", 10_000
)
"""Real sets have a few hundred at most: TXT of large companies' domains over 260, SRV of domain controllers over 100."""
MINIMISE_STEPS: Final = 10
"""Questions for a shortened name asked for one resolution (RFC 9156 §2.3 MAX_MINIMISE_COUNT); then the whole is asked."""

# --- validation: hard ceilings low enough that a query costs no second of CPU ------------------------------------
SIG_FAILURES: Final = Limit("signature-failures", 4, "KeyTrap CVE-2023-50387: failed verifications for one RRset", 16)
SIG_PER_SET: Final = Limit("verifications-per-rrset", 16, "KeyTrap CVE-2023-50387: verifications for one RRset", 64)
SIG_PER_RESOLUTION: Final = Limit("verifications-per-resolution", 64, "KeyTrap CVE-2023-50387", 256)
KEYS_PER_TAG: Final = Limit("keys-per-tag", 2, "KeyTrap CVE-2023-50387: colliding keys tried for one key tag", 8)
RRSIGS_PER_RRSET: Final = Limit("rrsigs-per-rrset", 8, "KeyTrap CVE-2023-50387: signatures looked at for one RRset", 32)
KEYS_PER_ZONE: Final = Limit("keys-per-zone", 64, "KeyTrap CVE-2023-50387: DNSKEY records looked at for one zone", 256)
DS_PER_ZONE: Final = Limit("ds-per-zone", 16, "KeyTrap CVE-2023-50387: DS records hashed for one zone", 64)
NSEC3_PER_PROOF: Final = Limit("nsec3-hashes-per-proof", 8, "CVE-2023-50868: candidate names hashed for one proof", 32)
NSEC3_PER_RESOLUTION: Final = Limit("nsec3-hashes-per-resolution", 150, "CVE-2023-50868", 600)
DENIAL_RECORDS: Final = Limit(
    "denial-records-per-proof", 32, "CVE-2026-11605: NSEC and NSEC3 RRsets looked at for one proof", 128
)
MAX_PROOF_SETS: Final = DENIAL_RECORDS.hard + 2
"""SOA, NSEC and NSEC3 RRsets kept of one answer: what a proof looks at in shadow mode, one more so that it is counted."""
FEW_SETS: Final = 12
"""RRsets of a section that are compared each with each; more are looked up (thousands fit into one message)."""
TRUST_KEYS: Final = Limit(
    "keys-per-trust-point",
    16,
    "RFC 5011 §2.4.3 (five at least): keys followed at once, so that a zone cannot flood the state",
)
REMOVED_KEYS: Final = 64
"""Revoked and removed keys of one trust point that are remembered, besides configured ones (RFC 5011 §4.2)."""
CUT_WALK: Final = Limit(
    "cut-walk", 16, "DS questions asked to find an unseen zone cut below a signed zone (RFC 4035 §5.2)", 32
)

# --- caches and clients ------------------------------------------------------------------------------------------
FAILURE_TTL: Final = 5
"""Seconds a resolution failure is remembered at first (RFC 9520 §3.2: at least 1, at most 300 with back-off)."""
FAILURE_TTL_MIN: Final = 1
FAILURE_TTL_MAX: Final = 300
BOGUS_TTL: Final = 60
"""Seconds a bogus answer is remembered (RFC 4035 §4.7: a small ceiling keeps a mended zone from staying broken)."""
STALE_RECHECK: Final = 30
"""Seconds between two attempts to refresh stale data from failing servers (RFC 8767 §5)."""
STALE_HOLD: Final = 3
"""Seconds a whole stale response is kept: fresh data must reach clients soon after it is there (RFC 8767 §4)."""
PREFETCHES: Final = 64
"""Entries fetched anew at once ahead of their end; beyond it they expire as they would have."""
PREFETCH_TTL: Final = 10
"""Seconds of TTL below which nothing is fetched ahead: it would be asked for all the time."""
PREFETCH_PART: Final = 10
"""The last one part in so many of a life, in which a hit has the entry fetched anew."""
MAX_TTL: Final = 0x7FFFFFFF
"""Largest TTL (RFC 2181 §8); a larger one reads as 0."""

# --- clients: values are defaults of `[limits]` and `[server]`; a rate in shadow has no ceiling ----------------------
UNLIMITED: Final = 1 << 31
CLIENT_RATE: Final = Limit(
    "client-rate", 0, "RFC 5358, RFC 4732 §3: UDP queries a second of one client prefix; 0 is any number", UNLIMITED
)
RESPONSE_RATE: Final = Limit(
    "response-rate", 0, "RFC 5358: equal UDP responses a second to one client prefix; 0 is any number", UNLIMITED
)
REFUSALS: Final = Limit(
    "refusals", 100, "RFC 5358: REFUSED a second to clients that are not served; the rest get nothing", UNLIMITED
)
QUERIES_PER_CLIENT: Final = Limit(
    "queries-per-client", 2000, "RFC 4732 §3: queries of one client prefix being resolved at once", UNLIMITED
)
UNANSWERED: Final = Limit("unanswered-queries", 20_000, "RFC 4732 §3: queries of all clients being resolved at once")
TCP_CONNECTIONS: Final = Limit("tcp-connections", 500, "RFC 7766 §6.2.2: client connections open at once")
TCP_PER_CLIENT: Final = Limit(
    "tcp-per-client", 25, "RFC 7766 §6.2.2: connections of one client address open at once", UNLIMITED
)

# --- sockets -----------------------------------------------------------------------------------------------------
CLIENT_QUERIES: Final = UNANSWERED.value
"""Client queries a worker holds unanswered; beyond it new ones are dropped, their senders retry (memory stays bounded)."""
TCP_PIPELINE: Final = 64
"""Queries of one client connection worked on at once; beyond it the connection is not read (RFC 7766 §6.2.1.1)."""
TCP_UNREAD: Final = 256 * 1024
"""Octets of answers a client connection may leave unread before it is cut (RFC 9210 §6.3: clients that do not read)."""
UPSTREAM_UDP: Final = 4096
"""UDP queries to servers in flight, one socket and port each (RFC 5452 §9.2); fewer when file descriptors are short."""
UPSTREAM_TCP: Final = 256
"""TCP connections to servers open at once (RFC 9210 §4.1)."""
UPSTREAM_TCP_PIPELINE: Final = 32
"""Questions at once on one connection to a server (RFC 7766 §6.2.1.1); beyond it another connection is opened."""
UPSTREAM_TCP_IDLE: Final = 4.0
"""Seconds that a connection to a server is kept without a question (RFC 7766 §6.2.3: a few)."""
MISMATCHED: Final = 10
"""Packets to one query's own port that are not its answer, after which it counts as under forgery (RFC 5452 §5)."""
FORGERY_THRESHOLD: Final = 20
"""Such packets for one zone's questions, of late, from which on all its servers are asked over TCP (RFC 5452 §9.3)."""
FORGERY_HALF_LIFE: Final = 60.0
"""Seconds after which such a packet counts half."""
FORGERY_SECONDS: Final = 300.0
"""Seconds for which a zone stays with TCP after it last was over the threshold."""
FORGERY_ZONES: Final = 1000
"""Zones for which such packets are counted at once."""

ALL_LIMITS: Final = tuple(v for v in list(globals().values()) if isinstance(v, Limit))
SHADOWABLE: Final = frozenset(limit.label for limit in ALL_LIMITS if limit.shadowable)
"""Labels of the limits that may be put into shadow mode."""
