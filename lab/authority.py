"""What an authoritative server answers from one zone: the algorithm of RFC 1034 §4.3.2 with DNSSEC.

Theory of operation. An `Authority` is a zone prepared for look-ups. `answer` follows the name from the apex downwards and
stops at the first thing that decides: a delegation (referral), a DNAME (synthesis), a name that does not exist (wildcard
or NXDOMAIN) or the name itself (data, alias, or NODATA). Aliases are followed as long as they stay in the zone. Signatures
and proofs are added when `dnssec` is set. Nothing is encoded here; lab/responder.py does that.

Limitations: an alias is not followed into other zones of the same server; the resolver asks again, and that is what it must
be able to do.

RFC 1034 §4.3.2; RFC 2308 §3, §5; RFC 4035 §3.1; RFC 4592 (wildcards); RFC 5155 §7.2; RFC 6672 (DNAME); RFC 6604 (RCODE of
a chain); RFC 8482 §4.1 is not used: ANY gets everything.
"""

from dataclasses import dataclass, field
from typing import cast

import dns.name
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME
from dns.rdtypes.nsbase import NSBase
from dns.rrset import RRset

from lab.denial import WILDCARD, proofs_of
from lab.records import Zone, rdata, rrset_of

MAX_ALIASES = 16
_ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)
# Types that an alias does not stand in for.
_AT_ALIAS = (RdataType.CNAME, RdataType.ANY, RdataType.RRSIG, RdataType.NSEC)


@dataclass
class Answer:
    """The sections of an answer. `glue_required`: the additional section may not be left out (RFC 9471)."""

    rcode: Rcode = Rcode.NOERROR
    authoritative: bool = True
    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    additional: list[RRset] = field(default_factory=list)
    glue_required: bool = False


class Authority:
    """One zone, ready to be asked."""

    def __init__(self, zone: Zone) -> None:
        self.origin = zone.origin
        self._zone = zone
        self._proofs = proofs_of(zone)
        self._cuts = zone.cuts()
        self._names = zone.authoritative_names()
        self._types = zone.types_by_name()
        self._depth = len(zone.origin.labels)

    def answer(self, qname: Name, qtype: RdataType, *, dnssec: bool) -> Answer:
        """The answer to a question whose name lies in this zone."""
        return _Lookup(self, dnssec).run(qname, qtype)


class _Lookup:
    """One question on its way through the zone."""

    def __init__(self, authority: Authority, dnssec: bool) -> None:
        self._a = authority
        self._zone = authority._zone
        self._dnssec = dnssec
        self._out = Answer()

    def run(self, qname: Name, qtype: RdataType) -> Answer:
        name: Name | None = qname
        seen: set[Name] = set()
        while name is not None and name not in seen and len(seen) < MAX_ALIASES:
            seen.add(name)
            name = self._step(name, qtype)
        return self._out

    def _step(self, name: Name, qtype: RdataType) -> Name | None:
        """Handle one name; returns the name to go on with, when it is an alias that stays in the zone."""
        encloser = self._a.origin
        for depth in range(self._a._depth, len(name.labels) + 1):
            node = Name(name.labels[-depth:]) if depth else dns.name.root
            if node in self._a._cuts and not (node == name and qtype == RdataType.DS):
                self._refer(node)
                return None
            if node not in self._a._names:
                return self._wildcard_or_nothing(name, qtype, encloser)
            encloser = node
            if node != name and RdataType.DNAME in self._a._types.get(node, ()):
                return self._redirect(name, node)
        return self._data(name, name, qtype, encloser)

    # -- what can be found ---------------------------------------------------------------------------------------------

    def _data(self, name: Name, source: Name, qtype: RdataType, encloser: Name) -> Name | None:
        """Data, alias or NODATA at `source`, which is `name` or the wildcard that stands in for it."""
        types = self._a._types.get(source, set())
        expanded = source != name
        if qtype == RdataType.RRSIG:
            wanted = {t for t in types if (source, t) in self._zone.signatures}
        elif qtype == RdataType.ANY:
            wanted = types
        elif RdataType.CNAME in types and qtype not in _AT_ALIAS:
            wanted = {RdataType.CNAME}
        else:
            wanted = types & {qtype}
        if not wanted:
            proof = self._a._proofs.expanded_no_data if expanded else self._a._proofs.no_data
            self._nothing(proof(name, encloser))
            return None
        for rdtype in sorted(wanted):
            rrset = self._zone.rrsets[source, rdtype]
            self._put(self._out.answer, rrset, name, signature_only=qtype == RdataType.RRSIG)
            if rdtype == qtype:
                self._add_addresses(rrset)
        if expanded:
            self._prove(self._a._proofs.expanded(name, encloser))
        if wanted == {RdataType.CNAME} and qtype not in _AT_ALIAS:
            alias = cast(CNAME, self._zone.rrsets[source, RdataType.CNAME][0])
            return self._inside(alias.target)
        return None

    def _wildcard_or_nothing(self, name: Name, qtype: RdataType, encloser: Name) -> Name | None:
        """RFC 4592 §3.3: the source of synthesis is the wildcard at the closest encloser, no other."""
        wildcard = Name((WILDCARD, *encloser.labels))
        if wildcard in self._a._names:
            return self._data(name, wildcard, qtype, encloser)
        # RFC 6604 §2: after an alias, the RCODE is that of the last name.
        self._out.rcode = Rcode.NXDOMAIN
        self._nothing(self._a._proofs.no_name(name, encloser))
        return None

    def _redirect(self, name: Name, owner: Name) -> Name | None:
        """RFC 6672 §3.2: the DNAME, and the CNAME that follows from it, which is never signed."""
        rrset = self._zone.rrsets[owner, RdataType.DNAME]
        self._put(self._out.answer, rrset, owner)
        try:
            target = name.relativize(owner).concatenate(cast(DNAME, rrset[0]).target)
        except dns.name.NameTooLong:
            self._out.rcode = Rcode.YXDOMAIN
            return None
        cname = rdata(CNAME, RdataType.CNAME, target)
        self._out.answer.append(rrset_of(name, rrset.ttl, [cname]))
        return self._inside(target)

    def _refer(self, cut: Name) -> None:
        """RFC 1034 §4.3.2 step 3b, RFC 4035 §3.1.4: delegation with DS, or with the proof that there is none."""
        if self._out.answer:
            return  # An alias led below a cut: what was found so far is the answer, the resolver asks again.
        self._out.authoritative = False
        hosts = self._zone.rrsets[cut, RdataType.NS]
        self._out.authority.append(hosts)
        ds = self._zone.get(cut, RdataType.DS)
        if ds and self._dnssec:
            self._put(self._out.authority, ds, cut)
        elif not ds:
            self._prove(self._a._proofs.no_data(cut, cut))
        self._add_addresses(hosts)
        self._out.glue_required = bool(self._out.additional)

    # -- filling sections ------------------------------------------------------------------------------------------------

    def _inside(self, target: Name) -> Name | None:
        return target if target.is_subdomain(self._a.origin) else None

    def _nothing(self, proof: list[RRset]) -> None:
        """RFC 2308 §3, §5: the SOA with the TTL of negative answers, and the proof."""
        soa = self._zone.soa
        ttl = self._zone.negative_ttl
        self._out.authority.append(rrset_of(soa.name, ttl, soa))
        signature = self._zone.signatures.get((soa.name, RdataType.SOA))
        if signature and self._dnssec:
            self._out.authority.append(rrset_of(soa.name, ttl, signature))
        self._prove(proof)

    def _prove(self, proof: list[RRset]) -> None:
        if self._dnssec:
            for rrset in proof:
                if rrset not in self._out.authority:
                    self._put(self._out.authority, rrset, rrset.name)

    def _put(self, section: list[RRset], rrset: RRset, owner: Name, *, signature_only: bool = False) -> None:
        """Add an RRset with its signatures, under the name it was asked for."""
        if not signature_only:
            section.append(rrset if owner == rrset.name else rrset_of(owner, rrset.ttl, rrset))
        signature = self._zone.signatures.get((rrset.name, rrset.rdtype))
        if signature and (self._dnssec or signature_only):
            section.append(signature if owner == rrset.name else rrset_of(owner, signature.ttl, signature))

    def _add_addresses(self, rrset: RRset) -> None:
        """Addresses of the hosts an NS RRset names, glue or not, as far as this zone has them."""
        if rrset.rdtype != RdataType.NS:
            return
        for record in rrset:
            host = cast(NSBase, record).target
            for rdtype in _ADDRESS_TYPES:
                addresses = self._zone.get(host, rdtype)
                if addresses:
                    self._put(self._out.additional, addresses, host)
