"""`akashi cache`: what the running daemon remembers, and forgetting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.client import client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.daemon_status import size
from resolver.cli.status import Status

if TYPE_CHECKING:
    from rich.tree import Tree

_COLOURS = {"secure": "green", "insecure": "yellow", "bogus": "red"}


@click.group()
def cache() -> None:
    """What the running daemon remembers."""


@cache.command()
@daemon_options
@json_option
def stats(file: Path | None, path: Path | None, as_json: bool) -> None:
    """Sizes of the caches of all workers, hits and evictions."""
    document = client(file, path).get("/v1/cache/stats")
    if as_json:
        print_json(document)
        return
    from rich.table import Table

    sizes, out = document["sizes"], console()
    table = Table("cache", "entries", "memory", "of", "evicted", box=None, header_style="bold", pad_edge=False)
    for name, entries, prefix in (("answers", "answers", "answer"), ("responses", "packets", "packet")):
        table.add_row(
            name,
            f"{sizes[entries]:,.0f}",
            size(sizes[f"{prefix}_octets"]),
            size(sizes[f"{prefix}_limit"]),
            f"{document['evictions'][prefix]:,.0f}",
        )
    for name in ("delegations", "zones", "denials", "failures", "servers"):
        table.add_row(name, f"{sizes[name]:,.0f}", "", "", "")
    out.print(table)
    ratio = document["packet_hit_ratio"]
    share = f"{ratio:.1%}" if ratio is not None else "none"
    out.print(f"{document['queries']:,} queries, {share} answered by their very octets")


@cache.command()
@click.argument("name")
@click.argument("rtype", metavar="[TYPE]", required=False)
@daemon_options
@json_option
@click.pass_context
def lookup(ctx: click.Context, name: str, rtype: str | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """What each worker remembers of NAME. Exit status 1 when nothing is remembered."""
    document = client(file, path).get("/v1/cache/lookup", name=name, type=rtype)
    if as_json:
        print_json(document)
    else:
        for worker in document["workers"]:
            console().print(_tree(document["name"], worker))
    known = any(worker["entries"] or worker["failures"] for worker in document["workers"])
    ctx.exit(Status.GOOD if known else Status.FINDING)


def _tree(name: str, worker: dict[str, Any]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    top = Tree(Text(f"worker {worker['worker']}: {name}", style="bold"))
    for entry in worker["entries"]:
        label = Text(f"{entry['name']} {entry['type']}  {entry['kind']}, {entry['ttl']} s left  ")
        label.append(entry["security"], style=_COLOURS.get(entry["security"], "magenta"))
        if entry["text"]:
            label.append(f"  {entry['text']}")
        node = top.add(label)
        for record in entry["records"]:
            node.add(Text(record))
        if entry["server"] is not None:
            node.add(Text(f"from {entry['server']} for {entry['zone']}, {entry['age']} s ago", style="dim"))
    for failure in worker["failures"]:
        text = f"{failure['type']} failed {failure['count']}x: {failure['text'] or failure['reason']}"
        top.add(Text(f"{text}, not tried for {failure['ttl']} s", style="red"))
    if not worker["entries"] and not worker["failures"]:
        top.add(Text("nothing", style="dim"))
    cut = worker["delegation"]
    life = "configured" if cut["ttl"] is None else f"{cut['ttl']} s left"
    top.add(Text(f"delegation: {cut['zone']} ({life}), {len(cut['servers'])} name servers", style="dim"))
    trust = worker["zone_trust"]
    if trust is not None:
        top.add(Text(f"zone trust: {trust['zone']} {trust['security']} ({trust['text'] or trust['reason']})", style="dim"))
    return top


@cache.command()
@click.argument("name", required=False)
@click.argument("rtype", metavar="[TYPE]", required=False)
@click.option("--subtree", is_flag=True, help="With everything below NAME.")
@click.option("--bogus", is_flag=True, help="Only what validation refused, and remembered failures.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@daemon_options
@json_option
def flush(
    name: str | None,
    rtype: str | None,
    subtree: bool,
    bogus: bool,
    everything: bool,
    file: Path | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Forget NAME (of TYPE), what is below it, what is bogus, or everything."""
    if not (name or bogus or everything):
        raise click.UsageError("say what: NAME, --bogus or --all")
    if subtree and not name:
        raise click.UsageError("--subtree goes with NAME")
    document = client(file, path).post(
        "/v1/cache/flush",
        name=name,
        type=rtype,
        subtree=subtree or None,
        bogus=bogus or None,
        all=everything or None,
    )
    if as_json:
        print_json(document)
        return
    dropped = [f"{count:,} {kind}" for kind, count in document["dropped"].items() if count]
    console().print(f"forgotten in {document['workers']} workers: {', '.join(dropped) or 'nothing was there'}")
