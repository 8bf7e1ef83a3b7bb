"""Starting, awaiting and ending the programs of a run, and one-packet questions to them.

Nothing here sleeps for a fixed time: a condition is awaited with a deadline, and who does not meet it is shown with the end
of its log.
"""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode

_POLL_S = 0.002
_STOP_S = 20.0


class RunError(RuntimeError):
    """A program did not do what it was started for."""


class Program:
    """A program in the foreground, pinned to processors, its output in a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        processors: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.started_mono = time.monotonic()
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, processors)), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """The process at the root of the tree."""
        return self._popen.pid

    def check_running(self) -> None:
        """Raises RunError with the end of the log when it has ended."""
        if self._popen.poll() is not None:
            raise RunError(f"{self.name} ended with {self._popen.returncode}:\n{self.log_end()}")

    def log_end(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """End it: asked first, killed when it does not."""
        self._popen.terminate()
        try:
            self._popen.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def ask(
    address: str, port: int, name: str, rtype: str = "A", *, timeout_s: float = 5.0, recurse: bool = True
) -> dns.message.Message | None:
    """One question over UDP, with DO; None when no answer came in time or nobody listens."""
    query = dns.message.make_query(name, rtype, want_dnssec=True)
    if not recurse:
        query.flags &= ~dns.flags.RD
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
        try:
            sock.send(query.to_wire())
            return dns.message.from_wire(sock.recv(65535))
        except (TimeoutError, ConnectionRefusedError):
            return None


def await_answer(program: Program, address: str, port: int, name: str, *, within_s: float, recurse: bool = True) -> float:
    """Ask until NOERROR with an answer comes back; seconds since the program was started."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        program.check_running()
        # The first waits are short: a packet that arrives before the program reads its socket may be lost.
        waited = time.monotonic() - program.started_mono
        reply = ask(address, port, name, timeout_s=max(0.05, waited), recurse=recurse)
        if reply is not None and reply.rcode() == dns.rcode.NOERROR and reply.answer:
            return time.monotonic() - program.started_mono
        time.sleep(_POLL_S)
    raise RunError(f"{program.name} did not answer for {name} within {within_s:.0f} s:\n{program.log_end()}")
