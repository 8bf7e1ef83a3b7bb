"""`akashi fleet`: whether the resolvers that clients are given all validate, and alike (guideline 2-1, 2-2)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resolver.cli.client import print_json
from resolver.cli.common import config_options, console, json_option, load_or_exit
from resolver.cli.status import Status

if TYPE_CHECKING:
    from resolver.conform.fleet import Report

_COLOURS = {"YES": "green", "NO": "bold red", "DEAD": "red", "UNCLEAR": "yellow"}


@click.group()
def fleet() -> None:
    """The resolvers that clients are given, together."""


@fleet.command()
@click.argument("addresses", metavar="ADDRESS…", nargs=-1)
@click.option("--secure", metavar="NAME", multiple=True, help="A signed name; may be repeated (default: probe.secure).")
@click.option("--bogus", metavar="NAME", multiple=True, help="A broken name; may be repeated (default: probe.bogus).")
@click.option("--timeout", type=click.FloatRange(0.1, 30), default=3.0, show_default=True, help="Seconds for an answer.")
@config_options
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    addresses: tuple[str, ...],
    secure: tuple[str, ...],
    bogus: tuple[str, ...],
    timeout: float,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask every ADDRESS (192.0.2.53, 192.0.2.53@5300, [2001:db8::53]:53) whether it validates, and compare.

    Without ADDRESS: those of conform.resolvers. They are compared in what they answer, in their trust anchors and in
    their negative trust anchors, as far as they tell. A broken name shows more than a signed one: give at least one.

    Exit status 0 when all validate and agree, 1 when not.
    """
    from resolver.config.values import parse_server_address, parse_zone
    from resolver.daemon.conform.fleet_probe import check_fleet

    config = load_or_exit(file, overrides)
    try:
        asked = [parse_server_address(address).at(53) for address in addresses]
        names = [parse_zone(name) for name in secure], [parse_zone(name) for name in bogus]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    asked = asked or [server.at(53) for server in config.conform.resolvers]
    if not asked:
        raise click.UsageError("no address given, and conform.resolvers is empty")
    good = names[0] or list(config.probe.secure)
    broken = names[1] or list(config.probe.bogus)
    found = asyncio.run(check_fleet([(one.address, one.port) for one in asked], good, broken, timeout))
    if as_json:
        print_json(found.as_json())
    else:
        _show(found, tested=bool(broken))
    ctx.exit(Status.FINDING if found.findings else Status.GOOD)


def _show(found: Report, *, tested: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from resolver.conform.fleet import anchors_text

    out = console()
    table = Table("resolver", "verdict", "EDNS", "NSID", "trust anchors", "NTAs", box=None, pad_edge=False)
    for one in found.standings:
        table.add_row(
            one.address,
            Text(one.validates.value, _COLOURS[one.validates.name]),
            "-" if one.buffer is None else str(one.buffer),
            one.nsid or "-",
            "not told" if one.anchors is None else anchors_text(one.anchors),
            "not told" if one.ntas is None else ", ".join(one.ntas) or "none",
        )
    out.print(table)
    if not tested:
        out.print(Text("note: no broken name was tried; give one with --bogus, or set probe.bogus", "yellow"))
    for finding in found.findings:
        out.print(Text(finding, "red"))
    if not found.findings:
        count = len(found.standings)
        out.print(Text("it validates" if count == 1 else f"{count} resolvers validate, and agree", "green"))
