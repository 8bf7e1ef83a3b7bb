"""Addresses made of addresses: RFC 6052 §2.4's own table, exclusions, reverse names, ipv4only.arpa."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest

from resolver.policy.dns64 import IPV4ONLY, Dns64, embed, extract
from resolver.policy.prefixes import number_of
from wire import types as t
from wire.rrset import RRset
from wire.text import name_from_text as n

V4 = bytes((192, 0, 2, 33))
PUBLISHED = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
]
"""RFC 6052 §2.4, table 2."""


@pytest.mark.parametrize(("prefix", "made"), PUBLISHED)
def test_the_published_examples(prefix: str, made: str) -> None:
    network, address = IPv6Network(prefix), IPv6Address(made).packed
    assert embed(network, V4) == address
    assert extract(network, address) == V4
    assert extract(network, bytes(16)) is None


def test_the_reserved_octet_is_zero() -> None:
    address = bytearray(IPv6Address("2001:db8:122:344:c0:2:2100::").packed)
    address[8] = 1
    assert extract(IPv6Network("2001:db8:122:344::/64"), bytes(address)) is None


def a(*addresses: str) -> RRset:
    return RRset(n("www.example"), t.A, 300, [bytes(map(int, address.split("."))) for address in addresses])


def test_every_prefix_gets_every_address() -> None:
    dns64 = Dns64([IPv6Network("2001:db8:1::/96"), IPv6Network("2001:db8:2::/96")])
    made = dns64.make(a("192.0.2.1", "192.0.2.2"), 60)
    assert made is not None and made.rtype == t.AAAA and made.ttl == 60 and len(made.rdatas) == 4


def test_the_well_known_prefix_is_for_global_addresses() -> None:
    made = Dns64().make(a("10.0.0.1", "8.8.8.8", "192.168.1.1"), 60)  # RFC 6052 §3.1
    assert made is not None and made.rdatas == [IPv6Address("64:ff9b::8.8.8.8").packed]
    assert Dns64([IPv6Network("2001:db8::/96")]).make(a("10.0.0.1"), 60) is not None


def test_addresses_that_are_not_made() -> None:
    dns64 = Dns64([IPv6Network("2001:db8::/96")], exclude_a=[IPv4Network("10.0.0.0/8")])
    assert dns64.make(a("10.0.0.1"), 60) is None


def test_addresses_that_count_as_none() -> None:
    good, mapped = IPv6Address("2001:db8::1").packed, IPv6Address("::ffff:192.0.2.1").packed
    dns64 = Dns64()
    mixed = RRset(n("www.example"), t.AAAA, 300, [mapped, good])
    kept = dns64.usable(mixed)
    assert kept is not None and kept.rdatas == [good]
    assert dns64.usable(RRset(n("www.example"), t.AAAA, 300, [mapped])) is None
    fine = RRset(n("www.example"), t.AAAA, 300, [good])
    assert dns64.usable(fine) is fine


def test_reverse_names() -> None:
    dns64 = Dns64([IPv6Network("64:ff9b::/96"), IPv6Network("2001:db8:100::/40")])
    for address in ("64:ff9b::192.0.2.33", "2001:db8:1c0:2:21::"):
        name = n(IPv6Address(address).reverse_pointer)
        assert dns64.alias_of_reverse(name) == n("33.2.0.192.in-addr.arpa")
    assert dns64.alias_of_reverse(n(IPv6Address("2001:db8:ffff::1").reverse_pointer)) is None
    assert dns64.alias_of_reverse(n("b.9.f.f.4.6.0.0.ip6.arpa")) is None
    assert dns64.alias_of_reverse(n("x" + IPv6Address("64:ff9b::1").reverse_pointer[1:])) is None
    assert dns64.alias_of_reverse(n("www.example")) is None


def test_ipv4only_arpa() -> None:
    dns64 = Dns64()
    made = dns64.ipv4only(IPV4ONLY, t.AAAA)
    assert made is not None
    assert [str(IPv6Address(rdata)) for rdata in made[0].rdatas] == ["64:ff9b::c000:aa", "64:ff9b::c000:ab"]
    given = dns64.ipv4only(IPV4ONLY, t.A)
    assert given is not None and len(given[0].rdatas) == 2
    assert dns64.ipv4only(IPV4ONLY, t.MX) == []
    assert dns64.ipv4only(n("www.ipv4only.arpa"), t.A) is None


def test_clients() -> None:
    dns64 = Dns64(clients=[IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/32")])
    assert dns64.serves(number_of("192.0.2.9")) and dns64.serves(number_of("2001:db8::1"))
    assert not dns64.serves(number_of("192.0.3.9")) and not dns64.serves(number_of("2001:db9::1"))
    assert Dns64().serves(number_of("192.0.3.9"))
