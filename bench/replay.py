"""Whole resolutions in one process without the kernel: recorded answers, the real service, mesh and validator.

What a query costs beside system calls is what a change to the code can move; on a busy machine it is hard to see through
sock, schedulers and the load generator. Here each query is handed to `Service.take` and resolved to the end before the
next; what a server would answer is looked up by (address, name, type) in a recording, made once from the benchmark's NSDs.
The ID and the octets of the question are made and judged as they are on the wire. Not counted: sock, timers, counters
of the driver.

The time is the recording's, so that its signatures hold; it goes on by a millisecond a query.
"""

import cProfile
import gc
import pickle
import pstats
import random
import shutil
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.authority import Authority
from bench.layout import BUILD, Scale
from bench.workloads import Questions
from bench.zones.build import Hierarchy
from resolver.cache.packets import PacketCache, cache_key
from resolver.config import load
from resolver.daemon.build import build_access, build_identity, build_policy, build_settings, build_trust
from resolver.mesh import Finish, Mesh, Send
from resolver.policy.rules import Scope
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.driver import Waiter
from resolver.server.entropy import Entropy
from resolver.server.matching import Sent, judge
from resolver.server.service import Service
from trust.vocabulary import Now, Question, Reply, Transport
from wire import types as t
from wire.composer import compose_query
from wire.limits import MAX_UDP
from wire.message import Message
from wire.text import name_from_text

Key = tuple[str, bytes, int]
"""Server address (with `_TCP` before it when asked over TCP), lower-cased name, type."""

_TCP = "tcp "

_STEP_S = 0.001
_OPTIONS = (
    "server.workers=1",
    "upstream.allow-loopback=true",
    "upstream.ipv6=false",
    "trust.rfc5011=false",
    'cache.size="4G"',
)


@dataclass
class Recording:
    """Answers of the benchmark's servers, and when they were given (seconds since 1970)."""

    wall: float
    answers: dict[Key, bytes]

    def find(self, key: Key) -> bytes | None:
        """The answer of this server; else of any: which of a zone's two servers is asked is chance."""
        return self.answers.get(key) or self.answers.get(_of_any(key))

    def put(self, key: Key, answer: bytes) -> None:
        """Keep an answer."""
        self.answers[key] = self.answers[_of_any(key)] = answer


def _of_any(key: Key) -> Key:
    return (_TCP if key[0].startswith(_TCP) else ""), key[1], key[2]


class Replay:
    """A service and a mesh whose servers are a recording. Fulfils `resolver.server.service.Submitter`."""

    def __init__(
        self, options: Sequence[str], recording: Recording, ask: Callable[[Key, bytes], bytes] | None = None
    ) -> None:
        """`options`: of the configuration, as for `--set`; `ask`: gets what the recording lacks."""
        config = load(None, [*_OPTIONS, *options])
        self.recording = recording
        self.ask = ask
        self.exchanges = 0
        self.counters = Counters()
        self.entropy = Entropy()
        self.mesh = Mesh(build_settings(config), build_trust(config), build_policy(config), random.Random(1))
        self.packets = PacketCache(1 << 31)
        self.service = Service(self, build_access(config), build_identity(config), self.counters, self.packets, Silent())
        self.now = Now(recording.wall, clock.monotonic())
        self.rcodes: dict[int, int] = {}

    def query(self, packet: bytes) -> None:
        """One client's query, to its end."""
        self.now = Now(self.now.wall + _STEP_S, self.now.mono + _STEP_S)
        key = cache_key(packet)
        hit = self.packets.find(key, self.now.mono)
        if hit is None:
            self.service.take(packet, "127.0.0.1", Transport.UDP, self._answered, key)

    def query_uncached(self, packet: bytes) -> None:
        """The same without the packet cache."""
        self.service.take(packet, "127.0.0.1", Transport.UDP, self._answered)

    def submit(
        self, waiter: Waiter, question: Question, *, checking_disabled: bool = False, scope: Scope | None = None
    ) -> None:
        """As the driver does, but each packet's answer is there at once."""
        work = deque(self.mesh.submit(waiter, question, self.now, checking_disabled=checking_disabled, scope=scope))
        while work:
            action = work.popleft()
            if isinstance(action, Send):
                work.extend(self.mesh.reply(action.ask_id, self._exchange(action)))
            elif isinstance(action, Finish):
                waiter.finish(action.resolution, self.now)
        self.mesh.next_deadline()  # as the driver does: it forgets what has ended

    def renew(self, question: Question) -> None:
        """Nothing lives so long here."""

    def _exchange(self, send: Send) -> Reply:
        ask = send.ask
        self.exchanges += 1
        qname = self.entropy.mixed_case(ask.qname)
        sent = Sent(ask, self.entropy.ident(), qname, MAX_UDP, exact=True)
        over = _TCP if ask.transport is Transport.TCP else ""
        key = over + ask.server.ip, ask.qname, ask.qtype
        answer = self.recording.find(key)
        if answer is None:
            if self.ask is None:
                raise LookupError(f"not recorded: {ask}")
            answer = self.ask(key, sent.wire)
            self.recording.put(key, answer)
        end = 12 + len(qname)
        found = judge(sent, sent.ident + answer[2:12] + qname + answer[end:])
        assert isinstance(found, Message), found
        return Reply(self.now, found, rtt_s=0.001)

    def _answered(self, response: bytes) -> None:
        rcode = response[3] & t.RCODE_MASK
        self.rcodes[rcode] = self.rcodes.get(rcode, 0) + 1


def of_hierarchy(built: Hierarchy) -> list[str]:
    """The options under which the benchmark's hierarchy is resolved."""
    return [f'upstream.root-hints="{built.hints}"', f'trust.anchors="{built.anchor}"']


class Silent:
    """An observer that is told everything and says nothing."""

    def answered(self, *_: object) -> None:
        """Nothing."""

    def failed(self, resolution: Resolution, client: str) -> None:
        """Nothing."""

    def rewrote(self, resolution: Resolution, client: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Figures:
    """Of one pass: nanoseconds of each query, exchanges, blocks of memory that remain, RCODEs."""

    ns: list[int]
    exchanges: int
    blocks: int
    rcodes: dict[int, int]


def queries(path: Path, count: int) -> list[bytes]:
    """The first questions of a workload's file as packets, as dnsperf sends them."""
    out = []
    for number, line in enumerate(path.read_text().splitlines()[:count]):
        name = name_from_text(line.split()[0])
        out.append(compose_query(number & 0xFFFF, name, t.A, flags=t.RD))
    return out


def record(built: Hierarchy, folder: Path, fill: Sequence[bytes], measured: Sequence[bytes]) -> Recording:
    """Resolve everything once with the benchmark's servers."""
    recording = Recording(time.time(), {})
    authority = Authority(built, folder, (0,))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)

    def ask(key: Key, wire: bytes) -> bytes:
        if key[0].startswith(_TCP):
            return _over_tcp(key[0].removeprefix(_TCP), wire)
        sock.sendto(wire, (key[0], 53))
        return sock.recv(4096)

    try:
        authority.await_ready()
        replay = Replay(of_hierarchy(built), recording, ask)
        for packet in (*fill, *measured):
            replay.query(packet)
    finally:
        sock.close()
        authority.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return recording


def _over_tcp(address: str, wire: bytes) -> bytes:
    with socket.create_connection((address, 53), timeout=5) as stream, stream.makefile("rb") as received:
        stream.sendall(len(wire).to_bytes(2, "big") + wire)
        return received.read(int.from_bytes(received.read(2), "big"))


def recorded(scale: Scale, workload: str, built: Hierarchy, count: int) -> tuple[Recording, list[bytes], list[bytes]]:
    """The recording of a workload (made when there is none), the queries before and those to measure."""
    made = Questions(scale, BUILD / f"questions-{scale.name}").make(workload)
    measured = queries(made.measured.questions, count)
    fill = [packet for load_ in made.fill for packet in queries(load_.questions, scale.zones)]
    path = BUILD / f"replay-2-{scale.name}-{workload}-{count}-{built.identity}.pickle"
    if path.exists():
        wall, answers = pickle.loads(path.read_bytes())
        return Recording(wall, answers), fill, measured
    recording = record(built, path.with_suffix(".nsd"), fill, measured)
    path.write_bytes(pickle.dumps((recording.wall, recording.answers)))
    return recording, fill, measured


def run(built: Hierarchy, recording: Recording, fill: Sequence[bytes], measured: Sequence[bytes]) -> Figures:
    """One pass from an empty memory."""
    replay = Replay(of_hierarchy(built), recording)
    for packet in fill:
        replay.query(packet)
    exchanges = replay.exchanges
    replay.rcodes.clear()
    gc.collect()
    blocks = sys.getallocatedblocks()
    ns = []
    for packet in measured:
        started = time.perf_counter_ns()
        replay.query(packet)
        ns.append(time.perf_counter_ns() - started)
    return Figures(ns, replay.exchanges - exchanges, sys.getallocatedblocks() - blocks, replay.rcodes)


def least_us(passes: Sequence[Figures]) -> float:
    """Microseconds a query, on average over the queries, each counted with its best pass: what other processes of the
    machine take falls out.
    """
    best = [min(times) for times in zip(*(figures.ns for figures in passes), strict=True)]
    return float(sum(best)) / len(best) / 1000


def profile(built: Hierarchy, recording: Recording, fill: Sequence[bytes], measured: Sequence[bytes], rows: int) -> None:
    """One pass under cProfile: calls are exact, times of small functions look larger than they are."""
    replay = Replay(of_hierarchy(built), recording)
    for packet in fill:
        replay.query(packet)
    profiler = cProfile.Profile()
    profiler.enable()
    for packet in measured:
        replay.query(packet)
    profiler.disable()
    stats = pstats.Stats(profiler)
    stats.sort_stats("tottime").print_stats(rows)
    stats.sort_stats("ncalls").print_stats(rows)
    stats.print_callers("built-in method|of 'dict'|of 'list'")
