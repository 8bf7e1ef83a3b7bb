"""`akashi check-config`: what is wrong with a configuration, or what is notable about a good one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resolver.cli.common import config_options, console, json_option
from resolver.cli.status import Status

if TYPE_CHECKING:
    from resolver.config import Config, Finding


@click.command("check-config")
@config_options
@json_option
@click.pass_context
def check_config(ctx: click.Context, file: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with a configuration: file, line, key, allowed range.

    Exit status 0 when it can be used, 1 when not. A good one is listed where it differs from the defaults.
    """
    from resolver.config import ConfigError, default_file, load

    file = file or default_file()
    try:
        config = load(file, overrides)
    except ConfigError as error:
        (_print_findings_json if as_json else _print_findings)(file, error.findings)
        ctx.exit(Status.FINDING)
    (_print_good_json if as_json else _print_good)(file, config)


def _print_findings_json(file: Path | None, findings: tuple[Finding, ...]) -> None:
    report = {"ok": False, "file": file and str(file), "findings": [finding.as_json() for finding in findings]}
    click.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _print_findings(file: Path | None, findings: tuple[Finding, ...]) -> None:
    from rich.text import Text

    out = console()
    for finding in findings:
        text = Text(str(finding))
        text.highlight_words([finding.problem], "bold red")
        if finding.hint:
            text.highlight_words([finding.hint], "green")
        out.print(text)
    count = f"{len(findings)} error{'s' if len(findings) > 1 else ''}"
    out.print(f"{count} in {file or 'the defaults with --set'}")


def _changed(config: Config) -> list[tuple[str, object, object]]:
    """(key, value, default) of every option that is not at its default, as an operator would write them."""
    from resolver.config import Config

    return [
        (change.key, change.option.kind.show(change.after), change.option.default)
        for change in Config().differences(config)
    ]


def _print_good_json(file: Path | None, config: Config) -> None:
    from resolver.config.notices import notices

    report = {
        "ok": True,
        "file": file and str(file),
        "changed": [{"key": key, "value": value, "default": default} for key, value, default in _changed(config)],
        "notices": [
            {"key": notice.key, "text": notice.text, "source": notice.source or None} for notice in notices(config)
        ],
    }
    click.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _print_good(file: Path | None, config: Config) -> None:
    from rich.table import Table
    from rich.text import Text

    from resolver.config.findings import shown
    from resolver.config.notices import notices

    out = console()
    out.print(Text.assemble((f"{file or 'defaults'}: ", ""), ("ok", "bold green")))
    if changed := _changed(config):
        table = Table("option", "value", "default", box=None, header_style="bold", pad_edge=False)
        for key, value, default in changed:
            table.add_row(Text(key), Text(shown(value)), Text(shown(default), style="dim"))
        out.print(table)
    for notice in notices(config):
        source = f" ({notice.source})" if notice.source else ""
        out.print(Text.assemble(("note: ", "yellow"), f"{notice.key}: {notice.text}{source}"))
