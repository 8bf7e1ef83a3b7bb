"""Which addresses are asked: every special prefix, its edges, and what the configuration opens."""

from ipaddress import ip_address, ip_network

import pytest

from resolver.iteration.addresses import AddressFilter, text_of
from tests.resolver.play import settings

LOOPBACK, PRIVATE, NEVER = {"allow_loopback": True}, {"private_servers": True}, None

# prefix, why it is not asked, what opens it
SPECIAL = [
    ("0.0.0.0/8", "this-host address", NEVER),
    ("10.0.0.0/8", "private address", PRIVATE),
    ("100.64.0.0/10", "shared address", PRIVATE),
    ("127.0.0.0/8", "loopback address", LOOPBACK),
    ("169.254.0.0/16", "link-local address", PRIVATE),
    ("172.16.0.0/12", "private address", PRIVATE),
    ("192.0.0.0/24", "protocol-assignment address", PRIVATE),
    ("192.0.2.0/24", "documentation address", PRIVATE),
    ("192.168.0.0/16", "private address", PRIVATE),
    ("198.18.0.0/15", "benchmarking address", PRIVATE),
    ("198.51.100.0/24", "documentation address", PRIVATE),
    ("203.0.113.0/24", "documentation address", PRIVATE),
    ("224.0.0.0/4", "multicast address", NEVER),
    ("240.0.0.0/4", "reserved address", NEVER),
    ("::/128", "unspecified address", NEVER),
    ("::1/128", "loopback address", LOOPBACK),
    ("::ffff:0.0.0.0/96", "IPv4-mapped address", NEVER),
    ("::1.2.3.4/128", "IPv4-compatible address", NEVER),
    ("64:ff9b::/96", "NAT64 address", PRIVATE),
    ("64:ff9b:1::/48", "NAT64 address", PRIVATE),
    ("100::/64", "discard address", NEVER),
    ("2001:db8::/32", "documentation address", PRIVATE),
    ("3fff::/20", "documentation address", PRIVATE),
    ("fc00::/7", "unique-local address", PRIVATE),
    ("fe80::/10", "link-local address", PRIVATE),
    ("ff00::/8", "multicast address", NEVER),
    # outside 2000::/3 and none of the above
    ("4000::/16", "not a global unicast address", PRIVATE),
    ("c000:201::/32", "not a global unicast address", PRIVATE),
]
GLOBAL = [
    *("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255"),
    *("192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0"),
    *("223.255.255.255", "2000::1", "2001:500::1", "2001:db7::1", "2001:db9::1", "3ffe::1", "2a00::1"),
]


def edges(prefix: str) -> list[str]:
    network = ip_network(prefix)
    return [str(network[0]), str(network[-1])]


@pytest.mark.parametrize(("prefix", "why", "_opened_by"), SPECIAL, ids=[prefix for prefix, _, _ in SPECIAL])
def test_special_addresses_are_not_asked(prefix: str, why: str, _opened_by: dict[str, bool] | None) -> None:
    closed = AddressFilter(settings(private_servers=False))
    assert [closed.why_not(ip) for ip in edges(prefix)] == [why, why]


@pytest.mark.parametrize(("prefix", "why", "opened_by"), SPECIAL, ids=[prefix for prefix, _, _ in SPECIAL])
@pytest.mark.parametrize("setting", [LOOPBACK, PRIVATE], ids=["allow-loopback", "private-servers"])
def test_each_setting_opens_its_own(
    prefix: str, why: str, opened_by: dict[str, bool] | None, setting: dict[str, bool]
) -> None:
    opened = AddressFilter(settings(**({"private_servers": False} | setting)))
    wanted = "" if setting == opened_by else why
    assert [opened.why_not(ip) for ip in edges(prefix)] == [wanted, wanted]


@pytest.mark.parametrize("ip", GLOBAL)
def test_global_addresses_are_asked(ip: str) -> None:
    assert AddressFilter(settings(private_servers=False)).why_not(ip) == ""


@pytest.mark.parametrize(
    ("ip", "off", "why"),
    [
        ("1.1.1.1", "ipv4", "IPv4 is off"),
        ("2a00::1", "ipv6", "IPv6 is off"),
        ("1.1.1.1", "ipv6", ""),
        ("2a00::1", "ipv4", ""),
        ("10.0.0.1", "ipv4", "private address"),
    ],
)
def test_families(ip: str, off: str, why: str) -> None:
    assert AddressFilter(settings(private_servers=False, **{off: False})).why_not(ip) == why


def test_do_not_query_goes_beyond_everything_that_is_opened() -> None:
    chosen = settings(private_servers=True, allow_loopback=True, do_not_query=("1.0.0.0/8", "127.0.0.53/32", "2a00::/16"))
    closed = AddressFilter(chosen)
    for ip in ("1.1.1.1", "127.0.0.53", "2a00::1"):
        assert closed.why_not(ip) == "on the do-not-query list"
    for ip in ("2.1.1.1", "127.0.0.54", "2b00::1", "10.0.0.1"):
        assert closed.why_not(ip) == ""


@pytest.mark.parametrize(
    ("rdata", "text"),
    [
        (bytes((192, 0, 2, 1)), "192.0.2.1"),
        (bytes(4), "0.0.0.0"),
        (bytes(16), "::"),
        (bytes.fromhex("20010db8000000000000000000000001"), "2001:db8::1"),
        (bytes.fromhex("00000000000000000000ffff01020304"), "::ffff:1.2.3.4"),
    ],
)
def test_text_of_an_address_record(rdata: bytes, text: str) -> None:
    assert ip_address(text_of(rdata)) == ip_address(text)
