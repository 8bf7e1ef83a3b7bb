"""Hostile clients, as a program: `python -m tests.e2e.flood KIND PORT` attacks 127.0.0.1:PORT until it is ended.

It says "attacking" once the attack stands. Paced to a few thousand packets a second, so that what is tested is the
resolver's fairness, not how fast this machine's loopback drops; sources are addresses of 127.0.0.0/8 other than 127.0.0.1.
"""

import contextlib
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

PACE_S = 0.01
BATCH = 30
"""Packets in each of these moments."""
HOLE = "hole.test"


def query(name: str, rtype: int = 1, edns: bool = True) -> bytes:
    """A query with a random ID."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label)
    opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if edns else b""
    return (
        os.urandom(2)
        + struct.pack("!5H", 0x0100, 1, 0, 0, len(opt) > 0)
        + labels
        + b"\0"
        + struct.pack("!HH", rtype, 1)
        + opt
    )


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def sources() -> Iterator[str]:
    """Addresses over and over, of some ten networks /24."""
    while True:
        for number in range(2560):
            yield f"127.9.{number % 10}.{number // 10 % 250 + 1}"


def udp_sockets(count: int, address: Callable[[int], str]) -> list[socket.socket]:
    out = []
    for number in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address(number), 0))
        sock.setblocking(False)
        out.append(sock)
    return out


def pour(sockets: list[socket.socket], port: int, packet: Callable[[], bytes]) -> None:
    """Send for ever, never reading."""
    print("attacking", flush=True)
    turn = 0
    while True:
        for _ in range(BATCH):
            turn += 1
            with contextlib.suppress(OSError):
                sockets[turn % len(sockets)].sendto(packet(), ("127.0.0.1", port))
        time.sleep(PACE_S)


def connect(port: int, source: str) -> socket.socket | None:
    """A connection that is (perhaps not yet) made."""
    sock = socket.socket()
    try:
        sock.bind((source, 0))
        sock.settimeout(1)
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        return None
    return sock


def connections(port: int, count: int, act: Callable[[socket.socket], None], *, pause: float = PACE_S) -> None:
    """Hold that many connections, opened anew when they end, and let each act at every round."""
    held: list[socket.socket] = []
    source = sources()
    said = False
    while True:
        for _ in range(100):
            if len(held) < count and (sock := connect(port, next(source))) is not None:
                held.append(sock)
        if not said:
            said = True
            print("attacking", flush=True)
        for sock in list(held):
            try:
                act(sock)
            except BlockingIOError:
                pass
            except OSError:
                held.remove(sock)
                sock.close()
        time.sleep(pause)


# --- the attacks -----------------------------------------------------------------------------------------------------


def silent_connections(port: int) -> None:
    """Two thousand connections that say nothing."""

    def act(sock: socket.socket) -> None:
        if sock.recv(100) == b"":
            raise ConnectionResetError

    connections(port, 2000, act, pause=0.1)


def octet_by_octet(port: int) -> None:
    """Connections whose queries come one octet at a time and stop before the last."""
    whole = framed(query("www.example.jp"))
    sent: dict[socket.socket, int] = {}

    def act(sock: socket.socket) -> None:
        at = sent.get(sock, 0)
        sock.sendall(whole[at : min(at + 1, len(whole) - 1)])
        sent[sock] = at + 1
        if sock.recv(100) == b"":
            raise ConnectionResetError

    connections(port, 300, act, pause=0.1)


def never_reading(port: int) -> None:
    """Connections that ask as fast as they can and read nothing."""
    many = framed(query("www.example.jp")) * 200
    connections(port, 40, lambda sock: sock.sendall(many))


def garbage(port: int) -> None:
    """Octets of no meaning, some with a header before them, over UDP."""

    def packet() -> bytes:
        noise = os.urandom(random.randrange(1, 200))
        return noise if random.random() < 0.5 else os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\1" + noise

    pour(udp_sockets(50, lambda number: f"127.9.1.{number + 1}"), port, packet)


def replay(port: int) -> None:
    """One and the same query from many ports."""
    packet = query("www.example.jp")
    pour(udp_sockets(500, lambda number: "127.9.2.1"), port, lambda: packet)


def forged_prefix(port: int) -> None:
    """Queries in the name of a whole prefix, for an answer that is large."""
    pour(udp_sockets(250, lambda number: f"127.9.3.{number + 1}"), port, lambda: query("example.jp", 48))


def random_names(port: int) -> None:
    """Names below a zone whose servers do not answer: each stays unanswered as long as it may."""
    pour(
        udp_sockets(250, lambda number: f"127.9.4.{number + 1}"),
        port,
        lambda: query(f"{random.getrandbits(60):x}.{HOLE}"),
    )


def strangers(port: int) -> None:
    """Clients that are not served (access.allow must not have 127.200.0.0/16)."""
    packet = query("www.example.jp")
    pour(udp_sockets(250, lambda number: f"127.200.0.{number + 1}"), port, lambda: packet)


ATTACKS: dict[str, Callable[[int], None]] = {
    attack.__name__: attack
    for attack in (
        silent_connections,
        octet_by_octet,
        never_reading,
        garbage,
        replay,
        forged_prefix,
        random_names,
        strangers,
    )
}

if __name__ == "__main__":
    ATTACKS[sys.argv[1]](int(sys.argv[2]))
