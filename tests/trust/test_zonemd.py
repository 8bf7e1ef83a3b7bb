"""Whole zones verified by their ZONEMD: RFC 8976's own example, dnspython's digests, real root zones, altered ones."""

from collections.abc import Callable

import pytest

from tests.conftest import require_corpora
from tests.trust.rootcopy import root_with_zonemd
from tests.trust.zones import DAY, NOW, SignedZone, n
from trust.anchors import TrustPoint, builtin
from trust.policy import Policy
from trust.zonemd import ZoneRefusedError, check_zone, zone_digest
from wire import types as t
from wire.name import ROOT
from wire.rrset import RRset
from wire.text import rrsets_from_text

# RFC 8976 §A.1
SIMPLE_EXAMPLE = """example. 86400 IN SOA ns1.example. admin.example. 2018031900 1800 900 604800 86400
example. 86400 IN NS ns1.example.
example. 86400 IN NS ns2.example.
example. 86400 IN ZONEMD 2018031900 1 1 (
 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c )
ns1.example. 3600 IN A 203.0.113.63
ns2.example. 3600 IN AAAA 2001:db8::63
"""
POLICY = Policy()


def zone() -> SignedZone:
    return root_with_zonemd(SignedZone("jp"), SignedZone("com", signed=False), records='txt TXT "x"\n')


def point(root: SignedZone) -> TrustPoint:
    return TrustPoint(ROOT, [root.ksk.ds(ROOT)])


def test_the_rfc_s_example() -> None:
    rrsets = rrsets_from_text(SIMPLE_EXAMPLE)
    wanted = next(rrset for rrset in rrsets if rrset.rtype == t.ZONEMD).rdatas[0][6:]
    assert zone_digest(n("example"), rrsets) == wanted
    assert zone_digest(n("example"), reversed(rrsets)) == wanted


def test_a_zone_verifies() -> None:
    root = zone()
    assert check_zone(point(root), root.data.values(), NOW, POLICY) == 1


def drop_glue(root: SignedZone) -> None:
    del root.data[n("ns1.jp"), t.A]


def other_glue(root: SignedZone) -> None:
    root.data[n("ns1.jp"), t.A].rdatas = [b"\xc0\0\2\x66"]


def other_delegation(root: SignedZone) -> None:
    root.data[n("com"), t.NS].rdatas = [n("ns.evil")]


def one_more(root: SignedZone) -> None:
    root.data[n("evil"), t.NS] = RRset(n("evil"), t.NS, 3600, [n("ns.evil")])


def other_ttl(root: SignedZone) -> None:
    root.data[n("jp"), t.NS].ttl += 1


def other_digest(root: SignedZone) -> None:
    rrset = root.data[ROOT, t.ZONEMD]
    rrset.rdatas = [rrset.rdatas[0][:-1] + bytes((rrset.rdatas[0][-1] ^ 1,))]


def other_serial(root: SignedZone) -> None:
    rrset = root.data[ROOT, t.ZONEMD]
    rrset.rdatas = [b"\0\0\0\7" + rrset.rdatas[0][4:]]
    root.sign_set(rrset)


def no_zonemd(root: SignedZone) -> None:
    del root.data[ROOT, t.ZONEMD]


def unsigned_zonemd(root: SignedZone) -> None:
    root.data[ROOT, t.ZONEMD].sigs = []


def other_scheme(root: SignedZone) -> None:
    rrset = root.data[ROOT, t.ZONEMD]
    rrset.rdatas = [rrset.rdatas[0][:4] + b"\2" + rrset.rdatas[0][5:]]
    root.sign_set(rrset)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (drop_glue, "digest"),
        (other_glue, "digest"),
        (other_delegation, "digest"),
        (one_more, "digest"),
        (other_ttl, "digest"),
        (other_digest, "signature"),
        (other_serial, "another serial"),
        (no_zonemd, "no ZONEMD"),
        (unsigned_zonemd, "no signature"),
        (other_scheme, "no single ZONEMD"),
    ],
)
def test_an_altered_zone_is_refused(change: Callable[[SignedZone], None], why: str) -> None:
    root = zone()
    change(root)
    with pytest.raises(ZoneRefusedError, match=why):
        check_zone(point(root), root.data.values(), NOW, POLICY)


def test_a_zone_under_other_anchors_or_past_its_signatures_is_refused() -> None:
    root = zone()
    with pytest.raises(ZoneRefusedError, match="trust anchor"):
        check_zone(TrustPoint(ROOT, [SignedZone("jp", algorithm=15).ksk.ds(ROOT)]), root.data.values(), NOW, POLICY)
    with pytest.raises(ZoneRefusedError, match="expired"):
        check_zone(point(root), root.data.values(), NOW + 2 * DAY, POLICY)


def test_the_real_root_zone_stripped_of_signatures_is_refused() -> None:
    """Of 2026, with the apex's signatures over SOA and DNSKEY alone: its ZONEMD is unsigned and its digest another."""
    path = require_corpora("rootzone", "root-2026082201.zone")
    lines = path.read_text().splitlines()
    rrsets = rrsets_from_text("\n".join(lines[:400]))
    with pytest.raises(ZoneRefusedError, match=r"no signature over \./ZONEMD"):
        check_zone(builtin()[0], rrsets, 1_787_529_600, POLICY)


def test_the_real_root_zone_of_before_zonemd_is_refused() -> None:
    path = require_corpora("rootzone", "root-2017082100.zone")
    rrsets = rrsets_from_text("\n".join(path.read_text().splitlines()[:200]))
    with pytest.raises(ZoneRefusedError, match="no ZONEMD"):
        check_zone(builtin()[0], rrsets, 1_503_360_000, POLICY)
