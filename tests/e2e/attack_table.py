"""The table of docs/RESILIENCE.md: hostile clients against Akashi, Unbound and BIND, in one run.

    python -m tests.e2e.attack_table        (as root: in a network namespace of its own, so that servers may have port 53)

Each resolver is alone while it is attacked, with like limits. Another client asks cached names, names that are not, and
over TCP; what is told is its share of answers, its median times (ms, calm → attacked) for cached and for other names, and
the resolver's processor time during the attack. The attackers of `tests.e2e.flood` are paced: all get the same.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from string import Template

import lab.internet
import lab.server
from tests.conftest import require_binary
from tests.e2e.flood import ATTACKS, HOLE
from tests.e2e.loopback import isolated
from tests.e2e.resolvers import process
from tests.e2e.test_client_attacks import LIMITS, Bystander, attack
from tests.resolver.daemon.process import Daemon, children_of

PORT = 5300
HOLE_PORT = 5333
TICKS = os.sysconf("SC_CLK_TCK")

UNBOUND = f"""
server:
  interface: 127.0.0.1
  port: {PORT}
  do-ip6: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{{directory}}"
  pidfile: ""
  use-syslog: no
  logfile: "{{directory}}/log"
  num-threads: 1
  do-not-query-localhost: no
  root-hints: "{{directory}}/hints"
  trust-anchor-file: "{{directory}}/anchor"
  domain-insecure: "{HOLE}"
  ip-ratelimit: 500
  ip-ratelimit-factor: 2
  incoming-num-tcp: 100
  tcp-idle-timeout: 2000
  access-control: 127.0.0.0/9 allow
  access-control: 127.128.0.0/9 refuse
stub-zone:
  name: "{HOLE}"
  stub-addr: 127.0.0.1@{HOLE_PORT}
remote-control:
  control-enable: no
"""

BIND = Template(
    """
options {
  directory "$directory"; pid-file none; session-keyfile none; recursion yes; dnssec-validation yes;
  listen-on port $port { 127.0.0.1; }; listen-on-v6 { none; };
  allow-query { 127.0.0.0/9; }; allow-query-cache { 127.0.0.0/9; }; allow-recursion { 127.0.0.0/9; };
  tcp-clients 100; tcp-idle-timeout 20; tcp-initial-timeout 25; validate-except { "$hole"; };
  rate-limit { responses-per-second 200; all-per-second 500; window 2; slip 2; ipv4-prefix-length 24; };
};
zone "." { type hint; file "$directory/hints"; };
zone "$hole" { type forward; forward only; forwarders { 127.0.0.1 port $hole_port; }; };
trust-anchors { $anchor };
controls { };
"""
)


def processor_seconds(pid: int) -> float:
    """User and system time of a process and its children, threads included."""
    total = 0.0
    for each in (pid, *children_of(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def await_answer(port: int) -> None:
    for _ in range(100):
        client = Bystander(port)
        client.ask("www.example.jp")
        if client.good:
            return
        time.sleep(0.1)
    raise SystemExit("a resolver does not answer")


@contextlib.contextmanager
def akashi(directory: Path) -> Iterator[tuple[int, int]]:
    """Port and process."""
    settings = [
        f'upstream.root-hints="{directory / "hints"}"',
        f'trust.anchors="{directory / "anchor"}"',
        f'upstream.stub={{"{HOLE}"=["127.0.0.1:{HOLE_PORT}"]}}',
        f'trust.nta.static=["{HOLE}"]',
        "upstream.allow-loopback=true",
        "upstream.ipv6=false",
        "trust.rfc5011=false",
        "trust.signal=false",
    ]
    with Daemon(*settings, *LIMITS) as daemon:
        daemon.wait_for("ready")
        yield daemon.port, daemon.process.pid


@contextlib.contextmanager
def unbound(directory: Path) -> Iterator[tuple[int, int]]:
    """Port and process."""
    config = directory / "unbound.conf"
    config.write_text(UNBOUND.format(directory=directory))
    with process([require_binary("unbound"), "-d", "-c", str(config)], directory / "log") as child:
        yield PORT, child.pid


@contextlib.contextmanager
def bind(directory: Path) -> Iterator[tuple[int, int]]:
    """Port and process."""
    config = directory / "named.conf"
    ds = next(line for line in (directory / "anchor").read_text().splitlines() if " IN DS " in line)
    tag, algorithm, digest_type, digest = ds.partition(" IN DS ")[2].split()
    anchor = f'. static-ds {tag} {algorithm} {digest_type} "{digest}";'
    config.write_text(BIND.substitute(directory=directory, anchor=anchor, port=PORT, hole=HOLE, hole_port=HOLE_PORT))
    with process([require_binary("named"), "-g", "-4", "-n", "1", "-c", str(config)], directory / "named.log") as child:
        yield PORT, child.pid


def main() -> None:
    """Print the rows."""
    net = lab.internet.build(time.time(), prefix="127.74")
    with isolated() as alone, tempfile.TemporaryDirectory() as name:
        if not alone:
            raise SystemExit("needs a network namespace of its own: run it as root")
        directory = Path(name)
        (directory / "hints").write_text(net.hints())
        (directory / "anchor").write_text(net.anchor())
        with silent_server(), lab.server.running(net, port=53):
            for attack_name in ATTACKS:
                for resolver in (akashi, unbound, bind):
                    print(row(attack_name, resolver, directory), flush=True)


@contextlib.contextmanager
def silent_server() -> Iterator[None]:
    """The server of HOLE, a process that reads nothing."""
    program = (
        "import socket,sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.bind(('127.0.0.1', {HOLE_PORT}))\n"
        "sys.stdin.read()"
    )
    hole = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        hole.kill()
        hole.wait()


def row(attack_name: str, resolver, directory: Path) -> str:  # type: ignore[no-untyped-def]
    """One attack on one resolver."""
    with resolver(directory) as (port, pid):
        await_answer(port)
        calm, other = Bystander(port), Bystander(port)
        calm.everything()
        other.serial = 1_000_000
        with attack(attack_name, port):
            before, start = processor_seconds(pid), time.monotonic()
            other.everything()
            used = (processor_seconds(pid) - before) / (time.monotonic() - start)
        cached, new = (
            " → ".join(f"{statistics.median(times) * 1e3:.1f}" if times else "-" for times in pair)
            for pair in ((calm.cached, other.cached), (calm.new, other.new))
        )
        return f"| {attack_name} | {resolver.__name__} | {other.share:.1%} | {cached} | {new} | {used:.0%} |"


if __name__ == "__main__":
    main()
