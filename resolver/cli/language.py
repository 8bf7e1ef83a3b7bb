"""`--lang`: the language of what people read, as given, else as the locale says (English when it is neither of ours)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., object])

LANGUAGES = ("en", "ja")


def language_of(environment: Mapping[str, str]) -> str:
    """The language of a locale: the first of LC_ALL, LC_MESSAGES and LANG that is set decides (POSIX.1-2017 §8.2)."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(variable):
            language = value.split("_")[0].split(".")[0].lower()
            return language if language in LANGUAGES else "en"
    return "en"


def language_option(command: Decorated) -> Decorated:
    """Add `--lang` (parameter `lang`) to a command."""
    return click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        default=lambda: language_of(os.environ),
        show_default="as the locale says",
        help="Language of the sentences.",
    )(command)
