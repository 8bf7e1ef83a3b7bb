"""`akashi trust`: trust anchors and what RFC 5011 says of each key (docs/TRUST.md)."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import click

from resolver.cli.client import PATIENCE_S, client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.nta import operator_name, operator_option
from resolver.cli.status import Status

Document = dict[str, Any]

_COLOURS = {"Valid": "green", "AddPend": "yellow", "Missing": "yellow", "Revoked": "red", "Removed": "dim"}


@click.group()
def trust() -> None:
    """Trust anchors: where validation starts, and how they follow their zones' rollovers (RFC 5011)."""


@trust.command()
@click.option("--history", "limit", type=click.IntRange(1, 2000), metavar="N", help="The last N transitions, too.")
@daemon_options
@json_option
@click.pass_context
def status(ctx: click.Context, limit: int | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Each trust point, each key: state, hold-down left, when it was last seen.

    Exit status 1 when something is wrong with the anchors.
    """
    daemon = client(file, path)
    document = daemon.get("/v1/trust")
    if limit is not None:
        document |= daemon.get("/v1/trust/history", limit=str(limit))
    if as_json:
        print_json(document)
    else:
        _show(document)
    ctx.exit(Status.FINDING if document["finding"] else Status.GOOD)


@trust.command()
@click.argument("zone", required=False)
@daemon_options
@json_option
@click.pass_context
def refresh(ctx: click.Context, zone: str | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Look at the keys of ZONE (or of every trust point) now. Exit status 1 when they are not signed by an anchor."""
    document = client(file, path).post("/v1/trust/refresh", PATIENCE_S, zone=zone)
    if as_json:
        print_json(document)
    else:
        for outcome in document["refreshed"]:
            _say(f"{outcome['zone']}: ", *(("ok", "green") if outcome["ok"] else (outcome["problem"], "red")))
            _tell_transitions(outcome["transitions"])
    ctx.exit(Status.GOOD if all(outcome["ok"] for outcome in document["refreshed"]) else Status.FINDING)


@trust.command("import")
@click.argument("anchors", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Instead of every other trust anchor of its zones.")
@click.option("--signature", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="root-anchors.p7s")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its CA, PEM: icannbundle.pem")
@click.option("--signer", metavar="MAIL", help="Who must have signed (default: dnssec@iana.org).")
@operator_option
@daemon_options
@json_option
def import_(
    anchors: Path,
    replace: bool,
    signature: Path | None,
    ca: Path | None,
    signer: str | None,
    operator: str | None,
    file: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Trust the anchors in FILE at once: DS or DNSKEY records, root-anchors.xml, or what BIND and Unbound keep.

    There is no hold-down: be sure of where the file is from. With --signature and --ca the detached signature of
    root-anchors.xml is checked first. A revoked key stays revoked.
    """
    if (signature is None) != (ca is None):
        raise click.UsageError("--signature and --ca go together")
    document = client(file, path).post(
        "/v1/trust/import",
        PATIENCE_S,
        text=_text(anchors),
        name=str(anchors),
        replace=replace or None,
        signature=None if signature is None else base64.b64encode(signature.read_bytes()).decode(),
        ca=None if ca is None else ca.read_text("utf-8", "replace"),
        signer=signer,
        operator=operator_name(operator),
    )
    if as_json:
        print_json(document)
        return
    if document["signed_by"]:
        _say("signed by ", document["signed_by"], "green")
    for note in document["notes"]:
        _say("note: ", note, "yellow")
    _tell_transitions(document["transitions"])
    if not document["transitions"]:
        console().print(f"{', '.join(document['zones'])}: nothing new")


@trust.command()
@click.argument("zone", required=False)
@click.option("--format", "form", type=click.Choice(["zone", "bind", "unbound"]), default="zone", help="Default: zone.")
@daemon_options
@json_option
def export(zone: str | None, form: str, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Write the anchors (of ZONE only) as records, as BIND's trust-anchors, or as Unbound's auto-trust-anchor-file."""
    document = client(file, path).get("/v1/trust/export", format=form, zone=zone)
    if as_json:
        print_json(document)
    else:
        click.echo(document["text"], nl=False)


@trust.command()
@click.argument("zone")
@operator_option
@daemon_options
@json_option
def forget(zone: str, operator: str | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Forget what was learnt and imported for ZONE, revocations included; begin again with the configuration."""
    document = client(file, path).post("/v1/trust/forget", zone=zone, operator=operator_name(operator))
    if as_json:
        print_json(document)
    else:
        _tell_transitions(document["transitions"])


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.FileError(str(file), getattr(error, "strerror", None) or "not text") from None


# --- for people --------------------------------------------------------------------------------------------------


def _show(document: Document) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not document["following"]:
        out.print("trust.rfc5011 is off: the configuration's trust anchors stand as they are")
    for point in document["trust_points"]:
        title = Text.assemble((point["zone"], "bold"), f"  {_freshness(point)}")
        if point["problem"]:
            title.append(f"\n  {point['problem']}", "red")
        out.print(title)
        table = Table("key", "alg", "state", "since", "hold-down", "last seen", "by", box=None, pad_edge=False)
        for key in point["keys"]:
            table.add_row(
                str(key["tag"]),
                str(key["algorithm"]),
                Text(key["state"], _COLOURS.get(key["state"], "")),
                _short(key["since"]),
                span(key["hold_down_left"]),
                _short(key["last_seen"]) or "never",
                key["origin"],
            )
        out.print(table)
    for zone in document["deleted"]:
        _say(f"{zone}: ", "deleted, every key is revoked; the trust point above decides", "yellow")
    if document["finding"]:
        _say("finding: ", document["finding"], "red")
    _tell_transitions(document.get("transitions", []))


def _short(time: str | None) -> str:
    """`2026-11-22 17:40`: enough for a table."""
    return "" if time is None else time[:16].replace("T", " ")


def _freshness(point: Document) -> str:
    if point["last_success"] is None:
        return "not validated yet"
    text = f"validated {point['last_success']}, next look {point['next_refresh'] or 'now'}"
    return text if not point["failures"] else f"{text}, {point['failures']} failures since"


def _tell_transitions(transitions: list[Document]) -> None:
    from rich.text import Text

    for move in transitions:
        line = Text(f"{move['at']} {move['zone']} key {move['tag']}: {move['from']} → ")
        line.append(move["to"], _COLOURS.get(move["to"], ""))
        line.append(f" ({move['event'] or 'operator'}: {move['why']})")
        console().print(line)


def _say(plain: str, coloured: str, style: str) -> None:
    from rich.text import Text

    console().print(Text.assemble(plain, (coloured, style)))


def span(seconds: int | None) -> str:
    """Seconds in words: `29 d 12 h`."""
    if seconds is None:
        return ""
    for size, unit, smaller, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {below}"
    return f"{seconds} s"
