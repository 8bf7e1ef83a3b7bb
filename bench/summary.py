"""Medians, percentiles and ratios. Pure.

A *sample* is one run of one resolver under one workload; a *figure* is the median of a quantity over the repetitions.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

PERCENTILES = (("p50", 0.50), ("p90", 0.90), ("p99", 0.99), ("p999", 0.999))
OURS = "akashi"
ACCELERATED = "akashi-accelerated"
ALL_OURS = (OURS, ACCELERATED)

Sample = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A median, with the least and the greatest of the samples."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Of one value or more."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    """One resolver under one workload: figures by name of the quantity."""

    workload: str
    resolver: str
    figures: dict[str, Figure]
    remarks: list[str] = field(default_factory=list)


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """The usual percentiles by nearest rank; empty for no values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {name: ordered[min(last, int(share * len(ordered)))] for name, share in PERCENTILES}


def summarise(samples: Sequence[Sample]) -> list[Row]:
    """One row for each workload and resolver, in the order in which they first occur."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample["workload"], sample["resolver"]), []).append(sample)
    return [_row(workload, resolver, group) for (workload, resolver), group in groups.items()]


def ratio(rows: Sequence[Row], workload: str, quantity: str, peer: str, subject: str = OURS) -> float | None:
    """The subject's figure divided by the peer's; None when one of them has none."""
    ours = find(rows, workload, subject, quantity)
    theirs = find(rows, workload, peer, quantity)
    return ours.median / theirs.median if ours and theirs and theirs.median else None


def find(rows: Sequence[Row], workload: str, resolver: str, quantity: str) -> Figure | None:
    """A figure; None when there is none."""
    for row in rows:
        if (row.workload, row.resolver) == (workload, resolver):
            return row.figures.get(quantity)
    return None


def _row(workload: str, resolver: str, group: Sequence[Sample]) -> Row:
    good = [sample for sample in group if "error" not in sample]
    quantities: dict[str, list[float]] = {}
    for sample in good:
        for name, value in sample["figures"].items():
            quantities.setdefault(name, []).append(value)
    remarks = sorted({sample["error"] for sample in group if "error" in sample})
    remarks += sorted({remark for sample in good for remark in sample.get("remarks", ())})
    return Row(workload, resolver, {name: Figure.of(values) for name, values in quantities.items()}, remarks)
