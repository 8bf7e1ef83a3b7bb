"""What conf/ ships for monitoring, in earnest: a real Prometheus with the shipped rules scrapes running daemons.

Every query of the dashboard returns data; each alert that can be staged within seconds is staged, and fires for that daemon
alone. The tests build on one another in the order of the file: they share the daemons and the Prometheus.

Attacks, silent servers, short machines and what takes days: test_monitoring_failures.py.
Unit tests of the rules are in tests/test_monitoring.py.
"""

import contextlib
import json
import os
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.name
import pytest

import lab.internet
import lab.operations
import lab.server
import lab.timeserver
from tests.conftest import ROOT
from tests.e2e.monitored import Target, Traffic, fires, is_quiet
from tests.e2e.prometheus import RULES, WINDOW, Prometheus, running, until
from tests.e2e.test_monitoring_failures import STAGED
from tests.resolver.daemon.process import LIMIT_S, children_of

PREFIX = "127.71"
GOOD, BROKEN, SUSPENDED, EARLY = (
    "www.example.jp",
    "rrsig-exp-all.faults.jp",
    "rrsig-no-all.faults.jp",
    "rrsig-not-yet-all.faults.jp",
)
DASHBOARD = json.loads((ROOT / "conf" / "grafana" / "akashi.json").read_text(encoding="utf-8"))
KSK_2017 = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"


class Clocks(threading.Thread):
    """Three time servers that are as wrong as a test says."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.offset_s = 0.0
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for sock in self.sockets:
            sock.bind(("127.0.0.1", 0))
        self.servers = [f"127.0.0.1:{sock.getsockname()[1]}" for sock in self.sockets]
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            for sock in select.select(self.sockets, [], [], 0.2)[0]:
                query, client = sock.recvfrom(512)
                answer = lab.timeserver.answer(query, time.time() + self.offset_s)
                if answer is not None:
                    sock.sendto(answer, client)

    def close(self) -> None:
        self.over.set()
        self.join()
        for sock in self.sockets:
            sock.close()


class World:
    """`usual`: a daemon as it should be; `odd`: one with the wrong anchor and a strange configuration."""

    prometheus: Prometheus

    def __init__(self, directory: Path, net: lab.internet.Internet, server: lab.server.RunningServer) -> None:
        self.net, self.server = net, server
        self.usual = Target(directory / "usual", net.hints(), net.anchor(), server.port)
        self.odd = Target(directory / "odd", net.hints(), net.anchor(), server.port)
        self.odd.anchor.write_text(KSK_2017)
        self.clocks = Clocks()

    def fires(self, *alerts: str, at: Target | None = None) -> None:
        """Wait until each of them did, for this daemon."""
        fires(self.prometheus, *alerts, at=at)

    def is_quiet(self, alert: str, at: Target) -> bool:
        return is_quiet(self.prometheus, alert, at)

    def roll(self, do: str, key: str) -> None:
        """Change a key of the root."""
        now = time.time()
        lab.operations.run(self.net, do, {"zone": ".", "key": key, "force": True}, now, int(now))
        self.server.load(self.net)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("monitoring")
    net = lab.internet.build(time.time(), prefix=PREFIX, ttl=1)
    with lab.server.running(net) as server:
        made = World(directory, net, server)
        try:
            made.usual.start(
                "server.workers=2",
                "trust.add-hold-down=6s",
                "trust.nta.recheck-interval=1s",
                f'probe.secure=["{GOOD}"]',
                f'probe.bogus=["{BROKEN}"]',
                "probe.interval=1s",
                f"clock.ntp-servers={json.dumps(made.clocks.servers)}",
                "clock.interval=1s",
                "watch.learning=0s",
            )
            made.odd.start("upstream.edns-buffer=1100", "server.tcp-connections=1", "server.tcp-per-client=1")
            with running(directory, made.usual.metrics, made.odd.metrics) as prometheus:
                made.prometheus = prometheus
                yield made
        finally:
            made.usual.stop()
            made.odd.stop()
            made.clocks.close()


def test_every_query_of_the_dashboard_returns_data(world: World) -> None:
    control = world.usual.control()
    for name in (SUSPENDED, "no-ksk.faults.jp"):
        control.post("/v1/nta/propose", name=name, reason="staged", operator="one", lifetime="20m")
    (record,) = (record for record in control.get("/v1/nta")["ntas"] if record["name"].rstrip(".") == SUSPENDED)
    control.post("/v1/nta/approve", nta=str(record["number"]), operator="two")
    queries = {
        f"{panel['title']}: {target['expr']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    }
    assert len(queries) > 60
    variables = {"$job": "akashi", "$instance": ".+", "$__rate_interval": WINDOW}

    def empty() -> list[str]:
        out = []
        for title, expression in queries.items():
            for variable, value in variables.items():
                expression = expression.replace(variable, value)
            if not world.prometheus.query(expression):
                out.append(title)
        return [title for title in out if not LATER.search(title)]

    left = list(queries)

    def complete() -> bool:
        left[:] = empty()
        return not left

    names = [GOOD, "*.nx.example.jp", "*.wild.example.jp", BROKEN, SUSPENDED]
    with Traffic(targets=[world.usual], names=names), contextlib.suppress(AssertionError):
        until(complete)
    assert left == []


def test_a_resolver_that_does_not_validate(world: World) -> None:
    world.fires("AkashiUdpSizeNotDefault", "AkashiTrustAnchorOutdated", "AkashiTrustAnchorMismatch", at=world.odd)
    world.fires("AkashiFleetAnchorsDiffer")
    with Traffic(targets=[world.odd], names=["*.nx.example.jp"]):
        world.fires("AkashiNotValidating", "AkashiServfailRatioHigh", "AkashiBogusRateJump", at=world.odd)
    for alert in (
        "AkashiNotValidating",
        "AkashiTrustAnchorMismatch",
        "AkashiTrustAnchorOutdated",
        "AkashiUdpSizeNotDefault",
    ):
        assert world.is_quiet(alert, world.usual), alert


def test_bad_traffic(world: World) -> None:
    with Traffic(targets=[world.usual], names=[EARLY], garbage=True):
        world.fires("AkashiSignaturesFromTheFuture", "AkashiQueriesDropped", at=world.usual)
    assert world.odd.daemon is not None
    with socket.create_connection(("127.0.0.1", world.odd.daemon.port)):
        world.fires("AkashiTcpClientsFull", at=world.odd)


def test_negative_trust_anchors(world: World) -> None:
    """Those that the first test made: one in force, whose zone is still broken, and one that waits."""
    world.fires("AkashiNtaInForce", "AkashiNtaProposalWaiting", "AkashiNtaExpiring", at=world.usual)
    world.fires("AkashiFleetNtasDiffer")
    assert world.is_quiet("AkashiNtaInForce", world.odd)


def test_probes_that_come_out_wrong(world: World) -> None:
    odd = world.odd
    odd.anchor.write_text(world.net.anchor())
    odd.start(f'probe.secure=["{BROKEN}"]', f'probe.bogus=["{GOOD}"]', "probe.interval=1s")
    world.fires("AkashiSecureProbeFailing", "AkashiBogusProbeAnswered", at=odd)
    for alert in ("AkashiSecureProbeFailing", "AkashiBogusProbeAnswered", "AkashiProbesNotConfigured"):
        assert world.is_quiet(alert, world.usual), alert


def test_a_rollover_of_the_root(world: World) -> None:
    world.roll("generate", "ksk")
    world.roll("publish", "ksk-2")
    world.fires("AkashiTrustAnchorPending", at=world.usual)
    world.fires("AkashiTrustAnchorAccepted", at=world.usual)
    world.roll("activate", "ksk-2")
    world.roll("remove", "ksk")
    world.fires("AkashiTrustAnchorKeyMissing", at=world.usual)


def test_a_clock_that_is_wrong_or_not_known(world: World) -> None:
    world.fires("AkashiClockUnverified", at=world.odd)  # it has no time servers
    assert world.is_quiet("AkashiClockWrong", world.usual)
    world.clocks.offset_s = 100.0
    try:
        world.fires("AkashiClockWrong", at=world.usual)
    finally:
        world.clocks.offset_s = 0.0
    until(lambda: world.is_quiet("AkashiClockWrong", world.usual))


def test_a_zone_that_fails_for_many_clients(world: World) -> None:
    assert world.usual.daemon is not None
    query = dns.message.make_query(BROKEN, "A", want_dnssec=True).to_wire()
    for number in range(250):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((f"127.99.1.{number + 1}", 0))
            sock.settimeout(LIMIT_S)
            sock.sendto(query, ("127.0.0.1", world.usual.daemon.port))
            sock.recv(4096)
    world.fires("AkashiZoneImpact", at=world.usual)


def test_workers_that_end(world: World) -> None:
    usual, odd = world.usual.daemon, world.odd.daemon
    assert usual is not None
    assert odd is not None
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.3):
            for daemon, spared in ((usual, 1), (odd, 0)):
                for pid in children_of(daemon.process.pid)[spared:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        world.fires("AkashiNoWorkers", "AkashiCheckFailing", "AkashiWorkerRestarting", at=world.odd)
        world.fires("AkashiWorkersMissing", at=world.usual)
    finally:
        stop.set()
        killer.join()
    assert world.is_quiet("AkashiNoWorkers", world.usual)


def test_reload_refused_and_state_lost(world: World) -> None:
    usual = world.usual
    assert usual.daemon is not None
    usual.file.write_text("[nonsense]\n")
    usual.daemon.process.send_signal(signal.SIGHUP)
    away = usual.state.with_name("away")
    usual.state.rename(away)
    try:
        world.fires("AkashiReloadRefused", "AkashiStateNotWritable", at=usual)
    finally:
        away.rename(usual.state)
        usual.file.write_text("")
    until(lambda: world.is_quiet("AkashiStateNotWritable", usual))


def test_down_started_anew_and_without_an_anchor(world: World) -> None:
    odd = world.odd
    odd.anchor.write_text(world.net.anchor(dns.name.from_text("example.jp")))
    odd.start()
    world.fires("AkashiRestarted", "AkashiTrustAnchorMissing", "AkashiProbesNotConfigured", at=odd)
    odd.stop()
    world.fires("AkashiDown", at=odd)
    for alert in ("AkashiDown", "AkashiRestarted", "AkashiTrustAnchorMissing"):
        assert world.is_quiet(alert, world.usual), alert
    until(lambda: world.prometheus.query("akashi_servfail_ratio"), 2 * 60.0)
    world.prometheus.scrape()
    world.fires("AkashiAbsent")


def test_every_alert_was_staged_or_is_excused(world: World) -> None:
    """Runs last; what fired before counts."""
    if not world.prometheus.fired:
        pytest.skip("only after the tests before")
    fired = {alert for alert, _ in world.prometheus.fired}
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8")))
    assert alerts - fired <= STAGED


LATER = re.compile("akashi_(clock_max_error_seconds|servfail_.*ratio|policy_)")
"""Absent where the kernel cannot be asked; there after the first minutes; there with a policy zone."""
