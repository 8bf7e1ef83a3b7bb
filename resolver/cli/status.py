"""What the exit status says, and the one error that has a status of its own."""

from __future__ import annotations

from enum import IntEnum

import click


class Status(IntEnum):
    """Exit status of every command."""

    GOOD = 0
    """All is well."""
    FINDING = 1
    """The command worked and found something wrong."""
    USAGE = 2
    """The command line cannot be understood (click's own)."""
    UNREACHABLE = 3
    """No daemon answers."""


class DaemonUnreachable(click.ClickException):
    """No daemon answers where it should."""

    exit_code = Status.UNREACHABLE
