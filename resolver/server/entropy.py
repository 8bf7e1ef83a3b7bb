"""Unpredictable bits for query IDs and for the case of question names (RFC 5452 §4.3, §9.2), from the system's generator.

Octets are taken from the system in blocks: one call for some hundred queries. A block must not be shared between processes:
make an Entropy after fork.
"""

import os
from typing import Final

from wire.name import Name

_BLOCK: Final = 4096

_CASE_BIT: Final = bytes(0x20 if 0x61 <= octet <= 0x7A else 0 for octet in range(256))
"""For every octet of a lower-cased wire name, the bit that tells the cases of a letter apart; a length octet (at most 63)
is never taken for a letter."""
_number: Final = int.from_bytes


class Entropy:
    """A reserve of random octets."""

    __slots__ = ("_block", "_pos")

    def __init__(self) -> None:
        self._block = b""
        self._pos = 0

    def octets(self, count: int) -> bytes:
        """`count` octets that were never given out before; at most 4096."""
        start = self._pos
        end = start + count
        if end > len(self._block):
            self._block = os.urandom(_BLOCK)
            start, end = 0, count
        self._pos = end
        return self._block[start:end]

    def ident(self) -> bytes:
        """A message ID as it stands in the packet: 16 bits."""
        return self.octets(2)

    def mixed_case(self, name: Name) -> bytes:
        """The name with each letter in upper or lower case at random: one bit a letter (0x20)."""
        size = len(name)
        flips = _number(name.translate(_CASE_BIT), "big") & _number(self.octets(size), "big")
        return (_number(name, "big") ^ flips).to_bytes(size, "big")
