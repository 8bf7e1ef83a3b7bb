"""Every hostile authority at once before the running daemon, over real sockets: bounded packets, nobody convinced,
other clients served; and answers in fragments.

`python -m bench.resilience` measures the same attacks one by one, beside Unbound and BIND.
"""

import contextlib
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from resolver.cli.client import Client
from tests.e2e.flood import query
from tests.e2e.loopback import isolated
from tests.hostile import attacks, signed
from tests.hostile.sockets import Hostile
from tests.resolver.daemon.process import LIMIT_S, Daemon

ROUNDS = 3


@contextlib.contextmanager
def serving(directory: Path, world: signed.World, places: list[str]) -> Iterator[tuple[Hostile, Daemon]]:
    """The hostile world, and a daemon before it."""
    (directory / "hints").write_text(attacks.hints())
    (directory / "anchor").write_text(world.anchor())
    with (
        Hostile(world.respond, places) as hostile,
        Daemon(
            f"upstream.root-hints={directory / 'hints'}",
            f"trust.anchors={directory / 'anchor'}",
            f"upstream.port={hostile.port}",
            f"control.socket={directory}/control/c",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            "trust.rfc5011=false",
            "trust.signal=false",
        ) as daemon,
    ):
        daemon.wait_for("ready")
        yield hostile, daemon
        assert daemon.stop() == 0
        assert not [line for line in daemon.lines if line["level"] == "error"]


def honest(daemon: Daemon, name: str) -> bool:
    message = dns.message.make_query(name, "A", want_dnssec=True)
    answer = dns.query.udp(message, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)
    return answer.rcode() == dns.rcode.NOERROR and "AD" in dns.flags.to_text(answer.flags) and bool(answer.answer)


def test_all_attacks_at_once(tmp_path):
    every = {**attacks.ATTACKS, **signed.ATTACKS}
    with serving(tmp_path, signed.World(hosts=400), list(signed.addresses())) as (hostile, daemon):
        assert honest(daemon, "host0.honest")
        waiting: dict[int, str] = {}
        got: dict[str, list[tuple[str, bool]]] = {name: [] for name in every}
        number = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", daemon.port))
            for turn in range(ROUNDS):
                for name, attack in every.items():
                    packet = query(attack.question(turn))
                    waiting[int.from_bytes(packet[:2], "big")] = name
                    sock.send(packet)
                    if (number := number + 1) % 2 == 0:
                        assert honest(daemon, f"host{number}.honest")
            deadline = time.monotonic() + 20
            while waiting and select.select([sock], [], [], max(deadline - time.monotonic(), 0))[0]:
                octets = sock.recv(4096)
                asked = waiting.pop(int.from_bytes(octets[:2], "big"), None)
                if asked is not None:
                    got[asked].append((dns.rcode.to_text(dns.rcode.Rcode(octets[3] & 15)), bool(octets[3] & 0x20)))
        assert len(waiting) <= 1, "every query is answered (two may have had the same ID)"
        for name, attack in every.items():
            for rcode, ad in got[name]:
                assert not ad, name
                assert rcode == "SERVFAIL" or attack.succeeds, (name, rcode)
        bound = ROUNDS * sum(attack.packets for attack in every.values()) + 2 * number
        assert sum(hostile.clients.values()) <= bound
        status = Client(tmp_path / "control" / "c").get("/v1/status")
        assert status["counters"]["internal_errors"] == 0
        assert honest(daemon, "host399.honest")


def test_answers_in_fragments(tmp_path):
    """A server sends over UDP what only fits into fragments: it is not used, TCP is (RFC 9715)."""
    places = [attacks.ROOT, attacks.server("oversize")]
    with isolated() as alone:
        if not alone:
            pytest.skip("needs a network namespace of its own")
        subprocess.run(["ip", "link", "set", "lo", "mtu", "1300"], check=True)
        with serving(tmp_path, signed.World(hosts=1), places) as (hostile, daemon):
            message = dns.message.make_query(attacks.ATTACKS["oversize"].question(1), "A")
            answer = dns.query.udp(message, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)
            assert answer.rcode() == dns.rcode.NOERROR
            assert reassembled() > 0, "there were fragments"
            assert hostile.packets[attacks.server("oversize"), "tcp"] >= 1


def reassembled() -> int:
    """Datagrams that the kernel put together here."""
    lines = [line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    return int(dict(zip(*lines, strict=True))["ReasmOKs"])
