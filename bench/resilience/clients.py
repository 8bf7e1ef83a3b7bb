"""Clients: one that attacks, one that does not."""

import contextlib
import os
import select
import socket
import statistics
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.rcode

from bench.resilience.world import PORT

TIMEOUT_S, ATTEMPTS = 2.0, 2
"""How long another client waits for an answer, and how often it asks."""


def query(ident: int, name: str) -> bytes:
    """A query for an A record with DO."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 1) + labels + b"\0\0\1\0\1" + b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"


@dataclass
class Attacker:
    """Asks one resolver attacking questions."""

    address: str
    question: Callable[[int], str]
    number: int
    """Of the next question."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """What came back: an RCODE, with AD if it was set, or "nothing"."""

    def __post_init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.connect((self.address, PORT))
        self._sock.setblocking(False)
        self._waiting: set[int] = set()

    def ask(self, count: int, rate: float, wait_s: float) -> int:
        """So many questions at this rate; returns after all answers, or `wait_s`. Returns how many were asked."""
        for _ in range(count):
            self._send()
            self._read(1 / rate)
        self.wait(wait_s)
        return count

    def keep_asking(self, rate: float, stop: threading.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            self._send()
            self._read(1 / rate)

    def wait(self, wait_s: float) -> None:
        """Until all are answered."""
        deadline = time.monotonic() + wait_s
        while self._waiting and (left := deadline - time.monotonic()) > 0:
            self._read(left, once=True)
        self.outcomes["nothing"] += len(self._waiting)
        self._waiting.clear()

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()

    def _send(self) -> None:
        ident = self.number % 65536
        self._waiting.add(ident)
        with contextlib.suppress(OSError):
            self._sock.send(query(ident, self.question(self.number)))
        self.number += 1

    def _read(self, seconds: float, *, once: bool = False) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and select.select([self._sock], [], [], left)[0]:
            with contextlib.suppress(OSError):
                octets = self._sock.recv(65535)
                ident = int.from_bytes(octets[:2], "big")
                if ident in self._waiting:
                    self._waiting.discard(ident)
                    rcode = dns.rcode.to_text(dns.rcode.Rcode(octets[3] & 15))
                    self.outcomes[rcode + (" AD" if octets[3] & 0x20 else "")] += 1
            if once:
                return


class Bystander:
    """Asks names that are cached and names that are not, one after the other, with one retry."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked = self.good = 0
        self.cached: list[float] = []
        self.new: list[float] = []

    def pairs(self, start: int, count: int, pace_s: float) -> None:
        """So many new names, and a cached one after each, with a pause after both."""
        for number in range(start, start + count):
            time.sleep(pace_s)
            self._ask(f"host{number}.honest.", self.new)
            self._ask("host0.honest.", self.cached)

    def _ask(self, name: str, times: list[float]) -> None:
        self.asked += 1
        start = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((self.address, PORT))
            sock.settimeout(TIMEOUT_S)
            for _ in range(ATTEMPTS):
                packet = query(int.from_bytes(os.urandom(2), "big"), name)
                with contextlib.suppress(OSError):
                    sock.send(packet)
                    octets = sock.recv(4096)
                    # RCODE, AD and an answer: that zone is signed.
                    self.good += octets[:2] == packet[:2] and octets[3] & 0x2F == 0x20 and octets[7] > 0
                    times.append(time.monotonic() - start)
                    return

    @property
    def share(self) -> float:
        """Of questions answered as they should be."""
        return self.good / self.asked

    def medians_ms(self) -> tuple[float, float]:
        """Of cached and of new names."""
        return tuple(1e3 * statistics.median(times) if times else float("inf") for times in (self.cached, self.new))  # type: ignore[return-value]
