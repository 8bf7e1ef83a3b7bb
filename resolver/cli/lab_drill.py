"""`akashi lab drill`: how a drill looks on a terminal; the plays themselves are in the package `lab.drills`."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.common import console, json_option
from resolver.cli.lab import print_table
from resolver.cli.status import Status

if TYPE_CHECKING:
    from lab.drills.play import Check, CheckReport, Drill, Report, Step
    from lab.drills.stage import Stage

SHOWN_LINES = 60
TITLE_WIDTH = 80


@click.command()
@json_option
@click.option("--auto", is_flag=True, help="Do not wait for Enter between the steps.")
@click.option("--list", "listing", is_flag=True, help="List the drills.")
@click.option("--lang", type=click.Choice(["en"]), default="en", show_default=True, help="Language of the story.")
@click.argument("name", required=False)
@click.pass_context
def drill(ctx: click.Context, name: str | None, as_json: bool, auto: bool, listing: bool, lang: str) -> None:
    """Play the drill NAME on a mini-Internet and a resolver of its own, which are gone afterwards.

    Each step says what happens and what to type, does it, and checks what should be seen. Exit status 0 when everything was
    seen, 1 when not. With --json nothing is told but the report, and nothing is waited for.
    """
    from lab.drills import DRILLS

    if listing:
        _list(as_json)
        return
    if name is None:
        raise click.UsageError("say which drill; --list lists them")
    if name not in DRILLS:
        raise click.BadParameter(f"{name!r} is not one of {', '.join(DRILLS)}", param_hint="NAME")
    from lab.drills.play import perform
    from lab.drills.stage import Stage

    chosen = DRILLS[name]
    audience = _Silence() if as_json else _Terminal(pause=not auto and sys.stdin.isatty())
    try:
        report = perform(chosen, Stage(), audience)
    except KeyboardInterrupt:
        click.echo("\nThe drill was stopped; nothing is left running.", err=True)
        ctx.exit(Status.FINDING)
    if as_json:
        click.echo(json.dumps(_document(report), indent=2, ensure_ascii=False))
    else:
        _summary(report)
    ctx.exit(Status.GOOD if report.ok else Status.FINDING)


def _list(as_json: bool) -> None:
    from rich.table import Table

    from lab.drills import DRILLS

    if as_json:
        rows = [{"name": d.name, "title": d.title, "source": d.source, "steps": len(d.steps)} for d in DRILLS.values()]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("drill", "steps", "what it is about", "where it comes from"):
        table.add_column(heading, overflow="fold")
    for one in DRILLS.values():
        table.add_row(one.name, str(len(one.steps)), one.title, one.source)
    print_table(table)


def _document(report: Report) -> dict[str, Any]:
    document = dataclasses.asdict(report)
    document["ok"] = report.ok
    for entry, step in zip(document["steps"], report.steps, strict=True):
        entry["ok"] = step.ok
    return document


class _Silence:
    """Nobody watches."""

    def opens(self, drill: Drill, stage: Stage) -> None:
        pass

    def step(self, number: int, total: int, step: Step) -> None:
        pass

    def typed(self, command: str, output: str) -> None:
        pass

    def checked(self, check: Check, report: CheckReport) -> None:
        pass


class _Terminal(_Silence):
    """Tells the story on standard output; `pause`: waits for Enter before each step."""

    def __init__(self, *, pause: bool) -> None:
        self._pause = pause
        self._stage: Stage | None = None
        self._out = console()

    def opens(self, drill: Drill, stage: Stage) -> None:
        self._stage = stage
        out = self._out
        out.print(f"{drill.title}  ({drill.source})", style="bold")
        out.print(drill.story)
        out.print()
        out.print("To look around from another terminal:")
        out.print(f"  export AKASHI_LAB={stage.directory.root}")
        out.print(f"  {stage.dig_line('www.example.jp', 'A')}")

    def step(self, number: int, total: int, step: Step) -> None:
        out = self._out
        out.print()
        out.print(f"Step {number} of {total}. {step.say}", style="bold")
        if self._pause and not step.hurry:
            for line in step.type:
                out.print(f"  to type: {line}", style="cyan")
            click.pause("  … press Enter to go on")

    def typed(self, command: str, output: str) -> None:
        lines = output.rstrip().splitlines()
        if command:
            self._out.print(f"  $ {command}", style="cyan")
        for line in lines[:SHOWN_LINES]:
            self._out.print(f"    {line.rstrip()}", style="dim")
        if len(lines) > SHOWN_LINES:
            self._out.print(f"    … {len(lines) - SHOWN_LINES} more lines", style="dim")

    def checked(self, check: Check, report: CheckReport) -> None:
        mark, style = ("✓", "green") if report.ok else ("✗", "red")
        self._out.print(f"  {mark} {report.what}", style=style)
        if report.seen is not None:
            self._out.print(f"      seen: {report.seen}", style="red")
        if check.look is not None and not report.ok:
            self._out.print(f"      look: {check.look}")


def _summary(report: Report) -> None:
    from rich.table import Table

    out = console()
    out.print()
    if report.problem is not None:
        out.print(f"The drill could not be played: {report.problem}", style="red")
    table = Table(box=None, pad_edge=False)
    for heading in ("step", "result", "checks", "seconds", "what it was about"):
        table.add_column(heading)
    for step in report.steps:
        held = sum(check.ok for check in step.checks)
        result = "pass" if step.ok else "FAIL"
        table.add_row(str(step.number), result, f"{held}/{len(step.checks)}", f"{step.seconds:.1f}", _short(step.say))
    if report.steps:
        print_table(table)
    skipped = report.total - len(report.steps)
    verdict = "passed" if report.ok else "FAILED"
    tail = f", {skipped} steps not played" if skipped else ""
    asked = f"; the watcher asked {report.asked} times" if report.asked else ""
    out.print(f"{report.drill}: {verdict}{tail}{asked}.", style="green" if report.ok else "red")


def _short(text: str) -> str:
    return text if len(text) <= TITLE_WIDTH else text[: TITLE_WIDTH - 1] + "…"
