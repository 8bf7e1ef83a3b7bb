"""RRsets in a file: a line of JSON that says what it is, then the sets in wire form, under a checksum.

A file is written beside and renamed, so that there is always a whole one or none, and only its owner may read it. One that
is cut short, damaged, or of another format or kind is as good as none.

Layout of a set: owner's length (1), owner, type (2), TTL (4), number of RDATAs (2) and of signatures (2), and each of them
as length (2) and octets.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from wire.rrset import RRset

FORMAT: Final = 1
_HEAD: Final = struct.Struct("!HIHH")
_MAX_HEAD: Final = 4096


class FileRefusedError(ValueError):
    """The file is not what it should be; the message says why."""


def pack_rrset(rrset: RRset) -> bytes:
    """One set as octets."""
    out = bytearray((len(rrset.name),)) + rrset.name
    out += _HEAD.pack(rrset.rtype, rrset.ttl, len(rrset.rdatas), len(rrset.sigs))
    for rdata in (*rrset.rdatas, *rrset.sigs):
        out += len(rdata).to_bytes(2, "big") + rdata
    return bytes(out)


def unpack_rrset(body: bytes, at: int) -> tuple[RRset, int]:
    """The set that begins there, and where it ends.

    Raises:
        IndexError, struct.error: it is cut short.
    """
    end = at + 1 + body[at]
    name = body[at + 1 : end]
    rtype, ttl, rdatas, sigs = _HEAD.unpack_from(body, end)
    at = end + _HEAD.size
    parts = []
    for _ in range(rdatas + sigs):
        size = body[at] << 8 | body[at + 1]
        parts.append(body[at + 2 : at + 2 + size])
        at += 2 + size
    return RRset(name, rtype, ttl, parts[:rdatas], parts[rdatas:]), at


def write_file(path: Path, kind: str, about: dict[str, Any], chunks: Iterable[bytes]) -> None:
    """Write a file of this kind. Raises OSError."""
    body = b"".join(chunks)
    head = {"format": FORMAT, "kind": kind, "octets": len(body), "sha256": hashlib.sha256(body).hexdigest(), "about": about}
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(json.dumps(head).encode() + b"\n")
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)


def read_file(path: Path, kind: str, max_octets: int) -> tuple[dict[str, Any], bytes]:
    """What the file says of itself, and its body.

    Raises:
        OSError: it cannot be read. FileRefusedError: it is not such a file, or not whole.
    """
    with path.open("rb") as file:
        line = file.readline(_MAX_HEAD)
        try:
            head = json.loads(line)
            if (head["format"], head["kind"]) != (FORMAT, kind):
                raise FileRefusedError("of another format or kind")
            size, digest, about = int(head["octets"]), str(head["sha256"]), dict(head["about"])
        except (ValueError, KeyError, TypeError) as error:
            raise FileRefusedError(f"no such file: {error}") from None
        if size > max_octets:
            raise FileRefusedError(f"{size} octets are more than {max_octets}")
        body = file.read(size + 1)
    if len(body) != size or hashlib.sha256(body).hexdigest() != digest:
        raise FileRefusedError("damaged or cut short")
    return about, body


def rrsets_in(body: bytes) -> Iterator[RRset]:
    """All sets of a body. Raises as `unpack_rrset`."""
    at = 0
    while at < len(body):
        rrset, at = unpack_rrset(body, at)
        yield rrset
