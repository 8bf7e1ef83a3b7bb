"""What the kernel says a tree of processes used: processor time and memory.

Processor time is `utime + stime + cutime + cstime` of `/proc/PID/stat`, over the process and all its descendants; the last
two hold what ended and awaited children used. All threads are in it. Its unit is the clock tick (10 ms), too coarse for
short runs, so the total is taken from `/proc/PID/task/*/schedstat` (nanoseconds, the scheduler's own sum) as long as both
agree to within their precision; they do not when a thread ended meanwhile, for its schedstat is gone. Loopback delivers a
packet within the sender's system call: the reply's way to the load generator is charged to the resolver, the question's way
to the resolver is charged to the load generator, alike for all resolvers.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuTime:
    """Seconds used so far: in user and in kernel mode by the tick, and on a processor by the nanosecond."""

    user_s: float
    system_s: float
    running_s: float

    def __sub__(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s - earlier.user_s, self.system_s - earlier.system_s, self.running_s - earlier.running_s)

    @property
    def total_s(self) -> float:
        """User and system."""
        by_tick = self.user_s + self.system_s
        precision = 4 * _TICK_S + by_tick / 50
        return self.running_s if abs(self.running_s - by_tick) <= precision else by_tick


@dataclass(frozen=True)
class Memory:
    """Octets resident, and the same with shared pages divided among those who share them."""

    rss: int
    pss: int


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_time(root: int) -> CpuTime:
    """Processor time of the tree so far."""
    user = system = running_ns = 0
    for pid in tree(root):
        if (fields := _stat(pid)) is not None:
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
            running_ns += _running_ns(pid)
    return CpuTime(user * _TICK_S, system * _TICK_S, running_ns / 1e9)


def thread_times(root: int) -> dict[int, int]:
    """Nanoseconds on a processor so far, by thread, of the tree."""
    return {thread: spent for pid in tree(root) for thread, spent in _threads(pid)}


def busiest_s(before: dict[int, int], after: dict[int, int]) -> float:
    """Seconds that the thread took which took the most between two `thread_times`: a worker, or a thread of one that has
    threads. What is divided among several can be done in no less time, however many processors there are.
    """
    return max((spent - before.get(thread, 0) for thread, spent in after.items()), default=0) / 1e9


def memory(root: int) -> Memory:
    """Memory of the tree now."""
    rss = pss = 0
    for pid in tree(root):
        try:
            text = (_PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            key, _, value = line.partition(":")
            if key == "Rss":
                rss += int(value.split()[0]) * 1024
            elif key == "Pss":
                pss += int(value.split()[0]) * 1024
    return Memory(rss, pss)


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on; None when the process is gone. The second may hold spaces."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _running_ns(pid: int) -> int:
    return sum(spent for _, spent in _threads(pid))


def _threads(pid: int) -> list[tuple[int, int]]:
    """The threads of a process with their nanoseconds; none when it is gone."""
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [(int(task.name), int((task / "schedstat").read_text().split()[0])) for task in tasks]
    except OSError:
        return []
