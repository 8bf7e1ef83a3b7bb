"""The packet cache: what is the same query, how responses age, and how little it may hold."""

import random

import dns.edns
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.cache.packets import LONGEST, PacketCache, aged, cache_key, key_and_cookie, ttl_offsets
from wire.reader import read

COOKIES = st.binary(min_size=8, max_size=8) | st.binary(min_size=16, max_size=40)
OTHER_OPTIONS = st.lists(
    st.tuples(st.sampled_from([3, 8, 11, 12, 15, 65001]), st.binary(max_size=12)).filter(lambda pair: pair[0] != 10),
    max_size=3,
)


@st.composite
def queries(draw):
    """A query without COOKIE: (name, type, flags, EDNS payload or None, DO, other options)."""
    name = ".".join(draw(st.lists(st.sampled_from(["www", "WWW", "a", "example", "jp"]), min_size=1, max_size=4)))
    rtype = draw(st.sampled_from(["A", "AAAA", "TXT"]))
    flags = draw(st.sampled_from([0x0100, 0x0110, 0x0120, 0x0000]))
    payload = draw(st.sampled_from([None, 512, 1232, 4096]))
    return name, rtype, flags, payload, draw(st.booleans()), draw(OTHER_OPTIONS)


def to_wire(query, *, ident, cookies=()):
    """The query in octets; `cookies` are put at random among the options."""
    name, rtype, flags, payload, do, others = query
    message = dns.message.make_query(name, rtype, id=ident, flags=flags)
    if payload is not None or cookies:
        options = list(others)
        for position, cookie in cookies:
            options.insert(position % (len(options) + 1), (10, cookie))
        message.use_edns(
            0, 0x8000 if do else 0, payload or 1232, options=[dns.edns.GenericOption(*option) for option in options]
        )
    return message.to_wire()


@settings(deadline=None)
@given(queries(), st.integers(0, 65535), st.integers(0, 65535), st.lists(st.tuples(st.integers(0, 9), COOKIES), max_size=2))
def test_id_and_cookie_are_no_part_of_the_key(query, first, second, cookies):
    if query[3] is None:
        cookies = []
    assert cache_key(to_wire(query, ident=first)) == cache_key(to_wire(query, ident=second, cookies=cookies))


@settings(deadline=None)
@given(queries(), queries())
def test_everything_else_is(first, second):
    one, other = to_wire(first, ident=1), to_wire(second, ident=1)
    assert (cache_key(one) == cache_key(other)) == (one == other)


@settings(deadline=None)
@given(queries(), st.data())
def test_any_changed_octet_makes_another_key(query, data):
    wire = bytearray(to_wire(query, ident=1))
    key = cache_key(bytes(wire))
    at = data.draw(st.integers(2, len(wire) - 1))
    wire[at] ^= data.draw(st.integers(1, 255))
    changed = cache_key(bytes(wire))
    # Turning another option into a lawful COOKIE would be the one change that makes no difference; none here is so long.
    assert changed != key or b"\0\x0a" in bytes(wire)


@pytest.mark.parametrize("length", [0, 1, 7, 9, 15, 41, 60])
def test_a_cookie_of_a_wrong_length_stays_in_the_key(length):
    query = ("www.example.jp", "A", 0x0100, 1232, False, [])
    one = to_wire(query, ident=1, cookies=[(0, bytes(length))])
    assert cache_key(one) == one[2:]


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_garbage_is_its_own_key(packet):
    key = cache_key(packet)
    assert key == packet[2:] or len(key) < len(packet) - 2


@settings(deadline=None)
@given(queries(), st.data())
def test_a_query_cut_anywhere_does_no_harm(query, data):
    wire = to_wire(query, ident=1, cookies=[(0, bytes(8))])
    cut = wire[: data.draw(st.integers(0, len(wire) - 1))]
    assert cache_key(cut) == cut[2:]


def test_records_beside_opt_keep_the_query_whole():
    message = dns.message.make_query("www.example.jp", "A")
    message.use_edns(0, 0, 1232, options=[dns.edns.GenericOption(10, bytes(8))])
    message.additional.append(dns.rrset.from_text("x.", 0, "IN", "A", "192.0.2.1"))
    wire = message.to_wire()
    assert cache_key(wire) == wire[2:]


# --- ageing ------------------------------------------------------------------------------------------------------

ttls = st.integers(0, 2**31 - 1)


@st.composite
def responses(draw):
    """A response with OPT and sets of several owners and types."""
    response = dns.message.make_response(dns.message.make_query("www.example.jp", "A", use_edns=True))
    for section in (response.answer, response.authority):
        for name in draw(st.lists(st.sampled_from(["www.example.jp.", "a.", "."]), unique=True, max_size=3)):
            section.append(dns.rrset.from_text(name, draw(ttls), "IN", "A", "192.0.2.1", "192.0.2.2"))
    if draw(st.booleans()):
        response.use_edns(0, 0x8000, 1232, options=[dns.edns.EDEOption(6, "why")])
    return response


@settings(deadline=None)
@given(responses(), st.floats(1, 1e6), st.lists(st.floats(0, 5000), max_size=5))
def test_ttls_age_with_the_clock_and_never_exceed_what_is_left(response, stored, waits):
    cache = PacketCache(1 << 20)
    wire = response.to_wire()
    cache.put(b"key", wire, stored, stored + 1e6)
    assert sum(waits) < LONGEST
    now = stored
    for wait in waits:
        now += wait
        body = cache.get(b"key", now)
        assert body is not None
        aged = dns.message.from_wire(wire[:2] + body)
        elapsed = now - stored
        for section in ("answer", "authority"):
            for fresh, old in zip(getattr(response, section), getattr(aged, section), strict=True):
                assert old.ttl == max(fresh.ttl - (int(now) - int(stored)), 0)
                assert abs(old.ttl - max(fresh.ttl - elapsed, 0)) < 1.001
                old.ttl = fresh.ttl
        # The TTL field of OPT is no TTL: flags and version stay.
        assert (aged.edns, aged.ednsflags, aged.options) == (response.edns, response.ednsflags, response.options)
        assert aged.answer == response.answer
        assert aged.flags == response.flags


def test_only_ttls_change():
    response = dns.message.make_response(dns.message.make_query("www.example.jp", "A", use_edns=True))
    response.answer.append(dns.rrset.from_text("www.example.jp.", 0x01020304, "IN", "A", "192.0.2.1", "192.0.2.2"))
    response.answer.append(dns.rrset.from_text("other.example.", 0x01020304, "IN", "TXT", '"\\001\\002\\003\\004"'))
    response.authority.append(dns.rrset.from_text("jp.", 0x01020304, "IN", "NS", "a.dns.jp."))
    body = response.to_wire()[2:]
    assert body.count(b"\1\2\3\4") == 5
    for elapsed in (1, 0x01020303, 0x01020304, 0x01020305, 1 << 31):
        left = max(0, 0x01020304 - elapsed).to_bytes(4, "big")
        kept = body.replace(b"\1\2\3\4", left).replace(b"\4" + left, b"\4\1\2\3\4")  # the text of the TXT, after its length
        assert aged(body, ttl_offsets(body), elapsed) == kept


def test_a_response_without_question_or_records_has_no_ttls():
    for body in (SMALL[2:], b"\x84\0" + bytes(8), b"\x84\0\0\0\0\0\0\0\0\1" + b"\0\0\x29\4\xd0" + bytes(6)):
        assert ttl_offsets(body) == []


# --- life and bounds ---------------------------------------------------------------------------------------------

SMALL = dns.message.make_response(dns.message.make_query("www.example.jp", "A")).to_wire()


def test_a_packet_is_given_until_it_expires():
    cache = PacketCache(1 << 20)
    cache.put(b"key", SMALL, 100.0, 160.0)
    assert cache.get(b"key", 159.99) == SMALL[2:]
    assert cache.get(b"key", 160.0) is None
    assert cache.get(b"other", 100.0) is None


def test_what_lasts_less_than_a_second_is_not_kept():
    cache = PacketCache(1 << 20)
    cache.put(b"key", SMALL, 100.0, 100.9)
    assert len(cache) == 0


def test_no_packet_lives_longer_than_a_day():
    cache = PacketCache(1 << 20)
    cache.put(b"key", SMALL, 100.0, float("inf"))
    assert cache.get(b"key", 100.0 + LONGEST - 1)
    assert cache.get(b"key", 100.0 + LONGEST) is None


def test_a_new_epoch_forgets_everything():
    cache = PacketCache(1 << 20)
    cache.put(b"key", SMALL, 100.0, 160.0)
    epoch, table = cache.epoch, cache.table
    cache.clear()
    assert cache.get(b"key", 100.0) is None
    assert cache.octets == 0
    assert cache.epoch != epoch
    assert cache.table is table, "the receive loop holds on to it"


def test_a_newer_response_takes_the_place_of_the_older():
    cache = PacketCache(1 << 20)
    cache.put(b"key", SMALL, 100.0, 160.0)
    once = cache.octets
    cache.put(b"key", SMALL + b"\0" * 10, 170.0, 200.0)
    assert len(cache) == 1
    assert cache.octets == once + 10
    assert cache.get(b"key", 170.0) == SMALL[2:] + b"\0" * 10


def test_octets_stay_within_the_limit_and_what_is_used_stays():
    rng = random.Random(7)
    cache = PacketCache(100_000)
    for number in range(5000):
        key = b"query %d" % number
        cache.put(key, SMALL + bytes(rng.randrange(400)), 100.0, 1e9)
        assert cache.octets <= cache.limit
        assert cache.get(b"query 0", 100.0) is not None, "asked for all the time"
    assert cache.evictions > 4000
    assert cache.octets == sum(320 + len(key) + len(packet.body) + 2 for key, packet in cache.table.items())


def test_expired_packets_are_not_spared():
    cache = PacketCache(100_000)
    cache.put(b"old", SMALL, 100.0, 110.0)
    assert cache.get(b"old", 101.0)
    for number in range(2000):
        cache.put(b"%d" % number, SMALL, 200.0, 300.0)
    assert b"old" not in cache.table


def test_no_insertion_looks_at_many_packets():
    cache = PacketCache(1_000_000)
    count = 0
    while cache.octets < cache.limit - 1000:
        cache.put(b"%d" % count, SMALL, 100.0, 1e9)
        count += 1
    for packet in cache.table.values():
        packet.used = True
    for number in range(3):
        cache.put(b"new %d" % number, SMALL, 100.0, 1e9)
    still_marked = sum(packet.used for packet in cache.table.values())
    assert cache.evictions >= 1
    assert still_marked >= count - 3 * 64 - cache.evictions


def test_what_is_too_big_is_not_kept():
    cache = PacketCache(10_000)
    cache.put(b"key", SMALL + bytes(5000), 100.0, 200.0)
    assert len(cache) == 0


# --- what is fetched anew ahead of its end -------------------------------------------------------------------------------


def test_the_second_hit_near_the_end_tells_once_that_the_data_is_wanted():
    cache = PacketCache(100_000)
    cache.put(b"key", SMALL, 100.0, 200.0)
    cache.renew(b"key", 100.0)
    packet = cache.find(b"key", 150.0)
    assert not packet.due
    assert cache.find(b"key", 191.0).due
    packet.due = False
    assert not cache.find(b"key", 195.0).due


@pytest.mark.parametrize(("expires", "hits"), [(200.0, [191.0]), (104.5, [103.0, 104.2]), (200.0, [150.0, 189.0])])
def test_not_at_the_first_hit_nor_for_a_short_life_nor_too_soon(expires, hits):
    cache = PacketCache(100_000)
    cache.put(b"key", SMALL, 100.0, expires)
    cache.renew(b"key", 100.0)
    assert not any(cache.find(b"key", mono).due for mono in hits)


def test_nothing_is_wanted_of_what_nobody_said_so():
    cache = PacketCache(100_000)
    cache.put(b"key", SMALL, 100.0, 200.0)
    cache.renew(b"other", 100.0)
    assert not any(cache.find(b"key", mono).due for mono in (150.0, 199.0))


@settings(deadline=None)
@given(queries(), st.lists(st.tuples(st.integers(0, 9), COOKIES), max_size=3))
def test_the_cookie_found_is_the_first_that_the_query_has(query, cookies):
    if query[3] is None:
        cookies = []
    wire = to_wire(query, ident=1, cookies=cookies)
    edns = read(wire).edns
    shown = [data for code, data in edns.options if code == 10] if edns is not None else []
    assert key_and_cookie(wire) == (cache_key(wire), shown[0] if shown else b"")


@settings(deadline=None)
@given(st.lists(OTHER_OPTIONS, max_size=2), st.integers(0, 3), st.binary(min_size=24, max_size=24))
def test_an_option_is_put_behind_an_answer(options, addresses, cookie):
    """The answer is the same in everything else."""
    response = dns.message.make_response(dns.message.make_query("www.example.jp", "A"))
    response.use_edns(0, 0, 1232, options=[dns.edns.GenericOption(*option) for some in options for option in some])
    if addresses:
        texts = [f"192.0.2.{number}" for number in range(addresses)]
        response.answer.append(dns.rrset.from_text("www.example.jp.", 300, "IN", "A", *texts))
    cache = PacketCache(1 << 20)
    wire = response.to_wire()
    cache.put(b"key", wire, 1000.0, 2000.0)
    packet = cache.find(b"key", 1000.0)
    before = read(wire)
    for _ in range(2):  # where the option goes is found out once
        said = read(wire[:2] + packet.with_option(b"\0\x0a\0\x18" + cookie))
        assert said.edns.options == [*before.edns.options, (10, cookie)]
        assert [(rrset.name, rrset.rdatas) for rrset in said.answer] == [
            (rrset.name, rrset.rdatas) for rrset in before.answer
        ]
    plain = dns.message.make_response(dns.message.make_query("www.example.jp", "A"))
    cache.put(b"key", plain.to_wire(), 1000.0, 2000.0)
    assert cache.find(b"key", 1000.0).with_option(b"\0\x0a\0\0") == plain.to_wire()[2:], "no OPT, no option"
