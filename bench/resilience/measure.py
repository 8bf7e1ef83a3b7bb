"""One attack, every resolver: what it costs them, and what other clients notice."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.accounting import cpu_time
from bench.peers import RESOLVERS, Setup
from bench.process import Program, await_answer
from bench.resilience.clients import Attacker, Bystander
from bench.resilience.world import HONEST_HOSTS, PORT, Authorities, place
from bench.zones.build import Hierarchy
from tests.hostile import attacks, signed

QUESTIONS, RATE = 40, 20.0
"""What is asked to see the cost, and how many a second."""
WAIT_S = 6.0
FLOOD_RATE = 20.0
"""Attacking questions a second while another client is watched."""
PAIRS, PACE_S = 40, 0.02
"""New names, and as many cached, that the other client asks in calm, and as many again under attack; a pair each 20 ms."""
TURNS, DOUBLED = 3, 2.0
"""When a median has more than doubled, calm and attack are watched again, three times in all."""
START_S = 60.0
WARM = 20
"""New names that every resolver answers before anything is measured."""
SETTLE_S = 0.5
IDLE_S = 1.0
"""For how long what a resolver does of its own is watched: that is not the attack's doing."""

ATTACKS: dict[str, attacks.Attack | signed.Attack] = {**attacks.ATTACKS, **signed.ATTACKS}


@dataclass
class Cost:
    """Of one attacking question, mean."""

    packets: float
    cpu_us: float
    outcomes: dict[str, int]


@dataclass
class Others:
    """What another client noticed."""

    share: float
    cached_ms: tuple[float, float]
    new_ms: tuple[float, float]
    """Calm, attacked."""

    @property
    def slowdown(self) -> float:
        """How many times as long a median is."""
        return max(attacked / calm for calm, attacked in (self.cached_ms, self.new_ms))


@dataclass
class Running:
    """A resolver that runs."""

    name: str
    number: int
    program: Program

    @property
    def address(self) -> str:
        """Where it listens, and asks from."""
        return place(self.number)


@contextmanager
def started(names: Sequence[str], authorities: Authorities) -> Iterator[list[Running]]:
    """All of them, fresh, as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="akashi-resilience-"))
    running: list[Running] = []
    try:
        (folder / "root.hints").write_text(attacks.hints())
        (folder / "root.ds").write_text(authorities.world.anchor())
        hierarchy = Hierarchy(folder, {})
        for number, name in enumerate(names):
            own = folder / name
            own.mkdir()
            command = RESOLVERS[name].prepare(Setup(own, place(number), PORT, 1, hierarchy))
            _ask_from(name, own, place(number))
            running.append(Running(name, number, Program(name, command, own, sorted(os.sched_getaffinity(0)))))
        for one in running:
            await_answer(one.program, one.address, PORT, "host0.honest", within_s=START_S)
            Bystander(one.address).pairs(HONEST_HOSTS - WARM, WARM, 0)
        for one in running:
            _settle(one)
        yield running
    finally:
        for one in running:
            one.program.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _settle(one: Running) -> None:
    """Wait until it has done what it does after a start: less than 1 % of a processor in half a second."""
    deadline = time.monotonic() + START_S
    used = cpu_time(one.program.pid)
    while time.monotonic() < deadline:
        time.sleep(SETTLE_S)
        before, used = used, cpu_time(one.program.pid)
        if (used - before).running_s < SETTLE_S / 100:
            return


def _ask_from(name: str, folder: Path, address: str) -> None:
    """Have a peer ask from the address at which it listens. (Akashi is the first, and asks from the system's choice.)"""
    for file, head, line in (
        ("unbound.conf", "server:\n", f"    outgoing-interface: {address}\n    ede: yes\n"),
        ("named.conf", "options {\n", f"    query-source address {address};\n"),
    ):
        if (config := folder / file).exists():
            config.write_text(config.read_text().replace(head, head + line, 1))


def addresses_up(count: int) -> None:
    """BIND listens only on addresses that an interface has."""
    for number in range(1, count):
        subprocess.run(["ip", "address", "add", f"{place(number)}/8", "dev", "lo"], check=True)


def measure(name: str, resolvers: Sequence[str], authorities: Authorities) -> dict[str, dict[str, Any]]:
    """Cost and consequences of an attack, by resolver."""
    attack = ATTACKS[name]
    found: dict[str, dict[str, Any]] = {}
    with started(resolvers, authorities) as running, ExitStack() as stack:
        attackers = [Attacker(one.address, attack.question, 1_000_000 * (one.number + 1)) for one in running]
        for attacker in attackers:
            stack.callback(attacker.close)
        for one, cost in zip(running, _cost(running, attackers, authorities), strict=True):
            found[one.name] = asdict(cost)
        for one, attacker in zip(running, attackers, strict=True):
            found[one.name] |= asdict(_least_disturbed(one, attacker))
            found[one.name]["alive"] = one.program._popen.poll() is None
    return found


def _idle(running: list[Running]) -> list[float]:
    """What each uses without being asked anything: seconds of processor a second."""
    before = [cpu_time(one.program.pid) for one in running]
    start = time.monotonic()
    time.sleep(IDLE_S)
    after = [cpu_time(one.program.pid) for one in running]
    return [(b - a).total_s / (time.monotonic() - start) for a, b in zip(before, after, strict=True)]


def _cost(running: list[Running], attackers: list[Attacker], authorities: Authorities) -> list[Cost]:
    idle = _idle(running)
    queries = authorities.queries()
    start_s = time.monotonic()
    before = [cpu_time(one.program.pid) for one in running]
    threads = [threading.Thread(target=attacker.ask, args=(QUESTIONS, RATE, WAIT_S)) for attacker in attackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = [cpu_time(one.program.pid) - start for one, start in zip(running, before, strict=True)]
    took_s = time.monotonic() - start_s
    after = authorities.queries()
    return [
        Cost(
            (after.get(one.address, 0) - queries.get(one.address, 0)) / QUESTIONS,
            max(cpu.total_s - rest * took_s, 0) / QUESTIONS * 1e6,
            dict(attacker.outcomes),
        )
        for one, cpu, rest, attacker in zip(running, used, idle, attackers, strict=True)
    ]


def _least_disturbed(one: Running, attacker: Attacker) -> Others:
    """The best of a few: what other jobs of the machine do comes and goes, what an attack does comes again."""
    best = _others(one, attacker, 0)
    for turn in range(1, TURNS):
        if best.slowdown <= DOUBLED:
            break
        again = _others(one, attacker, turn)
        if again.slowdown < best.slowdown:
            best = Others(min(best.share, again.share), again.cached_ms, again.new_ms)
    return best


def _others(one: Running, attacker: Attacker, turn: int) -> Others:
    calm, other = Bystander(one.address), Bystander(one.address)
    start = 1 + turn * 2 * PAIRS
    calm.pairs(start, PAIRS, PACE_S)
    stop = threading.Event()
    flood = threading.Thread(target=attacker.keep_asking, args=(FLOOD_RATE, stop))
    flood.start()
    try:
        other.pairs(start + PAIRS, PAIRS, PACE_S)
    finally:
        stop.set()
        flood.join()
    cached, new = zip(calm.medians_ms(), other.medians_ms(), strict=True)
    return Others(other.share, cached, new)
