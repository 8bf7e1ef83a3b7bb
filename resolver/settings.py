"""The values of the configuration that the pure core needs, as plain data. `resolver.daemon` makes them from the
configuration file; tests and replays make them by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from trust.vocabulary import Address
from wire.name import Name


class Dice(Protocol):
    """A source of randomness, handed in: `random.Random`, `random.SystemRandom` or a scripted one."""

    def random(self) -> float:
        """A number in [0, 1)."""


class Minimise(Enum):
    """QNAME minimisation (RFC 9156)."""

    OFF = "off"
    RELAXED = "relaxed"
    """Fall back to the full name when a server answers the short one badly."""
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the core goes by. Durations in seconds, sizes in octets.

    `root`, `stub`, `forward`: server names → addresses; a stub's or forwarder's servers have no names of their own, so
    each address stands under the zone's name.
    """

    root: Mapping[Name, list[Address]]
    prime: bool = True
    port: int = 53
    ipv4: bool = True
    ipv6: bool = True
    minimise: Minimise = Minimise.RELAXED
    randomise_case: bool = True
    allow_loopback: bool = False
    private_servers: bool = False
    do_not_query: tuple[str, ...] = ()
    """Prefixes never queried, besides the built-in ones."""
    stub: Mapping[Name, list[Address]] = field(default_factory=dict)
    forward: Mapping[Name, list[Address]] = field(default_factory=dict)
    cache_size: int = 256 << 20
    min_ttl: int = 0
    max_ttl: int = 86400
    max_negative_ttl: int = 3600
    serve_stale: bool = False
    """Expired data is served when the authorities fail (RFC 8767)."""
    stale_answer_ttl: int = 30
    stale_max_age: float = 86400.0
    stale_client_timeout: float = 1.8
    prefetch: bool = False
    """What is asked for is fetched anew shortly before it expires."""
    tells_readiness: bool = False
    """A failure before anything could be learnt is told as EDE 14: this serves clients."""
    aggressive_nsec: bool = True
    """Answers are made from cached denials (RFC 8198)."""
    local_zones: bool = True
    """Special and locally served names are answered here (RFC 6761, 6303, 7793)."""
    error_reports: bool = False
    """Operators of failing zones are told, where their servers name an agent (RFC 9567)."""
    ntp_names: tuple[Name, ...] = ()
    """Names, with those below, whose addresses are found although our clock is wrong (resolve.untimely)."""
    nta_extended_error: bool = True
    """EDE 33 on answers under a negative trust anchor."""
    cookie_secret: bytes = b""
    """The key of the cookies sent to servers (RFC 7873), at most 32 octets; without one none are sent."""
    shadow: frozenset[str] = frozenset()
    """Limits that are counted, not enforced, by their labels (wire.limits)."""
    sentinel: bool = True
    """The root key sentinel's names are answered as such (RFC 8509)."""

    def apart(self, cache_size: int) -> "Settings":
        """The same for a resolver that looks for itself, beside the one that serves clients: what it says must be fresh."""
        return replace(self, cache_size=cache_size, serve_stale=False, prefetch=False, tells_readiness=False)
