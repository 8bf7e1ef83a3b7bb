"""`akashi status`: how the running daemon is, in brief."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from resolver.cli.client import client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.impact import percent
from resolver.cli.status import Status


@click.command()
@daemon_options
@json_option
@click.option("--health", is_flag=True, help="Print only what is wrong.")
@click.pass_context
def status(ctx: click.Context, file: Path | None, path: Path | None, as_json: bool, health: bool) -> None:
    """Show how the running daemon is.

    Exit status 0 when all is well, 1 when something is wrong, 3 when no daemon answers.
    """
    document = client(file, path).get("/v1/status")
    if as_json:
        keys = ("healthy", "findings") if health else document
        print_json({key: document[key] for key in keys})
    elif health:
        _health(document)
    else:
        _show(document)
    ctx.exit(Status.GOOD if document["healthy"] else Status.FINDING)


def _health(document: dict[str, Any]) -> None:
    from rich.text import Text

    out = console()
    if document["healthy"]:
        out.print(Text("healthy", style="green"))
    for finding in document["findings"]:
        out.print(Text.assemble((f"{finding['check']}: ", "red"), finding["problem"]))


def _show(document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column()
    started = datetime.fromtimestamp(document["started"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    counters, gauges = document["counters"], document["gauges"]
    queries = counters.get("udp_queries", 0) + counters.get("tcp_queries", 0)
    hits = counters.get("packet_hits", 0)
    rows = [
        ("version", f"{document['version']}, core: {document['core']}, process {document['pid']}"),
        ("up", f"{duration(document['uptime'])}, since {started}"),
        ("configuration", f"{document['config'] or 'defaults'} (generation {document['generation']})"),
        ("listening", ", ".join(document["listen"])),
        ("anchors", "; ".join(f"{a['zone']} {' '.join(map(str, a['tags']))}" for a in document["anchors"]) or "none"),
        ("negative anchors", ", ".join(nta["name"] for nta in document["ntas"]) or "none"),
        ("queries", f"{queries:,} ({document['queries_per_second']:,.1f}/s over the last minute)"),
        ("from cache", f"{hits / queries:.1%} of them by their very octets" if queries else "-"),
        *watch_rows(document),
        *local_root_rows(document),
        ("being resolved", f"{gauges.get('inflight', 0):,.0f}"),
        ("cached", f"{gauges.get('answers', 0):,.0f} answers, {gauges.get('packets', 0):,.0f} responses, {octets(gauges)}"),
    ]
    for name, value in rows:
        facts.add_row(name, value)
    out.print(facts)
    table = Table("worker", "process", "state", "up", "restarts", box=None, header_style="bold", pad_edge=False)
    for worker in document["workers"]:
        state = Text("ready", style="green") if worker["ready"] else Text("not ready", style="red")
        up = duration(worker["uptime"]) if worker["uptime"] is not None else "-"
        table.add_row(str(worker["worker"]), str(worker["pid"] or "-"), state, up, str(worker["restarts"]))
    out.print(table)
    _health(document)


def watch_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """What the daemon says of clock, probes and failures."""
    clock, probes, baseline, impact = (document[part] for part in ("clock", "probes", "baseline", "impact"))
    good = sum(probe["ok"] is True for probe in probes["probes"])
    told = f"{percent(baseline['ratio'])} over {baseline['window_minutes']} minutes, usually {percent(baseline['usual'])}"
    if baseline["learning"]:
        told += f", learning ({baseline['learned_minutes']} of {baseline['learning_minutes']} minutes)"
    else:
        told += f", too much from {percent(baseline['threshold'])}"
        told += f" (for alerts: {percent(baseline['suggested_threshold'])})"
    worst = next((zone for zone in impact["top"] if not zone["probe"]), None)
    return [
        ("clock", f"{clock['state']}: {clock['text']}"),
        ("probes", f"{good} of {len(probes['probes'])} well" if probes["probes"] else "none (probe.secure, probe.bogus)"),
        ("SERVFAIL", told),
        ("most affected", f"{worst['zone']}: {worst['clients']:,} clients, {worst['reason']}" if worst else "none"),
    ]


def local_root_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """What the daemon says of its copy of the root zone, if it is to have one."""
    copy = document.get("local_root")
    if copy is None:
        return []
    if copy["serial"] is None:
        return [("local root", "none: root servers are asked")]
    now = document["started"] + document["uptime"]
    until = datetime.fromtimestamp(copy["expires"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = f"serial {copy['serial']}, {copy['verified']} verified, current {duration(max(now - copy['checked'], 0))} ago"
    told += f", good until {until}; in {copy['workers']} of {len(document['workers'])} workers, {copy['answers']:,} answers"
    return [("local root", told)]


def octets(gauges: dict[str, float]) -> str:
    """The octets that the caches take."""
    return size(gauges.get("answer_octets", 0) + gauges.get("packet_octets", 0))


def size(number: float) -> str:
    """Octets for people."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def duration(seconds: float) -> str:
    """Seconds for people: the two largest units."""
    left = int(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
