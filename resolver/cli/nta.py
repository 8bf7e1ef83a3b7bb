"""`akashi nta`: negative trust anchors, from the proposal to the end (RFC 7646, guideline 2-21 and 2-22; docs/NTA.md)."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from resolver.cli.client import PATIENCE_S, RefusedError, client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.status import Status

if TYPE_CHECKING:
    from rich.table import Table

Document = dict[str, Any]
Decorated = TypeVar("Decorated", bound=Callable[..., object])

_COLOURS = {"proposed": "yellow", "active": "red", "retired": "green", "expired": "green", "removed": "green"}


@click.group()
def nta() -> None:
    """Negative trust anchors: names that are not validated for a while, since their zone is broken.

    The life of one: propose, approve (another person), then it ends by itself when every authority of the zone gave secure
    answers three times in a row, or when its time is up; or by hand: remove.
    """


def operator_option(command: Decorated) -> Decorated:
    """Add `--operator NAME` to a command that changes something."""
    return click.option(
        "--operator",
        metavar="NAME",
        help="Who you are, for the audit trail (default: $AKASHI_OPERATOR, else the user you logged in as).",
    )(command)


def operator_name(given: str | None) -> str:
    """The name of the person at the keyboard: sudo makes root of everybody, so whoever called it counts."""
    return given or os.environ.get("AKASHI_OPERATOR") or os.environ.get("SUDO_USER") or getpass.getuser()


def _request_options(command: Decorated) -> Decorated:
    for option in (
        click.option("--force", is_flag=True, help="Although it may be our own clock, or an NTA seems to be of no use."),
        click.option(
            "--failing",
            metavar="NAME[/TYPE]",
            help="The question that fails, at or below NAME (default: NAME/A); it is watched afterwards.",
        ),
        click.option("--lifetime", metavar="DURATION", help="How long, such as 2h (default: trust.nta.default-lifetime)."),
        click.option("--ticket", metavar="TEXT", help="Where the decision is recorded."),
        click.option("--reason", metavar="TEXT", required=True, help="Why: what broke, and who says that it is no attack."),
    ):
        command = option(command)
    return command


@nta.command()
@click.argument("name")
@_request_options
@operator_option
@daemon_options
@json_option
def propose(name: str, file: Path | None, path: Path | None, as_json: bool, operator: str | None, **given: Any) -> None:
    """Ask for an NTA for NAME and all below it. The zone is looked at, and what is seen is kept with the proposal."""
    _begin("propose", name, file, path, as_json, operator, given)


@nta.command()
@click.argument("name")
@_request_options
@operator_option
@daemon_options
@json_option
def add(name: str, file: Path | None, path: Path | None, as_json: bool, operator: str | None, **given: Any) -> None:
    """Propose and approve in one step, where trust.nta.require-approval is off."""
    _begin("add", name, file, path, as_json, operator, given)


def _begin(
    what: str, name: str, file: Path | None, path: Path | None, as_json: bool, operator: str | None, given: Document
) -> None:
    fields = given | {"name": name, "operator": operator_name(operator), "force": given["force"] or None}
    _tell(_post(file, path, what, fields), as_json)


@nta.command()
@click.argument("which", metavar="NTA")
@click.option("--force", is_flag=True, help="Although it may be our own clock, or an NTA seems to be of no use.")
@operator_option
@daemon_options
@json_option
def approve(which: str, force: bool, operator: str | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Put a proposal (its number or name) in force. It must be another person's; the zone is looked at again."""
    fields = {"nta": which, "force": force or None, "operator": operator_name(operator)}
    _tell(_post(file, path, "approve", fields), as_json)


@nta.command()
@click.argument("which", metavar="NTA")
@click.option("--reason", metavar="TEXT", help="Why.")
@operator_option
@daemon_options
@json_option
def reject(
    which: str, reason: str | None, operator: str | None, file: Path | None, path: Path | None, as_json: bool
) -> None:
    """Turn a proposal down, or take it back."""
    _tell(_post(file, path, "reject", {"nta": which, "reason": reason, "operator": operator_name(operator)}), as_json)


@nta.command()
@click.argument("which", metavar="NTA")
@click.option("--lifetime", metavar="DURATION", help="From now (default: trust.nta.default-lifetime).")
@click.option("--reason", metavar="TEXT", required=True, help="Why it is still needed.")
@operator_option
@daemon_options
@json_option
def extend(
    which: str,
    lifetime: str | None,
    reason: str,
    operator: str | None,
    file: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Let an active NTA end later (or sooner). It must be another person than who set the present expiry."""
    fields = {"nta": which, "lifetime": lifetime, "reason": reason, "operator": operator_name(operator)}
    _tell(_post(file, path, "extend", fields), as_json)


@nta.command()
@click.argument("which", metavar="NTA")
@click.option("--reason", metavar="TEXT", help="Why.")
@operator_option
@daemon_options
@json_option
def remove(
    which: str, reason: str | None, operator: str | None, file: Path | None, path: Path | None, as_json: bool
) -> None:
    """End an active NTA (its number or name): the zone is validated again with the next query."""
    _tell(_post(file, path, "remove", {"nta": which, "reason": reason, "operator": operator_name(operator)}), as_json)


@nta.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@daemon_options
@json_option
def list_(everything: bool, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Proposals, active NTAs, and those of the configuration."""
    document = client(file, path).get("/v1/nta", all=everything or None)
    if as_json:
        print_json(document)
        return
    if not document["ntas"]:
        console().print("no NTA: everything is validated")
        return
    _print_table(_table(document["ntas"]))


@nta.command()
@click.argument("which", metavar="NTA")
@daemon_options
@json_option
def show(which: str, file: Path | None, path: Path | None, as_json: bool) -> None:
    """One NTA (its number, or the name of an open one): evidence, probes, history."""
    document = client(file, path).get("/v1/nta/show", nta=which)
    if as_json:
        print_json(document)
    else:
        _show(document)


@nta.command()
@click.argument("name", required=False)
@click.option("--verify", is_flag=True, help="Look for tampering; exit status 1 when there is any.")
@click.option("--head", metavar="NUMBER:HASH", help="With --verify: a line noted elsewhere (audit_head in the log).")
@daemon_options
@json_option
@click.pass_context
def history(
    ctx: click.Context,
    name: str | None,
    verify: bool,
    head: str | None,
    file: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """The audit trail, of NAME or of all: who did what, when and why."""
    if head and not verify:
        raise click.UsageError("--head goes with --verify")
    document = client(file, path).get("/v1/nta/history", PATIENCE_S, name=name, verify=verify or None, head=head)
    if as_json:
        print_json(document)
    else:
        if document["lines"]:
            _print_table(_trail(document["lines"]))
        _verdict(document)
    ctx.exit(Status.GOOD if document.get("verified", True) else Status.FINDING)


# --- asking -------------------------------------------------------------------------------------------------------------


def _post(file: Path | None, path: Path | None, what: str, fields: Document) -> Document:
    try:
        return client(file, path).post(f"/v1/nta/{what}", PATIENCE_S, **fields)
    except RefusedError as error:
        advice = error.error.get("advice")
        if advice:
            error.error["reasons"] = [{"problem": advice}]
        raise


# --- telling ------------------------------------------------------------------------------------------------------------


def _tell(document: Document, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    out = console()
    state, number, name = document["state"], document["number"], document["name"]
    if state == "proposed":
        out.print(f"NTA {number} for {name} is proposed; it has no effect yet.")
        out.print(f"Seen: {document['seen']}")
        out.print(f"Somebody else puts it in force with: akashi nta approve {number}")
    elif state == "active":
        out.print(f"NTA {number} for {name} is in force until {document['expires']} ({_span(document['seconds_left'])}).")
        out.print("It ends before, by itself, when every authority of the zone gives secure answers again.")
    else:
        out.print(f"NTA {number} for {name} is {state}{': ' + document['ended_why'] if document['ended_why'] else ''}.")


def _print_table(table: Table) -> None:
    """A table is folded to the terminal's width; in a pipe every line stays whole."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 10_000
    Console(markup=False, emoji=False, highlight=False, width=width).print(table)


def _table(entries: list[Document]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("nr", "name", "state", "ends", "probes", "who", "reason"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        static = entry["source"] == "configuration"
        probes = entry["probes"]
        table.add_row(
            "" if static else str(entry["number"]),
            Text(entry["name"]),
            Text(entry["state"], style=_COLOURS.get(entry["state"], "")),
            "never: configured" if static else _ends(entry),
            f"{probes['good_in_a_row']} of {probes['wanted']} good" if probes else "",
            Text("" if static else " → ".join(filter(None, (entry["proposed_by"], entry["decided_by"])))),
            Text(entry["reason"]),
        )
    return table


def _ends(entry: Document) -> str:
    if entry["state"] == "active":
        return f"in {_span(entry['seconds_left'])}"
    return str(entry["ended"] or "")


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _show(document: Document) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    for key in (
        *("number", "name", "state", "source", "reason", "ticket", "failing", "seen", "forced", "proposed_by", "proposed"),
        *("lifetime_s", "decided_by", "decided", "activated", "granted_by", "expires", "ended_by", "ended", "ended_why"),
    ):
        value = document.get(key)
        if value not in (None, "", False):
            facts.add_row(Text(key.replace("_", " "), style="dim"), Text(str(value)))
    _print_table(facts)
    probes = document.get("probes")
    if probes:
        out.print(
            f"\nprobes: {probes['good_in_a_row']} of {probes['wanted']} good in a row, next in {probes['next_in_s']} s"
        )
        last = probes["last"]
        if last:
            out.print(f"last, at {last['at']}: {last['sentence']}")
            for server in last["servers"]:
                out.print(f"  {server['server']} ({server['name_server']}): {server['text'] or 'secure'}")
    for piece in document.get("evidence", []):
        found = piece["document"]
        out.print(f"\nevidence of line {piece['line']}: {found['report']['answer']['sentence']}")
        for server in found["servers"]:
            out.print(f"  {server['server']} ({server['name_server']}): {server['text'] or server['security']}")
    if document.get("history"):
        out.print()
        _print_table(_trail(document["history"]))


def _trail(lines: list[Document]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("line", "time", "who", "what", "nta", "name", "state", "why"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        if "unreadable" in line:
            table.add_row("?", Text(f"cannot be read: {line['unreadable'][:60]}", style="red"))
            continue
        who = line["who"] if line["peer"] in ("", line["who"]) else f"{line['who']} (as {line['peer']})"
        table.add_row(
            str(line["number"]),
            line["time"],
            Text(who),
            line["what"],
            str(line["nta"]),
            Text(line["name"]),
            Text(line["after"], style=_COLOURS.get(line["after"], "")),
            Text(_why(line["details"])),
        )
    return table


def _why(details: Document) -> str:
    """What a line of the trail tells besides who did what."""
    parts = [details.get("reason"), details.get("ticket"), f"until {details['expires']}" if "expires" in details else ""]
    forced = details.get("forced")
    return "; ".join(str(part) for part in (*parts, f"forced: {forced}" if forced else "") if part)


def _verdict(document: Document) -> None:
    out = console()
    if "verified" not in document:
        return
    if document["verified"]:
        out.print(f"\nThe trail is whole. Head: {document['head']}")
        return
    out.print("\nThe trail or the records were changed:")
    for fault in document["faults"]:
        out.print(f"  {fault['where']}: {fault['what']}")
