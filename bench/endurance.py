"""Steady load while workers are killed, the configuration is reloaded, and a negative trust anchor comes and goes.

    python -m bench.endurance [--seconds 60] [--rate 2200] [--json]

A daemon with two workers on the lab's mini-Internet, served by NSD, is asked by dnsperf at a steady rate. Meanwhile every
five seconds a worker is killed (SIGKILL), every ten the configuration is reloaded, every three an NTA is put in force or
removed. Three observers look on:

* dnsperf: every query is answered, but for those that a killed worker had in its hands: what it had read and not yet
  answered, a batch of its receive loop for each kill and as much again that it was resolving.
* a client that asks for secure, broken and suspended names, one after the other, and knows what is right at every moment:
  the suspended name must be NOERROR while the NTA is in force, SERVFAIL while it is not; while that changes both are right.
* a client with one TCP connection on which it never pauses: only a killed worker's connection may close.

Memory of all processes is read every second; it must not grow.

Exit status 0 when all of it held, 1 when not. Limitations: load generator, authority and resolver share the machine's
processors, so this measures no speed.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode

from lab import background
from lab.directory import LabDirectory, Settings
from lab.server import free_port
from resolver.cli.client import Client
from resolver.server.listen_udp import BATCH

PREFIX = "127.74"
GOOD, BROKEN, SUSPENDED = "www.example.jp", "rrsig-exp-all.faults.jp", "rrsig-no-all.faults.jp"
NAMES = 100
"""Different names under a wildcard, besides."""
LIMIT_S = 30.0
NTA_CODE = 33
UNREACHED = {22, 23}
"""EDE: no reachable authority, network error."""
UNRESOLVED_SHARE = 0.001

CONFIG = """\
[server]
listen = ["127.0.0.1:{port}"]
workers = 2
tcp-per-client = 100
[upstream]
root-hints = "{hints}"
port = {upstream}
ipv6 = false
allow-loopback = true
[trust]
anchors = "{anchor}"
rfc5011 = false
signal = false
state-dir = "{folder}/state"
[trust.nta]
require-approval = false
[control]
socket = "{folder}/control.sock"
[metrics]
listen = ""
[log]
format = "json"
validation-failures = true
"""


@dataclass(frozen=True)
class Plan:
    """How long, how hard, how often. Seconds; queries a second."""

    seconds: float = 60.0
    rate: int = 2200
    kill_every: float = 5.0
    reload_every: float = 10.0
    nta_every: float = 3.0


@dataclass
class Outcome:
    """What came of it. `faults`: what should not have been; empty when all held."""

    plan: Plan
    sent: int = 0
    answered: int = 0
    lost: int = 0
    allowed: int = 0
    """Lost queries that killed workers may have had in their hands."""
    wrong: list[str] = field(default_factory=list)
    unresolved: int = 0
    """Answers SERVFAIL because no authority answered in time: on a machine that is too busy the authority is late, too."""
    kills: int = 0
    reloads: int = 0
    ntas: int = 0
    looked: int = 0
    """Answers whose verdict was checked."""
    suspended: int = 0
    """Of these, given under the NTA."""
    tcp_answers: int = 0
    tcp_closed: int = 0
    memory: list[tuple[int, int]] = field(default_factory=list)
    """Octets of the supervisor, and of the largest worker, once a second."""
    exchanges: dict[str, int] = field(default_factory=dict)
    """With name servers, by family, transport and result."""
    limits: dict[str, int] = field(default_factory=dict)
    """Limits that were reached."""
    faults: list[str] = field(default_factory=list)


class Daemon:
    """`akashi serve` in the foreground, ended with all its workers."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.control = Client(folder / "control.sock")
        self.log = folder / "akashi.log"
        self._out = self.log.open("wb")
        command = [sys.executable, "-m", "resolver", "serve", "-c", str(folder / "akashi.toml")]
        self.process = subprocess.Popen(command, stderr=self._out, start_new_session=True)
        self._await("ready")

    def _await(self, event: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while f'"{event}"' not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the daemon did not come up:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def workers(self) -> list[int]:
        """Process IDs, the supervisor's left out."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def resident(self) -> tuple[int, int]:
        """Octets of memory of the supervisor, and of the worker that has most."""
        worker = max((resident(pid) for pid in self.workers()), default=0)
        return resident(self.process.pid), worker

    def internal_errors(self) -> int:
        return self.log.read_text().count('"internal-error"')

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._out.close()


def resident(pid: int) -> int:
    """Octets of memory of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class Loop(threading.Thread):
    """Does something every so often until the end."""

    def __init__(self, every_s: float, do: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.every_s, self.do = every_s, do
        self.over = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(self.every_s):
                self.do()
        except Exception as error:
            self.error = error

    def end(self) -> None:
        self.over.set()
        self.join(LIMIT_S)


class Suspension:
    """The NTA, and what is right for its name between two instants."""

    def __init__(self, control: Client) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._changes: list[tuple[float, float, bool]] = []
        """Begin and end of each change, and whether it puts the NTA in force."""

    def toggle(self) -> None:
        on = not self._changes[-1][2] if self._changes else True
        begin = time.monotonic()
        with self._lock:
            self._changes.append((begin, float("inf"), on))
        if on:
            self._control.post("/v1/nta/add", 20.0, name=SUSPENDED, reason="endurance", lifetime="10m", operator="bench")
        else:
            self._control.post("/v1/nta/remove", 20.0, nta=SUSPENDED, reason="endurance", operator="bench")
        with self._lock:
            self._changes[-1] = (begin, time.monotonic(), on)

    @property
    def count(self) -> int:
        return len(self._changes)

    def right(self, sent: float, got: float) -> bool | None:
        """Whether it was in force all the time between; None when that changed."""
        with self._lock:
            state = False
            for begin, end, on in self._changes:
                if begin > got:
                    break
                if end >= sent:
                    return None
                state = on
            return state


class Looker(threading.Thread):
    """Asks over UDP, one question after the other, and checks every answer."""

    def __init__(self, port: int, suspension: Suspension, outcome: Outcome) -> None:
        super().__init__(daemon=True)
        self.port, self.suspension, self.outcome = port, suspension, outcome
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.01):
            number += 1
            name = (GOOD, SUSPENDED, BROKEN, f"n{number % NAMES}.wild.example.jp")[number % 4]
            # A socket each: the system's choice of worker differs.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect(("127.0.0.1", self.port))
                sock.settimeout(5.0)
                query = dns.message.make_query(name, "A", want_dnssec=True)
                sent = time.monotonic()
                sock.send(query.to_wire())
                try:
                    response = dns.message.from_wire(sock.recv(65535))
                except TimeoutError:
                    continue  # a killed worker may have had it; dnsperf counts those
                self._check(name, response, sent, time.monotonic())

    def _check(self, name: str, response: dns.message.Message, sent: float, got: float) -> None:
        outcome = self.outcome
        outcome.looked += 1
        codes = {int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)}
        seen = (dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD), NTA_CODE in codes)
        failed, passed, secure = ("SERVFAIL", False, False), ("NOERROR", False, True), ("NOERROR", True, False)
        if name == SUSPENDED:
            right = {None: {failed, passed}, True: {passed}, False: {failed}}[self.suspension.right(sent, got)]
            outcome.suspended += seen == passed
        else:
            right = {failed} if name == BROKEN else {secure}
        if seen == failed and failed not in right and UNREACHED & codes:
            outcome.unresolved += 1
        elif seen not in right:
            outcome.wrong.append(f"{name}: {seen}, right is {sorted(right)}, EDE {sorted(codes)}")


class Talker(threading.Thread):
    """A TCP client that never pauses: eight queries in flight on its connection all the while."""

    def __init__(self, port: int, outcome: Outcome) -> None:
        super().__init__(daemon=True)
        self.port, self.outcome = port, outcome
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10.0) as sock:
                    self._talk(sock)
            except OSError:
                self.outcome.tcp_closed += 1

    def _talk(self, sock: socket.socket) -> None:
        query = dns.message.make_query(GOOD, "A", want_dnssec=True).to_wire()
        framed = len(query).to_bytes(2, "big") + query
        sock.sendall(framed * 8)
        with sock.makefile("rb") as stream:
            while not self.over.is_set():
                length = int.from_bytes(stream.read(2), "big")
                if not length or len(stream.read(length)) < length:
                    raise ConnectionError("closed")
                self.outcome.tcp_answers += 1
                time.sleep(0.001)
                sock.sendall(framed)


def questions(path: Path) -> None:
    """For dnsperf: mostly known names, some broken ones."""
    lines = []
    for number in range(NAMES):
        lines += [f"n{number}.wild.example.jp A", f"{GOOD} A"]
        if number % 10 == 0:
            lines += [f"{BROKEN} A", f"{SUSPENDED} A"]
    path.write_text("\n".join(lines) + "\n")


def dnsperf(folder: Path, port: int, plan: Plan) -> subprocess.CompletedProcess[str]:
    """Run the load. Each client has a port of its own, so both workers get their share."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(folder / "questions"), "-D", "-v"]
    command += ["-c", "20", "-q", "2000", "-Q", str(plan.rate), "-l", str(plan.seconds), "-t", "5"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=plan.seconds + 60)


_LINE = re.compile(r"^> (\w+) (\S+) A", re.M)


def read_load(text: str, outcome: Outcome) -> None:
    """dnsperf's totals, and RCODEs that are wrong whatever the NTA."""
    outcome.sent = int(re.findall(r"Queries sent:\s+(\d+)", text)[0])
    outcome.answered = int(re.findall(r"Queries completed:\s+(\d+)", text)[0])
    outcome.lost = outcome.sent - outcome.answered
    seen = Counter(_LINE.findall(text))
    for (rcode, name), count in seen.items():
        if rcode == "T" or (name == SUSPENDED and rcode in ("NOERROR", "SERVFAIL")):
            continue
        if rcode == "SERVFAIL" and name != BROKEN:
            outcome.unresolved += count  # why, it does not say; the other client looks at the reasons
        elif rcode != ("SERVFAIL" if name == BROKEN else "NOERROR"):
            outcome.wrong.append(f"dnsperf: {name} {rcode}, {count} times")


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Daemon]:
    """The mini-Internet and the daemon. NSD serves the zones: what a fresh worker asks for at once is nothing to it."""
    port, upstream = free_port("127.0.0.1"), free_port(f"{PREFIX}.0.1")
    directory = folder / "lab"
    background.start(Settings(directory, upstream, "nsd", prefix=PREFIX))
    try:
        made = LabDirectory(directory)
        (folder / "state").mkdir()
        questions(folder / "questions")
        config = CONFIG.format(port=port, folder=folder, upstream=upstream, hints=made.hints, anchor=made.anchor)
        (folder / "akashi.toml").write_text(config)
        daemon = Daemon(folder, port)
        try:
            yield daemon
        finally:
            daemon.close()
    finally:
        background.stop(LabDirectory(directory))


def run(plan: Plan) -> Outcome:
    """Everything at once, for as long as planned."""
    outcome = Outcome(plan)
    folder = Path(tempfile.mkdtemp(prefix="akashi-endurance-"))
    try:
        with stage(folder) as daemon:
            _run(plan, outcome, daemon, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _run(plan: Plan, outcome: Outcome, daemon: Daemon, folder: Path) -> None:
    suspension, dice = Suspension(daemon.control), random.Random(1)

    def kill() -> None:
        os.kill(dice.choice(daemon.workers()), signal.SIGKILL)
        outcome.kills += 1

    def reload() -> None:
        daemon.control.post("/v1/reload", 60.0)
        outcome.reloads += 1

    loops = [
        Loop(plan.kill_every, kill),
        Loop(plan.reload_every, reload),
        Loop(plan.nta_every, suspension.toggle),
        Loop(1.0, lambda: outcome.memory.append(daemon.resident())),
    ]
    observers: list[Looker | Talker] = [Looker(daemon.port, suspension, outcome), Talker(daemon.port, outcome)]
    for thread in (*loops, *observers):
        thread.start()
    load = dnsperf(folder, daemon.port, plan)
    for loop in loops:
        loop.end()
    for observer in observers:
        observer.over.set()
        observer.join(LIMIT_S)
    outcome.ntas = suspension.count
    status = daemon.control.get("/v1/status")
    outcome.exchanges = status["exchanges"]
    outcome.limits = {name: count for name, count in status["limits"].items() if count}
    read_load(load.stdout, outcome)
    outcome.allowed = outcome.kills * 2 * BATCH
    judge(outcome, [loop.error for loop in loops if loop.error is not None], daemon.internal_errors())


def judge(outcome: Outcome, errors: list[Exception], bugs: int) -> None:
    """Put into words what did not hold."""
    plan, faults = outcome.plan, outcome.faults
    faults += [f"{type(error).__name__}: {error}" for error in errors]
    if bugs:
        faults.append(f"{bugs} internal errors in the log")
    if outcome.sent < 0.9 * plan.rate * plan.seconds:
        faults.append(f"only {outcome.sent} queries were sent: the machine is too busy for {plan.rate} a second")
    if outcome.lost > outcome.allowed:
        faults.append(f"{outcome.lost} queries without an answer; {outcome.kills} killed workers explain {outcome.allowed}")
    if outcome.wrong:
        faults.append(f"{len(outcome.wrong)} wrong verdicts, such as {outcome.wrong[0]}")
    if outcome.unresolved > UNRESOLVED_SHARE * outcome.sent:
        faults.append(f"{outcome.unresolved} answers say that no authority answered")
    if outcome.tcp_closed > outcome.kills:
        faults.append(f"{outcome.tcp_closed} TCP connections closed by {outcome.kills} killed workers")
    # Workers are young all the time: what could grow is the supervisor, and what new workers are born with.
    third = len(outcome.memory) // 3
    for index, process in enumerate(("supervisor", "largest worker") if third > 3 else ()):
        early = max(sample[index] for sample in outcome.memory[third : 2 * third])
        late = max(sample[index] for sample in outcome.memory[-third:])
        if late > 1.05 * early:
            faults.append(f"memory of the {process} grew from {early >> 20} to {late >> 20} MiB in the last third")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = Plan()
    parser.add_argument("--seconds", type=float, default=default.seconds)
    parser.add_argument("--rate", type=int, default=default.rate)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    outcome = run(Plan(seconds=arguments.seconds, rate=arguments.rate))
    if arguments.json:
        print(json.dumps(asdict(outcome), indent=1))
    else:
        print(summary(outcome))
    return 1 if outcome.faults else 0


def summary(outcome: Outcome) -> str:
    """For people."""
    memory = [(supervisor >> 20, worker >> 20) for supervisor, worker in outcome.memory] or [(0, 0)]
    lines = [
        f"{outcome.sent} queries in {outcome.plan.seconds:g} s, {outcome.answered} answered, {outcome.lost} lost",
        f"{outcome.kills} workers killed, which may have held {outcome.allowed} queries",
        f"{outcome.reloads} reloads, {outcome.ntas} changes of the NTA",
        f"{outcome.looked} verdicts checked, {outcome.suspended} under the NTA, {len(outcome.wrong)} wrong",
        f"{outcome.unresolved} answers SERVFAIL because no authority answered in time",
        f"TCP without a pause: {outcome.tcp_answers} answers, {outcome.tcp_closed} connections closed",
        "memory of supervisor and largest worker, MiB: {} at first, {} half-way, {} at the end".format(
            *(f"{supervisor}+{worker}" for supervisor, worker in (memory[0], memory[len(memory) // 2], memory[-1]))
        ),
        f"exchanges {outcome.exchanges}, limits {outcome.limits}",
        *outcome.wrong[:10],
        *(f"FAULT: {fault}" for fault in outcome.faults),
        "failed" if outcome.faults else "all of it held",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
