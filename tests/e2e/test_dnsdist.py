"""conf/dnsdist: the real dnsdist in front of two instances; one is stopped, killed, or cannot validate.

Of an instance that is taken out first nothing is lost. Of one that dies, what was on its way to it is gone (UDP): its
clients ask again, as stub resolvers do, and are answered.
"""

import base64
import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
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
from tests.conftest import ROOT, require_binary
from tests.e2e.prometheus import free_port, until
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.72"
SHIPPED = ROOT / "conf" / "dnsdist" / "dnsdist.conf"
RETRY_S = 1.0
"""After which a client asks again; resolv.conf(5) has 5."""


class Front:
    """dnsdist with the shipped configuration, on the addresses of the test."""

    def __init__(self, directory: Path, instances: list[int]) -> None:
        self.program = require_binary("dnsdist")
        self.port, self.console = free_port(), free_port()
        text = SHIPPED.read_text()
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        for old, new in (
            ('setLocal("0.0.0.0:53", {reusePort = true})', f'setLocal("127.0.0.1:{self.port}", {{reusePort = true}})'),
            ('addLocal("[::]:53", {reusePort = true})', ""),
            ("192.0.2.1:53", f"127.0.0.1:{instances[0]}"),
            ("192.0.2.2:53", f"127.0.0.1:{instances[1]}"),
            ('checkName = "jp."', 'checkName = "example.jp."'),  # signed in the lab
            ("MaxQPSIPRule(500,", "MaxQPSIPRule(50000,"),  # all clients of the test are one address
            ("127.0.0.1:5199", f"127.0.0.1:{self.console}"),
            ('-- setKey("…")', f'setKey("{key}")'),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.config = directory / "dnsdist.conf"
        self.config.write_text(text)

    def tell(self, command: str) -> str:
        done = subprocess.run(
            [self.program, "-C", self.config, "-c", f"127.0.0.1:{self.console}", "-e", command],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def states(self) -> list[str]:
        """Of both servers: up, down, UP, DOWN (capitals: by order)."""
        return re.findall(r"^\d+ .*? (up|down|UP|DOWN) ", self.tell("showServers()"), re.M)

    @contextlib.contextmanager
    def running(self, log: Path) -> Iterator["Front"]:
        with log.open("wb") as out:
            command = [self.program, "--supervised", "--disable-syslog", "-C", str(self.config)]
            with subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as child:
                try:
                    yield self
                finally:
                    child.kill()


class Clients(threading.Thread):
    """Steady queries to one port, a hundred and fifty a second; notes what was answered at once, later, wrongly, never."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.address = ("127.0.0.1", port)
        self.over = threading.Event()
        self.sent = self.again = 0
        self.wrong: list[str] = []
        self.lost: list[str] = []

    def run(self) -> None:
        # Query → (when it was sent last, how often, what is asked).
        waiting: dict[int, tuple[float, int, dns.message.Message]] = {}
        number = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(self.address)
            sock.setblocking(False)
            while waiting or not self.over.is_set():
                now = time.monotonic()
                if not self.over.is_set():
                    number += 1
                    name = (f"n{number % 40}.wild.example.jp", "www.example.jp", "rrsig-exp-all.faults.jp")[number % 3]
                    query = dns.message.make_query(name, "A", want_dnssec=True, id=number)
                    waiting[number] = (now, 1, query)
                    self.sent += 1
                    sock.send(query.to_wire())
                self._receive(sock, waiting)
                for key, (at, count, query) in list(waiting.items()):
                    if now - at < RETRY_S:
                        continue
                    if count == 6:
                        del waiting[key]
                        self.lost.append(query.question[0].to_text())
                        continue
                    self.again += 1
                    waiting[key] = (now, count + 1, query)
                    with contextlib.suppress(OSError):
                        sock.send(query.to_wire())
                time.sleep(0.005)

    def _receive(self, sock: socket.socket, waiting: dict[int, tuple[float, int, dns.message.Message]]) -> None:
        while True:
            try:
                data = sock.recv(65535)
            except OSError:
                return
            response = dns.message.from_wire(data)
            if waiting.pop(response.id, None) is None:
                continue
            broken = "faults" in response.question[0].name.to_text()
            secure = bool(response.flags & dns.flags.AD)
            wanted = (dns.rcode.SERVFAIL, False) if broken else (dns.rcode.NOERROR, True)
            if (response.rcode(), secure) != wanted:
                self.wrong.append(f"{response.question[0]} {dns.rcode.to_text(response.rcode())} AD {secure}")

    def __enter__(self) -> "Clients":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join(LIMIT_S)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[list[str]]:
    net = lab.internet.build(time.time(), prefix=PREFIX)
    (tmp_path / "hints").write_text(net.hints())
    (tmp_path / "anchor").write_text(net.anchor())
    with lab.server.running(net) as server:
        yield [
            f'upstream.root-hints="{tmp_path / "hints"}"',
            f'trust.anchors="{tmp_path / "anchor"}"',
            f"upstream.port={server.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            "trust.rfc5011=false",
        ]


def test_one_of_two_goes_away(settings: list[str], tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ports, daemons = [free_port(), free_port()], []
        for number, port in enumerate(ports):
            made = Daemon(*settings, f"server.nsid=akashi-{number}", listen=f"127.0.0.1:{port}")
            daemons.append(stack.enter_context(made))
        for daemon in daemons:
            daemon.wait_for("ready")
        front = stack.enter_context(Front(tmp_path, ports).running(tmp_path / "dnsdist.log"))
        until(lambda: states(front) == ["up", "up"])
        assert {who(front.port, f"n{number}.wild.example.jp") for number in range(40)} == {"akashi-0", "akashi-1"}

        # Taken out, stopped, started anew, put back: nobody has to ask twice.
        with Clients(front.port) as clients:
            until(lambda: clients.sent > 200)
            front.tell("getServer(0):setDown()")
            sent = clients.sent
            until(lambda: clients.sent > sent + 50)
            assert daemons[0].stop() == 0
            until(lambda: clients.sent > sent + 200)
            again = stack.enter_context(Daemon(*settings, "server.nsid=akashi-0", listen=f"127.0.0.1:{ports[0]}"))
            again.wait_for("ready")
            front.tell("getServer(0):setAuto()")
            until(lambda: states(front) == ["up", "up"])
            sent = clients.sent
            until(lambda: clients.sent > sent + 100)
        assert (clients.lost, clients.wrong, clients.again) == ([], [], 0)

        # Killed: what was on its way is asked again, and answered.
        with Clients(front.port) as clients:
            until(lambda: clients.sent > 100)
            os.killpg(daemons[1].process.pid, signal.SIGKILL)
            until(lambda: states(front)[1] == "down")
            sent = clients.sent
            until(lambda: clients.sent > sent + 100)
        assert (clients.lost, clients.wrong) == ([], [])
        assert {who(front.port, f"n{number}.wild.example.jp") for number in range(10)} == {"akashi-0"}

        # One that cannot validate gets no queries: its health check fails.
        wrong = [setting for setting in settings if not setting.startswith("trust.anchors")]
        odd = stack.enter_context(Daemon(*wrong, "server.nsid=akashi-1", listen=f"127.0.0.1:{ports[1]}"))
        odd.wait_for("ready")
        for _ in range(20):
            assert who(front.port, "www.example.jp") == "akashi-0"
        assert states(front) == ["up", "down"]


def states(front: Front) -> list[str]:
    try:
        return front.states()
    except AssertionError:
        return []  # it does not listen yet


def who(port: int, name: str) -> str:
    """The NSID of the instance that answers."""
    query = dns.message.make_query(name, "A", use_edns=0, options=[dns.edns.GenericOption(dns.edns.NSID, b"")])
    response = dns.query.udp(query, "127.0.0.1", port=port, timeout=LIMIT_S)
    (nsid,) = (option for option in response.options if option.otype == dns.edns.NSID)
    return nsid.to_wire().decode()


def test_the_shipped_file_is_accepted() -> None:
    done = subprocess.run(
        [require_binary("dnsdist"), "--check-config", "-C", SHIPPED],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
