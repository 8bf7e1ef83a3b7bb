"""Who is served: our prefix match against the standard library's."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.server.access import AccessList

networks4 = st.builds(
    lambda number, length: IPv4Network((number >> (32 - length) << (32 - length), length)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
networks6 = st.builds(
    lambda number, length: IPv6Network((number >> (128 - length) << (128 - length), length)),
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)


def test_only_this_machine_by_default():
    allowed = AccessList()
    assert allowed.allows("127.0.0.1")
    assert allowed.allows("127.255.255.255")
    assert allowed.allows("::1")
    for address in ("128.0.0.0", "126.255.255.255", "192.0.2.1", "::2", "::", "2001:db8::1", "0.0.0.0"):
        assert not allowed.allows(address)


def test_nobody():
    allowed = AccessList(())
    assert not allowed.allows("127.0.0.1")
    assert not allowed.allows("::1")


def test_everybody():
    allowed = AccessList((IPv4Network("0.0.0.0/0"), IPv6Network("::/0")))
    assert allowed.allows("192.0.2.1")
    assert allowed.allows("2001:db8::1")
    assert not AccessList((IPv4Network("0.0.0.0/0"),)).allows("2001:db8::1")


def test_mapped_and_scoped_addresses():
    allowed = AccessList((IPv4Network("192.0.2.0/24"), IPv6Network("fe80::/10")))
    assert allowed.allows("::ffff:192.0.2.7")
    assert not allowed.allows("::ffff:192.0.3.7")
    assert allowed.allows("fe80::1%eth0")


@settings(deadline=None)
@given(st.lists(networks4 | networks6, max_size=6), st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1), st.data())
def test_agrees_with_the_standard_library(networks, number4, number6, data):
    allowed = AccessList(networks)
    addresses = [IPv4Address(number4), IPv6Address(number6)]
    # Addresses at the edges of the prefixes are the ones a mistake would show at.
    for network in networks:
        first, last = int(network.network_address), int(network.broadcast_address)
        family = type(network.network_address)
        for number in (first, last, first - 1, last + 1, data.draw(st.integers(first, last))):
            if 0 <= number < 2**network.max_prefixlen:
                addresses.append(family(number))
    for address in addresses:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            continue
        expected = any(network.version == address.version and address in network for network in networks)
        assert allowed.allows(str(address)) == expected
        assert allowed.known[str(address)] == expected


def test_memory_is_bounded():
    allowed = AccessList(limit=10)
    for number in range(100):
        allowed.allows(f"192.0.2.{number}")
        assert len(allowed.known) <= 10
    assert allowed.allows("127.0.0.1")
