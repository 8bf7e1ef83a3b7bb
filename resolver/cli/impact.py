"""`akashi impact` and `akashi baseline`: whom failures concern, and whether there are more of them than usual."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from resolver.cli.client import client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.status import Status


@click.command()
@daemon_options
@json_option
@click.option("--limit", type=click.IntRange(1, 256), default=20, show_default=True, help="Zones shown at most.")
def impact(file: Path | None, path: Path | None, as_json: bool, limit: int) -> None:
    """List the zones that failed in the last hour: for how many clients, which share of all responses, since when.

    Clients are counted without being remembered; their number is an estimate (3 %).
    """
    document = client(file, path).get("/v1/impact", limit=str(limit))
    if as_json:
        print_json(document)
        return
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not document["enabled"]:
        out.print("not counted: watch.impact is off")
        return
    if not document["top"]:
        out.print("nothing failed in the last hour")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("clients", "responses", "share"):
        table.add_column(head, justify="right")
    table.add_column("since", no_wrap=True)
    table.add_column("zone", no_wrap=True)
    table.add_column("why", overflow="fold")
    for zone in document["top"]:
        validation = zone["bogus"] * 2 >= zone["responses"]
        name = Text(zone["zone"], style="red" if validation else "")
        if zone["probe"]:
            name.append(" (probe)")
        table.add_row(
            f"{zone['clients']:,}",
            f"{zone['responses']:,}",
            percent(zone["share"]),
            moment(zone["since"]),
            name,
            zone["text"] or zone["reason"],
        )
    out.print(table)
    more = document["zones"] - len(document["top"])
    out.print(f"{document['responses']:,} responses in the last hour" + (f"; {more} more zones failed" if more else ""))


@click.command()
@daemon_options
@json_option
@click.option("--reset", is_flag=True, help="Forget what was learned, and learn anew.")
@click.pass_context
def baseline(ctx: click.Context, file: Path | None, path: Path | None, as_json: bool, reset: bool) -> None:
    """Show the usual share of SERVFAIL, the present one, and thresholds to choose from.

    Exit status 1 while there is more SERVFAIL than usual.
    """
    daemon = client(file, path)
    document = daemon.post("/v1/baseline/reset") if reset else daemon.get("/v1/baseline")
    if as_json:
        print_json(document)
    else:
        for line in baseline_lines(document):
            console().print(line)
    ctx.exit(Status.FINDING if document["anomaly"] else Status.GOOD)


def baseline_lines(document: dict[str, Any]) -> list[str]:
    """The baseline in words."""
    chosen = " (watch.servfail-threshold)" if document["configured_threshold"] else ""
    lines = [
        f"now          {percent(document['ratio'])} SERVFAIL over {document['window_minutes']} minutes"
        f" ({document['servfails'] or 0:,} of {document['responses'] or 0:,} responses)",
        f"usual        {percent(document['usual'])} at this hour",
        f"threshold    {percent(document['threshold'])}{chosen}",
        f"suggested    {percent(document['suggested_threshold'])} for watch.servfail-threshold or an alert of your own",
    ]
    if document["learning"]:
        lines.append(f"learning     {document['learned_minutes']:,} of {document['learning_minutes']:,} minutes")
    else:
        lines.append(f"learned      {document['learned_minutes']:,} minutes")
    if document["anomaly"]:
        lines.append(f"anomaly      since {moment(document['anomaly_since'])}: akashi impact shows what fails")
    return lines


def percent(share: float | None) -> str:
    """A share for people."""
    return "-" if share is None else f"{share:.2%}"


def moment(wall: float | None) -> str:
    """A time for people."""
    return "-" if wall is None else datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
