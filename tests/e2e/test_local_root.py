"""The local copy of the root zone, and the cache over a restart, in the running daemon.

The lab's root is signed anew with a ZONEMD and served for transfer by NSD, Knot and BIND; the lab's root servers count who
asks them, apart from all other servers.

RFC 8806, RFC 8976.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.zone
import pytest
from dns.rdatatype import RdataType
from dns.zonetypes import DigestHashAlgorithm

import lab.internet
import lab.server
from lab.records import Zone, rrset_from_text, rrset_of
from lab.signer import sign, sign_rrset
from resolver.cli.client import Client
from tests.conftest import require_binary
from tests.e2e.policy_primaries import SERVERS
from tests.e2e.resolvers import Resolver, akashi, free_port, process
from tests.e2e.test_policy import until

PREFIX = "127.98"
ROOT = dns.name.root
EXPIRE_S = 43200
A_DAY_LATER = "+86400"
NO_ZONEMD_HERE = "0" * 96


@dataclass(frozen=True)
class World:
    """The mini-Internet: its root servers, all others, and what makes a daemon use them."""

    zone: str
    bad_digest: str
    bad_glue: str
    roots: lab.server.RunningServer
    others: lab.server.RunningServer
    settings: tuple[str, ...]

    def packets(self) -> int:
        """Queries that any server got."""
        return self.roots.queries + self.others.queries


def root_with_zonemd(net: lab.internet.Internet) -> Zone:
    """The root of the mini-Internet with a ZONEMD and an expiry of half a day, in place of the one without."""
    plan = net.plans[ROOT]
    old = net.zones[ROOT].soa
    soa = rrset_of(ROOT, old.ttl, [old[0].replace(expire=EXPIRE_S)])
    empty = rrset_from_text(ROOT, old.ttl, "ZONEMD", f"{old[0].serial} 1 1 {NO_ZONEMD_HERE}")
    kept = [rrset for rrset in plan.rrsets if rrset.rdtype != RdataType.SOA]
    zone = sign(replace(plan, rrsets=[soa, *kept, empty]))
    read = dns.zone.from_text(zone.to_text(), origin=ROOT, relativize=False)
    put_zonemd(net, zone, read.compute_digest(DigestHashAlgorithm.SHA384).digest.hex())
    net.zones[ROOT] = zone
    return zone


def put_zonemd(net: lab.internet.Internet, zone: Zone, digest: str) -> None:
    """Give the zone this digest, signed."""
    made = rrset_from_text(ROOT, zone.soa.ttl, "ZONEMD", f"{zone.soa[0].serial} 1 1 {digest}")
    zone.rrsets[ROOT, RdataType.ZONEMD] = made
    sign_rrset(zone, net.plans[ROOT], made)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    here = tmp_path_factory.mktemp("world")
    net = lab.internet.build(time.time(), prefix=PREFIX, faults=[])
    zone = root_with_zonemd(net)
    good = zone.to_text()
    glue = net.addresses[dns.name.from_text("a.dns.jp.")]
    bad_glue = good.replace(f" A {glue}\n", " A 192.0.2.66\n")
    assert bad_glue != good
    put_zonemd(net, zone, "ab" * 48)
    bad_digest = zone.to_text()
    (here / "hints").write_text(net.hints())
    (here / "anchor").write_text(net.anchor())
    of_root = [net.addresses[dns.name.from_text(host)] for host in net.specs[ROOT].hosts]
    rest = set(net.addresses.values()) - set(of_root)
    with (
        lab.server.running(net, addresses=of_root) as roots,
        lab.server.running(net, addresses=rest, port=roots.port) as others,
    ):
        settings = (
            f'upstream.root-hints="{here / "hints"}"',
            f"upstream.port={roots.port}",
            "upstream.allow-loopback=true",
            "upstream.ipv6=false",
            f'trust.anchors="{here / "anchor"}"',
            "trust.rfc5011=false",
            "trust.signal=false",
            "cache.aggressive-nsec=false",
        )
        yield World(good, bad_digest, bad_glue, roots, others, settings)


@contextlib.contextmanager
def primary(kind: str, here: Path, text: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A real server that gives the root zone to whoever asks for it; its port and process."""
    name, configuration, options = SERVERS[kind]
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{kind} is not installed")
    (here / "db").mkdir(parents=True)
    port = free_port()
    file, config = here / "root.zone", here / "server.conf"
    file.write_text(text)
    made = configuration(here, ".", port, file)
    for with_key, without in (
        ("provide-xfr: 127.0.0.1 transfer.key.", "provide-xfr: 127.0.0.1 NOKEY"),
        ("    key: transfer.key.\n    action", "    address: 127.0.0.1\n    action"),
        ('allow-transfer { key "transfer.key."; }', "allow-transfer { any; }"),
    ):
        made = made.replace(with_key, without)
    config.write_text(made)
    log = here / "server.log"
    with process([program, *options, str(config)], log) as child:
        server = Resolver(kind, port)

        def answers() -> bool:
            assert child.poll() is None, log.read_text()
            with contextlib.suppress(OSError):
                return bool(server.ask(".", "SOA", timeout_s=0.3).answer)
            return False

        until(answers)
        yield port, child


@dataclass(frozen=True)
class Running:
    """A daemon with the copy switched on."""

    resolver: Resolver
    client: Client
    metrics_port: int

    def copy(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/v1/status")["local_root"]
        return found

    def worker(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/v1/status")["workers"][0]
        return found

    def finding(self) -> str:
        findings = self.client.get("/v1/status")["findings"]
        return "".join(item["problem"] for item in findings if item["check"] == "local-root")

    def metric(self, name: str) -> float | None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[-1])
        return None


@contextlib.contextmanager
def daemon(
    world: World, here: Path, *more: str, servers: list[int], environment: dict[str, str] | None = None
) -> Iterator[Running]:
    control, metrics = here / "c.sock", free_port()
    settings = (
        *world.settings,
        "upstream.local-root=true",
        f"upstream.local-root-servers={json.dumps([f'127.0.0.1:{port}' for port in servers])}",
        f'control.socket="{control}"',
        f'metrics.listen="127.0.0.1:{metrics}"',
        *more,
    )
    with akashi(Path("conf/akashi.toml"), here, *settings, environment=environment) as resolver:
        yield Running(resolver, Client(control), metrics)


def judged(resolver: Resolver, name: str, rtype: str) -> tuple[str, bool, bool]:
    said = resolver.ask(name, rtype)
    return said.rcode, said.ad, bool(said.answer)


def is_used(world: World, running: Running, *, full: int = 1) -> None:
    """The copy is in force: the root's data comes from it, secure, and no root server hears of anything.

    `full`: how many transfers brought it.
    """
    serial = int(world.zone.split()[6])
    until(lambda: running.copy()["serial"] == serial and running.copy()["workers"] == 1)
    packets, roots, others = world.packets(), world.roots.queries, world.others.queries
    for name, rtype, expected in (
        (".", "SOA", ("NOERROR", True, True)),
        (".", "DNSKEY", ("NOERROR", True, True)),
        (".", "ZONEMD", ("NOERROR", True, True)),
        ("com.", "DS", ("NOERROR", True, True)),
        ("no-such-tld.", "A", ("NXDOMAIN", True, False)),
        ("www.no-such-tld.", "A", ("NXDOMAIN", True, False)),
        (".", "TXT", ("NOERROR", True, False)),
    ):
        assert judged(running.resolver, name, rtype) == expected, (name, rtype)
    assert world.packets() == packets
    assert judged(running.resolver, "www.example.jp", "A") == ("NOERROR", True, True)
    assert judged(running.resolver, "www.unsigned.jp", "A") == ("NOERROR", False, True)
    assert judged(running.resolver, "www.example.net", "A") == ("NOERROR", True, True)
    assert world.roots.queries == roots
    assert world.others.queries > others
    assert (running.finding() == "") == bool(full)
    assert running.metric("akashi_local_root_serial") == serial
    assert running.metric('akashi_local_root_refreshes_total{result="full"}') == full
    assert running.copy()["expires"] > time.time() + EXPIRE_S - 600


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_a_transferred_copy_replaces_the_root_servers(kind: str, world: World, tmp_path: Path) -> None:
    """And is there again after a restart, without the primary."""
    state = tmp_path / "kept"
    state.mkdir()
    kept = f'trust.state-dir="{state}"'
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with primary(kind, tmp_path / kind, world.zone) as (port, _), daemon(world, first, kept, servers=[port]) as running:
        is_used(world, running)
        if kind == "knot":  # told with the next tick
            until(lambda: running.copy()["answers"] >= 7)
            has_it_from_its_start(running)
    if kind == "knot":
        with daemon(world, second, kept, servers=[port]) as running:
            until(running.finding)
            is_used(world, running, full=0)


def has_it_from_its_start(running: Running) -> None:
    """A worker that takes the place of a killed one has the copy with the first word that it is told."""
    old = running.worker()["pid"]
    os.kill(old, signal.SIGKILL)
    until(lambda: running.worker()["ready"] and running.worker()["pid"] != old)
    until(lambda: running.copy()["answers"] == 0 and running.copy()["workers"] == 1)


def test_without_its_primary_the_copy_expires(world: World, tmp_path: Path) -> None:
    """A clock that is put forward a day stands for the day without news."""
    faketime = require_binary("faketime")
    library = subprocess.run([faketime, "now", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True)
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": library.stdout.strip(),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
    }
    with contextlib.ExitStack() as stack:
        with primary("nsd", tmp_path / "nsd", world.zone) as (port, _):
            running = stack.enter_context(daemon(world, tmp_path, servers=[port], environment=environment))
            is_used(world, running)
        roots = world.roots.queries
        assert judged(running.resolver, "net.", "DS") == ("NOERROR", True, True)
        assert world.roots.queries == roots
        clock.write_text(A_DAY_LATER)
        assert judged(running.resolver, "arpa.", "DS") == ("NOERROR", True, True)
        assert world.roots.queries > roots  # at once, before anybody is told
        assert "expired" in until(running.finding)
        nothing = dict.fromkeys(("serial", "checked", "verified", "expires"), None)
        assert running.copy() == nothing | {"workers": 0, "answers": 0}
        assert running.metric("akashi_local_root_serial") is None
        assert judged(running.resolver, "other-tld.", "A") == ("NXDOMAIN", True, False)


def test_a_zone_that_is_not_what_was_signed_is_refused(world: World, tmp_path: Path) -> None:
    """A digest of something else, well signed, and a digest that is right over glue that is not: root servers are asked."""
    with (
        primary("nsd", tmp_path / "digest", world.bad_digest) as (first, _),
        primary("nsd", tmp_path / "glue", world.bad_glue) as (second, _),
        daemon(world, tmp_path, servers=[first, second]) as running,
    ):
        problems = until(lambda: "digest" in running.finding() and running.finding()).split("; ")
        for port, problem in zip((first, second), problems, strict=True):
            assert problem.startswith("127.0.0.1") and f"{port}: " in problem and "digest" in problem
        roots = world.roots.queries
        assert judged(running.resolver, "com.", "DS") == ("NOERROR", True, True)
        assert judged(running.resolver, "no-such-tld.", "A") == ("NXDOMAIN", True, False)
        assert judged(running.resolver, "www.example.jp", "A") == ("NOERROR", True, True)
        assert world.roots.queries >= roots + 2
        assert running.copy()["serial"] is None
        assert running.metric("akashi_local_root_serial") is None
        assert running.metric('akashi_local_root_refreshes_total{result="failed"}') == 1


# --- the cache over a restart ------------------------------------------------------------------------------------------


def ttl_of(resolver: Resolver, name: str, flags: int = 0) -> tuple[int, bool, int]:
    """TTL, AD and RCODE of an answer."""
    query = dns.message.make_query(name, "A", want_dnssec=True)
    query.flags |= flags
    response, _ = dns.query.udp_with_fallback(query, "127.0.0.1", timeout=10, port=resolver.port)
    return min((rrset.ttl for rrset in response.answer), default=-1), bool(response.flags & dns.flags.AD), response.rcode()


def test_the_cache_over_a_restart(world: World, tmp_path: Path) -> None:
    """TTLs go on counting; what was known costs no packet but for the keys that it is judged by: no verdict is kept."""
    control, state = tmp_path / "c.sock", tmp_path / "kept"
    state.mkdir()
    settings = [*world.settings, "cache.persist=true", f'trust.state-dir="{state}"', f'control.socket="{control}"']
    settings.append('metrics.listen=""')
    names = ["www.unsigned.jp", "www.example.jp", "alias.example.jp", "nonexistent.example.jp"]
    config = Path("conf/akashi.toml")
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for here in (first, second, third):
        here.mkdir()
    with akashi(config, first, *settings) as resolver:
        before = {name: ttl_of(resolver, name) for name in names}
        asked_at = time.monotonic()
        until(lambda: all(ttl_of(resolver, name)[0] <= before[name][0] - 2 for name in names[:3]))
    assert [before[name][1] for name in names] == [False, True, True, True]
    assert list(state.glob("cache-*.rrsets"))
    with akashi(config, second, *settings) as resolver:
        until(lambda: "cache-restored" in (second / "akashi.log").read_text())
        assert not list(state.glob("cache-*.rrsets"))  # used once
        packets = world.packets()
        unjudged = {name: ttl_of(resolver, name, dns.flags.CD) for name in names}
        elapsed = time.monotonic() - asked_at
        assert world.packets() == packets
        assert [said[1:] for said in unjudged.values()] == [(False, before[name][2]) for name in names]
        for name in names[:3]:
            assert before[name][0] - elapsed - 2 <= unjudged[name][0] <= before[name][0] - 2
        with_keys = {name: ttl_of(resolver, name) for name in names}
        assert {name: said[1:] for name, said in with_keys.items()} == {name: said[1:] for name, said in before.items()}
        assert all(with_keys[name][0] <= before[name][0] - 2 for name in names[:3])
        # The DNSKEY RRsets of the root, jp and example.jp, and two delegations on the way there.
        assert packets + 3 <= world.packets() <= packets + 5
    # Under an anchor that is not the root's, what was kept is no more secure than what is fetched.
    other = tmp_path / "anchor"
    other.write_text(f". 3600 IN DS 12345 13 2 {'AB' * 32}\n")
    with akashi(config, third, *settings, f'trust.anchors="{other}"') as resolver:
        until(lambda: "cache-restored" in (third / "akashi.log").read_text())
        assert ttl_of(resolver, "www.example.jp") == (-1, False, 2)
