"""The daemon before the real, completely signed root zone of August 2017, at a clock of its day and at ours.

NSD serves the zone on 127.x.y.z, and the hints name that address alone. The zone is full of the public addresses of root
and TLD servers; none may be asked. As root, everything therefore runs in a network namespace that holds loopback only;
else `upstream.do-not-query` covers the rest of the world.

The clock is libfaketime's (Debian package faketime), the wall clock only: time-outs go by the monotonic one.
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from lab.server import free_port
from tests.conftest import require_binary, require_corpora
from tests.e2e.loopback import isolated
from tests.e2e.resolvers import Resolver, akashi, process

ANCHOR = ". IN DS 19036 8 2 49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5\n"
KSK_2010, KSK_2017 = 19036, 20326
SERIAL = 2017082100
ADDRESS = "127.19.3.6"
THEN = "@2017-08-25 00:00:00"
LAST_DAY = "@2017-09-02 12:00:00"
TOO_LATE = "@2017-09-03 12:00:00"
WAIT_S = 20.0
NSD = """\
server:
    ip-address: {address}@{port}
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{directory}"
    pidfile: "{directory}/nsd.pid"
    xfrdfile: "{directory}/xfrd.state"
    xfrdir: "{directory}"
    zonelistfile: "{directory}/zone.list"
    server-count: 1
    do-ip6: no
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: .
    zonefile: "{zone}"
"""


@dataclass(frozen=True)
class RootZone:
    """What the zone file says of each TLD, and the settings that make a daemon use its server."""

    signed: list[str]
    unsigned: list[str]
    settings: tuple[str, ...]


@pytest.fixture(scope="module")
def zone_file() -> Path:
    return require_corpora("rootzone", "root-2017082100.zone")


@pytest.fixture(scope="module")
def clock() -> dict[str, str]:
    """The environment of a process with a clock of its own, FAKETIME excepted."""
    program = require_binary("faketime")
    library = subprocess.run([program, "now", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True)
    return {"LD_PRELOAD": library.stdout.strip(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


@pytest.fixture(scope="module")
def root(zone_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RootZone]:
    """NSD with the zone."""
    program = require_binary("nsd")
    here = tmp_path_factory.mktemp("rootzone")
    (here / "anchor").write_text(ANCHOR)
    (here / "hints").write_text(f". 3600 IN NS ns.rehearsal.\nns.rehearsal. 3600 IN A {ADDRESS}\n")
    with isolated() as alone:
        port = free_port(ADDRESS)
        (here / "nsd.conf").write_text(NSD.format(address=ADDRESS, port=port, directory=here, zone=zone_file))
        with process([program, "-d", "-c", str(here / "nsd.conf")], here / "nsd.log") as nsd:
            _await_soa(nsd, port, here / "nsd.log")
            signed, unsigned = _tlds(zone_file)
            yield RootZone(signed, unsigned, tuple(_settings(here, port, alone)))


def _settings(here: Path, port: int, alone: bool) -> Iterator[str]:
    yield f'upstream.root-hints="{here / "hints"}"'
    yield f"upstream.port={port}"
    yield "upstream.prime=false"
    yield "upstream.ipv6=false"
    yield "upstream.allow-loopback=true"
    yield f'trust.anchors="{here / "anchor"}"'
    yield "trust.rfc5011=false"
    yield 'metrics.listen=""'
    yield 'control.socket=""'
    yield "log.format=json"
    if not alone:
        elsewhere = ip_network("0.0.0.0/0").address_exclude(ip_network("127.0.0.0/8"))
        yield f"upstream.do-not-query={json.dumps([*map(str, elsewhere), '::/0'])}"


def _await_soa(nsd: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    query = dns.message.make_query(".", "SOA")
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and nsd.poll() is None:
        with contextlib.suppress(OSError, dns.exception.Timeout):
            if dns.query.udp(query, ADDRESS, timeout=0.2, port=port).answer:
                return
        time.sleep(0.02)
    raise AssertionError(f"NSD does not answer: {log.read_text()}")


def _tlds(path: Path) -> tuple[list[str], list[str]]:
    """TLDs with and without a DS RRset. The file holds one record a line, with its owner, its letters as they are."""
    types: dict[str, set[str]] = {}
    with path.open() as lines:
        for line in lines:
            owner, _, _, rtype, *_ = line.split(None, 4)
            types.setdefault(owner.lower(), set()).add(rtype)
    tlds = [owner for owner, seen in types.items() if "NS" in seen and owner != "."]
    return [tld for tld in tlds if "DS" in types[tld]], [tld for tld in tlds if "DS" not in types[tld]]


Start = Callable[..., contextlib.AbstractContextManager[Resolver]]


@pytest.fixture
def start(root: RootZone, tmp_path: Path) -> Start:
    """Starts a daemon; its log is `akashi.log` in the test's directory."""

    def start(**environment: str) -> contextlib.AbstractContextManager[Resolver]:
        return _akashi(root, tmp_path, environment)

    return start


def _akashi(root: RootZone, directory: Path, environment: dict[str, str]) -> contextlib.AbstractContextManager[Resolver]:
    settings = [*root.settings, f'trust.state-dir="{directory}"']
    return akashi(Path("conf/akashi.toml"), directory, *settings, environment=environment)


def _log(directory: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (directory / "akashi.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def resolver(root: RootZone, clock: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resolver]:
    """The daemon, on a day in August 2017."""
    here = tmp_path_factory.mktemp("then")
    with _akashi(root, here, clock | {"FAKETIME": THEN}) as resolver:
        yield resolver
    # The clock was that of the day, and went on.
    times = [datetime.fromisoformat(line["time"]) for line in _log(here)]
    assert datetime(2017, 8, 25, tzinfo=UTC) <= times[0] < times[-1] < datetime(2017, 8, 26, tzinfo=UTC)
    assert not [line for line in _log(here) if line["event"] in ("validation-failure", "internal-error")]


@pytest.mark.parametrize("rtype", ["SOA", "NS", "DNSKEY"])
def test_apex(resolver: Resolver, rtype: str) -> None:
    answer = resolver.ask(".", rtype)
    assert (answer.rcode, answer.ad, answer.ede) == ("NOERROR", True, ())
    assert {rtype for _, rtype, _ in answer.answer} == {rtype, f"RRSIG over {rtype}"}


def test_delegation_of_a_signed_zone(resolver: Resolver) -> None:
    answer = resolver.ask("jp.", "DS")
    assert (answer.rcode, answer.ad, answer.ede) == ("NOERROR", True, ())
    tags = {int(rdata[:4], 16) for _, rtype, rdata in answer.answer if rtype == "DS"}
    assert tags == {59950}


def test_delegation_of_an_unsigned_zone(root: RootZone, resolver: Resolver) -> None:
    answer = resolver.ask(root.unsigned[0], "DS")
    assert (answer.rcode, answer.ad, answer.answer, answer.ede) == ("NOERROR", True, frozenset(), ())


def test_name_that_does_not_exist(resolver: Resolver) -> None:
    answer = resolver.ask("no-such-tld.", "A")
    assert (answer.rcode, answer.ad, answer.answer, answer.ede) == ("NXDOMAIN", True, frozenset(), ())


def test_every_fifth_tld(root: RootZone, resolver: Resolver) -> None:
    """And a name beside each: some 700 questions."""
    for tlds, empty in ((root.signed[::5], False), (root.unsigned[::5], True)):
        for tld in tlds:
            answer = resolver.ask(tld, "DS")
            assert (answer.rcode, answer.ad, not answer.answer) == ("NOERROR", True, empty), (tld, answer)
            beside = resolver.ask(f"{tld[:-1]}-0.", "A")
            assert (beside.rcode, beside.ad) == ("NXDOMAIN", True), (tld, beside)


def test_the_roots_public_addresses_are_not_learnt(resolver: Resolver) -> None:
    """The answers to questions for the root's servers and their addresses change nothing: priming is off."""
    assert resolver.ask(".", "NS").ad
    resolver.ask("a.root-servers.net.", "A")
    answer = resolver.ask("beside-the-root-servers.", "A")
    assert (answer.rcode, answer.ad) == ("NXDOMAIN", True)


def test_below_a_delegation_nobody_is_reached(resolver: Resolver) -> None:
    answer = resolver.ask("www.nic.jp.", "A")
    assert (answer.rcode, answer.ad) == ("SERVFAIL", False)
    assert 22 in answer.ede


def test_at_the_present_all_has_expired(start: Start, tmp_path: Path) -> None:
    with start() as resolver:
        for name, rtype in (("jp.", "DS"), ("no-such-tld.", "A"), (".", "SOA"), (".", "DNSKEY")):
            answer = resolver.ask(name, rtype)
            assert (answer.rcode, answer.ad) == ("SERVFAIL", False), (name, rtype)
            assert 7 in answer.ede, (name, rtype, answer)
    assert "validation-failure" in [line["event"] for line in _log(tmp_path)]


def test_the_wall_clock_is_read_anew(start: Start, clock: dict[str, str], tmp_path: Path) -> None:
    """The clock jumps over the end of the signatures while the daemon runs: what was verified holds no longer."""
    setting = tmp_path / "clock"
    setting.write_text(LAST_DAY)
    with start(**clock, FAKETIME_TIMESTAMP_FILE=str(setting), FAKETIME_NO_CACHE="1") as resolver:
        assert resolver.ask("jp.", "DS").ad
        setting.write_text(TOO_LATE)
        answer = resolver.ask("kr.", "DS")
        assert (answer.rcode, answer.ad) == ("SERVFAIL", False)
        assert 7 in answer.ede
