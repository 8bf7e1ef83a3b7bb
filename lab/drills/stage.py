"""Where a drill is played: a mini-Internet and a resolver of its own, in a directory of its own, on free ports.

Theory of operation. `Stage.set` starts `python -m lab` and `akashi serve` as child processes, which end with us however we
end (lab/child.py), and removes their directory. Everything a drill does goes through commands (`run`), everything it sees
through DNS questions (`ask`, `at`): the stage knows of the resolver only what an operator knows.

The resolver's clock is shifted with libfaketime where that is installed. Where it is not, the zones are signed as of
another time, which looks the same from the resolver's side.

Limitations: Linux for the clean end after SIGKILL, and for addresses of 127.0.0.0/8 without configuring them.
"""

import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import background, client
from lab.child import die_with_parent
from lab.directory import LabDirectory, Settings
from lab.drills.dig import Seen, command, dig
from lab.drills.watch import Watcher
from lab.errors import LabError
from lab.server import free_port

COMMAND_TIMEOUT_S = 30.0
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
PROBE_TIMEOUT_S = 0.5
"""A question that was sent before the resolver listens is lost."""
LOG_TAIL_LINES = 10
COMMANDS_IN_A_HURRY = 12
"""What has to fit into a hold-down of RFC 5011 in which a key must not become Valid, checks and some reserve included."""
LONGEST_HOLD_DOWN_S = 30.0
FIRST_NAME = "www.example.jp."
_FAKETIME = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib*/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/*MT*",
)


class Stage:
    """The lab and the resolver of one drill. Usable inside `with stage.set(…)`."""

    watcher: Watcher

    def __init__(self, *, use_faketime: bool = True) -> None:
        self.output = ""
        """What the last command said, standard error included."""
        self.address = "127.0.0.1"
        self.port = 0
        self.offset_s = 0
        """How far the resolver's clock, and that of the commands beside it, is ahead of this machine's."""
        self.zones_offset_s = 0
        """The same for whoever signs the zones, and for everybody but the resolver."""
        self.directory: LabDirectory
        self.lab: Settings
        self._last_typed = 0.0
        self._command_s = 0.0
        self._labels: dict[tuple[str, int], str] = {}
        self._settings: tuple[str, ...] = ()
        self._faketime = find_faketime() if use_faketime else None
        self._resolver: subprocess.Popen[bytes] | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def set(self, ttl: int, settings: tuple[str, ...], watched: str | None) -> Iterator["Stage"]:
        """Start everything; at the end of the block stop it and remove what it left."""
        root = Path(tempfile.mkdtemp(prefix="akashi-drill-"))
        try:
            self._settings = settings
            self.port = free_port(self.address)
            self.lab = Settings(
                root,
                free_port(self.address),
                resolver_listen=f"{self.address}:{self.port}",
                metrics_listen="",
                prefix=f"127.{random.randint(100, 250)}",
                ttl=ttl,
                faults=False,
            )
            self.directory = LabDirectory(root)
            with self._running_lab():
                self.start_resolver()
                try:
                    with Watcher(lambda name: self.ask(name, "A"), watched) as self.watcher:
                        yield self
                finally:
                    self.stop_resolver()
        finally:
            shutil.rmtree(root, ignore_errors=True)

    @contextlib.contextmanager
    def _running_lab(self) -> Iterator[None]:
        with self.directory.log.open("wb") as log:
            process = _start(background.command_line(self.lab), os.environ, log.fileno())
        try:
            background.wait_until_ready(process, self.directory)
            yield
        finally:
            _end(process)

    def shift_clock(self, offset_s: int) -> str:
        """Start the resolver again with its clock that far ahead of everybody else's; says how it was done."""
        if self._faketime:
            self.offset_s = offset_s
            how = f"FAKETIME={offset_s:+d} LD_PRELOAD={self._faketime.name} akashi serve -c $AKASHI_LAB/lab.toml"
        else:
            self.zones_offset_s = -offset_s
            client.command(self.directory.control_socket, "clock", offset_s=self.zones_offset_s)
            how = f"(no libfaketime here: all zones are signed {-offset_s:+d} s away instead) akashi serve …"
        self.restart_resolver()
        return how

    def restart_resolver(self) -> None:
        """Stop the resolver and start it again, with an empty memory and what it keeps on disk."""
        with self.watcher.still():
            self.stop_resolver()
            self.start_resolver()

    def start_resolver(self) -> None:
        """Start the resolver and wait until it answers."""
        line = [sys.executable, "-m", "resolver", "serve", "-c", str(self.directory.config)]
        for setting in self._settings:
            line += ["--set", setting]
        with (self.directory.root / "resolver.log").open("ab") as log:
            self._resolver = _start(line, self._environment(), log.fileno())
        deadline = time.monotonic() + READY_TIMEOUT_S
        while dig(self.address, self.port, FIRST_NAME, "SOA", timeout_s=PROBE_TIMEOUT_S).rcode.startswith("no answer"):
            if self._resolver.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.log().splitlines()[-LOG_TAIL_LINES:])
                raise LabError(f"the resolver does not answer:\n{tail}")
            time.sleep(POLL_S)

    def stop_resolver(self) -> None:
        """Stop the resolver, if it runs."""
        if self._resolver is not None:
            _end(self._resolver)
            self._resolver = None

    # -- what an operator has ------------------------------------------------------------------------------------------

    def run(self, line: str) -> int:
        """Run a command line that starts with `akashi`; its output is in `output`. Returns its exit status."""
        self._last_typed = time.monotonic()
        program, *arguments = shlex.split(line.replace("$AKASHI_LAB", str(self.directory.root)))
        if program != "akashi":
            raise LabError(f"a drill runs akashi, not {program}")
        status, self.output = self._akashi(arguments)
        return status

    def json(self, line: str) -> Any:
        """What a command with --json prints, or None when that is not JSON. A finding (exit status 1) is no failure."""
        _, output = self._akashi(shlex.split(line.replace("$AKASHI_LAB", str(self.directory.root)))[1:])
        try:
            return json.loads(output)
        except ValueError:
            return None

    def has_command(self, name: str) -> bool:
        """Whether `akashi` has such a command. How long it takes to say so tells how busy the machine is."""
        begin = time.monotonic()
        status, _ = self._akashi([*name.split(), "--help"])
        self._command_s = max(self._command_s, time.monotonic() - begin)
        return status == 0

    def patient(self, seconds: float) -> float:
        """That long, or as long as a step's commands take on this machine."""
        return max(seconds, min(COMMANDS_IN_A_HURRY * self._command_s, LONGEST_HOLD_DOWN_S))

    def stop_key_clock(self) -> None:
        """From the next change of a key on, no time passes by which the lab counts what caches may hold."""
        client.command(self.directory.control_socket, "key-clock", stop=True)

    def start_key_clock(self) -> None:
        """What has passed meanwhile has passed."""
        client.command(self.directory.control_socket, "key-clock", stop=False)

    def _akashi(self, arguments: list[str]) -> tuple[int, str]:
        environment = self._environment() | {"COLUMNS": "120"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "resolver", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"`akashi {shlex.join(arguments)}` did not end within {COMMAND_TIMEOUT_S:.0f} s") from None
        return done.returncode, done.stdout

    def ask(self, name: str, rtype: str, *, cd: bool = False) -> Seen:
        """Ask the resolver."""
        return dig(self.address, self.port, name, rtype, cd=cd)

    def at(self, address: str, name: str, rtype: str) -> Seen:
        """Ask an authoritative server."""
        return dig(address, self.lab.port, name, rtype, recurse=False)

    def since_typed(self) -> float:
        """Seconds since the last command was typed."""
        return time.monotonic() - self._last_typed

    def dig_line(self, name: str, rtype: str, *, cd: bool = False) -> str:
        """How people ask the resolver the same."""
        return command(self.address, self.port, name, rtype, cd=cd)

    def log(self) -> str:
        """What the resolver has logged."""
        return (self.directory.root / "resolver.log").read_text(errors="replace")

    # -- what only the lab knows ---------------------------------------------------------------------------------------

    def servers(self, zone: str) -> list[str]:
        """Addresses of the servers that have a zone."""
        report = client.command(self.directory.control_socket, "status")
        return [server["address"] for server in report["servers"] if zone in server["zones"]]

    def parent_servers(self, zone: str) -> list[str]:
        """Addresses of the servers of the zone above: the next name upwards that is a zone."""
        name = zone
        while name != ".":
            name = name.partition(".")[2] or "."
            addresses = self.servers(name)
            if addresses:
                return addresses
        return []

    def keys(self, zone: str) -> list[dict[str, Any]]:
        """The keys of a zone, as `akashi lab keys --json` lists them."""
        keys: list[dict[str, Any]] = client.command(self.directory.control_socket, "keys", zone=zone)["keys"]
        for key in keys:
            self._labels[zone, key["tag"]] = key["key"]
        return keys

    def label(self, zone: str, tag: int) -> str:
        """Which key of a zone has, or had, this tag: a key gets another one when it is revoked."""
        self.keys(zone)
        return self._labels.get((zone, tag), str(tag))

    def _environment(self) -> dict[str, str]:
        environment = (
            {**os.environ, "AKASHI_LAB": str(self.directory.root)} if hasattr(self, "directory") else {**os.environ}
        )
        if self.offset_s and self._faketime:
            # The monotonic clock stays: a wrong date does not make time pass at another speed.
            environment |= {
                "LD_PRELOAD": str(self._faketime),
                "FAKETIME": f"{self.offset_s:+d}",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        return environment


def find_faketime() -> Path | None:
    """The library that shifts the clock of a process, if it is installed."""
    for pattern in _FAKETIME:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            return path
    return None


def _start(line: list[str], environment: "os._Environ[str] | dict[str, str]", output: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        line,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
