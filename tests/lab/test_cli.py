"""`akashi lab`, from the outside: processes, files, exit statuses, and that nothing is left running."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.zone
import pytest

from lab.client import command
from lab.directory import LabDirectory
from lab.faults import CATALOGUE

PREFIX = "127.64"
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0

# Runs a lab with a stand-in for the resolver, whose command line is the rest of ours.
LAB_WITH_CHILD = """
import socket, sys
from pathlib import Path
from lab.directory import Settings
from lab.process import run

async def ready(report):
    print("ready", flush=True)

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("127.0.0.1", 0))
    listen = f"127.0.0.1:{sock.getsockname()[1]}"
settings = Settings(Path(sys.argv[1]), int(sys.argv[2]), resolver_listen=listen, prefix=sys.argv[3])
sys.exit(run(settings, resolver=sys.argv[4:], ready=ready))
"""
# A child that says who it is and then does what its last argument says.
CHILD = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
if sys.argv[2] == "die":
    sys.exit(7)
time.sleep(600)
"""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _akashi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "resolver", "lab", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S
    )


def _soon(condition: Callable[[], bool]) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def port() -> int:
    return _free_port()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Path]:
    """A directory with a lab in the background."""
    directory = tmp_path_factory.mktemp("lab")
    up = _akashi(
        "up", "--dir", str(directory), "--port", str(port), "--prefix", PREFIX, "--resolver-listen", "127.0.0.1:5301"
    )
    assert up.returncode == 0, up.stderr
    assert f"akashi serve -c {directory}/lab.toml" in up.stdout
    assert "dig @127.0.0.1 -p 5301 www.example.jp +dnssec" in up.stdout
    yield directory
    _akashi("down", "--dir", str(directory))


def _ask(port: int, last: str, name: str, rdtype: str = "A") -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, want_dnssec=True)
    return dns.query.udp_with_fallback(query, f"{PREFIX}.{last}", timeout=5, port=port)[0]


class TestInTheBackground:
    def test_servers_answer(self, running: Path, port: int) -> None:
        answer = _ask(port, "2.1", "www.example.jp")
        assert answer.flags & dns.flags.AA
        assert {r.rdtype.name for r in answer.answer} == {"A", "RRSIG"}

    def test_status(self, running: Path, port: int) -> None:
        status = json.loads(_akashi("status", "--dir", str(running), "--json").stdout)
        assert status["running"] is True
        assert (status["port"], status["backend"], status["broken"]) == (port, "embedded", {})
        assert status["fault_zones"] == len(CATALOGUE)
        assert {s["address"] for s in status["servers"] if ". " in " ".join(s["zones"]) + " "} >= {f"{PREFIX}.0.1"}
        shown = _akashi("status", "--dir", str(running))
        assert shown.returncode == 0
        assert "ns1.example.jp." in shown.stdout
        assert "ns1.rrsig-exp-all.faults.jp." not in shown.stdout
        assert "ns1.rrsig-exp-all.faults.jp." in _akashi("status", "--dir", str(running), "--all").stdout

    def test_configuration_for_the_resolver(self, running: Path, port: int) -> None:
        config = tomllib.loads((running / "lab.toml").read_text())
        assert config["server"] == {"listen": ["127.0.0.1:5301"], "workers": 1}
        assert config["upstream"] == {
            "root-hints": str(running / "root.hints"),
            "port": port,
            "ipv6": False,
            "allow-loopback": True,
        }
        assert config["trust"]["anchors"] == str(running / "root.anchor")
        assert Path(config["trust"]["state-dir"]).is_relative_to(running)
        checked = subprocess.run(
            [sys.executable, "-m", "resolver", "check-config", "-c", str(running / "lab.toml")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr

    def test_hints_and_anchor_fit_the_root(self, running: Path, port: int) -> None:
        hints = dns.zone.from_file(str(running / "root.hints"), origin=".", relativize=False, check_origin=False)
        addresses = {r.address for _, _, r in hints.iterate_rdatas("A")}
        assert addresses == {f"{PREFIX}.0.1", f"{PREFIX}.0.2"}
        dnskeys = _ask(port, "0.1", ".", "DNSKEY").answer[0]
        anchors = dns.zone.from_file(str(running / "root.anchor"), origin=".", relativize=False, check_origin=False)
        (anchor,) = [r for _, _, r in anchors.iterate_rdatas("DNSKEY")]
        (ds,) = [r for _, _, r in anchors.iterate_rdatas("DS")]
        assert anchor in dnskeys
        assert dns.dnssec.make_ds(".", anchor, "SHA256") == ds

    def test_break_and_heal(self, running: Path, port: int) -> None:
        def published() -> set[int]:
            return {ds.digest_type for ds in _ask(port, "1.1", "example.jp", "DS").answer[0]}

        assert published() == {2}
        broken = _akashi("break", "--dir", str(running), "example.jp", "ds-unassigned-digest-algo")
        assert broken.returncode == 0, broken.stderr
        assert published() == {100}
        assert "ds-unassigned-digest-algo" in _akashi("status", "--dir", str(running)).stdout
        assert _akashi("heal", "--dir", str(running), "example.jp").returncode == 0
        assert published() == {2}

    def test_break_says_what_it_cannot_do(self, running: Path) -> None:
        for zone, fault, word in (
            ("example.jp", "no-such-fault", "no fault is called"),
            ("nowhere.example", "no-ds", "not a zone"),
            ("..", "no-ds", "not a domain name"),
        ):
            result = _akashi("break", "--dir", str(running), zone, fault)
            assert result.returncode == 1
            assert word in result.stderr

    def test_signs_again(self, running: Path, port: int) -> None:
        before = _ask(port, "0.1", ".", "SOA").answer[0][0].serial
        command(LabDirectory(running).control_socket, "resign")
        assert _ask(port, "0.1", ".", "SOA").answer[0][0].serial > before

    def test_only_one_lab_per_directory(self, running: Path) -> None:
        again = _akashi("up", "--dir", str(running), "--port", str(_free_port()), "--prefix", "127.65")
        assert again.returncode == 1
        assert "already running" in again.stderr

    def test_a_taken_port_is_said(self, running: Path, port: int, tmp_path: Path) -> None:
        other = _akashi("up", "--dir", str(tmp_path), "--port", str(port), "--prefix", PREFIX)
        assert other.returncode == 1
        assert f"cannot listen on {PREFIX}.0.1 port {port}" in other.stderr
        assert LabDirectory(tmp_path).running() is None


def test_down_leaves_nothing_and_the_anchor_stays(tmp_path: Path) -> None:
    port = _free_port()
    anchors = []
    for _ in range(2):
        assert _akashi("up", "--dir", str(tmp_path), "--port", str(port), "--prefix", "127.66").returncode == 0
        pid = LabDirectory(tmp_path).running()
        assert pid is not None
        anchors.append((tmp_path / "root.anchor").read_text())
        down = _akashi("down", "--dir", str(tmp_path))
        assert (down.returncode, down.stderr) == (0, "")
        assert not _alive(pid)
        assert not (tmp_path / "lab.pid").exists()
        assert not (tmp_path / "lab.sock").exists()
    assert anchors[0] == anchors[1]


def test_without_a_lab(tmp_path: Path) -> None:
    for arguments in (["down"], ["status"], ["break", "example.jp", "no-ds"], ["heal", "example.jp"]):
        result = _akashi(arguments[0], "--dir", str(tmp_path), *arguments[1:])
        assert result.returncode == 3, arguments
        assert "no lab is running" in result.stderr
    status = _akashi("status", "--dir", str(tmp_path), "--json")
    assert (status.returncode, json.loads(status.stdout)) == (3, {"running": False})


def test_a_stale_pid_file_is_no_lab(tmp_path: Path) -> None:
    (tmp_path / "lab.pid").write_text(f"{os.getpid()}\n")
    assert _akashi("down", "--dir", str(tmp_path)).returncode == 3


@pytest.mark.parametrize(
    "arguments",
    [["--backend", "djbdns"], ["--prefix", "10.0"], ["--prefix", "127.0"], ["--port", "0"], ["--resolver-listen", "5300"]],
)
def test_usage(arguments: list[str], tmp_path: Path) -> None:
    assert _akashi("up", "--dir", str(tmp_path), *arguments).returncode == 2


def test_cases() -> None:
    listed = json.loads(_akashi("cases", "--json").stdout)
    assert [case["name"] for case in listed] == list(CATALOGUE)
    expired = next(case for case in listed if case["name"] == "rrsig-exp-a")
    assert expired["question"] == {"name": "rrsig-exp-a.faults.jp.", "type": "A"}
    assert expired["expect"] == {"rcode": "SERVFAIL", "ad": False, "ede_any_of": [7]}
    table = _akashi("cases").stdout
    assert all(name in table for name in CATALOGUE)


class TestInTheForeground:
    """With a child beside it, as `--serve` runs it."""

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[[str], tuple["subprocess.Popen[str]", int]]]:
        started: list[subprocess.Popen[str]] = []

        def start(what: str) -> tuple["subprocess.Popen[str]", int]:
            pid_file = tmp_path / "child.pid"
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", LAB_WITH_CHILD, str(tmp_path), str(_free_port()), "127.67"),
                    *(sys.executable, "-c", CHILD, str(pid_file), what),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.append(process)
            assert _soon(lambda: pid_file.exists() and pid_file.read_text() != "")
            return process, int(pid_file.read_text())

        yield start
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_everything(self, start: Callable[..., tuple["subprocess.Popen[str]", int]], number: int) -> None:
        process, child = start("live")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0
        assert not _alive(child)

    def test_the_end_of_the_child_is_said_and_ends_everything(
        self, start: Callable[..., tuple["subprocess.Popen[str]", int]]
    ) -> None:
        process, _ = start("die")
        _, errors = process.communicate(timeout=WAIT_S)
        assert process.returncode == 1
        assert "the resolver ended (exit status 7)" in errors

    def test_a_taken_port_of_the_resolver_is_said_before_anything_starts(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{sock.getsockname()[1]}"
            result = _akashi("up", "--serve", "--dir", str(tmp_path), "--prefix", "127.67", "--resolver-listen", listen)
        assert result.returncode == 1
        assert f"the resolver cannot listen on {listen}" in result.stderr
        assert "up" not in result.stdout

    @pytest.mark.skipif(sys.platform != "linux", reason="needs prctl(2)")
    def test_a_killed_lab_takes_its_child_along(self, start: Callable[..., tuple["subprocess.Popen[str]", int]]) -> None:
        process, child = start("live")
        process.kill()
        process.wait(WAIT_S)
        assert _soon(lambda: not _alive(child))
