"""An independent judge: Unbound, resolving and validating in the mini-Internet, agrees with what the lab promises.

Unbound asks name servers on port 53 only, so the servers have to listen there, which takes root (or a low
`net.ipv4.ip_unprivileged_port_start`).
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE, Fault
from lab.internet import Internet, LabError
from lab.keys import KeyStore
from tests.conftest import require_binary
from tests.e2e.resolvers import UNBOUND_ALONE

PREFIX = "127.68"
START_TIMEOUT_S = 20.0

CONFIG = (
    UNBOUND_ALONE
    + """\
  root-hints: "{directory}/hints"
  trust-anchor-file: "{directory}/anchor"
  module-config: "validator iterator"
  ede: yes
"""
)

# What Unbound 1.17 does differently, by its own limits: it validates NSEC3 up to 150 iterations (RFC 9276 lets it),
# and SHA-1 signatures.
SECURE_FOR_UNBOUND = {"nsec3-iter-51", "nsec3-iter-101"}


class Unbound:
    """A running Unbound."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, name: str, rdtype: str = "A", timeout_s: float = 20.0) -> tuple[str, bool]:
        """RCODE and AD."""
        query = dns.message.make_query(name, rdtype, want_dnssec=True)
        response, _ = dns.query.udp_with_fallback(query, "127.0.0.1", timeout=timeout_s, port=self._port)
        return dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD)


@pytest.fixture(scope="module")
def unbound(keys: KeyStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    program = require_binary("unbound")
    net: Internet = lab.internet.build(time.time(), prefix=PREFIX, keys=keys)
    directory = tmp_path_factory.mktemp("unbound")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor())
    (directory / "unbound.conf").write_text(CONFIG.format(port=port, directory=directory))
    try:
        with lab.server.running(net, port=53):
            process = subprocess.Popen([program, "-d", "-c", str(directory / "unbound.conf")], stderr=subprocess.DEVNULL)
            try:
                yield _wait_for(Unbound(port), process, directory)
            finally:
                process.terminate()
                process.wait(20)
    except LabError as error:
        pytest.skip(f"port 53 cannot be used: {error}")


def _wait_for(unbound: Unbound, process: "subprocess.Popen[bytes]", directory: Path) -> Unbound:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            unbound.ask(".", "SOA", timeout_s=0.5)
            return unbound
        except (OSError, dns.exception.Timeout):
            time.sleep(0.05)
    log = directory / "unbound.log"
    raise AssertionError(f"Unbound does not answer: {log.read_text() if log.exists() else 'no log'}")


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "ad"),
    [
        (".", "NS", "NOERROR", True),
        ("www.example.jp.", "A", "NOERROR", True),
        ("www.example.jp.", "HTTPS", "NOERROR", True),
        ("_443._tcp.www.example.jp.", "TLSA", "NOERROR", True),
        ("long.example.jp.", "TXT", "NOERROR", True),
        ("www.example.com.", "AAAA", "NOERROR", True),
        ("www.sub.example.jp.", "A", "NOERROR", True),
        ("www.glueless.jp.", "A", "NOERROR", True),
        ("www.xn--wgv71a119e.jp.", "A", "NOERROR", True),
        # aliases
        ("alias.example.jp.", "A", "NOERROR", True),
        ("chain1.example.jp.", "A", "NOERROR", True),
        ("to-unsigned.example.jp.", "A", "NOERROR", False),
        ("to-bogus.example.jp.", "A", "SERVFAIL", False),
        ("to-nowhere.example.jp.", "A", "NXDOMAIN", True),
        ("www.old.example.jp.", "A", "NOERROR", True),
        ("www.old.example.com.", "A", "NOERROR", True),
        ("www.abroad.example.jp.", "A", "NOERROR", True),
        ("alias.unsigned.jp.", "A", "NOERROR", False),
        # wildcards
        ("any.wild.example.jp.", "A", "NOERROR", True),
        ("any.wild.example.jp.", "AAAA", "NOERROR", True),
        ("any.wild.example.com.", "A", "NOERROR", True),
        ("any.wild.example.com.", "AAAA", "NOERROR", True),
        ("any.wildalias.example.jp.", "A", "NOERROR", True),
        ("any.example.co.jp.", "A", "NOERROR", True),
        ("below.exact.wild.example.jp.", "A", "NXDOMAIN", True),
        # what is not there
        ("nonexistent.", "A", "NXDOMAIN", True),
        ("nonexistent.jp.", "A", "NXDOMAIN", True),
        ("nonexistent.com.", "A", "NXDOMAIN", False),  # RFC 5155 §9.2: no AD for what opt-out leaves open
        ("nonexistent.net.", "A", "NXDOMAIN", True),
        ("nonexistent.example.jp.", "A", "NXDOMAIN", True),
        ("a.b.nonexistent.example.com.", "A", "NXDOMAIN", True),
        ("deep.ent.example.jp.", "A", "NOERROR", True),
        ("deep.ent.example.com.", "A", "NOERROR", True),
        ("co.jp.", "A", "NOERROR", True),
        ("www.example.jp.", "MX", "NOERROR", True),
        # insecure
        ("www.unsigned.jp.", "A", "NOERROR", False),
        ("www.unsigned.com.", "A", "NOERROR", False),
        ("www.insecure.example.jp.", "A", "NOERROR", False),
        ("www.island.unsigned.jp.", "A", "NOERROR", False),
        ("unsigned.jp.", "DS", "NOERROR", True),
        ("unsigned.com.", "DS", "NOERROR", False),
        ("insecure.example.jp.", "DS", "NOERROR", True),
    ],
)
def test_healthy_zones(unbound: Unbound, name: str, rdtype: str, rcode: str, ad: bool) -> None:
    assert unbound.ask(name, rdtype) == (rcode, ad)


def _judged(fault: Fault) -> bool:
    # Where the only glue is unreachable, Unbound would send packets to networks that are none of the test's business;
    # where a server is silent, it tries for longer than a test should take.
    return not fault.name.startswith(("v4-", "v6-")) and fault.name != "silent"


@pytest.mark.parametrize("fault", [fault for fault in CATALOGUE.values() if _judged(fault)], ids=lambda fault: fault.name)
def test_faults(unbound: Unbound, fault: Fault) -> None:
    expect = fault.expect_if_sha1_validates or fault.expect
    ad = expect.ad or fault.name in SECURE_FOR_UNBOUND
    assert unbound.ask(fault.question) == (expect.rcode, ad)
