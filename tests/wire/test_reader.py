"""The reader: what it makes of a message, and a table of everything it refuses.

Packets are written octet by octet in `build`; offsets in them: question name at 12 (www), 16 (example), 24 (jp), 27 (root),
first answer at 32.
"""

import struct
from collections.abc import Callable

import pytest

from tests.wire.build import (
    HEADER_ID,
    WWW,
    answering,
    message,
    name,
    opt,
    option,
    pointer,
    question,
    record,
)
from wire import types as t
from wire.message import Message
from wire.name import ROOT
from wire.reader import FormError, read, read_head

EXAMPLE = pointer(16)
SIG_HEAD = struct.pack("!HBBIIIH", t.A, 13, 3, 300, 2, 1, 4711)


def only_rdata(rtype: int, rdata: bytes, rclass: int = 1) -> bytes:
    """What the reader makes of this RDATA."""
    rrset = read(answering(record(pointer(12), rtype, rdata, rclass=rclass))).answer[0]
    return (rrset.sigs if rtype == t.RRSIG else rrset.rdatas)[0]


# --- what is read ------------------------------------------------------------------------------------------------


def test_header_and_question() -> None:
    qname = name("WwW.eXample.JP")
    m = read(message([question(qname, t.AAAA, t.CH)], flags=t.QR | t.AA | t.TC | t.RD | t.RA | t.AD | t.CD | t.NXDOMAIN))
    assert (m.id, m.flags) == (HEADER_ID, 0x87B3)
    assert m.has_question
    assert (m.qname, m.qname_raw) == (name("www.example.jp"), qname)
    assert (m.qtype, m.qclass) == (t.AAAA, t.CH)
    assert (m.rcode, m.opcode, m.truncated) == (t.NXDOMAIN, t.QUERY, True)
    assert (m.answer, m.authority, m.additional, m.edns) == ([], [], [], None)


def test_no_question() -> None:
    m = read(message([], flags=t.NOTIFY << 11))
    assert not m.has_question
    assert (m.qname, m.qname_raw, m.qtype, m.qclass) == (ROOT, ROOT, 0, 0)
    assert (m.opcode, m.truncated) == (t.NOTIFY, False)


def test_records_become_rrsets() -> None:
    """RFC 2181 §5: one set for owner, type and class; no duplicates; RRSIGs with the set that they cover."""
    sig = SIG_HEAD + name("Example.JP") + b"signature"
    ns_sig = struct.pack("!HBBIIIH", t.NS, 13, 2, 300, 2, 1, 4711) + name("example.jp") + b"other"
    m = read(
        answering(
            record(pointer(12), t.A, bytes(4), ttl=60),
            record(name("WWW.Example.jp"), t.RRSIG, sig, ttl=50),
            record(pointer(12), t.NS, EXAMPLE),
            record(pointer(12), t.A, b"\1\1\1\1", ttl=70),
            record(pointer(12), t.A, bytes(4), ttl=55),
            record(pointer(12), t.RRSIG, sig, ttl=80),
            record(pointer(16), t.RRSIG, ns_sig),
            record(pointer(12), t.A, bytes(2), rclass=t.CH),
        )
    )
    seen = [(r.name, r.rtype, r.rclass, r.ttl, r.rdatas, r.sigs) for r in m.answer]
    canonical_sig = SIG_HEAD + name("example.jp") + b"signature"
    assert seen == [
        (WWW, t.A, t.IN, 50, [bytes(4), b"\1\1\1\1"], [canonical_sig]),  # RFC 2181 §5.2: the least TTL
        (WWW, t.NS, t.IN, 300, [name("example.jp")], []),
        (name("example.jp"), t.NS, t.IN, 300, [], [ns_sig]),
        (WWW, t.A, t.CH, 300, [bytes(2)], []),
    ]


def test_sections_are_apart() -> None:
    a = record(pointer(12), t.A, bytes(4))
    m = read(message([question(WWW)], [a], [a, a], [a, opt(), a]))
    assert [len(section) for section in (m.answer, m.authority, m.additional)] == [1, 1, 1]
    assert m.edns is not None


@pytest.mark.parametrize(("sent", "kept"), [(0, 0), (0x7FFFFFFF, 0x7FFFFFFF), (0x80000000, 0), (0xFFFFFFFF, 0)])
def test_ttl_with_the_high_bit_is_zero(sent: int, kept: int) -> None:
    """RFC 2181 §8."""
    assert read(answering(record(pointer(12), t.A, bytes(4), ttl=sent))).answer[0].ttl == kept


def test_edns() -> None:
    options = option(10, bytes(8)) + option(3, b"") + option(3, b"x")
    m = read(message([question(WWW)], additionals=[opt(options, payload=4096, ttl=0x01028001)], flags=t.QR | 7))
    assert m.edns is not None
    assert (m.edns.payload, m.edns.extended_rcode, m.edns.version, m.edns.flags) == (4096, 1, 2, 0x8001)
    assert m.edns.options == [(10, bytes(8)), (3, b""), (3, b"x")]
    assert m.edns.dnssec_ok
    assert m.rcode == 0x17


def test_opt_alone_has_an_extended_rcode() -> None:
    """The high bit of OPT's TTL field is the extended RCODE's, not a sign."""
    m = read(message([], additionals=[opt(ttl=0xFF000000)], flags=t.QR))
    assert m.edns is not None
    assert (m.edns.extended_rcode, m.rcode) == (255, 0xFF0)


# Each type with names in its RDATA: the RDATA as sent, and the canonical form (RFC 4034 §6.2).
MIXED, PLAIN, LOWER = name("A.Example.JP"), name("www.example.jp"), name("a.example.jp")
CANONICAL = [
    *[(rtype, b"\1A" + EXAMPLE, LOWER) for rtype in (t.NS, t.MD, t.MF, t.CNAME, t.MB, t.MG, t.MR, t.PTR)],
    (t.SOA, b"\1A" + EXAMPLE + pointer(12) + bytes(range(20)), LOWER + PLAIN + bytes(range(20))),
    (t.MINFO, pointer(12) + b"\1A" + EXAMPLE, PLAIN + LOWER),
    (t.RP, pointer(12) + b"\1A" + EXAMPLE, PLAIN + LOWER),
    *[(rtype, b"\0A\1A" + EXAMPLE, b"\0A" + LOWER) for rtype in (t.MX, t.AFSDB, t.RT)],
    (t.PX, b"\0A" + pointer(12) + b"\1A" + EXAMPLE, b"\0A" + PLAIN + LOWER),
    (t.SRV, b"ABCDEF\1A" + EXAMPLE, b"ABCDEF" + LOWER),
    (t.NAPTR, b"ABCD\1U\0\2xY\1A" + EXAMPLE, b"ABCD\1U\0\2xY" + LOWER),
    (t.SIG, SIG_HEAD + b"\1A" + EXAMPLE + b"Sig", SIG_HEAD + LOWER + b"Sig"),
    (t.NXT, b"\1A" + EXAMPLE + b"\x40", LOWER + b"\x40"),
    (t.RRSIG, SIG_HEAD + MIXED + b"Sig", SIG_HEAD + LOWER + b"Sig"),
    (t.RRSIG, SIG_HEAD + b"\0", SIG_HEAD + b"\0"),
    (t.DNAME, MIXED, LOWER),
    (t.KX, b"\0A" + MIXED, b"\0A" + LOWER),
    (t.NSEC, MIXED + b"\0\1\x40", MIXED + b"\0\1\x40"),  # RFC 6840 §5.1: NSEC keeps its case
    (t.NSEC, MIXED, MIXED),
    (t.TXT, b"\3TxT", b"\3TxT"),
    (t.DS, b"ABCDEF", b"ABCDEF"),
    (65280, b"\1A" + EXAMPLE, b"\1A" + EXAMPLE),
    (65280, b"", b""),
]


@pytest.mark.parametrize(("rtype", "sent", "kept"), CANONICAL)
def test_rdata_is_canonical(rtype: int, sent: bytes, kept: bytes) -> None:
    assert only_rdata(rtype, sent) == kept


@pytest.mark.parametrize("rtype", [t.A, t.AAAA, t.WKS, t.SRV, t.NAPTR, t.KX, t.PX])
def test_types_of_class_in_are_opaque_elsewhere(rtype: int) -> None:
    assert only_rdata(rtype, b"\xc0", rclass=t.CH) == b"\xc0"


def test_class_independent_types_are_read_in_every_class() -> None:
    assert only_rdata(t.NS, b"\1A" + EXAMPLE, rclass=t.CH) == LOWER


# --- pointers ----------------------------------------------------------------------------------------------------


def owners(wire: bytes) -> list[bytes]:
    return [rrset.name for rrset in read(wire).answer]


def test_pointers_to_every_label() -> None:
    wire = answering(*(record(pointer(at), 65280, b"") for at in (12, 16, 24, 27)))
    assert owners(wire) == [WWW, name("example.jp"), name("jp"), ROOT]


def test_pointer_into_opaque_rdata() -> None:
    """Senders compress against names in any RDATA, also where they may not be compressed themselves."""
    sig = SIG_HEAD + name("signer.example") + b"sig"
    at = 32 + 12 + 18
    records = [record(pointer(at), t.A, bytes(4)), record(pointer(at + 7), t.NS, b"\0")]
    wire = answering(record(pointer(12), t.RRSIG, sig), *records)
    assert owners(wire) == [WWW, name("signer.example"), name("example")]


def test_chain_of_labels_and_pointers() -> None:
    """Each owner adds a label to the one before: long names of ip6.arpa look like this."""
    count = 60
    records = [record(b"\1a" + pointer(12 if index == 0 else 32 + 14 * (index - 1)), 65280, b"") for index in range(count)]
    assert owners(answering(*records))[-1] == b"\1a" * count + WWW


def test_pointer_to_a_pointer() -> None:
    """At 44 stands the pointer to example.jp, at 32 the one to www.example.jp."""
    records = [record(pointer(44), t.A, bytes(4)), record(pointer(32), t.MX, b"\0\0\0")]
    assert owners(answering(record(pointer(12), t.NS, EXAMPLE), *records)) == [WWW, name("example.jp"), WWW]


def why_refused(wire: bytes) -> str:
    """Why the packet is refused, with the message so far attached to the error."""
    with pytest.raises(FormError) as caught:
        read(wire)
    assert isinstance(caught.value.message, Message)
    assert caught.value.message.id == HEADER_ID
    return str(caught.value)


BACKWARDS = "compression pointer does not point backwards"
OWN = "compression pointer leads into its own name"
LABEL = "unknown label type"
LONG = "name over 255 octets"
CUT = "message cut short"
LENGTH = "RDATA of a wrong length"
LEAVES = "name leaves its RDATA"
PLAIN_ONLY = "compressed name where none may be"
MALFORMED = "malformed RDATA"

A = record(pointer(12), t.A, bytes(4))
LONGEST = (b"\x3f" + b"x" * 63) * 3 + b"\x3d" + b"x" * 61 + b"\0"
TOO_LONG = (b"\x3f" + b"x" * 63) * 3 + b"\x3e" + b"x" * 62 + b"\0"
TAIL = (b"\x3f" + b"x" * 63) * 3 + b"\x3b" + b"x" * 59 + b"\0"
assert (len(LONGEST), len(TOO_LONG), len(TAIL)) == (255, 256, 253)


def pointed_at(octets: bytes, *more: bytes) -> bytes:
    """An opaque record with these octets at offset 44, then a record whose owner points there."""
    return answering(record(pointer(12), 65280, octets), record(pointer(44), t.A, bytes(4)), *more)


REFUSED_NAMES = [
    # In owner names; the first begins at 32.
    ("forward pointer", answering(record(pointer(50), t.A, bytes(4)), A), BACKWARDS),
    ("pointer past the end", answering(record(pointer(0x3FFF), t.A, bytes(4))), BACKWARDS),
    ("pointer to itself", answering(record(pointer(32), t.A, bytes(4))), BACKWARDS),
    ("pointer to the label before it", answering(record(b"\1a" + pointer(32), t.A, bytes(4))), BACKWARDS),
    ("pointer into the label before it", answering(record(b"\1\0" + pointer(33), t.A, bytes(4))), BACKWARDS),
    ("pointer to the header", answering(record(pointer(0), t.A, bytes(4))), BACKWARDS),
    ("pointer to the header's last octet", answering(record(pointer(11), t.A, bytes(4))), BACKWARDS),
    ("label type 01", answering(record(b"\x41a\0", t.A, bytes(4))), LABEL),
    ("label type 10", answering(record(b"\x80a\0", t.A, bytes(4))), LABEL),
    ("label type 01 after a label", answering(record(b"\1a\x40\0", t.A, bytes(4))), LABEL),
    ("256 octets", answering(record(TOO_LONG, t.A, bytes(4))), LONG),
    ("257 octets, with a pointer", message([question(LONGEST)], [record(b"\1a" + pointer(12), t.A, bytes(4))]), LONG),
    ("endless labels", answering(record(b"\1a" * 200 + b"\0", t.A, bytes(4))), LONG),
    # Behind a pointer.
    ("pointer to a pointer to itself", pointed_at(pointer(44)), BACKWARDS),
    ("loop with a label", pointed_at(b"\1a" + pointer(44)), BACKWARDS),
    (
        "loop of two",
        answering(record(pointer(12), 65280, pointer(46) + pointer(44)), record(pointer(46), 1, bytes(4))),
        BACKWARDS,
    ),
    ("pointer forward from behind a pointer", pointed_at(pointer(50) + b"\1a\0"), BACKWARDS),
    ("pointer to the header from behind a pointer", pointed_at(b"\1a" + pointer(2)), BACKWARDS),
    ("label type 10 behind a pointer", pointed_at(b"\1a\xbf\0"), LABEL),
    ("label runs into the name that points to it", pointed_at(b"\5abcd"), OWN),
    ("label runs past the name that points to it", pointed_at(b"\x20a"), OWN),
    ("pointer half in the name that points to it", pointed_at(b"\xc0"), OWN),
    (
        # At 44: `a`, pointer; known once the second record is read. At 47, the second octet of that pointer: a label of
        # twelve octets and a pointer to 44.
        "pieces that overlap by an octet, one of them known",
        pointed_at(b"\1a" + pointer(12) + bytes(12) + pointer(44), record(pointer(47), t.A, bytes(4))),
        OWN,
    ),
    (
        "256 octets behind a pointer",
        message([question(TAIL)], [record(b"\0", 65280, b"\2aa" + pointer(12)), record(pointer(280), 1, bytes(4))]),
        LONG,
    ),
    (
        "257 octets behind a pointer",
        message([question(LONGEST)], [record(b"\0", 65280, b"\1a" + pointer(12)), record(pointer(282), 1, bytes(4))]),
        LONG,
    ),
    # In RDATA; the first begins at 44.
    ("RDATA: forward pointer", answering(record(pointer(12), t.NS, pointer(60)), A), BACKWARDS),
    ("RDATA: pointer to itself", answering(record(pointer(12), t.NS, pointer(44))), BACKWARDS),
    ("RDATA: second name points to itself", answering(record(pointer(12), t.MINFO, b"\0" + pointer(45))), BACKWARDS),
    ("RDATA: label type 01", answering(record(pointer(12), t.NS, b"\x40\0")), LABEL),
    ("RDATA: 256 octets", answering(record(pointer(12), t.NS, TOO_LONG)), LONG),
    ("RDATA: 256 octets, never compressed", answering(record(pointer(12), t.DNAME, TOO_LONG)), LONG),
    ("RDATA: compressed DNAME", answering(record(pointer(12), t.DNAME, pointer(16))), PLAIN_ONLY),
    ("RDATA: compressed KX", answering(record(pointer(12), t.KX, b"\0\0" + pointer(16))), PLAIN_ONLY),
    ("RDATA: compressed RRSIG", answering(record(pointer(12), t.RRSIG, SIG_HEAD + pointer(16) + b"sig")), PLAIN_ONLY),
    ("RDATA: compressed NSEC", answering(record(pointer(12), t.NSEC, pointer(16) + b"\0\1\x40")), PLAIN_ONLY),
    ("RDATA: compressed after a label", answering(record(pointer(12), t.NSEC, b"\1a" + pointer(16))), PLAIN_ONLY),
    ("RDATA: label type 01 in DNAME", answering(record(pointer(12), t.DNAME, b"\x40\0")), PLAIN_ONLY),
    # In the question, which nothing precedes.
    ("question: pointer to itself", message([question(pointer(12))]), BACKWARDS),
    ("question: pointer to the header", message([question(b"\1a" + pointer(0))]), BACKWARDS),
    ("question: label type 10", message([question(b"\x80\0")]), LABEL),
    ("question: 256 octets", message([question(TOO_LONG)]), LONG),
]


@pytest.mark.parametrize(("wire", "why"), [pytest.param(wire, why, id=what) for what, wire, why in REFUSED_NAMES])
def test_refused_names(wire: bytes, why: str) -> None:
    assert why_refused(wire) == why


def test_the_longest_names_are_not_refused() -> None:
    """The neighbours of what is refused for its length."""
    assert owners(answering(record(LONGEST, t.A, bytes(4)))) == [LONGEST]
    assert owners(message([question(LONGEST)], [record(pointer(12), t.A, bytes(4))])) == [LONGEST]
    assert owners(pointed_at(LONGEST)) == [WWW, LONGEST]
    records = [record(b"\0", 65280, b"\1a" + pointer(12)), record(pointer(280), t.A, bytes(4))]
    assert owners(message([question(TAIL)], records)) == [ROOT, b"\1a" + TAIL]
    assert only_rdata(t.DNAME, LONGEST) == LONGEST
    assert only_rdata(t.NS, LONGEST) == LONGEST


# --- lengths -----------------------------------------------------------------------------------------------------

NSEC3_HEAD = b"\1\0\0\0\0\1h"

REFUSED_RDATA = [
    (t.A, bytes(3), "address of a wrong length"),
    (t.A, bytes(5), "address of a wrong length"),
    (t.A, b"", "address of a wrong length"),
    (t.AAAA, bytes(15), "address of a wrong length"),
    (t.AAAA, bytes(17), "address of a wrong length"),
    (t.NS, name("a") + b"\0", "name does not fill its RDATA"),
    (t.CNAME, pointer(16) + b"\0", "name does not fill its RDATA"),
    (t.PTR, pointer(16) + pointer(16), "name does not fill its RDATA"),
    (t.SOA, pointer(16) + pointer(16) + bytes(19), LENGTH),
    (t.SOA, pointer(16) + pointer(16) + bytes(21), LENGTH),
    (t.MINFO, pointer(16) + pointer(16) + b"\0", LENGTH),
    (t.MX, b"\0\1" + pointer(16) + b"\0", LENGTH),
    (t.SRV, bytes(6) + name("a") + b"\0", LENGTH),
    (t.NAPTR, bytes(4) + b"\0\0\0" + name("a") + b"\0", LENGTH),
    (t.NAPTR, bytes(4) + b"\0\0\0", LENGTH),
    (t.NAPTR, bytes(4) + b"\0\x40", LENGTH),
    (t.DNAME, name("a") + b"\0", LENGTH),
    (t.KX, b"\0\1" + name("a") + b"\0", LENGTH),
    (t.NSEC, name("a") + b"\0", "malformed type bit maps"),
    (t.NSEC, name("a") + b"\0\0", "malformed type bit maps"),
    (t.NSEC, name("a") + b"\0\1\x40\0\1\x40", "malformed type bit maps"),
    (t.NSEC, name("a") + b"\0\x21" + bytes(33), "malformed type bit maps"),
    (t.NSEC3, NSEC3_HEAD[:-1], MALFORMED),
    (t.NSEC3, NSEC3_HEAD + b"\0", MALFORMED),
    (t.NSEC3, b"\1\0\0\0\0\0\0\1\x40", MALFORMED),
    (t.NSEC3PARAM, b"\1\0\0\0\1", MALFORMED),
    (t.DS, bytes(3), MALFORMED),
    (t.DNSKEY, bytes(3), MALFORMED),
    (t.TXT, b"", MALFORMED),
    (t.TXT, b"\2a", MALFORMED),
    (t.HINFO, b"\1a", MALFORMED),
]


@pytest.mark.parametrize(("rtype", "rdata", "why"), REFUSED_RDATA)
def test_refused_rdata(rtype: int, rdata: bytes, why: str) -> None:
    assert why_refused(answering(record(pointer(12), rtype, rdata), A)) == why


# RDATA, and where in it a name ends that RDLENGTH might cut.
WITH_NAMES = [(rtype, sent) for rtype, sent, _ in CANONICAL if rtype not in (t.TXT, t.DS, 65280)]


@pytest.mark.parametrize(("rtype", "rdata"), WITH_NAMES)
def test_names_must_not_leave_their_rdata(rtype: int, rdata: bytes) -> None:
    """RDLENGTH one less, with the octet still there: every type whose RDATA must end where it says."""
    open_ended = rtype in (t.SIG, t.RRSIG, t.NXT) and not rdata.endswith(b"\0")
    wire = answering(record(pointer(12), rtype, rdata, length=len(rdata) - 1))
    reasons = {LEAVES, LENGTH, "name does not fill its RDATA", "malformed type bit maps"}
    if open_ended:
        reasons = {"1 octets after the last record"}  # the signature, or bit map, is a shorter one
    assert why_refused(wire) in reasons
    with pytest.raises(FormError):
        read(answering(record(pointer(12), rtype, rdata, length=len(rdata) - 1), A))


@pytest.mark.parametrize("rtype", [rtype for rtype, _, _ in CANONICAL if rtype not in (t.TXT, t.DS, 65280)])
def test_rdata_of_no_octets_has_no_name(rtype: int) -> None:
    with pytest.raises(FormError):
        read(answering(record(pointer(12), rtype, b""), A, A))


@pytest.mark.parametrize("length", [1, 17, 255, 65535])
def test_record_longer_than_the_message(length: int) -> None:
    wire = answering(record(pointer(12), 65280, b"", length=length))
    assert why_refused(wire) == "record longer than the message"


def test_every_truncation_is_refused() -> None:
    """A message cut anywhere is not a message; what was readable of it comes with the error."""
    sig = SIG_HEAD + name("example.jp") + b"sig"
    wire = message(
        [question(WWW)],
        [record(pointer(12), t.A, bytes(4)), record(pointer(12), t.RRSIG, sig)],
        [record(pointer(16), t.NS, b"\1a" + pointer(16))],
        [record(name("a.example.com"), t.AAAA, bytes(16)), opt(option(10, bytes(8)))],
        flags=t.QR | t.TC,
    )
    whole = read(wire)
    assert len(whole.additional) == 1
    for size in range(len(wire)):
        with pytest.raises(FormError) as caught:
            read(wire[:size])
        partial = caught.value.message
        if size < 12:
            assert partial is None
        else:
            assert partial is not None
            assert partial.truncated
            assert partial.has_question == (size >= 32)
            if size >= 32:
                assert (partial.qname_raw, partial.qtype) == (WWW, t.A)


def test_counts_that_promise_more() -> None:
    for counts in ((1, 2, 0, 0), (1, 1, 1, 0), (1, 1, 0, 65535)):
        wire = struct.pack("!6H", HEADER_ID, t.QR, *counts) + question(WWW) + A
        assert why_refused(wire) == CUT


@pytest.mark.parametrize("trailing", [b"\0", b"\0\0", A])
def test_octets_after_the_last_record(trailing: bytes) -> None:
    assert why_refused(message([question(WWW)], [A], trailing=trailing)) == f"{len(trailing)} octets after the last record"
    assert "octets after" in why_refused(message([question(WWW)], trailing=trailing))


# --- question ----------------------------------------------------------------------------------------------------

READERS: list[Callable[[bytes], Message]] = [read, read_head]


@pytest.mark.parametrize("reader", READERS)
def test_two_questions(reader: Callable[[bytes], Message]) -> None:
    """RFC 9619 §4. The header is handed back, for the answer."""
    with pytest.raises(FormError, match="more than one question") as caught:
        reader(message([question(WWW), question(WWW)]))
    assert caught.value.message is not None
    assert not caught.value.message.has_question


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", range(12))
def test_shorter_than_a_header(reader: Callable[[bytes], Message], size: int) -> None:
    with pytest.raises(FormError, match="shorter than a header") as caught:
        reader(message([question(WWW)])[:size])
    assert caught.value.message is None


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", range(12, 32))
def test_question_cut_short(reader: Callable[[bytes], Message], size: int) -> None:
    with pytest.raises(FormError, match="question cut short") as caught:
        reader(message([question(WWW)])[:size])
    assert caught.value.message is not None
    assert caught.value.message.id == HEADER_ID
    assert not caught.value.message.has_question


def test_read_head_looks_no_further() -> None:
    m = read_head(message([question(name("WWW.jp"))], [b"\xff"], trailing=b"\xff"))
    assert (m.qname, m.qname_raw, m.qtype, m.has_question) == (name("www.jp"), name("WWW.jp"), t.A, True)
    assert m.answer == []


# --- OPT ---------------------------------------------------------------------------------------------------------

REFUSED_OPT = [
    ("two", message([question(WWW)], additionals=[opt(), opt()]), "more than one OPT"),
    ("in the answer", message([question(WWW)], [opt()]), "OPT outside the additional section"),
    ("in the authority", message([question(WWW)], [], [opt()]), "OPT outside the additional section"),
    ("owned by a name", message([question(WWW)], additionals=[opt(owner=pointer(12))]), "OPT not owned by the root"),
    ("option header cut", message([question(WWW)], additionals=[opt(b"\0\3\0")]), "EDNS option header cut short"),
    ("option too long", message([question(WWW)], additionals=[opt(b"\0\3\0\1")]), "EDNS option longer than the OPT record"),
]


@pytest.mark.parametrize(("wire", "why"), [pytest.param(wire, why, id=what) for what, wire, why in REFUSED_OPT])
def test_refused_opt(wire: bytes, why: str) -> None:
    """RFC 6891 §6.1.1."""
    assert why_refused(wire) == why


def test_opt_owned_by_a_pointer_to_the_root() -> None:
    assert read(message([question(WWW)], additionals=[opt(owner=pointer(27))])).edns is not None
