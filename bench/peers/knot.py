"""Knot Resolver."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.layout import CACHE_MEGABYTES
from bench.peers.base import Setup, version_of

# Several processes share one cache by LMDB.
_CONFIG = """\
net.ipv6 = false
net.listen('{address}', {port}, {{ kind = 'dns' }})
modules = {{ 'hints', 'stats', 'bogus_log' }}
option('ALLOW_LOCAL', true)
hints.root_file('{hints}')
trust_anchors.add_file('{anchor}', true)
cache.open({cache} * MB, 'lmdb://{folder}/cache')
"""


class KnotResolver:
    """CZ.NIC Knot Resolver."""

    name = "knot"
    title = "Knot Resolver"

    def version(self) -> str | None:
        """As `kresd --version` says."""
        return version_of(["kresd", "--version"], r"version (\S+)")

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """One file of Lua, and a copy of the hints, which are only read from where it works."""
        (setup.folder / "cache").mkdir()
        hints = shutil.copy(setup.hierarchy.hints, setup.folder / "root.hints")
        anchor = shutil.copy(setup.hierarchy.anchor, setup.folder / "root.keys")
        config = setup.folder / "kresd.conf"
        config.write_text(
            _CONFIG.format(
                address=setup.address,
                port=setup.port,
                hints=hints,
                anchor=anchor,
                cache=CACHE_MEGABYTES,
                folder=setup.folder,
            )
        )
        forks = ["-f", str(setup.workers)] if setup.workers > 1 else []
        return ["kresd", "-n", *forks, "-c", config, setup.folder]
