"""Which queries are refused, and with what: RFC 1035, 6891, 6895, 8914, 9619, 9824, 4892."""

import dns.message
import dns.opcode
import dns.rdatatype
import dns.update
import pytest

from resolver.server.screen import asks_who, is_query, screen, unreadable
from tests.resolver.server.queries import as_read, make_query
from wire.reader import FormError, read

NOERROR, FORMERR, NOTIMP, REFUSED, BADVERS = 0, 1, 4, 5, 16


def verdict(query):
    refusal = screen(as_read(query))
    return None if refusal is None else (refusal.rcode, [code for code, _ in refusal.errors])


def test_ordinary_questions_pass():
    for rtype in ("A", "AAAA", "ANY", "DNSKEY", "RRSIG", "NSEC", "HTTPS", "TYPE65280"):
        assert verdict(make_query(rtype=rtype)) is None
        assert verdict(make_query(rtype=rtype, do=True, cd=True, ad=True)) is None


@pytest.mark.parametrize(
    ("rtype", "expected"),
    [
        ("AXFR", (REFUSED, [30])),
        ("IXFR", (REFUSED, [30])),
        ("MAILA", (NOTIMP, [21])),
        ("MAILB", (NOTIMP, [21])),
        ("TSIG", (FORMERR, [30])),
        ("TKEY", (FORMERR, [30])),
        ("OPT", (FORMERR, [30])),
        ("TYPE128", (FORMERR, [30])),
        ("TYPE200", (FORMERR, [30])),
        ("TYPE0", (FORMERR, [30])),
    ],
)
def test_types_that_are_no_data(rtype, expected):
    query = make_query()
    wire = bytearray(query.to_wire())
    wire[-4:-2] = dns.rdatatype.from_text(rtype).to_bytes(2, "big")
    refusal = screen(read(bytes(wire)))
    assert refusal is not None
    assert (refusal.rcode, [code for code, _ in refusal.errors]) == expected


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_other_opcodes(opcode):
    query = make_query()
    query.set_opcode(opcode)
    assert verdict(query) == (NOTIMP, [21])


def test_an_update_is_not_implemented_however_it_is_read():
    update = dns.update.UpdateMessage("example.jp")
    update.add("www", 300, "A", "192.0.2.1")
    assert screen(read(update.to_wire())).rcode == NOTIMP


@pytest.mark.parametrize(("rclass", "expected"), [("HS", REFUSED), ("ANY", REFUSED), ("NONE", REFUSED), ("CH", REFUSED)])
def test_other_classes(rclass, expected):
    assert verdict(make_query(rclass=rclass)) == (expected, [])


@pytest.mark.parametrize("name", ["id.server", "hostname.bind", "HostName.BIND"])
def test_who_answers_may_be_asked(name):
    query = make_query(name, "TXT", rclass="CH", rd=False)
    assert verdict(query) is None
    assert asks_who(as_read(query))


@pytest.mark.parametrize(("name", "rtype"), [("version.bind", "TXT"), ("version.server", "TXT"), ("id.server", "A")])
def test_nothing_else_in_class_ch(name, rtype):
    assert verdict(make_query(name, rtype, rclass="CH")) == (REFUSED, [])


def test_recursion_must_be_desired():
    assert verdict(make_query(rd=False)) == (REFUSED, [20])


def test_edns_versions():
    query = make_query(edns=True)
    query.use_edns(1)
    assert verdict(query) == (BADVERS, [])


def test_no_question_is_a_format_error():
    assert verdict(dns.message.QueryMessage()) == (FORMERR, [])


@pytest.mark.parametrize("length", range(12))
def test_shorter_than_a_header_is_no_query(length):
    assert not is_query(make_query().to_wire()[:length])


def test_responses_are_no_queries():
    wire = bytearray(make_query().to_wire())
    assert is_query(bytes(wire))
    wire[2] |= 0x80
    assert not is_query(bytes(wire))


def refused(wire):
    with pytest.raises(FormError) as caught:
        read(wire)
    return unreadable(wire, caught.value)


def test_what_cannot_be_read_keeps_its_id_and_question():
    whole = make_query("www.example.jp", edns=True, ident=4711).to_wire()
    query, refusal = refused(whole + b"x")
    assert query.id == 4711
    assert query.qname_raw == b"\3www\7example\2jp\0"
    assert refusal.rcode == FORMERR
    assert query.edns is None
    query, refusal = refused(whole[:20])
    assert (query.id, query.has_question, refusal.rcode) == (4711, False, FORMERR)


def test_two_questions_are_a_format_error():
    wire = bytearray(make_query().to_wire())
    wire[5] = 2
    query, refusal = refused(bytes(wire) + bytes(wire[12:]))
    assert refusal.rcode == FORMERR
    assert not query.has_question


def test_an_unknown_opcode_may_have_any_format():
    wire = bytearray(make_query().to_wire())
    wire[2] |= 6 << 3
    _, refusal = refused(bytes(wire) + b"more")
    assert refusal.rcode == NOTIMP
