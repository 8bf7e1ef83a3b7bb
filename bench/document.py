"""Puts the figures of a campaign into docs/: tables in PERFORMANCE.md between markers, the JSON and the SVG beside it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.layout import PROJECT
from bench.plot import svg
from bench.report import cell, targets
from bench.summary import ALL_OURS, Row, Sample, ratio, summarise

PAGE = PROJECT / "docs" / "PERFORMANCE.md"
DATA = PROJECT / "docs" / "performance.json"
PICTURE = PROJECT / "docs" / "performance.svg"

_BEGIN = "<!-- measured: begin (python -m bench publish) -->"
_END = "<!-- measured: end -->"
_COLUMNS = (
    ("CPU µs/query", "cpu_us", 1),
    ("user", "user_us", 1),
    ("system", "system_us", 1),
    ("queries/s", "qps", 0),
    ("p50 µs", "latency_p50_us", 0),
    ("p99 µs", "latency_p99_us", 0),
    ("RSS MiB", "rss", 0),
    ("octets/entry", "rss_per_entry", 0),
    ("upstream/query", "upstream", 2),
)


def publish(results: Sequence[Path]) -> list[Path]:
    """Write all three; what was written. Several campaigns become one, in which some workloads have more repetitions.

    Raises ValueError when they are not of one scale, machine and set of programs, or the page has lost its markers.
    """
    meta, samples = _merged([json.loads(path.read_text()) for path in results])
    rows = summarise(samples)
    page = PAGE.read_text()
    head, begin, rest = page.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the lines {_BEGIN!r} and {_END!r}")
    PAGE.write_text(f"{head}{_BEGIN}\n\n{markdown(rows, meta)}\n{_END}{tail}")
    DATA.write_text(json.dumps({"meta": meta, "samples": _slim(samples)}, indent=1, ensure_ascii=False) + "\n")
    PICTURE.write_text(svg(rows, meta))
    return [PAGE, DATA, PICTURE]


def _merged(campaigns: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[Sample]]:
    meta = dict(campaigns[0]["meta"])
    samples: list[Sample] = []
    for campaign in campaigns:
        for what in ("scale", "machine", "kernel", "python"):
            if campaign["meta"][what] != meta[what]:
                raise ValueError(f"not one campaign: {what} is {meta[what]} and {campaign['meta'][what]}")
        for what in ("versions", "titles", "workloads"):
            for name, value in campaign["meta"][what].items():
                if meta[what].setdefault(name, value) != value:
                    raise ValueError(f"not one campaign: {name} is {meta[what][name]} and {value}")
        samples += campaign["samples"]
    counts = Counter((sample["workload"], sample["resolver"]) for sample in samples).values()
    meta["repetitions"] = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return meta, samples


def markdown(rows: Sequence[Row], meta: dict[str, Any]) -> str:
    """Machine, versions, targets, and one table for each workload."""
    versions = ", ".join(f"{meta['titles'][name]} {version}" for name, version in meta["versions"].items())
    parts = [
        f"Measured {meta['date']} on {meta['machine']}, Linux {meta['kernel']}, Python {meta['python']}; "
        f"{versions}. Scale `{meta['scale']}`, medians of {meta['repetitions']} interleaved runs.\n"
    ]
    for subject in ALL_OURS:
        verdicts = targets(rows, subject)
        if verdicts:
            parts.append(f"| target | {meta['titles'][subject]} | |\n| --- | --- | --- |")
            parts.append("".join(f"| {w} | {v} | {'holds' if ok else '**missed**'} |\n" for w, v, ok in verdicts))
    parts.append("![CPU per query](performance.svg)\n")
    for workload in dict.fromkeys(row.workload for row in rows):
        parts.append(_workload_table([row for row in rows if row.workload == workload], rows, meta))
    return "\n".join(parts)


def _workload_table(own: Sequence[Row], rows: Sequence[Row], meta: dict[str, Any]) -> str:
    workload = own[0].workload
    columns = [column for column in _COLUMNS if any(column[1] in row.figures for row in own)]
    lines = [f"### {workload}: {meta['workloads'][workload]['title']}\n"]
    ours = [subject for subject in ALL_OURS if subject in meta["titles"]]
    lines.append(
        f"| resolver | {' | '.join(title for title, _, _ in columns)} |"
        + "".join(f" {meta['titles'][subject]}/theirs |" for subject in ours)
    )
    lines.append("| --- |" + " ---: |" * (len(columns) + len(ours)))
    for row in own:
        cells = [cell(row, quantity, digits) for _, quantity, digits in columns]
        for subject in ours:
            value = ratio(rows, workload, "cpu_us", row.resolver, subject)
            cells.append("–" if value is None else f"{value:.2f}")
        lines.append(f"| {meta['titles'][row.resolver]} | {' | '.join(cells)} |")
    for row in own:
        lines.extend(f"\n{meta['titles'][row.resolver]}: {remark.splitlines()[0]}" for remark in row.remarks)
    return "\n".join(lines) + "\n"


def _slim(samples: Sequence[Sample]) -> list[Sample]:
    """Samples with figures cut to five digits: a file that is committed should not change in digits that mean nothing."""
    slim = []
    for sample in samples:
        figures = {key: float(f"{value:.5g}") for key, value in sample.get("figures", {}).items()}
        slim.append({**sample, "figures": figures})
    return slim
