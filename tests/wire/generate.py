"""Messages at random: record by record, written by hand, with every way of compressing a name that a sender may choose.

All take a `random.Random`, so hypothesis (`st.randoms`) or a seed may drive them. A name is a tuple of labels here.
"""

import struct
from random import Random

from tests.wire.build import HEADER_ID, opt, option, pointer
from wire import types as t

Labels = tuple[bytes, ...]

_LABELS = (
    b"www",
    b"WWW",
    b"example",
    b"Example",
    b"jp",
    b"JP",
    b"com",
    b"a",
    b"A",
    b"*",
    b"_tcp",
    b"\0",
    b"x.y",
    b"\xe3\x81\x82",
    b"z" * 63,
)

# Where names are in the RDATA of a type: `n` a name, a number that many random octets. Of these, the ones of which
# RFC 3597 §4 lets a reader decompress the names:
COMPRESSIBLE = {
    t.NS: "n",
    t.CNAME: "n",
    t.PTR: "n",
    t.SOA: ("n", "n", 20),
    t.MX: (2, "n"),
    t.RP: ("n", "n"),
    t.AFSDB: (2, "n"),
    t.RT: (2, "n"),
    t.PX: (2, "n", "n"),
    t.SRV: (6, "n"),
    t.NAPTR: (4, b"\1u", b"\7E2U+sip", b"\0", "n"),
}
PLAIN = {
    t.KX: (2, "n"),
    t.DNAME: "n",
    t.RRSIG: (2, b"\0\0\x0e\x10", 10, "n", 64),
    t.NSEC: ("n", b"\0\6\x40\1\0\0\0\3"),
}
WITHOUT_NAMES = {
    t.A: (4,),
    t.AAAA: (16,),
    t.TXT: (b"\0", b"\5Hello"),
    t.HINFO: (b"\3CPU", b"\2OS"),
    t.DS: (3, b"\2", 32),
    t.DNSKEY: (b"\1\0\3\x0d", 64),
    t.NSEC3: (b"\1\0\0\0\0\x14", 20, b"\0\1\x40"),
    t.NSEC3PARAM: (b"\1\0\0\5\2", 2),
    65280: (9,),
}
LAYOUTS = COMPRESSIBLE | PLAIN | WITHOUT_NAMES


def labels(random: Random) -> Labels:
    """A name of up to seven labels, of which at most three may be of 63 octets, so that it is a name."""
    while True:
        out = tuple(random.choice(_LABELS) for _ in range(random.choice((0, 1, 2, 2, 3, 3, 4, 7))))
        if sum(len(label) + 1 for label in out) <= 254:
            return out


class Writer:
    """Writes one message. `wild` is the chance of a pointer that may be wrong: where no pointer may be, or to anywhere."""

    def __init__(self, random: Random, wild: float = 0.0) -> None:
        self.random = random
        self.wild = wild
        self.out = bytearray(12)
        self.counts = [0, 0, 0, 0]
        self.went_wild = False
        self.known: dict[Labels, list[int]] = {}

    def name(self, name: Labels, *, compress: bool) -> None:
        """A name, whole or ending in a pointer to any earlier occurrence of a tail, or in nothing but a pointer."""
        random = self.random
        if self.wild and random.random() < self.wild:
            self.went_wild = True
            if random.random() < 0.5:
                self.out += pointer(random.randrange(min(len(self.out) + 4, 0x4000)))
                return
            compress = True
        starts: list[tuple[Labels, int]] = []
        tail = name
        while True:
            places = self.known.get(tail)
            if compress and places and random.random() < 0.7:
                place = random.choice(places)
                starts.append((tail, len(self.out)))
                self.out += pointer(place)
                break
            if not tail:
                self.out += b"\0"
                break
            starts.append((tail, len(self.out)))
            self.out += bytes([len(tail[0])]) + tail[0]
            tail = tail[1:]
        for tail, at in starts:
            if at < 0x4000:
                self.known.setdefault(tail, []).append(at)

    def record(self, section: int, owner: Labels, rtype: int, ttl: int, rclass: int = 1) -> None:
        """A record with random RDATA."""
        random = self.random
        self.name(owner, compress=True)
        head = len(self.out)
        self.out += struct.pack("!HHIH", rtype, rclass, ttl, 0)
        if rtype == t.RRSIG:
            self.out += random.choice((t.A, t.NS, t.DS, 65280)).to_bytes(2, "big")
        for part in LAYOUTS[rtype]:
            if part == "n":
                self.name(labels(random), compress=rtype in COMPRESSIBLE)
            elif isinstance(part, int):
                self.out += random.randbytes(part) if random.random() < 0.5 else bytes(part)
            else:
                self.out += part
        struct.pack_into("!H", self.out, head + 8, len(self.out) - head - 10)
        self.counts[section] += 1

    def finish(self) -> bytes:
        """The message."""
        struct.pack_into("!6H", self.out, 0, HEADER_ID, 0x8400, *self.counts)
        return bytes(self.out)


def message(random: Random, wild: float = 0.0) -> tuple[bytes, bool]:
    """A message of up to 30 records, and whether anything in it is not as it should be."""
    writer = Writer(random, wild)
    if random.random() < 0.95:
        # The first name has nothing to point to; so a question is never compressed.
        writer.name(labels(random), compress=False)
        writer.out += struct.pack("!HH", random.choice((t.A, t.NS, t.ANY)), 1)
        writer.counts[0] = 1
    owners = [labels(random) for _ in range(3)]
    types = random.sample(sorted(LAYOUTS), 4)
    for section in (1, 2, 3):
        for _ in range(random.choice((0, 1, 3, 10))):
            ttl = random.choice((0, 1, 300, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
            rclass = 1 if random.random() < 0.97 else random.choice((4, 777))
            writer.record(section, random.choice(owners), random.choice(types), ttl, rclass)
    if random.random() < 0.5:
        options = b"".join(
            option(code, random.randbytes(random.randrange(9))) for code in (65001, 65002)[: random.randrange(3)]
        )
        writer.out += opt(options, ttl=random.choice((0, 0x8000, 0x01000000)))
        writer.counts[3] += 1
    return writer.finish(), writer.went_wild
