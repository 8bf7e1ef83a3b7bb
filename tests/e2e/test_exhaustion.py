"""What runs out under the running daemon: the disk under its state, its file descriptors.

The state directory is a small file system of its own, in a mount namespace of its own, filled to the last octet while the
daemon runs. What was acknowledged before stays, what cannot be kept is refused, and queries are answered throughout,
also by a daemon that was killed and started again while the disk is full.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from lab.faults import CATALOGUE
from resolver.cli.client import Client, RefusedError
from tests.e2e.flood import framed, query
from tests.e2e.resolvers import mini_internet
from tests.resolver.daemon.process import LIMIT_S, Daemon, children_of

PREFIX = "127.76"
_CLONE_NEWNS = 0x20000


class Disk:
    """A file system of `size` octets at `place`, seen by those who enter, and by us below `/proc`."""

    def __init__(self, place: Path, size: int) -> None:
        script = f"mount -t tmpfs -o size={size} tmpfs {place} && echo mounted && exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        self.usable = self._holder.stdout.readline() == b"mounted\n"
        self.inside = Path(f"/proc/{self._holder.pid}/root{place}")
        self._namespace = f"/proc/{self._holder.pid}/ns/mnt"

    def enter(self) -> None:
        """For a process that is about to become another program."""
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(self._namespace, os.O_RDONLY)
        if libc.setns(fd, _CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(fd)

    def fill(self) -> None:
        """To the last octet."""
        with (self.inside / "fill").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        assert os.statvfs(self.inside).f_bavail == 0

    def empty(self) -> None:
        """Room again."""
        (self.inside / "fill").unlink()

    def close(self) -> None:
        """Gone."""
        self._holder.communicate(timeout=10)


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    place = tmp_path / "state"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root")
    made = Disk(place, 512 * 1024)
    try:
        if not made.usable:
            pytest.skip("no mount namespace here")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def lab_settings(tmp_path_factory) -> Iterator[list[str]]:
    with mini_internet(tmp_path_factory.mktemp("lab"), PREFIX) as basic:
        yield [*basic, "trust.signal=false", "trust.nta.require-approval=false"]


def rcode(daemon: Daemon, name: str) -> str:
    message = dns.message.make_query(name, "A", want_dnssec=True)
    return dns.rcode.to_text(dns.query.udp(message, "127.0.0.1", port=daemon.port, timeout=LIMIT_S).rcode())


BROKEN = [f"{name}.faults.jp" for name in sorted(CATALOGUE) if name.startswith(("rrsig-", "ds-"))]


def test_disk_full_under_the_state(lab_settings, disk, tmp_path):
    socket_path = tmp_path / "control" / "c"
    settings = [*lab_settings, f"trust.state-dir={tmp_path / 'state'}", f"control.socket={socket_path}"]
    client = Client(socket_path)

    def add(name: str) -> bool:
        """Whether it was acknowledged."""
        try:
            client.post("/v1/nta/add", 30, name=name, reason="rehearsal", lifetime="1h")
        except RefusedError as error:
            told.append(str(error))
            return False
        return True

    def listed() -> set[str]:
        return {one["name"] for one in client.get("/v1/nta")["ntas"]}

    told: list[str] = []
    broken = []
    with Daemon(*settings, preexec_fn=disk.enter) as daemon:
        daemon.wait_for("ready")
        assert (disk.inside / "akashi.db").exists(), "the state is on the small disk"
        broken = [name for name in BROKEN if rcode(daemon, name) == "SERVFAIL"]
        assert add(broken[0])
        disk.fill()
        accepted = [broken[0]]
        for number, name in enumerate(broken[1:]):
            if add(name):
                accepted.append(name)  # there was room in what the file had
            elif len(told) >= 3:
                break
            assert rcode(daemon, f"n{number}.wild.example.jp") == "NOERROR"
        refused = [name for name in broken[1 : number + 2] if name not in accepted]
        assert len(refused) >= 3, (accepted, told)
        assert all("full" in text for text in told if "validate" not in text), told
        assert listed() == set(accepted)
        for name in accepted:
            assert rcode(daemon, name) == "NOERROR"
        for name in refused:
            assert rcode(daemon, name) == "SERVFAIL"
        os.killpg(daemon.process.pid, signal.SIGKILL)
        daemon.wait()
        assert "internal-error" not in daemon.events(), daemon.lines

    with Daemon(*settings, preexec_fn=disk.enter) as daemon:
        daemon.wait_for("ready")
        assert listed() == set(accepted), "on a disk that is still full"
        assert rcode(daemon, accepted[-1]) == "NOERROR"
        assert rcode(daemon, refused[0]) == "SERVFAIL"
        disk.empty()
        assert add(refused[0])
        assert rcode(daemon, refused[0]) == "NOERROR"
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events(), daemon.lines
        assert "state-file-damaged" not in daemon.events(), daemon.lines


def test_descriptors_run_out_while_it_runs(lab_settings, tmp_path):
    """The system takes away what it had promised: no connection is accepted and no server can be asked until it relents,
    cached names are answered all the while, and nothing of it stays.
    """
    settings = [*lab_settings, f"control.socket={tmp_path}/control/c", "server.tcp-per-client=400"]
    with Daemon(*settings) as daemon:
        daemon.wait_for("ready")
        assert rcode(daemon, "www.example.jp") == "NOERROR"
        worker = children_of(daemon.process.pid)[-1]
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        used = max(int(fd.name) for fd in Path(f"/proc/{worker}/fd").iterdir()) + 1
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used, before[1]))
        held = []
        for _ in range(50):
            sock = socket.socket()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("127.0.0.1", daemon.port))
            held.append(sock)
        for number in range(20):
            assert rcode(daemon, "www.example.jp") == "NOERROR", "cached"
            assert rcode(daemon, f"d{number}.wild.example.jp") in ("SERVFAIL", "NOERROR")
        status = Client(tmp_path / "control" / "c").get("/v1/status")
        assert status["counters"]["internal_errors"] == 0
        assert status["gauges"]["tcp_connections"] < len(held), "they have run out"
        ticks = cpu_ticks(worker)
        time.sleep(0.5)  # a loop that spins on accept() would take all of it
        assert cpu_ticks(worker) - ticks < 0.3 * os.sysconf("SC_CLK_TCK")
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        for sock in held:
            sock.close()
        assert rcode(daemon, "after.wild.example.jp") == "NOERROR"
        deadline = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", daemon.port), 5) as sock:
                sock.settimeout(2)
                sock.sendall(framed(query("www.example.jp")))
                if sock.recv(2):
                    break
            assert time.monotonic() < deadline, "connections are accepted again"
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events(), daemon.lines


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
