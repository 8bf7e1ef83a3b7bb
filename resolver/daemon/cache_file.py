"""A worker's answer cache from one run to the next: written when it is stopped in order, read when it serves again.

What is written are steps as servers gave them, each with the seconds that it had left; no verdicts: whatever is read is
judged anew when somebody asks for it, under the anchors, NTAs and clock of then. Only what was neither bogus nor about to
expire is written, what came last first, within bounds of size and time.

A file is used once and removed. One that is damaged, of another format, too old, or from the future (the clock was set
back) is told of and removed; starting never depends on it.

Limitations: delegations, keys and failures are not kept; they are had again with the first questions. A reload, which
replaces the workers, does not pass the cache on.

RFC 1035 §7.3 (TTLs count down while nobody serves), RFC 4035 §4.7.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from resolver.cache.answers import AnswerCache, Entry, Rank
from resolver.cache.memory import Memory
from resolver.state.rrset_file import FileRefusedError, pack_rrset, read_file, unpack_rrset, write_file
from trust.vocabulary import Address, Kind, Now, Security, Step
from wire.name import Name

KIND: Final = "answers"
MAX_OCTETS: Final = 256 << 20
"""Octets of one worker's file."""
WRITE_S: Final = 2.0
"""Seconds that gathering may take: the supervisor waits for a worker's end, and so may an operator."""
MAX_AGE_S: Final = 86_400.0
LEAST_S: Final = 10.0
"""Seconds that something must have left to be worth it."""
_AT_ONCE: Final = 100
_HEAD: Final = struct.Struct("!BBHdHBB")
_KINDS: Final = tuple(Kind)


def pack_entry(entry: Entry, mono: float) -> bytes:
    """One entry as octets: kind, rank, type, seconds left, port, counts of sets; then names, address, sets."""
    step = entry.step
    server = step.server or Address("", 0)
    head = _HEAD.pack(
        _KINDS.index(step.kind),
        entry.rank,
        step.rtype,
        entry.expires - mono,
        server.port,
        len(step.rrsets),
        len(step.authority),
    )
    parts = [head]
    for text in (step.name, step.zone, step.target or b"", server.ip.encode()):
        parts += [bytes((len(text),)), text]
    parts += map(pack_rrset, (*step.rrsets, *step.authority))
    return b"".join(parts)


def unpack_entry(body: bytes, at: int) -> tuple[Step, Rank, float, int]:
    """The step that begins there, its rank, the seconds that it had left, and where it ends.

    Raises:
        IndexError, ValueError, struct.error: it makes no sense.
    """
    kind, rank, rtype, left, port, sets, proofs = _HEAD.unpack_from(body, at)
    at += _HEAD.size
    texts: list[bytes] = []
    for _ in range(4):
        end = at + 1 + body[at]
        texts.append(body[at + 1 : end])
        at = end
    name, zone, target, ip = texts
    rrsets = []
    for _ in range(sets + proofs):
        rrset, at = unpack_rrset(body, at)
        rrsets.append(rrset)
    server = Address(ip.decode("ascii"), port) if ip else None
    after: Name | None = target or None
    step = Step(name, rtype, _KINDS[kind], rrsets[:sets], rrsets[sets:], zone, server, after)
    return step, Rank(rank), left, at


def worth_keeping(answers: AnswerCache, mono: float) -> Iterator[Entry]:
    """What is written, the latest first."""
    for entry in reversed(answers.entries()):
        if entry.expires - mono < LEAST_S or entry.security is Security.BOGUS:
            continue
        step = entry.step
        if max(len(step.rrsets), len(step.authority)) <= 255:
            yield entry


def save(path: Path, memory: Memory, now: Now, clock: Callable[[], float]) -> int:
    """Write what is worth it; returns how many entries. Raises OSError."""
    chunks: list[bytes] = []
    octets, end = 0, clock() + WRITE_S
    for entry in worth_keeping(memory.answers, now.mono):
        packed = pack_entry(entry, now.mono)
        octets += len(packed)
        if octets > MAX_OCTETS or (len(chunks) % _AT_ONCE == 0 and clock() > end):
            break
        chunks.append(packed)
    write_file(path, KIND, {"saved": now.wall, "entries": len(chunks)}, chunks)
    return len(chunks)


async def restore(path: Path, memory: Memory, now: Callable[[], Now], log: FilteringBoundLogger) -> int:
    """Take over what the last run wrote, as far as it still holds; returns how many entries. A bad file is no error."""
    try:
        about, body = await asyncio.to_thread(read_file, path, KIND, MAX_OCTETS)
        saved = float(about["saved"])
        age = now().wall - saved
        if not 0.0 <= age <= MAX_AGE_S:
            raise FileRefusedError(f"written {age:.0f} s ago by our clock")
        taken = await _take(body, saved, memory, now)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        log.warning("cache-file-refused", file=str(path), problem=str(error), advice="the cache starts empty")
        taken = 0
    else:
        log.info("cache-restored", entries=taken, of=about.get("entries"), age=round(age, 1))
    with contextlib.suppress(OSError):
        path.unlink()
    return taken


async def _take(body: bytes, saved: float, memory: Memory, now: Callable[[], Now]) -> int:
    at = taken = count = 0
    while at < len(body):
        step, rank, left, at = unpack_entry(body, at)
        at_now = now()
        # Not longer than its own TTL, whatever the file says.
        left = min(left - (at_now.wall - saved), memory.ttl_of(step))
        if left > 0 and memory.answers.octets < memory.answers.limit and _is_unknown(step, memory, at_now.mono):
            memory.answers.put(step, rank, at_now.mono, left, None, memory.points.generation)
            taken += 1
        count += 1
        if count % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return taken


def _is_unknown(step: Step, memory: Memory, mono: float) -> bool:
    """Whether nothing of now stands in its place."""
    return memory.answers.peek(step.name, step.rtype, mono) is None
