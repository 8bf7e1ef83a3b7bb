"""`akashi policy`: response policy zones, local zones and DNS64 of the running daemon (docs/POLICY.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resolver.cli.client import PATIENCE_S, client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.status import Status

Document = dict[str, Any]


@click.group()
def policy() -> None:
    """What is answered instead of the truth: response policy zones, local zones, DNS64."""


@policy.command(name="list")
@daemon_options
@json_option
@click.pass_context
def list_(ctx: click.Context, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Each policy zone: serial, rules, age, hits. Exit status 1 when one could not be had."""
    document = client(file, path).get("/v1/policy")
    if as_json:
        print_json(document)
    else:
        _show(document)
    ctx.exit(Status.FINDING if any(zone["problem"] for zone in document["zones"]) else Status.GOOD)


@policy.command()
@click.argument("name", metavar="NAME|ADDRESS")
@click.option("--client", "as_client", is_flag=True, help="ADDRESS is a client's.")
@daemon_options
@json_option
@click.pass_context
def lookup(ctx: click.Context, name: str, as_client: bool, file: Path | None, path: Path | None, as_json: bool) -> None:
    """The rules there are for NAME or ADDRESS, in the order in which they count. Exit status 1 when there is none."""
    daemon = client(file, path)
    route = "/v1/policy/lookup"
    document = daemon.get(route, client=name) if as_client else daemon.get(route, name=name)
    if as_json:
        print_json(document)
    elif not document["rules"]:
        console().print(f"no rule for {name}")
    else:
        from rich.table import Table

        table = Table("zone", "trigger", "rule", "action", "applied", box=None, header_style="bold", pad_edge=False)
        for rule in document["rules"]:
            table.add_row(*(rule[key] for key in ("zone", "trigger", "rule", "action", "applied")))
            for line in rule["data"]:
                table.add_row("", "", line, "", "")
        console().print(table)
    ctx.exit(Status.GOOD if document["rules"] else Status.FINDING)


@policy.command()
@click.argument("zone", required=False)
@daemon_options
@json_option
@click.pass_context
def refresh(ctx: click.Context, zone: str | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Look for news of ZONE (or of every policy zone) now. Exit status 1 when it could not be had."""
    document = client(file, path).post("/v1/policy/refresh", PATIENCE_S, zone=zone)
    if as_json:
        print_json(document)
    else:
        for told in document["refreshed"]:
            what = told["problem"] or f"serial {told['serial']}, {sum(told['rules'].values()):,} rules"
            console().print(f"{told['zone']}: {what}")
    ctx.exit(Status.FINDING if any(told["problem"] for told in document["refreshed"]) else Status.GOOD)


def _show(document: Document) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    zones = document["zones"]
    if zones:
        table = Table("zone", "serial", "rules", "action", "hits", "from", box=None, header_style="bold", pad_edge=False)
        for zone in zones:
            table.add_row(
                zone["zone"],
                str(zone["serial"]) if zone["serial"] is not None else "none",
                f"{sum(zone['rules'].values()):,}",
                zone["action"],
                _hits(zone["hits"]),
                zone["source"],
            )
        out.print(table)
        for zone in zones:
            if zone["problem"]:
                out.print(Text(f"{zone['zone']}: {zone['problem']}", style="red"))
    local = document["local"]
    if local["zones"] or local["records"]:
        out.print(f"local zones: {len(local['zones'])}, records: {local['records']}, hits: {_hits(local['hits'])}")
    if document["dns64"]:
        out.print(f"DNS64: {', '.join(document['dns64'])}")
    if not zones and not local["zones"] and not local["records"] and not document["dns64"]:
        out.print("no policy")


def _hits(hits: dict[str, float]) -> str:
    return ", ".join(f"{action} {count:,.0f}" for action, count in hits.items()) or "0"
