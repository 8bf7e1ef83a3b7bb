"""Akashi, as it comes: in plain Python, and with the accelerator."""

import compileall
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.layout import CACHE_MEGABYTES, PROJECT
from bench.peers.base import Setup

ACCELERATED = PROJECT / "build" / "accelerated"

_CONFIG = """\
[server]
listen = ["{address}:{port}"]
workers = {workers}
tcp-connections = 1000
tcp-per-client = 1000
[access]
allow = ["127.0.0.0/8"]
[upstream]
root-hints = "{hints}"
allow-loopback = true
ipv6 = false
[cache]
size = "{cache}M"
[trust]
anchors = "{anchor}"
rfc5011 = false
state-dir = "{folder}/state"
[control]
socket = "{folder}/control.sock"
[metrics]
listen = "{address}:9153"
"""


class Akashi:
    """This project's resolver, from the work tree."""

    name = "akashi"
    title = "Akashi"
    root = PROJECT

    def version(self) -> str | None:
        """As installed into the virtualenv."""
        try:
            return version("akashi")
        except PackageNotFoundError:
            return None

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """One file, and bytecode as after an installation. RFC 5011 is off for all resolvers: the anchor is static."""
        for package in ("wire", "trust", "resolver"):
            compileall.compile_dir(self.root / package, quiet=2)
        (setup.folder / "state").mkdir()
        config = setup.folder / "akashi.toml"
        config.write_text(
            _CONFIG.format(
                address=setup.address,
                port=setup.port,
                workers=setup.workers,
                hints=setup.hierarchy.hints,
                anchor=setup.hierarchy.anchor,
                folder=setup.folder,
                cache=CACHE_MEGABYTES,
            )
        )
        return [sys.executable, "-m", "resolver", "serve", "-c", config]


class AkashiAccelerated(Akashi):
    """The same with its core compiled (docs/PERFORMANCE.md, "The accelerator"), from build/accelerated."""

    name = "akashi-accelerated"
    title = "Akashi (compiled core)"
    root = ACCELERATED

    def version(self) -> str | None:
        """None until `make accelerate` has built it."""
        return super().version() if (ACCELERATED / "resolver").is_dir() else None

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """The same configuration; the compiled packages are found before the tree."""
        command = super().prepare(setup)
        return ["env", f"PYTHONPATH={ACCELERATED}", "PYTHONSAFEPATH=1", *command]
