"""Runs the benchmark in namespaces of its own: root there, port 53 on loopback free, no way out, nothing left behind.

`unshare` gives user, network, process and mount namespaces. The first makes the others possible without being root; the
network namespace has only a loopback of its own; the process namespace makes the kernel end every daemon when we end.

Limitations: Linux only. Where unprivileged user namespaces are forbidden, it must be started by root.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys

MARK = "AKASHI_BENCH_INSIDE"

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_UNSHARE = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


class NamespaceError(RuntimeError):
    """The namespaces could not be made."""


def inside() -> bool:
    """Whether this process already runs in the benchmark's namespaces."""
    return os.environ.get(MARK) == "1"


def enter(arguments: list[str], module: str = "bench") -> None:
    """Start `python -m MODULE` again with `arguments` inside the namespaces, and exit as it does. Does nothing inside."""
    if inside():
        _loopback_up()
        return
    probe = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise NamespaceError(f"no namespaces here ({probe.stderr.strip()}); run as root, or outside the container")
    command = [*_UNSHARE, sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.run(command, env={**os.environ, MARK: "1"}, check=False).returncode)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
