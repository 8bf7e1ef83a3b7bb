"""The composer: octets by hand, then the reader and dnspython as judges of what it writes."""

from random import Random

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import generate
from tests.wire.build import RESPONSE, WWW, message, name, opt, option, pointer, question, record
from tests.wire.oracle import recomposed, same_message
from tests.wire.steady import steady
from wire import types as t
from wire.composer import compose, compose_query
from wire.edns import COOKIE, EDE, NSID, Edns, ede
from wire.message import Message
from wire.reader import read
from wire.rrset import RRset

ASKED = (WWW, t.A, t.IN)
EXAMPLE = name("example.jp")


def rrset(owner: bytes, rtype: int, *rdatas: bytes, sigs: tuple[bytes, ...] = (), ttl: int = 300) -> tuple[RRset, int]:
    return RRset(owner, rtype, ttl, list(rdatas), list(sigs)), ttl


def address(owner: bytes, last: int = 1, ttl: int = 300) -> tuple[RRset, int]:
    return rrset(owner, t.A, bytes((192, 0, 2, last)), ttl=ttl)


def signature(covered: int) -> bytes:
    return covered.to_bytes(2, "big") + bytes(16) + b"\0" + b"signature" * 7


def names_in(m: Message) -> list[list[bytes]]:
    return [[r.name for r in section] for section in (m.answer, m.authority, m.additional)]


# --- octets ------------------------------------------------------------------------------------------------------


def test_a_whole_message() -> None:
    sig = bytes(18) + EXAMPLE + b"sig"
    wire = compose(
        0x1234,
        RESPONSE,
        ASKED,
        [rrset(WWW, t.A, b"\1\2\3\4", b"\5\6\7\x08", sigs=(sig,))],
        [rrset(EXAMPLE, t.NS, name("ns.example.jp"))],
        [address(name("ns.example.jp"))],
        Edns(1232, t.DO),
    )
    assert wire == message(
        [question(WWW)],
        [record(pointer(12), t.A, b"\1\2\3\4"), record(pointer(12), t.A, b"\5\6\7\x08"), record(pointer(12), t.RRSIG, sig)],
        [record(pointer(16), t.NS, b"\2ns" + pointer(16))],
        [record(pointer(32 + 16 + 16 + 12 + len(sig) + 12), t.A, b"\xc0\0\2\1"), opt(ttl=0x8000)],
    )


def test_nothing_but_a_header() -> None:
    assert compose(1, t.QR | t.FORMERR, None) == b"\0\1\x80\1" + bytes(8)
    assert compose(1, t.QR, None, edns=Edns(512)) == b"\0\1\x80\0" + bytes(7) + b"\1" + opt(payload=512)


def test_query() -> None:
    assert compose_query(0x1234, name("wWw.eXaMpLe.jP"), t.AAAA, flags=t.RD) == message(
        [question(name("wWw.eXaMpLe.jP"), t.AAAA)], flags=t.RD
    )
    assert compose_query(1, b"\0", t.NS, edns=Edns(1232, t.DO, [(COOKIE, bytes(8))]), qclass=t.CH) == message(
        [question(b"\0", t.NS, t.CH)], additionals=[opt(option(10, bytes(8)), ttl=0x8000)], flags=0, ident=1
    )


def test_the_clients_case_is_echoed() -> None:
    """Owner names equal to, or above, the question's are pointers to it, so its case is theirs."""
    asked = name("wWw.ExAmPlE.jP")
    wire = compose(1, t.QR, (asked, t.A, t.IN), [address(WWW)], [rrset(EXAMPLE, t.NS, WWW)])
    assert wire.count(b"wWw") == 1
    assert b"www" not in wire
    theirs = dns.message.from_wire(wire)
    assert theirs.answer[0].name.to_text() == "wWw.ExAmPlE.jP."
    assert theirs.authority[0].name.to_text() == "ExAmPlE.jP."
    assert read(wire).qname_raw == asked


def test_signatures_on_demand() -> None:
    signed = rrset(WWW, t.A, bytes(4), sigs=(signature(t.A),))
    with_, without = (read(compose(1, t.QR, ASKED, [signed], signatures=flag)) for flag in (True, False))
    assert len(with_.answer[0].sigs) == 1
    assert without.answer[0].sigs == []
    only_sigs = rrset(WWW, t.A, sigs=(signature(t.A),))
    assert read(compose(1, t.QR, ASKED, [only_sigs], signatures=False)).answer == []


def test_the_ttl_given_is_written() -> None:
    aged = (RRset(WWW, t.A, 300, [bytes(4)], [signature(t.A)]), 17)
    theirs = dns.message.from_wire(compose(1, t.QR, ASKED, [aged]))
    assert [r.ttl for r in theirs.answer] == [17, 17]


# --- compression -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rtype", [t.NS, t.CNAME, t.PTR, t.MB, t.MG, t.MR, t.MD, t.MF])
def test_names_alone_are_compressed(rtype: int) -> None:
    wire = compose(1, t.QR, ASKED, [rrset(WWW, rtype, name("x.example.jp"))])
    assert wire.endswith(record(pointer(12), rtype, b"\1x" + pointer(16)))


@pytest.mark.parametrize(
    ("rtype", "before", "names", "after"),
    [(t.SOA, b"", 2, bytes(range(20))), (t.MINFO, b"", 2, b""), (t.MX, b"\0\x0a", 1, b"")],
)
def test_names_among_other_data_are_compressed(rtype: int, before: bytes, names: int, after: bytes) -> None:
    sent = before + name("x.example.jp") * names + after
    compressed = before + (b"\1x" + pointer(16) + pointer(44 + len(before)))[: 4 if names == 1 else 6] + after
    assert compose(1, t.QR, ASKED, [rrset(WWW, rtype, sent)]).endswith(record(pointer(12), rtype, compressed))


@pytest.mark.parametrize(
    ("rtype", "rdata"),
    [
        (t.SRV, bytes(6) + EXAMPLE),
        (t.DNAME, EXAMPLE),
        (t.RP, EXAMPLE * 2),
        (t.AFSDB, b"\0\1" + EXAMPLE),
        (t.RT, b"\0\1" + EXAMPLE),
        (t.KX, b"\0\1" + EXAMPLE),
        (t.PX, b"\0\1" + EXAMPLE * 2),
        (t.NAPTR, bytes(4) + b"\0\0\0" + EXAMPLE),
        (t.NSEC, EXAMPLE + b"\0\1\x40"),
        (t.SIG, bytes(18) + EXAMPLE + b"sig"),
    ],
)
def test_names_of_newer_types_are_not_compressed(rtype: int, rdata: bytes) -> None:
    """RFC 3597 §4."""
    assert compose(1, t.QR, ASKED, [rrset(WWW, rtype, rdata)]).endswith(record(pointer(12), rtype, rdata))


def test_rrsig_keeps_its_signer() -> None:
    sig = bytes(18) + EXAMPLE + b"sig"
    assert compose(1, t.QR, ASKED, [rrset(WWW, t.A, sigs=(sig,))]).endswith(record(pointer(12), t.RRSIG, sig))


def test_names_beyond_14_bits_are_written_out() -> None:
    """A pointer reaches offset 0x3FFF; what stands after that can point, but not be pointed to."""
    near, far = name("near.example.com"), name("far.example.net")
    for used in range(0x3FF0 - 60, 0x4000):
        filler = rrset(b"\0", 65280, bytes(used - 32 - 11))  # the next owner is written at offset `used`
        wire = compose(1, t.QR, ASKED, [filler, address(near), address(far), address(near, 2), address(far, 2)])
        later = wire[used + len(near) + 14 + len(far) + 14 :]
        assert (later.find(near) == -1) == (used <= 0x3FFF)
        assert (later.find(far) == -1) == (used + len(near) + 14 <= 0x3FFF)
        assert names_in(read(wire))[0] == [b"\0", near, far]
        theirs = dns.message.from_wire(wire)
        assert [r.name.to_wire() for r in theirs.answer] == [b"\0", near, far]


def test_the_last_offset_a_pointer_reaches() -> None:
    filler = rrset(b"\0", 65280, bytes(0x3FFF - 32 - 11))
    wire = compose(1, t.QR, ASKED, [filler, address(name("a.b")), address(name("c.a.b"))])
    assert wire[0x3FFF:].count(pointer(0x3FFF)) == 1
    assert names_in(read(wire))[0] == [b"\0", name("a.b"), name("c.a.b")]


# --- truncation --------------------------------------------------------------------------------------------------

ANSWER = [address(name(f"{index}.example.jp"), index) for index in range(1, 6)]
AUTHORITY = [rrset(EXAMPLE, t.NS, *(name(f"ns{index}.example.jp") for index in range(3)), sigs=(signature(t.NS),))]
ADDITIONAL = [address(name("ns0.example.jp")), rrset(name("ns1.example.jp"), t.TXT, b"\xc8" + bytes(200)), address(WWW)]


def test_truncation_at_every_size() -> None:
    """RFC 2181 §9: whole RRsets only; TC exactly when one of answer or authority is missing; what is there is a prefix,
    save in the additional section, where a smaller set may still fit.
    """
    whole = compose(1, t.QR, ASKED, ANSWER, AUTHORITY, ADDITIONAL, Edns(1232))
    least = 32 + 11
    sizes = set()
    for size in range(least, len(whole) + 2):
        wire = compose(1, t.QR, ASKED, ANSWER, AUTHORITY, ADDITIONAL, Edns(1232), max_size=size)
        assert len(wire) <= size
        sizes.add(len(wire))
        m = read(wire)
        assert m.edns is not None
        assert m.answer == [r for r, _ in ANSWER][: len(m.answer)]
        complete = len(m.answer) == len(ANSWER) and m.authority == [r for r, _ in AUTHORITY]
        assert m.truncated == (not complete)
        if m.authority:
            assert len(m.answer) == len(ANSWER)
            assert len(m.authority[0].rdatas) == 3
            assert len(m.authority[0].sigs) == 1
        if not complete:
            assert m.additional == []
        assert [r for r, _ in ADDITIONAL if r in m.additional] == m.additional
    assert len(sizes) == 1 + len(ANSWER) + len(AUTHORITY) + 4  # none, the first, the first and third, all; the second alone


def test_additional_is_dropped_silently() -> None:
    for size, expected in ((150, [0, 2]), (94, [0]), (78, [2]), (74, [])):
        m = read(compose(1, t.QR, ASKED, [address(WWW)], [], ADDITIONAL, Edns(1232), max_size=size))
        assert not m.truncated
        assert m.additional == [ADDITIONAL[index][0] for index in expected]


def test_names_of_what_was_cut_are_not_pointed_to() -> None:
    """A set that does not fit leaves no names behind."""
    big = rrset(name("big.cut.example"), t.TXT, b"\xc8" + bytes(200))
    small = address(name("small.cut.example"))
    wire = compose(1, t.QR, ASKED, [], [], [big, small], max_size=100)
    m = read(wire)
    assert names_in(m) == [[], [], [name("small.cut.example")]]
    assert name("small.cut.example") in wire


def test_names_before_a_cut_are_still_pointed_to() -> None:
    """The last name before the cut included: each set after it is its owner's pointer and an address, 16 octets."""
    big = rrset(name("big.cut.example"), t.TXT, b"\xc8" + bytes(200))
    for asked in (name("www.example"), name("example"), name("a.b.c.d")):
        m = compose(1, t.QR, (asked, t.A, t.IN), [], [], [big, address(asked), big, address(asked, 2)], max_size=100)
        assert len(m) == 12 + len(asked) + 4 + 16 + 16
    first = address(name("x.y"))
    m = compose(1, t.QR, ASKED, [first], [], [big, first, address(name("y"))], max_size=100)
    assert len(m) == 32 + 5 + 14 + 16 + 16


def test_a_section_may_be_a_generator() -> None:
    wire = compose(1, t.QR, ASKED, (item for item in ANSWER), iter(AUTHORITY), max_size=150)
    assert read(wire).truncated


# --- OPT ---------------------------------------------------------------------------------------------------------


def test_opt_is_there_when_all_else_is_cut() -> None:
    m = read(compose(1, t.QR, ASKED, ANSWER, edns=Edns(1232, t.DO, [(NSID, b"ns1")]), max_size=32 + 11 + 7))
    assert m.truncated
    assert m.answer == []
    assert m.edns is not None
    assert m.edns.option(NSID) == b"ns1"


def test_texts_give_way_to_answers() -> None:
    """RFC 8914 §3: EDE must not cause truncation."""
    edns = Edns(1232, 0, [ede(33, "an NTA is in force for example.jp"), (NSID, b"ns1"), ede(7, "expired")])
    whole = compose(1, t.QR, ASKED, [address(WWW)], edns=edns)
    assert len(whole) == 32 + 16 + 11 + 6 + 33 + 7 + 6 + 7
    m = read(compose(1, t.QR, ASKED, [address(WWW)], edns=edns, max_size=len(whole) - 1))
    assert (m.truncated, len(m.answer)) == (False, 1)
    assert m.edns is not None
    assert m.edns.options == [*edns.options[:2], (EDE, b"\0\7")]
    m = read(compose(1, t.QR, ASKED, [address(WWW)], edns=edns, max_size=len(whole) - 40))
    assert (m.truncated, len(m.answer)) == (False, 1)
    assert m.edns is not None
    assert m.edns.options == [(EDE, b"\0\x21"), (NSID, b"ns1"), (EDE, b"\0\7")]
    m = read(compose(1, t.QR, ASKED, [address(WWW)], edns=edns, max_size=len(whole) - 41))
    assert (m.truncated, len(m.answer)) == (True, 0)
    assert m.edns is not None
    assert m.edns.options == [(EDE, b"\0\x21"), (NSID, b"ns1"), (EDE, b"\0\7")]


def test_additional_gives_way_to_texts() -> None:
    edns = Edns(1232, 0, [ede(7, "expired")])
    size = len(compose(1, t.QR, ASKED, [address(WWW)], edns=edns))
    m = read(compose(1, t.QR, ASKED, [address(WWW)], [], [address(EXAMPLE)], edns, max_size=size + 15))
    assert m.additional == []
    assert m.edns is not None
    assert m.edns.options == edns.options


def test_options_that_cannot_fit_are_dropped_with_tc() -> None:
    options = [ede(9, "x" * 200), ede(6, "y" * 200), (NSID, b"n" * 100)]
    wire = compose(1, t.QR, ASKED, edns=Edns(1232, 0, options), max_size=512)
    m = read(wire)
    assert len(wire) <= 512
    assert not m.truncated
    assert m.edns is not None
    assert m.edns.options == [options[0], (EDE, b"\0\6"), options[2]]
    wire = compose(1, t.QR, ASKED, edns=Edns(1232, 0, options), max_size=100)
    m = read(wire)
    assert len(wire) <= 100
    assert m.truncated
    assert m.edns is not None
    assert m.edns.options == [(EDE, b"\0\x09"), (EDE, b"\0\6")]


# --- what is composed is read again ------------------------------------------------------------------------------


@steady(200)
@given(st.randoms(use_true_random=False))
def test_generated_messages_come_back(random: Random) -> None:
    first = read(generate.message(random)[0])
    again = read(recomposed(first))
    assert same_message(first, again)


@steady(200)
@given(st.randoms(use_true_random=False), st.integers(32, 2000))
def test_truncated_messages_are_messages_and_fit(random: Random, size: int) -> None:
    """Under any size: not longer, readable by both readers, and each RRset in it whole."""
    m = read(generate.message(random)[0])
    least = 12 + (len(m.qname_raw) + 4 if m.has_question else 0) + (0 if m.edns is None else 11)
    wire = recomposed(m, max_size=size)
    assert len(wire) <= max(size, least)
    short = read(wire)
    assert dns.message.from_wire(wire).flags & dns.flags.TC == (t.TC if short.truncated else 0)
    for ours, theirs in ((m.answer, short.answer), (m.authority, short.authority)):
        for before, after in zip(ours, theirs, strict=False):
            assert (before, before.sigs, before.ttl) == (after, after.sigs, after.ttl)
    cut = (len(short.answer), len(short.authority)) < (len(m.answer), len(m.authority))
    assert short.truncated >= cut
