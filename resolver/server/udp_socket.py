"""A UDP socket that serves one query after another, each from a port of its own.

Theory: a socket that is connected takes a port at random (some 28,000 of them on Linux); dissolving the connection gives it
back. The next connection takes another one, just as a new socket would, for a third of the processor time: making and
closing a socket costs more than all it is used for. While it is not connected it has no port, and nothing can come in.
What came in for the query before and was not looked at must not be met by the next: such a socket is closed.

Dissolving is connect() to AF_UNSPEC, which the socket module has no words for; so it is called in the C library. Without it
every query gets a new socket.

Linux only, as the rest of the daemon is. RFC 5452 §9.2 (a port for each query).
"""

import _socket
from typing import Any, Final

from resolver.server.library import LIBRARY

_NOBODY: Final = bytes(16)
"""struct sockaddr with AF_UNSPEC."""
_LOOK: Final = _socket.MSG_PEEK | _socket.MSG_DONTWAIT

_connect: Final[Any] = getattr(LIBRARY, "connect", None)
_recv: Final[Any] = getattr(LIBRARY, "recv", None)


def open_socket(family: int) -> _socket.socket:
    """A new one. The type is that of the C module: its subclass in `socket` costs 1.5 µs more.

    Raises:
        OSError: no descriptor, or the family is unknown.
    """
    return _socket.socket(family, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)


def release(fd: int) -> bool:
    """Give up peer and port; whether the socket may serve another query."""
    if _connect is None or _recv is None or _connect(fd, _NOBODY, len(_NOBODY)):
        return False
    # Also takes away an error that was not told yet.
    return bool(_recv(fd, None, 0, _LOOK) < 0)
