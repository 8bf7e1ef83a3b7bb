"""The fast signer against dnspython's verification, and the shape of the hierarchy."""

import time
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone
import pytest

from bench.layout import TINY
from bench.zones import hierarchy
from bench.zones.signing import Validity, canonical_key, key_tag
from bench.zones.zone import Algorithm, Delegation, Denial, Fault, ZoneSpec, write_zone

NOW = int(time.time())
VALIDITY = Validity(NOW - 3600, NOW + 86400)


def written(spec: ZoneSpec, folder: Path) -> tuple[dns.zone.Zone, Delegation]:
    path = folder / "zone"
    delegation = write_zone(spec, path, VALIDITY)
    return dns.zone.from_file(str(path), origin=spec.origin, relativize=False), delegation


def validate(zone: dns.zone.Zone, owner: str, rtype: str) -> None:
    """Raises dns.dnssec.ValidationFailure or KeyError."""
    covered = dns.rdatatype.from_text(rtype)
    signatures = zone.find_rdataset(owner, "RRSIG", covers=covered)
    keys = {zone.origin: zone.find_rdataset(zone.origin, "DNSKEY")}
    dns.dnssec.validate(
        (dns.name.from_text(owner), zone.find_rdataset(owner, rtype)), (dns.name.from_text(owner), signatures), keys
    )


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA, Algorithm.RSA])
@pytest.mark.parametrize("denial", list(Denial))
def test_every_authoritative_rrset_validates(algorithm: Algorithm, denial: Denial, tmp_path: Path) -> None:
    spec = ZoneSpec("z.bench.", "leaf", ("127.10.1.1", "127.10.1.2"), algorithm, denial, hosts=3)
    zone, delegation = written(spec, tmp_path)
    checked = 0
    for name, rdataset in zone.iterate_rdatasets():
        if rdataset.rdtype != dns.rdatatype.RRSIG:
            validate(zone, name.to_text(), dns.rdatatype.to_text(rdataset.rdtype))
            checked += 1
    # SOA, NS, DNSKEY, 2 + 3 addresses, a denial record for each of 6 names, and NSEC3PARAM.
    assert checked == 14 + (denial is Denial.NSEC3)
    assert delegation.ds is not None
    keys = zone.find_rdataset(spec.origin, "DNSKEY")
    assert delegation.ds[1] in {dns.dnssec.make_ds(spec.origin, key, "SHA256").to_text() for key in keys}
    assert delegation.ds[0] in {dns.dnssec.make_ds(spec.origin, key, "SHA256").to_digestable() for key in keys}


@pytest.mark.parametrize("denial", list(Denial))
def test_the_chain_is_closed_and_complete(denial: Denial, tmp_path: Path) -> None:
    child = Delegation("c.z.bench.", ("127.10.1.9",), (b"\0\1\x0d\2" + bytes(32), f"1 13 2 {'00' * 32}"))
    unsigned = Delegation("u.z.bench.", ("127.10.1.9",), None)
    spec = ZoneSpec("z.bench.", "leaf", ("127.10.1.1",), denial=denial, hosts=4, delegations=(child, unsigned))
    zone, _ = written(spec, tmp_path)
    rtype = dns.rdatatype.from_text(denial.value.upper())
    following = {}
    for name, rdataset in zone.iterate_rdatasets(rtype):
        record = rdataset[0]
        following[name] = record.next if denial is Denial.NSEC else record.next_name(zone.origin)
    start = where = next(iter(following))
    visited = set()
    while where not in visited:
        visited.add(where)
        where = following[where]
    assert where == start
    # Apex, name server, four hosts, two delegations; glue is not in the chain.
    assert len(visited) == len(following) == 8


@pytest.mark.parametrize("fault", [Fault.EXPIRED, Fault.FORGED])
def test_faults_break_the_hosts_and_nothing_else(fault: Fault, tmp_path: Path) -> None:
    spec = ZoneSpec("b.bench.", "leaf", ("127.10.1.1",), hosts=1, fault=fault)
    zone, _ = written(spec, tmp_path)
    validate(zone, "b.bench.", "SOA")
    validate(zone, "ns1.b.bench.", "A")
    with pytest.raises(dns.dnssec.ValidationFailure):
        validate(zone, "h000.b.bench.", "A")


def test_missing_signatures_and_a_wrong_ds(tmp_path: Path) -> None:
    zone, _ = written(ZoneSpec("b.bench.", "leaf", ("127.10.1.1",), hosts=1, fault=Fault.MISSING), tmp_path)
    with pytest.raises(KeyError):
        validate(zone, "h000.b.bench.", "A")
    spec = ZoneSpec("b.bench.", "leaf", ("127.10.1.1",), hosts=1, fault=Fault.WRONG_DS)
    zone, delegation = written(spec, tmp_path)
    validate(zone, "h000.b.bench.", "A")
    assert delegation.ds is not None
    keys = zone.find_rdataset(spec.origin, "DNSKEY")
    assert delegation.ds[1] not in {dns.dnssec.make_ds(spec.origin, key, "SHA256").to_text() for key in keys}


def test_an_unsigned_zone_has_nothing_of_dnssec(tmp_path: Path) -> None:
    zone, delegation = written(hierarchy.unsigned_zone(0), tmp_path)
    assert delegation.ds is None
    assert {rdataset.rdtype.name for _, rdataset in zone.iterate_rdatasets()} == {"SOA", "NS", "A"}


def test_key_tag_is_that_of_dnspython(tmp_path: Path) -> None:
    zone, _ = written(ZoneSpec("z.bench.", "leaf", ("127.10.1.1",)), tmp_path)
    for key in zone.find_rdataset("z.bench.", "DNSKEY"):
        assert key_tag(key.to_digestable()) == dns.dnssec.key_id(key)


def test_canonical_order_is_that_of_dnspython() -> None:
    names = ["z.bench.", "a.z.bench.", "b.bench.", "bench.", "aa.bench.", "a-b.bench.", "h10.z.bench.", "h9.z.bench."]
    assert sorted(names, key=canonical_key) == sorted(names, key=dns.name.from_text)


def test_the_hierarchy_has_every_kind_of_zone() -> None:
    zones = [hierarchy.signed_zone(TINY, number) for number in range(8)]
    kinds = {(zone.algorithm, zone.denial) for zone in zones}
    assert kinds == {(a, d) for a in (Algorithm.ECDSA, Algorithm.RSA) for d in Denial}
    assert {hierarchy.bogus_zone(number).fault for number in range(4)} == set(Fault) - {Fault.NONE}


def test_a_chain_has_one_server_a_level() -> None:
    specs = hierarchy.chain(4, 0)
    assert [spec.origin for spec in specs] == ["d4c000.bench.", "l3.d4c000.bench.", "l4.l3.d4c000.bench."]
    assert [spec.server for spec in specs] == ["leaf", "deep3", "deep4"]
    assert [spec.hosts for spec in specs] == [0, 0, 1]
