"""BIND."""

from collections.abc import Sequence
from pathlib import Path

from bench.layout import CACHE_MEGABYTES
from bench.peers.base import Setup, version_of

_CONFIG = """\
options {{
    directory "{folder}";
    listen-on port {port} {{ {address}; }};
    listen-on-v6 {{ none; }};
    allow-query {{ 127.0.0.0/8; }};
    allow-recursion {{ 127.0.0.0/8; }};
    recursion yes;
    dnssec-validation yes;
    max-cache-size {cache}m;
    pid-file none;
    session-keyfile none;
    lock-file none;
    recursive-clients 10000;
    tcp-clients 1000;
}};
controls {{ }};
zone "." {{ type hint; file "{hints}"; }};
trust-anchors {{ . static-ds {tag} {algorithm} {digest_type} "{digest}"; }};
"""


class Bind:
    """ISC BIND."""

    name = "bind"
    title = "BIND"

    def version(self) -> str | None:
        """As `named -v` says."""
        return version_of(["named", "-v"], r"BIND (\d[\d.]*)")

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """One file."""
        tag, algorithm, digest_type, digest = setup.hierarchy.anchor_ds.split()
        config = setup.folder / "named.conf"
        config.write_text(
            _CONFIG.format(
                folder=setup.folder,
                address=setup.address,
                port=setup.port,
                cache=CACHE_MEGABYTES,
                hints=setup.hierarchy.hints,
                tag=tag,
                algorithm=algorithm,
                digest_type=digest_type,
                digest=digest,
            )
        )
        return ["named", "-g", "-4", "-n", str(setup.workers), "-c", config]
