"""Why a verdict is what it is, or why there is no answer: one member a reason, and the Extended DNS Error it becomes.

This is where "an expired signature becomes EDE 7": the second column. DESIGN §4 is the table's source; RFC 8914 §4,
RFC 9276 §3.2 (27) and the IANA registry define the codes.
"""

from enum import Enum


class Reason(Enum):
    """Members are (label, EDE code or None[, a less specific code that is true as well]). The label is a metric's value
    and never changes its meaning.
    """

    # Secure
    VALID = ("valid", None)
    """Every signature on the way from a trust point verified, every denial is proven."""

    # Insecure, and rightly so
    NO_TRUST_POINT = ("no-trust-point", None)
    """No trust anchor is configured at or above the name."""
    UNSIGNED_DELEGATION = ("unsigned-delegation", None)
    """A signed parent proves that the zone has no DS."""
    OPT_OUT = ("opt-out", None)
    """An NSEC3 opt-out span covers the name: nothing is said about it (RFC 5155 §6)."""
    NTA = ("nta", 33)
    """A negative trust anchor covers the name (RFC 7646)."""
    UNSUPPORTED_ALGORITHM = ("unsupported-algorithm", 1)
    """The zone is signed with no algorithm that we support (RFC 4035 §5.2, RFC 9905)."""
    UNSUPPORTED_DIGEST = ("unsupported-digest", 2)
    """The zone's DS records use no digest that we support (RFC 4509, RFC 9905)."""
    UNSIGNABLE = ("unsignable", None)
    """Signatures were asked for, which are never signed themselves (RFC 4035 §2.2): data, but no proof."""
    POLICY = ("policy", None)
    """Local policy made the answer (a response policy zone, a local zone, DNS64): it is nobody's signed data. Its EDE is
    the policy zone's to choose.
    """
    NSEC3_ITERATIONS = ("nsec3-iterations", 27)
    """The denial uses more NSEC3 iterations than allowed (RFC 9276 §3.2)."""

    # Bogus
    SIGNATURE_INVALID = ("signature-invalid", 6)
    """A signature does not verify under the key it names."""
    SIGNATURE_EXPIRED = ("signature-expired", 7)
    SIGNATURE_NOT_YET_VALID = ("signature-not-yet-valid", 8)
    SIGNATURE_EXPIRED_BEFORE_VALID = ("signature-expired-before-valid", 25)
    """Expiration lies before inception (RFC 4034 §3.1.5)."""
    NO_MATCHING_DNSKEY = ("no-matching-dnskey", 9)
    """The parent's DS matches none of the zone's keys."""
    DNSKEY_MISSING = ("dnskey-missing", 9)
    """A DS exists, but the zone has no DNSKEY RRset."""
    SIGNING_KEY_MISSING = ("signing-key-missing", 9, 6)
    """A signature names a key that the zone's validated DNSKEY RRset does not hold: a DNSKEY is missing (9), though not the
    one that the DS points at, so no signature verifies (6).
    """
    SIGNATURE_UNSUPPORTED = ("signature-unsupported", 6)
    """A set in a secure zone has signatures of unsupported algorithms only (RFC 4035 §5.2: the DS says otherwise)."""
    RRSIG_MISSING = ("rrsig-missing", 10)
    """A set in a signed zone carries no signature, or none by the key that the DS points at."""
    NO_ZONE_KEY_BIT = ("no-zone-key-bit", 11)
    """The key that should sign has no Zone Key bit (RFC 4034 §2.1.1)."""
    DENIAL_MISSING = ("denial-missing", 12)
    """The answer denies something without an NSEC or NSEC3 that proves it, or with an incomplete set of them."""
    DENIAL_WRONG = ("denial-wrong", 6)
    """NSEC or NSEC3 records are there and contradict the answer."""
    DENIAL_UNFIT = ("denial-unfit", 12, 6)
    """NSEC or NSEC3 records are there, but not those that the proof needs: nothing covers the name (12), and what came
    instead serves for nothing, as when hashes or next names were altered (6).
    """
    RRSIG_MALFORMED = ("rrsig-malformed", 6)
    """A signature breaks a rule of RFC 4035 §5.3.1: labels, signer's name, covered type."""
    ANCHOR_MISMATCH = ("anchor-mismatch", 9)
    """No key of the trust point's DNSKEY RRset matches a configured trust anchor."""
    BOGUS = ("bogus", 6)
    """Bogus with no better code."""

    # Could not be decided
    INDETERMINATE = ("indeterminate", 5)
    """Validation could not be carried out: a DNSKEY or DS could not be fetched."""
    CHAIN_UNREACHABLE = ("chain-unreachable", 22)
    """No authority of a zone on the chain gave its DNSKEY or DS."""

    # Resolution
    NO_AUTHORITY = ("no-reachable-authority", 22)
    """No server of the zone gave a useful answer."""
    NETWORK = ("network-error", 23)
    """Servers could not be reached: time-outs, ICMP errors."""
    INVALID_DATA = ("invalid-data", 24)
    """Upstream answers were malformed or nonsensical."""
    LIMIT = ("limit", 0)
    """A limit of `wire.limits` was hit; the text names it."""
    OVER_QUOTA = ("over-quota", 0)
    """Too many questions to the zone's servers are under way already; the text names the limit. It may be over at once."""
    EXCESSIVE = ("excessive", 0)
    """A set of the answer has more records than are taken; the text names the limit."""
    CYCLE = ("cycle", 22)
    """Resolution of the name waits for itself: its name servers live below the name they serve, without glue."""
    ALIAS_LOOP = ("alias-loop", 0)
    """CNAME or DNAME records lead back to a name already visited."""
    CACHED_FAILURE = ("cached-failure", 13)
    """Answered from the failure cache (RFC 9520); the original reasons stand beside it."""
    STALE = ("stale", 3)
    STALE_NXDOMAIN = ("stale-nxdomain", 19)
    SYNTHESISED = ("synthesised", 29)
    """Answered from a cached NSEC or NSEC3 (RFC 8198)."""

    SENTINEL = ("root-key-sentinel", 0)
    """SERVFAIL to a root key sentinel query (RFC 8509), which says that the key is, or is not, a trust anchor."""

    # Refusals
    NOT_READY = ("not-ready", 14)
    PROHIBITED = ("prohibited", 18)
    """The client is not in the access list."""
    NOT_AUTHORITATIVE = ("rd-not-set", 20)
    """RD=0: we are no authority."""
    NOT_SUPPORTED = ("not-supported", 21)
    INVALID_QUERY_TYPE = ("invalid-query-type", 30)

    def __init__(self, label: str, ede: int | None, ede_also: int | None = None) -> None:
        self.label = label
        self.ede = ede
        self.ede_also = ede_also
