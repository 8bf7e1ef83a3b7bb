"""The daemon while authorities fail: expired data, and the word that it is not ready. Authorities are the lab's."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.server
from lab.internet import Internet
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.88"
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def net() -> Internet:
    return lab.internet.build(time.time(), prefix=PREFIX, faults=[])


@contextlib.contextmanager
def serving(net: Internet, directory: Path, port: int, *settings: str) -> Iterator[Daemon]:
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor())
    with Daemon(
        f"upstream.root-hints={directory / 'hints'}",
        f"trust.anchors={directory / 'anchor'}",
        f"upstream.port={port}",
        "upstream.ipv6=false",
        "upstream.allow-loopback=true",
        *settings,
    ) as daemon:
        daemon.wait_for("ready")
        yield daemon
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events()


def ask(daemon: Daemon, name: str, *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, "A", want_dnssec=True, payload=1232)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)


def codes(response: dns.message.Message) -> list[int]:
    return [int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)]


def expired(daemon: Daemon, name: str) -> dns.message.Message:
    """The first answer with an Extended DNS Error: until then the fresh data lives."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        response = ask(daemon, name)
        if codes(response):
            return response
        assert (response.rcode() != dns.rcode.SERVFAIL, time.monotonic() < deadline) == (True, True)


def test_expired_data_while_nobody_answers(net: Internet, tmp_path: Path) -> None:
    port = lab.server.free_port(f"{PREFIX}.0.1")
    settings = (
        "cache.serve-stale=true",
        "cache.max-ttl=1",
        "cache.max-negative-ttl=1",
        "cache.stale-client-timeout=300ms",
        "cache.aggressive-nsec=false",
    )
    with serving(net, tmp_path, port, *settings) as daemon:
        with lab.server.running(net, port=port):
            for name in ("www.example.jp", "www.unsigned.jp"):
                assert ask(daemon, name).rcode() == dns.rcode.NOERROR
            fresh = ask(daemon, "www.example.jp")
            assert codes(fresh) == []
            assert ask(daemon, "none.example.jp").rcode() == dns.rcode.NXDOMAIN
        # Nobody answers from now on. What is remembered runs out within a second.
        stale = expired(daemon, "www.example.jp")
        assert codes(stale)[0] == 3
        assert 22 in codes(stale)
        assert stale.rcode() == dns.rcode.NOERROR
        assert stale.flags & dns.flags.AD
        assert [(rrset.name, rrset.rdtype) for rrset in stale.answer] == [(r.name, r.rdtype) for r in fresh.answer]
        assert 25 <= stale.answer[0].ttl <= 30
        over_tcp = ask(daemon, "www.example.jp", tcp=True)
        assert codes(over_tcp)[0] == 3
        insecure = expired(daemon, "www.unsigned.jp")
        assert (codes(insecure)[0], bool(insecure.flags & dns.flags.AD)) == (3, False)
        # Without a fresh answer there is nothing to say of a name never seen.
        assert ask(daemon, "alias.example.jp").rcode() == dns.rcode.SERVFAIL
        denied = expired(daemon, "none.example.jp")
        assert (denied.rcode(), codes(denied)[0]) == (dns.rcode.NXDOMAIN, 19)


def test_a_resolver_that_has_reached_nobody_yet_says_so(net: Internet, tmp_path: Path) -> None:
    port = lab.server.free_port(f"{PREFIX}.0.1")
    with serving(net, tmp_path, port) as daemon:
        response = ask(daemon, "www.example.jp")
        assert response.rcode() == dns.rcode.SERVFAIL
        assert {14, 22} <= set(codes(response))


def test_a_client_waits_no_longer_than_its_patience(net: Internet, tmp_path: Path) -> None:
    """Servers that take queries and say nothing: the answer comes from memory while the resolution still waits."""
    port = lab.server.free_port(f"{PREFIX}.0.1")
    settings = ("cache.serve-stale=true", "cache.max-ttl=1", "cache.stale-client-timeout=200ms")
    with serving(net, tmp_path, port, *settings) as daemon:
        with lab.server.running(net, port=port):
            assert ask(daemon, "www.example.jp").rcode() == dns.rcode.NOERROR
        with contextlib.ExitStack() as deaf:
            for server in net.servers():
                sock = deaf.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sock.bind((server.address, port))
            stale = expired(daemon, "www.example.jp")
            texts = {int(option.code): option.text for option in stale.options if isinstance(option, dns.edns.EDEOption)}
            assert texts[22] == "not resolved within 0.2 s"
            assert 3 in texts
            assert stale.flags & dns.flags.AD
