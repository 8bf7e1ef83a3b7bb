"""The interleaved run: every resolver under every workload, again and again, each time from a fresh start.

The order is repetition, workload, resolver, and the first resolver changes with each repetition, so that a slow minute of
the machine falls on all alike. Every sample is written down at once; an interrupted campaign keeps what it has.
"""

import datetime
import json
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import accounting, dnsperf
from bench.authority import Authority
from bench.layout import RESOLVER_ADDRESS, Processors, Scale, resolver_port
from bench.peers import RESOLVERS, Setup
from bench.priority import before_others
from bench.process import Program, RunError, await_answer
from bench.summary import Sample
from bench.workloads import Workload
from bench.zones import hierarchy
from bench.zones.build import Hierarchy

_START_S = 30.0
_SETTLE_S = 0.1
_SETTLED = 3
_SETTLE_AT_MOST_S = 10.0
_TOLERATED = 0.001

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a campaign measures."""

    scale: Scale
    workloads: Sequence[Workload]
    resolvers: Sequence[str]
    repetitions: int


class Campaign:
    """One authority, many runs."""

    def __init__(self, plan: Plan, built: Hierarchy, results: Path) -> None:
        self._plan = plan
        self._built = built
        self._results = results
        self._processors = Processors.detect()
        self._runs = 0

    def run(self, progress: Progress) -> list[Sample]:
        """Measure. `progress` is told of each run before it starts."""
        folder = Path(tempfile.mkdtemp(prefix="akashi-bench-"))
        samples: list[Sample] = []
        authority = Authority(self._built, folder / "authority", self._processors.load)
        try:
            authority.await_ready()
            with self._results.open("a") as out:
                for repetition in range(self._plan.repetitions):
                    for workload in self._plan.workloads:
                        for name in rotated(self._plan.resolvers, repetition):
                            progress(f"{workload.name} · {name} · {repetition + 1}/{self._plan.repetitions}")
                            sample = self._sample(workload, name, authority, folder)
                            samples.append({"repetition": repetition, **sample})
                            out.write(json.dumps(samples[-1]) + "\n")
                            out.flush()
        finally:
            authority.stop()
            shutil.rmtree(folder, ignore_errors=True)
        return samples

    def _sample(self, workload: Workload, name: str, authority: Authority, folder: Path) -> Sample:
        sample: Sample = {"workload": workload.name, "resolver": name}
        own = folder / f"run{self._runs}"
        own.mkdir()
        port = resolver_port(self._runs)
        self._runs += 1
        setup = Setup(own, RESOLVER_ADDRESS, port, workload.workers, self._built)
        both = tuple(sorted({*self._processors.resolver, *self._processors.load}))
        processors = self._processors.resolver if workload.workers == 1 else both
        program = Program(name, RESOLVERS[name].prepare(setup), own, processors)
        try:
            first = hierarchy.signed_zone(self._plan.scale, 0).host(0)
            startup_s = await_answer(program, setup.address, port, first, within_s=_START_S)
            run = _Run(workload, program, setup, authority, self._processors.load)
            sample |= run.measure()
            sample["figures"]["startup_s"] = startup_s
        except (RunError, OSError, subprocess.SubprocessError) as error:
            sample["error"] = str(error)
        finally:
            program.stop()
            shutil.rmtree(own, ignore_errors=True)
        return sample


@dataclass(frozen=True)
class _Run:
    """One started resolver and one workload."""

    workload: Workload
    program: Program
    setup: Setup
    authority: Authority
    load_processors: Sequence[int]

    def measure(self) -> Sample:
        remarks: list[str] = []
        settle(self.program.pid)
        memory_before = accounting.memory(self.program.pid)
        for load in self.workload.fill:
            self._check(self._load(load), "while filling", remarks)
        settle(self.program.pid)

        figures: dict[str, float] = {}
        upstream_before = self.authority.counters()
        threads = accounting.thread_times(self.program.pid)
        result, cpu = self._timed(self.workload.measured)
        busiest_s = accounting.busiest_s(threads, accounting.thread_times(self.program.pid))
        upstream = self.authority.counters() - upstream_before
        self._check(result, "", remarks)
        answers = max(1, result.completed)
        figures["cpu_us"] = cpu.total_s / answers * 1e6
        figures["user_us"] = cpu.user_s / answers * 1e6
        figures["system_us"] = cpu.system_s / answers * 1e6
        figures["qps"] = result.completed / result.seconds
        figures["answers"] = result.completed
        if busiest_s:
            figures["capacity"] = result.completed / busiest_s
        figures["upstream"] = (upstream.udp + upstream.tcp) / answers
        figures["upstream_tcp"] = upstream.tcp / answers
        figures |= {f"latency_{key}_us": value for key, value in result.latency_us.items()}
        memory = accounting.memory(self.program.pid)
        figures |= {"rss": memory.rss, "pss": memory.pss}
        if entries := self.workload.facts.get("entries"):
            figures["rss_per_entry"] = (memory.rss - memory_before.rss) / entries
        if self.workload.paced is not None:
            with before_others(self.program.pid) as permitted:
                paced, cpu = self._timed(self.workload.paced)
            if not permitted:
                remarks.append("paced: not at real-time priority; what else the machine does is in the latencies")
            self._check(paced, "paced", remarks)
            figures["paced_cpu_us"] = cpu.total_s / max(1, paced.completed) * 1e6
            figures |= {f"latency_{key}_us": value for key, value in paced.latency_us.items()}
        return {
            "figures": figures,
            "upstream_by_server": upstream.by_server,
            "upstream_by_type": upstream.by_type,
            "rcodes": result.rcodes,
            "remarks": remarks,
        }

    def _load(self, load: dnsperf.Load) -> dnsperf.LoadResult:
        result = dnsperf.run(load, self.setup.address, self.setup.port, self.setup.folder, self.load_processors)
        self.program.check_running()
        return result

    def _timed(self, load: dnsperf.Load) -> tuple[dnsperf.LoadResult, accounting.CpuTime]:
        before = accounting.cpu_time(self.program.pid)
        result = self._load(load)
        # What the resolver still does because of these questions belongs to them.
        settle(self.program.pid)
        return result, accounting.cpu_time(self.program.pid) - before

    def _check(self, result: dnsperf.LoadResult, when: str, remarks: list[str]) -> None:
        """A fast wrong answer is no answer: note what was lost or had another rcode than it should."""
        expected = self.workload.rcode if when != "while filling" else "NOERROR"
        wrong = result.completed - result.rcodes.get(expected, 0)
        prefix = f"{when}: " if when else ""
        if result.lost > result.sent * _TOLERATED:
            remarks.append(f"{prefix}lost {result.lost / result.sent:.1%}")
        if wrong > result.completed * _TOLERATED:
            remarks.append(f"{prefix}not {expected}: {wrong / result.completed:.1%}")


def rotated(names: Sequence[str], by: int) -> list[str]:
    """The same names, starting with another one."""
    by %= len(names)
    return [*names[by:], *names[:by]]


def metadata(plan: Plan) -> dict[str, object]:
    """What a reader of the figures has to know."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "machine": _processor_model(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processors": {"resolver": Processors.detect().resolver, "load": Processors.detect().load},
        "scale": plan.scale.name,
        "repetitions": plan.repetitions,
        "versions": {name: RESOLVERS[name].version() for name in plan.resolvers},
        "titles": {name: RESOLVERS[name].title for name in plan.resolvers},
        "workloads": {w.name: {"title": w.title, "facts": w.facts} for w in plan.workloads},
    }


def _processor_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def settle(pid: int) -> None:
    """Wait until the tree of processes rests for some while, but not for ever: some have timers.

    On a busy machine it may look at rest when it only waits for the processor: hence several looks.
    """
    deadline = time.monotonic() + _SETTLE_AT_MOST_S
    before = accounting.cpu_time(pid)
    rested = 0
    while rested < _SETTLED and time.monotonic() < deadline:
        time.sleep(_SETTLE_S)
        now = accounting.cpu_time(pid)
        rested = rested + 1 if (now - before).running_s < _SETTLE_S / 50 else 0
        before = now
