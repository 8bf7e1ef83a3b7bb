"""Packets of nearly 64 KB made to cost a reader as much as possible."""

import struct

from tests.wire.build import message, name, opt, pointer, question, record
from wire import types as t

_QUESTION = question(name("a"))
_START = 12 + len(_QUESTION)
_OPAQUE = 65280
_SIZE = 65535


def _fill(entry: bytes, used: int) -> list[bytes]:
    return [entry] * ((_SIZE - used) // len(entry))


def _answers(*groups: list[bytes]) -> bytes:
    out = message([_QUESTION], [entry for group in groups for entry in group])
    assert len(out) <= _SIZE
    return out


def _chain() -> tuple[bytes, range]:
    """A record whose RDATA is the name `a` and then pointers, each to the one before it; the offsets of the pointers."""
    at = _START + 11
    links = bytearray(b"\1a\0" + pointer(at))
    while at + len(links) < 0x3FFE:
        links += pointer(at + len(links) - 2)
    return record(b"\0", _OPAQUE, bytes(links)), range(at + 3, at + len(links), 2)


def chain_of_pointers() -> bytes:
    """Eight thousand pointers, each to the one before it, and four thousand owners at the end of the chain."""
    chain, offsets = _chain()
    return _answers([chain], _fill(record(pointer(offsets[-1]), _OPAQUE, b""), _START + len(chain)))


def chain_walked_link_by_link() -> bytes:
    """The same chain, its links pointed to from the first to the last."""
    chain, offsets = _chain()
    room = (_SIZE - _START - len(chain)) // 12
    return _answers([chain], [record(pointer(offset), _OPAQUE, b"") for offset in offsets[:room]])


def _merging(step: int) -> bytes:
    at = _START + 11
    blocks = bytearray()
    targets: list[int] = []
    while at + len(blocks) + 254 < 0x4000:
        block = bytearray(b"\1" * 252 + b"\0\0")
        for index in range(129, 252, 2):
            block[index] = 2 if index < 250 else 1  # from the chain of odd octets to that of the even ones
        targets += range(at + len(blocks), at + len(blocks) + 252)
        blocks += block
    region = record(b"\0", _OPAQUE, bytes(blocks))
    targets = targets[::step]
    records = []
    for index in range((_SIZE - _START - len(region)) // 16):
        a, b, c = (targets[(3 * index + offset) % len(targets)] for offset in range(3))
        records.append(record(pointer(a), t.MINFO, pointer(b) + pointer(c)))
    return _answers([region], records)


def starts_that_merge() -> bytes:
    """Blocks of 254 octets in which every octet begins a name of up to 127 labels, all of a block ending alike; MINFO
    records, which carry most names per octet (three in sixteen), point to each of them, the longest first.
    """
    return _merging(1)


def starts_that_merge_backwards() -> bytes:
    """The same, the shortest first: each name met is unknown yet."""
    return _merging(-1)


def long_names() -> bytes:
    """Uncompressed owners of 127 labels."""
    return _answers(_fill(record(b"\1a" * 127 + b"\0", _OPAQUE, b""), _START))


def pointers_to_a_long_name() -> bytes:
    """One name of 127 labels and five thousand NS records that repeat it by pointer."""
    first = record(b"\1a" * 127 + b"\0", t.NS, b"\0")
    return _answers([first], _fill(record(pointer(_START), t.NS, pointer(_START)), _START + len(first)))


def empty_records_of_one_set() -> bytes:
    """Nearly six thousand records of eleven octets, all duplicates."""
    return _answers(_fill(record(b"\0", _OPAQUE, b""), _START))


def records_of_many_types() -> bytes:
    """As many, each an RRset of its own."""
    return _answers([record(b"\0", 1000 + index, b"") for index in range((_SIZE - _START) // 11)])


def one_large_set() -> bytes:
    """Four thousand different addresses in one RRset."""
    return _answers([record(pointer(12), t.A, struct.pack("!I", index)) for index in range((_SIZE - _START) // 16)])


def alternating_sets() -> bytes:
    """Two RRsets whose records take turns."""
    records = [
        record(pointer(12), t.A if index & 1 else t.NULL, struct.pack("!I", index))
        for index in range((_SIZE - _START) // 16)
    ]
    return _answers(records)


def name_servers() -> bytes:
    """Three thousand NS records of different names."""
    return _answers(
        [record(pointer(12), t.NS, b"\4" + b"%04x" % index + pointer(12)) for index in range((_SIZE - _START) // 19)]
    )


def signatures() -> bytes:
    """RRSIGs over different types."""
    rdatas = [struct.pack("!HBBIIIH", index, 13, 1, 0, 0, 0, 0) + b"\1a\0" for index in range((_SIZE - _START) // 33)]
    return _answers([record(pointer(12), t.RRSIG, rdata) for rdata in rdatas])


def empty_strings() -> bytes:
    """A TXT record of 65 thousand empty strings."""
    return _answers([record(b"\0", t.TXT, bytes(_SIZE - _START - 11))])


def empty_options() -> bytes:
    """An OPT record of sixteen thousand empty options."""
    return message([_QUESTION], additionals=[opt(b"\xff\xff\0\0" * ((_SIZE - _START - 11) // 4))])


def endless_name() -> bytes:
    """A question whose name fills the packet."""
    return message([b"\1a" * 32000 + b"\0\0\1\0\1"])


def counts_without_records() -> bytes:
    """Sections that promise 65,535 records each."""
    return struct.pack("!6H", 0, 0x8400, 0, 65535, 65535, 65535) + bytes(11) * 5900


PACKETS = (
    chain_of_pointers,
    chain_walked_link_by_link,
    starts_that_merge,
    starts_that_merge_backwards,
    long_names,
    pointers_to_a_long_name,
    empty_records_of_one_set,
    records_of_many_types,
    one_large_set,
    alternating_sets,
    name_servers,
    signatures,
    empty_strings,
    empty_options,
    endless_name,
    counts_without_records,
)
