"""What is wrong with a configuration: one `Finding` for each thing to mend, all of them in one `ConfigError`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

MAX_SHOWN_VALUE = 100
"""Longest part of an offending value that a message repeats."""


class Absent(Enum):
    """The finding is not about a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and what would be right."""

    problem: str
    """What is wrong, in a few words."""
    key: str = ""
    """Path of the key: `server.listen[1]`, `upstream.stub."example.jp"`; empty when the whole file is meant."""
    value: object = ABSENT
    """The offending value as written, where there is one."""
    allowed: str = ""
    """What would be accepted."""
    source: str = ""
    """RFC or guideline number behind the rule."""
    hint: str = ""
    """A likely correction."""
    file: str = ""
    """File, or the `--set` it was given with; empty for a default."""
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        if self.line is not None:
            where = f"{self.file}:{self.line}: " if self.file else f"line {self.line}: "
        what = f"{self.key} = {shown(self.value)}: " if self.value is not ABSENT else f"{self.key}: " if self.key else ""
        text = f"{where}{what}{self.problem}"
        if self.hint:
            text += f"; {self.hint}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        return one_line(f"{text} ({self.source})" if self.source else text)

    def as_json(self) -> dict[str, object]:
        """The fields as JSON-able values; `value` is missing where there is none."""
        fields: dict[str, object] = {
            "file": self.file or None,
            "line": self.line,
            "key": self.key or None,
            "problem": self.problem,
            "allowed": self.allowed or None,
            "source": self.source or None,
            "hint": self.hint or None,
        }
        if self.value is not ABSENT:
            fields["value"] = shown(self.value)
        return fields


SECRET_KEYS = frozenset(("tsig", "secret"))
"""Keys of tables whose values no message repeats, not even when they are what is wrong."""


class ConfigError(Exception):
    """The configuration cannot be used; `findings` says everything that is wrong with it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def shown(value: object) -> str:
    """A value for a message: on one line, in TOML-like notation, cut when long, without what is secret."""
    try:
        text = json.dumps(_without_secrets(value), ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a table nested too deeply
        text = f"({type(value).__name__})"
    return cut(one_line(text))


def _without_secrets(value: object) -> object:
    """The value with "…" for whatever stands under a key that holds a secret, at any depth."""
    if isinstance(value, dict):
        return {key: "…" if str(key).lower() in SECRET_KEYS else _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value


def one_line(text: str) -> str:
    """The text with everything that a terminal or a log would act upon written as an escape."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_VALUE else f"{text[:MAX_SHOWN_VALUE]}…"


def key_text(part: str) -> str:
    """One part of a key path, quoted when it is not a bare TOML key."""
    bare = part and part.isascii() and part.replace("-", "").replace("_", "").isalnum()
    return part if bare else shown(part)
