"""A click group whose commands are imported when they are called; it may have ordinary ones besides."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is, and its line in the help text."""

    target: str
    """`module:attribute`"""
    summary: str

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    def exists(self) -> bool:
        """Whether the module is there; imports only the package it is in."""
        return importlib.util.find_spec(self.module) is not None

    def load(self) -> click.Command:
        command = getattr(importlib.import_module(self.module), self.target.partition(":")[2])
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is not a click command")
        return command


class LazyGroup(click.Group):
    """Lists its commands without importing them; one whose module is absent is not listed."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *(name for name, command in self.lazy.items() if command.exists())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self.lazy.get(cmd_name)
        if command is None:
            return super().get_command(ctx, cmd_name)
        return command.load() if command.exists() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(name)) for name in self.list_commands(ctx)])

    def _summary(self, name: str) -> str:
        lazy = self.lazy.get(name)
        return lazy.summary if lazy is not None else self.commands[name].get_short_help_str(limit=120)
