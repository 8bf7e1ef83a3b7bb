"""A resolver with a copy of the root zone: top-level domains without a packet to a root server."""

import pytest

from resolver.cache.local_root import LocalRoot, is_root_zone
from resolver.resolution import Resolution
from tests.resolver.house import House
from tests.trust.rootcopy import root_with_zonemd
from tests.trust.zones import NOW, SignedZone, n
from trust.vocabulary import Security
from wire import types as t
from wire.name import ROOT


def house(*, expires: float = NOW + 3600.0) -> House:
    jp = SignedZone("jp", "www A 192.0.2.80\n", server="192.0.2.2").sign()
    com = SignedZone("com", "www A 192.0.2.81\n", signed=False, server="192.0.2.3")
    root = root_with_zonemd(jp, com, records='txt TXT "x"\n')
    here = House(root, jp, com)
    here.mesh.memory.local_root = LocalRoot(root.data.values(), expires)
    return here


def outcome(resolution: Resolution) -> tuple[int, Security, list[int]]:
    return resolution.rcode, resolution.security, [rrset.rtype for rrset, _ in resolution.answer]


QUESTIONS = [
    ("www.jp", "A"),
    ("www.com", "A"),
    ("nx.jp", "A"),
    ("nx", "A"),
    ("a.nx", "A"),
    (".", "NS"),
    (".", "DNSKEY"),
    (".", "MX"),
    ("jp", "DS"),
    ("com", "DS"),
    ("txt", "TXT"),
    ("txt", "MX"),
    ("zz", "DS"),
]


@pytest.mark.parametrize(("name", "rtype"), QUESTIONS)
def test_what_it_says_is_what_a_root_server_says(name: str, rtype: str) -> None:
    here, without = house(), house()
    without.mesh.memory.local_root = None
    assert outcome(here.ask(name, rtype)) == outcome(without.ask(name, rtype))
    assert "192.0.2.1" not in {ask.server.ip for ask in here.asked}
    assert "192.0.2.1" in {ask.server.ip for ask in without.asked}


def test_one_that_has_expired_is_not_used() -> None:
    here = house(expires=NOW - 1.0)
    assert here.ask("www.jp").security is Security.SECURE
    assert "192.0.2.1" in {ask.server.ip for ask in here.asked}


def test_where_it_is_bogus_root_servers_are_asked() -> None:
    here = house()
    copy = root_with_zonemd(SignedZone("jp", server="192.0.2.2"), records='txt TXT "x"\n')
    for rrset in copy.data.values():
        rrset.sigs = [sig[:-1] + bytes((sig[-1] ^ 1,)) for sig in rrset.sigs]
    here.mesh.memory.local_root = LocalRoot(copy.data.values(), NOW + 3600.0)
    assert here.ask("txt", "TXT").security is Security.SECURE
    assert "192.0.2.1" in {ask.server.ip for ask in here.asked}


def test_a_zone_with_more_than_delegations_and_glue_is_none() -> None:
    jp = SignedZone("jp")
    root = root_with_zonemd(jp)
    assert is_root_zone(root.data.values())
    assert not is_root_zone([*root.data.values(), *SignedZone("a.b").data.values()])
    assert not is_root_zone(rrset for rrset in root.data.values() if (rrset.name, rrset.rtype) != (ROOT, t.SOA))
    assert len(LocalRoot(root.data.values(), 0.0)) == 1
    assert n("jp") in root.children
