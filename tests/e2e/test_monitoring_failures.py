"""The shipped alerts for what other people's servers, clients and machines do to us, with a real Prometheus (see
test_monitoring.py for the others).

Two daemons, each with several failures at once:

* `struck` on the hostile mini-Internet, with a cache of 1 MiB, few descriptors, and a kernel with faults (odd_kernel.c):
  forged answers, delegations that fan out, slow and silent servers, clients by the thousand, clients that hold
  connections, a primary that refuses.
* `left`, whose authorities fall silent. Its clock is three days behind at first (libfaketime), so that what it remembers
  is three days old when it is started anew; then it runs twenty times as fast, so that minutes pass in seconds.

The tests build on one another in the order of the file.
"""

import contextlib
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.server
from tests.conftest import require_binary
from tests.e2e.flood import query
from tests.e2e.monitored import Target, Traffic, fires, is_quiet
from tests.e2e.prometheus import Prometheus, running, until
from tests.hostile import attacks, signed
from tests.hostile.sockets import Hostile
from tests.resolver.daemon.process import LIMIT_S

PREFIX = "127.73"
STAGED = {
    "AkashiCacheTooSmall",
    "AkashiClockUnsynchronised",
    "AkashiFilesShort",
    "AkashiForgeryAttempts",
    "AkashiInternalErrors",
    "AkashiLimitHits",
    "AkashiMemoryHigh",
    "AkashiNtaLongLived",
    "AkashiPolicyZoneFailing",
    "AkashiProbesStale",
    "AkashiServfailAnomaly",
    "AkashiServingStale",
    "AkashiSlow",
    "AkashiTrustAnchorRefreshStale",
    "AkashiUnansweredHigh",
    "AkashiUpstreamFailing",
    "AkashiZoneUnderForgery",
}
GOOD, SUSPENDED = "www.example.jp", "rrsig-no-all.faults.jp"
DAYS = 3
FILES = 600
CONNECTIONS = 260
"""Of clients, of 268 that they may have with this many descriptors."""
WAITING = 13_000
"""Queries that wait at once; the alert is at 10,000."""
SLOW_S = 1.4


class World:
    """The two daemons and who watches them."""

    prometheus: Prometheus

    def __init__(self, directory: Path, net: lab.internet.Internet, port: int, anchor: str, hostile: Hostile) -> None:
        self.net, self.port = net, port
        self.struck = Target(directory / "struck", attacks.hints(), anchor, hostile.port)
        self.left = Target(directory / "left", net.hints(), net.anchor(), port)
        self.no_entropy = directory / "no-entropy"
        self.leak = directory / "leak"
        self.kernel = directory / "kernel.so"

    def fires(self, *alerts: str, at: Target) -> None:
        """Wait until each of them did, for this daemon."""
        fires(self.prometheus, *alerts, at=at)

    def is_quiet(self, alert: str, at: Target) -> bool:
        return is_quiet(self.prometheus, alert, at)


def faked(clock: str, **more: str) -> dict[str, str]:
    """Environment of a daemon with a clock of its own."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("libfaketime.so.1 is not where Debian puts it (package faketime)")
    return {"LD_PRELOAD": str(library), "FAKETIME": clock} | more


def few_files() -> None:
    """Before the daemon's program: it may have this many descriptors."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("failures")
    then = time.time() - DAYS * 86400
    net = lab.internet.build(then, prefix=PREFIX, ttl=1)
    root = signed.World()

    def respond(ip: str, transport: str, wire: bytes) -> list[attacks.Said]:
        said = root.respond(ip, transport, wire)
        return [attacks.Said(one.octets, after_s=SLOW_S) for one in said] if ip == attacks.CALM else said

    places = [attacks.ROOT, attacks.CALM, signed.HONEST]
    places += [attacks.server(a.name, n) for a in attacks.ATTACKS.values() for n in range(a.servers)]
    with Hostile(respond, places) as hostile:
        made = World(directory, net, lab.server.free_port(f"{PREFIX}.0.1"), root.anchor(), hostile)
        source = Path(__file__).with_name("odd_kernel.c")
        subprocess.run([require_binary("cc"), "-shared", "-fPIC", "-o", str(made.kernel), str(source)], check=True)
        try:
            made.struck.start(
                'cache.size="1M"',
                'limits.exempt=["127.0.0.0/8"]',
                "server.tcp-idle-timeout=60s",
                f'policy.zones=[{{zone="rpz.refused", primaries=["{attacks.server("refused")}:{hostile.port}"]}}]',
                environment={"LD_PRELOAD": str(made.kernel), "NO_ENTROPY": str(made.no_entropy), "LEAK": str(made.leak)},
                preexec_fn=few_files,
            )
            with running(directory, made.struck.metrics, made.left.metrics) as prometheus:
                made.prometheus = prometheus
                yield made
        finally:
            made.struck.stop()
            made.left.stop()


def test_what_is_wrong_from_the_start(world: World) -> None:
    world.fires("AkashiClockUnsynchronised", "AkashiPolicyZoneFailing", at=world.struck)


def test_forged_answers_and_limits(world: World) -> None:
    for alert in ("AkashiForgeryAttempts", "AkashiZoneUnderForgery", "AkashiLimitHits"):
        assert world.is_quiet(alert, world.struck), alert
    with Traffic(targets=[world.struck], names=["*.wrong-id", "*.nxns"]):
        world.fires("AkashiForgeryAttempts", "AkashiZoneUnderForgery", "AkashiLimitHits", at=world.struck)


def test_slow_servers_and_a_small_cache(world: World) -> None:
    names = ["*.calm", *(f"a{number}.*.nothing" for number in range(10))]
    with Traffic(targets=[world.struck], names=names):
        world.fires("AkashiCacheTooSmall", at=world.struck)
    with Traffic(targets=[world.struck], names=["*.calm"]):
        world.fires("AkashiSlow", at=world.struck)


def test_more_clients_than_can_be_answered(world: World) -> None:
    """Thousands ask for a name of silent servers."""
    assert world.struck.daemon is not None
    address = ("127.0.0.1", world.struck.daemon.port)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(8)]

        def is_firing() -> bool:
            name = f"x{time.monotonic_ns()}.silent"
            for number in range(WAITING):
                socks[number % 8].sendto(query(name), address)
                if number % 50 == 0:
                    time.sleep(0.003)  # what the socket's buffer can hold
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                if not world.is_quiet("AkashiUnansweredHigh", world.struck):
                    return True
                time.sleep(0.2)
            return False

        until(is_firing)
    world.fires("AkashiUnansweredHigh", at=world.struck)


def test_too_few_descriptors(world: World) -> None:
    """Clients that hold connections have their half of them, questions to slow servers need the others."""
    daemon = world.struck.daemon
    assert daemon is not None
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port), LIMIT_S))
        stack.enter_context(Traffic(targets=[world.struck], names=[f"c{number}.*.calm" for number in range(30)]))
        world.fires("AkashiFilesShort", at=world.struck)


def test_memory_that_is_lost(world: World) -> None:
    """A leak below us: what we keep ourselves is bounded, so that only such a thing gets there."""
    assert world.is_quiet("AkashiMemoryHigh", world.struck)
    world.leak.touch()
    try:
        with Traffic(targets=[world.struck], names=[f"m{number}.*.twice" for number in range(10)]):
            world.fires("AkashiMemoryHigh", at=world.struck)
    finally:
        world.leak.unlink()


def test_an_error_that_nobody_foresaw(world: World) -> None:
    """The kernel has no random numbers for a while: queries fail, are counted, and work again afterwards."""
    daemon = world.struck.daemon
    assert daemon is not None
    assert world.is_quiet("AkashiInternalErrors", world.struck)
    world.no_entropy.touch()
    try:
        with Traffic(targets=[world.struck], names=[f"b{number}.*.twice" for number in range(10)]):
            world.fires("AkashiInternalErrors", at=world.struck)
    finally:
        world.no_entropy.unlink()
    question = dns.message.make_query("host7.honest", "A", want_dnssec=True)
    answer = dns.query.udp(question, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)
    assert (answer.rcode(), bool(answer.flags & dns.flags.AD)) == (dns.rcode.NOERROR, True)


def test_servers_that_fall_silent(world: World) -> None:
    left = world.left
    with lab.server.running(world.net, port=world.port):
        left.start(
            "cache.serve-stale=true",
            "cache.max-ttl=1",
            "cache.stale-client-timeout=200ms",
            f'probe.secure=["{GOOD}"]',
            "probe.interval=1s",
            environment=faked(f"-{DAYS}d", FAKETIME_DONT_FAKE_MONOTONIC="1"),
        )
        left.control().post("/v1/nta/propose", name=SUSPENDED, reason="staged", operator="one", lifetime="6d")
        left.control().post("/v1/nta/approve", nta="1", operator="two")
        assert left.daemon is not None
        question = dns.message.make_query(GOOD, "A", want_dnssec=True)
        answer = dns.query.udp(question, "127.0.0.1", port=left.daemon.port, timeout=LIMIT_S)
        assert bool(answer.flags & dns.flags.AD)
        until(lambda: world.prometheus.query(f"akashi_trust_anchor_last_success_timestamp_seconds{{{where(left)}}}"))
        world.fires("AkashiProbesStale", at=left)
    assert world.is_quiet("AkashiNtaLongLived", left)
    with Traffic(targets=[left], names=[GOOD, "*.wild.example.jp"]):
        world.fires("AkashiServingStale", "AkashiUpstreamFailing", at=left)
    assert world.is_quiet("AkashiServfailAnomaly", left)


def test_three_days_later(world: World) -> None:
    """Started anew; the authorities are still silent. Twenty seconds of its clock are one of ours."""
    left = world.left
    left.stop()
    until(lambda: world.is_quiet("AkashiTrustAnchorRefreshStale", left) and world.is_quiet("AkashiProbesStale", left))
    left.start("watch.learning=0s", environment=faked("+0 x20"))
    with Traffic(targets=[left], names=[GOOD]):
        world.fires("AkashiTrustAnchorRefreshStale", "AkashiNtaLongLived", "AkashiServfailAnomaly", at=left)
    assert world.is_quiet("AkashiServfailAnomaly", world.struck)


def where(target: Target) -> str:
    return f'instance="127.0.0.1:{target.metrics}"'


def test_what_is_said_to_be_staged_was(world: World) -> None:
    """Runs last."""
    if not world.prometheus.fired:
        pytest.skip("only after the tests before")
    assert {alert for alert, _ in world.prometheus.fired} >= STAGED
