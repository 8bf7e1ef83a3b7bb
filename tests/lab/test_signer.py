"""Every signature of every healthy zone verifies with dnspython, and the chains of denial are complete."""

import time
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdataset
import dns.zone
import pytest
from dns.name import Name
from dns.rdatatype import RdataType

import lab.internet
from lab.internet import Internet
from lab.keys import KSK_FLAGS, ZSK_FLAGS, KeyStore, Validity, altered
from lab.records import Zone, parse
from lab.signer import Nsec, Nsec3, Plan, sign
from lab.zones import SPECS

HEALTHY = [
    *(".", "jp.", "com.", "net.", "arpa.", "in-addr.arpa.", "ip6.arpa.", "example.jp.", "sub.example.jp."),
    *("18.198.in-addr.arpa.", "example.com.", "example.net.", "island.unsigned.jp.", "example.co.jp."),
    *("xn--wgv71a119e.jp.", "glueless.jp.", "faults.jp.", "valid.faults.jp.", "ed448.faults.jp.", "rsasha512.faults.jp."),
    *("ed25519.faults.jp.", "ecdsap384sha384.faults.jp.", "ecdsap256sha256.faults.jp.", "nsec3-iter-51.faults.jp."),
]
ORIGIN = dns.name.from_text("test.example.")
CONTENT = """
@          SOA  ns1 hostmaster 1 3600 900 1209600 300
@          NS   ns1
ns1        A    192.0.2.1
*.w        A    192.0.2.2
a.b.c      TXT  "below two empty non-terminals"
secure     NS   ns.secure
secure     DS   12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.secure  A    192.0.2.3
insecure   NS   ns.insecure
ns.insecure A   192.0.2.4
deep.insecure.x.y NS ns1
"""


def _zone(net: Internet, origin: str) -> Zone:
    return net.zones[dns.name.from_text(origin)]


def _plan(denial: Nsec | Nsec3, keys: KeyStore) -> Plan:
    now = int(time.time())
    content = parse(ORIGIN, CONTENT, 300)
    return Plan(
        ORIGIN,
        content,
        keys.key("test.example.", 13, KSK_FLAGS),
        keys.key("test.example.", 13, ZSK_FLAGS),
        denial,
        now,
        Validity(now - 60, now + 3600),
    )


@pytest.mark.parametrize("origin", HEALTHY)
def test_every_authoritative_rrset_verifies_and_nothing_else_is_signed(net: Internet, origin: str) -> None:
    zone = _zone(net, origin)
    dnskeys = {zone.origin: zone.rrsets[zone.origin, RdataType.DNSKEY]}
    cuts = zone.cuts()
    for rrset in zone.every_rrset():
        signature = zone.signatures.get((rrset.name, rrset.rdtype))
        at_cut = rrset.name in cuts and rrset.rdtype not in (RdataType.DS, RdataType.NSEC)
        if at_cut or zone.is_below_cut(rrset.name, cuts):
            assert signature is None, f"{rrset.name}/{rrset.rdtype} is not authoritative, yet signed"
        else:
            assert signature is not None, f"{rrset.name}/{rrset.rdtype} is not signed"
            dns.dnssec.validate(rrset, signature, dnskeys, policy=dns.dnssec.allow_all_policy)
    assert len(zone.signatures) == len({node for node in zone.signatures if zone.get(*node) is not None})


@pytest.mark.parametrize("origin", ["jp.", "com.", "example.com.", "ed448.faults.jp."])
def test_a_changed_record_does_not_verify(net: Internet, origin: str) -> None:
    zone = _zone(net, origin)
    dnskeys = {zone.origin: zone.rrsets[zone.origin, RdataType.DNSKEY]}
    changed = zone.soa.copy()
    changed.ttl += 1
    soa = changed[0].replace(serial=1)
    changed.clear()
    changed.add(soa)
    with pytest.raises(dns.dnssec.ValidationFailure):
        dns.dnssec.validate(changed, zone.signatures[zone.origin, RdataType.SOA], dnskeys)


@pytest.mark.parametrize("origin", [origin for origin in HEALTHY if origin not in (".", "island.unsigned.jp.")])
def test_ds_at_parent_is_that_of_the_ksk(net: Internet, origin: str) -> None:
    name = dns.name.from_text(origin)
    parent = net.zones[net.parent_of(name)]
    published = parent.rrsets[name, RdataType.DS]
    sep = [key for key in net.zones[name].rrsets[name, RdataType.DNSKEY] if key.flags == KSK_FLAGS]
    assert list(published) == [dns.dnssec.make_ds(name, sep[0], "SHA256")]


@pytest.mark.parametrize("denial", [Nsec(), Nsec3(), Nsec3(iterations=3, salt=b"\x12\x34"), Nsec3(opt_out=True)], ids=str)
def test_chain_of_denial_is_complete_and_closed(denial: Nsec | Nsec3, keys: KeyStore) -> None:
    zone = sign(_plan(denial, keys))
    names = zone.authoritative_names()
    types = zone.types_by_name()
    assert {dns.name.from_text(n, ORIGIN) for n in ("b.c", "c", "w", "insecure.x.y", "x.y", "y")} < names
    assert dns.name.from_text("ns.secure", ORIGIN) not in names
    if isinstance(denial, Nsec):
        expected = {name for name in names if name in types}
        chain = {
            name: zone.rrsets[name, RdataType.NSEC][0].next for name, rdtype in zone.rrsets if rdtype == RdataType.NSEC
        }
    else:
        left_out = {n for n in names if denial.opt_out and n in zone.cuts() and (n, RdataType.DS) not in zone.rrsets}
        by_hash = {denial.hash(name): name for name in names - left_out}
        expected = set(by_hash.values())
        chain = {
            by_hash[owner.labels[0]]: by_hash[rrset[0]._next_text().lower().encode()] for owner, rrset in zone.nsec3.items()
        }
        assert all(rrset[0].flags == int(denial.opt_out) for rrset in zone.nsec3.values())
    assert set(chain) == expected
    walked = []
    name = ORIGIN
    while name not in walked:
        walked.append(name)
        name = chain[name]
    assert name == ORIGIN
    assert set(walked) == expected
    if isinstance(denial, Nsec):
        assert walked == sorted(walked)


@pytest.mark.parametrize("denial", [Nsec(), Nsec3()], ids=str)
@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("@", {"SOA", "NS", "DNSKEY", "RRSIG"}, {"DS", "A"}),
        ("secure", {"NS", "DS", "RRSIG"}, {"A", "SOA"}),
        ("insecure", {"NS"}, {"DS", "A"}),
        ("*.w", {"A", "RRSIG"}, {"NS"}),
    ],
)
def test_bitmaps(denial: Nsec | Nsec3, name: str, present: set[str], absent: set[str], keys: KeyStore) -> None:
    zone = sign(_plan(denial, keys))
    owner = dns.name.from_text(name, ORIGIN)
    if isinstance(denial, Nsec):
        record = zone.rrsets[owner, RdataType.NSEC][0]
    else:
        record = zone.nsec3[Name((denial.hash(owner), *ORIGIN.labels))][0]
    listed = set(record.to_text().split())
    assert present <= listed
    assert not absent & listed


def test_nsec_and_nsec3_ttl_is_the_lesser_of_soa_ttl_and_minimum(net: Internet) -> None:
    # RFC 9077 §3
    com = _zone(net, "com.")
    assert com.soa.ttl == 3600
    assert com.soa[0].minimum == 900
    assert {rrset.ttl for rrset in com.nsec3.values()} == {900}


@pytest.mark.parametrize("origin", [".", "com.", "example.jp.", "dsa.faults.jp.", "reserved-zsk-algo.faults.jp."])
def test_zone_file_reads_back_the_same(net: Internet, origin: str, tmp_path: Path) -> None:
    zone = _zone(net, origin)
    path = tmp_path / "zone"
    path.write_text(zone.to_text())
    read = dns.zone.from_file(str(path), origin=zone.origin, relativize=False)
    for rrset in zone.every_rrset():
        assert read.get_rdataset(rrset.name, rrset.rdtype) == dns.rdataset.from_rdata_list(rrset.ttl, list(rrset))
        signature = zone.signatures.get((rrset.name, rrset.rdtype))
        found = read.get_rdataset(rrset.name, RdataType.RRSIG, rrset.rdtype)
        assert (found is None) == (signature is None)
        assert found is None or set(found) == set(signature)


def test_when_to_sign_again(keys: KeyStore) -> None:
    start = 1_800_000_000
    net = lab.internet.build(start, keys=keys, specs=SPECS[:1], faults=[])
    assert not any(net.needs_signing(start + s) for s in (0, 3600, 86399, -1799))
    assert all(net.needs_signing(start + s) for s in (86401, 14 * 86400, -1801))
    net.resign(start + 86401)
    assert not net.needs_signing(start + 86401)
    assert net.signed_at == start + 86401
    signature = net.zones[dns.name.root].signatures[dns.name.root, RdataType.SOA][0]
    assert (signature.inception, signature.expiration) == (start + 86401 - 3600, start + 86401 + 14 * 86400)


class TestKeys:
    @pytest.mark.parametrize("algorithm", [8, 13])
    def test_altered_key_keeps_its_tag(self, keys: KeyStore, algorithm: int) -> None:
        dnskey = keys.key("altered.", algorithm, ZSK_FLAGS).dnskey
        other = altered(dnskey)
        assert other != dnskey
        assert dns.dnssec.key_id(other) == dns.dnssec.key_id(dnskey)

    def test_keys_are_kept_from_start_to_start(self, tmp_path: Path) -> None:
        first = KeyStore(tmp_path).key(".", 13, KSK_FLAGS)
        again = KeyStore(tmp_path).key(".", 13, KSK_FLAGS)
        assert again.dnskey == first.dnskey
        assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
        assert KeyStore(tmp_path).key(".", 13, ZSK_FLAGS).dnskey.key != first.dnskey.key

    @pytest.mark.parametrize("algorithm", [1, 3, 6])
    def test_keys_of_dead_algorithms_are_well_formed(self, keys: KeyStore, algorithm: int) -> None:
        key = keys.key("dead.", algorithm, KSK_FLAGS)
        rrset = parse(ORIGIN, "@ A 192.0.2.1", 300)[0]
        rrsig = key.sign(rrset, ORIGIN, Validity(1, 2))
        assert (rrsig.algorithm, rrsig.key_tag, rrsig.labels) == (algorithm, key.tag, 2)
        # RFC 2536: T=8 makes 213 octets of key and 41 of signature; RFC 3110: exponent of 3 octets, modulus of 256.
        assert (len(key.dnskey.key), len(rrsig.signature)) == ((260, 256) if algorithm == 1 else (405, 41))
