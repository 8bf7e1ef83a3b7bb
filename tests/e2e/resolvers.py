"""Resolvers as processes: our own daemon and Unbound, on a lab's mini-Internet, with what they answer made comparable."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

import lab.internet
import lab.server

START_TIMEOUT_S = 20.0

UNBOUND_ALONE = """
server:
  interface: 127.0.0.1
  port: {port}
  do-ip6: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  logfile: "{directory}/unbound.log"
  num-threads: 1
  do-not-query-localhost: no
remote-control:
  control-enable: no
server:
"""
"""Unbound as nothing but a resolver on loopback; further lines of `server:` may follow."""

UNBOUND = (
    UNBOUND_ALONE
    + """\
  root-hints: "{hints}"
  trust-anchor-file: "{anchor}"
  module-config: "{modules}"
  ede: yes
  qname-minimisation: yes
  unblock-lan-zones: yes
"""
)


@dataclass(frozen=True)
class Said:
    """What a client sees of an answer, without order, TTLs and letter case."""

    rcode: str
    ad: bool
    answer: frozenset[tuple[str, str, str]]
    ede: tuple[int, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.rcode}{' AD' if self.ad else ''}{f' EDE {self.ede}' if self.ede else ''}"]
        return "\n    ".join(lines + [" ".join(record)[:100] for record in sorted(self.answer)])


@dataclass(frozen=True)
class Resolver:
    """A running resolver."""

    name: str
    port: int

    def ask(self, name: str, rtype: str, *, flags: int = 0, dnssec: bool = True, timeout_s: float = 11.0) -> Said:
        query = dns.message.make_query(name, rtype, want_dnssec=dnssec, use_edns=0 if not dnssec else None)
        query.flags |= flags
        try:
            response, _ = dns.query.udp_with_fallback(query, "127.0.0.1", timeout=timeout_s, port=self.port)
        except dns.exception.Timeout:
            return Said("no answer", False, frozenset())
        return said(response)


def said(response: dns.message.Message) -> Said:
    """A message made comparable."""
    answer = frozenset(
        (
            rrset.name.to_text().lower(),
            _type_of(rrset),
            rdata.to_digestable(dns.name.root).hex(),
        )
        for rrset in response.answer
        for rdata in rrset
    )
    ede = tuple(sorted(int(o.code) for o in response.options if isinstance(o, dns.edns.EDEOption)))
    return Said(dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD), answer, ede)


def _type_of(rrset: dns.rrset.RRset) -> str:
    text = dns.rdatatype.to_text(rrset.rdtype)
    return f"{text} over {dns.rdatatype.to_text(rrset.covers)}" if rrset.covers else text


@contextlib.contextmanager
def mini_internet(directory: Path, prefix: str) -> Iterator[list[str]]:
    """The lab's mini-Internet, served here; gives the settings that make a daemon use it."""
    net = lab.internet.build(time.time(), prefix=prefix)
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor())
    with lab.server.running(net) as server:
        yield [
            f'upstream.root-hints="{directory / "hints"}"',
            f'trust.anchors="{directory / "anchor"}"',
            f"upstream.port={server.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
        ]


def free_port() -> int:
    """A port of 127.0.0.1 that is free for UDP and TCP now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port


@contextlib.contextmanager
def process(
    command: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block."""
    with log.open("ab") as stream:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=dict(os.environ) | dict(environment or {})
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)


@contextlib.contextmanager
def akashi(
    config: Path,
    directory: Path,
    *settings: str,
    environment: Mapping[str, str] | None = None,
    probe: str = "localhost",
    port: int | None = None,
) -> Iterator[Resolver]:
    """Our daemon with this configuration, on a port of its own."""
    resolver = Resolver("akashi", free_port() if port is None else port)
    state = directory / f"state-{resolver.port}"
    state.mkdir()
    overrides = [
        f'server.listen=["127.0.0.1:{resolver.port}"]',
        "server.workers=1",
        f'trust.state-dir="{state}"',
        *settings,
    ]
    command = [sys.executable, "-m", "resolver", "serve", "-c", str(config)]
    for override in overrides:
        command += ["--set", override]
    log = directory / "akashi.log"
    with process(command, log, environment) as child:
        _wait(resolver, child, log, probe)
        yield resolver


@contextlib.contextmanager
def unbound(program: str, directory: Path, hints: Path, anchor: Path, *, validating: bool = True) -> Iterator[Resolver]:
    """Unbound, on a port of its own."""
    resolver = Resolver("unbound", free_port())
    config = directory / "unbound.conf"
    modules = "validator iterator" if validating else "iterator"
    config.write_text(UNBOUND.format(port=resolver.port, directory=directory, hints=hints, anchor=anchor, modules=modules))
    log = directory / "unbound.log"
    with process([program, "-d", "-c", str(config)], log) as child:
        _wait(resolver, child, log, "localhost")
        yield resolver


def _wait(resolver: Resolver, child: "subprocess.Popen[bytes]", log: Path, probe: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if resolver.ask(probe, "A", timeout_s=0.3).rcode != "no answer":
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(
        f"{resolver.name} does not answer: {log.read_text(errors='replace') if log.exists() else 'no log'}"
    )
