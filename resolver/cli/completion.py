"""`akashi completion`: the script that teaches a shell to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash:  akashi completion bash > /etc/bash_completion.d/akashi
    zsh:   akashi completion zsh > /usr/local/share/zsh/site-functions/_akashi
    fish:  akashi completion fish > ~/.config/fish/completions/akashi.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    script = made(ctx.find_root().command, {}, "akashi", "_AKASHI_COMPLETE")
    # Not `source()`: for bash that asks the bash of this machine for its version, and there need not be one.
    click.echo(script.source_template % script.source_vars())
