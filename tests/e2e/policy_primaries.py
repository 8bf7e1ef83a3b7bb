"""Real primaries of a policy zone: NSD, Knot and BIND, each with a TSIG key and with IXFR from what changed in the file."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.policy_peers import HEAD
from tests.e2e.resolvers import free_port, process

SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgb2N0ZXRzISE="
TSIG = f"transfer.key.:hmac-sha256:{SECRET}"


@dataclass
class Primary:
    """A running primary of one policy zone."""

    zone: str
    port: int
    file: Path
    child: "subprocess.Popen[bytes]"

    def publish(self, serial: int, rules: str) -> None:
        """Change the zone and have the server read it."""
        write(self.file, serial, rules)
        os.kill(self.child.pid, signal.SIGHUP)


def write(file: Path, serial: int, rules: str) -> None:
    """A zone file, whole at every moment."""
    beside = file.with_suffix(".new")
    beside.write_text(HEAD.format(serial=serial) + rules)
    beside.replace(file)


def nsd(here: Path, zone: str, port: int, file: Path) -> str:
    return f"""
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{here}"
    pidfile: "{here}/nsd.pid"
    xfrdfile: "{here}/xfrd.state"
    xfrdir: "{here}"
    zonelistfile: "{here}/zone.list"
    server-count: 1
    do-ip6: no
remote-control:
    control-enable: no
key:
    name: transfer.key.
    algorithm: hmac-sha256
    secret: "{SECRET}"
zone:
    name: {zone}
    zonefile: "{file}"
    provide-xfr: 127.0.0.1 transfer.key.
    store-ixfr: yes
    create-ixfr: yes
"""


def knot(here: Path, zone: str, port: int, file: Path) -> str:
    return f"""
server:
    rundir: {here}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: {here}/k.sock
database:
    storage: {here}/db
log:
  - target: stderr
    any: warning
key:
  - id: transfer.key.
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: transfer
    key: transfer.key.
    action: transfer
zone:
  - domain: {zone}
    file: {file}
    acl: transfer
    semantic-checks: off
    zonefile-load: difference
    zonefile-sync: -1
    journal-content: changes
"""


def bind(here: Path, zone: str, port: int, file: Path) -> str:
    return f"""
options {{
  directory "{here}"; pid-file none; session-keyfile "{here}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; ixfr-from-differences yes;
}};
controls {{ }};
key "transfer.key." {{ algorithm hmac-sha256; secret "{SECRET}"; }};
zone "{zone}" {{ type primary; file "{file}"; journal "{here}/journal"; allow-transfer {{ key "transfer.key."; }}; }};
"""


SERVERS: dict[str, tuple[str, Callable[[Path, str, int, Path], str], list[str]]] = {
    "nsd": ("nsd", nsd, ["-d", "-c"]),
    "knot": ("knotd", knot, ["-c"]),
    "bind": ("named", bind, ["-g", "-n", "1", "-c"]),
}


@contextlib.contextmanager
def primary(kind: str, program: str, here: Path, zone: str, rules: str) -> Iterator[Primary]:
    """A server with serial 1 of a policy zone."""
    _, configuration, options = SERVERS[kind]
    (here / "db").mkdir(parents=True)
    port = free_port()
    file = here / "policy.zone"
    write(file, 1, rules)
    config = here / "server.conf"
    config.write_text(configuration(here, zone, port, file))
    with process([program, *options, str(config)], here / "server.log") as child:
        yield Primary(zone, port, file, child)
