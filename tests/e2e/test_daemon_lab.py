"""The daemon on the lab's mini-Internet, as a client sees it: every fault of the catalogue, and what `dig` would show.

Servers (in a thread), daemon (a process) and client meet on loopback, on free ports.
"""

import concurrent.futures
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE
from lab.internet import Internet
from tests.conftest import require_binary
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.66"


@pytest.fixture(scope="module")
def net() -> Internet:
    return lab.internet.build(time.time(), prefix=PREFIX)


@pytest.fixture(scope="module")
def settings(net, tmp_path_factory) -> Iterator[list[str]]:
    """What makes a daemon use the mini-Internet."""
    directory = tmp_path_factory.mktemp("lab")
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor())
    with lab.server.running(net) as server:
        yield [
            f"upstream.root-hints={directory / 'hints'}",
            f"trust.anchors={directory / 'anchor'}",
            f"upstream.port={server.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            "upstream.prime=true",
            "server.nsid=under-test",
        ]


def start(settings: list[str], *more: str, **options: Any) -> Daemon:
    daemon = Daemon(*settings, *more, **options)
    daemon.wait_for("ready")
    return daemon


@pytest.fixture(scope="module")
def daemon(settings) -> Iterator[Daemon]:
    with start(settings) as running:
        yield running
        assert running.stop() == 0
        assert not [line for line in running.lines if line["event"] == "internal-error"]
        assert not running.other


def make(name, rtype="A", *, do=True, ad=False, cd=False, edns=True, payload=1232, options=None):
    flags = dns.flags.RD | (dns.flags.AD if ad else 0) | (dns.flags.CD if cd else 0)
    query = dns.message.make_query(name, rtype, flags=flags)
    if edns:
        query.use_edns(0, dns.flags.DO if do else 0, payload, options=options)
    return query


def ask(daemon, name, rtype="A", *, tcp=False, **bits):
    query = make(name, rtype, **bits)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, *daemon.addresses[0][:1], port=daemon.port, timeout=LIMIT_S)


def said(response):
    """RCODE, AD and EDE codes."""
    return (
        dns.rcode.to_text(response.rcode()),
        bool(response.flags & dns.flags.AD),
        {int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)},
    )


def types(response):
    return {dns.rdatatype.to_text(rrset.rdtype) for rrset in response.answer}


# --- the fault catalogue -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=list(CATALOGUE))
def test_fault(daemon, fault):
    expect = fault.expect
    for tcp in (False, True):
        rcode, ad, codes = said(ask(daemon, fault.question, tcp=tcp))
        assert (rcode, ad) == (expect.rcode, expect.ad)
        assert codes & set(expect.ede) or (not expect.ede and not codes)
    # Without EDNS there is room for neither reason nor AD, but the RCODE is the same.
    plain = ask(daemon, fault.question, edns=False)
    assert said(plain) == (expect.rcode, False, set())
    # AD=1 asks for AD without asking for signatures.
    assert said(ask(daemon, fault.question, edns=False, ad=True))[:2] == (expect.rcode, expect.ad)
    unchecked = ask(daemon, fault.question, cd=True)
    assert not unchecked.flags & dns.flags.AD
    assert unchecked.flags & dns.flags.CD
    if expect.rcode == "SERVFAIL" and 22 not in expect.ede:
        # The authority answers: whoever checks for himself gets what it said.
        assert unchecked.rcode() != dns.rcode.SERVFAIL
    assert ask(daemon, fault.question).flags & dns.flags.RA


def test_sha1_validates_when_configured(settings):
    with start(settings, 'trust.sha1="validate"') as daemon:
        for fault in CATALOGUE.values():
            if fault.expect_if_sha1_validates is not None:
                expect = fault.expect_if_sha1_validates
                rcode, ad, codes = said(ask(daemon, fault.question))
                assert (rcode, ad) == (expect.rcode, expect.ad), fault.name
                assert codes & set(expect.ede) or not expect.ede
        assert daemon.stop() == 0


def test_a_negative_trust_anchor_of_the_configuration(settings):
    with start(settings, "trust.nta.static=rrsig-exp-all.faults.jp") as daemon:
        assert said(ask(daemon, "rrsig-exp-all.faults.jp")) == ("NOERROR", False, {33})
        assert said(ask(daemon, "rrsig-no-all.faults.jp"))[0] == "SERVFAIL"
        assert daemon.stop() == 0


def test_every_failure_is_logged_once(settings):
    broken = ["rrsig-exp-all.faults.jp", "ds-bad-tag.faults.jp", "no-dnskey.faults.jp"]
    with start(settings) as daemon:
        for _ in range(3):
            for name in broken:
                for bits in ({}, {"do": False}, {"edns": False}):
                    assert ask(daemon, name, **bits).rcode() == dns.rcode.SERVFAIL
        assert daemon.stop() == 0
        lines = [line for line in daemon.lines if line["event"] == "validation-failure"]
        assert [line["name"] for line in lines] == broken
        assert [line["ede"][0] for line in lines] == [7, 9, 9]
        assert all(line["text"] and line["servers"][0].startswith(PREFIX) for line in lines)


# --- ordinary names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["www.example.jp", "www.example.com", "exact.wild.example.jp", "any.wild.example.jp"])
def test_secure(daemon, name):
    response = ask(daemon, name)
    assert said(response) == ("NOERROR", True, set())
    assert types(response) == {"A", "RRSIG"}
    without = ask(daemon, name, do=False)
    assert said(without) == ("NOERROR", False, set())
    assert types(without) == {"A"}
    assert not without.authority
    asked = ask(daemon, name, do=False, ad=True)
    assert said(asked) == ("NOERROR", True, set())
    assert types(asked) == {"A"}


def test_insecure(daemon):
    assert said(ask(daemon, "www.unsigned.jp")) == ("NOERROR", False, set())


@pytest.mark.parametrize(
    ("name", "ad"), [("short.example.jp", True), ("alias.example.jp", True), ("to-unsigned.example.jp", False)]
)
def test_aliases_are_as_secure_as_their_weakest_link(daemon, name, ad):
    response = ask(daemon, name)
    assert said(response)[:2] == ("NOERROR", ad)
    assert {"CNAME", "A"} <= types(response)


def test_a_name_that_does_not_exist(daemon):
    response = ask(daemon, "nothing-here.example.jp")
    assert said(response) == ("NXDOMAIN", True, set())
    authority = {dns.rdatatype.to_text(rrset.rdtype) for rrset in response.authority}
    assert {"SOA", "RRSIG"} < authority
    assert authority & {"NSEC", "NSEC3"}
    without = ask(daemon, "nothing-here.example.jp", do=False)
    assert [rrset.rdtype for rrset in without.authority] == [dns.rdatatype.SOA]


def test_a_type_that_does_not_exist(daemon):
    response = ask(daemon, "www.example.jp", "LOC")
    assert said(response) == ("NOERROR", True, set())
    assert not response.answer


def test_names_keep_the_clients_case(daemon):
    response = ask(daemon, "wWw.ExamPLE.jP")
    assert response.question[0].name.to_text() == "wWw.ExamPLE.jP."
    assert response.answer[0].name.to_text() == "wWw.ExamPLE.jP."


def test_dnskey_and_ds_by_name(daemon):
    for rtype in ("DNSKEY", "DS"):
        assert types(ask(daemon, "example.jp", rtype, do=False)) == {rtype}
        response = ask(daemon, "example.jp", rtype)
        assert said(response)[:2] == ("NOERROR", True)


def test_what_does_not_fit_is_truncated_and_whole_over_tcp(daemon):
    small = ask(daemon, "example.jp", "DNSKEY", payload=512)
    whole = ask(daemon, "example.jp", "DNSKEY", tcp=True)
    assert len(whole.to_wire()) > 300
    for payload in (512, 700, 1232):
        response = ask(daemon, ".", "DNSKEY", payload=payload)
        assert len(response.to_wire()) <= payload
        assert bool(response.flags & dns.flags.TC) == (not response.answer)
    assert small.question == whole.question


def test_ttls_count_down(daemon):
    first = ask(daemon, "www.example.jp", "AAAA")
    deadline = time.monotonic() + LIMIT_S
    while (again := ask(daemon, "www.example.jp", "AAAA")).answer[0].ttl == first.answer[0].ttl:
        assert time.monotonic() < deadline
    assert again.answer[0].ttl == first.answer[0].ttl - 1


def test_nsid_and_who_answers(daemon):
    response = ask(daemon, "www.example.jp", options=[dns.edns.GenericOption(dns.edns.NSID, b"")])
    assert [option.to_wire() for option in response.options] == [b"under-test"]
    query = dns.message.make_query("id.server", "TXT", "CH")
    answer = dns.query.udp(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)
    assert answer.answer[0][0].strings == (b"under-test",)


@pytest.mark.parametrize(
    ("rtype", "rcode", "ede"), [("AXFR", "REFUSED", 30), ("MAILB", "NOTIMP", 21), ("NXNAME", "FORMERR", 30)]
)
def test_types_that_are_not_resolved(daemon, rtype, rcode, ede):
    number = 128 if rtype == "NXNAME" else dns.rdatatype.from_text(rtype)
    wire = bytearray(make("example.jp", "A").to_wire())
    at = wire.index(b"\x02jp\x00") + 4
    wire[at : at + 2] = number.to_bytes(2, "big")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LIMIT_S)
        sock.sendto(wire, ("127.0.0.1", daemon.port))
        response = dns.message.from_wire(sock.recv(4096), ignore_trailing=False)
    assert said(response) == (rcode, False, {ede})


def test_recursion_must_be_desired(daemon):
    ask(daemon, "www.example.jp")
    query = make("www.example.jp")
    query.flags &= ~dns.flags.RD
    response = dns.query.udp(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)
    assert said(response) == ("REFUSED", False, {20})
    assert not response.answer


def test_strangers_are_refused(settings):
    with start(settings, "access.allow=127.0.0.2/32") as daemon:
        query = make("www.example.jp")
        for source, rcode in (("127.0.0.1", "REFUSED"), ("127.0.0.2", "NOERROR"), ("127.0.0.1", "REFUSED")):
            response = dns.query.udp(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S, source=source)
            assert dns.rcode.to_text(response.rcode()) == rcode
            assert ({int(o.code) for o in response.options} == {18}) == (rcode == "REFUSED")
        assert daemon.stop() == 0


# --- many at once ----------------------------------------------------------------------------------------------------


def test_pipelined_over_one_connection(daemon):
    """RFC 7766 §6.2.1.1: many questions on one connection, each with its answer, in whatever order."""
    names = [fault.question for fault in CATALOGUE.values()]
    queries = {number: make(name) for number, name in enumerate(names, 1)}
    with socket.create_connection(("127.0.0.1", daemon.port), LIMIT_S) as sock:
        sock.settimeout(LIMIT_S)
        stream = sock.makefile("rwb")
        for number, query in queries.items():
            query.id = number
            wire = query.to_wire()
            stream.write(struct.pack("!H", len(wire)) + wire)
        stream.flush()
        answered = {}
        while len(answered) < len(queries):
            (length,) = struct.unpack("!H", stream.read(2))
            response = dns.message.from_wire(stream.read(length))
            answered[response.id] = response
        stream.close()
    for number, fault in enumerate(CATALOGUE.values(), 1):
        assert answered[number].question == queries[number].question
        assert said(answered[number])[:2] == (fault.expect.rcode, fault.expect.ad)


def test_a_cold_cache_and_all_questions_at_once(settings):
    """Every fault, asked together of a daemon that knows nothing: shared work, and no verdict spills over."""
    with start(settings) as daemon, concurrent.futures.ThreadPoolExecutor(16) as pool:
        faults = list(CATALOGUE.values()) * 2
        responses = list(pool.map(lambda fault: ask(daemon, fault.question), faults))
        for fault, response in zip(faults, responses, strict=True):
            assert said(response)[:2] == (fault.expect.rcode, fault.expect.ad), fault.name
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events()


@pytest.mark.parametrize(
    "option", ["upstream.minimise=off", "upstream.minimise=strict", "upstream.randomise-case=false", "upstream.prime=false"]
)
def test_other_ways_to_ask_give_the_same_answers(settings, option):
    chosen = [s for s in settings if not s.startswith(option.partition("=")[0])]
    with start(chosen, option) as daemon:
        for name, rcode, ad in (
            ("www.example.jp", "NOERROR", True),
            ("nothing-here.example.com", "NXDOMAIN", True),
            ("www.unsigned.jp", "NOERROR", False),
            ("rrsig-no-a.faults.jp", "SERVFAIL", False),
        ):
            assert said(ask(daemon, name))[:2] == (rcode, ad)
        assert daemon.stop() == 0


@pytest.mark.parametrize("monotonic", ["faked", "true"])
def test_the_clock_is_read_anew(settings, tmp_path, monotonic):
    """The clock jumps by a month while the daemon runs: signatures that held have expired, and the text says when."""
    require_binary("faketime")
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("libfaketime.so.1 is not where Debian puts it")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1" if monotonic == "true" else "0",
    }
    with start(settings, environment=environment) as daemon:
        assert said(ask(daemon, "www.example.jp")) == ("NOERROR", True, set())
        clock.write_text("+30d")
        # Another zone, so that nothing of it is in the cache yet.
        rcode, ad, codes = said(ask(daemon, "valid.faults.jp"))
        assert (rcode, ad, 7 in codes) == ("SERVFAIL", False, True)
        clock.write_text("+0")
        assert said(ask(daemon, "rsasha256.faults.jp"))[0] in ("NOERROR", "SERVFAIL")
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events()


def test_several_workers(settings):
    with start(settings, "server.workers=2") as daemon:
        for _ in range(10):
            assert said(ask(daemon, "www.example.jp")) == ("NOERROR", True, set())
            rcode, ad, codes = said(ask(daemon, "rrsig-exp-a.faults.jp", tcp=True))
            assert (rcode, ad, 7 in codes) == ("SERVFAIL", False, True)
        assert daemon.stop() == 0
