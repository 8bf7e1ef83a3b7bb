"""Looking at answers: what is in a section, and whether its signatures verify (with dnspython)."""

import dns.dnssec
from dns.message import Message
from dns.rdatatype import RdataType
from dns.rrset import RRset

from lab.internet import Internet


def shown(section: list[RRset]) -> set[str]:
    """The section without signatures, as 'owner TYPE'."""
    return {f"{r.name} {r.rdtype.name}" for r in section if r.rdtype != RdataType.RRSIG}


def verify_all(net: Internet, response: Message) -> int:
    """Every signature in the response verifies; returns how many RRsets were signed."""
    count = 0
    for section in (response.answer, response.authority, response.additional):
        for rrset in section:
            for other in section:
                if (other.name, other.rdtype, other.covers) == (rrset.name, RdataType.RRSIG, rrset.rdtype):
                    signer = other[0].signer
                    dns.dnssec.validate(rrset, other, {signer: net.zones[signer].rrsets[signer, RdataType.DNSKEY]})
                    count += 1
    return count
