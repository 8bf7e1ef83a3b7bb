"""What a new user does first: `make lab`, the dig it prints, Ctrl-C.

`make lab` is `akashi lab up --serve`; here it runs in an empty directory and on ports that are free.
"""

import concurrent.futures
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.faults import CATALOGUE, Fault
from lab.server import free_port
from tests.e2e.resolvers import Resolver, Said

PREFIX = "127.71"
WAIT_S = 60.0
ASKING = 8
"""Questions asked at a time: the silent servers need not be waited for one after the other."""


class Lab:
    """`akashi lab up --serve` in a directory of its own. What it prints is in `lines`, errors too."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port(f"{PREFIX}.0.1")
        self.resolver = Resolver("lab", free_port("127.0.0.1"))
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        listen = f"127.0.0.1:{self.resolver.port}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "resolver", "lab", "up", "--serve", "--prefix", PREFIX),
                *("--port", str(self.port), "--resolver-listen", listen, "--metrics-listen", ""),
            ],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"COLUMNS": "80"},
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put("(end)")

    def says(self, words: str) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + WAIT_S
        while not any(words in line for line in self.lines):
            self.lines.append(self._queue.get(timeout=max(deadline - time.monotonic(), 0.01)))
            assert self.lines[-1] != "(end)" or words == "(end)", "\n".join(self.lines)

    def ends(self) -> int:
        """Wait for its end; returns the exit status."""
        status = self.process.wait(WAIT_S)
        self._thread.join(WAIT_S)
        while not self._queue.empty():
            self.lines.append(self._queue.get())
        return status

    def processes(self) -> dict[int, str]:
        """All the processes it has started, and their processes: process ID → command line."""
        found: dict[int, str] = {}
        unseen = [self.process.pid]
        while unseen:
            for child in _children(unseen.pop()):
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                unseen.append(child)
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        self._thread.join(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _await_end(pids: list[int]) -> list[int]:
    """Those that still run after a while: what was killed needs a moment to go."""
    deadline = time.monotonic() + WAIT_S
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@contextmanager
def _up(directory: Path) -> Iterator[Lab]:
    lab = Lab(directory)
    try:
        lab.says("Ctrl-C stops everything")
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with _up(tmp_path_factory.mktemp("user")) as lab:
        yield lab


@pytest.fixture(scope="module")
def answers(lab: Lab) -> dict[str, Said]:
    """What the resolver answers to every fault of the catalogue, with an empty cache."""
    with concurrent.futures.ThreadPoolExecutor(ASKING) as pool:
        said = pool.map(lambda fault: lab.resolver.ask(fault.question, "A"), CATALOGUE.values())
        return dict(zip(CATALOGUE, said, strict=True))


# --- it serves ---------------------------------------------------------------------------------------------------------


def test_signed_names_are_authentic(lab: Lab) -> None:
    for name in ("www.example.jp.", "www.example.com."):
        answer = lab.resolver.ask(name, "A")
        assert (answer.rcode, answer.ad, answer.ede) == ("NOERROR", True, ())
        assert {rtype for _, rtype, _ in answer.answer} == {"A", "RRSIG over A"}


def test_unsigned_names_are_answered_without_ad(lab: Lab) -> None:
    answer = lab.resolver.ask("www.unsigned.jp.", "A")
    assert (answer.rcode, answer.ad, answer.ede) == ("NOERROR", False, ())
    assert {rtype for _, rtype, _ in answer.answer} == {"A"}


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_fault(answers: dict[str, Said], fault: Fault) -> None:
    said, expect = answers[fault.name], fault.expect
    assert (said.rcode, said.ad) == (expect.rcode, expect.ad)
    assert not expect.ede or set(expect.ede) & set(said.ede), f"none of EDE {expect.ede} in {said.ede}"
    assert expect.ede or not said.ede, f"no EDE is due, and there is {said.ede}"
    assert bool(said.answer) == (expect.rcode == "NOERROR")


# --- what it prints holds ----------------------------------------------------------------------------------------------


def test_the_first_dig_is_the_first_thing_to_try(lab: Lab) -> None:
    digs = [line.strip() for line in lab.lines if "dig @" in line]
    assert digs[0] == f"dig @127.0.0.1 -p {lab.resolver.port} www.example.jp +dnssec"


def test_every_printed_dig_gives_what_is_printed_below_it(lab: Lab) -> None:
    shown = [(line.split(), below) for line, below in zip(lab.lines, lab.lines[1:], strict=False) if "dig @" in line]
    assert len(shown) >= 5
    for (_, at, _, port, name, option), below in shown:
        assert (at, port, option) == ("@127.0.0.1", str(lab.resolver.port), "+dnssec")
        said = lab.resolver.ask(name, "A")
        promised = below.strip().partition("  (")[0]
        codes = {int(code) for code in re.findall(r"\d+", promised)}
        assert promised.startswith(said.rcode), (name, promised, said)
        assert said.ad == bool(re.search(r", AD\b", promised)), (name, promised, said)
        assert not codes or codes & set(said.ede), (name, promised, said)


def test_it_says_what_runs_and_what_next(lab: Lab) -> None:
    text = "\n".join(lab.lines)
    assert f"port {lab.port}" in text
    assert "akashi lab cases" in text
    assert "Traceback" not in text


# --- explain, on its configuration -------------------------------------------------------------------------------------


def _akashi(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "resolver", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=WAIT_S, check=False)


def _explain(lab: Lab, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return _akashi(lab.directory, "explain", "-c", ".lab/lab.toml", *arguments)


def test_explain_shows_the_chain_of_a_secure_answer(lab: Lab) -> None:
    result = _explain(lab, "www.example.jp", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["question"] == {"name": "www.example.jp", "type": "A"}
    assert (document["answer"]["rcode"], document["answer"]["security"]) == ("NOERROR", "secure")
    assert [zone["zone"] for zone in document["chain"]] == [".", "jp", "example.jp"]
    assert [zone["security"] for zone in document["chain"]] == ["secure"] * 3
    assert document["chain"][0]["trust_point"]
    for above, below in zip(document["chain"], document["chain"][1:], strict=False):
        assert below["parent"] == above["zone"]
        # The DS is one of the zone's own keys, and that key signs the set.
        tags = {ds["tag"] for ds in below["ds"]["records"]}
        assert {key["tag"] for key in below["dnskey"]["keys"] if key["used"]} <= tags
    (step,) = document["steps"]
    assert step["records"] == ["www.example.jp. 300 IN A 192.0.2.80"]
    assert step["signatures"][0]["seconds_left"] > 0
    assert document["servers"] == []


def test_explain_names_the_link_that_fails(lab: Lab) -> None:
    result = _explain(lab, "rrsig-exp-a.faults.jp", "--json")
    assert result.returncode == 1
    document = json.loads(result.stdout)
    answer = document["answer"]
    assert (answer["rcode"], answer["security"], answer["reason"]) == ("SERVFAIL", "bogus", "signature-expired")
    assert answer["errors"][0]["code"] == 7
    assert "rrsig-exp-a.faults.jp/A" in answer["sentence"]
    assert "clock" in answer["who"]
    assert [zone["security"] for zone in document["chain"]] == ["secure"] * 4
    (step,) = document["steps"]
    assert step["security"] == "bogus"
    assert step["signatures"][0]["seconds_left"] < 0


def test_explain_for_people(lab: Lab) -> None:
    good = _explain(lab, "www.example.jp")
    assert good.returncode == 0
    assert "trust anchor configured here" in good.stdout
    assert "www.example.jp A: NOERROR, secure" in good.stdout
    bad = _explain(lab, "ds-bogus-digest-value.faults.jp")
    assert bad.returncode == 1
    assert re.search(r"^EDE 9\b", bad.stdout, re.MULTILINE)
    assert "Who can mend it: " in bad.stdout


# --- it ends -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    with _up(tmp_path) as lab:
        started = lab.processes()
        assert any("serve" in command for command in started.values()), started
        # As the terminal does: to every process of the foreground's group.
        os.killpg(lab.process.pid, signal.SIGINT)
        assert lab.ends() == 0
        assert _await_end(list(started)) == []
    assert "nothing is left running" in lab.lines[-2]
    assert "Traceback" not in "\n".join(lab.lines)
    status = json.loads(_akashi(tmp_path, "lab", "status", "--json").stdout)
    assert status == {"running": False}
    for address, port in (("127.0.0.1", lab.resolver.port), (f"{PREFIX}.0.1", lab.port), (f"{PREFIX}.2.1", lab.port)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections may linger
            udp.bind((address, port))
            tcp.bind((address, port))


def test_the_end_of_the_resolver_is_the_end_of_the_lab(tmp_path: Path) -> None:
    with _up(tmp_path) as lab:
        started = lab.processes()
        supervisor = min(pid for pid, command in started.items() if " serve " in command)
        os.kill(supervisor, signal.SIGKILL)
        assert lab.ends() == 1
        assert any("the resolver ended (killed by SIGKILL)" in line for line in lab.lines), lab.lines
        assert _await_end(list(started)) == []


def test_in_the_background(tmp_path: Path) -> None:
    """Up, status, a look, down: each a command of its own, the files in ./.lab."""
    port = str(free_port(f"{PREFIX}.0.1"))
    listen = f"127.0.0.1:{free_port('127.0.0.1')}"
    up = _akashi(tmp_path, "lab", "up", "--prefix", PREFIX, "--port", port, "--resolver-listen", listen)
    try:
        assert (up.returncode, up.stderr) == (0, "")
        config = re.search(r"akashi serve -c (\S+)", up.stdout)
        assert config is not None
        status = _akashi(tmp_path, "lab", "status", "--json")
        report = json.loads(status.stdout)
        assert status.returncode == 0
        assert (report["running"], report["port"], report["resolver"]) == (True, int(port), None)
        assert report["config"] == config[1]
        document = json.loads(_akashi(tmp_path, "explain", "-c", config[1], "www.unsigned.jp", "--json").stdout)
        assert document["answer"]["security"] == "insecure"
        assert document["chain"][-1]["no_ds"]["proof"] != ""
        assert document["chain"][-1]["reason"] == "unsigned-delegation"
    finally:
        down = _akashi(tmp_path, "lab", "down")
    assert (down.returncode, down.stderr) == (0, "")
    after = _akashi(tmp_path, "lab", "status", "--json")
    assert (after.returncode, json.loads(after.stdout)) == (3, {"running": False})
