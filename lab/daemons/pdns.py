"""PowerDNS Authoritative Server: pre-signed zones through its BIND back end.

The back end reads master files, but has to be told in an SQLite database which zones are signed, and with which NSEC3
parameters. PowerDNS does not serve the NSEC and NSEC3 records of the file: it makes them anew from the names and types it
finds, and takes only their signatures from the file. So every chain that is wrong on purpose would come out right, with
a signature that is not.

Limitations: opt-out is a property of a zone, as its first NSEC3 says.
"""

import sqlite3
import subprocess
from contextlib import closing
from typing import cast

from dns.name import Name
from dns.rdtypes.ANY.NSEC3 import NSEC3

from lab.daemons.flavour import Instance, ReloadBy, find_program, origin_text, unfit_for_all
from lab.faults import Fault
from lab.internet import LabError
from lab.records import Zone

_CHAIN = "has a chain of denial that PowerDNS would make anew"
_UNFIT = {
    "bad-nsec3-hash": _CHAIN,
    "bad-nsec3-next": _CHAIN,
    "nsec3-missing": _CHAIN,
    "bad-nsec3param-salt": _CHAIN,
    "nsec3param-missing": _CHAIN,
    "no-nsec3param-nsec3": _CHAIN,
}


class Pdns:
    """Serves what the database calls signed; makes NSEC and NSEC3 itself."""

    title = "PowerDNS"
    program = "pdns_server"
    package = "pdns-server pdns-backend-bind"
    listens_anywhere = True
    reload_by = ReloadBy.RESTART

    def configure(self, instance: Instance, zones: dict[Name, Zone]) -> None:
        here = instance.directory
        database = here / "dnssec.sqlite3"
        database.unlink(missing_ok=True)
        listed = [f'zone "{origin_text(o)}" {{ type master; file "{p}"; }};' for o, p in instance.zone_files.items()]
        (here / "named.conf").write_text("\n".join(listed) + "\n")
        settings = {
            "launch": "bind",
            "bind-config": here / "named.conf",
            "bind-dnssec-db": database,
            "local-address": ", ".join(f"{address}:{instance.port}" for address in instance.addresses),
            # Relative, because the path of a Unix socket has to be short.
            "socket-dir": ".",
            "server-id": instance.hosts[0].rstrip("."),
            "dname-processing": "yes",
            "receiver-threads": 1,
            "distributor-threads": 1,
            "udp-truncation-threshold": 1232,
            # Above its usual limit it would answer as if there was no salt and no iteration.
            "max-nsec3-iterations": 2500,
            "daemon": "no",
            "guardian": "no",
            "disable-syslog": "yes",
            "loglevel": 4,
            # It would ask its makers over the network whether it should be upgraded.
            "security-poll-suffix": "",
        }
        (here / "pdns.conf").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        made = subprocess.run(
            [find_program("pdnsutil", self.package), f"--config-dir={here}", "create-bind-db", str(database)],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise LabError(f"pdnsutil cannot make {database}: {made.stderr.strip() or made.stdout.strip()}")
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.executemany(
                "INSERT INTO domainmetadata (domain, kind, content) VALUES (?, ?, ?)",
                [(origin_text(o), kind, text) for o in instance.zone_files for kind, text in _metadata(zones[o])],
            )

    def command(self, program: str, instance: Instance) -> list[str]:
        return [program, f"--config-dir={instance.directory}"]

    def unfit(self, fault: Fault) -> str | None:
        return unfit_for_all(fault) or _UNFIT.get(fault.name)


def _metadata(zone: Zone) -> list[tuple[str, str]]:
    """Kind and content of what the database has to say about a zone."""
    if not zone.signatures:
        return []
    metadata = [("PRESIGNED", "1")]
    if zone.nsec3:
        nsec3 = cast(NSEC3, next(iter(zone.nsec3.values()))[0])
        salt = nsec3.salt.hex() or "-"
        metadata.append(("NSEC3PARAM", f"{nsec3.algorithm} {nsec3.flags} {nsec3.iterations} {salt}"))
    return metadata
