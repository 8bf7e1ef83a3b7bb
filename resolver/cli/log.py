"""`akashi log`: what the running daemon writes to its log."""

from __future__ import annotations

from pathlib import Path

import click

from resolver.cli.client import client, daemon_options, print_json
from resolver.cli.common import console, json_option


@click.group()
def log() -> None:
    """What the running daemon writes to its log."""


@log.command()
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]), required=False)
@daemon_options
@json_option
def level(level: str | None, file: Path | None, path: Path | None, as_json: bool) -> None:
    """Show the log level, or set it until the next reload or restart."""
    daemon = client(file, path)
    document = daemon.get("/v1/log/level") if level is None else daemon.put("/v1/log/level", level=level)
    if as_json:
        print_json(document)
    elif level is None:
        console().print(document["level"])
    else:
        console().print(f"{document['level']} (was {document['before']})")
