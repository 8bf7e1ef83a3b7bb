"""What commands share: the options that choose a configuration, and the consoles they write to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from resolver.cli.status import Status

if TYPE_CHECKING:
    from rich.console import Console

    from resolver.config import Config

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def config_options(command: Decorated) -> Decorated:
    """Add `-c FILE` (parameter `file`) and `--set` (parameter `overrides`) to a command."""
    command = click.option(
        "--set",
        "overrides",
        metavar="SECTION.KEY=VALUE",
        multiple=True,
        help="Override an option; may be given more than once.",
    )(command)
    return click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(path_type=Path),
        help="Configuration file (default: /etc/akashi/akashi.toml, if there is one).",
    )(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def load_or_exit(file: Path | None, overrides: tuple[str, ...]) -> Config:
    """The configuration; when it cannot be used, says why on standard error and exits with FINDING."""
    from resolver.config import ConfigError, load

    try:
        return load(file, overrides)
    except ConfigError as error:
        for finding in error.findings:
            click.echo(f"akashi: {finding}", err=True)
        raise SystemExit(Status.FINDING) from None


def console() -> Console:
    """Standard output; in colour only on a terminal, and with the text exactly as given."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
