"""`akashi serve`: the daemon in the foreground."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click

from resolver.cli.common import config_options, load_or_exit


@click.command()
@config_options
@click.pass_context
def serve(ctx: click.Context, file: Path | None, overrides: tuple[str, ...]) -> None:
    """Run the resolver in the foreground; logs go to standard error. SIGTERM and SIGINT stop it, SIGHUP reloads."""
    # What is imported stays. Looking through it for garbage, again and again as it grows, would take a fifth of a start's
    # processor time; supervisor and workers have it looked for once they run.
    gc.disable()
    try:
        config = load_or_exit(file, overrides)
        _without_rich()
        # Only now: a mistake in the configuration is told without the cost of the daemon's imports.
        from resolver.config import default_file
        from resolver.daemon import Source, run

        file = file or default_file()
        ctx.exit(run(config, Source(file.absolute() if file is not None else None, overrides)))
    finally:
        gc.enable()


def _without_rich() -> None:
    """Have structlog imported as where rich is not installed: the daemon writes plain lines, and rich takes a fifth of a
    start's processor time. None in sys.modules is how Python is told that there is no such module.
    """
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
