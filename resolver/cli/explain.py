"""`akashi explain`: the chain of trust of a name as a tree, with the exact failing link."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.common import config_options, console, json_option, load_or_exit
from resolver.cli.status import Status

if TYPE_CHECKING:
    from rich.tree import Tree

_GOOD = ("secure", "insecure")


@click.command()
@click.argument("name")
@click.argument("rtype", metavar="[TYPE]", default="A")
@config_options
@json_option
@click.option("--cd", "checking_disabled", is_flag=True, help="Ask as a client that sets CD: nothing is validated.")
@click.pass_context
def explain(
    ctx: click.Context,
    name: str,
    rtype: str,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
    checking_disabled: bool,
) -> None:
    """Resolve NAME with an empty cache and show every link from the trust anchor to the answer.

    Exit status 0 when the answer is secure or rightly insecure, 1 when it is bogus or there is none.
    """
    from trust.vocabulary import Question
    from wire.text import name_from_text, type_from_text

    try:
        question = Question(name_from_text(name), type_from_text(rtype))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    config = load_or_exit(file, overrides)
    from resolver.daemon.once import resolve_once

    document = resolve_once(config, question, checking_disabled=checking_disabled)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        _show(document)
    good = document["answer"]["security"] in _GOOD or (checking_disabled and document["answer"]["rcode"] != "SERVFAIL")
    ctx.exit(Status.GOOD if good else Status.FINDING)


def _show(document: dict[str, Any]) -> None:
    from rich.console import Console

    out = console()
    question, answer = document["question"], document["answer"]
    # A tree is folded to the terminal's width; in a pipe every line stays whole.
    width = None if sys.stdout.isatty() else 400
    Console(markup=False, emoji=False, highlight=False, width=width).print(_tree(document))
    out.print(f"{question['name']} {question['type']}: {answer['rcode']}, {answer['security']}")
    out.print(answer["sentence"])
    if answer["who"]:
        out.print(f"Who can mend it: {answer['who']}.")
    for error in answer["errors"]:
        out.print(f"EDE {error['code']}: {error['text']}" if error["text"] else f"EDE {error['code']}")


def _tree(document: dict[str, Any]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    top = Tree(Text("chain of trust", style="bold"))
    at = top
    branches: dict[str, Tree] = {}
    for zone in document["chain"]:
        label = Text(f"{zone['zone']}  ")
        label.append(zone["security"], style=_style(zone["security"]))
        if zone["reason"] not in ("valid", ""):
            label.append(f"  {zone['text'] or zone['reason']}")
        at = branches.get(zone["parent"], top).add(label)
        branches[zone["zone"]] = at
        _add_evidence(at, zone)
    for step in document["steps"]:
        branch = _branch_of(step, branches, at)
        label = Text(f"{step['name']} {step['type']}  {step['kind']}  ")
        label.append(step["security"], style=_style(step["security"]))
        if step["text"]:
            label.append(f"  {step['text']}")
        node = branch.add(label)
        for record in step["records"]:
            node.add(Text(record))
        for signature in step["signatures"]:
            node.add(Text(f"RRSIG over {signature['covers']}: {_signature(signature)}", style="dim"))
        if step["denial"] is not None:
            node.add(Text(f"denial {step['denial']['proof']}: {step['denial']['text']}"))
    for finding in document["servers"]:
        where = finding["server"] or finding["name_server"]
        top.add(Text(f"{where}: {finding['what']} ({finding['question']})"))
    return top


def _branch_of(step: dict[str, Any], branches: dict[str, Tree], fallback: Tree) -> Tree:
    """The zone that the step's data is in: that of its signer, else the deepest zone that encloses the name."""
    for signature in step["signatures"]:
        if signature["signer"] in branches:
            return branches[signature["signer"]]
    name = step["name"]
    while name:
        if name in branches:
            return branches[name]
        name = name.partition(".")[2]
    return branches.get(".", fallback)


def _add_evidence(node: Tree, zone: dict[str, Any]) -> None:
    from rich.text import Text

    if zone["trust_point"]:
        node.add(Text("trust anchor configured here"))
    if zone["ds"] is not None:
        for ds in zone["ds"]["records"]:
            node.add(
                Text(f"DS at {zone['parent']}: key {ds['tag']}, algorithm {ds['algorithm']}, digest {ds['digest_type']}")
            )
        if zone["ds"]["signature"] is not None:
            node.add(Text(f"RRSIG over DS: {_signature(zone['ds']['signature'])}", style="dim"))
    if zone["no_ds"] is not None:
        node.add(Text(f"no DS ({zone['no_ds']['proof']}): {zone['no_ds']['text']}"))
    if zone["dnskey"] is not None:
        for key in zone["dnskey"]["keys"]:
            role = "KSK" if key["sep"] else "ZSK"
            marks = [word for flag, word in (("revoked", "revoked"), ("used", "signs the DNSKEY set")) if key[flag]]
            if not key["zone_key"]:
                marks.append("no zone-key bit")
            detail = f" ({', '.join(marks)})" if marks else ""
            node.add(Text(f"DNSKEY {key['tag']}: {role}, flags {key['flags']}, algorithm {key['algorithm']}{detail}"))
        if zone["dnskey"]["signature"] is not None:
            node.add(Text(f"RRSIG over DNSKEY: {_signature(zone['dnskey']['signature'])}", style="dim"))
    if zone["servers"]:
        node.add(Text(f"told by {', '.join(zone['servers'])}", style="dim"))


def _signature(signature: dict[str, Any]) -> str:
    if "tag" not in signature:
        return str(signature.get("text") or "none")
    left = signature["seconds_left"]
    validity = f"{left // 86400} d {left % 86400 // 3600} h left" if left >= 0 else f"expired {-left // 86400} d ago"
    held = "" if signature.get("holds", True) else f"; {signature['text']}"
    return f"key {signature['tag']} of {signature['signer']}, until {signature['expiration']} ({validity}){held}"


def _style(security: str) -> str:
    return {"secure": "green", "insecure": "yellow", "bogus": "red"}.get(security, "magenta")
