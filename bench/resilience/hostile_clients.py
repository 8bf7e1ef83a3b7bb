"""`python -m bench.resilience.hostile_clients`: hostile clients against all three, into docs/RESILIENCE.md, "Attacks".

The attacks, the resolvers' limits and the measuring are those of `tests.e2e.attack_table`.
"""

import datetime
import os
import tempfile
import time
from pathlib import Path

import lab.internet
import lab.server
from bench.peers import RESOLVERS
from bench.resilience.table import PAGE, replace
from tests.e2e import attack_table
from tests.e2e.flood import ATTACKS
from tests.e2e.loopback import isolated

BEGIN = "<!-- measured: begin (python -m bench.resilience.hostile_clients) -->"
END = "<!-- measured: end (hostile clients) -->"
TITLES = {
    "silent_connections": "2,000 silent connections, opened anew",
    "octet_by_octet": "300 connections, octet by octet",
    "never_reading": "40 connections that pipeline and never read",
    "garbage": "garbage over UDP, 3,000/s",
    "replay": "one query replayed from 500 ports, 3,000/s",
    "forged_prefix": "a forged prefix asking for DNSKEY, 3,000/s",
    "random_names": "random names of a zone whose server is silent, 3,000/s",
    "strangers": "clients that are not served, 3,000/s",
}


def rows(directory: Path) -> list[str]:
    """Three for each attack."""
    lines = []
    for attack in ATTACKS:
        for resolver in (attack_table.akashi, attack_table.unbound, attack_table.bind):
            cells = attack_table.row(attack, resolver, directory).strip("| ").split(" | ")
            title = TITLES.get(attack, attack) if resolver is attack_table.akashi else ""
            lines.append(f"| {title} | {RESOLVERS[resolver.__name__].title} | {' | '.join(cells[2:])} |")
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, and put the table between the page's markers."""
    net = lab.internet.build(time.time(), prefix="127.74")
    versions = ", ".join(f"{RESOLVERS[n].title} {RESOLVERS[n].version()}" for n in ("akashi", "unbound", "bind"))
    load = os.getloadavg()[0]
    with isolated() as alone, tempfile.TemporaryDirectory() as name:
        if not alone:
            raise SystemExit("needs a network namespace of its own: run it as root")
        directory = Path(name)
        (directory / "hints").write_text(net.hints())
        (directory / "anchor").write_text(net.anchor())
        with attack_table.silent_server(), lab.server.running(net, port=53):
            lines = rows(directory)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    head = [
        f"Measured {date}: {versions}; load average {load:.1f} on {os.cpu_count()} processors.",
        "",
        "| attack | | others answered | cached names, ms | other names, ms | processor |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    replace(PAGE, BEGIN, END, "\n".join([*head, *lines]) + "\n")


if __name__ == "__main__":
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    main()
