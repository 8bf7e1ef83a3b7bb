"""Reading a configuration: TOML file, then `--set`, then checks; everything that is wrong is reported at once.

Theory of operation: unknown keys are taken out of the parsed TOML (each a finding), then pydantic checks the rest. What
it refuses is a finding each and falls back to its default, so that contradictions between the remaining options can
still be told. A contradiction is told only when none of the options it is about was refused already.

A relative path in a file is relative to that file's directory, in a `--set` to the current directory.

Limitations: the content of files that the configuration names (hints, anchors) is not read here, only whether they can be.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from resolver.config.contradictions import contradictions
from resolver.config.environment import missing_from_system
from resolver.config.findings import ConfigError, Finding, key_text
from resolver.config.lines import KeyPath, key_lines, line_of
from resolver.config.model import OPTIONS, SECTIONS, Config
from resolver.config.options import Option
from resolver.config.overrides import Override, parse_override
from resolver.config.values import type_name

DEFAULT_FILE = Path("/etc/akashi/akashi.toml")

_PATH_KINDS = ("file", "file or list of files", "directory", "path", "list of policy zones")


def load(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a file (by default /etc/akashi/akashi.toml, if there is one) with overrides "section.key=value".

    Raises ConfigError, and nothing else, with everything that is wrong.
    """
    path = path if path is not None else default_file()
    if path is None:
        return parse("", overrides=overrides)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError([Finding(f"cannot be read: {error.strerror}", file=str(path))]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Finding(f"not UTF-8 at octet {error.start}", file=str(path))]) from None
    except ValueError:  # a NUL in the path
        raise ConfigError([Finding("not a file name", file=repr(str(path)))]) from None
    return parse(text, file=path, overrides=overrides)


def default_file() -> Path | None:
    """The file that is read when none is named."""
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def parse(text: str, *, file: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Like `load`, from the text of a file; `file` is for messages and for relative paths."""
    reading = _Reading(text, file)
    data = reading.toml()
    for override in overrides:
        reading.override(data, override)
    config = reading.config(data)
    if reading.findings:
        raise ConfigError(reading.ordered())
    return config


@dataclass
class _Reading:
    """One text on its way to a Config."""

    text: str
    file: Path | None
    findings: list[Finding] = field(default_factory=list)
    set_by: dict[KeyPath, str] = field(default_factory=dict)
    """Keys that a `--set` has given, and which."""
    lines: Mapping[KeyPath, int] | None = None

    # --- text to tables -----------------------------------------------------------------------------------------

    def toml(self) -> dict[str, Any]:
        """The tables of the file; empty, with a finding, when it is no TOML."""
        try:
            data = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            message, line = _toml_error(str(error))
            self.findings.append(Finding(f"not TOML: {message}", file=self._file_text(), line=line))
            return {}
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; arrays nested too deeply
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            self.findings.append(Finding(f"not TOML: {reason}", file=self._file_text()))
            return {}
        base = (self.file.parent if self.file else Path()).absolute()
        for option in OPTIONS.values():
            _make_paths_absolute(data, option, base)
        return data

    def override(self, data: dict[str, Any], text: str) -> None:
        """Put what a `--set` asks for into the tables."""
        override = parse_override(text)
        if isinstance(override, Finding):
            self.findings.append(override)
            return
        self.set_by[override.path] = override.origin
        _put(data, override)
        if option := OPTIONS.get(".".join(override.path)):
            _make_paths_absolute(data, option, Path.cwd())

    # --- tables to a Config -------------------------------------------------------------------------------------

    def config(self, data: dict[str, Any]) -> Config:
        """The configuration, with what was refused left at its default."""
        known = self._known(data, ())
        refused: set[str] = set()
        while True:
            try:
                config = Config.model_validate(known)
                break
            except ValidationError as error:
                # Each round takes at least one option out of the tables, so this ends.
                for option, path, finding in _refusals(error):
                    self._add(path, finding)
                    refused.add(option.path)
                    _drop(known, option)
        for path, finding in _lost_zones(known, config):
            self._add(path, finding)
        for contradiction in contradictions(config):
            if refused.isdisjoint(contradiction.keys):
                # Point at the first of the options that somebody wrote; the others are defaults.
                paths = [_split(key) for key in contradiction.keys]
                place = next((path for path in paths if _given(path, data)), paths[0])
                self._add(place, contradiction.finding(config))
        for key, finding in missing_from_system(config):
            self._add(_split(key), finding)
        return config

    def _known(self, table: Mapping[str, Any], above: KeyPath) -> dict[str, Any]:
        """A copy of the tables with what is unknown left out and reported."""
        known: dict[str, Any] = {}
        for key, value in table.items():
            path = (*above, key)
            dotted = ".".join(path)
            if "." not in key and dotted in OPTIONS:  # "server.listen" = … in quotes is one key
                known[key] = value
            elif "." in key or dotted not in SECTIONS:
                what = "section" if isinstance(value, dict) else "option"
                self._add(path, Finding(f"unknown {what}", key=_path_text(path), hint=_did_you_mean(above, key)))
            elif isinstance(value, dict):
                known[key] = self._known(value, path)
            else:
                problem = f"a section, but given as {type_name(value)}"
                self._add(path, Finding(problem, key=dotted, value=value, hint=f"write [{dotted}]"))
        return known

    # --- findings -----------------------------------------------------------------------------------------------

    def _add(self, path: KeyPath, finding: Finding) -> None:
        """Note a finding, with the place where its key was given."""
        for length in range(len(path), 0, -1):
            if origin := self.set_by.get(path[:length]):
                self.findings.append(replace(finding, file=origin))
                return
        if self.lines is None:
            self.lines = key_lines(self.text)
        if path not in self.lines:
            # `--set server.workers.x=1` made a table of the option.
            for given, origin in self.set_by.items():
                if given[: len(path)] == path:
                    self.findings.append(replace(finding, file=origin))
                    return
        self.findings.append(replace(finding, file=self._file_text(), line=line_of(self.lines, path)))

    def _file_text(self) -> str:
        return str(self.file) if self.file else ""

    def ordered(self) -> list[Finding]:
        """The findings as their keys stand in the file, then those without a line."""
        return sorted(self.findings, key=lambda finding: (finding.line is None, finding.line or 0))


def _toml_error(message: str) -> tuple[str, int | None]:
    """`tomllib` says "Expected … (at line 3, column 5)"; the line is wanted as a number."""
    head, marker, tail = message.rpartition(" (at line ")
    line = tail.split(",")[0]
    if not marker or not line.isdigit():
        return message, None
    return f"{head} ({tail.split(', ', 1)[-1]}", int(line)


def _given(path: KeyPath, data: Mapping[str, Any]) -> bool:
    table: object = data
    for part in path:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _split(key: str) -> KeyPath:
    return tuple(key.split("."))


def _path_text(path: KeyPath) -> str:
    return ".".join(key_text(part) for part in path)


def _did_you_mean(above: KeyPath, key: str) -> str:
    """The key that was probably meant: a similar one here, or the same in another section."""
    here = ".".join(above)
    prefix = f"{here}." if here else ""
    siblings = {path[len(prefix) :].split(".")[0] for path in (*OPTIONS, *SECTIONS) if path.startswith(prefix)}
    wanted = key.lower().replace("_", "-")
    if close := difflib.get_close_matches(wanted[:100], sorted(siblings), n=1, cutoff=0.7):
        return f'did you mean "{close[0]}"?'
    if homes := [option.section for option in OPTIONS.values() if option.key == wanted]:
        return f"it belongs in {' or '.join(f'[{home}]' for home in homes)}"
    elsewhere = [section for section in SECTIONS if section.rpartition(".")[2] == wanted]
    return f"did you mean [{elsewhere[0]}]?" if elsewhere else ""


def _put(data: dict[str, Any], override: Override) -> None:
    table = data
    for part in override.path[:-1]:
        below = table.setdefault(part, {})
        if not isinstance(below, dict):
            return  # the file holds something else there, which is a finding of its own
        table = below
    table[override.path[-1]] = override.value


def _drop(known: dict[str, Any], option: Option) -> None:
    table = known
    for part in option.section.split("."):
        table = table[part]
    table.pop(option.key, None)


def _make_paths_absolute(data: Mapping[str, Any], option: Option, base: Path) -> None:
    """Join relative paths of an option to `base`, in place; what is no path is left for the checks."""
    if option.kind.name not in _PATH_KINDS:
        return
    table: Any = data
    for part in option.section.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return

    def absolute(value: object) -> object:
        is_path = isinstance(value, str) and value not in ("", "builtin") and value.isprintable()
        return str(base / str(value)) if is_path else value

    value = table.get(option.key)
    if option.kind.name == "list of policy zones":
        for item in value if isinstance(value, list) else []:
            if isinstance(item, dict) and "file" in item:
                item["file"] = absolute(item["file"])
    elif isinstance(value, list):
        table[option.key] = [absolute(item) for item in value]
    elif isinstance(value, str):
        table[option.key] = absolute(value)


def _refusals(error: ValidationError) -> Iterator[tuple[Option, KeyPath, Finding]]:
    """What pydantic refused: the option, the path of its key in TOML, the finding."""
    errors = error.errors(include_url=False)
    for details in errors:
        location = details["loc"]
        if details["type"] == "too_short" and any(
            other["loc"][: len(location)] == location for other in errors if other is not details
        ):
            continue  # short only because items were refused, each with its own finding
        length = next(n for n in range(len(location), 0, -1) if _dotted(location[:n]) in OPTIONS)
        option = OPTIONS[_dotted(location[:length])]
        rest = location[length:]
        in_key = bool(rest) and rest[-1] == "[key]"
        key = option.path
        for part in rest[:-1] if in_key else rest:
            key += f"[{part}]" if isinstance(part, int) else f".{key_text(str(part))}"
        finding = Finding(
            _problem(details["type"], details["msg"], details.get("ctx", {}), details["input"]),
            key=key,
            value=details["input"],
            allowed=option.allowed,
            source="" if option.facts.source.startswith("local") else option.facts.source,
        )
        yield option, (*_split(option.path), *(str(part) for part in rest)), finding


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _problem(kind: str, message: str, context: Mapping[str, Any], value: object) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind in ("too_small", "too_large", "too_few", "too_many"):
        return message
    if kind == "too_short":
        return "empty"
    if kind == "literal_error" and isinstance(value, str):
        return "not one of the choices"
    return f"is {type_name(value)}"


def _lost_zones(known: Mapping[str, Any], config: Config) -> Iterator[tuple[KeyPath, Finding]]:
    """Two spellings of one zone in a table: only one would count."""
    for path in ("upstream.stub", "upstream.forward"):
        _, key = path.split(".")
        written = known.get("upstream", {}).get(key, {})
        if len(written) > len(config.value(OPTIONS[path])):  # type: ignore[arg-type]
            yield _split(path), Finding("names a zone twice, in different spellings", key=path, value=sorted(written))
