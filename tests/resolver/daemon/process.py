"""A daemon as a process of its own: started on free ports, its log read as JSON, always ended."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

LIMIT_S = 30.0


class Daemon:
    """`akashi serve` with these settings. A context manager; neither the process nor its workers outlive it."""

    def __init__(self, *settings: str, config: Path | None = None, listen: str = "127.0.0.1:0", **options: Any) -> None:
        self._state = tempfile.mkdtemp(prefix="akashi-state-")
        command = [sys.executable, "-W", "error", "-m", "resolver", "serve"]
        if config is not None:
            command += ["-c", str(config)]
        base = [
            f"server.listen={listen}",
            "server.workers=1",
            "log.format=json",
            f"trust.state-dir={self._state}",
            "upstream.prime=false",
            "control.socket=",
            "metrics.listen=",
        ]
        for setting in (*base, *settings):
            command += ["--set", setting]
        environment = os.environ | options.pop("environment", {})
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True, **options
        )
        self._hang_up = False
        self.lines: list[dict[str, Any]] = []
        self.other: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(line)
            if self._hang_up:
                self.process.stderr.close()
                break
        self._queue.put(None)

    def stop_reading(self) -> None:
        """Close the pipe that the daemon logs to."""
        self._hang_up = True
        self.process.send_signal(signal.SIGHUP)  # makes it log a line, which wakes the reader
        self._thread.join(LIMIT_S)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next log line of this event; fails when the process ends first."""
        while True:
            line = self._queue.get(timeout=LIMIT_S)
            if line is None:
                self._queue.put(None)
                raise AssertionError(f"no {event!r} before the end: {self.lines} {self.other}")
            try:
                facts = json.loads(line)
            except ValueError:
                self.other.append(line)
                continue
            self.lines.append(facts)
            if facts["event"] == event:
                return facts

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """What it listens on, once "listening" was logged."""
        (line,) = (line for line in self.lines if line["event"] == "listening")
        pairs = (address.rpartition(":") for address in line["addresses"])
        return [(host.strip("[]"), int(port)) for host, _, port in pairs]

    @property
    def port(self) -> int:
        return self.addresses[0][1]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; all that was logged is in `lines` then."""
        status = self.process.wait(LIMIT_S)
        while (line := self._queue.get(timeout=LIMIT_S)) is not None:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.other.append(line)
        return status

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_: object) -> None:
        # Workers outlive their supervisor by design, so the whole group is ended.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._thread.join(LIMIT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        shutil.rmtree(self._state, ignore_errors=True)


def children_of(pid: int) -> list[int]:
    """Process IDs of the direct children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
