"""A profile as tables, and as a file for flame graph tools."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.profiling.sampling import Profile


def print_profile(profile: Profile, console: Console, rows: int) -> None:
    """By function and by line, in µs per answer: the share of the samples times the measured processor time."""
    found = profile.digest
    cpu_us = profile.cpu.total_s / max(1, profile.answers) * 1e6
    console.print(
        f"{profile.answers:,} answers, {cpu_us:.1f} µs each (user {profile.cpu.user_s:.2f} s, "
        f"system {profile.cpu.system_s:.2f} s), {found.total:,} samples",
        highlight=False,
    )
    if not found.total:
        return
    by_function = _table("functions, by own time", "own µs", "with callees µs")
    for name, count in found.own.most_common(rows):
        own, inclusive = count / found.total, found.inclusive[name] / found.total
        by_function.add_row(f"{own:.1%}", f"{own * cpu_us:.2f}", f"{inclusive * cpu_us:.2f}", name)
    console.print(by_function)
    console.print(_counted("functions, with callees", found.inclusive, found.total, cpu_us, rows))
    console.print(_counted("lines, by own time", found.lines, found.total, cpu_us, rows))
    for generation, pauses in sorted(found.pauses_s.items()):
        console.print(
            f"garbage collector, generation {generation}: {len(pauses)} times, {sum(pauses) * 1e3:.1f} ms in all, "
            f"longest {max(pauses) * 1e3:.1f} ms",
            highlight=False,
        )


def write_folded(profile: Profile, path: Path) -> None:
    """One stack a line with its count."""
    path.write_text("".join(f"{stack} {count}\n" for stack, count in profile.digest.folded.most_common()))


def _table(title: str, *quantities: str) -> Table:
    table = Table(title=title)
    table.add_column("share", justify="right")
    for quantity in quantities:
        table.add_column(quantity, justify="right")
    table.add_column("where", overflow="fold")
    return table


def _counted(title: str, counts: Counter[str], total: int, cpu_us: float, rows: int) -> Table:
    table = _table(title, "µs")
    # What is on every stack (the command line, the loop) says nothing.
    telling = [(name, count) for name, count in counts.most_common() if count < total]
    for name, count in telling[:rows]:
        table.add_row(f"{count / total:.1%}", f"{count / total * cpu_us:.2f}", name)
    return table
