"""A small zone, what is true of it, and its NSEC and NSEC3 chains: the independent opinion of the denial tests.

Built on dnspython names and on nothing of `trust`: existence is membership in sets, order is dnspython's, hashes are
dnspython's. RRsets come out as the reader would give them, with a hollow RRSIG (right head, no valid signature).
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO

import dns.dnssec
import dns.name
import dns.rdatatype
from dns.name import Name
from dns.rdtypes.ANY.NSEC import Bitmap

from wire import types as t
from wire.rrset import RRset

STAR = b"*"


def wire(name: Name) -> bytes:
    return name.to_digestable()


def bitmap(types: Iterable[int]) -> bytes:
    out = BytesIO()
    Bitmap.from_rdtypes([dns.rdatatype.RdataType.make(n) for n in types]).to_wire(out)
    return out.getvalue()


def hollow_sig(covered: int, owner: Name, signer: Name, labels: int | None = None) -> bytes:
    """RDATA of an RRSIG whose head is right; `labels` overrides the labels field."""
    if labels is None:
        labels = len(owner.labels) - 1 - (owner.labels[0] == STAR)
    head = covered.to_bytes(2, "big") + bytes((13, labels)) + bytes(14)
    return head + wire(signer) + b"sig"


def nsec_rrset(owner: Name, nxt: Name, types: Iterable[int], signer: Name, labels: int | None = None) -> RRset:
    rdata = wire(nxt) + bitmap({*types, t.NSEC, t.RRSIG})
    return RRset(wire(owner), t.NSEC, 3600, [rdata], [hollow_sig(t.NSEC, owner, signer, labels)])


def nsec3_rrset(
    zone: Name,
    owner_hash: bytes,
    next_hash: bytes,
    types: Iterable[int],
    *,
    opt_out: bool = False,
    iterations: int = 0,
    salt: bytes = b"",
    signer: Name | None = None,
    flags: int | None = None,
    algorithm: int = 1,
) -> RRset:
    owner = dns.name.Name([base32hex(owner_hash).encode(), *zone.labels])
    head = bytes((algorithm, int(opt_out) if flags is None else flags)) + iterations.to_bytes(2, "big")
    body = bytes((len(salt),)) + salt + bytes((len(next_hash),)) + next_hash + bitmap(types)
    return RRset(wire(owner), t.NSEC3, 3600, [head + body], [hollow_sig(t.NSEC3, owner, signer or zone)])


def base32hex(data: bytes) -> str:
    return base64.b32hexencode(data).decode().lower()


def name_hash(name: Name, salt: bytes = b"", iterations: int = 0) -> bytes:
    """dnspython's opinion."""
    return base64.b32hexdecode(dns.dnssec.nsec3_hash(name, salt, iterations, 1))


def is_delegation(types: frozenset[int]) -> bool:
    return t.NS in types and t.SOA not in types


def hides(types: frozenset[int]) -> bool:
    return is_delegation(types) or t.DNAME in types


@dataclass
class Zone:
    """Nodes hold the authoritative types without NSEC and RRSIG; nothing is stored below a delegation or DNAME.

    `omitted`: insecure delegations, and empty non-terminals only above such, that the NSEC3 chain leaves out.
    """

    apex: Name
    nodes: dict[Name, frozenset[int]]
    omitted: frozenset[Name] = frozenset()
    existing: frozenset[Name] = field(init=False)

    def __post_init__(self) -> None:
        names = set()
        for name in self.nodes:
            while name != self.apex:
                names.add(name)
                name = name.parent()
        self.existing = frozenset(names | {self.apex})

    # --- what is true ---

    def types(self, name: Name) -> frozenset[int]:
        return self.nodes.get(name, frozenset())

    def ancestors(self, name: Name) -> list[Name]:
        """From the parent up to the apex."""
        out = []
        while name != self.apex:
            name = name.parent()
            out.append(name)
        return out

    def is_hidden(self, name: Name) -> bool:
        """Strictly below a delegation or DNAME: not this zone's to deny."""
        return any(hides(self.types(a)) for a in self.ancestors(name))

    def source(self, name: Name) -> Name | None:
        """The wildcard that answers for a name that does not exist."""
        encloser = next(a for a in self.ancestors(name) if a in self.existing)
        star = Name([STAR, *encloser.labels])
        return star if star in self.existing else None

    def lacks_type(self, name: Name, rtype: int) -> bool:
        types = self.types(name)
        if rtype in types or t.CNAME in types:
            return False
        if rtype == t.DS:
            return t.SOA not in types or name == dns.name.root
        return not is_delegation(types)

    def no_name(self, name: Name) -> bool:
        return not self.is_hidden(name) and name not in self.existing and self.source(name) is None

    def no_data(self, name: Name, rtype: int) -> bool:
        if self.is_hidden(name):
            return False
        if name in self.existing:
            return self.lacks_type(name, rtype)
        source = self.source(name)
        return source is not None and self.lacks_type(source, rtype)

    # --- chains ---

    def nsec_chain(self) -> list[RRset]:
        names = sorted(self.nodes)
        return [nsec_rrset(name, names[(i + 1) % len(names)], self.nodes[name], self.apex) for i, name in enumerate(names)]

    @property
    def hashed_names(self) -> list[Name]:
        return [name for name in self.existing if name not in self.omitted]


class Nsec3Chain:
    """The NSEC3 records of a zone; opt-out is set where something is omitted, and wherever `more_opt_out` says (by
    position in the chain).
    """

    def __init__(
        self, zone: Zone, salt: bytes = b"", iterations: int = 0, more_opt_out: frozenset[int] = frozenset()
    ) -> None:
        self.zone = zone
        self.salt = salt
        self.iterations = iterations
        self._hashes: dict[Name, bytes] = {}
        self.names = {self.hash(name): name for name in zone.hashed_names}
        self.ring = sorted(self.names)
        must = {self.position(name) for name in zone.omitted}
        self.opt_out = {i for i in range(len(self.ring)) if i in must or i in more_opt_out}
        self.rrsets = [
            nsec3_rrset(
                zone.apex,
                hashed,
                self.ring[(i + 1) % len(self.ring)],
                self.bits(self.names[hashed]),
                opt_out=i in self.opt_out,
                iterations=iterations,
                salt=salt,
            )
            for i, hashed in enumerate(self.ring)
        ]

    def __repr__(self) -> str:
        """For hypothesis: what a failing example was."""
        return f"Nsec3Chain({self.zone!r}, {self.salt!r}, {self.iterations}, opt_out={sorted(self.opt_out)})"

    def bits(self, name: Name) -> set[int]:
        types = self.zone.types(name)
        signed = types and (not is_delegation(types) or t.DS in types)
        return {*types, t.RRSIG} if signed else set(types)

    def hash(self, name: Name) -> bytes:
        if name not in self._hashes:
            self._hashes[name] = name_hash(name, self.salt, self.iterations)
        return self._hashes[name]

    def position(self, name: Name) -> int:
        """Which record matches the name or covers it."""
        hashed = self.hash(name)
        below = [i for i, h in enumerate(self.ring) if h <= hashed]
        return below[-1] if below else len(self.ring) - 1

    def record(self, name: Name) -> RRset:
        return self.rrsets[self.position(name)]

    def has(self, name: Name) -> bool:
        return self.hash(name) in self.names

    def is_opt_out(self, name: Name) -> bool:
        """Whether the record that covers the name has Opt-Out set."""
        return self.position(name) in self.opt_out

    def encloser(self, name: Name) -> tuple[Name, Name]:
        """Closest provable encloser and next closer name of a name that is not in the chain."""
        next_closer = name
        for ancestor in self.zone.ancestors(name):
            if self.has(ancestor):
                return ancestor, next_closer
            next_closer = ancestor
        raise AssertionError("the apex is in the chain")
