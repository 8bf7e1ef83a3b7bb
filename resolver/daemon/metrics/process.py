"""What the operating system knows of our processes, and the ceilings that gauges are compared with. Names: `metrics.table`.

Theory: read from /proc by the supervisor when somebody scrapes, so it costs workers nothing. Processor time of workers that
are gone is what the system added to our own account when they were reaped; it is added to that of the living, so the count
never goes down.

Limitations: Linux. A process that started as root and became another user may not look at its workers' descriptors
(proc(5), PR_SET_DUMPABLE): their `open_files` is left out then.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from resolver.daemon.manager import Manager
from resolver.state.database import Database

Sample: TypeAlias = tuple[tuple[str, ...], float]
Samples: TypeAlias = Mapping[str, Sequence[Sample]]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_MIN_FREE: Final = 1024 * 1024
"""Octets that must be free where the state is: SQLite writes some pages and their log for each change."""


def attach_process_metrics(manager: Manager, database: Database | None, files: int) -> None:
    """Hang the samples onto the manager. `files`: descriptors that a process may have."""

    def give() -> Samples:
        return process_samples(manager, files) | {"state_writable": [((), float(is_writable(database)))]}

    manager.hooks.metrics.append(give)


def process_samples(manager: Manager, files: int) -> dict[str, Sequence[Sample]]:
    """Samples by metric name."""
    workers = [child.pid for child in manager.supervisor.children]
    kinds = {"supervisor": [os.getpid()], "worker": workers}
    reaped = os.times()
    spent = {"supervisor": 0.0, "worker": reaped.children_user + reaped.children_system}
    server = manager.config.server
    return {
        "resident_memory_octets": [((kind,), sum(map(resident_octets, pids))) for kind, pids in kinds.items()],
        "cpu_seconds": [((kind,), spent[kind] + sum(map(cpu_seconds, pids))) for kind, pids in kinds.items()],
        "open_files": [((kind,), max(seen)) for kind, pids in kinds.items() if (seen := open_files(pids))],
        "open_files_limit": [((), files)],
        "tcp_connections_limit": [((), server.tcp_connections * len(manager.supervisor.slots))],
        "udp_size_octets": [(("client",), server.max_udp_size), (("server",), manager.config.upstream.edns_buffer)],
    }


def is_writable(database: Database | None) -> bool:
    """Whether what must survive a restart can be written: the directory is there, ours, and has room."""
    if database is None:
        return False
    directory = database.path.parent
    try:
        free = os.statvfs(directory)
        return os.access(directory, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize >= _MIN_FREE
    except OSError:
        return False


def resident_octets(pid: int) -> float:
    """Memory of a process; 0 when it is gone. Pages that workers share since their fork count for each."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0.0


def cpu_seconds(pid: int) -> float:
    """Processor time of a process; 0 when it is gone."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, IndexError):
        return 0.0


def open_files(pids: Sequence[int]) -> list[int]:
    """How many descriptors each of the processes has open; without those that may not be looked at."""
    counts = []
    for pid in pids:
        with contextlib.suppress(OSError):
            counts.append(sum(1 for _ in (_PROC / str(pid) / "fd").iterdir()))
    return counts
