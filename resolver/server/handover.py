"""A retiring worker hands its clients' TCP connections to its successor, so that a reload closes none.

Theory: both have the two ends of one unix datagram socket pair, which the supervisor made for their place and keeps. The
retiring worker stops reading a connection, answers what it has read of it, and sends the connection's descriptor together
with the octets that make no whole query yet (at most one message) as one datagram; the kernel holds the rest of what the
client sent. Whoever serves the place takes it from the other end. A worker that retires takes nothing from it any more; if
nobody does for a while, the datagram waits. Nothing is lost, unless the successor dies with it.

Limitations: when the pair is full, or descriptors are short, the connection stays and is tried again; at the end of the
worker's patience it is closed, and its client connects and asks anew (RFC 7766 §6.2.4). A client that does not read its
answers is not handed over.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

_MARK: Final = b"\0"
"""Before the octets: a datagram is never empty."""
_ROOM: Final = 2 + 65535 + len(_MARK)
_AT_ONCE: Final = 64
"""Connections taken before clients are served again."""

Take = Callable[[socket.socket, bytes], None]


def make_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends: to take from, to give to."""
    taking, giving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    taking.setblocking(False)
    giving.setblocking(False)
    return taking, giving


class Handover:
    """A worker's view of its place's pair."""

    def __init__(self, taking: socket.socket, giving: socket.socket) -> None:
        self._taking, self._giving = taking, giving
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop, take: Take) -> None:
        """Take what is handed over, as long as we serve."""
        self._loop = loop
        loop.add_reader(self._taking, self._readable, take)

    def stop(self) -> None:
        """Take nothing more: what comes is our successor's."""
        if self._loop is not None:
            self._loop.remove_reader(self._taking)
            self._loop = None

    def give(self, descriptor: int, unread: bytes) -> bool:
        """Hand over a connection; False when that is not possible now."""
        try:
            socket.send_fds(self._giving, [_MARK + unread], [descriptor])
        except OSError:
            return False
        return True

    def _readable(self, take: Take) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, descriptors, _, _ = socket.recv_fds(self._taking, _ROOM, 1)
            except OSError:
                return
            for descriptor in descriptors:
                with contextlib.suppress(OSError):  # it ended on the way
                    take(socket.socket(fileno=descriptor), data[len(_MARK) :])
