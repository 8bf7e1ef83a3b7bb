"""A lab in the background: starting it so that it answers when `start` returns, and stopping it so that nothing is left."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab.client import command, wait_for_answer
from lab.directory import LabDirectory, Settings
from lab.internet import LabError
from lab.process import Report

START_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
LOG_TAIL_LINES = 15


def start(settings: Settings) -> Report:
    """Start a lab in the background; returns its status once its root answers. Raises LabError with the end of its log."""
    directory = LabDirectory(settings.directory)
    pid = directory.running()
    if pid is not None:
        raise LabError(f"a lab is already running in {directory.root} (pid {pid}); stop it with: akashi lab down")
    directory.root.mkdir(parents=True, exist_ok=True)
    with directory.log.open("wb") as log:
        process = subprocess.Popen(
            command_line(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        report = wait_until_ready(process, directory)
        root = report["servers"][0]["address"]
        if asyncio.run(wait_for_answer(root, settings.port, ".", "SOA", ANSWER_TIMEOUT_S)) is None:
            raise LabError(f"the root server {root} does not answer on port {settings.port}; log: {directory.log}")
    except BaseException:
        process.terminate()
        process.wait()
        raise
    # It outlives us on purpose; without this, the interpreter would warn about a child that nobody waited for.
    process.returncode = 0
    return report


def command_line(settings: Settings) -> list[str]:
    """The process of such a lab."""
    line = [
        *(sys.executable, "-m", "lab"),
        *("--directory", str(settings.directory.absolute())),
        *("--port", str(settings.port)),
        *("--backend", settings.backend),
        *("--resolver-listen", settings.resolver_listen),
        *("--metrics-listen", settings.metrics_listen),
        *("--prefix", settings.prefix),
    ]
    if settings.ttl is not None:
        line += ["--ttl", str(settings.ttl)]
    return line if settings.faults else [*line, "--no-faults"]


def wait_until_ready(process: "subprocess.Popen[bytes]", directory: LabDirectory) -> Report:
    """The status of a lab as soon as it can be asked. Raises LabError with the end of its log when it ends instead."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = directory.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
            raise LabError("the lab did not start:\n" + "\n".join(tail))
        with contextlib.suppress(OSError):
            return command(directory.control_socket, "status")
        time.sleep(POLL_S)
    raise LabError(f"the lab was not ready within {START_TIMEOUT_S:.0f} s; log: {directory.log}")


def stop(directory: LabDirectory) -> bool:
    """Stop the lab of a directory, in the background or not; False when there is none. Raises LabError if it will not."""
    pid = directory.running()
    if pid is None:
        return False
    # The lock says that this process id is a lab; it is asked by signal, since the control socket may be busy.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if directory.running() is None and _gone(pid):
                return True
            time.sleep(POLL_S)
    raise LabError(f"the lab (pid {pid}) does not end")


def _gone(pid: int) -> bool:
    """Whether a process has ended, even if its parent has not asked how."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return Path("/proc/self").exists()  # Without /proc the signal alone tells, and it found the process.
    except ProcessLookupError:
        return True
