"""`akashi explain`: the chain of trust of a name as a tree, with the exact failing link; also as JSON, drawing and page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.common import config_options, console, json_option, load_or_exit
from resolver.cli.language import language_option
from resolver.cli.status import Status

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from resolver.config import Config
    from resolver.explain.texts import Words
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
@language_option
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
    lang: str,
    svg: Path | None,
    html: Path | None,
    server: str | None,
    fresh: bool,
) -> None:
    """Resolve NAME with an empty cache and show every link from the trust anchor to the answer.

    Beside it: the same question with CD set, every authoritative server's own answer, and what the running resolver says.

    A running daemon looks itself, with the trust anchors and negative trust anchors that it has in force; without one (or
    with --fresh or --set) the look is made here, with those of the configuration.

    Exit status 0 when the answer is secure or rightly insecure, 1 when it is bogus or there is none.
    """
    question = _question(name, rtype)
    address = _address(server)
    config = load_or_exit(file, overrides)
    document = None
    if not fresh and not overrides and config.control.socket is not None:
        document = _from_daemon(config.control.socket, name, rtype, address, lang)
    if document is None:
        document = _from_here(config, question, address, fresh, lang)
    if svg is not None:
        from resolver.explain.svg import draw

        _write(svg, draw(document))
    if html is not None:
        from resolver.explain.html import page

        _write(html, page(document))
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _show(document)
    ctx.exit(Status.GOOD if document["answer"]["security"] in _GOOD else Status.FINDING)


def _from_daemon(path: Path, name: str, rtype: str, server: str | None, lang: str) -> dict[str, Any] | None:
    """The running daemon's explanation; None when no daemon answers."""
    from resolver.cli.client import PATIENCE_S, Client
    from resolver.cli.status import DaemonUnreachable

    try:
        return Client(path).get("/v1/explain", PATIENCE_S, name=name, type=rtype, fresh=True, server=server, lang=lang)
    except DaemonUnreachable:
        return None


def _from_here(config: Config, question: Question, server: str | None, fresh: bool, lang: str) -> dict[str, Any]:
    """An explanation of our own, by the configuration."""
    from resolver.daemon.errors import StartError
    from resolver.daemon.once import explain_once

    try:
        return explain_once(config, question, server=server, fresh=fresh, language=lang)
    except StartError as error:
        raise click.ClickException(str(error)) from None


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

    from resolver.explain.texts import Words

    words = Words(document["made"]["language"])
    # A tree is folded to the terminal's width; in a pipe every line stays whole.
    width = None if sys.stdout.isatty() else _WIDE
    trees = Console(markup=False, emoji=False, highlight=False, width=width)
    trees.print(_tree(document, words))
    for survey in document["authorities"]:
        trees.print(_servers(survey, words))
    if document["daemon"]["workers"]:
        trees.print(_remembered(document["daemon"]["workers"], words))
    out = console()
    for line in _summary(document, words):
        out.print(line)


def _summary(document: dict[str, Any], words: Words) -> Iterator[str]:
    """The outcome, line by line."""
    question, answer = document["question"], document["answer"]
    yield f"{question['name']} {question['type']}: {answer['rcode']}, {answer['security']}"
    yield answer["sentence"]
    for error in answer["errors"]:
        yield f"EDE {error['code']} ({error['name']}){': ' if error['text'] else ''}{error['text']}"
    if document["policy"] is not None:
        yield document["policy"]["sentence"]
        if document["policy"]["changes"]:
            yield from (f"  {record}" for record in document["policy"]["records"])
            yield from (f"  EDE {e['code']} ({e['name']}): {e['text']}" for e in document["policy"]["errors"])
    if document["validity"] is not None:
        first = document["validity"]
        yield f"{words('page.validity')}: {first['covers']}, {first['expiration']} ({first['left']})"
    if document["unchecked"] is not None:
        yield words("tree.cd", rcode=document["unchecked"]["rcode"], means=document["procedure"][0]["means"])
    yield document["daemon"]["sentence"]
    if answer["who"]:
        yield f"{words('page.who')}: {answer['who']}{'' if words.language == 'ja' else '.'}"
        for contact in document["contacts"]:
            if contact["mail"]:
                yield words("tree.contact", role=contact["role"], mail=contact["mail"], zone=contact["zone"])
    yield f"{words('page.next')}: {answer['next']}"


def _tree(document: dict[str, Any], words: Words) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    top = Tree(Text(words("tree.chain"), style="bold"))
    at = top
    branches: dict[str, Tree] = {}
    for zone in document["chain"]:
        label = _label(zone["zone"], zone["security"])
        if zone["reason"] not in ("valid", ""):
            label.append(f"  {zone['text'] or zone['reason']}")
        at = branches.get(zone["parent"], top).add(label)
        branches[zone["zone"]] = at
        _add_evidence(at, zone, words)
    for step in document["steps"]:
        branch = _branch_of(step, branches, at)
        label = _label(f"{step['name']} {step['type']}  {step['kind']}", step["security"])
        if step["text"]:
            label.append(f"  {step['text']}")
        node = branch.add(label)
        for record in step["records"]:
            node.add(Text(record))
        for signature in step["signatures"]:
            node.add(_signature(signature["covers"], signature, words))
        _add_denial(node, "tree.denial", step["denial"], words)
    for finding in document["servers"]:
        where = finding["server"] or finding["name_server"]
        top.add(Text(f"{where}: {finding['what']} ({finding['question']})"))
    return top


def _label(what: str, security: str) -> Text:
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


def _add_evidence(node: Tree, zone: dict[str, Any], words: Words) -> None:
    from rich.text import Text

    if zone["trust_point"]:
        anchors = node.add(Text(words("tree.anchor")))
        for anchor in zone["anchors"]:
            anchors.add(Text(f"{anchor['kind']} {anchor['tag']}, {anchor['algorithm_name']}: {anchor['text']}"))
    if zone["ds"] is not None:
        for ds in zone["ds"]["records"]:
            facts = {"tag": ds["tag"], "algorithm": ds["algorithm_name"], "digest": ds["digest_name"], "text": ds["text"]}
            node.add(Text(words("tree.ds", parent=zone["parent"], **facts)))
        if zone["ds"]["signature"] is not None:
            node.add(_signature("DS", zone["ds"]["signature"], words))
    _add_denial(node, "tree.no-ds", zone["no_ds"], words)
    if zone["dnskey"] is not None:
        for key in zone["dnskey"]["keys"]:
            line = words("tree.dnskey", **{k: key[k] for k in ("tag", "role", "flags")}, algorithm=key["algorithm_name"])
            states = (("revoked", key["revoked"]), ("signs", key["used"]), ("no-zone-key", not key["zone_key"]))
            marks = [words(f"mark.{mark}") for mark, there in states if there]
            node.add(Text(f"{line} ({', '.join(marks)})" if marks else line))
        if zone["dnskey"]["signature"] is not None:
            node.add(_signature("DNSKEY", zone["dnskey"]["signature"], words))
    if zone["servers"]:
        node.add(Text(words("chain.told", servers=", ".join(zone["servers"])), style="dim"))


def _add_denial(node: Tree, key: str, denial: dict[str, Any] | None, words: Words) -> None:
    from rich.text import Text

    if denial is None:
        return
    branch = node.add(Text(words(key, proof=denial["proof"], text=denial["text"])))
    for sentence in denial["words"]:
        branch.add(Text(sentence))


def _signature(covers: str, signature: dict[str, Any], words: Words) -> Text:
    """One signature over a set: by which key, from when to when, how long still, and why not."""
    from rich.text import Text

    said = signature.get("text") or words("chain.no-sig")
    if "tag" in signature:
        times = {"begins": signature["inception"], "ends": signature["expiration"], "left": signature["left"]}
        line = words("tree.signature", tag=signature["tag"], signer=signature["signer"], **times)
        said = f"{line}; {signature['text']}" if signature.get("holds") is False else line
    return Text(f"{words('chain.rrsig', covers=covers)}: {said}", style="dim")


def _servers(survey: dict[str, Any], words: Words) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    question = f"{survey['question']['name']} {survey['question']['type']}"
    title = words("tree.servers", zone=survey["zone"], question=question, sentence=survey["sentence"])
    top = Tree(Text(title, style="bold"))
    for row in survey["servers"]:
        label = Text(f"{row['address']}  {row['name'] or ''}  ")
        if row["what"]:
            label.append(f"? {row['what']}", style="magenta")
        else:
            label.append_text(_label(f"{row['rcode']} {row['kind']}", row["security"]))
        label.append(f"  {'; '.join(_facts(row, words))}")
        node = top.add(label)
        if row["text"] and row["security"] != "secure":
            node.add(Text(row["text"]))
    return top


def _remembered(workers: list[dict[str, Any]], words: Words) -> Tree:
    """What each worker of the running resolver remembers."""
    from rich.text import Text
    from rich.tree import Tree

    top = Tree(Text(words("tree.remembered"), style="bold"))
    for worker in workers:
        label = Text(f"{words('word.worker', worker=worker['worker'])}  ")
        if worker["state"] == "nothing":
            top.add(label.append(words("word.nothing"), style="dim"))
            continue
        label.append_text(_label(worker["rcode"], worker["security"] or worker["state"]))
        if worker["age"] is not None:
            label.append(f"  {words('word.age', age=worker['age'])};")
        label.append(f"  {words('word.life', ttl=worker['ttl'])}")
        node = top.add(label)
        for error in worker["errors"]:
            node.add(Text(f"EDE {error['code']}{': ' if error['text'] else ''}{error['text']}"))
    return top


def _facts(row: dict[str, Any], words: Words) -> Iterator[str]:
    """What is to be told of one server, besides its answer."""
    if row["rcode"] is None:
        return
    yield words("server.nsid", nsid=row["nsid"]) if row["nsid"] is not None else words("server.no-nsid")
    yield words("tree.latency", ms=row["latency_ms"], transport=row["transport"].upper())
    if row["serial"] is not None:
        yield words("server.serial", serial=row["serial"])
    if row["keys"] is not None:
        yield words("server.keys", keys=", ".join(map(str, row["keys"])))
    if row["digest"] is not None:
        yield words("server.digest", digest=row["digest"])
