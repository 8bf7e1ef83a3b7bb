"""What clients get: every combination of what they set with every kind of resolution, read back by dnspython.

RFC 4035 §3.2, RFC 6840 §5.7-5.9, RFC 3225 §3, RFC 6891 §6-7, RFC 8914, RFC 5001, RFC 7828, RFC 2181 §9.
"""

import itertools

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from resolver.server.respond import Identity, refuse, respond, say_who, truncated
from resolver.server.screen import CLIENT, FORM, Refusal
from tests.resolver.server.queries import DENIAL, NOW, ZONE, as_read, ede_codes, make_query, resolution, types_in
from trust.vocabulary import Security, Transport

IDENTITY = Identity(b"tokyo-1", idle_timeout_s=10.0)
BOOL = (False, True)

KINDS = {
    "answer": {"answer": ZONE},
    "nodata": {"answer": "", "authority": DENIAL},
    "name error": {"answer": "", "authority": DENIAL, "rcode": 3},
}


def answered(query, found, transport=Transport.UDP, mono=NOW, identity=IDENTITY):
    """The response, having checked what holds for all of them."""
    wire = respond(as_read(query), found, mono, transport, identity)
    response = dns.message.from_wire(wire)
    assert response.id == query.id
    assert response.question == query.question
    assert response.flags & dns.flags.QR
    assert response.flags & dns.flags.RA
    for bit in (dns.flags.RD, dns.flags.CD):
        assert response.flags & bit == query.flags & bit
    assert response.ednsflags & dns.flags.DO == query.ednsflags & dns.flags.DO
    assert (response.edns >= 0) == (query.edns >= 0), "OPT exactly when the client sent OPT"
    assert not response.additional
    return response


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("security", Security)
@pytest.mark.parametrize("transport", Transport)
def test_flags_data_and_rcode(kind, security, transport):
    truth = KINDS[kind]
    servfail = security in (Security.BOGUS, Security.INDETERMINATE)
    own_rcode = truth.get("rcode", 0)
    for edns, do, ad, cd in itertools.product(BOOL, repeat=4):
        if do and not edns:
            continue
        found = resolution(
            truth.get("answer", ""),
            truth.get("authority", ""),
            rcode=2 if servfail else own_rcode,
            bogus_rcode=own_rcode,
            security=security,
            errors=[(6, "made up")] if servfail else [],
        )
        query = make_query(edns=edns, do=do, ad=ad, cd=cd)
        response = answered(query, found, transport)
        fails = servfail and not (cd and security is Security.BOGUS)
        assert response.rcode() == (dns.rcode.SERVFAIL if fails else own_rcode)
        assert bool(response.flags & dns.flags.AD) == (security is Security.SECURE and not cd and (do or ad))
        assert not response.flags & dns.flags.AA
        assert not response.flags & dns.flags.TC
        assert ede_codes(response) == ([6] if servfail and edns else [])
        if fails:
            assert not response.answer
            assert not response.authority
            continue
        answer = {"A", "RRSIG"} if do else {"A"}
        authority = {"SOA", "NSEC", "RRSIG"} if do else {"SOA"}
        assert types_in(response.answer) == (answer if kind == "answer" else set())
        assert types_in(response.authority) == (set() if kind == "answer" else authority)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_checked_is_given_as_it_is(kind):
    """Resolved with CD, an answer is INDETERMINATE, and its RCODE is the authority's."""
    truth = KINDS[kind]
    found = resolution(
        truth.get("answer", ""),
        truth.get("authority", ""),
        rcode=truth.get("rcode", 0),
        security=Security.INDETERMINATE,
    )
    response = answered(make_query(do=True, cd=True, ad=True), found)
    assert response.rcode() == truth.get("rcode", 0)
    assert not response.flags & dns.flags.AD
    assert bool(response.answer) == (kind == "answer")


def test_ttls_age_and_never_grow():
    for elapsed, expected in ((0.0, 300), (0.4, 300), (1.0, 299), (299.0, 1), (299.9, 0), (400.0, 0)):
        response = answered(make_query(), resolution(), mono=NOW + elapsed)
        assert response.answer[0].ttl == expected


def test_dnssec_types_are_given_without_do_when_asked_for():
    nsec = "example.jp. 600 NSEC z.example.jp. A NS SOA RRSIG NSEC DNSKEY\n"
    for rtype, text in (("NSEC", nsec), ("DS", "example.jp. 600 DS 1 8 2 " + "00" * 32 + "\n")):
        found = resolution(text, question=("example.jp", int(dns.rdatatype.from_text(rtype))))
        response = answered(make_query("example.jp", rtype), found)
        assert types_in(response.answer) == {rtype}


def test_signatures_asked_for_by_type_are_given_without_do():
    text = "www.example.jp. 300 RRSIG A 13 3 300 20300101000000 20200101000000 12345 example.jp. c2lnbmF0dXJl\n"
    response = answered(make_query(rtype="RRSIG"), resolution(text, question=("www.example.jp", 46)))
    assert types_in(response.answer) == {"RRSIG"}


def test_a_question_for_any_keeps_its_one_answer_without_do():
    text = 'www.example.jp. 300 HINFO RFC8482 ""\n'
    response = answered(make_query(rtype="ANY"), resolution(text, question=("www.example.jp", 255)))
    assert types_in(response.answer) == {"HINFO"}
    nsec = "www.example.jp. 300 NSEC z.example.jp. A\n"
    assert types_in(answered(make_query(rtype="ANY"), resolution(nsec)).answer) == {"NSEC"}


def test_the_clients_case_comes_back_even_in_owner_names():
    query = make_query("wWw.eXaMpLe.JP")
    wire = respond(as_read(query), resolution(), NOW, Transport.UDP, IDENTITY)
    assert b"\x03wWw\x07eXaMpLe\x02JP\x00" in wire
    assert dns.message.from_wire(wire).answer[0].name.to_text() == "wWw.eXaMpLe.JP."


def test_authoritative_only_for_local_names():
    assert answered_flags(resolution(authoritative=True, security=Security.INSECURE)) & dns.flags.AA


def answered_flags(found):
    return dns.message.from_wire(respond(as_read(make_query()), found, NOW, Transport.UDP, IDENTITY)).flags


# --- EDNS options ------------------------------------------------------------------------------------------------


def test_errors_are_told_in_order_with_their_texts():
    found = resolution("", rcode=2, security=Security.BOGUS, errors=[(7, "expired"), (22, ""), (6, "no")])
    response = answered(make_query(edns=True), found)
    told = [(int(option.code), option.text) for option in response.options]
    assert told == [(7, "expired"), (22, None), (6, "no")]


def test_nsid_only_when_asked():
    plain = answered(make_query(edns=True), resolution())
    assert not plain.options
    asked = answered(make_query(options=[dns.edns.GenericOption(dns.edns.NSID, b"")]), resolution())
    assert [(option.otype, option.to_wire()) for option in asked.options] == [(dns.edns.NSID, b"tokyo-1")]


@pytest.mark.parametrize("transport", Transport)
def test_keepalive_over_tcp_only(transport):
    query = make_query(options=[dns.edns.GenericOption(11, b"")])
    told = [option.to_wire() for option in answered(query, resolution(), transport).options]
    assert told == ([b"\0\x64"] if transport is Transport.TCP else [])
    silent = Identity(b"", idle_timeout_s=None)
    assert not answered(query, resolution(), transport, identity=silent).options


def test_unknown_options_are_ignored():
    query = make_query(options=[dns.edns.GenericOption(65001, b"x"), dns.edns.GenericOption(10, bytes(8))])
    assert not answered(query, resolution()).options


# --- sizes -------------------------------------------------------------------------------------------------------


def big(records: int) -> str:
    return "".join(f"www.example.jp. 300 TXT {'x' * 100}{number}\n" for number in range(records))


@pytest.mark.parametrize(
    ("payload", "limit", "size"),
    [(None, 1232, 512), (100, 1232, 512), (512, 1232, 512), (800, 1232, 800), (4096, 1232, 1232), (4096, 1000, 1000)],
)
def test_udp_size_is_the_least_of_what_both_sides_take(payload, limit, size):
    identity = Identity(b"", max_udp_size=limit)
    query = make_query(rtype="TXT", edns=payload is not None, payload=payload or 0)
    fits = cut = 0
    for records in range(1, 12):
        found = resolution(big(records), question=("www.example.jp", 16))
        wire = respond(as_read(query), found, NOW, Transport.UDP, identity)
        whole = len(respond(as_read(query), found, NOW, Transport.TCP, identity))
        response = dns.message.from_wire(wire)
        assert len(wire) <= size
        if whole <= size:
            fits += 1
            assert len(wire) == whole
            assert not response.flags & dns.flags.TC
        else:
            cut += 1
            assert response.flags & dns.flags.TC
            assert not response.answer, "an RRset goes whole or not at all (RFC 2181 §9)"
    assert fits
    assert cut


def test_texts_of_errors_give_way_to_data():
    errors = [(1, "a" * 200), (22, "b" * 200), (23, "c" * 200)]
    found = resolution(big(3), question=("www.example.jp", 16), security=Security.INSECURE, errors=errors)
    response = answered(make_query(rtype="TXT", edns=True, payload=512), found)
    assert not response.flags & dns.flags.TC
    assert len(response.answer[0]) == 3
    assert ede_codes(response) == [1, 22, 23]


def test_errors_alone_never_exceed_the_size():
    errors = [(code, "x" * 220) for code in range(1, 30)]
    found = resolution("", rcode=2, security=Security.BOGUS, errors=errors)
    wire = respond(as_read(make_query(edns=True, payload=512)), found, NOW, Transport.UDP, IDENTITY)
    assert len(wire) <= 512
    assert ede_codes(dns.message.from_wire(wire))[0] == 1


def test_truncated_keeps_header_and_question():
    query = make_query(do=True)
    whole = respond(as_read(query), resolution(), NOW, Transport.UDP, IDENTITY)
    short = dns.message.from_wire(truncated(whole))
    assert short.flags & dns.flags.TC
    assert short.question == query.question
    assert short.id == query.id
    assert not short.answer


# --- without resolution ------------------------------------------------------------------------------------------


def test_refusals():
    query = make_query(do=True)
    response = dns.message.from_wire(refuse(as_read(query), CLIENT, Transport.UDP, IDENTITY))
    assert response.rcode() == dns.rcode.REFUSED
    assert ede_codes(response) == [18]
    assert response.question == query.question
    assert response.ednsflags & dns.flags.DO
    without = dns.message.from_wire(refuse(as_read(make_query()), CLIENT, Transport.UDP, IDENTITY))
    assert without.edns < 0
    malformed = dns.message.from_wire(refuse(as_read(make_query()), FORM, Transport.UDP, IDENTITY))
    assert malformed.rcode() == dns.rcode.FORMERR


def test_badvers_needs_the_extended_bits():
    response = dns.message.from_wire(refuse(as_read(make_query(edns=True)), Refusal(16), Transport.UDP, IDENTITY))
    assert response.rcode() == dns.rcode.BADVERS
    assert response.edns == 0


def test_who_answers():
    query = make_query("ID.server", "TXT", rclass="CH")
    response = dns.message.from_wire(say_who(as_read(query), Transport.UDP, IDENTITY))
    assert response.rcode() == dns.rcode.NOERROR
    assert response.answer[0][0].to_text() == '"tokyo-1"'
    assert response.question == query.question
