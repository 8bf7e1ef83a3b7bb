"""Hostile clients against the running daemon: the others keep their answers.

The attackers are processes of their own (`tests.e2e.flood`); another client asks names that are cached, names that are not,
and over TCP, with one retry as stub resolvers have. What the attack itself met is read from the daemon's counts at the end.
"""

import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.server
from resolver.cli.client import Client
from tests.conftest import ROOT
from tests.e2e.flood import ATTACKS, HOLE, connect, framed, query
from tests.resolver.daemon.process import Daemon

PREFIX = "127.73"
QUERIES = 100
"""Of each kind that the other client asks during an attack."""
ATTEMPTS, TIMEOUT_S = 2, 3.0

LIMITS = (
    "limits.client-rate=500",
    "limits.response-rate=200",
    "limits.queries-per-client=200",
    "limits.prefix-ipv4=24",
    "server.tcp-idle-timeout=2s",
    "server.tcp-connections=100",
    "server.tcp-per-client=5",
    'access.allow=["127.0.0.0/9"]',
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Iterator[list[str]]:
    """What makes a daemon use the mini-Internet, and know a zone whose server never answers."""
    net = lab.internet.build(time.time(), prefix=PREFIX)
    directory = tmp_path_factory.mktemp("lab")
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole, lab.server.running(net) as server:
        hole.bind(("127.0.0.1", 0))
        yield [
            f'upstream.root-hints="{directory / "hints"}"',
            f'trust.anchors="{directory / "anchor"}"',
            f"upstream.port={server.port}",
            f'upstream.stub={{"{HOLE}"=["127.0.0.1:{hole.getsockname()[1]}"]}}',
            f'trust.nta.static=["{HOLE}"]',
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            "trust.rfc5011=false",
            "trust.signal=false",
        ]


class Bystander:
    """Another client."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.serial = 0
        self.good = self.asked = self.first = 0
        self.seconds: list[float] = []
        self.cached: list[float] = []
        self.new: list[float] = []

    def ask(self, name: str, rcode: int = dns.rcode.NOERROR, *, tcp: bool = False, of: list[float] | None = None) -> None:
        """Ask once, and once more if nothing comes. `of`: where else to note how long it took."""
        message = dns.message.make_query(name, "A", want_dnssec=True)
        self.asked += 1
        start = time.monotonic()
        for attempt in range(ATTEMPTS):
            with contextlib.suppress(dns.exception.Timeout, OSError, EOFError):
                if tcp:
                    answer = dns.query.tcp(message, "127.0.0.1", port=self.port, timeout=TIMEOUT_S)
                else:
                    answer = dns.query.udp(message, "127.0.0.1", port=self.port, timeout=TIMEOUT_S)
                self.good += answer.rcode() == rcode
                self.first += attempt == 0
                self.seconds.append(time.monotonic() - start)
                if of is not None:
                    of.append(self.seconds[-1])
                return

    def everything(self) -> None:
        """Cached names, names that are not cached, and TCP."""
        for number in range(QUERIES):
            self.serial += 1
            self.ask("www.example.jp", of=self.cached)
            self.ask(f"{self.serial}.wild.example.jp", of=self.new)
            if number % 5 == 0:
                self.ask("www.example.jp", tcp=True)

    @property
    def share(self) -> float:
        return self.good / self.asked


@contextlib.contextmanager
def attack(name: str, port: int) -> Iterator[None]:
    """While the block runs."""
    # The compiled core is looked for before the tree (tools/accelerate.py); the attacker is found nowhere but in the tree.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    command = [sys.executable, "-m", "tests.e2e.flood", name, str(port)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "attacking\n"
        yield
        assert child.poll() is None, "the attack lasted"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def median(client: Bystander) -> float:
    """Milliseconds."""
    return statistics.median(client.seconds) * 1e3


def counts(directory: Path) -> dict[str, Any]:
    """The daemon's status."""
    status: dict[str, Any] = Client(directory / "control" / "c").get("/v1/status")
    return status


EXPECTED = {
    "silent_connections": {"tcp_idle_closed": 100},
    "octet_by_octet": {"tcp_idle_closed": 100},
    "never_reading": {"tcp_queries": 1000},
    "garbage": {"malformed": 100},
    "replay": {"response-rate": 100},
    "forged_prefix": {"response-rate": 100},
    "random_names": {"queries-per-client": 100},
    "strangers": {"refusals": 100},
}
"""What the attack must have met, limits and counts, and how often at least."""


def _met(name, status):
    """Whether the attack met what it must."""
    seen = status["counters"] | status["limits"]
    return all(seen.get(label, 0) >= least for label, least in EXPECTED[name].items())


@pytest.mark.parametrize("name", ATTACKS)
def test_other_clients_are_served(name, settings, tmp_path):
    with Daemon(*settings, *LIMITS, f"control.socket={tmp_path}/control/c") as daemon:
        daemon.wait_for("ready")
        calm = Bystander(daemon.port)
        calm.everything()
        assert calm.share == 1
        other = Bystander(daemon.port)
        other.serial = 1_000_000
        with attack(name, daemon.port):
            deadline = time.monotonic() + 20.0
            while True:  # others may be served before the attack has got going
                other.everything()
                status = counts(tmp_path)
                if _met(name, status) or time.monotonic() > deadline:
                    break
        print(
            f"{name}: {other.share:.1%} good, {other.first / other.asked:.1%} at once, median {median(calm):.1f} ms calm,"
            f" {median(other):.1f} ms attacked;"
            f" {status['limits']} {status['counters']}"
        )
        assert other.share >= 0.99
        assert _met(name, status), (EXPECTED[name], status["limits"], status["counters"])
        assert status["counters"]["internal_errors"] == 0
        assert status["gauges"]["tcp_connections"] <= 100
        after = Bystander(daemon.port)
        after.ask("www.example.jp")
        after.ask("www.example.jp", tcp=True)
        assert after.share == 1
        assert daemon.stop() == 0
        assert not [line for line in daemon.lines if line["level"] == "error"]


def test_too_few_descriptors(settings, tmp_path):
    """Told once at the start; connections beyond are turned away, queries to servers still find a descriptor, and all is as
    before when the connections are gone.
    """
    files = 100

    def short() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    with Daemon(*settings, f"control.socket={tmp_path}/control/c", "server.tcp-per-client=400", preexec_fn=short) as daemon:
        daemon.wait_for("ready")
        held = [sock for _ in range(3 * files) if (sock := connect(daemon.port, "127.0.0.1")) is not None]
        for sock in held:
            with contextlib.suppress(OSError):
                sock.sendall(framed(query("www.example.jp")))
        other = Bystander(daemon.port)
        for number in range(50):
            other.ask("www.example.jp")
            other.ask(f"{number}.wild.example.jp")
        assert other.share == 1
        status = counts(tmp_path)
        assert status["gauges"]["tcp_connections"] <= files // 2
        assert status["counters"]["tcp_rejected"] + status["counters"]["tcp_idle_closed"] >= files
        for sock in held:
            sock.close()
        other.ask("www.example.jp", tcp=True)
        assert other.share == 1
        assert daemon.stop() == 0
        told = [line for line in daemon.lines if line["level"] in ("warning", "error")]
        assert [line["event"] for line in told if "descriptors" in line["event"]] == ["few-descriptors"]
        assert not [line for line in told if line["level"] == "error"]
