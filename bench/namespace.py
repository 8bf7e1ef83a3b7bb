"""Runs the benchmark in namespaces of its own: root there, port 53 on loopback free, no way out, nothing left behind.

`unshare` gives network, process and mount namespaces, and who is not root a user namespace, which makes the others possible
(root does without: it would lose real-time priorities, `bench.priority`). The network namespace has only a loopback of its
own; the process namespace makes the kernel end every daemon when we end.

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
_UNSHARE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_MAPPED = (*_UNSHARE, "--map-root-user")


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
    command = [*_found(), sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.run(command, env={**os.environ, MARK: "1"}, check=False).returncode)


def _found() -> tuple[str, ...]:
    """What makes the namespaces here."""
    problem = ""
    for command in (_UNSHARE, _MAPPED):
        probe = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        if probe.returncode == 0:
            return command
        problem = probe.stderr.strip()
    raise NamespaceError(f"no namespaces here ({problem}); run as root, or outside the container")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
