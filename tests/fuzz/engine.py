"""Feeds a target with inputs and watches: exceptions, time, memory.

Theory: an input is a seed, or an earlier input that was interesting, made worse a few times (`mutated`). Coverage is not
looked at; what counts as interesting is what the target says of it (a short label: an exception's text, an RCODE, a
verdict): whatever brings a label that was not seen yet joins the pool, so that later mutations start where earlier ones got
to. Everything follows from the number of the run's seed.

An input that takes over HANG_S of processor time is tried again, twice: a machine that does other things besides is no
hang. Memory is the growth of the resident set between the end of the warm-up and the end of the run.
"""

import hashlib
import random
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

HANG_S: Final = 0.1
WARM_UP: Final = 2000
GROWTH: Final = 64 << 20
"""Octets that a run may grow by: what the pools and the allocator keep, and no more however long it is."""
POOL: Final = 4000

_OCTETS: Final = (0x00, 0x01, 0x0B, 0x0C, 0x3F, 0x40, 0x80, 0xBF, 0xC0, 0xC1, 0xFF)
_WORDS: Final = (0x0000, 0x0001, 0x0002, 0x0005, 0x000A, 0x0029, 0x002B, 0x002E, 0x002F, 0x0032, 0xC000, 0xC00C, 0xFFFF)


class Target(Protocol):
    """A door."""

    name: str
    text: bool
    """Whether inputs are text: mutations then work on lines and words, too."""
    seeds: Sequence[bytes]

    def take(self, data: bytes) -> str:
        """One input; returns a short label of what became of it.

        Raises:
            Exception: something that must hold does not; anything that escapes is a finding.
        """


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong with which input."""

    what: str
    data: bytes
    detail: str = ""

    def save(self, directory: Path) -> Path:
        """Write the input to a file, named by its hash."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.what.split()[0]}-{hashlib.sha256(self.data).hexdigest()[:16]}"
        path.write_bytes(self.data)
        return path


@dataclass(slots=True)
class Run:
    """What became of a run."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    growth: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def run(
    target: Target,
    inputs: int,
    seed: int = 0,
    *,
    told: Callable[[Run], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    findings: int = 5,
) -> Run:
    """Feed `inputs` of them; ends early after so many `findings`, or when `stop` says so. `told`: now and then."""
    dice = random.Random(f"{target.name} {seed}")
    pool, kept = list(target.seeds), len(target.seeds)
    out = Run(target.name)
    worse = mutated_text if target.text else mutated
    before = None
    started = time.process_time()
    for count in range(inputs):
        if count < kept:
            data = target.seeds[count]
        else:
            data = worse(dice, dice.choice(pool), dice.choice(pool))
        began = time.process_time()
        try:
            label = target.take(data)
        except Exception as error:
            out.findings.append(Finding(f"crash {type(error).__name__}", data, traceback.format_exc()))
            label = "crash"
        spent = time.process_time() - began
        if spent > HANG_S:
            spent = min(spent, _again(target, data), _again(target, data))
            if spent > HANG_S:
                out.findings.append(Finding("hang", data, f"{spent * 1000:.0f} ms"))
        out.slowest_s = max(out.slowest_s, spent)
        if label not in out.labels:
            out.labels[label] = 0
            if len(data) < 4096:
                pool.append(data)
                if len(pool) > POOL:
                    del pool[dice.randrange(kept, len(pool))]
        out.labels[label] += 1
        out.inputs = count + 1
        if count == WARM_UP:
            before = resident()
        if count % 1000 == 0:
            out.seconds = time.process_time() - started
            if told is not None:
                told(out)
            if stop():
                break
        if len(out.findings) >= findings:
            break
    out.seconds = time.process_time() - started
    if before is not None:
        out.growth = resident() - before
        if out.growth > GROWTH:
            out.findings.append(Finding("growth", b"", f"{out.growth >> 20} MiB over {out.inputs} inputs"))
    return out


def _again(target: Target, data: bytes) -> float:
    began = time.process_time()
    try:
        target.take(data)
    except Exception:  # it was told the first time
        return 0.0
    return time.process_time() - began


def resident() -> int:
    """Octets of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def mutated(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """Octets after one to four changes; `other` is where pieces come from."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        size = len(out)
        at = dice.randrange(size) if size else 0
        match dice.randrange(9):
            case 0 if size:
                out[at] ^= 1 << dice.randrange(8)
            case 1 if size:
                out[at] = dice.choice(_OCTETS)
            case 2:
                out[at : at + 2] = dice.choice(_WORDS).to_bytes(2, "big")
            case 3:
                out[at : at + 2] = (0xC000 | dice.randrange(max(min(size, 0x4000), 1))).to_bytes(2, "big")
            case 4:
                del out[at:]
            case 5:
                del out[at : at + dice.randint(1, 16)]
            case 6:
                out[at:at] = out[at : at + dice.randint(1, 64)] * dice.choice((1, 1, 2, 20))
            case 7 if other:
                start = dice.randrange(len(other))
                out[at : at + dice.choice((0, 16))] = other[start : start + dice.randint(1, 80)]
            case _ if size >= 12:  # one more or one less in a message's section counts
                count = 4 + 2 * dice.randrange(4) + 1
                out[count] = (out[count] + dice.choice((1, -1))) & 0xFF
    return bytes(out[:65535])


_MARKS: Final = (
    b'"',
    b"'",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b"\n",
    b"\\",
    b"\0",
    b"\xff",
    b"#",
    b"-1",
    b"1e999",
    b"9" * 30,
    b"\\u0000",
)


def mutated_text(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """Text after a change of its octets, its lines or its words."""
    match dice.randrange(5):
        case 0:
            return mutated(dice, data, other)
        case 1:
            lines = data.splitlines(keepends=True)
            dice.shuffle(lines)
            return b"".join(lines[: dice.randint(0, len(lines))])
        case 2:
            lines = data.splitlines(keepends=True) or [b""]
            lines[dice.randrange(len(lines)) :] = dice.sample(other.splitlines(keepends=True), min(2, other.count(b"\n")))
            return b"".join(lines)
        case 3:
            at = dice.randrange(len(data) + 1)
            return data[:at] + dice.choice(_MARKS) + data[at + dice.randrange(3) :]
        case _:
            words = data.split(b" ")
            words[dice.randrange(len(words))] = dice.choice((*_MARKS, *other.split(b" ")[:50]))
            return b" ".join(words)
