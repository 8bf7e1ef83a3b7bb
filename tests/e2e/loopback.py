"""A network that consists of loopback alone, so that nothing a test starts can reach the Internet by mistake.

Linux, with the right to make network namespaces (root); `isolated()` says whether there was one to be had.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_OURS = Path("/proc/thread-self/ns/net")


@contextlib.contextmanager
def isolated() -> Iterator[bool]:
    """Within the block, this thread and the processes it starts see a loopback of their own and nothing else.

    Gives False, and changes nothing, where that is not permitted. (`os.setns` came with Python 3.12 only.)
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        yield False
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with _OURS.open("rb") as before:
        if libc.unshare(_CLONE_NEWNET) != 0:
            yield False
            return
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
            yield True
        finally:
            if libc.setns(before.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "cannot return to the network namespace")
