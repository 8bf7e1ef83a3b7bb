"""Knot DNS (CZ.NIC): pre-signed zones, no journal, no automatic signing."""

import hashlib
import tempfile
from pathlib import Path

from dns.name import Name

from lab.daemons.flavour import Instance, ReloadBy, origin_text, unfit_for_all
from lab.faults import Fault
from lab.records import Zone

_UNFIT = {"nsec3-missing": "has an NSEC3PARAM without NSEC3, on which Knot DNS 3.2 crashes"}


_SOCKET_PATH = 100
"""Octets the path of a Unix socket may have (unix(7): 108 with the final NUL), and some to spare."""


def _socket(here: Path) -> Path:
    """Where knotd, which insists on one, listens for its control tool: in its folder unless the path would be too long."""
    path = here / "knot.sock"
    if len(str(path)) <= _SOCKET_PATH:
        return path
    mark = hashlib.sha256(str(here).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"akashi-knot-{mark}.sock"


class Knot:
    """Reads zones whole; with semantic checks off it serves broken ones too."""

    title = "Knot DNS"
    program = "knotd"
    package = "knot"
    listens_anywhere = True
    reload_by = ReloadBy.HANGUP

    def configure(self, instance: Instance, zones: dict[Name, Zone]) -> None:
        here = instance.directory
        listen = ", ".join(f"{address}@{instance.port}" for address in instance.addresses)
        lines = [
            "server:",
            f"    rundir: {here}",
            f"    listen: [{listen}]",
            f"    nsid: {instance.hosts[0].rstrip('.')}",
            "    udp-workers: 1",
            "    tcp-workers: 1",
            "    background-workers: 1",
            "control:",
            f"    listen: {_socket(here)}",
            "database:",
            f"    storage: {here}/db",
            "log:",
            "  - target: stderr",
            "    any: warning",
            "template:",
            "  - id: default",
            f"    storage: {here}",
            "    semantic-checks: off",
            "    dnssec-signing: off",
            "    zonefile-load: whole",
            "    zonefile-sync: -1",
            "    journal-content: none",
            "zone:",
        ]
        for origin, path in instance.zone_files.items():
            lines += [f"  - domain: {origin_text(origin)}", f"    file: {path}"]
        (here / "knot.conf").write_text("\n".join(lines) + "\n")

    def command(self, program: str, instance: Instance) -> list[str]:
        return [program, "-c", str(instance.directory / "knot.conf")]

    def unfit(self, fault: Fault) -> str | None:
        return unfit_for_all(fault) or _UNFIT.get(fault.name)
