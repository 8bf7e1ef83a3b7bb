"""The wire side of a server: EDNS, truncation, errors, rubbish; without sockets."""

import random
import struct
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import pytest
from dns.message import Message

import lab.internet
from lab.authority import Authority
from lab.internet import Internet
from lab.keys import KeyStore
from lab.responder import MAX_UDP_SIZE, Responder
from lab.zones import Spec

PEER = "192.0.2.99"


@pytest.fixture(scope="module")
def responder(net: Internet) -> Responder:
    origins = [dns.name.from_text(text) for text in ("example.jp.", "sub.example.jp.")]
    return Responder("ns1.example.jp.", "127.0.0.9", {origin: Authority(net.zones[origin]) for origin in origins}, {})


@pytest.fixture(scope="module")
def rsa_responder(net: Internet) -> Responder:
    """A zone with signatures of 256 octets."""
    origin = dns.name.from_text("valid.faults.jp.")
    return Responder("ns1.valid.faults.jp.", "127.0.0.9", {origin: Authority(net.zones[origin])}, {})


def _query(name: str = "www.example.jp.", rdtype: str = "A", **options: object) -> Message:
    return dns.message.make_query(name, rdtype, flags=0, **options)


def _ask(responder: Responder, query: Message, *, tcp: bool = False) -> Message:
    wire = responder.respond(query.to_wire(), PEER, tcp=tcp)
    assert wire is not None
    return dns.message.from_wire(wire)


class TestEdns:
    def test_no_opt_without_opt(self, responder: Responder) -> None:
        response = _ask(responder, _query())
        assert response.edns == -1
        assert not any(r.rdtype.name == "RRSIG" for r in response.answer)

    def test_do_brings_signatures_and_is_echoed(self, responder: Responder) -> None:
        response = _ask(responder, _query(want_dnssec=True))
        assert response.ednsflags & dns.flags.DO
        assert {r.rdtype.name for r in response.answer} == {"A", "RRSIG"}
        assert response.payload == MAX_UDP_SIZE
        without = _ask(responder, _query(use_edns=0))
        assert (without.edns, without.ednsflags & dns.flags.DO) == (0, 0)

    def test_badvers(self, responder: Responder) -> None:
        # RFC 6891 §6.1.3
        response = _ask(responder, _query(use_edns=1))
        assert response.rcode() == dns.rcode.BADVERS
        assert response.edns == 0
        assert not response.answer

    def test_nsid_on_request_only(self, responder: Responder) -> None:
        query = _query(use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")])
        response = _ask(responder, query)
        assert [o.nsid for o in response.options] == [b"ns1.example.jp"]
        assert not _ask(responder, _query(use_edns=0)).options

    def test_unknown_options_are_ignored(self, responder: Responder) -> None:
        query = _query(use_edns=0, options=[dns.edns.GenericOption(65001, b"abc"), dns.edns.GenericOption(10, b"8bytes!!")])
        assert _ask(responder, query).rcode() == dns.rcode.NOERROR


class TestSize:
    @pytest.mark.parametrize(("edns", "payload"), [(-1, 0), (0, 512), (0, 100), (0, 1232), (0, 65535)])
    def test_udp_answers_fit_and_say_so_when_they_do_not(self, responder: Responder, edns: int, payload: int) -> None:
        query = (
            _query("long.example.jp.", "TXT", use_edns=edns, payload=payload)
            if edns >= 0
            else _query("long.example.jp.", "TXT")
        )
        wire = responder.respond(query.to_wire(), PEER, tcp=False)
        assert wire is not None
        response = dns.message.from_wire(wire)
        limit = max(512, min(payload, MAX_UDP_SIZE)) if edns >= 0 else 512
        assert len(wire) <= limit
        assert response.flags & dns.flags.TC
        assert not response.answer

    def test_tcp_answers_are_whole(self, responder: Responder) -> None:
        response = _ask(responder, _query("long.example.jp.", "TXT"), tcp=True)
        assert not response.flags & dns.flags.TC
        assert len(response.answer[0][0].strings) == 12

    def test_size_between(self, rsa_responder: Responder) -> None:
        """An answer over 512 octets: truncated for a client that says 512, whole for one that says 1232."""
        small = _ask(rsa_responder, _query("valid.faults.jp.", "DNSKEY", want_dnssec=True, payload=512))
        large = _ask(rsa_responder, _query("valid.faults.jp.", "DNSKEY", want_dnssec=True, payload=1232))
        assert small.flags & dns.flags.TC
        assert not large.flags & dns.flags.TC
        assert [r.rdtype.name for r in large.answer] == ["DNSKEY", "RRSIG"]

    def test_optional_addresses_are_left_out_before_truncating(self, rsa_responder: Responder) -> None:
        whole = _ask(rsa_responder, _query("valid.faults.jp.", "NS", want_dnssec=True, payload=1232))
        lean = _ask(rsa_responder, _query("valid.faults.jp.", "NS", want_dnssec=True, payload=512))
        assert {r.rdtype.name for r in whole.additional} == {"A", "RRSIG"}
        assert not lean.additional
        assert not lean.flags & dns.flags.TC
        assert lean.answer == whole.answer

    def test_glue_is_not_left_out(self, keys: KeyStore) -> None:
        # RFC 9471 §3: thirteen servers of which not all addresses fit into 512 octets.
        hosts = {f"{chr(97 + i) * 20}.nic.jp.": (9, i) for i in range(13)}
        specs = [Spec(".", ("a.root-servers.net.",)), Spec("jp.", tuple(hosts))]
        net = lab.internet.build(time.time(), specs=specs, hosts={"a.root-servers.net.": (0, 1)} | hosts, keys=keys)
        responder = Responder("a.root-servers.net.", "127.0.0.9", {dns.name.root: Authority(net.zones[dns.name.root])}, {})
        whole = _ask(responder, _query("jp.", use_edns=0, payload=1232))
        cut_off = _ask(responder, _query("jp."))
        assert len(whole.additional) == 13
        assert cut_off.flags & dns.flags.TC


class TestErrors:
    def test_zones_not_served_are_refused(self, responder: Responder) -> None:
        for name in ("example.com.", "jp.", "."):
            response = _ask(responder, _query(name))
            assert response.rcode() == dns.rcode.REFUSED
            assert not response.flags & dns.flags.AA

    def test_transfers_and_other_classes_are_refused(self, responder: Responder) -> None:
        assert _ask(responder, _query("example.jp.", "AXFR")).rcode() == dns.rcode.REFUSED
        assert _ask(responder, _query("version.bind.", "TXT", rdclass="CH")).rcode() == dns.rcode.REFUSED

    @pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
    def test_other_opcodes_are_not_implemented(self, responder: Responder, opcode: int) -> None:
        wire = struct.pack("!HHHHHH", 77, opcode << 11, 0, 0, 0, 0)
        response = responder.respond(wire, PEER, tcp=False)
        assert response is not None
        assert struct.unpack("!HHHHHH", response) == (77, 0x8000 | opcode << 11 | dns.rcode.NOTIMP, 0, 0, 0, 0)

    @pytest.mark.parametrize(
        "change",
        [
            lambda w: w[:4] + b"\0\2" + w[6:],  # two questions announced
            lambda w: w[:4] + b"\0\0" + w[6:],  # none
            lambda w: w[:6] + b"\0\1" + w[8:],  # an answer announced
            lambda w: w[:10] + b"\0\1" + w[12:],  # an additional record announced that is not there
            lambda w: w + b"rubbish",
            lambda w: w[:-1],
            lambda w: w[:-3],
            lambda w: w[:12] + b"\xc0\x0c" + w[-4:],  # compression pointer
            lambda w: w[:12] + b"\x40" + w[13:],  # label type 01
            lambda w: w[:12] + (b"\x3f" + b"x" * 63) * 4 + b"\0" + w[-4:],  # a name of 257 octets
        ],
    )
    def test_formerr(self, responder: Responder, change: object) -> None:
        wire = change(_query().to_wire())  # type: ignore[operator]
        response = responder.respond(wire, PEER, tcp=False)
        assert response is not None
        assert len(response) == 12
        assert response[:2] == wire[:2]
        assert response[3] & 0xF == dns.rcode.FORMERR
        assert response[2] & 0x80

    def test_formerr_for_a_second_opt(self, responder: Responder) -> None:
        wire = _query(use_edns=0).to_wire()
        opt = wire[-11:]
        doubled = wire[:10] + b"\0\2" + wire[12:] + opt
        response = responder.respond(doubled, PEER, tcp=False)
        assert response is not None
        assert response[3] & 0xF == dns.rcode.FORMERR

    def test_responses_and_scraps_are_not_answered(self, responder: Responder) -> None:
        query = _query()
        query.flags |= dns.flags.QR
        assert responder.respond(query.to_wire(), PEER, tcp=False) is None
        for length in range(12):
            assert responder.respond(_query().to_wire()[:length], PEER, tcp=False) is None

    def test_noise_does_no_harm(self, responder: Responder) -> None:
        source = random.Random(5310)
        base = _query(want_dnssec=True).to_wire()
        for _ in range(3000):
            wire = bytearray(base)
            for _ in range(source.randint(1, 6)):
                wire[source.randrange(len(wire))] = source.randrange(256)
            response = responder.respond(bytes(wire), PEER, tcp=False)
            if response is not None:
                assert response[:2] == wire[:2]
                dns.message.from_wire(response)


class TestEcho:
    def test_spelling_of_the_question_is_kept(self, responder: Responder) -> None:
        # 0x20: the same kept answer must serve every spelling.
        for name in ("wWw.ExAmPlE.jP.", "WWW.EXAMPLE.JP.", "www.example.jp."):
            query = _query(name, want_dnssec=True)
            response = _ask(responder, query)
            assert response.question[0].name.to_text() == name
            assert {r.name.to_text() for r in response.answer} == {name}
            assert response.id == query.id

    def test_rd_is_copied_and_nothing_else(self, responder: Responder) -> None:
        query = _query()
        query.flags = dns.flags.RD | dns.flags.CD | dns.flags.AD
        response = _ask(responder, query)
        assert response.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD
        assert query.is_response(response)
