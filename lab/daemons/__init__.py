"""Real authoritative servers for the lab's zones: NSD, Knot DNS, BIND, PowerDNS."""

from collections.abc import Iterable
from typing import Protocol

from dns.name import Name

from lab.child import Child
from lab.directory import LabDirectory
from lab.faults import Fault
from lab.internet import Internet, LabError

EMBEDDED = "embedded"
BACKENDS: tuple[str, ...] = (EMBEDDED,)


class Backend(Protocol):
    """Real servers for some of the lab's addresses."""

    def addresses(self) -> set[str]:
        """The addresses it serves."""

    def children(self) -> Iterable[Child]:
        """Its processes."""

    def note(self) -> str:
        """What an operator should know: which zones it does not serve, and why."""

    def check(self, origin: Name, fault: Fault) -> None:
        """Raises LabError when this zone cannot have this fault here."""

    async def start(self) -> None:
        """Start, and return when all zones are answered."""

    async def reload(self, changed: list[Name]) -> None:
        """Serve the new zone files."""

    async def stop(self) -> None:
        """End all processes."""


def make_backend(name: str, internet: Internet, directory: LabDirectory, port: int) -> Backend | None:
    """The backend of that name; None for the embedded server."""
    if name == EMBEDDED:
        return None
    raise LabError(f"no backend is called {name!r}")
