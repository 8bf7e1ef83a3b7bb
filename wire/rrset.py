"""RRsets: what the whole house passes around.

RDATA is kept in the canonical form of RFC 4034 §6.2 (uncompressed; names in the RDATA of the types listed there
lower-cased), so the data a signature covers is a sort and a join. Signatures travel with the set they cover: an `RRset`
with signatures and no RDATA is a set of which only RRSIGs were seen.
"""

from wire.name import Name
from wire.types import IN


class RRset:
    """One owner name, class and type, its RDATA and the RRSIGs over it. Treated as immutable once read.

    Attributes:
        name: owner, uncompressed, lower-cased.
        rtype, rclass: numbers of the protocol.
        ttl: seconds, as received; the least of the set's where they differed (RFC 2181 §5.2).
        rdatas: distinct RDATA in the canonical form, in the order received.
        sigs: RDATA of the RRSIGs that cover this set, in the order received.
    """

    __slots__ = ("name", "rclass", "rdatas", "rtype", "sigs", "ttl")

    def __init__(
        self,
        name: Name,
        rtype: int,
        ttl: int,
        rdatas: list[bytes],
        sigs: list[bytes] | None = None,
        rclass: int = IN,
    ) -> None:
        self.name = name
        self.rtype = rtype
        self.rclass = rclass
        self.ttl = ttl
        self.rdatas = rdatas
        self.sigs = [] if sigs is None else sigs

    def with_ttl(self, ttl: int) -> "RRset":
        """The same data under another TTL; the lists are shared, not copied."""
        return RRset(self.name, self.rtype, ttl, self.rdatas, self.sigs, self.rclass)

    def __eq__(self, other: object) -> bool:
        """Same owner, type, class and RDATA in any order; TTL and signatures are not looked at."""
        if not isinstance(other, RRset):
            return NotImplemented
        return (
            self.name == other.name
            and self.rtype == other.rtype
            and self.rclass == other.rclass
            and (self.rdatas == other.rdatas or set(self.rdatas) == set(other.rdatas))
        )

    def __hash__(self) -> int:
        return hash((self.name, self.rtype, self.rclass))

    def __repr__(self) -> str:
        return f"RRset({self.name!r}, type {self.rtype}, ttl {self.ttl}, {len(self.rdatas)} rdatas, {len(self.sigs)} sigs)"
