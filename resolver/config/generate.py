"""Writes conf/akashi.toml and docs/CONFIG.md from the declared options.

python -m resolver.config.generate            write both
python -m resolver.config.generate --check    exit 1 and name the files when they are stale
"""

from __future__ import annotations

import itertools
import json
import sys
import textwrap
from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path

import click

from resolver.config.model import OPTIONS, Config
from resolver.config.options import LOCAL, Effect, Option, Reload, Section

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 100

_TOML_HEAD = """\
# Akashi: every option, with its default.
#
# Generated from resolver/config/model.py by `python -m resolver.config.generate`; copy it to /etc/akashi/akashi.toml and
# change what you need. What is left out keeps its default. `akashi check-config -c FILE` says what is wrong with a file.
#
# Durations: "500ms", "90s", "5m", "1h", "7d" or a number of seconds. Sizes: "256M", "1G" or a number of octets.
# Relative paths start from the directory of this file.
"""

_MARKDOWN_HEAD = """\
# Configuration

Generated from `resolver/config/model.py` by `python -m resolver.config.generate`; do not edit.

Akashi reads one TOML file: the one given with `-c`, else `/etc/akashi/akashi.toml` if there is one. An option left out has
its default. `--set section.key=value` on the command line goes before the file:

```console
$ akashi serve -c akashi.toml --set log.level=debug --set 'server.listen=["127.0.0.1:5300"]'
$ akashi serve --set upstream.stub.example.jp=192.0.2.1,192.0.2.2@5353
```

Unknown keys, values out of range and options that contradict each other are errors; `akashi check-config` lists all of them
with file, line and allowed range, and exits 1. [conf/akashi.toml](../conf/akashi.toml) is a file to start from.

| value | is written |
| --- | --- |
| duration | `"500ms"`, `"90s"`, `"5m"`, `"1h30m"`, `"7d"`, or a number of seconds |
| size | `"512K"`, `"256M"`, `"1G"` (multiples of 1024), or a number of octets |
| address:port | `"127.0.0.1:53"`, `"[::1]:53"` |
| name server | `"192.0.2.1"`, `"192.0.2.1@5353"`, `"192.0.2.1:5353"`, `"2001:db8::1"`, `"[2001:db8::1]:5353"` |
| prefix | `"192.0.2.0/24"`, `"2001:db8::/32"`, or an address |
| name | `"example.jp"`; internationalised names in their `xn--` form |
| file, directory | a path; relative ones start from the directory of the configuration file, with `--set` from `.` |

*Changes* says when a changed value is taken over: at reload, or only at a restart.
"""


def toml_literal(value: object) -> str:
    """A TOML value, on one line; `value` as in a configuration file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(toml_literal(item) for item in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {toml_literal(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return json.dumps(value) if isinstance(value, str) else str(value)


def sections() -> Iterator[tuple[str, str, tuple[Option, ...]]]:
    """(path, what it is about, its options) of every section."""
    for name, options in itertools.groupby(OPTIONS.values(), key=lambda option: option.section):
        yield name, _about(name), tuple(options)


def _about(name: str) -> str:
    section: type[Section] = Config
    for part in name.split("."):
        below = section.model_fields[part.replace("-", "_")].annotation
        assert isinstance(below, type) and issubclass(below, Section)
        section = below
    return getdoc(section) or ""


def akashi_toml() -> str:
    """The text of conf/akashi.toml."""
    parts = [_TOML_HEAD]
    for name, about, options in sections():
        parts.append(f"\n# {about}\n[{name}]\n")
        for option in options:
            facts = option.facts
            parts.append(_comment(facts.why))
            changes = "reloadable" if facts.reload is Reload.LIVE else "needs a restart"
            later = f"; {facts.effect.value}" if facts.effect is Effect.LATER else ""
            parts.append(_comment(f"Allowed: {option.allowed}."))
            parts.append(_comment(f"{facts.source}; {changes}{later}."))
            parts.append(f"{option.key} = {toml_literal(option.default)}\n\n")
    return "".join(parts).rstrip("\n") + "\n"


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def config_md() -> str:
    """The text of docs/CONFIG.md."""
    parts = [_MARKDOWN_HEAD]
    for name, about, options in sections():
        parts.append(f"\n## [{name}]\n\n{about}\n\n")
        parts.append("| key | default | allowed | why | source | changes |\n| --- | --- | --- | --- | --- | --- |\n")
        for option in options:
            facts = option.facts
            why = f"{facts.why} *({facts.effect.value})*" if facts.effect is Effect.LATER else facts.why
            cells = [f"`{option.key}`", f"`{toml_literal(option.default)}`", option.allowed, why]
            cells += [facts.source if facts.source != LOCAL else "—", facts.reload.value]
            parts.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n")
    return "".join(parts)


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    return {ROOT / "conf" / "akashi.toml": akashi_toml(), ROOT / "docs" / "CONFIG.md": config_md()}


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file is stale.")
def main(check: bool) -> None:
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            click.echo(f"{path.relative_to(ROOT)} is stale; run `python -m resolver.config.generate`", err=True)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(outputs()[path], "utf-8")
            click.echo(f"{path.relative_to(ROOT)} written")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
