"""DNS cookies with the authoritative servers that give them: BIND, Knot DNS, NSD. Learnt, sent again, mended when bad."""

import asyncio
import random
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest
import uvloop

from lab.server import free_port
from resolver.mesh import Mesh
from resolver.resolution import Resolution
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.settings import Minimise, Settings
from tests.conftest import require_binary
from trust.anchors import TrustPoints
from trust.policy import Policy
from trust.vocabulary import Address, Now, Question
from wire import types as t
from wire.text import name_from_text

HERE = "127.0.0.1"
ZONE = "bakery."
ZONE_FILE = """$ORIGIN bakery.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
*.www A 192.0.2.1
"""


def bind(here: Path, port: int) -> list[str]:
    (here / "named.conf").write_text(f"""options {{
    directory "{here}"; pid-file "{here}/named.pid"; session-keyfile "{here}/session.key"; managed-keys-directory "{here}";
    listen-on port {port} {{ {HERE}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;
    answer-cookie yes; require-server-cookie yes;
}};
controls {{ }};
zone "{ZONE}" {{ type primary; file "{here}/zone"; }};
""")
    return ["named", "-f", "-n", "1", "-c", str(here / "named.conf")]


def knot(here: Path, port: int) -> list[str]:
    (here / "knot.conf").write_text(f"""server:
    rundir: "{here}"
    listen: {HERE}@{port}
database:
    storage: "{here}"
mod-cookies:
  - id: strict
    badcookie-slip: 1
template:
  - id: default
    storage: "{here}"
    global-module: mod-cookies/strict
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: {ZONE}
    file: zone
""")
    return ["knotd", "-c", str(here / "knot.conf")]


def nsd(here: Path, port: int) -> list[str]:
    (here / "nsd.conf").write_text(f"""server:
    ip-address: {HERE}@{port}
    username: ""
    pidfile: "{here}/nsd.pid"
    database: ""
    zonesdir: "{here}"
    zonelistfile: "{here}/zone.list"
    xfrdfile: "{here}/xfrd.state"
    xfrdir: "{here}"
    logfile: "{here}/nsd.log"
    answer-cookie: yes
remote-control:
    control-enable: no
zone:
    name: {ZONE}
    zonefile: zone
""")
    return ["nsd", "-d", "-c", str(here / "nsd.conf")]


@dataclass(frozen=True)
class Flavour:
    configure: Callable[[Path, int], list[str]]
    insists: bool
    """Whether it answers BADCOOKIE to who has no cookie of its own yet."""


FLAVOURS = {"named": Flavour(bind, True), "knotd": Flavour(knot, True), "nsd": Flavour(nsd, False)}


@contextmanager
def serving(program: str, here: Path) -> Iterator[int]:
    """The server, from when it answers; its port."""
    require_binary(program)
    port = free_port(HERE)
    (here / "zone").write_text(ZONE_FILE)
    with (here / "output").open("wb") as output:
        process = subprocess.Popen(FLAVOURS[program].configure(here, port), stdout=output, stderr=output)
    try:
        query = dns.message.make_query(ZONE, "SOA")
        for _ in range(100):
            assert process.poll() is None, (here / "output").read_text()
            try:
                dns.query.udp(query, HERE, timeout=0.2, port=port)
                break
            except (dns.exception.Timeout, OSError):
                continue
        else:
            raise AssertionError((here / "output").read_text())
        yield port
    finally:
        process.terminate()
        process.wait(20)


class Client:
    """Waits for one answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Resolution] = asyncio.get_running_loop().create_future()

    def finish(self, resolution: Resolution, now: Now) -> None:
        """It is there."""
        self.answer.set_result(resolution)

    def abandon(self) -> None:
        """There will be none."""
        self.answer.cancel()


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int]]:
    with serving(request.param, tmp_path) as port:
        yield request.param, port


def test_cookies(server: tuple[str, int]) -> None:
    program, port = server
    insists = FLAVOURS[program].insists
    address = Address(HERE, port)

    async def main() -> None:
        settings = Settings(
            root={name_from_text("nobody."): [Address("127.0.0.2", 9)]},
            stub={name_from_text(ZONE): [address]},
            prime=False,
            minimise=Minimise.OFF,
            cookie_secret=b"a secret of the test",
        )
        mesh = Mesh(settings, TrustPoints(), Policy(), random.Random(1))
        counters = Counters()
        driver = Driver(
            mesh,
            asyncio.get_running_loop(),
            counters,
            crashed=lambda where, error: pytest.fail(f"{where}: {error}"),
            new_epoch=lambda: None,
        )

        async def ask(name: str) -> None:
            client = Client()
            driver.submit(client, Question(name_from_text(name), t.A))
            resolution = await asyncio.wait_for(client.answer, 15)
            assert resolution.rcode == t.NOERROR, resolution.errors
            assert resolution.answer[0][0].rdatas == [socket.inet_aton("192.0.2.1")]

        try:
            events = mesh.memory.servers.events
            record = mesh.memory.servers.get(address)
            await ask("one.www.bakery")
            assert events["cookie-learnt"] == 1
            assert events["cookie-bad"] == insists
            assert record.gives_cookies
            assert len(record.cookie) == 24, "RFC 9018 §4: a server cookie of 16 octets"
            # With its cookie, it has nothing to object.
            sent = counters.upstream_udp
            await ask("two.www.bakery")
            assert counters.upstream_udp == sent + 1
            assert events["cookie-bad"] == insists
            # A cookie that it did not bake: the server gives a new one.
            record.cookie = record.cookie[:8] + b"\1\0\0\0" + bytes(12)
            await ask("three.www.bakery")
            assert events["cookie-bad"] == 2 * insists
            assert record.gives_cookies
            assert len(record.cookie) == 24
            assert record.cookie[12:] != bytes(12)
            # It is good over TCP, too (and under forgery who gives no cookies is asked so).
            record.gives_cookies = False
            mesh.memory.forgery.seen(name_from_text(ZONE), 1000, asyncio.get_running_loop().time())
            await ask("four.www.bakery")
            assert counters.upstream_tcp == 1
            assert events["cookie-missing"] == 0
        finally:
            driver.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
