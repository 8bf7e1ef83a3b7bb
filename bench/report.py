"""The table for a terminal, and the verdicts of the targets."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.summary import ACCELERATED, ALL_OURS, OURS, Row, find, ratio

_COLUMNS = (
    ("CPU µs", "cpu_us", 1),
    ("paced", "paced_cpu_us", 1),
    ("queries/s", "qps", 0),
    ("capacity", "capacity", 0),
    ("p50 µs", "latency_p50_us", 0),
    ("p99 µs", "latency_p99_us", 0),
    ("RSS MiB", "rss", 0),
    ("B/entry", "rss_per_entry", 0),
    ("upstream", "upstream", 2),
)
_MIB = 1 << 20


def cell(row: Row, quantity: str, digits: int) -> str:
    """A figure as text; "–" when there is none."""
    figure = row.figures.get(quantity)
    if figure is None:
        return "–"
    return f"{figure.median / (_MIB if quantity == 'rss' else 1):,.{digits}f}"


def print_table(rows: Sequence[Row], meta: dict[str, Any], console: Console) -> None:
    """All workloads, each with its resolvers; the column "ours" is our CPU time divided by theirs, "compiled" the same with
    the accelerator."""
    table = Table(
        title=f"medians of {meta['repetitions']} interleaved runs, scale {meta['scale']}; CPU and upstream are per query"
    )
    table.add_column("workload", no_wrap=True)
    table.add_column("resolver", no_wrap=True)
    for title, _, _ in _COLUMNS:
        table.add_column(title, justify="right")
    table.add_column("ours", justify="right")
    table.add_column("compiled", justify="right")
    table.add_column("start s", justify="right")
    previous = None
    for row in rows:
        if row.workload != previous and previous is not None:
            table.add_section()
        name = "" if row.workload == previous else row.workload
        previous = row.workload
        table.add_row(
            name,
            f"[bold]{row.resolver}[/]" if row.resolver in ALL_OURS else row.resolver,
            *(cell(row, quantity, digits) for _, quantity, digits in _COLUMNS),
            _ratio_text(rows, row, OURS),
            _ratio_text(rows, row, ACCELERATED),
            cell(row, "startup_s", 2),
        )
    console.print(table)
    for row in rows:
        for remark in row.remarks:
            console.print(f"[yellow]{row.workload} · {row.resolver}:[/] {remark}", highlight=False)


def _ratio_text(rows: Sequence[Row], row: Row, subject: str) -> str:
    if row.resolver == subject:
        return ""
    value = ratio(rows, row.workload, "cpu_us", row.resolver, subject)
    if value is None:
        return "–"
    return f"[{'green' if value <= 1 else 'red'}]{value:.2f}[/]"


def targets(rows: Sequence[Row], subject: str = OURS) -> list[tuple[str, str, bool]]:
    """What is aimed at, what was measured, and whether it holds; only what was measured is listed.

    `subject`: which of ours, with or without the accelerator.
    """
    verdicts: list[tuple[str, str, bool]] = []

    def judge(what: str, value: float | None, limit: float, unit: str = "×", *, least: bool = False) -> None:
        if value is not None:
            verdicts.append((what, f"{value:.3f} {unit}", value >= limit if least else value <= limit))

    judge("hot: CPU/query ≤ the best peer's", _to_best(rows, "hot", "cpu_us", subject), 1.0)
    judge("hot: p99 latency ≤ Unbound's", ratio(rows, "hot", "latency_p99_us", "unbound", subject), 1.0)
    judge("zipf: CPU/query ≤ 1.2 × the best peer's", _to_best(rows, "zipf", "cpu_us", subject), 1.2)
    for workload in ("cold", "warm"):
        judge(f"{workload}: CPU/query ≤ Unbound's", ratio(rows, workload, "cpu_us", "unbound", subject), 1.0)
        packets = ratio(rows, workload, "upstream", "unbound", subject)
        # To two digits: one retransmission among thousands comes from the machine, not from the resolver.
        judge(f"{workload}: upstream packets ≤ Unbound's", None if packets is None else round(packets, 2), 1.0)
    sizes = sorted(
        (int(row.workload.removeprefix("size-")), row.figures["cpu_us"].median)
        for row in rows
        if row.resolver == subject and row.workload.startswith("size-") and "cpu_us" in row.figures
    )
    if len(sizes) > 1:
        judge(f"CPU/query from {sizes[0][0]:,} to {sizes[-1][0]:,} entries", sizes[-1][1] / sizes[0][1], 1.15)
    million = find(rows, "size-1000000", subject, "rss")
    judge("10⁶ cached signed RRsets", million.median / (1 << 30) if million else None, 1.2, "GiB")
    for workload in ("hot", "warm"):
        # Not by queries per second: the load generator shares the processors with the workers.
        one, two = (find(rows, f"workers-{workload}-{workers}", subject, "capacity") for workers in (1, 2))
        judge(
            f"{workload}: two workers' capacity by one's", two.median / one.median if one and two else None, 1.7, least=True
        )
    starts = [row.figures["startup_s"].median for row in rows if row.resolver == subject and "startup_s" in row.figures]
    judge("start-up to first answer", max(starts) if starts else None, 1.0, "s")
    return verdicts


def print_targets(rows: Sequence[Row], console: Console) -> None:
    """One line each, for each of ours."""
    for subject in ALL_OURS:
        for what, value, holds in targets(rows, subject):
            mark = "[green]holds [/]" if holds else "[red]missed[/]"
            console.print(f"{mark} {subject}: {what}: {value}", highlight=False)


def _to_best(rows: Sequence[Row], workload: str, quantity: str, subject: str) -> float | None:
    """Ours divided by the least of the peers'."""
    ours = find(rows, workload, subject, quantity)
    theirs = [
        row.figures[quantity].median
        for row in rows
        if row.workload == workload and row.resolver not in ALL_OURS and quantity in row.figures
    ]
    return ours.median / min(theirs) if ours and theirs else None
