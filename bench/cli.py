"""`python -m bench`: the commands."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench import document, namespace, report
from bench.campaign import Campaign, Plan, metadata
from bench.layout import BUILD, QUICK, SCALES
from bench.peers import RESOLVERS
from bench.plot import svg
from bench.profiling import sampling
from bench.profiling.show import print_profile, write_folded
from bench.summary import Sample, summarise
from bench.workloads import Questions
from bench.zones.build import build as build_zones

RESULTS = BUILD / "results"

console = Console(width=None if sys.stdout.isatty() else 170)

Function = TypeVar("Function", bound=Callable[..., None])


@click.group()
def main() -> None:
    """Measure Akashi and the installed peers side by side. Without a command: `run`."""


def _scale_options(command: Function) -> Function:
    for scale, text in (("tiny", "seconds; for work on the benchmark"), ("full", "hours"), ("quick", "minutes (default)")):
        command = click.option(f"--{scale}", "scale", flag_value=scale, help=text)(command)
    return command


@main.command()
@_scale_options
@click.option("--only", default="", help="Workloads or families of them, with commas: hot,cold,size.")
@click.option("--resolvers", default="", help="Resolvers, with commas: akashi,unbound.")
@click.option("--repetitions", type=click.IntRange(1, 100), help="Instead of the scale's own number.")
@click.option("--list", "listing", is_flag=True, help="Say what there is to measure, and do nothing.")
def run(scale: str | None, only: str, resolvers: str, repetitions: int | None, listing: bool) -> None:
    """Build what is missing, measure, print the table, write JSON and SVG to bench/build/results."""
    size = SCALES[scale or QUICK.name]
    questions = Questions(size, BUILD / f"questions-{size.name}")
    installed = [name for name, resolver in RESOLVERS.items() if resolver.version() is not None]
    chosen = _chosen_workloads(questions.names(), only)
    if listing:
        console.print(f"workloads: {' '.join(questions.names())}\nresolvers: {' '.join(installed)}")
        return
    wanted = _chosen_resolvers(installed, resolvers)
    _enter_namespace()
    built = build_zones(size, console.print)
    console.print("writing questions …")
    workloads = [questions.make(name) for name in chosen]
    plan = Plan(size, workloads, wanted, repetitions or size.repetitions)
    stamp = RESULTS / time.strftime(f"%Y%m%d-%H%M%S-{size.name}")
    RESULTS.mkdir(exist_ok=True)
    meta = metadata(plan)
    samples = _measure(Campaign(plan, built, stamp.with_suffix(".samples")), plan)
    stamp.with_suffix(".json").write_text(json.dumps({"meta": meta, "samples": samples}, indent=1))
    _show(stamp.with_suffix(".json"))


@main.command()
@_scale_options
def build(scale: str | None) -> None:
    """Only build the signed hierarchy."""
    build_zones(SCALES[scale or QUICK.name], console.print)


@main.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
def show(results: Path | None) -> None:
    """Print the table of an earlier run (the last one), and draw its SVG again."""
    _show(results or _last())


@main.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1)
def publish(results: Sequence[Path]) -> None:
    """Put a run's figures (the last one's), or those of several together, into docs/PERFORMANCE.md, with JSON and SVG."""
    try:
        for path in document.publish(results or [_last()]):
            console.print(f"wrote docs/{path.name}")
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_scale_options
@click.option("--workload", default="hot", help="One of `run --list`.", show_default=True)
@click.option("--seconds", default=10.0, help="Of cached answers; new names are asked once each.", show_default=True)
@click.option("--rows", default=25, help="Of each table.", show_default=True)
def profile(scale: str | None, workload: str, seconds: float, rows: int) -> None:
    """Sample where Akashi's time goes under one workload."""
    size = SCALES[scale or QUICK.name]
    questions = Questions(size, BUILD / f"questions-{size.name}")
    if workload not in questions.names():
        raise click.BadParameter(f"no workload is called {workload!r}; there are: {', '.join(questions.names())}")
    _enter_namespace()
    built = build_zones(size, console.print)
    found = sampling.profile(size, questions.make(workload), built, seconds, console.print)
    print_profile(found, console, rows)
    RESULTS.mkdir(exist_ok=True)
    folded = RESULTS / f"profile-{workload}.folded"
    write_folded(found, folded)
    console.print(f"stacks for flame graph tools: {_shown(folded)}")


@main.command()
@_scale_options
@click.option("--workload", default="warm", help="cold, cold-unsigned, warm or nxdomain.", show_default=True)
@click.option("--count", default=2000, help="Questions of the workload.", show_default=True)
@click.option("--rounds", default=5, help="Passes, each from an empty memory; the best counts.", show_default=True)
@click.option("--calls", default=0, help="Print so many rows of cProfile instead.")
def replay(scale: str | None, workload: str, count: int, rounds: int, calls: int) -> None:
    """Resolve recorded questions in this process: what a query costs without the kernel."""
    from bench import replay as replaying

    size = SCALES[scale or QUICK.name]
    _enter_namespace()
    built = build_zones(size, console.print)
    recording, fill, measured = replaying.recorded(size, workload, built, count)
    if calls:
        replaying.profile(built, recording, fill, measured, calls)
        return
    found = [replaying.run(built, recording, fill, measured) for _ in range(rounds)]
    last = found[-1]
    console.print(
        f"{workload}: {replaying.least_us(found):.1f} µs a query, {last.exchanges / len(measured):.3f} exchanges, "
        f"{last.blocks / len(measured):.1f} blocks kept, {last.rcodes}"
    )


@main.command()
@click.option("--sizes", default="10000,100000", help="Numbers of names, ascending, with commas.", show_default=True)
def million(sizes: str) -> None:
    """Resolve and remember many signed names in this process: memory by entry, cost against the size of the cache."""
    from bench import million as remembering

    for at in remembering.measure([int(size) for size in sizes.split(",")]):
        console.print(
            f"{at.entries:>9,} names: {at.octets:,.0f} octets each ({at.accounted:,.0f} accounted), "
            f"{at.resolved_us:.0f} µs to resolve, {at.packet_us:.2f} µs from the packet cache, "
            f"{at.answer_us:.1f} µs from the answer cache, full collection {at.collection_ms:.0f} ms"
        )


def _measure(campaign: Campaign, plan: Plan) -> list[Sample]:
    total = len(plan.workloads) * len(plan.resolvers) * plan.repetitions
    columns = (
        TextColumn("{task.description:<36}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting NSD", total=total)
        first = True

        def advance(what: str) -> None:
            nonlocal first
            bar.update(task, description=what, advance=0 if first else 1)
            first = False

        samples = campaign.run(advance)
        bar.update(task, completed=total)
    return samples


def _show(results: Path) -> None:
    campaign = json.loads(results.read_text())
    rows = summarise(campaign["samples"])
    report.print_table(rows, campaign["meta"], console)
    report.print_targets(rows, console)
    picture = results.with_suffix(".svg")
    picture.write_text(svg(rows, campaign["meta"]))
    console.print(f"{_shown(results)} · {picture.name}")


def _shown(path: Path) -> Path:
    """Relative to where the user stands, when it is below."""
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path


def _last() -> Path:
    found = sorted(RESULTS.glob("*.json"))
    if not found:
        raise click.ClickException("nothing was measured yet: python -m bench run")
    return found[-1]


def _chosen_workloads(names: Sequence[str], only: str) -> list[str]:
    """Those named, or whose first parts are named; without a choice all."""
    if not only:
        return list(names)
    chosen: list[str] = []
    for word in only.split(","):
        found = [name for name in names if name == word or (word not in names and name.startswith(f"{word}-"))]
        if not found:
            raise click.BadParameter(f"no workload is called {word!r}; there are: {', '.join(names)}")
        chosen += found
    return list(dict.fromkeys(chosen))


def _chosen_resolvers(installed: Sequence[str], wanted: str) -> list[str]:
    if not wanted:
        return list(installed)
    chosen = wanted.split(",")
    for name in chosen:
        if name not in installed:
            raise click.BadParameter(f"{name!r} is not installed; there are: {', '.join(installed)}")
    return chosen


def _enter_namespace() -> None:
    try:
        namespace.enter(sys.argv[1:])
    except namespace.NamespaceError as error:
        raise click.ClickException(str(error)) from error
