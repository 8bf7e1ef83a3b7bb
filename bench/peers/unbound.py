"""Unbound."""

from collections.abc import Sequence
from pathlib import Path

from bench.layout import CACHE_MEGABYTES
from bench.peers.base import Setup, version_of

# The cache is divided as Unbound's manual advises: twice as much for RRsets as for messages. Slabs and the number of
# outgoing ports stay as they come.
_CONFIG = """\
server:
    interface: {address}
    port: {port}
    num-threads: {workers}
    so-reuseport: yes
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    val-log-level: 1
    extended-statistics: yes
    do-ip6: no
    incoming-num-tcp: 1000
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    root-hints: "{hints}"
    trust-anchor-file: "{anchor}"
    msg-cache-size: {messages}m
    rrset-cache-size: {rrsets}m
    key-cache-size: 64m
    neg-cache-size: 64m
remote-control:
    control-enable: no
"""


class Unbound:
    """NLnet Labs Unbound."""

    name = "unbound"
    title = "Unbound"

    def version(self) -> str | None:
        """As `unbound -V` says."""
        return version_of(["unbound", "-V"], r"Version (\S+)")

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """One file."""
        config = setup.folder / "unbound.conf"
        config.write_text(
            _CONFIG.format(
                address=setup.address,
                port=setup.port,
                workers=setup.workers,
                folder=setup.folder,
                hints=setup.hierarchy.hints,
                anchor=setup.hierarchy.anchor,
                messages=CACHE_MEGABYTES // 3,
                rrsets=CACHE_MEGABYTES * 2 // 3,
            )
        )
        return ["unbound", "-d", "-p", "-c", config]
