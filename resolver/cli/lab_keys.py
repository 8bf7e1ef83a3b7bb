"""`akashi lab keys|key|ds|policy|move|leave`: what an operator, a registrant or a registry does to a zone of the lab.

The roll-overs of the drills are made of these commands; they work on any running lab (`akashi lab up --ttl 5`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from resolver.cli.common import console, json_option
from resolver.cli.lab import command, directory_option, print_table

Decorated = TypeVar("Decorated", bound=Callable[..., object])

_STYLES = {"Active": "green", "Ready": "cyan", "Published": "cyan", "Revoked": "red", "Retired": "yellow", "Dead": "yellow"}


def _force_option(command: Decorated) -> Decorated:
    return click.option(
        "--force", is_flag=True, help="Even if resolvers may still hold what contradicts it, to see what happens then."
    )(command)


@click.command()
@directory_option
@json_option
@click.argument("zone")
def keys(directory: Path, as_json: bool, zone: str) -> None:
    """The keys of a zone and their states (RFC 7583; guideline 3.6.2)."""
    _show(command(directory, "keys", zone=zone), as_json)


@click.command()
@directory_option
@json_option
@_force_option
@click.argument("action", type=click.Choice(["generate", "publish", "activate", "revoke", "remove"]))
@click.argument("zone")
@click.argument("key")
def key(directory: Path, as_json: bool, force: bool, action: str, zone: str, key: str) -> None:
    """Change one key of a zone; the zone is signed again and served at once.

    KEY is a label or a key tag, as listed by `akashi lab keys`; for `generate` it is ksk or zsk.
    """
    _show(command(directory, action, zone=zone, key=key, force=force), as_json)


@click.command()
@directory_option
@json_option
@_force_option
@click.option("--none", "none", is_flag=True, help="No DS at all: the zone becomes insecure.")
@click.argument("zone")
@click.argument("keys", nargs=-1)
def ds(directory: Path, as_json: bool, force: bool, none: bool, zone: str, keys: tuple[str, ...]) -> None:
    """Have the parent publish the DS of these keys of ZONE, and no others; what a registrar would be asked for."""
    if none == bool(keys):
        raise click.UsageError("name the keys, or say --none")
    _show(command(directory, "ds", zone=zone, keys=list(keys), force=force), as_json)


@click.command()
@directory_option
@json_option
@click.option("--dnskey-ttl", "ttl", type=click.IntRange(0, 86400), help="TTL of the DNSKEY RRset, seconds.")
@click.option(
    "--dnskey-validity", "validity_s", type=click.IntRange(0), help="How long its signatures hold, seconds; 0: as usual."
)
@click.argument("zone")
def policy(directory: Path, as_json: bool, ttl: int | None, validity_s: int | None, zone: str) -> None:
    """Change how the DNSKEY RRset of a zone is published (guideline 3.5.3.1)."""
    _show(command(directory, "policy", zone=zone, ttl=ttl, validity_s=validity_s), as_json)


@click.command()
@directory_option
@click.option("--signed/--unsigned", default=True, show_default=True, help="Whether the new operator does DNSSEC.")
@click.argument("zone")
@click.argument("hosts", nargs=-1, required=True)
def move(directory: Path, signed: bool, zone: str, hosts: tuple[str, ...]) -> None:
    """Delegate ZONE to other servers of the lab; the old ones go on with what they have until `akashi lab leave`."""
    command(directory, "move", zone=zone, hosts=list(hosts), signed=signed)
    how = "signed" if signed else "not signed"
    console().print(f"{zone} is delegated to {', '.join(hosts)}, {how} there; its old servers still have it as it was.")


@click.command()
@directory_option
@click.argument("zone")
def leave(directory: Path, zone: str) -> None:
    """The servers that ZONE has left no longer serve it."""
    command(directory, "leave", zone=zone)
    console().print(f"The old servers of {zone} no longer serve it.")


def _show(report: dict[str, Any], as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("key", "tag", "state", "in DNSKEY RRset", "signs", "DS at parent"):
        table.add_column(heading)
    for one in report["keys"]:
        state = Text(one["state"], style=_STYLES.get(one["state"], ""))
        if one["settles_in_s"] is not None:
            state.append(f" ({one['settles_in_s']:.1f} s for caches)")
        flags = ("yes" if one[fact] else "–" for fact in ("in_zone", "signs", "ds_at_parent"))
        table.add_row(one["key"], str(one["tag"]), state, *flags)
    print_table(table)
