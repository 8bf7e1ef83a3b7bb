"""Zones as data: what a signed zone consists of, how it is read from and written to master-file text.

`Zone` keeps the RRsets of the ordinary name space apart from the NSEC3 RRsets, whose owner names are hashes and exist for
no query (RFC 5155 §7.2.8), and the RRSIGs apart from both, by what they cover. Faults edit these tables directly.

RFC 1035 §5, RFC 3597 (unknown types and algorithms in text), RFC 4034, RFC 5155.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar, cast

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.SOA import SOA
from dns.rrset import RRset

R = TypeVar("R", bound=Rdata)
Node = tuple[Name, RdataType]


@dataclass
class Zone:
    """One zone, signed or not."""

    origin: Name
    rrsets: dict[Node, RRset] = field(default_factory=dict)
    nsec3: dict[Name, RRset] = field(default_factory=dict)
    signatures: dict[Node, RRset] = field(default_factory=dict)
    """RRSIG RRsets by owner and type covered."""

    def get(self, name: Name, rdtype: RdataType) -> RRset | None:
        """The RRset of that owner and type, if the zone has it; NSEC3 included."""
        if rdtype == RdataType.NSEC3:
            return self.nsec3.get(name)
        return self.rrsets.get((name, rdtype))

    def put(self, rrset: RRset) -> None:
        """Add an RRset, or the records that an RRset of the same owner and type lacks."""
        known = self.rrsets.setdefault((rrset.name, rrset.rdtype), rrset)
        if known is not rrset:
            for record in rrset:
                known.add(record)

    @property
    def soa(self) -> RRset:
        """The SOA RRset at the apex."""
        return self.rrsets[self.origin, RdataType.SOA]

    @property
    def negative_ttl(self) -> int:
        """TTL of NSEC, NSEC3 and of the SOA in negative answers (RFC 2308 §3, RFC 9077 §3)."""
        return min(self.soa.ttl, cast(SOA, self.soa[0]).minimum)

    def cuts(self) -> set[Name]:
        """Owner names of the delegations."""
        return {name for name, rdtype in self.rrsets if rdtype == RdataType.NS and name != self.origin}

    def is_below_cut(self, name: Name, cuts: set[Name]) -> bool:
        """Whether a name lies below a delegation: glue and other data that is not authoritative here."""
        labels = name.labels
        floor = len(self.origin.labels)
        return any(Name(labels[-depth:]) in cuts for depth in range(floor + 1, len(labels)))

    def authoritative_names(self) -> set[Name]:
        """Owner names at or above the cuts, with the empty non-terminals between them and the apex."""
        cuts = self.cuts()
        names: set[Name] = set()
        for owner in {name for name, _ in self.rrsets}:
            if not self.is_below_cut(owner, cuts):
                while owner not in names and owner != self.origin:
                    names.add(owner)
                    owner = owner.parent()
        names.add(self.origin)
        return names

    def types_by_name(self) -> dict[Name, set[RdataType]]:
        """Types of the RRsets that each name owns."""
        table: dict[Name, set[RdataType]] = {}
        for name, rdtype in self.rrsets:
            table.setdefault(name, set()).add(rdtype)
        return table

    def every_rrset(self) -> Iterator[RRset]:
        """All RRsets but the RRSIGs, SOA first, then in canonical order (RFC 4034 §6.1)."""
        yield self.soa
        for key in sorted(self.rrsets, key=lambda node: (node[0], node[1])):
            if key != (self.origin, RdataType.SOA):
                yield self.rrsets[key]
        for name in sorted(self.nsec3):
            yield self.nsec3[name]

    def to_text(self) -> str:
        """The zone as a master file that the usual servers load."""
        lines: list[str] = []
        for rrset in self.every_rrset():
            lines.append(rrset.to_text())
            signature = self.signatures.get((rrset.name, rrset.rdtype))
            if signature:
                lines.append(signature.to_text())
        return "\n".join(lines) + "\n"


@dataclass
class Delegation:
    """What a parent publishes about a child: name servers, their addresses where the parent needs them, and DS."""

    child: Name
    hosts: list[Name]
    glue: dict[Name, list[str]]
    """Host -> addresses in presentation format, of either family."""
    ds: list[DS]

    def rrsets(self, ttl: int) -> Iterator[RRset]:
        """The delegation as records of the parent zone."""
        yield rrset_from_text(self.child, ttl, "NS", *(host.to_text() for host in self.hosts))
        for host, addresses in self.glue.items():
            for address in addresses:
                yield address_rrset(host, ttl, address)
        if self.ds:
            yield rrset_of(self.child, ttl, self.ds)


def parse(origin: Name, text: str, ttl: int) -> list[RRset]:
    """RRsets of a piece of master-file text whose names are relative to `origin`."""
    if not text.strip():
        return []
    zone = dns.zone.from_text(f"$TTL {ttl}\n{text}", origin=origin, relativize=False, check_origin=False)
    return [dns.rrset.from_rdata_list(name, rds.ttl, list(rds)) for name, rds in zone.iterate_rdatasets()]


def rdata(make: Callable[..., R], rdtype: RdataType, *fields: object) -> R:
    """A record's data from its fields in the order of its class (dnspython's constructors carry no types)."""
    return make(dns.rdataclass.IN, rdtype, *fields)


def rrset_of(name: Name, ttl: int, rdatas: Iterable[Rdata]) -> RRset:
    """An RRset from its records."""
    return dns.rrset.from_rdata_list(name, ttl, list(rdatas))


def rrset_from_text(name: Name, ttl: int, rdtype: str, *rdatas: str) -> RRset:
    """An RRset from the presentation format of its RDATA."""
    return dns.rrset.from_text(name, ttl, dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), *rdatas)


def address_rrset(name: Name, ttl: int, address: str) -> RRset:
    """An A or AAAA RRset of one address."""
    return rrset_from_text(name, ttl, "AAAA" if ":" in address else "A", address)
