"""Zones that change, and the servers that serve them, now and then badly.

A `Domain` publishes one `Version` after another: a signed zone as it was from some moment on. Its servers serve the newest
version, or lag behind; they can be down, refuse, or damage signatures. What everybody did and when is kept in the domain's
`history`: of that the oracle is made, not of anything that the resolver says.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.trust.zones import NOW, KeyPair, SignedZone, corrupt, sign
from trust.vocabulary import Ask, Kind, Transport
from wire import types as t
from wire.composer import compose
from wire.edns import Edns
from wire.limits import MAX_UDP, MIN_UDP
from wire.name import Name, is_subdomain
from wire.rrset import RRset
from wire.text import name_to_text

ALGORITHM = 13
DATA_TTL = 600
"""Seconds of TTL of the longest-lived data; denials live 300 s."""
CUT_TTL = 3600
"""Seconds of TTL of NS, DS and DNSKEY sets."""


class Condition(Enum):
    """What a server does with questions."""

    UP = "up"
    SILENT = "silent"
    REFUSES = "refuses"
    FAILS = "fails"
    DAMAGES = "damages signatures"


class Status(Enum):
    """What somebody who knew nothing yet would find at a zone's servers, given its parent's DS."""

    GOOD = "good"
    """At least one server gives data that is what it should be: valid, or unsigned below an unsigned delegation."""
    BOGUS = "bogus"
    """Servers answer, and none of them with data that validates."""
    DOWN = "down"
    """No server answers."""


@dataclass(frozen=True)
class Moment:
    """What was so from `at` on (seconds since the start).

    `rekeyed`: the DS came to be right; since that time there are keys with which the one before it does not go; 0: not so.
    `resigned`: all signatures became those of a key that was not published before.
    """

    at: float
    status: Status
    said: frozenset[int]
    """Versions that some server gave out."""
    secured: bool
    """Whether the parent says that it is signed."""
    sound: bool
    """Whether some server gives data that its own keys have signed well, whatever the parent says of those keys."""
    astray: bool
    """Whether who still holds an old delegation hears nothing but damaged answers."""
    rekeyed: float = 0.0
    resigned: bool = False


class Version:
    """A zone as it was published. `signers`: key tags of the KSKs that sign its DNSKEY RRset; `expires`: of signatures."""

    def __init__(self, number: int, zone: SignedZone, signers: frozenset[bytes], expires: float, *, sound: bool) -> None:
        self.number = number
        self.zone = zone
        self.signers = signers
        self.expires = expires
        self.sound = sound
        self.glue: dict[Name, dict[Name, list[bytes]]] = {}
        self._said: dict[tuple[Name, int], tuple[Kind, tuple[bytes, ...]]] = {}

    def says(self, name: Name, rtype: int) -> tuple[Kind, tuple[bytes, ...]]:
        """What kind of answer it gives, and the data."""
        key = name, rtype
        if key not in self._said:
            step = self.zone.step(name, rtype)
            self._said[key] = step.kind, tuple(sorted(step.rrsets[0].rdatas)) if step.rrsets else ()
        return self._said[key]


class Server:
    """One address of a domain's servers. `lags`: the version it is stuck at."""

    def __init__(self, domain: "Domain", ip: str, name: Name) -> None:
        self.domain, self.ip, self.name = domain, ip, name
        self.condition = Condition.UP
        self.lags: Version | None = None

    @property
    def version(self) -> Version:
        return self.lags or self.domain.versions[-1]


@dataclass
class Domain:
    """A zone through the day."""

    origin: Name
    text: str
    parent: "Domain | None"
    index: int
    nsec3: bool = False
    opt_out: bool = False
    signed: bool = True
    hoster: "Domain | None" = None
    """The domain in which its servers' names lie, when not in itself."""
    children: list["Domain"] = field(default_factory=list)
    aliases: dict[Name, Name] = field(default_factory=dict)
    servers: list[Server] = field(default_factory=list)
    """Those that the parent names."""
    retired: list[Server] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    history: list[Moment] = field(default_factory=list)
    ksk_index: int = 0
    zsk_index: int = 0
    published: list[KeyPair] = field(default_factory=list)
    """Further keys in the DNSKEY RRset; KSKs among them sign it."""
    ds_keys: list[KeyPair] = field(default_factory=list)
    sound: bool = True
    lifetime: float = 8 * 3600.0
    hosts: bool = False
    """Whether other domains' servers have their names here."""
    busy: bool = False
    """Something goes on that other misfortunes must not mix with."""
    generation: int = 0
    moved: float = 0.0
    """When it last moved to other servers."""

    def __post_init__(self) -> None:
        self.ksk, self.zsk = self.new_ksk(), self.new_zsk()
        if self.signed:
            self.ds_keys = [self.ksk]

    # --- keys ------------------------------------------------------------------------------------------------------

    def new_ksk(self) -> KeyPair:
        self.ksk_index += 1
        return _key(257, self.index * 1000 + self.ksk_index)

    def new_zsk(self) -> KeyPair:
        self.zsk_index += 1
        return _key(256, self.index * 1000 + self.zsk_index)

    # --- publishing ------------------------------------------------------------------------------------------------

    def publish(self, now: float, *, lifetime: float | None = None) -> None:
        """Sign anew and hand the zone to the servers that do not lag."""
        expires = now + (self.lifetime if lifetime is None else lifetime)
        number = len(self.versions)
        zone = SignedZone(
            self.text_origin,
            self.records(number),
            keys=(self.ksk, self.zsk),
            signed=self.signed,
            nsec3=self.nsec3 and self.signed,
            opt_out=self.opt_out and self.signed,
            inception=int(NOW + now - 3600),
            expiration=int(NOW + expires),
        )
        del zone.data[self.below("ns1"), t.A]
        zone.data[self.origin, t.NS] = self.ns_set()
        for server in self.servers:
            if is_subdomain(server.name, self.origin):
                zone.data[server.name, t.A] = RRset(server.name, t.A, CUT_TTL, [octets(server.ip)])
        version = Version(number, zone, self._signers(), expires, sound=self.sound)
        for child in self.children:
            zone.data[child.origin, t.NS] = child.ns_set()
            if child.ds_keys:
                zone.data[child.origin, t.DS] = RRset(
                    child.origin, t.DS, CUT_TTL, [k.ds(child.origin) for k in child.ds_keys]
                )
            zone.children[child.origin] = zone
            version.glue[child.origin] = {
                s.name: [octets(s.ip)] for s in child.servers if is_subdomain(s.name, child.origin)
            }
        if self.signed:
            zone.publish(self.ksk.rdata, self.zsk.rdata, *(key.rdata for key in self.published))
        zone.sign()
        if self.signed:
            keys = zone.data[self.origin, t.DNSKEY]
            keys.sigs += [
                sign(keys, key, self.origin, zone.inception, zone.expiration) for key in self.published if key.rdata[1] & 1
            ]
        if not self.sound:
            zone.edit(lambda rrset: rrset.sigs.__setitem__(slice(None), [corrupt(sig) for sig in rrset.sigs]))
        self.versions.append(version)

    @property
    def text_origin(self) -> str:
        return name_to_text(self.origin)

    def below(self, label: str) -> Name:
        """A name of one label below the origin."""
        return bytes((len(label),)) + label.encode() + self.origin

    def _signers(self) -> frozenset[bytes]:
        return frozenset(k.rdata for k in (self.ksk, *self.published) if k.rdata[1] & 1) if self.signed else frozenset()

    def records(self, number: int) -> str:
        """Its own data; addresses tell the version."""
        return self.text.replace("VERSION", f"10.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}")

    def ns_set(self) -> RRset:
        return RRset(self.origin, t.NS, CUT_TTL, [server.name for server in self.servers])

    def move(self, count: int, now: float) -> list[Server]:
        """New servers at new addresses; returns the old ones. The parent does not know of it yet."""
        self.moved = now
        old = self.servers
        self.retired += old
        self.generation += 1
        self.servers = [self.server(number) for number in range(count)]
        return old

    def server(self, number: int) -> Server:
        ip = f"10.{self.index}.{self.generation}.{number + 1}"
        if self.hoster is not None:
            return Server(self, ip, self.hoster.below(f"ns{number}-{self.index}-{self.generation}"))
        return Server(self, ip, self.below(f"ns{number}-{self.generation}"))

    # --- what was so when ------------------------------------------------------------------------------------------

    def note(self, now: float, *, rekeyed: float = 0.0, resigned: bool = False) -> None:
        """Keep what is so from now on."""
        up = [s for s in self.servers if s.condition in (Condition.UP, Condition.DAMAGES)]
        heard = [s for s in self.servers + self.retired if s.condition in (Condition.UP, Condition.DAMAGES)]
        if not up:
            status = Status.DOWN
        elif any(self._is_correct(server, now) for server in up):
            status = Status.GOOD
        else:
            status = Status.BOGUS
        said = frozenset(server.version.number for server in heard)
        # Whoever holds the old delegation, and hears a damaged answer from all who answer there, does not ask the parent
        # for other servers, as he does when all are silent.
        old = [server for server in self.retired if server.condition is Condition.DAMAGES]
        astray = bool(old) and not any(self._is_correct(s, now) for s in self.retired if s.condition is Condition.UP)
        secured = self.parent is None or bool(self.ds_keys)
        sound = any(self._is_sound(server, now) for server in heard)
        self.history.append(Moment(now, status, said, secured, sound, astray, rekeyed, resigned))

    def _is_correct(self, server: Server, now: float) -> bool:
        if self.parent is not None and not self.ds_keys:
            return True  # nobody looks at signatures
        return self._is_sound(server, now) and any(key.rdata in server.version.signers for key in self.ds_keys)

    def _is_sound(self, server: Server, now: float) -> bool:
        version = server.version
        if not version.signers:
            return self.parent is not None and not self.ds_keys
        return version.sound and server.condition is not Condition.DAMAGES and version.expires > now

    def during(self, first: float, last: float) -> list[Moment]:
        """What was so at some time from `first` to `last`."""
        start = max(bisect_right(self.history, first, key=lambda moment: moment.at) - 1, 0)
        end = bisect_right(self.history, last, key=lambda moment: moment.at)
        return self.history[start:end]


def _key(flags: int, index: int) -> KeyPair:
    """Always the same key for the same index: a seed is to give the same day again."""
    pair = KeyPair(ALGORITHM, flags)
    pair.private = ec.derive_private_key(index * 2 + (flags & 1) + 12345, ec.SECP256R1())
    pair.rdata = pair.rdata[:4] + pair.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    return pair


def octets(ip: str) -> bytes:
    return bytes(int(part) for part in ip.split("."))


class Internet:
    """All domains and who answers at which address."""

    def __init__(self) -> None:
        self.domains: dict[Name, Domain] = {}
        self.by_ip: dict[str, Server] = {}

    def add(self, domain: Domain, servers: int) -> Domain:
        self.domains[domain.origin] = domain
        if domain.parent is not None:
            domain.parent.children.append(domain)
        domain.servers = [domain.server(number) for number in range(servers)]
        self.register(domain)
        return domain

    def register(self, domain: Domain) -> None:
        """Make its servers reachable, and known by name in the hoster's zone."""
        for server in domain.servers:
            self.by_ip[server.ip] = server
            if domain.hoster is not None:
                label = server.name[1 : server.name[0] + 1].decode()
                domain.hoster.text += f"{label} {CUT_TTL} A {server.ip}\n"

    def holder(self, name: Name) -> Domain:
        """The domain whose data a name is."""
        while name not in self.domains:
            name = name[name[0] + 1 :]
        return self.domains[name]

    def say(self, ask: Ask) -> bytes | None:
        """The octets that come back; None when nothing does."""
        server = self.by_ip.get(ask.server.ip)
        if server is None or server.condition is Condition.SILENT:
            return None
        question = (ask.qname, ask.qtype, t.IN)
        edns = Edns(MAX_UDP) if ask.edns else None
        room = 65535 if ask.transport is Transport.TCP else (MAX_UDP if ask.edns else MIN_UDP)
        if server.condition is not Condition.UP and server.condition is not Condition.DAMAGES:
            rcode = t.REFUSED if server.condition is Condition.REFUSES else t.SERVFAIL
            return compose(0, t.QR | rcode, question, edns=edns)
        version = server.version
        if not is_subdomain(ask.qname, version.zone.origin):
            return compose(0, t.QR | t.REFUSED, question, edns=edns)
        flags, answer, authority, additional = respond(version, ask.qname, ask.qtype)
        if server.condition is Condition.DAMAGES:
            answer, authority = damage(answer), damage(authority)
        return compose(
            0,
            flags,
            question,
            [(r, r.ttl) for r in answer],
            [(r, r.ttl) for r in authority],
            [(r, r.ttl) for r in additional],
            edns,
            max_size=room,
        )


def damage(section: list[RRset]) -> list[RRset]:
    """The sets with wrong signatures; not the same bit as `corrupt` changes, which would mend what is wrong already."""
    return [RRset(r.name, r.rtype, r.ttl, r.rdatas, [sig[:-1] + bytes((sig[-1] ^ 2,)) for sig in r.sigs]) for r in section]


def respond(version: Version, qname: Name, qtype: int) -> tuple[int, list[RRset], list[RRset], list[RRset]]:
    """Flags, answer, authority and additional section of an authority that knows its business."""
    zone = version.zone
    flags, answer, authority = t.QR | t.AA, list[RRset](), list[RRset]()
    name: Name | None = qname
    while name is not None and is_subdomain(name, zone.origin):
        child = next((child for child in zone.children if is_subdomain(name, child)), None)
        if child is not None and not (qtype == t.DS and name == child):
            if name == qname:
                return t.QR, *_referral(version, child)
            break
        step = zone.step(name, qtype)
        answer += step.rrsets
        authority += [rrset for rrset in step.authority if rrset not in authority]
        if step.kind is Kind.NXDOMAIN:
            flags |= t.NXDOMAIN
        name = step.target
    return flags, answer, authority, []


def _referral(version: Version, child: Name) -> tuple[list[RRset], list[RRset], list[RRset]]:
    cut = version.zone.cut(child)
    authority = [version.zone.data[child, t.NS], *([cut.ds] if cut.ds is not None else cut.denial)]
    glue = [RRset(name, t.A, CUT_TTL, rdatas) for name, rdatas in version.glue[child].items()]
    return [], authority, glue
