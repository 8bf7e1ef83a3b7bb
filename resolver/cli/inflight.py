"""`akashi inflight`: what the running daemon is resolving."""

from __future__ import annotations

from pathlib import Path

import click

from resolver.cli.client import client, daemon_options, print_json
from resolver.cli.common import console, json_option


@click.command()
@daemon_options
@json_option
def inflight(file: Path | None, path: Path | None, as_json: bool) -> None:
    """List what is being resolved: the question, for how long, and what it waits for."""
    document = client(file, path).get("/v1/inflight")
    if as_json:
        print_json(document)
        return
    from rich.table import Table

    table = Table("worker", "seconds", "question", "for", "waits for", box=None, header_style="bold", pad_edge=False)
    count = 0
    for worker in document["workers"]:
        count += worker["count"]
        for task in worker["tasks"]:
            purpose = f"{task['clients']} clients" if task["clients"] else f"another (depth {task['depth']})"
            question = f"{task.get('name', '?')}/{task.get('type', '?')}"
            table.add_row(
                str(worker["worker"]), f"{task['seconds']:.2f}", question, purpose, task["waits_for"] or "its turn"
            )
    if count:
        console().print(table)
    console().print(f"{count} being resolved")
