"""Processes that the lab starts: a resolver, a real authoritative server. They end when the lab ends, however it ends.

Each child leads a session of its own, so that Ctrl-C reaches the lab only, which then stops its children in order, and so
that a child's own children can be found. On Linux the kernel is asked to end the child when the lab dies without a word.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

STOP_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 5.0
_PR_SET_PDEATHSIG = 1


class Child:
    """One running process; made by `start`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process
        self.stopping = False
        """Whether it was us who asked it to end."""

    async def wait(self) -> int:
        """Exit status; negative for a signal."""
        return await self._process.wait()

    async def trouble(self) -> str | None:
        """Waits for the end; what happened, or None if it was us who asked for it."""
        status = await self.wait()
        return None if self.stopping else f"{self.name} ended ({explain_status(status)})"

    def hang_up(self) -> None:
        """Send SIGHUP, on which servers read their files again."""
        self._send(signal.SIGHUP)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self) -> int:
        """End the process, politely first, and whatever it started; returns its exit status."""
        self.stopping = True
        self._send(signal.SIGTERM)
        try:
            status = await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self._signal_group(signal.SIGKILL)
            status = await asyncio.wait_for(self._process.wait(), KILL_TIMEOUT_S)
        self._signal_group(signal.SIGKILL)
        return status

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


async def start(
    name: str, command: Sequence[str], *, output: Path | BinaryIO | None = None, directory: Path | None = None
) -> Child:
    """Start a process. `output`: a file that its standard output and error are appended to; None leaves them as ours."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(output.open("ab")) if isinstance(output, Path) else output
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=directory,
            start_new_session=True,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
    return Child(name, process)


def explain_status(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def die_with_parent() -> None:
    """Runs in the child before it becomes the program (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
