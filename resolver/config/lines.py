"""In which line of a TOML text each key stands; `tomllib` parses but does not say.

Theory of operation: the text is already known to be valid TOML. It is cut into pieces (strings, comments, brackets, line
ends), which are gathered into statements: a line end closes a statement unless a bracket is open. The key part of a
statement is then handed to `tomllib` itself, so that dotted and quoted keys mean exactly what they mean there.

Limitations: keys inside an inline table have the line of the key that the table belongs to (see `line_of`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

KeyPath = tuple[str, ...]

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|#[^\n]*"
    r"|[\[\]{}=\n]"
    r"""|[^"'#\[\]{}=\n]+""",
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line number, from 1, of every table header and key of a valid TOML text."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, key, is_header in _statements(text):
        path = _path(key)
        if is_header:
            table = path
            lines.setdefault(table, line)
        else:
            lines.setdefault(table + path, line)
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the nearest key or table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yields (line, text of the key, whether it is a table header)."""
    line, start, depth = 1, 1, 0
    key: list[str] = []
    in_value = False
    for match in _PIECE.finditer(f"{text}\n"):
        piece = match[0]
        if piece == "\n" and depth == 0:
            is_header = bool(key) and key[0] == "["
            if key:
                yield start, "".join(part for part in key if not (is_header and part in "[]")), is_header
            key, in_value, start = [], False, line + 1
        elif piece == "=" and depth == 0:
            in_value = True
        elif not piece.startswith("#"):
            depth += (piece in "[{") - (piece in "]}")
            if not in_value and (key or piece.strip()):
                key.append(piece)
        line += piece.count("\n")


def _path(key: str) -> KeyPath:
    try:
        table: object = tomllib.loads(f"{key.strip()} = 0")
    except ValueError:  # not a key after all: no line is better than a wrong one
        return ()
    path: list[str] = []
    while isinstance(table, dict):
        [(part, table)] = table.items()
        path.append(part)
    return tuple(path)
