"""From the configuration to plain values, and what is told when files make no sense."""

import socket
from ipaddress import ip_address

import pytest

from resolver.config import ConfigError, parse
from resolver.daemon import hints
from resolver.daemon.build import (
    anchor_summary,
    build_access,
    build_cookie_secrets,
    build_identity,
    build_policy,
    build_protection,
    build_settings,
    build_tcp_bounds,
    build_trust,
    pack,
    packet_cache_size,
    worker_count,
)
from resolver.daemon.errors import StartError
from resolver.daemon.hints import root_servers
from resolver.daemon.worker import make_plan, share_descriptors
from resolver.settings import Minimise
from tests.conftest import require_corpora
from trust.policy import Sha1
from trust.vocabulary import Address
from wire import types as t
from wire.limits import Limits
from wire.text import name_from_text, rrsets_from_text


def settings(*overrides):
    return build_settings(parse("", overrides=overrides))


def test_defaults():
    found = settings("server.workers=1")
    assert found.prime
    assert (found.port, found.ipv4, found.ipv6) == (53, True, True)
    assert found.minimise is Minimise.RELAXED
    assert not found.allow_loopback
    assert len(found.root) == 13
    assert found.cache_size + packet_cache_size(parse("", overrides=["server.workers=1"])) == 256 << 20


def test_the_cache_is_shared_among_workers():
    config = parse("", overrides=["server.workers=4", "cache.size=64M"])
    assert worker_count(config) == 4
    assert 4 * (build_settings(config).cache_size + packet_cache_size(config)) == 64 << 20


def test_every_option_of_the_core_arrives():
    found = settings(
        "upstream.prime=false",
        "upstream.port=5353",
        "upstream.ipv6=false",
        'upstream.minimise="strict"',
        "upstream.randomise-case=false",
        "upstream.allow-loopback=true",
        "upstream.private-servers=true",
        "upstream.do-not-query=203.0.113.0/24,2001:db8:9::/48",
        "upstream.stub.Example.jp=192.0.2.1,[2001:db8::1]:54",
        "upstream.forward.com=192.0.2.2@55",
        "cache.min-ttl=5",
        "cache.max-ttl=1h",
        "cache.max-negative-ttl=60",
        "server.local-zones=false",
        "trust.nta.extended-error=false",
        "upstream.cookies=false",
        "limits.shadow=cname-hops,packets-per-query",
    )
    assert (found.prime, found.port, found.ipv6, found.minimise) == (False, 5353, False, Minimise.STRICT)
    assert (found.randomise_case, found.allow_loopback, found.private_servers) == (False, True, True)
    assert found.do_not_query == ("203.0.113.0/24", "2001:db8:9::/48")
    assert found.stub == {name_from_text("example.jp"): [Address("192.0.2.1", 5353), Address("2001:db8::1", 54)]}
    assert found.forward == {name_from_text("com"): [Address("192.0.2.2", 55)]}
    assert (found.min_ttl, found.max_ttl, found.max_negative_ttl) == (5, 3600, 60)
    assert (found.local_zones, found.nta_extended_error) == (False, False)
    assert {address.port for addresses in found.root.values() for address in addresses} == {5353}
    assert (found.cookie_secret, found.shadow) == (b"", {"cname-hops", "packets-per-query"})


def test_cookies_to_servers_have_a_secret_of_their_own_each_time():
    secrets = {settings().cookie_secret for _ in range(3)}
    assert len(secrets) == 3
    assert all(len(secret) == 32 for secret in secrets)


@pytest.mark.parametrize(
    ("name", "problem"), [("cname-hopps", "not a limit"), ("seconds-per-resolution", "always enforced")]
)
def test_what_cannot_be_in_shadow(name, problem):
    with pytest.raises(ConfigError) as error:
        parse(f"[limits]\nshadow = [{name!r}]\n")
    assert problem in str(error.value)
    assert "cname-hops" in str(error.value), "what there is"


def test_packaged_hints_are_those_of_the_root_zone():
    """The hints agree with the newest root zone in the corpora."""
    zone = max(require_corpora("rootzone").glob("root-*.zone")).read_text()
    rrsets = rrsets_from_text(
        "\n".join(line for line in zone.splitlines() if "root-servers.net." in line and "SOA" not in line)
    )
    servers = root_servers("builtin", 53)
    (names,) = [rrset.rdatas for rrset in rrsets if rrset.rtype == t.NS and rrset.name == b"\0"]
    assert set(servers) == set(names)
    addresses = {hints.ip_text(rdata) for rrset in rrsets if rrset.rtype in (t.A, t.AAAA) for rdata in rrset.rdatas}
    assert {address.ip for found in servers.values() for address in found} == addresses


def test_packaged_hints_are_addresses_of_both_families():
    for found in root_servers("builtin", 53).values():
        assert [ip_address(address.ip).version for address in found] == [4, 6]
        assert all(str(ip_address(address.ip)) == address.ip for address in found)


def test_hints_from_a_file(tmp_path):
    file = tmp_path / "hints"
    file.write_text(
        ". 3600000 NS A.ROOT.test.\n. NS b.root.test.\n"
        "a.root.test. A 192.0.2.1\na.root.test. AAAA 2001:DB8:0::1\nstranger.test. A 192.0.2.9\n"
    )
    assert root_servers(file, 5310) == {
        name_from_text("a.root.test"): [Address("192.0.2.1", 5310), Address("2001:db8::1", 5310)]
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("jp. NS a.dns.jp.\na.dns.jp. A 192.0.2.1", "no NS record of the root"),
        (". NS a.root.test.", "no NS record of the root"),
        ("no zone file (", "not a list of records"),
        ("", "no NS record of the root"),
    ],
)
def test_hints_that_make_no_sense(tmp_path, text, problem):
    file = tmp_path / "hints"
    file.write_text(text)
    with pytest.raises(StartError, match=problem) as caught:
        root_servers(file, 53)
    assert str(file) in caught.value.problem


def test_hints_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(StartError, match="cannot be read: No such file"):
        root_servers(tmp_path / "absent", 53)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\0")
    with pytest.raises(StartError):
        root_servers(binary, 53)
    monkeypatch.setattr(hints, "_MAX_FILE", 100)
    binary.write_bytes(b";" * 101)
    with pytest.raises(StartError, match="longer than 100"):
        root_servers(binary, 53)


def test_packaged_anchors():
    points = build_trust(parse(""))
    assert anchor_summary(points) == [". 20326 38696"]
    assert not points.ntas


def test_anchors_from_files_and_static_ntas(tmp_path):
    first, second = tmp_path / "root", tmp_path / "island"
    first.write_text(". DS 20326 8 2 " + "00" * 32)
    second.write_text("Island.test. DS 7 13 2 " + "11" * 32 + "\n. DS 38696 8 2 " + "22" * 32)
    config = parse("", overrides=[f'trust.anchors=["{first}", "{second}"]', "trust.nta.static=broken.test"])
    points = build_trust(config)
    assert sorted(anchor_summary(points)) == [". 20326 38696", "island.test 7"]
    assert list(points.ntas) == [name_from_text("broken.test")]
    assert points.ntas[name_from_text("broken.test")].expires_wall is None


@pytest.mark.parametrize(
    ("text", "problem"), [("", "no trust anchor"), (". A 192.0.2.1", "a DS or DNSKEY"), ("<x/>", "TrustAnchor")]
)
def test_anchors_that_make_no_sense(tmp_path, text, problem):
    file = tmp_path / "anchors"
    file.write_text(text)
    with pytest.raises(StartError, match=problem) as caught:
        build_trust(parse("", overrides=[f"trust.anchors={file}"]))
    assert str(file) in caught.value.problem


def test_policy_identity_access_and_bounds():
    config = parse(
        "",
        overrides=[
            'trust.sha1="validate"',
            "trust.nsec3-max-iterations=10",
            "server.nsid=tokyo-1",
            "server.max-udp-size=1000",
            "server.tcp-idle-timeout=5s",
            "server.tcp-connections=7",
            "server.tcp-per-client=3",
            "access.allow=192.0.2.0/24",
        ],
    )
    policy = build_policy(config)
    assert (policy.sha1, policy.nsec3_max_iterations) == (Sha1.VALIDATE, 10)
    identity = build_identity(config)
    assert (identity.nsid, identity.max_udp_size, identity.idle_timeout_s) == (b"tokyo-1", 1000, 5.0)
    assert build_access(config).allows("192.0.2.7")
    assert not build_access(config).allows("127.0.0.1")
    bounds = build_tcp_bounds(config, 1000)
    assert (bounds.connections, bounds.per_client, bounds.idle_s) == (7, 3, 5.0)


def test_the_host_name_is_the_nsid_when_none_is_given():
    config = parse("", overrides=["server.edns-tcp-keepalive=false"])
    assert build_identity(config).nsid == socket.gethostname().encode()
    assert build_identity(config).idle_timeout_s is None


@pytest.mark.parametrize("files", [64, 80, 256, 1024, 4096, 65536])
def test_sockets_to_servers_and_clients_share_the_descriptors(files):
    clients, udp, tcp = share_descriptors(files, 100)
    assert clients > 0
    assert udp > 0
    assert tcp > 0
    assert clients + udp + tcp <= max(files - 64, 8), "and 64 are left for all else"
    assert clients == 100 or files < 300
    assert udp <= 4096
    assert tcp <= 256


def protection(*overrides, shadow=()):
    config = parse("", overrides=overrides)
    return build_protection(config, build_cookie_secrets(config), Limits(frozenset(shadow)))


def test_clients_are_protected_by_default_only_from_what_no_honest_one_does():
    found = protection()
    assert (found.clients, found.responses) == (None, None)
    assert found.cookies is not None
    assert not found.demanded
    assert found.per_client.value == 2000
    assert sum(found.refusals.allows(1000.0) for _ in range(200)) == 100
    assert build_cookie_secrets(parse("")) == build_cookie_secrets(parse("")), "reloads keep it"
    assert build_cookie_secrets(parse("", overrides=["server.cookies=false"])) == ()


def test_every_option_of_protection_arrives():
    found = protection(
        "server.cookies=false",
        "limits.client-rate=10",
        "limits.response-rate=4",
        "limits.burst=3s",
        "limits.slip=7",
        "limits.prefix-ipv4=16",
        "limits.prefix-ipv6=48",
        "limits.queries-per-client=5",
        "limits.refusals=0",
        'limits.exempt=["10.0.0.0/8"]',
    )
    assert found.cookies is None
    bucket = found.clients.bucket("192.0.2.1", 1000.0)
    assert bucket is found.clients.bucket("192.0.255.1", 1000.0)
    assert found.clients.bucket("2001:db8::1", 1000.0) is found.clients.bucket("2001:db8:0:ffff::1", 1000.0)
    assert sum(found.clients.allows(bucket, 1000.0) for _ in range(100)) == 30
    assert sum(found.responses.allows(1, 1, 1000.0) for _ in range(100)) == 12
    assert sum(found.slips() for _ in range(70)) == 10
    assert found.per_client.value == 5
    assert not found.refusals.allows(1000.0)
    assert found.counted("10.1.2.3") is None
    assert found.counted("192.0.2.1") is not None
    assert protection("server.require-cookie=true").demanded


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%lo"])
def test_addresses_are_packed_as_by_the_standard_library(address):
    assert pack(address) == ip_address(address.partition("%")[0]).packed


def test_a_secret_is_not_in_the_plans_words(tmp_path):
    file = tmp_path / "cookies"
    file.write_text("00112233445566778899aabbccddeeff")
    file.chmod(0o600)
    plan = make_plan(parse("", overrides=[f"server.cookie-secret={file}"]))
    assert plan.cookie_secrets == (bytes.fromhex("00112233445566778899aabbccddeeff"),)
    assert repr(plan.cookie_secrets) not in repr(plan)
