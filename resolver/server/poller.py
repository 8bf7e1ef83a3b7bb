"""Many short-lived sockets on one event loop, cheaply.

Theory: a query to a server has a socket of its own (RFC 5452 §9.2), which lives for some milliseconds. Registering each
with the event loop costs more than all its system calls; so they are registered with an epoll instance of our own, and
only that instance's descriptor is known to the loop. It becomes readable when any of its sockets is ready. While answers
are worked on others come in, mostly; so it is asked again before the loop goes round, for a moment at most.

Linux only, as the rest of the daemon is.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Final

from resolver.server.clock import monotonic

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT

_EVENTS: Final = 256
"""Sockets served before others are looked for, so that clients get their turn."""
_MOMENT: Final = 0.001
"""Seconds after which the loop goes round, whatever else has come in: clients and timers wait."""


class Poller:
    """Callbacks by file descriptor; each is called with the events (a mask of select.EPOLL*) that are ready."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def add(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Watch a descriptor."""
        self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def change(self, fd: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forget a descriptor that is about to be closed (closing takes it out of the epoll instance)."""
        self._callbacks.pop(fd, None)

    def after(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Have something called once, later."""
        return self._loop.call_later(seconds, callback)

    def close(self) -> None:
        """Forget all."""
        if not self._epoll.closed:
            forget: Callable[[int], object] = self._loop.remove_reader  # uvloop's says None instead of a bool
            forget(self._epoll.fileno())
            self._epoll.close()
            self._callbacks.clear()

    def _ready(self) -> None:
        callbacks = self._callbacks
        poll = self._epoll.poll
        until = monotonic() + _MOMENT
        while ready := poll(0, _EVENTS):
            for fd, events in ready:
                # A callback may have closed another socket of this batch, and a new one may have its number by now; a
                # callback must therefore bear to find nothing to read.
                callback = callbacks.get(fd)
                if callback is not None:
                    callback(events)
            if monotonic() >= until or self._epoll.closed:
                return
