"""Counts samples by function and by line. Pure."""

import json
import sysconfig
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.layout import PROJECT

_LIBRARIES = Path(sysconfig.get_path("purelib"))
_STANDARD = Path(sysconfig.get_path("stdlib"))

_SAMPLER = "hook/sitecustomize.py"
"""Its own samples do not count."""

Place = tuple[str, str, int]
"""File, qualified name of the function, line."""


@dataclass
class Digest:
    """Counts over the samples of a window of time."""

    total: int = 0
    own: Counter[str] = field(default_factory=Counter)
    """Samples by the function that ran."""
    inclusive: Counter[str] = field(default_factory=Counter)
    """Samples by every function on the stack."""
    lines: Counter[str] = field(default_factory=Counter)
    """Samples by the line that ran."""
    folded: Counter[str] = field(default_factory=Counter)
    """Samples by stack, outermost first, as flame graph tools read it."""
    pauses_s: dict[int, list[float]] = field(default_factory=dict)
    """Pauses of the garbage collector by generation."""


def digest(files: Iterable[Path], start_mono: float, end_mono: float) -> Digest:
    """Of the samples that all processes took between the two instants."""
    result = Digest()
    for file in files:
        data = json.loads(file.read_text())
        stacks = data["stacks"]
        for when, index in data["samples"]:
            stack = [tuple(place) for place in stacks[index]]
            if start_mono <= when <= end_mono and not any(place[0].endswith(_SAMPLER) for place in stack):
                add(result, stack)
        for when, generation, pause_s in data["collections"]:
            if start_mono <= when <= end_mono:
                result.pauses_s.setdefault(generation, []).append(pause_s)
    return result


def add(result: Digest, stack: list[Place]) -> None:
    """One sample; the innermost place comes first."""
    functions = [_function(place) for place in stack]
    result.total += 1
    result.own[functions[0]] += 1
    result.inclusive.update(set(functions))
    result.lines[f"{short_path(stack[0][0])}:{stack[0][2]}"] += 1
    result.folded[";".join(reversed(functions))] += 1


def short_path(path: str) -> str:
    """Relative to the project, the libraries or the standard library, whichever holds it."""
    for base in (_LIBRARIES, PROJECT, _STANDARD):
        if Path(path).is_relative_to(base):
            return str(Path(path).relative_to(base))
    return path


def _function(place: Place) -> str:
    return f"{short_path(place[0])}:{place[1]}"
