"""`akashi reload`: have the running daemon read its configuration anew."""

from __future__ import annotations

from pathlib import Path

import click

from resolver.cli.client import PATIENCE_S, RefusedError, client, daemon_options, print_json
from resolver.cli.common import console, json_option
from resolver.cli.status import Status


@click.command()
@daemon_options
@json_option
@click.pass_context
def reload(ctx: click.Context, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Have the daemon read its configuration anew; no query is lost.

    Exit status 1 when the daemon refuses it and goes on with the old one; the reasons are printed.
    """
    try:
        document = client(file, path).post("/v1/reload", PATIENCE_S)
    except RefusedError as refused:
        if not as_json:
            raise
        print_json({"error": refused.error})
        ctx.exit(Status.FINDING)
    if as_json:
        print_json(document)
    else:
        changed = ", ".join(document["changed"]) or "no option"
        console().print(f"reloaded: generation {document['generation']}; changed: {changed}")
        for worker in document["not_replaced"]:
            console().print(f"worker {worker} still runs the old configuration")
    ctx.exit(Status.FINDING if document["not_replaced"] else Status.GOOD)
