"""Brief replies: the same as what a reply made by reading says, never long, and never an exception."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.protect.brief import brief
from resolver.server.respond import Identity, refuse
from resolver.server.screen import CLIENT
from tests.resolver.server.queries import as_read, make_query
from trust.vocabulary import Transport
from wire import types as t

EDE_18 = b"\0\x0f\0\2\0\x12"


@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize("do", [False, True])
@pytest.mark.parametrize("rd", [False, True])
@pytest.mark.parametrize("cd", [False, True])
@pytest.mark.parametrize("opcode", [dns.opcode.QUERY, dns.opcode.NOTIFY])
def test_refused_is_what_the_service_would_say(edns, do, rd, cd, opcode):
    query = make_query("WwW.example.jp", "AAAA", edns=edns, do=do, rd=rd, cd=cd, ad=True)
    query.set_opcode(opcode)
    said = refuse(as_read(query), CLIENT, Transport.UDP, Identity(b"", 1232))
    assert brief(query.to_wire(), t.REFUSED, 1232, EDE_18) == said


def test_truncated():
    query = make_query(do=True)
    reply = dns.message.from_wire(brief(query.to_wire(), t.NOERROR, 1232, truncated=True))
    assert reply.flags & dns.flags.TC
    assert (reply.id, reply.question, reply.rcode()) == (query.id, query.question, 0)
    assert not reply.answer
    assert reply.ednsflags & dns.flags.DO


def test_an_extended_rcode():
    query = make_query(edns=True)
    reply = dns.message.from_wire(brief(query.to_wire(), t.BADCOOKIE, 1232, b"\0\x0a\0\x18" + bytes(24)))
    assert reply.rcode() == dns.rcode.BADCOOKIE
    assert [(int(option.otype), option.to_wire()) for option in reply.options] == [(10, bytes(24))]


def test_what_deserves_none():
    wire = make_query().to_wire()
    assert brief(wire, 5, 1232) is not None
    response = bytearray(wire)
    response[2] |= 0x80
    two = bytearray(wire)
    two[5] = 2
    pointer = wire[:12] + b"\xc0\x0c" + wire[-4:]
    long = wire[:12] + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\x3f" + b"a" * 63 + b"\0\0\1\0\1"
    for packet in (
        b"",
        wire[:11],
        wire[:12],
        wire[:-1],
        bytes(response),
        bytes(two),
        pointer,
        long,
        wire[:12] + b"\x3f" * 9,
    ):
        assert brief(packet, 5, 1232) is None


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda tail: b"\0\0\1\0\0\1\0\0\0\0\0\1" + tail)))
def test_garbage_in_at_most_a_little_more_out(packet):
    reply = brief(packet, t.REFUSED, 1232, EDE_18)
    if reply is not None:
        assert len(reply) <= len(packet) + 6
        assert reply[2] & 0x80
        dns.message.from_wire(reply)
