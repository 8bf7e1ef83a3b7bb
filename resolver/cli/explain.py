"""`akashi explain`: the chain of trust of a name as a tree, with the exact failing link; also as JSON, drawing and page."""

from __future__ import annotations

import json
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.common import config_options, console, json_option, load_or_exit
from resolver.cli.status import Status

if TYPE_CHECKING:
    from rich.tree import Tree

    from trust.vocabulary import Question

_GOOD = ("secure", "insecure")
_WIDE = 400
_MARK = {"secure": "✔", "insecure": "○", "bogus": "✘"}
_STYLE = {"secure": "green", "insecure": "yellow", "bogus": "red"}


@click.command()
@click.argument("name")
@click.argument("rtype", metavar="[TYPE]", default="A")
@config_options
@json_option
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the drawing.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a self-contained evidence page."
)
@click.option("--server", metavar="IP", help="Ask only this authoritative server for the final question.")
@click.option("--fresh", is_flag=True, help="Leave the running resolver alone: show the fresh look only.")
@click.pass_context
def explain(
    ctx: click.Context,
    name: str,
    rtype: str,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
    svg: Path | None,
    html: Path | None,
    server: str | None,
    fresh: bool,
) -> None:
    """Resolve NAME with an empty cache and show every link from the trust anchor to the answer.

    Beside it: the same question with CD set, every authoritative server's own answer, and what the running resolver says.

    Exit status 0 when the answer is secure or rightly insecure, 1 when it is bogus or there is none.
    """
    question = _question(name, rtype)
    address = _address(server)
    config = load_or_exit(file, overrides)
    from resolver.daemon.errors import StartError
    from resolver.daemon.once import explain_once

    try:
        document = explain_once(config, question, server=address, fresh=fresh)
    except StartError as error:
        raise click.ClickException(str(error)) from None
    if svg is not None:
        from resolver.explain.svg import draw

        _write(svg, draw(document))
    if html is not None:
        from resolver.explain.html import page

        _write(html, page(document))
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        _show(document)
    ctx.exit(Status.GOOD if document["answer"]["security"] in _GOOD else Status.FINDING)


def _question(name: str, rtype: str) -> Question:
    from trust.vocabulary import Question
    from wire.text import name_from_text, type_from_text

    try:
        return Question(name_from_text(name), type_from_text(rtype))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _address(server: str | None) -> str | None:
    """The server's address in its canonical form."""
    try:
        return str(ip_address(server)) if server is not None else None
    except ValueError:
        raise click.UsageError(f"--server: {server!r} is not an IP address") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


# --- for people --------------------------------------------------------------------------------------------------------


def _show(document: dict[str, Any]) -> None:
    from rich.console import Console

    out = console()
    question, answer = document["question"], document["answer"]
    # A tree is folded to the terminal's width; in a pipe every line stays whole.
    width = None if sys.stdout.isatty() else _WIDE
    tree_console = Console(markup=False, emoji=False, highlight=False, width=width)
    tree_console.print(_tree(document))
    for survey in document["authorities"]:
        tree_console.print(_servers(survey))
    out.print(f"{question['name']} {question['type']}: {answer['rcode']}, {answer['security']}")
    out.print(answer["sentence"])
    for error in answer["errors"]:
        out.print(f"EDE {error['code']} ({error['name']}){': ' if error['text'] else ''}{error['text']}")
    if document["validity"] is not None:
        first = document["validity"]
        out.print(f"First signature to expire: {first['covers']}, {first['expiration']} ({first['left']})")
    if document["unchecked"] is not None:
        out.print(f"With CD set: {document['unchecked']['rcode']}. {document['procedure'][0]['means']}")
    out.print(document["daemon"]["sentence"])
    if answer["who"]:
        out.print(f"Who can mend it: {answer['who']}.")
    for contact in document["contacts"]:
        if contact["mail"] and answer["who"]:
            out.print(f"Contact ({contact['role']}): {contact['mail']} (SOA of {contact['zone']})")
    out.print(f"Next step: {answer['next']}")


def _tree(document: dict[str, Any]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    top = Tree(Text("chain of trust", style="bold"))
    at = top
    branches: dict[str, Tree] = {}
    for zone in document["chain"]:
        label = _label(zone["zone"], zone["security"])
        if zone["reason"] not in ("valid", ""):
            label.append(f"  {zone['text'] or zone['reason']}")
        at = branches.get(zone["parent"], top).add(label)
        branches[zone["zone"]] = at
        _add_evidence(at, zone)
    for step in document["steps"]:
        branch = _branch_of(step, branches, at)
        label = _label(f"{step['name']} {step['type']}  {step['kind']}", step["security"])
        if step["text"]:
            label.append(f"  {step['text']}")
        node = branch.add(label)
        for record in step["records"]:
            node.add(Text(record))
        for signature in step["signatures"]:
            node.add(Text(f"RRSIG over {signature['covers']}: {_signature(signature)}", style="dim"))
        _add_denial(node, "denial", step["denial"])
    for finding in document["servers"]:
        where = finding["server"] or finding["name_server"]
        top.add(Text(f"{where}: {finding['what']} ({finding['question']})"))
    return top


def _label(what: str, security: str) -> Any:
    """A line with its state in a sign, a word and a colour."""
    from rich.text import Text

    label = Text(f"{what}  ")
    label.append(f"{_MARK.get(security, '?')} {security}", style=_STYLE.get(security, "magenta"))
    return label


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
        anchors = node.add(Text("trust anchor configured here"))
        for anchor in zone["anchors"]:
            anchors.add(Text(f"{anchor['kind']} {anchor['tag']}, {anchor['algorithm_name']}: {anchor['text']}"))
    if zone["ds"] is not None:
        for ds in zone["ds"]["records"]:
            what = f"key {ds['tag']}, {ds['algorithm_name']}, {ds['digest_name']}"
            node.add(Text(f"DS at {zone['parent']}: {what}: {ds['text']}"))
        if zone["ds"]["signature"] is not None:
            node.add(Text(f"RRSIG over DS: {_signature(zone['ds']['signature'])}", style="dim"))
    _add_denial(node, "no DS", zone["no_ds"])
    if zone["dnskey"] is not None:
        for key in zone["dnskey"]["keys"]:
            marks = [word for flag, word in (("revoked", "revoked"), ("used", "signs the DNSKEY set")) if key[flag]]
            if not key["zone_key"]:
                marks.append("no zone-key bit")
            detail = f" ({', '.join(marks)})" if marks else ""
            what = f"{key['role']}, flags {key['flags']}, {key['algorithm_name']}"
            node.add(Text(f"DNSKEY {key['tag']}: {what}{detail}"))
        if zone["dnskey"]["signature"] is not None:
            node.add(Text(f"RRSIG over DNSKEY: {_signature(zone['dnskey']['signature'])}", style="dim"))
    if zone["servers"]:
        node.add(Text(f"told by {', '.join(zone['servers'])}", style="dim"))


def _add_denial(node: Tree, what: str, denial: dict[str, Any] | None) -> None:
    from rich.text import Text

    if denial is None:
        return
    branch = node.add(Text(f"{what} ({denial['proof']}): {denial['text']}"))
    for sentence in denial["words"]:
        branch.add(Text(sentence))


def _signature(signature: dict[str, Any]) -> str:
    if "tag" not in signature:
        return str(signature.get("text") or "none")
    held = f"; {signature['text']}" if signature.get("holds") is False else ""
    who = f"key {signature['tag']} of {signature['signer']}"
    return f"{who}, {signature['inception']} to {signature['expiration']} ({signature['left']}){held}"


def _servers(survey: dict[str, Any]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    question = f"{survey['question']['name']} {survey['question']['type']}"
    top = Tree(Text(f"servers of {survey['zone']}, asked for {question}: {survey['sentence']}", style="bold"))
    for row in survey["servers"]:
        if row["what"]:
            label = Text(f"{row['address']}  {row['name'] or ''}  ")
            label.append(f"? {row['what']}", style="magenta")
        else:
            label = _label(f"{row['address']}  {row['name'] or ''}  {row['rcode']} {row['kind']}", row["security"])
        facts = [f"NSID {row['nsid'] or 'none'}"]
        facts += [f"{row['latency_ms']} ms over {row['transport'].upper()}"] if row["latency_ms"] is not None else []
        facts += [f"serial {row['serial']}"] if row["serial"] is not None else []
        facts += [f"keys {', '.join(map(str, row['keys']))}"] if row["keys"] is not None else []
        facts += [f"data {row['digest']}"] if row["digest"] is not None else []
        label.append(f"  {'; '.join(facts)}")
        node = top.add(label)
        if row["text"] and row["security"] != "secure":
            node.add(Text(row["text"]))
    return top
