"""The lab's directory: what a lab leaves on disk for resolvers, real servers and the next start.

    root.hints      root hints, a zone file           lab.toml     configuration for `akashi serve -c`
    root.anchor     DS and DNSKEY of the root         keys/        private keys, kept from start to start
    island.anchor   of the island of security         zones/       every signed zone as a master file
    lab.pid         process id; locked while it runs  lab.log      what a lab in the background says
    lab.sock        control socket                    state/       the resolver's state directory

Limitations: one lab per directory. A Unix socket's path is limited to 107 octets; where the directory's path is longer, the
sockets are made in the system's directory for temporary files, under a name derived from the path.
"""

import fcntl
import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dns.name
from dns.name import Name

from lab import timeserver
from lab.internet import DEFAULT_PREFIX, Internet, LabError
from lab.server import DEFAULT_PORT

MAX_SOCKET_PATH = 100
ISLAND = dns.name.from_text("island.unsigned.jp.")


@dataclass(frozen=True)
class Settings:
    """What `akashi lab up` was told."""

    directory: Path = Path(".lab")
    port: int = DEFAULT_PORT
    backend: str = "embedded"
    resolver_listen: str = "127.0.0.1:5300"
    metrics_listen: str = "127.0.0.1:9153"
    prefix: str = DEFAULT_PREFIX
    ttl: int | None = None
    """Largest TTL anywhere, seconds; None: as a real Internet would have them."""
    faults: bool = True
    """Whether there is a zone for each fault of the catalogue."""


class LabDirectory:
    """The paths of a lab, and who runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def hints(self) -> Path:
        return self.root / "root.hints"

    @property
    def anchor(self) -> Path:
        return self.root / "root.anchor"

    @property
    def config(self) -> Path:
        return self.root / "lab.toml"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def zones(self) -> Path:
        return self.root / "zones"

    @property
    def pid_file(self) -> Path:
        return self.root / "lab.pid"

    @property
    def log(self) -> Path:
        return self.root / "lab.log"

    @property
    def control_socket(self) -> Path:
        """Where the running lab takes commands."""
        return self.socket("lab.sock")

    def socket(self, name: str) -> Path:
        """A path for a Unix socket that is short enough."""
        path = self.root / name
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"akashi-lab-{digest}-{name}"

    def zone_file(self, origin: Name) -> Path:
        """Master file of a zone."""
        stem = origin.to_text(omit_final_dot=True) if origin != dns.name.root else "root"
        return self.zones / f"{stem}.zone"

    def running(self) -> int | None:
        """Process id of the lab that runs on this directory, if one does."""
        try:
            with self.pid_file.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(file.read().strip() or 0) or None
        except (FileNotFoundError, ValueError):
            pass
        return None

    def acquire(self) -> int:
        """Become the lab of this directory; returns the descriptor that holds the lock. Raises LabError if taken."""
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.pid_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise LabError(f"a lab is already running in {self.root} (pid {self.running()})") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor

    def release(self, descriptor: int) -> None:
        """Stop being the lab of this directory."""
        self.pid_file.unlink(missing_ok=True)
        self.control_socket.unlink(missing_ok=True)
        os.close(descriptor)

    def write(self, internet: Internet, settings: Settings) -> None:
        """Write hints, anchors, zone files and the resolver's configuration."""
        self.zones.mkdir(parents=True, exist_ok=True)
        _replace(self.hints, internet.hints())
        _replace(self.anchor, internet.anchor())
        if ISLAND in internet.plans:
            _replace(self.root / "island.anchor", internet.anchor(ISLAND))
        _replace(self.config, self._config_text(settings))
        for origin in internet.zones:
            self.write_zone(internet, origin)

    def write_zone(self, internet: Internet, origin: Name) -> None:
        """Write the master file of one zone."""
        _replace(self.zone_file(origin), internet.zones[origin].to_text())

    def _config_text(self, settings: Settings) -> str:
        state = self.root / "state"
        state.mkdir(exist_ok=True)
        # What `akashi conform` looks at; the attestations are as true as a rehearsal is.
        faults = '["rrsig-exp-all.faults.jp"]' if settings.faults else "[]"
        clocks = ", ".join(f'"{address}:{settings.port}"' for address in timeserver.addresses(settings.prefix))
        today = time.strftime("%Y-%m-%d")
        quote = partial(json.dumps, ensure_ascii=False)  # A JSON string without \u escapes is a TOML basic string.
        return f"""\
# Written by `akashi lab up`; use with: akashi serve -c {self.config}
[server]
listen = [{quote(settings.resolver_listen)}]
workers = 1

[upstream]
root-hints = {quote(str(self.hints))}
port = {settings.port}
ipv6 = false
allow-loopback = true

[trust]
anchors = {quote(str(self.anchor))}
rfc5011 = true
state-dir = {quote(str(state))}

[metrics]
listen = {quote(settings.metrics_listen)}

[control]
socket = {quote(str(self.socket("control.sock")))}

[clock]
ntp-servers = [{clocks}]

[probe]
secure = ["www.example.jp", "www.example.com"]
bogus = {faults}

[conform]
resolvers = [{quote(settings.resolver_listen)}]
attest.2-16 = "{today} a lab: nobody but you has to be told"
attest.2-20 = "{today} a lab: it is the whole community"
attest.2-22 = "{today} a lab: the procedure is docs/NTA.md, rehearsed with akashi lab drill nta"
"""


def _replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
