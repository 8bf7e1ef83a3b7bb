"""A signed root zone with ZONEMD; the digest is dnspython's, a second opinion."""

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
from dns.zonetypes import DigestHashAlgorithm, DigestScheme

from tests.trust.zones import NOW, SignedZone, n
from wire import types as t
from wire.name import ROOT
from wire.rrset import RRset
from wire.text import rrset_to_text


def root_with_zonemd(*children: SignedZone, records: str = "") -> SignedZone:
    """The root with these delegations and their glue, signed, and a ZONEMD over all of it."""
    root = SignedZone(".", records)
    for child in children:
        root.delegate(child)
        name = b"\x03ns1" + child.origin
        root.data[name, t.A] = RRset(name, t.A, 3600, [bytes(int(part) for part in child.server.ip.split("."))])
    root.data[ROOT, t.ZONEMD] = RRset(ROOT, t.ZONEMD, 3600, [bytes(4) + b"\1\1" + bytes(48)])
    root.sign()
    text = "\n".join(line for rrset in root.data.values() for line in rrset_to_text(rrset))
    zone = dns.zone.from_text(text, origin=dns.name.root, relativize=False, check_origin=False)
    digest = zone._compute_digest(DigestHashAlgorithm.SHA384, DigestScheme.SIMPLE)
    serial = root.data[ROOT, t.SOA].rdatas[0][-20:-16]
    zonemd = root.data[ROOT, t.ZONEMD] = RRset(ROOT, t.ZONEMD, 3600, [serial + b"\1\1" + digest])
    root.sign_set(zonemd)
    return root


__all__ = ["NOW", "n", "root_with_zonemd"]
