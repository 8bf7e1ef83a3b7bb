"""SipHash-2-4 straight from its paper (Aumasson, Bernstein 2012, §2): the second opinion on the library we use."""

MASK = (1 << 64) - 1


def _left(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def siphash24(key: bytes, data: bytes) -> bytes:
    """Eight octets, least significant first."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = _left(v[1], 13) ^ v[0]
            v[0] = _left(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = _left(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = _left(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = _left(v[1], 17) ^ v[2]
            v[2] = _left(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes((len(data) & 0xFF,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
