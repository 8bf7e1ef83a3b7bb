"""`--set section.key=value` on the command line.

The value is TOML; what is no TOML is taken as text, so that quotes need not be fought through a shell:
`--set server.nsid=tokyo-1`, `--set server.listen=127.0.0.1:5300,[::1]:5300`, `--set upstream.stub.example.jp=192.0.2.1`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from resolver.config.findings import Finding, cut
from resolver.config.lines import KeyPath
from resolver.config.model import OPTIONS, SECTIONS

_TEXT_KINDS = ("text", "path", "directory", "file")


@dataclass(frozen=True, slots=True)
class Override:
    """One `--set`."""

    path: KeyPath
    value: object
    text: str
    """As given."""

    @property
    def origin(self) -> str:
        return origin(self.text)


def origin(text: str) -> str:
    """What a finding about a `--set` has in place of a file name."""
    return f"--set {cut(text)}"


def parse_override(text: str) -> Override | Finding:
    """What a `--set` asks for, or why it cannot be understood. Unknown keys are found later, with those of the file."""
    key, equals, written = text.partition("=")
    key = key.strip()
    if not equals or not key:
        return Finding("not of the form section.key=value", file=origin(text))
    if key in SECTIONS:
        return Finding("names a section, not an option", key=key, file=origin(text), hint=f"write {key}.key=value")
    path, kind = _path_and_kind(key)
    return Override(path, _value(written.strip(), kind), text)


def _path_and_kind(key: str) -> tuple[KeyPath, str]:
    """The path of the key, and the name of its kind of value ("" when unknown)."""
    if option := OPTIONS.get(key):
        return tuple(key.split(".")), option.kind.name
    for option_path, option in OPTIONS.items():
        # The rest of the key is an entry of a table, and a zone's name has dots of its own.
        if option.kind.name.startswith("table") and key.startswith(f"{option_path}."):
            entry = key[len(option_path) + 1 :]
            if len(entry) > 1 and entry[0] == entry[-1] and entry[0] in "\"'":
                entry = entry[1:-1]
            return (*option_path.split("."), entry), "text" if option.kind.name.endswith("= text") else "list"
    return tuple(key.split(".")), ""


def _value(written: str, kind: str) -> object:
    value = _toml(written)
    if kind.startswith("list") and isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    # `server.nsid=1` would be a number, but a number cannot be meant.
    return written if kind in _TEXT_KINDS and not isinstance(value, str | list) else value


def _toml(written: str) -> object:
    try:
        table = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    # More than one key: the text held a line end, and more lines of TOML.
    return table["value"] if len(table) == 1 else written
