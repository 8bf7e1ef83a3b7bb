"""Every Extended DNS Error that the daemon gives (DESIGN §4), a test for each: the code, its place, what its text names.

3 and 19 (stale answers) and 14 (not ready) are in test_availability.py, 4, 15, 16 and 17 are with response policy; the
whole table without sockets is tests/resolver/test_ede_rows.py.
"""

import contextlib
import re
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE, Expectation, Fault
from lab.internet import Internet
from tests.e2e.odd_server import PASS, garbles, odd_server, refuses, serve_at
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.87"
CASES = (
    "bad-rrsig-ksk",
    "bad-rrsig-dnskey",
    "ds-bad-tag",
    "ds-unassigned-digest-algo",
    "ds-unassigned-key-algo",
    "ecdsap256sha256",
    "ed25519",
    "no-dnskey-256",
    "no-zsk",
    "nsec3-iter-151",
    "nsec3-missing",
    "nsec3-rrsig-missing",
    "rrsig-exp-a",
    "rrsig-exp-before-a",
    "rrsig-no-a",
    "rrsig-not-yet-a",
    "rsasha256",
    "rsasha512",
    "servfail",
    "silent",
)
GARBLED, MIXED, KEYLESS = "rsasha256.faults.jp.", "rsasha512.faults.jp.", "ed25519.faults.jp."
DEAD = f"{PREFIX}.250.9"
ODD = {GARBLED: f"{PREFIX}.250.1", MIXED: f"{PREFIX}.250.2", KEYLESS: f"{PREFIX}.250.3"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
Errors = list[tuple[int, str]]


def keyless(query: dns.message.Message, _tcp: bool) -> bytes | dns.message.Message:
    """Serves its zone, save that nobody gets its keys."""
    return refuses(query, False) if query.question[0].rdtype == dns.rdatatype.DNSKEY else PASS


RULES = {GARBLED: garbles, MIXED: refuses, KEYLESS: keyless}


@pytest.fixture(scope="module")
def net() -> Internet:
    net = lab.internet.build(time.time(), prefix=PREFIX, faults=[CATALOGUE[case] for case in CASES])
    for zone, addresses in (
        (GARBLED, [ODD[GARBLED]]),
        (MIXED, [ODD[MIXED], DEAD, "192.168.7.7"]),
        (KEYLESS, [ODD[KEYLESS]]),
    ):
        fault = Fault("odd", "served by an odd server", Expectation("SERVFAIL"), parent=serve_at(*addresses))
        net.apply(dns.name.from_text(zone), fault, int(time.time()))
    return net


@pytest.fixture(scope="module")
def daemon(net, tmp_path_factory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("ede")
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor() + net.anchor(dns.name.from_text(KEYLESS)))
    real = {zone: net.addresses[dns.name.from_text(f"ns1.{zone}")] for zone in ODD}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(lab.server.running(net)).port
        for zone, rule in RULES.items():
            stack.enter_context(odd_server(ODD[zone], port, real[zone], rule))
        daemon = stack.enter_context(
            Daemon(
                f"upstream.root-hints={directory / 'hints'}",
                f"trust.anchors={directory / 'anchor'}",
                f"upstream.port={port}",
                "upstream.ipv6=false",
                "upstream.allow-loopback=true",
                "access.allow=127.0.0.1/32",
                "trust.nta.static=bad-rrsig-dnskey.faults.jp",
            )
        )
        daemon.wait_for("ready")
        yield daemon
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events()


def ask(daemon: Daemon, name: str, rtype: str = "A", *, tcp: bool = False, source: str | None = None, **bits: int):
    query = dns.message.make_query(name, rtype, want_dnssec=True, payload=1232)
    query.flags = (query.flags | bits.get("on", 0)) & ~bits.get("off", 0)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S, source=source)


def errors_in(response: dns.message.Message, rcode: str = "SERVFAIL") -> Errors:
    assert dns.rcode.to_text(response.rcode()) == rcode
    errors = [(int(option.code), option.text or "") for option in response.options]  # type: ignore[attr-defined]
    assert all(text.isascii() and len(text) <= 220 for _, text in errors)
    assert len({code for code, _ in errors}) == len(errors), "one option a code"
    return errors


def errors(daemon: Daemon, name: str, rtype: str = "A", rcode: str = "SERVFAIL", **how: int) -> Errors:
    return errors_in(ask(daemon, name, rtype, **how), rcode)


def server_of(net: Internet, zone: str) -> str:
    return net.addresses[dns.name.from_text(f"ns1.{zone}.")]


# --- insecure, and answered ------------------------------------------------------------------------------------------


def test_1_unsupported_algorithm(daemon: Daemon) -> None:
    ((code, text),) = errors(daemon, "ds-unassigned-key-algo.faults.jp", rcode="NOERROR")
    assert (code, text) == (1, "unsupported DNSKEY algorithm 100 of ds-unassigned-key-algo.faults.jp")


def test_2_unsupported_digest(daemon: Daemon) -> None:
    ((code, text),) = errors(daemon, "ds-unassigned-digest-algo.faults.jp", rcode="NOERROR")
    assert (code, text) == (2, "unsupported DS digest 100 of ds-unassigned-digest-algo.faults.jp")


def test_27_too_many_iterations(daemon: Daemon) -> None:
    ((code, text),) = errors(daemon, "nonexistent.nsec3-iter-151.faults.jp", rcode="NXDOMAIN")
    assert (code, text) == (27, "NSEC3 of nsec3-iter-151.faults.jp with 151 iterations, over 50")


def test_29_synthesised(daemon: Daemon) -> None:
    assert errors(daemon, "zzzz1.example.jp", rcode="NXDOMAIN") == []
    ((code, text),) = errors(daemon, "zzzz2.example.jp", rcode="NXDOMAIN")
    assert (code, text) == (29, "from cached denials of example.jp")


def test_33_negative_trust_anchor(daemon: Daemon) -> None:
    ((code, text),) = errors(daemon, "bad-rrsig-dnskey.faults.jp", rcode="NOERROR")
    assert code == 33
    assert text.startswith("NTA for bad-rrsig-dnskey.faults.jp")


# --- bogus -----------------------------------------------------------------------------------------------------------


def test_5_the_trust_points_keys_cannot_be_had(daemon: Daemon) -> None:
    """The zone is a trust point of its own and gives nobody its keys: nothing can be said of it."""
    codes = errors(daemon, KEYLESS)
    assert [code for code, _ in codes] == [5, 22]
    assert "ed25519.faults.jp/DNSKEY" in codes[0][1]
    assert f"{ODD[KEYLESS]} REFUSED" in codes[1][1]


def test_6_signature_does_not_verify(daemon: Daemon, net: Internet) -> None:
    ((code, text),) = errors(daemon, "bad-rrsig-ksk.faults.jp")
    tag = net.plans[dns.name.from_text("bad-rrsig-ksk.faults.jp.")].ksk.tag
    server = server_of(net, "bad-rrsig-ksk.faults.jp")
    assert (code, text) == (6, f"signature does not verify for bad-rrsig-ksk.faults.jp/DNSKEY by key {tag} at {server}")


@pytest.mark.parametrize(
    ("code", "case", "words"),
    [
        (7, "rrsig-exp-a", f"signature expired {TIME} for"),
        (8, "rrsig-not-yet-a", f"signature not valid before {TIME} for"),
        (25, "rrsig-exp-before-a", f"signature expires before its inception {TIME} for"),
    ],
)
def test_7_8_25_signatures_out_of_their_time(daemon: Daemon, net: Internet, code: int, case: str, words: str) -> None:
    ((found, text),) = errors(daemon, f"{case}.faults.jp")
    tag = net.plans[dns.name.from_text(f"{case}.faults.jp.")].zsk.tag
    assert found == code
    assert re.fullmatch(rf"{words} {case}\.faults\.jp/A by key {tag} at {server_of(net, f'{case}.faults.jp')}", text)


def test_9_no_key_matches_the_ds(daemon: Daemon) -> None:
    ((code, text),) = errors(daemon, "ds-bad-tag.faults.jp")
    assert code == 9
    assert re.search(r"no DNSKEY of ds-bad-tag\.faults\.jp matches the DS \(key \d+\)", text)


def test_9_and_6_the_signing_key_is_missing(daemon: Daemon, net: Internet) -> None:
    first, second = errors(daemon, "no-zsk.faults.jp")
    assert (first[0], second) == (9, (6, ""))
    tag = net.plans[dns.name.from_text("no-zsk.faults.jp.")].zsk.tag
    assert f"no key with tag {tag} and algorithm 8" in first[1]


def test_10_no_signature(daemon: Daemon, net: Internet) -> None:
    server = server_of(net, "rrsig-no-a.faults.jp")
    assert errors(daemon, "rrsig-no-a.faults.jp") == [(10, f"no signature over rrsig-no-a.faults.jp/A at {server}")]


def test_10_and_12_no_signature_over_the_denial(daemon: Daemon) -> None:
    first, second = errors(daemon, "nonexistent.nsec3-rrsig-missing.faults.jp")
    assert (first[0], second[0]) == (10, 12)
    assert "/NSEC3" in first[1]
    assert "nsec3-rrsig-missing.faults.jp" in second[1]


def test_11_no_zone_key_bit(daemon: Daemon) -> None:
    ((code, text),) = errors(daemon, "no-dnskey-256.faults.jp")
    assert code == 11
    assert re.search(r"no zone-key bit in key \d+, which signs no-dnskey-256\.faults\.jp/A", text)


def test_12_no_proof_of_the_denial(daemon: Daemon, net: Internet) -> None:
    name = "nonexistent.nsec3-missing.faults.jp"
    server = server_of(net, "nsec3-missing.faults.jp")
    text = f"no usable NSEC or NSEC3 of nsec3-missing.faults.jp for {name}/A at {server}"
    assert errors(daemon, name) == [(12, text)]


# --- from a cache ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [False, True], ids=["packet cache", "answer and failure cache"])
@pytest.mark.parametrize("case", ["rrsig-exp-a", "rrsig-no-a", "no-zsk", "servfail"])
def test_13_the_original_codes_stay(daemon: Daemon, case: str, tcp: bool) -> None:
    # A name of its own: nobody has asked for it before.
    name = f"{case}.faults.jp" if tcp else f"www.{case}.faults.jp"
    if case in ("rrsig-exp-a", "rrsig-no-a"):
        name = f"{case}.faults.jp"  # only this set is broken
    ask(daemon, name, tcp=tcp)
    again = errors(daemon, name, tcp=tcp)
    for _ in range(2):
        assert errors(daemon, name, tcp=tcp) == again
    *original, last = again
    assert last[0] == 13
    assert original
    assert original[0][0] == {"rrsig-exp-a": 7, "rrsig-no-a": 10, "no-zsk": 9, "servfail": 22}[case]
    assert original[0][1]


def test_13_is_not_said_of_what_is_fresh(daemon: Daemon) -> None:
    assert [code for code, _ in errors(daemon, "fresh.servfail.faults.jp")] == [22]
    assert [code for code, _ in errors(daemon, "fresh.servfail.faults.jp")] == [22, 13]


# --- no answer from upstream -----------------------------------------------------------------------------------------


def test_22_each_server_and_what_it_did(daemon: Daemon) -> None:
    codes = dict(errors(daemon, MIXED))
    assert set(codes) == {22, 23}
    for words in (f"{ODD[MIXED]} REFUSED", f"{DEAD} unreachable", "192.168.7.7 not queried: private address"):
        assert words in codes[22]
    assert DEAD in codes[23]
    assert "REFUSED" not in codes[23]


def test_23_silence(daemon: Daemon, net: Internet) -> None:
    codes = errors(daemon, "silent.faults.jp")
    assert [code for code, _ in codes] == [22, 23]
    assert all(text == f"{server_of(net, 'silent.faults.jp')} timed out for silent.faults.jp/A" for _, text in codes)


def test_24_malformed_data(daemon: Daemon) -> None:
    codes = errors(daemon, GARBLED)
    assert [code for code, _ in codes] == [24, 22]
    assert f"{ODD[GARBLED]} malformed answer" in codes[0][1]
    assert "rsasha256.faults.jp/A" in codes[0][1]


# --- refusals --------------------------------------------------------------------------------------------------------


def test_18_client_not_served(daemon: Daemon) -> None:
    response = ask(daemon, "www.example.jp", source="127.0.0.2")
    assert errors_in(response, "REFUSED") == [(18, "")]


def test_20_recursion_not_desired(daemon: Daemon) -> None:
    assert errors(daemon, "www.example.jp", rcode="REFUSED", off=dns.flags.RD) == [(20, "recursion not desired")]


def test_21_opcode_and_obsolete_types(daemon: Daemon) -> None:
    assert errors(daemon, "www.example.jp", "MAILB", rcode="NOTIMP") == [(21, "query type not supported")]
    status = ask(daemon, "www.example.jp", on=2 << 11)
    assert errors_in(status, "NOTIMP") == [(21, "only QUERY is supported")]


@pytest.mark.parametrize(("rtype", "rcode"), [("IXFR", "REFUSED"), ("TYPE128", "FORMERR"), ("OPT", "FORMERR")])
def test_30_types_that_are_not_asked(daemon: Daemon, rtype: str, rcode: str) -> None:
    ((code, text),) = errors(daemon, "www.example.jp", rtype, rcode=rcode)
    assert code == 30
    assert text
