"""NTAs come and go among the mesh's memories: with the next question, and with nothing left of what came in under them."""

import pytest

from tests.resolver.house import Change, House, broken
from tests.trust.zones import SignedZone, n
from trust.anchors import TrustPoint, TrustPoints
from trust.vocabulary import Security
from wire import types as t

SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS
BROKEN_AT, OTHER_AT = "192.0.2.3", "192.0.2.4"
RECORDS = "www 3600 A 192.0.2.80\n"


def house() -> House:
    """root → jp → example.jp and other.jp; signatures of both do not hold."""
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", "www 3600 A 192.0.2.81\n", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, server=BROKEN_AT)
    other = SignedZone("other.jp", RECORDS, server=OTHER_AT)
    root.delegate(jp)
    jp.delegate(example)
    jp.delegate(other)
    for zone in (root, jp, example, other):
        zone.sign()
    here = House(root, jp, example, other)
    here.changes = {BROKEN_AT: broken(), OTHER_AT: broken()}
    return here


def codes(here: House, name: str) -> list[int]:
    return [code for code, _ in here.ask(name).errors]


def test_at_once_both_ways_and_nowhere_else() -> None:
    here = house()
    assert here.ask("www.example.jp").rcode == t.SERVFAIL
    assert here.ask("www.other.jp").rcode == t.SERVFAIL
    here.suspends("example.jp")
    resolution = here.ask("www.example.jp")
    assert (resolution.rcode, resolution.security) == (t.NOERROR, INSECURE)
    assert codes(here, "www.example.jp") == [33]
    assert here.ask("www.other.jp").security is BOGUS
    assert here.ask("www.jp").security is SECURE
    here.suspends()
    resolution = here.ask("www.example.jp")
    assert (resolution.rcode, resolution.security) == (t.SERVFAIL, BOGUS)
    assert 33 not in codes(here, "www.example.jp")


@pytest.mark.parametrize("fault", [broken(), broken(t.DNSKEY), broken(t.A)], ids=["all", "keys", "data"])
def test_mended_under_an_nta_is_secure_when_it_ends(fault: Change) -> None:
    """The only server's keys and data of before are still within their TTL; nobody ever checked them."""
    here = house()
    here.changes = {BROKEN_AT: fault}
    assert here.ask("www.example.jp").security is BOGUS
    here.suspends("example.jp")
    assert here.ask("www.example.jp").security is INSECURE
    assert here.ask("example.jp", "DNSKEY").security is INSECURE
    here.changes = {}
    here.suspends()
    assert here.ask("www.example.jp").security is SECURE


def test_what_is_outside_stays_remembered() -> None:
    here = house()
    here.suspends("example.jp")
    here.ask("www.example.jp")
    here.ask("www.jp")
    here.packets()
    here.suspends()
    assert here.ask("www.jp").security is SECURE
    # Its data is there; at most keys on the way are asked for again, never the answer itself.
    assert all(ask.qname != n("www.jp") for ask in here.asked)


def test_a_nearer_nta_and_a_nearer_anchor_go_first() -> None:
    here = house()
    other = here.zones[n("other.jp")]
    here.points = TrustPoints([*here.points.points.values(), TrustPoint(n("other.jp"), [other.ksk.ds(n("other.jp"))])])
    here.suspends("jp")
    assert here.ask("www.example.jp").security is INSECURE
    assert here.ask("www.jp").security is INSECURE
    assert here.ask("www.other.jp").security is BOGUS
    here.suspends("jp", "other.jp")
    assert here.ask("www.other.jp").security is INSECURE
    assert "NTA for other.jp" in here.ask("www.other.jp").errors[0][1]
