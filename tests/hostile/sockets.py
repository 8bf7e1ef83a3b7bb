"""The hostile authorities on loopback sockets, one thread and one epoll for all of them: real packets, real connections.

    with Hostile() as hostile:
        …                      # a resolver with `attacks.hints()`, asking on `hostile.port`
        hostile.packets        # queries that came, by address

Every address of `attacks.addresses()` listens on the same port, over UDP and TCP.
"""

import contextlib
import heapq
import itertools
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

from lab.server import bind_all
from tests.hostile.attacks import TCP, UDP, Said, addresses, respond

_CHUNK = 65536


class Hostile:
    """The servers, while the block lasts.

    Attributes:
        packets: queries by address and transport. connections: TCP connections accepted, by address. clients: queries by
            the address they came from.
    """

    def __init__(
        self,
        respond: Callable[[str, str, bytes], list[Said]] = respond,
        only: list[str] | None = None,
        port: int = 0,
    ) -> None:
        self._respond = respond
        self._bound = bind_all(list(only or addresses()), port)
        self.port: int = next(iter(self._bound.values()))[0].getsockname()[1]
        self.packets: Counter[tuple[str, str]] = Counter()
        self.connections: Counter[str] = Counter()
        self.clients: Counter[str] = Counter()
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._streams: set[_Stream] = set()

    def __enter__(self) -> "Hostile":
        for ip, (udp, tcp) in self._bound.items():
            udp.setblocking(False)
            tcp.setblocking(False)
            tcp.listen(64)
            self._watch(udp, lambda ip=ip, udp=udp: self._packet(ip, udp))  # type: ignore[misc]
            self._watch(tcp, lambda ip=ip, tcp=tcp: self._accept(ip, tcp))  # type: ignore[misc]
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._stop.set()
        self._thread.join(10)
        for stream in list(self._streams):
            stream.close()
        for udp, tcp in self._bound.values():
            udp.close()
            tcp.close()
        self._elsewhere.close()
        self._epoll.close()

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _watch(self, sock: socket.socket, handler: Callable[[], None]) -> None:
        self._handlers[sock.fileno()] = handler
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._serial), callback))

    def _run(self) -> None:
        while not self._stop.is_set():
            wait = min(self._due[0][0] - time.monotonic(), 0.05) if self._due else 0.05
            for fd, _ in self._epoll.poll(max(wait, 0)):
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler()
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()

    def forget(self, fd: int) -> None:
        """A descriptor is about to be closed."""
        self._handlers.pop(fd, None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(fd)

    # --- UDP ---------------------------------------------------------------------------------------------------------

    def _packet(self, ip: str, udp: socket.socket) -> None:
        try:
            wire, client = udp.recvfrom(4096)
        except OSError:
            return
        self.packets[ip, UDP] += 1
        self.clients[client[0]] += 1
        for said in self._respond(ip, UDP, wire):
            sock = self._elsewhere if said.elsewhere else udp
            if said.after_s:
                self.after(said.after_s, lambda said=said, sock=sock: _send(sock, said.octets, client))  # type: ignore[misc]
            else:
                _send(sock, said.octets, client)

    # --- TCP ---------------------------------------------------------------------------------------------------------

    def _accept(self, ip: str, tcp: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock, client = tcp.accept()
            self.connections[ip] += 1
            stream = _Stream(self, ip, client[0], sock)
            self._streams.add(stream)
            self._watch(sock, stream.read)

    def ended(self, stream: "_Stream") -> None:
        """A connection was closed."""
        self._streams.discard(stream)

    def answers(self, ip: str, client: str, wire: bytes) -> list[Said]:
        """What is said over TCP."""
        self.packets[ip, TCP] += 1
        self.clients[client] += 1
        return self._respond(ip, TCP, wire)


class _Stream:
    """One client's connection."""

    def __init__(self, owner: Hostile, ip: str, client: str, sock: socket.socket) -> None:
        self._owner = owner
        self._ip = ip
        self._client = client
        self._sock = sock
        sock.setblocking(False)
        self._input = b""

    def close(self) -> None:
        """Hang up."""
        if self._sock.fileno() >= 0:
            self._owner.forget(self._sock.fileno())
            self._sock.close()
            self._owner.ended(self)

    def read(self) -> None:
        """Queries came, or the client left."""
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._input += data
        while len(self._input) >= 2 and len(self._input) >= (end := 2 + int.from_bytes(self._input[:2], "big")):
            wire, self._input = self._input[2:end], self._input[end:]
            for said in self._owner.answers(self._ip, self._client, wire):
                self._owner.after(said.after_s, lambda said=said: self._say(said))  # type: ignore[misc]

    def _say(self, said: Said) -> None:
        octets = len(said.octets).to_bytes(2, "big") + said.octets
        if said.close:
            self.close()
        elif said.slowly_s:
            self._drip(octets, said.slowly_s)
        elif said.endless:
            self._pour(octets)
        else:
            self._put(octets)

    def _put(self, octets: bytes) -> bool:
        try:
            self._sock.send(octets)
        except BlockingIOError:
            return True
        except OSError:
            self.close()
            return False
        return True

    def _drip(self, octets: bytes, pause_s: float) -> None:
        if self._sock.fileno() >= 0 and octets and self._put(octets[:1]):
            self._owner.after(pause_s, lambda: self._drip(octets[1:], pause_s))

    def _pour(self, octets: bytes) -> None:
        if self._sock.fileno() >= 0 and self._put(octets):
            self._owner.after(0.0005, lambda: self._pour(octets))


def _send(sock: socket.socket, octets: bytes, client: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):
        sock.sendto(octets, client)
