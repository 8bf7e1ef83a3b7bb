"""`akashi serve`: the daemon in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from resolver.cli.common import config_options, load_or_exit


@click.command()
@config_options
@click.pass_context
def serve(ctx: click.Context, file: Path | None, overrides: tuple[str, ...]) -> None:
    """Run the resolver in the foreground; logs go to standard error. SIGTERM and SIGINT stop it, SIGHUP reloads."""
    config = load_or_exit(file, overrides)
    # Only now: a mistake in the configuration is told without the cost of the daemon's imports.
    from resolver.config import default_file
    from resolver.daemon import Source, run

    file = file or default_file()
    ctx.exit(run(config, Source(file.absolute() if file is not None else None, overrides)))
