"""What a packet costs the receive loop: `python -m bench.hits`, system calls left out; `… --sockets`, with them.

For the former the loop of `resolver.server.listen_udp` is run on a system whose packets cost nothing: the same ones lie in
the slots for ever. For the latter a client in the same process asks and listens, and only the loop's time counts: what it
costs to wake whoever waits in another process is not in it. `--one-by-one` does as where the system has no recvmmsg. The
least CPU time of many rounds counts, so a busy machine hardly shows. `make bench` measures the whole with dnsperf.
"""

import asyncio
import ctypes
import ipaddress
import socket
import struct
import sys
import time
from typing import Any, cast

from resolver.cache.packets import PacketCache, cache_key
from resolver.daemon.build import pack
from resolver.protect.cookies import Cookies
from resolver.protect.protection import Protection
from resolver.protect.rates import ClientRates, Prefixes, ResponseRates
from resolver.server.access import AccessList
from resolver.server.batch import SYSTEM, System
from resolver.server.clock import monotonic
from resolver.server.counters import Counters
from resolver.server.listen_udp import BATCH, UdpListener, prepare
from resolver.server.respond import Identity
from resolver.server.service import Observer, Service, Submitter
from resolver.server.tally import Said
from trust.vocabulary import Transport
from wire import types as t
from wire.composer import compose, compose_query
from wire.edns import COOKIE, Edns
from wire.rrset import RRset
from wire.text import name_from_text

ROUNDS = 400
CALLS = 20
"""Wake-ups in a round."""
PLENTY = 1e9


class Script:
    """A socket, and a system's calls for it, that receive the same packets for ever and send nothing."""

    family = socket.AF_INET

    def __init__(self, packets: list[bytes], client: str) -> None:
        self._packets = packets
        self._client = ipaddress.ip_address(client).packed
        self._written = False

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 53

    def fileno(self) -> int:
        return 0

    def recvmmsg(self, descriptor: int, headers: ctypes.c_void_p, *_: object) -> int:
        if not self._written:
            self._written = True
            for number, packet in enumerate(self._packets):
                self._write(cast(int, headers.value) + 64 * number, packet, 1024 + number)
        return len(self._packets)

    def _write(self, header: int, packet: bytes, port: int) -> None:
        """As the kernel does: the sender, the octets, their number."""
        sender, iovecs = struct.unpack_from("@P8xP", ctypes.string_at(header, 64))
        (base,) = struct.unpack("@P", ctypes.string_at(iovecs, 8))
        ctypes.memmove(sender, struct.pack("=H", socket.AF_INET) + port.to_bytes(2, "big") + self._client, 8)
        ctypes.memmove(base, packet, len(packet))
        ctypes.memmove(header + 56, struct.pack("@I", len(packet)), 4)

    def sendmmsg(self, descriptor: int, headers: ctypes.c_void_p, count: int, flags: int) -> int:
        return count

    def sendto(self, packet: bytes, client: tuple[str, int]) -> None:
        pass


class Loop:
    """Takes the receive loop and gives it back."""

    def add_reader(self, descriptor: int, receive: Any) -> None:
        self.receive = receive


def queries(cookie: bytes = b"") -> list[bytes]:
    """64 queries, each for another name."""
    options = [(COOKIE, cookie)] if cookie else []
    return [
        compose_query(number, name_from_text(f"n{number}.example.jp."), t.A, flags=t.RD, edns=Edns(1232, t.DO, options))
        for number in range(64)
    ]


def service_for(packets: list[bytes], protection: Protection | None) -> Service:
    """A service with an answer to each in its packet cache."""
    cache = PacketCache(1 << 22)
    service = Service(
        cast(Submitter, None), AccessList(), Identity(b""), Counters(), cache, cast(Observer, None), protection=protection
    )
    cell = service.counters.tally.cell(Said(Transport.UDP, t.A, t.NOERROR))
    now = monotonic()
    for packet in packets:
        name = packet[12 : packet.index(0, 12) + 1]
        answer = [(RRset(name, t.A, 3600, [b"\xc0\0\2\1"]), 3600)]
        response = compose(0, t.QR | t.RA, (name, t.A, t.IN), answer, edns=Edns(1232, t.DO))
        cache.put(cache_key(packet), response, now, now + 3600, cell)
    return service


def nanoseconds(packets: list[bytes], protection: Protection | None = None, client: str = "127.0.0.1") -> float:
    """CPU time for each packet, every one of them in the packet cache."""
    service = service_for(packets, protection)
    loop = Loop()
    script = Script(packets, client)
    listener = UdpListener(cast(socket.socket, script), service, System(script.recvmmsg, script.sendmmsg))
    listener.start(cast(asyncio.AbstractEventLoop, loop))
    loop.receive()
    best = PLENTY
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(CALLS):
            loop.receive()
        best = min(best, (time.process_time_ns() - start) / CALLS / BATCH)
    return best


def through_sockets(at_once: int, system: System | None, address: str = "127.0.0.1") -> float:
    """CPU time for each packet of so many that wait in the socket; system calls included."""
    packets = queries()[:at_once]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        prepare(server)
        server.bind((address, 0))
        client.settimeout(1)
        client.connect(({"0.0.0.0": "127.0.0.1"}.get(address, address), server.getsockname()[1]))
        loop = Loop()
        UdpListener(server, service_for(packets, None), system).start(cast(asyncio.AbstractEventLoop, loop))
        best = PLENTY
        for _ in range(ROUNDS // 4):
            spent = 0
            for _ in range(CALLS):
                for packet in packets:
                    client.send(packet)
                start = time.process_time_ns()
                loop.receive()
                spent += time.process_time_ns() - start
                for _ in packets:
                    client.recv(4096)
            best = min(best, spent / CALLS / at_once)
        return best


def main() -> None:
    """Print the tables of docs/RESILIENCE.md and docs/PERFORMANCE.md."""
    if "--sockets" in sys.argv:
        system = None if "--one-by-one" in sys.argv else SYSTEM
        for address in ("127.0.0.1", "::1", "0.0.0.0"):
            for at_once in (1, 4, 16, 64):
                print(
                    f"hit at {address}, {at_once:2} waiting".ljust(40)
                    + f"{through_sockets(at_once, system, address) / 1000:6.2f} µs"
                )
        return
    prefixes = Prefixes(24, 56)
    cookies = Cookies([bytes(16)])

    def protection(rate: float = 0, responses: float = 0) -> Protection:
        clients = ClientRates(rate, 2 * rate, prefixes, pack) if rate or responses else None
        repeated = ResponseRates(responses, 2 * responses) if responses else None
        return Protection(pack=pack, prefixes=prefixes, cookies=cookies, clients=clients, responses=repeated)

    plain, shown = queries(), queries(b"client-c")
    for what, ns in (
        ("hit, no rates", nanoseconds(plain, protection())),
        ("hit, client-rate", nanoseconds(plain, protection(PLENTY))),
        ("hit, client-rate and response-rate", nanoseconds(plain, protection(PLENTY, PLENTY))),
        ("over client-rate, slip 2", nanoseconds(plain, protection(1))),
        ("hit, query with COOKIE", nanoseconds(shown, protection())),
        ("client that is not served", nanoseconds(plain, protection(), "192.0.2.1")),
    ):
        print(f"{what:40}{ns / 1000:6.2f} µs")


if __name__ == "__main__":
    main()
