"""Token buckets, prefixes, bounded tables; against a plain model where there is one."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.protect.protection import Protection, packed, subject
from resolver.protect.rates import EXEMPT, ClientRates, Prefixes, Rate, ResponseRates
from wire.limits import CLIENT_RATE, Limits

T = 1000.0


def rates(rate=10.0, burst=5.0, *, exempt=(), size=100, prefixes=None):
    return ClientRates(rate, burst, prefixes or Prefixes(24, 56, exempt), packed, size)


def taken(clients, client, now, count):
    """How many of `count` queries at one moment are let through."""
    bucket = clients.bucket(client, now)
    return sum(clients.allows(bucket, now) for _ in range(count))


def test_a_burst_and_then_the_rate():
    clients = rates(rate=10, burst=5)
    assert taken(clients, "192.0.2.1", T, 100) == 5
    assert taken(clients, "192.0.2.1", T, 100) == 0
    assert taken(clients, "192.0.2.1", T + 0.1001, 100) == 1
    assert taken(clients, "192.0.2.1", T + 10, 100) == 5, "it saves up a burst, no more"


@given(st.floats(0.5, 1000), st.floats(1, 100), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_as_a_bucket_that_leaks(rate, burst, pauses):
    """The same as a bucket of `burst` tokens and a half that fills at `rate`; where it is a matter of rounding, either."""
    clients = rates(rate, burst)
    bucket = clients.bucket("192.0.2.1", T)
    tokens, now = burst + 0.5, T
    for pause in pauses:
        now += pause
        tokens = min(burst + 0.5, tokens + pause * rate)
        allowed = clients.allows(bucket, now)
        if abs(tokens - 1) > 1e-6 * max(rate, 1):
            assert allowed == (tokens >= 1)
        tokens -= allowed


def test_who_shares_a_prefix_shares_its_bucket():
    clients = rates()
    assert clients.bucket("192.0.2.1", T) is clients.bucket("192.0.2.254", T)
    assert clients.bucket("192.0.2.1", T) is not clients.bucket("192.0.3.1", T)
    assert clients.bucket("2001:db8::1", T) is clients.bucket("2001:db8:0:ff::9", T)
    assert clients.bucket("2001:db8::1", T) is not clients.bucket("2001:db8:0:100::9", T)
    assert clients.bucket("fe80::1%eth0", T) is clients.bucket("fe80::2%eth1", T)


@given(st.ip_addresses(), st.integers(8, 32), st.integers(16, 128))
def test_prefixes_are_those_of_ipaddress(address, length4, length6):
    prefixes = Prefixes(length4, length6)
    network = ipaddress.ip_network((address, length4 if address.version == 4 else length6), strict=False)
    assert prefixes.of(address.packed) == prefixes.of(network.network_address.packed)
    assert prefixes.of(address.packed) == prefixes.of(network.broadcast_address.packed)
    above = int(network.broadcast_address) + 1
    if above < 1 << network.max_prefixlen:
        assert prefixes.of(address.packed) != prefixes.of(type(address)(above).packed)


def test_families_do_not_meet():
    prefixes = Prefixes(32, 128)
    assert prefixes.of(bytes(4)) != prefixes.of(bytes(16))


@given(st.ip_addresses(), st.lists(st.sampled_from(["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::1/128"])))
def test_the_exempt(address, exempt):
    networks = [ipaddress.ip_network(text) for text in exempt]
    assert Prefixes(24, 56, networks).is_exempt(address.packed) == any(address in network for network in networks)


def test_the_exempt_have_no_rate():
    clients = rates(1, 1, exempt=[ipaddress.ip_network("192.0.2.1/32")])
    assert taken(clients, "192.0.2.1", T, 1000) == 1000
    assert clients.bucket("192.0.2.1", T).prefix == EXEMPT
    assert taken(clients, "192.0.2.2", T, 1000) == 1


def test_no_rate_at_all():
    assert taken(rates(0, 0), "192.0.2.2", T, 1000) == 1000


@pytest.mark.parametrize("size", [10, 100])
def test_memory_is_bounded_and_who_floods_is_not_forgotten(size):
    clients = rates(rate=10, burst=20, size=size)
    taken(clients, "192.0.2.1", T, 100)
    for number in range(20 * size):
        clients.allows(clients.bucket(f"10.{number >> 8}.{number & 0xFF}.1", T), T)
        assert len(clients.known) <= size
        assert len(clients._shared) <= size
    assert taken(clients, "192.0.2.1", T, 100) == 0
    assert taken(clients, "10.0.0.1", T, 100) > 0


def test_when_everybody_floods_all_is_forgotten():
    clients = rates(rate=10, burst=2, size=10)
    for number in range(100):
        taken(clients, f"10.0.{number}.1", T, 100)
        assert len(clients._shared) <= 10


def test_equal_responses():
    responses = ResponseRates(5, 5)
    assert sum(responses.allows(1, 7, T) for _ in range(100)) == 5
    assert responses.allows(1, 8, T), "another response"
    assert responses.allows(2, 7, T), "another prefix"
    assert sum(responses.allows(1, 7, T + 1.0001) for _ in range(100)) == 5


def test_what_counts_as_equal():
    www, ftp, zone = b"\3www\2jp\0", b"\3ftp\2jp\0", b"\2jp\0"
    assert subject(www, 1, 0, ()) != subject(www, 28, 0, ()) != subject(ftp, 28, 0, ())
    assert subject(www, 1, 3, [zone]) == subject(ftp, 28, 3, [zone]), "denials of one zone"
    assert subject(www, 1, 0, [zone]) == subject(ftp, 1, 0, [zone]), "also of a type"
    assert subject(www, 1, 3, [zone]) != subject(www, 1, 3, [b"\0"])
    assert subject(www, 1, 2, ()) == subject(ftp, 28, 2, [zone]), "errors of one kind"


def test_a_rate_for_all():
    rate = Rate(10, 10)
    assert sum(rate.allows(T) for _ in range(100)) == 10
    assert sum(rate.allows(T + 1.0001) for _ in range(100)) == 10
    assert not any(Rate(0, 0).allows(T) for _ in range(3)), "none at all"


def test_slips():
    for slip, expected in ((0, 0), (1, 12), (2, 6), (3, 4)):
        protection = Protection(slip=slip)
        assert sum(protection.slips() for _ in range(12)) == expected


def test_shadow_counts_and_does_not_refuse():
    limits = Limits(frozenset(["client-rate"]))
    assert not Protection(limits=limits).refuses(CLIENT_RATE)
    assert (limits.hits, limits.shadowed) == ({}, {"client-rate": 1})
    limits = Limits()
    assert Protection(limits=limits).refuses(CLIENT_RATE)
    assert (limits.hits, limits.shadowed) == ({"client-rate": 1}, {})
