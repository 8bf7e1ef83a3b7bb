"""How many distinct clients, in a kilobyte, without keeping any of them.

Theory: HyperLogLog (Flajolet et al. 2007). A client's keyed hash chooses a register by its first bits, and the register
keeps the greatest number of leading zeros seen in the rest. The harmonic mean over the registers estimates the number of
distinct clients with a standard error of 1.04/√registers; few clients are counted by the registers still empty (linear
counting). Two sketches with the same key and size merge by taking the greater register.

Privacy: only registers are kept. The key is random, made when the daemon starts and never written anywhere, so that
registers cannot be tested against a list of addresses by anybody who gets to see them. IPv6 clients count by their /64: a
host changes its address within it (RFC 8981).
"""

from hashlib import blake2b
from math import log
from typing import Final

INDEX_BITS: Final = 10
"""1024 registers: a standard error of 3.3 %."""
_HASH_BITS: Final = 64


class Sketch:
    """The distinct things added so far. `bits`: two to this power registers of one octet."""

    __slots__ = ("_bits", "registers")

    def __init__(self, bits: int = INDEX_BITS, registers: bytes | None = None) -> None:
        self._bits = bits
        self.registers = bytearray(1 << bits) if registers is None else bytearray(registers)
        if len(self.registers) != 1 << bits:
            raise ValueError("registers of another size")

    def add(self, hashed: int) -> None:
        """Count something by its 64-bit hash."""
        rest_bits = _HASH_BITS - self._bits
        place = hashed >> rest_bits
        rank = rest_bits - (hashed & ((1 << rest_bits) - 1)).bit_length() + 1
        if rank > self.registers[place]:
            self.registers[place] = rank

    def merge(self, other: "Sketch") -> None:
        """Count what the other counted, too."""
        if len(other.registers) != len(self.registers):
            raise ValueError("sketches of different size")
        self.registers = bytearray(map(max, self.registers, other.registers))

    def estimate(self) -> int:
        """How many distinct things there were, about."""
        size = len(self.registers)
        raw = _alpha(size) * size * size / sum(2.0**-rank for rank in self.registers)
        empty = self.registers.count(0)
        if raw <= 2.5 * size and empty:
            return round(size * log(size / empty))
        return round(raw)


def _alpha(size: int) -> float:
    return 0.7213 / (1 + 1.079 / size)


class Pseudonyms:
    """Clients' addresses → 64-bit hashes under a key that nobody knows."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hashed(self, client: str) -> int:
        """`client`: its address as text, as the system gives it."""
        if ":" in client and "." not in client:
            client = network_of(client)
        return int.from_bytes(blake2b(client.encode(), digest_size=8, key=self._key).digest(), "big")


def network_of(address: str) -> str:
    """The first 64 bits of an IPv6 address in its canonical text form, as four groups."""
    head, gap, tail = address.partition("%")[0].partition("::")
    groups = head.split(":") if head else []
    if gap:
        after = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(after)) + after
    return ":".join(groups[:4])
