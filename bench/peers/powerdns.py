"""PowerDNS Recursor."""

from collections.abc import Sequence
from pathlib import Path

from bench.layout import CACHE_ENTRIES
from bench.peers.base import Setup, version_of

_CONFIG = """\
local-address={address}
local-port={port}
allow-from=127.0.0.0/8
daemon=no
disable-syslog=yes
quiet=yes
socket-dir={folder}
threads={workers}
reuseport=yes
pdns-distributes-queries=no
max-tcp-clients=1000
max-tcp-per-client=1000
dnssec=validate
dnssec-log-bogus=yes
dont-query=
hint-file={hints}
lua-config-file={folder}/trust.lua
security-poll-suffix=
max-cache-entries={entries}
max-packetcache-entries={entries}
"""


class PowerDns:
    """PowerDNS Recursor."""

    name = "powerdns"
    title = "PowerDNS Recursor"

    def version(self) -> str | None:
        """As `pdns_recursor --version` says."""
        return version_of(["pdns_recursor", "--version"], r"Recursor (\d\S*)")

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """A file of settings, and one of Lua for the trust anchor."""
        (setup.folder / "trust.lua").write_text(f'clearTA()\naddTA(".", "{setup.hierarchy.anchor_ds}")\n')
        (setup.folder / "recursor.conf").write_text(
            _CONFIG.format(
                address=setup.address,
                port=setup.port,
                folder=setup.folder,
                workers=setup.workers,
                hints=setup.hierarchy.hints,
                entries=CACHE_ENTRIES,
            )
        )
        return ["pdns_recursor", f"--config-dir={setup.folder}"]
