"""The command line: `akashi`, also as `python -m resolver`.

Theory of operation: the commands live in modules of their own, which are imported only when called, so that
`akashi --help` costs no more than click. A command is a line in `COMMANDS`.

Exit status: see `resolver.cli.status`.
"""

from __future__ import annotations

import click

import resolver
from resolver.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "serve": LazyCommand("resolver.cli.serve:serve", "Run the resolver in the foreground."),
    "check-config": LazyCommand("resolver.cli.check_config:check_config", "Say what is wrong with a configuration."),
    "status": LazyCommand("resolver.cli.daemon_status:status", "Show how the running daemon is."),
    "cache": LazyCommand("resolver.cli.cache:cache", "What the running daemon remembers: stats, lookup, flush."),
    "reload": LazyCommand("resolver.cli.reload:reload", "Have the daemon read its configuration anew."),
    "impact": LazyCommand("resolver.cli.impact:impact", "Whom failures concern: failing zones by distinct clients."),
    "baseline": LazyCommand("resolver.cli.impact:baseline", "How much SERVFAIL is usual, and thresholds to choose from."),
    "inflight": LazyCommand("resolver.cli.inflight:inflight", "List what is being resolved."),
    "log": LazyCommand("resolver.cli.log:log", "What the running daemon writes to its log: level."),
    "trust": LazyCommand("resolver.cli.trust:trust", "Trust anchors: status, refresh, import, export, forget."),
    "nta": LazyCommand("resolver.cli.nta:nta", "Negative trust anchors: propose, approve, list, remove, history …"),
    "policy": LazyCommand("resolver.cli.policy:policy", "Policy zones, local zones, DNS64: list, lookup, refresh."),
    "explain": LazyCommand("resolver.cli.explain:explain", "Show the chain of trust of a name, with the failing link."),
    "conform": LazyCommand(
        "resolver.cli.conform:conform", "The guideline's 2-1 … 2-22 with evidence, and the level reached."
    ),
    "fleet": LazyCommand("resolver.cli.fleet:fleet", "Do all advertised resolvers validate, and alike? check."),
    "completion": LazyCommand("resolver.cli.completion:completion", "Print the completion script for bash, zsh or fish."),
    "lab": LazyCommand("resolver.cli.lab:lab", "A mini-Internet in a box: signed zones, faults, drills."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    resolver.__version__, prog_name="akashi", message=f"%(prog)s, version %(version)s, core: {resolver.core()}"
)
def akashi() -> None:
    """A validating recursive DNS resolver that shows its proof.

    Exit status: 0 good, 1 finding, 2 usage, 3 daemon not reachable.
    """


def main() -> None:
    """Entry point of the command `akashi`; never returns."""
    akashi(prog_name="akashi")
