"""The load generator: running dnsperf, and reading what it prints."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import RunError
from bench.summary import percentiles

_FIGURES = {
    "sent": re.compile(r"Queries sent:\s+(\d+)"),
    "completed": re.compile(r"Queries completed:\s+(\d+)"),
    "seconds": re.compile(r"Run time \(s\):\s+([\d.]+)"),
}
_RCODES = re.compile(r"Response codes:\s+(.*)")
_RCODE = re.compile(r"(\w+) (\d+) \(")
_GRACE_S = 1800.0
"""More than filling a million names takes the slowest."""


@dataclass(frozen=True)
class Load:
    """One run of dnsperf."""

    questions: Path
    seconds: float | None = None
    """Go on through the file for so long; None: once through."""
    outstanding: int = 100
    """Questions without an answer at a time; the next waits for one."""
    clients: int = 1
    rate: int | None = None
    """Questions per second at most."""
    dnssec_ok: bool = False
    tcp: bool = False
    each: bool = False
    """Note the latency of each question; costs the load generator, so not for a run at full speed."""


@dataclass(frozen=True)
class LoadResult:
    """What dnsperf saw. Latencies in microseconds by name of the percentile, if each was noted."""

    sent: int
    completed: int
    seconds: float
    rcodes: dict[str, int]
    latency_us: dict[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Without an answer within five seconds."""
        return self.sent - self.completed


def run(load: Load, address: str, port: int, folder: Path, processors: Sequence[int]) -> LoadResult:
    """Run it. Raises RunError when dnsperf fails."""
    command = ["taskset", "-c", ",".join(map(str, processors)), "dnsperf", "-s", address, "-p", str(port)]
    command += ["-d", str(load.questions), "-q", str(load.outstanding), "-c", str(load.clients)]
    command += ["-n", "1"] if load.seconds is None else ["-l", str(load.seconds)]
    # EDNS always: that is what stub resolvers and forwarders of today send.
    command.append("-D" if load.dnssec_ok else "-e")
    if load.rate is not None:
        command += ["-Q", str(load.rate)]
    if load.tcp:
        command += ["-m", "tcp"]
    if load.each:
        command.append("-v")
    output = folder / "dnsperf.out"
    with output.open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False, timeout=_GRACE_S)
    text = output.read_text()
    if done.returncode != 0:
        raise RunError(f"dnsperf: {done.stderr.decode().strip()}")
    return parse(text)


def parse(text: str) -> LoadResult:
    """Read dnsperf's output. Raises RunError when figures are missing."""
    figures = {}
    for name, pattern in _FIGURES.items():
        found = pattern.search(text)
        if found is None:
            raise RunError(f"dnsperf printed no figure for {name}")
        figures[name] = float(found[1])
    rcodes = _RCODES.search(text)
    return LoadResult(
        sent=int(figures["sent"]),
        completed=int(figures["completed"]),
        seconds=figures["seconds"],
        rcodes={code: int(count) for code, count in _RCODE.findall(rcodes[1])} if rcodes else {},
        latency_us=percentiles(_latencies_us(text)),
    )


def _latencies_us(text: str) -> list[float]:
    """Of lines like `> NOERROR www.example. A 0.000123`; a lost question has no figure."""
    latencies = []
    for line in text.splitlines():
        if line.startswith("> "):
            words = line.split()
            if len(words) == 5:
                latencies.append(float(words[4]) * 1e6)
    return latencies
