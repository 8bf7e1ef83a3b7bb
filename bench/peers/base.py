"""What every resolver offers to the campaign."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.zones.build import Hierarchy


@dataclass(frozen=True)
class Setup:
    """One start of a resolver."""

    folder: Path
    """Its own, empty; short enough for the path of a socket."""
    address: str
    port: int
    workers: int
    hierarchy: Hierarchy


class Resolver(Protocol):
    """A resolver that can be measured."""

    name: str
    title: str

    def version(self) -> str | None:
        """What is installed; None when nothing is."""

    def prepare(self, setup: Setup) -> Sequence[str | Path]:
        """Write its configuration into the folder; the command that runs it in the foreground."""


def version_of(command: Sequence[str], pattern: str) -> str | None:
    """First match of `pattern` in what the command prints; None when it is not installed."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"
