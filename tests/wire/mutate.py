"""Packets made worse, reproducibly: bits flipped, octets and words overwritten, pieces cut, doubled and spliced in."""

from random import Random

_OCTETS = (0x00, 0x01, 0x0B, 0x0C, 0x3F, 0x40, 0x80, 0xBF, 0xC0, 0xC1, 0xFF)
_WORDS = (0x0000, 0x0001, 0x0002, 0x0005, 0x0006, 0x0029, 0x002B, 0x002E, 0x002F, 0x0032, 0xC000, 0xC00B, 0xC00C, 0xFFFF)


def mutate(random: Random, packet: bytes, other: bytes) -> bytes:
    """`packet` after one to three changes; `other` is where pieces to splice in come from."""
    out = bytearray(packet)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if not out:
            break
        at = random.randrange(len(out))
        change = random.randrange(9)
        if change == 0:
            out[at] ^= 1 << random.randrange(8)
        elif change == 1:
            out[at] = random.choice(_OCTETS)
        elif change == 2:
            out[at : at + 2] = random.choice(_WORDS).to_bytes(2, "big")
        elif change == 3:  # a pointer to anywhere, often to the middle of something
            out[at : at + 2] = (0xC000 | random.randrange(min(len(out), 0x4000))).to_bytes(2, "big")
        elif change == 4:
            del out[at:]
        elif change == 5:
            del out[at : at + random.randint(1, 12)]
        elif change == 6:
            out[at:at] = out[at : at + random.randint(1, 40)]
        elif change == 7 and len(other) > 12:
            start = random.randrange(12, len(other))
            out[at : at + random.choice((0, 16))] = other[start : start + random.randint(1, 60)]
        elif len(out) >= 12:  # one more or one less in a section count
            count = 4 + 2 * random.randrange(4) + 1
            out[count] = (out[count] + random.choice((1, -1))) & 0xFF
    return bytes(out)
