"""Real authoritative servers for the lab's zones: NSD, Knot DNS, BIND, PowerDNS.

`Backend` is what a running lab needs of them; `lab.daemons.real` implements it once, for any of the four, whose differences
(configuration, command line, how to reload, what they refuse to serve as it is) are a `Flavour` each.
"""

from collections.abc import Sequence
from typing import Protocol

from dns.name import Name

from lab.daemons import bind, knot, nsd, pdns
from lab.daemons.flavour import Flavour
from lab.daemons.real import RealServers
from lab.directory import LabDirectory
from lab.faults import Fault
from lab.internet import Internet

EMBEDDED = "embedded"
FLAVOURS: dict[str, Flavour] = {
    "nsd": nsd.Nsd(),
    "knot": knot.Knot(),
    "bind": bind.Bind(),
    "pdns": pdns.Pdns(),
}
BACKENDS: tuple[str, ...] = (EMBEDDED, *FLAVOURS)


class Backend(Protocol):
    """Real servers for some of the lab's addresses."""

    def addresses(self) -> set[str]:
        """The addresses they serve."""

    async def trouble(self) -> str | None:
        """Waits until one of their processes ends by itself; says which and how."""

    def note(self) -> str:
        """What an operator should know: which zones they do not serve, and why."""

    def check(self, origin: Name, fault: Fault) -> None:
        """Raises LabError when this zone cannot have this fault here."""

    async def start(self) -> None:
        """Start, and return when all zones are answered; raises LabError when they are not."""

    async def reload(self, internet: Internet, changed: Sequence[Name]) -> None:
        """Serve the new zone files of these zones; returns when it is so."""

    async def stop(self) -> None:
        """End all processes."""


def make_backend(name: str, internet: Internet, directory: LabDirectory, port: int) -> Backend | None:
    """The backend of that name; None for the embedded server. Raises LabError when it is not installed."""
    if name == EMBEDDED:
        return None
    return RealServers(FLAVOURS[name], internet, directory, port)
