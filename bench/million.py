"""What remembering costs: many signed answers, resolved, verified and cached in this process, up to a million of them.

One zone signed with ECDSA P-256, whose server is a function here: every name has an address. Each name is resolved as in
`bench.replay`, so that cache entries, verdicts and packets are those of the daemon. At each size: memory of the process by
entry, what the caches account for it, what an answer costs, by chance among all names: from the packet cache, and composed
anew from the answer cache; and how long a full garbage collection takes.

`run --only size --full` measures the first of these in the running daemon.
"""

import base64
import gc
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.replay import Key, Recording, Replay
from trust.policy import ECDSAP256SHA256
from trust.signature import signed_data
from wire import types as t
from wire.composer import compose, compose_query
from wire.edns import Edns
from wire.limits import MAX_UDP
from wire.name import Name, count_labels
from wire.rdata import Rrsig, key_tag
from wire.reader import read
from wire.rrset import RRset
from wire.text import name_from_text, name_to_text

_ZONE = name_from_text("z00001.bench")
_SERVER = "127.10.1.1"
_TTL = 86_400
_WEEK = 7 * 86_400
_SAMPLE = 4_000
_PASSES = 5
_PAGE = 4096


class SignedZone:
    """A server that has an address for every name in its zone, and signs as it answers."""

    def __init__(self, zone: Name) -> None:
        self.zone = zone
        self._now = int(time.time())
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.dnskey = bytes((1, 1, 3, ECDSAP256SHA256)) + point[1:]

    @property
    def anchor(self) -> str:
        """The key as a line of a zone file."""
        return f"{name_to_text(self.zone)}. IN DNSKEY 257 3 13 {base64.b64encode(self.dnskey[4:]).decode()}\n"

    def answer(self, key: Key, query: bytes) -> bytes:
        """The response to a query."""
        asked = read(query)
        rdata = self.dnskey if asked.qtype == t.DNSKEY else b"\xc0\0\2\1"
        rrset = RRset(key[1], asked.qtype, _TTL, [rdata])
        rrset.sigs = [self._signature(rrset)]
        question = (asked.qname_raw, asked.qtype, t.IN)
        return compose(asked.id, t.QR | t.AA, question, [(rrset, _TTL)], edns=Edns(MAX_UDP, t.DO))

    def _signature(self, rrset: RRset) -> bytes:
        head = rrset.rtype.to_bytes(2, "big") + bytes((ECDSAP256SHA256, count_labels(rrset.name)))
        head += _TTL.to_bytes(4, "big") + (self._now + _WEEK).to_bytes(4, "big") + (self._now - _WEEK).to_bytes(4, "big")
        head += key_tag(self.dnskey).to_bytes(2, "big") + self.zone
        data = signed_data(rrset, Rrsig(head), rrset.name)
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return head + r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Remembered:
    """At one size: octets by entry (of the process, accounted for by the caches), microseconds, milliseconds."""

    entries: int
    octets: float
    accounted: float
    resolved_us: float
    packet_us: float
    answer_us: float
    collection_ms: float


def measure(sizes: Sequence[int]) -> Iterator[Remembered]:
    """Fill up to each of the ascending sizes, and measure there."""
    zone = SignedZone(_ZONE)
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as anchor:
        anchor.write(zone.anchor)
        anchor.flush()
        options = [f'upstream.stub={{"{name_to_text(_ZONE)}" = ["{_SERVER}"]}}', f'trust.anchors="{anchor.name}"']
        replay = Replay(options, _Forgetful(time.time(), {}), zone.answer)
    replay.query(_query(0))
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 1_000_000)  # as the worker does
    before, count = _resident(), 1
    for size in sizes:
        started = time.process_time()
        for number in range(count, size):
            replay.query(_query(number))
        resolved_us = (time.process_time() - started) / max(1, size - count) * 1e6
        count = size
        resident = _resident()
        started = time.perf_counter()
        gc.collect()
        collection_ms = (time.perf_counter() - started) * 1e3
        queries = [_query(number) for number in random.Random(size).sample(range(size), min(size, _SAMPLE))]
        memory = replay.mesh.memory
        yield Remembered(
            entries=size,
            octets=(resident - before) / size,
            accounted=(memory.answers.octets + replay.packets.octets) / size,
            resolved_us=resolved_us,
            packet_us=_least_us(replay.query, queries),
            answer_us=_least_us(replay.query_uncached, queries),
            collection_ms=collection_ms,
        )


class _Forgetful(Recording):
    """Keeps nothing: the memory measured is the resolver's."""

    def put(self, key: Key, answer: bytes) -> None:
        """Nothing."""


def _query(number: int) -> bytes:
    return compose_query(number & 0xFFFF, b"\x0ah" + f"{number:09d}".encode() + _ZONE, t.A, flags=t.RD)


def _least_us(work: Callable[[bytes], None], queries: Sequence[bytes]) -> float:
    best = [10**12] * len(queries)
    for _ in range(_PASSES):
        for number, query in enumerate(queries):
            started = time.perf_counter_ns()
            work(query)
            spent = time.perf_counter_ns() - started
            best[number] = min(best[number], spent)
    return sum(best) / len(best) / 1000.0


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
