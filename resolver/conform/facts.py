"""What was found out about a daemon and its surroundings, for `judge`. Times are seconds since 1970."""

from dataclasses import dataclass, field

from resolver.conform.fleet import Report


@dataclass(frozen=True, slots=True)
class Attestation:
    """What the operator states of something that no daemon can see."""

    text: str
    date: str
    """YYYY-MM-DD."""
    expired: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock check.

    Attributes:
        offset: seconds our clock is ahead of the time servers; None when none was reached.
        servers: how many are configured; reached: how many answered the last time.
        kernel: whether the kernel says that its clock is disciplined; None when it does not say.
        age: seconds since the offset was measured.
    """

    offset: float | None
    max_offset: float
    servers: int
    reached: int
    kernel: bool | None
    age: float | None

    @property
    def wrong(self) -> bool:
        """Whether the clock is known to be wrong."""
        return self.offset is not None and abs(self.offset) > self.max_offset

    @property
    def known_good(self) -> bool:
        """Whether a trusted source says that it is right."""
        return not self.wrong and (self.offset is not None or self.kernel is True)


@dataclass(frozen=True, slots=True)
class Probe:
    """One name that the daemon looks up for itself. `ok` is None before the first time, or when nothing can be said."""

    kind: str
    """`secure` or `bogus`."""
    name: str
    via: str
    """`service`: asked of our own listener, like a client; `resolver`: with an empty cache."""
    ok: bool | None
    problem: str


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The root's keys as they are, beside ours.

    Attributes:
        trusted: tags of ours that count now. pending: seen, in their hold-down.
        live: tags of the key-signing keys in the live DNSKEY RRset, without revoked ones; None when it could not be had.
        validates: whether one of ours signs that RRset. problem: why not, or why it could not be had.
        builtin: whether the packaged anchors are used; following: whether RFC 5011 keeps them.
        last_success: when RFC 5011 last validated the set.
    """

    trusted: tuple[int, ...]
    pending: tuple[int, ...]
    live: tuple[int, ...] | None
    validates: bool
    problem: str
    builtin: bool
    following: bool
    last_success: str

    @property
    def unknown(self) -> tuple[int, ...]:
        """Live keys that are neither trusted nor on the way to be."""
        return tuple(tag for tag in self.live or () if tag not in self.trusted and tag not in self.pending)


@dataclass(frozen=True, slots=True)
class Learning:
    """The SERVFAIL baseline. Ratios are of all responses.

    Attributes:
        threshold: that is in force, None while it learns; `suggested`: from what was learnt so far.
        learnt, wanted: minutes of statistics so far, and until there is a threshold.
    """

    ratio: float | None
    threshold: float | None
    suggested: float | None
    anomaly: bool
    learnt: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Explained:
    """A chain of trust examined from here: `links` of it, up to the answer; or the problem."""

    name: str
    links: int
    problem: str
    nsids: int
    """Authorities on the way that told an NSID."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says."""

    version: str
    edns_buffer: int
    max_udp_size: int
    log_failures: bool
    log_level: str
    metrics: str
    """Address, "" when off."""
    require_approval: bool
    max_lifetime: str
    resolvers: tuple[str, ...]
    """The advertised addresses, as configured."""
    attested: dict[str, Attestation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. What is None could not be found out, or the feature is off."""

    settings: Settings
    fleet: Report
    clock: Clock
    probes: tuple[Probe, ...]
    root: RootKeys
    learning: Learning | None
    explained: Explained | None
    responses: dict[str, int]
    """By RCODE."""
    validations: dict[str, int]
    """By verdict."""
    scraped: float | None
    """Seconds since the metrics were last collected."""
    failing_zones: int
    ntas: int
