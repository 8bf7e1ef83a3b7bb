"""Runs Akashi with the sampler under one workload."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench import accounting, dnsperf
from bench.authority import Authority
from bench.campaign import settle
from bench.layout import RESOLVER_ADDRESS, Processors, Scale, resolver_port
from bench.peers import RESOLVERS, Setup
from bench.process import Program, await_answer
from bench.profiling.digest import Digest, digest
from bench.summary import OURS
from bench.workloads import Workload
from bench.zones import hierarchy
from bench.zones.build import Hierarchy

_HOOK = Path(__file__).resolve().parent / "hook"
_START_S = 60.0


@dataclass(frozen=True)
class Profile:
    """Samples, and what the measured part cost with the sampler in it."""

    digest: Digest
    answers: int
    cpu: accounting.CpuTime


def profile(scale: Scale, workload: Workload, built: Hierarchy, seconds: float, report: Callable[[str], None]) -> Profile:
    """Profile the measured part of the workload, which goes on for `seconds` when it can be repeated."""
    folder = Path(tempfile.mkdtemp(prefix="akashi-bench-"))
    processors = Processors.detect()
    authority = Authority(built, folder / "authority", processors.load)
    try:
        authority.await_ready()
        return _profile(scale, workload, built, seconds, folder, processors, report)
    finally:
        authority.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _profile(
    scale: Scale,
    workload: Workload,
    built: Hierarchy,
    seconds: float,
    folder: Path,
    processors: Processors,
    report: Callable[[str], None],
) -> Profile:
    samples = folder / "samples"
    own = folder / "run"
    samples.mkdir()
    own.mkdir()
    setup = Setup(own, RESOLVER_ADDRESS, resolver_port(0), workload.workers, built)
    path = os.pathsep.join(filter(None, [str(_HOOK), os.environ.get("PYTHONPATH")]))
    environment = {"AKASHI_BENCH_SAMPLES": str(samples), "PYTHONPATH": path}
    program = Program(OURS, RESOLVERS[OURS].prepare(setup), own, processors.resolver, environment)
    try:
        await_answer(program, setup.address, setup.port, hierarchy.signed_zone(scale, 0).host(0), within_s=_START_S)
        for load in workload.fill:
            report("filling …")
            dnsperf.run(load, setup.address, setup.port, own, processors.load)
        measured = replace(workload.measured, each=False)
        if measured.seconds is not None:
            measured = replace(measured, seconds=seconds)
        settle(program.pid)
        report(f"sampling {workload.name} …")
        before = accounting.cpu_time(program.pid)
        start_mono = time.monotonic()
        result = dnsperf.run(measured, setup.address, setup.port, own, processors.load)
        end_mono = time.monotonic()
        cpu = accounting.cpu_time(program.pid) - before
    finally:
        program.stop()
    return Profile(digest(sorted(samples.glob("*.json")), start_mono, end_mono), result.completed, cpu)
