"""The daemon as a process: it starts, answers, stops cleanly, and says why it cannot start."""

import os
import signal
import socket
import time
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.conftest import require_binary
from tests.resolver.daemon.process import LIMIT_S, Daemon, children_of, is_alive


def ask(daemon, *, tcp=False, address=None, source=None):
    """The answer for localhost, which is served without a network."""
    query = dns.message.make_query("localhost", "A")
    where, port = address or daemon.addresses[0]
    send = dns.query.tcp if tcp else dns.query.udp
    answer = send(query, where, port=port, timeout=LIMIT_S, source=source)
    assert answer.rcode() == dns.rcode.NOERROR
    return answer


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_start_answer_stop(number):
    with Daemon("server.nsid=here") as daemon:
        daemon.wait_for("ready")
        assert daemon.lines[0]["event"] == "starting"
        assert daemon.lines[0]["version"]
        assert daemon.lines[1]["anchors"] == [". 20326 38696"]
        ask(daemon)
        ask(daemon, tcp=True)
        started = time.monotonic()
        assert daemon.stop(number) == 0
        assert time.monotonic() - started < 5
        assert daemon.events()[-2:] == ["stopping", "stopped"]
        assert not daemon.other


def test_stopping_with_open_connections_is_quick():
    with Daemon() as daemon:
        daemon.wait_for("ready")
        with socket.create_connection(daemon.addresses[0], LIMIT_S) as connection:
            connection.sendall(b"\0\x20half a query")
            assert daemon.stop() == 0


def test_udp_and_tcp_share_the_port_of_every_address():
    with Daemon(listen="127.0.0.1:0,[::1]:0,127.0.0.2:0") as daemon:
        daemon.wait_for("ready")
        assert [address for address, _ in daemon.addresses] == ["127.0.0.1", "::1", "127.0.0.2"]
        for address in daemon.addresses:
            ask(daemon, address=address)
            ask(daemon, address=address, tcp=True)
        assert daemon.stop() == 0


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_busy_port_is_told_with_its_address(kind, workers):
    with socket.socket(socket.AF_INET, kind) as sock:
        # As a daemon that shares its port would: it must not let us in either.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        port = sock.getsockname()[1]
        with Daemon(f"server.workers={workers}", listen=f"127.0.0.1:{port}") as daemon:
            line = daemon.wait_for("cannot-start")
            over = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
            assert line["problem"] == f"server.listen: 127.0.0.1:{port} ({over}): address in use by another process"
            assert f"sport = :{port}" in line["advice"]
            assert daemon.wait() == 1
            assert not daemon.other, "no traceback"


def test_an_address_of_another_machine():
    with Daemon(listen="192.0.2.77:0") as daemon:
        assert "no interface of this machine" in daemon.wait_for("cannot-start")["problem"]
        assert daemon.wait() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as somebody else")
def test_a_port_that_needs_privilege():
    unprivileged = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip()
    if int(unprivileged) <= 1:
        pytest.skip("this system protects no port")
    try:
        daemon = Daemon(listen="127.0.0.1:1", user=65534, group=65534, extra_groups=[], cwd="/")
    except PermissionError:
        pytest.skip("an ordinary user may not run this interpreter")
    with daemon:
        line = daemon.wait_for("cannot-start")
        assert "permission denied" in line["problem"]
        assert "CAP_NET_BIND_SERVICE" in line["advice"]
        assert daemon.wait() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")
@pytest.mark.parametrize("workers", [1, 2])
def test_privileges_are_dropped(workers):
    with Daemon("server.user=nobody", f"server.workers={workers}") as daemon:
        daemon.wait_for("ready")
        ask(daemon)
        for pid in (daemon.process.pid, *children_of(daemon.process.pid)):
            status = Path(f"/proc/{pid}/status").read_text()
            ids = {line.split(":")[0]: line.split()[1:] for line in status.splitlines() if line.startswith(("Uid", "Gid"))}
            assert "0" not in ids["Uid"] + ids["Gid"]
            assert "CapEff:\t0000000000000000" in status
        assert daemon.stop() == 0


def test_a_file_that_makes_no_sense(tmp_path):
    file = tmp_path / "hints"
    file.write_text("jp. NS a.dns.jp.")
    with Daemon(f"upstream.root-hints={file}") as daemon:
        line = daemon.wait_for("cannot-start")
        assert line["problem"].startswith(f"root hints {file}: no NS record of the root")
        assert daemon.wait() == 1
        assert not daemon.other


def test_a_missing_state_directory_is_no_reason_not_to_start(tmp_path):
    with Daemon(f"trust.state-dir={tmp_path / 'absent'}") as daemon:
        daemon.wait_for("ready")
        assert "state-directory-missing" in daemon.events()
        assert daemon.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_log_that_nobody_reads_stops_nothing(workers):
    with Daemon("log.queries=true", f"server.workers={workers}") as daemon:
        daemon.wait_for("ready")
        daemon.stop_reading()
        for _ in range(3):
            ask(daemon)
            ask(daemon, tcp=True)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(LIMIT_S) == 0


def test_systemd_is_told(tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(LIMIT_S)
        with Daemon(environment={"NOTIFY_SOCKET": path}) as daemon:
            assert sock.recv(100) == b"READY=1"
            ask_when_listening(daemon)
            assert daemon.stop() == 0
            assert sock.recv(100) == b"STOPPING=1"


def ask_when_listening(daemon):
    daemon.wait_for("listening")
    ask(daemon)


def test_hangup_reloads():
    with Daemon() as daemon:
        daemon.wait_for("ready")
        (before,) = children_of(daemon.process.pid)
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.wait_for("reloaded")["changed"] == []
        ask(daemon)
        ask(daemon, tcp=True)
        until(lambda: not is_alive(before))
        assert len(children_of(daemon.process.pid)) == 1
        assert daemon.stop() == 0


def test_queries_are_logged_when_asked_for_only():
    with Daemon("log.queries=true") as daemon:
        daemon.wait_for("ready")
        for _ in range(2):
            ask(daemon)
            line = daemon.wait_for("query")
            assert (line["name"], line["type"], line["rcode"], line["transport"]) == ("localhost", "A", "NOERROR", "udp")
            assert line["client"] == "127.0.0.1"
        assert daemon.stop() == 0
    with Daemon() as daemon:
        daemon.wait_for("ready")
        ask(daemon)
        assert daemon.stop() == 0
        assert "query" not in daemon.events()


def test_text_logs_are_lines_for_people():
    command = Daemon("log.format=text")
    with command as daemon:
        until(lambda: any("ready" in line for line in drain(daemon)))
        assert daemon.stop() == 0
        assert any("stopped" in line for line in daemon.other)
        assert not daemon.lines


def drain(daemon):
    while not daemon._queue.empty():
        line = daemon._queue.get()
        if line is not None:
            daemon.other.append(line)
    return daemon.other


def test_under_libfaketime():
    """Outside harnesses set the clock; every wait must be a timer of the loop."""
    require_binary("faketime")
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("libfaketime.so.1 is not where Debian puts it")
    environment = {"LD_PRELOAD": str(library), "FAKETIME": "@2017-08-21 12:00:00"}
    with Daemon(environment=environment) as daemon:
        assert daemon.wait_for("ready")["time"].startswith("2017-08-21T")
        ask(daemon)
        ask(daemon, tcp=True)
        assert daemon.stop() == 0


# --- several workers -------------------------------------------------------------------------------------------------


def test_workers_share_the_port_and_all_stop():
    with Daemon("server.workers=3") as daemon:
        daemon.wait_for("ready")
        workers = children_of(daemon.process.pid)
        assert len(workers) == 3
        for _ in range(20):  # a new port each time: the system spreads them
            ask(daemon)
            ask(daemon, tcp=True)
        assert daemon.stop() == 0
        assert not any(is_alive(pid) for pid in workers)
        assert not daemon.other


def test_a_worker_that_dies_is_restarted_with_its_sockets():
    with Daemon("server.workers=2", "log.level=debug") as daemon:
        daemon.wait_for("ready")
        before = children_of(daemon.process.pid)
        os.kill(before[0], signal.SIGKILL)
        line = daemon.wait_for("worker-exited")
        assert line["signal"] == "SIGKILL"
        restarted = daemon.wait_for("worker-started")
        assert restarted["worker"] == line["worker"]
        until(lambda: len(children_of(daemon.process.pid)) == 2)
        # Every socket has its worker: what is hashed to the restarted one's is answered too.
        for _ in range(30):
            ask(daemon)
            ask(daemon, tcp=True)
        assert daemon.stop() == 0
        assert all(not is_alive(pid) for pid in before)


def test_workers_keep_serving_when_the_supervisor_dies():
    with Daemon("server.workers=2") as daemon:
        daemon.wait_for("ready")
        workers = children_of(daemon.process.pid)
        try:
            daemon.process.kill()
            daemon.process.wait()
            for _ in range(10):
                ask(daemon)
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGTERM)
        until(lambda: not any(is_alive(pid) for pid in workers))


def test_a_terminals_interrupt_reaches_all_at_once():
    """Ctrl-C goes to the whole process group."""
    with Daemon("server.workers=2") as daemon:
        daemon.wait_for("ready")
        workers = children_of(daemon.process.pid)
        os.killpg(daemon.process.pid, signal.SIGINT)
        assert daemon.wait() == 0
        assert not any(is_alive(pid) for pid in workers)
        assert "worker-exited" not in daemon.events()
        assert not daemon.other


def test_one_worker_by_default_for_each_core():
    with Daemon("server.workers=0") as daemon:
        daemon.wait_for("ready")
        assert daemon.lines[0]["workers"] == len(os.sched_getaffinity(0))
        assert daemon.stop() == 0


def test_nothing_is_asked_of_the_network_that_no_client_asked(tmp_path):
    """With prime, signal, rfc5011 and prefetch off, start and stop send no packet (outside harnesses rely on it)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as root:
        root.bind(("127.0.0.1", 0))
        root.settimeout(0.2)
        hints = tmp_path / "root.hints"
        hints.write_text(". NS a.root.\na.root. A 127.0.0.1\n")
        settings = [
            f"upstream.root-hints={hints}",
            f"upstream.port={root.getsockname()[1]}",
            "upstream.allow-loopback=true",
            "trust.signal=false",
            "trust.rfc5011=false",
            "cache.prefetch=false",
        ]
        with Daemon(*settings) as daemon:
            daemon.wait_for("ready")
            ask(daemon)
            with pytest.raises(TimeoutError):
                root.recv(1)
            assert daemon.stop() == 0
