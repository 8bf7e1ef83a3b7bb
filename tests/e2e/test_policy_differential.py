"""The same policy zones and questions for us, BIND and Unbound: what clients get is compared, record by record."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest

import lab.internet
import lab.server
from tests.e2e.policy_peers import bind, unbound, write_zones
from tests.e2e.resolvers import Resolver, Said, akashi

PREFIX = "127.97"

CONFIG = """
[upstream]
root-hints = "hints"
port = {port}
allow-loopback = true
ipv6 = false
[trust]
anchors = "anchor"
[metrics]
listen = ""
[control]
socket = ""
"""
FIRST = """
bad.example.jp                      CNAME .
www.unsigned.jp                     CNAME .
*.wild.unsigned.jp                  CNAME *.
exempt.wild.unsigned.jp             CNAME rpz-passthru.
deep.wild.unsigned.jp               A 192.0.2.200
www.sub.example.jp                  A 192.0.2.201
www.sub.example.jp                  A 192.0.2.202
www.sub.example.jp                  TXT "blocked here"
www.insecure.example.jp             CNAME www.example.net.
*.example.co.jp                     CNAME *.example.com.
host.under.example.co.jp            CNAME .
mail.example.jp                     CNAME rpz-tcp-only.
chain3.example.jp                   CNAME www.example.net.
32.131.113.0.203.rpz-ip             CNAME .
24.0.113.0.203.rpz-ip               CNAME *.
32.80.113.0.203.rpz-ip              CNAME rpz-passthru.
128.131.zz.3.db8.2001.rpz-ip        A 192.0.2.203
32.90.2.0.192.rpz-ip                CNAME www.example.com.
"""
SECOND = """
bad.example.jp                      A 192.0.2.210
www.example.com                     A 192.0.2.211
mail.example.com                    A 192.0.2.212
www.idn.example.jp                  CNAME .
www.example.jp                      CNAME *.
"""
BY_SERVER = """
ns1.example.net.rpz-nsdname         CNAME .
32.{address}.rpz-nsip               CNAME *.
exempt.unsigned.com                 CNAME rpz-passthru.
"""
BY_SERVER_QUESTIONS = [
    ("www.example.net", "A"),
    ("nonexistent.example.net", "A"),
    ("chain5.example.com", "A"),  # an alias into the zone
    ("www.unsigned.com", "A"),
    ("exempt.unsigned.com", "A"),
    ("www.example.com", "A"),
    ("www.example.jp", "A"),
]
QUESTIONS = [
    ("bad.example.jp", "A"),
    ("bad.example.jp", "MX"),
    ("www.unsigned.jp", "A"),
    ("www.unsigned.jp", "AAAA"),
    ("to-unsigned.example.jp", "A"),  # an alias to a name with a rule
    ("to-unsigned.example.jp", "CNAME"),
    ("any.wild.unsigned.jp", "A"),
    ("a.b.wild.unsigned.jp", "A"),
    ("exempt.wild.unsigned.jp", "A"),
    ("deep.wild.unsigned.jp", "A"),
    ("deep.wild.unsigned.jp", "TXT"),
    ("www.sub.example.jp", "A"),
    ("www.sub.example.jp", "TXT"),
    ("www.sub.example.jp", "AAAA"),
    ("www.insecure.example.jp", "A"),
    ("www.insecure.example.jp", "CNAME"),
    ("www.example.co.jp", "A"),  # a wildcard alias
    ("other.under.example.co.jp", "A"),  # a wildcard, with an empty non-terminal in between
    ("many.example.jp", "A"),  # no rule
    ("chain1.example.jp", "A"),
    ("www.example.net", "A"),  # the longest prefix
    ("www.example.net", "AAAA"),
    ("example.net", "A"),
    ("www.example.com", "A"),  # passthru by address against data in the second zone
    ("mail.example.com", "A"),
    ("alias.example.jp", "A"),
    ("any.wild.example.jp", "A"),
    ("www.example.jp", "A"),
    ("short.example.jp", "A"),
    ("nonexistent.example.jp", "A"),
    ("www.old.example.jp", "A"),
]

_AGAIN = "Unbound rewrites what its own rewriting led to; the draft (§3.6) and BIND do not"
_NAMES_FIRST = "Unbound tries names of every zone before addresses of any; the draft (§5.2) and BIND go zone by zone"
KNOWN = {
    ("unbound", "www.insecure.example.jp", "A"): _AGAIN,
    ("unbound", "chain1.example.jp", "A"): _AGAIN,
    ("unbound", "any.wild.example.jp", "A"): _AGAIN,
    ("unbound", "www.example.com", "A"): _NAMES_FIRST,
    ("unbound", "mail.example.com", "A"): _NAMES_FIRST,
    ("unbound", "alias.example.jp", "A"): _NAMES_FIRST,
}
"""Where a peer differs, and why that is not followed: (peer, name, type) → reason."""


def seen(said: Said) -> tuple[str, frozenset[tuple[str, str, str]]]:
    return said.rcode, said.answer


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Resolver]]:
    root = tmp_path_factory.mktemp("policy")
    net = lab.internet.build(time.time(), prefix=PREFIX)
    with lab.server.running(net) as server:
        (root / "hints").write_text(net.hints())
        (root / "anchor").write_text(net.anchor())
        config = root / "akashi.toml"
        config.write_text(CONFIG.format(port=server.port))
        with akashi(config, root) as truth:
            yield root, config, truth


def differences(ours: Resolver, peer: Resolver, questions: list[tuple[str, str]]) -> list[str]:
    found = []
    for name, rtype in questions:
        mine, its = ours.ask(name, rtype, dnssec=False), peer.ask(name, rtype, dnssec=False)
        if seen(mine) != seen(its) and (peer.name, name, rtype) not in KNOWN:
            found.append(f"{name}/{rtype}\n  akashi: {mine}\n  {peer.name}: {its}")
    return found


@pytest.mark.parametrize("peer", ["bind", "unbound"])
def test_the_same_as(peer: str, stage: tuple[Path, Path, Resolver], tmp_path: Path) -> None:
    program = shutil.which("named" if peer == "bind" else "unbound")
    if program is None:
        pytest.skip(f"{peer} is not installed")
    _, config, truth = stage
    files = write_zones({"first.rpz": FIRST, "second.rpz": SECOND}, tmp_path)
    zones = ", ".join(f'{{zone = "{zone}", file = "{path}"}}' for zone, path in files.items())
    run = bind if peer == "bind" else unbound
    with (
        akashi(config, tmp_path, f"policy.zones=[{zones}]") as ours,
        run(program, tmp_path, files, truth.port) as other,
    ):
        found = differences(ours, other, QUESTIONS)
        assert not found, "\n".join(found)


def test_servers_of_zones(tmp_path: Path) -> None:
    """NSDNAME and NSIP, as BIND, which has to resolve by itself for that, and so wants servers on port 53."""
    program = shutil.which("named")
    if program is None or os.geteuid():
        pytest.skip("bind is not installed, or we are not root")
    net = lab.internet.build(time.time(), prefix=PREFIX)
    with lab.server.running(net, port=53):
        (tmp_path / "hints").write_text(net.hints())
        (tmp_path / "anchor").write_text(net.anchor())
        config = tmp_path / "akashi.toml"
        config.write_text(CONFIG.format(port=53))
        with akashi(config, tmp_path) as truth:
            server = next(iter(truth.ask("unsigned.com", "NS", dnssec=False).answer))[2]
            name = dns.name.from_wire(bytes.fromhex(server), 0)[0].to_text()
            address = next(iter(truth.ask(name, "A", dnssec=False).answer))[2]
        backwards = ".".join(str(octet) for octet in reversed(bytes.fromhex(address)))
        files = write_zones({"servers.rpz": BY_SERVER.format(address=backwards)}, tmp_path)
        zones = ", ".join(f'{{zone = "{zone}", file = "{path}"}}' for zone, path in files.items())
        with (
            akashi(config, tmp_path, f"policy.zones=[{zones}]") as ours,
            bind(program, tmp_path, files, None, str(tmp_path / "hints")) as other,
        ):
            assert ours.ask("www.example.net", "A").rcode == "NXDOMAIN"
            found = differences(ours, other, BY_SERVER_QUESTIONS)
            assert not found, "\n".join(found)
