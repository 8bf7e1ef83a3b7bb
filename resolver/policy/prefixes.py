"""Rules by address prefix, the longest match first.

Theory: an address is a number of 128 bits, IPv4 ones in the place of IPv4-mapped IPv6 (::ffff:0:0/96), so that one order of
lengths holds for both (draft-vixie-dnsop-dns-rpz-00 §5.6: the longest prefix, lengths of IPv4 being counted so). For each
length that occurs there is a dictionary of prefixes; a look-up tries the lengths from the longest down.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from resolver.policy.rule import Rule
from wire.name import Name, labels

MAPPED: Final = 0xFFFF << 32
"""Where IPv4 addresses stand."""
MAPPED_BITS: Final = 96


class Prefix(NamedTuple):
    """The leading `bits` of 128; `number` is shifted right until nothing else is left."""

    bits: int
    number: int

    def __str__(self) -> str:
        whole = self.number << (128 - self.bits)
        if self.bits >= MAPPED_BITS and whole >> 32 == 0xFFFF:
            return f"{IPv4Address(whole & 0xFFFFFFFF)}/{self.bits - MAPPED_BITS}"
        return f"{IPv6Address(whole)}/{self.bits}"


class PrefixTable:
    """Rules by prefix."""

    __slots__ = ("_by_bits", "_count", "_lengths")

    def __init__(self) -> None:
        self._by_bits: dict[int, dict[int, Rule]] = {}
        self._lengths: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: Prefix) -> Rule | None:
        """The rule for exactly this prefix."""
        return self._by_bits.get(key.bits, {}).get(key.number)

    def put(self, key: Prefix, rule: Rule) -> None:
        """Add or replace a rule."""
        table = self._by_bits.get(key.bits)
        if table is None:
            table = self._by_bits[key.bits] = {}
            self._lengths = sorted(self._by_bits, reverse=True)
        if key.number not in table:
            self._count += 1
        table[key.number] = rule

    def drop(self, key: Prefix) -> None:
        """Remove the rule for a prefix, if there is one."""
        table = self._by_bits.get(key.bits)
        if table is None or table.pop(key.number, None) is None:
            return
        self._count -= 1
        if not table:
            del self._by_bits[key.bits]
            self._lengths = sorted(self._by_bits, reverse=True)

    def find(self, address: int) -> tuple[Prefix, Rule] | None:
        """The rule with the longest prefix of an address."""
        is_v4 = address >> 32 == 0xFFFF
        for bits in self._lengths:
            if is_v4 and bits < MAPPED_BITS:
                return None  # a prefix of IPv6 says nothing of IPv4 addresses
            rule = self._by_bits[bits].get(address >> (128 - bits))
            if rule is not None:
                return Prefix(bits, address >> (128 - bits)), rule
        return None

    def find_best(self, addresses: Iterable[int]) -> tuple[Prefix, Rule] | None:
        """The rule with the longest prefix of any of the addresses, of equals the lowest (§5.6, §5.7)."""
        best: tuple[Prefix, Rule] | None = None
        for address in addresses:
            found = self.find(address)
            if found is None:
                continue
            if best is None or (-found[0].bits, found[0].number) < (-best[0].bits, best[0].number):
                best = found
        return best

    def items(self) -> Iterator[tuple[Prefix, Rule]]:
        """Every prefix with its rule."""
        for bits, table in self._by_bits.items():
            for number, rule in table.items():
                yield Prefix(bits, number), rule


def number_of(address: str) -> int:
    """An address in text, as the socket gave it, as a number of 128 bits."""
    ip = ip_address(address.partition("%")[0])
    return MAPPED | int(ip) if isinstance(ip, IPv4Address) else int(ip)


def number_of_rdata(rdata: bytes) -> int:
    """The RDATA of an A or AAAA record as a number of 128 bits."""
    return MAPPED | int.from_bytes(rdata, "big") if len(rdata) == 4 else int.from_bytes(rdata, "big")


def prefix_from_labels(name: Name) -> Prefix | None:
    """A prefix as RPZ writes it: length, then the address backwards (§4.1.1): `24.0.2.0.192`, `48.zz.2.2001`. None: it is
    none, or has bits set beyond its length.
    """
    try:
        length_text, *parts = [label.decode("ascii") for label in labels(name)]
        length = _decimal(length_text)
        parts.reverse()
        if len(parts) == 4 and "zz" not in parts and all(part.isdigit() for part in parts):
            number = MAPPED
            for shift, part in zip((24, 16, 8, 0), parts, strict=True):
                octet = _decimal(part)
                if octet > 255:
                    return None
                number |= octet << shift
            bits, most = length + MAPPED_BITS, 32
        else:
            number = _groups(parts)
            bits, most = length, 128
    except (ValueError, UnicodeDecodeError):
        return None
    if not 1 <= length <= most or number & ((1 << (128 - bits)) - 1):
        return None
    return Prefix(bits, number >> (128 - bits))


def _decimal(text: str) -> int:
    if not text.isdigit() or len(text) > 3:
        raise ValueError(text)
    return int(text)


def _groups(parts: list[str]) -> int:
    """Groups of IPv6, `zz` standing for those left out."""
    if parts.count("zz") == 1:
        at = parts.index("zz")
        missing = 9 - len(parts)
        if missing < 1:
            raise ValueError(parts)
        parts = parts[:at] + ["0"] * missing + parts[at + 1 :]
    if len(parts) != 8:
        raise ValueError(parts)
    number = 0
    for part in parts:
        if not 1 <= len(part) <= 4:
            raise ValueError(part)
        number = number << 16 | int(part, 16)
    return number
