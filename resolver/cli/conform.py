"""`akashi conform`: the guideline's 2-1 … 2-22 with evidence from the running daemon, and the level reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resolver.cli.client import PATIENCE_S, client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.language import language_option
from resolver.cli.status import Status

_COLOURS = {"met": "green", "missed": "bold red", "attested": "cyan", "noted": "yellow"}


@click.command()
@language_option
@click.option("--level", "wanted", type=click.IntRange(1, 3), default=1, show_default=True, help="The level that you need.")
@daemon_options
@json_option
@click.pass_context
def conform(ctx: click.Context, lang: str, wanted: int, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Show how the daemon and its surroundings conform to the guideline, item by item, with evidence.

    Exit status 0 when the level given with --level is reached, 1 when not, 3 when no daemon answers.
    """
    found = client(file, path).get("/v1/conform", PATIENCE_S, lang=lang)
    if as_json:
        print_json(found)
    else:
        _show(found)
    ctx.exit(Status.GOOD if found["level"] >= wanted else Status.FINDING)


def _show(found: dict[str, Any]) -> None:
    from rich.text import Text

    out = console()
    for item in found["items"]:
        head = Text.assemble(
            (f"{item['item']:<5}", "bold"),
            (f"{item['state']}", _COLOURS[item["met"]]),
            f"  {item['title']} ",
            (f"({item['strength']})", "dim"),
        )
        out.print(head)
        for line in item["evidence"]:
            out.print(Text(f"     {line}", "dim" if item["met"] != "missed" else ""))
    out.print()
    out.print(Text(found["summary"], "bold green" if found["level"] else "bold red"))
    if found["next"] is not None:
        out.print(Text(found["next"]["text"], "yellow"))
