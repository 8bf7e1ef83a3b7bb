"""Which answers count (RFC 5452 §9.1, RFC 6891 §7), and what queries to servers look like."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from resolver.server.entropy import Entropy
from resolver.server.matching import Judgement, Sent, judge
from trust.vocabulary import Address, Ask
from wire.message import Message
from wire.text import name_from_text

SERVER = Address("192.0.2.53", 53)
NAME = name_from_text("www.example.jp")
MIXED = b"\x03wWw\x07eXAMple\x02Jp\x00"


def sent(**options) -> Sent:
    ask = Ask(SERVER, NAME, 1, b"\2jp\0", **options)
    mixed = ask.randomise_case
    return Sent(ask, b"\x12\x34", MIXED if mixed else NAME, 1232, exact=mixed)


def answer_to(query: Sent, *, ident=0x1234, text="www.example.jp. 300 A 192.0.2.1") -> dns.message.Message:
    response = dns.message.make_response(dns.message.from_wire(query.wire))
    response.id = ident
    if text:
        response.answer.append(
            dns.rrset.from_text_list(*text.split(" ")[:2], "IN", text.split(" ")[2], text.split(" ")[3:])
        )
    return response


def test_queries_carry_what_was_asked_for():
    read = dns.message.from_wire(sent().wire)
    assert (read.id, read.question[0].name.to_text(), read.question[0].rdtype) == (0x1234, "wWw.eXAMple.Jp.", 1)
    assert (read.edns, read.payload, read.ednsflags) == (0, 1232, dns.flags.DO)
    assert read.flags == dns.flags.CD
    plain = dns.message.from_wire(
        sent(edns=False, recursion_desired=True, checking_disabled=False, randomise_case=False).wire
    )
    assert plain.edns < 0
    assert plain.flags == dns.flags.RD
    assert plain.question[0].name.to_text() == "www.example.jp."
    assert [int(option.otype) for option in dns.message.from_wire(sent(nsid=True).wire).options] == [3]
    assert not dns.message.from_wire(sent().wire).options
    assert dns.message.from_wire(sent(edns=False, nsid=True).wire).edns < 0


def with_cookie(query: Sent, cookie: bytes) -> bytes:
    answer = answer_to(query)
    answer.use_edns(0, 0, 1232, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)])
    return answer.to_wire()


def test_a_cookie_must_be_for_us():
    # RFC 7873 §5.3
    query = sent(cookie=b"clientcc" + b"server-cookie!!!")
    assert dns.message.from_wire(query.wire).options[0].to_wire() == b"clientcc" + b"server-cookie!!!"
    assert isinstance(judge(query, with_cookie(query, b"clientcc" + b"another-cookie!!")), Message)
    assert isinstance(judge(query, answer_to(query).to_wire()), Message), "whether one was due is the asker's to know"
    assert ignored(query, with_cookie(query, b"clientdd" + b"server-cookie!!!"))
    assert isinstance(judge(sent(), with_cookie(sent(), b"clientdd" + b"server-cookie!!!")), Message), "none was sent"
    both = dns.message.from_wire(sent(nsid=True, cookie=b"clientcc").wire).options
    assert [int(option.otype) for option in both] == [3, 10]
    assert not dns.message.from_wire(sent(edns=False, cookie=b"clientcc").wire).options


def test_no_more_octets_than_we_can_take():
    query = sent()
    query.room = 40
    wire = answer_to(query).to_wire()
    assert len(wire) > 40
    found = judge(query, wire)
    assert isinstance(found, tuple) and found[0] is Judgement.OVERSIZE
    query.room = len(wire)
    assert isinstance(judge(query, wire), Message)


def test_another_id_afterwards():
    query = sent()
    query.rename(b"\x56\x78")
    assert dns.message.from_wire(query.wire).id == 0x5678
    assert isinstance(judge(query, answer_to(query, ident=0x5678).to_wire()), Message)
    assert ignored(query, answer_to(query, ident=0x1234).to_wire())


def test_the_answer():
    query = sent()
    found = judge(query, answer_to(query).to_wire())
    assert isinstance(found, Message)
    assert found.answer[0].name == NAME


def ignored(query: Sent, wire: bytes) -> bool:
    found = judge(query, wire)
    return not isinstance(found, Message) and found[0] is Judgement.IGNORE


def test_what_does_not_match_is_ignored():
    query = sent()
    assert ignored(query, answer_to(query, ident=0x1235).to_wire()), "another ID"
    assert ignored(query, query.wire), "our own query"
    assert ignored(query, b""), "nothing"
    assert ignored(query, query.ident + b"\x84\x00"), "no header"
    for name, rtype in (("other.example.jp", "A"), ("wWw.eXAMple.Jp", "AAAA")):
        other = dns.message.make_query(name, rtype, id=0x1234)
        assert ignored(query, dns.message.make_response(other).to_wire())
    chaos = dns.message.make_response(dns.message.make_query("wWw.eXAMple.Jp", "A", "CH", id=0x1234))
    assert ignored(query, chaos.to_wire())
    notify = answer_to(query)
    notify.set_opcode(4)
    assert ignored(query, notify.to_wire()), "a response to another kind of request"


def test_the_case_must_come_back():
    query = sent()
    lower = answer_to(sent(randomise_case=False)).to_wire()
    found = judge(query, lower)
    assert not isinstance(found, Message)
    assert found[0] is Judgement.CASE
    assert isinstance(judge(sent(randomise_case=False), lower), Message)
    # Without 0x20 a server may answer in any case.
    assert isinstance(judge(sent(randomise_case=False), answer_to(query).to_wire()), Message)


def test_malformed_with_the_right_id():
    query = sent()
    found = judge(query, answer_to(query).to_wire()[:-2])
    assert not isinstance(found, Message)
    assert found[0] is Judgement.MALFORMED
    assert found[1]


@pytest.mark.parametrize("cut", range(1, 14))
def test_truncated_in_the_middle_of_a_record_is_truncated(cut):
    query = sent()
    response = answer_to(query)
    response.flags |= dns.flags.TC
    found = judge(query, response.to_wire()[:-cut])
    assert isinstance(found, Message)
    assert found.truncated
    assert not found.answer


def test_truncated_and_of_another_question_is_not_believed():
    query = sent()
    other = dns.message.make_response(dns.message.make_query("other.example.jp", "A", id=0x1234))
    other.flags |= dns.flags.TC
    assert ignored(query, other.to_wire())
    found = judge(query, other.to_wire() + b"x")
    assert not isinstance(found, Message)


@pytest.mark.parametrize(
    ("rcode", "taken"), [("FORMERR", True), ("NOTIMP", True), ("REFUSED", True), ("NOERROR", False), ("NXDOMAIN", False)]
)
def test_errors_without_a_question(rcode, taken):
    query = sent()
    response = dns.message.Message(id=0x1234)
    response.flags = dns.flags.QR
    response.set_rcode(dns.rcode.from_text(rcode))
    found = judge(query, response.to_wire())
    assert isinstance(found, Message) == taken


def test_mixed_case_flips_letters_only_and_every_letter():
    entropy = Entropy()
    name = name_from_text("abcdefghijklmnopqrstuvwxyz-0123456789.@[`{.example")
    seen: set[bytes] = set()
    for _ in range(400):
        mixed = entropy.mixed_case(name)
        assert mixed.lower() == name
        seen.add(mixed)
    assert len(seen) > 390
    for position, octet in enumerate(name):
        variants = {mixed[position] for mixed in seen}
        is_letter = octet in b"abcdefghijklmnopqrstuvwxyz"
        assert variants == ({octet, octet - 32} if is_letter else {octet})


def test_entropy_is_not_handed_out_twice():
    entropy = Entropy()
    pieces = [entropy.octets(100) for _ in range(500)]
    assert len(set(pieces)) == 500
    idents = {entropy.ident() for _ in range(5000)}
    assert len(idents) > 4500
