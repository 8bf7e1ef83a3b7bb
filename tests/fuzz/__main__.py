"""Fuzz: `python -m tests.fuzz [TARGET…]`; `make fuzz` runs all of them. Exit status 1 when something was found.

Inputs that found something are written to the directory given with --keep; `--replay FILE` takes one again.
"""

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import click

from tests.fuzz.engine import Run, Target, run
from tests.fuzz.targets import ALL

SHARES = {
    "reader": 60,
    "query": 18,
    "upstream": 2,
    "config": 2,
    "anchors": 6,
    "state": 0.02,
    "control": 4,
    "policy": 2,
    "forgery": 5,
}
"""How many of a hundred inputs each target gets: by what they cost, and by who may reach the door."""


@click.command(help=__doc__)
@click.argument("targets", nargs=-1, type=click.Choice([one.name for one in ALL]))
@click.option("--inputs", type=click.IntRange(1), default=200_000, show_default=True, help="All targets together.")
@click.option("--each", type=click.IntRange(1), help="So many for each target instead.")
@click.option("--minutes", type=float, help="Stop a target after so long.")
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Processes; each has a seed of its own.")
@click.option("--keep", type=click.Path(path_type=Path), default=Path(".fuzz"), show_default=True)
@click.option("--replay", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Take this input, once.")
@click.option("--json", "as_json", is_flag=True)
def main(
    targets: tuple[str, ...],
    inputs: int,
    each: int | None,
    minutes: float | None,
    seed: int,
    jobs: int,
    keep: Path,
    replay: Path | None,
    as_json: bool,
) -> None:
    chosen = [one for one in ALL if not targets or one.name in targets]
    if replay is not None:
        for one in chosen:
            click.echo(f"{one.name}: {one().take(replay.read_bytes())}")
        return
    whole = sum(SHARES[one.name] for one in chosen)
    plan = [(one, each or max(int(inputs * SHARES[one.name] / whole), 100)) for one in chosen]
    work = [(one, count // jobs, seed * 1000 + job, minutes) for one, count in plan for job in range(jobs)]
    found = 0
    if jobs == 1:
        results = map(_play, work)
        found = _tell(results, keep, as_json)
    else:
        with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
            found = _tell(pool.imap_unordered(_play, work), keep, as_json)
    sys.exit(1 if found else 0)


def _play(work: tuple[type[Target], int, int, float | None]) -> Run:
    made, count, seed, minutes = work
    until = None if minutes is None else time.monotonic() + 60 * minutes
    shown = time.monotonic()

    def told(so_far: Run) -> None:
        nonlocal shown
        if time.monotonic() - shown > 30 and os.environ.get("FUZZ_PROGRESS"):
            shown = time.monotonic()
            print(f"  {so_far.target} {so_far.inputs:,} inputs, {len(so_far.labels)} labels", file=sys.stderr, flush=True)

    return run(made(), count, seed, told=told, stop=lambda: until is not None and time.monotonic() > until)


def _tell(results: "map[Run] | object", keep: Path, as_json: bool) -> int:
    found = 0
    for result in results:  # type: ignore[attr-defined]
        found += len(result.findings)
        if as_json:
            facts = {"target": result.target, "inputs": result.inputs, "cpu_s": round(result.seconds, 1)}
            facts |= {"slowest_ms": round(result.slowest_s * 1000, 1), "growth_mib": result.growth >> 20}
            click.echo(json.dumps(facts | {"labels": len(result.labels), "findings": len(result.findings)}))
        else:
            click.echo(
                f"{result.target:<9} {result.inputs:>10,} inputs  {result.seconds:7.1f} s  "
                f"slowest {result.slowest_s * 1000:6.1f} ms  growth {result.growth >> 20:3} MiB  "
                f"{len(result.labels):>5} outcomes  {len(result.findings)} findings"
            )
        for finding in result.findings:
            path = finding.save(keep / result.target)
            click.echo(f"  {finding.what}: {path}\n{finding.detail}")
    return found


if __name__ == "__main__":
    main()
