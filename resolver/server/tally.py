"""Responses counted by everything that metrics say of them, for the price of one addition each.

Theory: what a response says (transport, type asked, RCODE, verdict and reason, Extended DNS Errors) is looked up once in a
table of cells, and from then on counted under the cell's number: a cached response carries its cell, so a hit of the packet
cache costs what counting by RCODE alone would cost. The single metrics are sums over cells.

The number of cells is bounded: types outside of TYPES count as one, everything else in a key is of our own making; over
MAX_CELLS of them, types and errors are left out.

Durations are counted in buckets (`Histogram`).
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, NamedTuple

from trust.vocabulary import Transport
from wire import types as t

OTHER: Final = 0
"""In place of a type that is not listed."""
TYPES: Final = frozenset(
    (
        *(t.A, t.AAAA, t.NS, t.SOA, t.CNAME, t.PTR, t.MX, t.TXT, t.DS, t.DNSKEY, t.NSEC, t.RRSIG, t.ANY),
        *(t.SRV, t.NAPTR, 52, t.SVCB, t.HTTPS, 257),  # TLSA, CAA
    )
)
MAX_CELLS: Final = 4000


class Said(NamedTuple):
    """What a response says.

    Attributes:
        rtype: asked for; OTHER when not in TYPES.
        security, reason: as labels; "" for a response that needed no resolution.
        errors: INFO-CODEs.
        nta: the name of the negative trust anchor that decided, in wire format; b"" when none did.
        policy: the policy rules that were met: "zone:action,…", zones in hexadecimal.
    """

    transport: Transport
    rtype: int
    rcode: int
    security: str = ""
    reason: str = ""
    errors: tuple[int, ...] = ()
    nta: bytes = b""
    policy: str = ""


class Tally:
    """Counts by cell. `counts` is open to the receive loop; it only ever grows in length and numbers."""

    __slots__ = ("_cells", "counts")

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._cells: dict[Said, int] = {}

    def cell(self, said: Said) -> int:
        """The number under which such responses are counted."""
        cell = self._cells.get(said)
        if cell is not None:
            return cell
        if said.rtype != OTHER and said.rtype not in TYPES:
            return self.cell(said._replace(rtype=OTHER))
        if len(self.counts) >= MAX_CELLS and (said.rtype or said.errors or said.reason):
            return self.cell(Said(said.transport, OTHER, said.rcode, said.security, policy=said.policy))
        self._cells[said] = cell = len(self.counts)
        self.counts.append(0)
        return cell

    def add(self, said: Said) -> None:
        """Count one response."""
        self.counts[self.cell(said)] += 1

    def items(self) -> Iterable[tuple[Said, int]]:
        """What was counted."""
        return [(said, self.counts[cell]) for said, cell in self._cells.items()]

    def by_rcode(self) -> list[int]:
        """Responses by the low four bits of the RCODE."""
        sums = [0] * 16
        for said, count in self.items():
            sums[said.rcode & 0x0F] += count
        return sums


class Histogram:
    """Durations by bucket. `bounds`: inclusive upper ends in seconds, one more bucket is for what is longer."""

    __slots__ = ("bounds", "counts", "sum_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_s += seconds


CLIENT_BOUNDS: Final[tuple[float, ...]] = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UPSTREAM_BOUNDS: Final[tuple[float, ...]] = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
