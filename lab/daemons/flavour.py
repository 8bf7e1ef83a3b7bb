"""What makes one real server different from another."""

import shutil
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from dns.name import Name

from lab.faults import Fault
from lab.internet import LabError
from lab.records import Zone
from lab.steps import Behaviour

# Servers live in sbin, which an ordinary user's PATH lacks.
_SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Instance:
    """One process: its own directory, its addresses, and its zones with their master files."""

    name: str
    directory: Path
    port: int
    addresses: list[str]
    hosts: list[str]
    """Names of the servers at these addresses, in the same order."""
    zone_files: dict[Name, Path] = field(default_factory=dict)


class ReloadBy(Enum):
    """How a server is made to read its zone files again."""

    HANGUP = "SIGHUP"
    RESTART = "stop and start"


class Flavour(Protocol):
    """One kind of server."""

    title: str
    program: str
    package: str
    """Of Debian."""
    reload_by: ReloadBy
    listens_anywhere: bool
    """Whether it can listen on an address that no interface has."""

    def configure(self, instance: Instance, zones: dict[Name, Zone]) -> None:
        """Write configuration (and whatever else is read at start) into the instance's directory."""

    def command(self, program: str, instance: Instance) -> list[str]:
        """The command that runs the server in the foreground."""

    def unfit(self, fault: Fault) -> str | None:
        """Why a zone with this fault cannot be served as it is; None if it can."""


def find_program(name: str, package: str) -> str:
    """Path of an installed program; raises LabError that names the Debian package."""
    path = shutil.which(name) or shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        raise LabError(f"{name} is not installed (on Debian: apt-get install {package})")
    return path


def unfit_for_all(fault: Fault) -> str | None:
    """Why no real server can serve a zone with this fault as it is; None if some can."""
    if fault.behaviour is not Behaviour.NORMAL:
        return "needs a server that misbehaves"
    return None


def origin_text(origin: Name) -> str:
    """A zone's name as configuration files have it: no final dot but for the root."""
    return origin.to_text(omit_final_dot=True) or "."
