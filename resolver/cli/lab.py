"""`akashi lab`: the mini-Internet on loopback — start, stop, look, list its faults, break and heal its zones.

Everything here is presentation; the lab itself is the package `lab`, which knows nothing of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from resolver.cli.common import console, json_option
from resolver.cli.lazy import LazyCommand, LazyGroup
from resolver.cli.status import DaemonUnreachable, Status

if TYPE_CHECKING:
    from rich.table import Table

    from lab.directory import LabDirectory, Settings
    from lab.process import Report

Decorated = TypeVar("Decorated", bound=Callable[..., object])

RESOLVER_READY_TIMEOUT_S = 30.0
FIRST_NAME = "www.example.jp"
# A few questions that show what the lab is for; the faults are looked up in the catalogue.
MORE = {
    name: LazyCommand(f"resolver.cli.{module}:{attribute}", summary)
    for name, module, attribute, summary in (
        ("keys", "lab_keys", "keys", "The keys of a zone, and which state of its life each is in."),
        ("key", "lab_keys", "key", "Generate, publish, activate, revoke or remove a key of a zone."),
        ("ds", "lab_keys", "ds", "Have the parent publish the DS of these keys."),
        ("policy", "lab_keys", "policy", "Change TTL or validity of a zone's DNSKEY RRset."),
        ("move", "lab_keys", "move", "Delegate a zone to other servers."),
        ("leave", "lab_keys", "leave", "The servers that a zone has left stop serving it."),
        ("drill", "lab_drill", "drill", "Play a story step by step: roll-overs, expired signatures, NTA."),
    )
}
SHOWN_FAULTS = ("rrsig-exp-all", "ds-bad-tag", "nsec3-missing", "no-dnskey-256", "allow-query-none")


def directory_option(command: Decorated) -> Decorated:
    return click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(".lab"),
        envvar="AKASHI_LAB",
        show_default=True,
        show_envvar=True,
        help="Where the lab keeps its files.",
    )(command)


@click.group(cls=LazyGroup, lazy=MORE)
def lab() -> None:
    """A mini-Internet in a box: signed zones, one fault per zone, authoritative servers on 127.x.y.z."""


# -- up --------------------------------------------------------------------------------------------------------------


@lab.command()
@directory_option
@click.option("--port", type=click.IntRange(1, 65535), default=5310, show_default=True, help="Port of all servers.")
@click.option("--backend", metavar="NAME", default="embedded", show_default=True, help="embedded, nsd, knot, bind, pdns.")
@click.option("--serve", is_flag=True, help="Stay in the foreground with a resolver; Ctrl-C stops all.")
@click.option(
    "--resolver-listen", metavar="IP:PORT", default="127.0.0.1:5300", show_default=True, help="Where the resolver listens."
)
@click.option(
    "--metrics-listen", metavar="IP:PORT", default="127.0.0.1:9153", show_default=True, help='Its metrics; "" = off.'
)
@click.option("--prefix", metavar="127.N", default="127.53", show_default=True, help="First half of all addresses.")
@click.option("--ttl", type=click.IntRange(1, 86400), help="Largest TTL anywhere, in seconds, for watching roll-overs.")
@click.option("--faults/--no-faults", default=True, show_default=True, help="Have a zone for each fault.")
@click.pass_context
def up(
    ctx: click.Context,
    directory: Path,
    port: int,
    backend: str,
    serve: bool,
    resolver_listen: str,
    metrics_listen: str,
    prefix: str,
    ttl: int | None,
    faults: bool,
) -> None:
    """Build, sign and serve the mini-Internet.

    In the background unless --serve is given. Writes root hints, trust anchor and a configuration for `akashi serve -c`
    into the directory. Exit status 1 when it cannot start, or when something it runs ends by itself.
    """
    settings = _settings(directory, port, backend, resolver_listen, metrics_listen, prefix)
    settings = replace(settings, ttl=ttl, faults=faults)
    ctx.exit(_up_in_foreground(settings) if serve else _up_in_background(settings))


def _settings(directory: Path, port: int, backend: str, resolver_listen: str, metrics_listen: str, prefix: str) -> Settings:
    from lab.daemons import BACKENDS
    from lab.directory import Settings

    if backend not in BACKENDS:
        raise click.BadParameter(f"{backend!r} is not one of {', '.join(BACKENDS)}", param_hint="--backend")
    octets = prefix.split(".")
    if len(octets) != 2 or octets[0] != "127" or not octets[1].isdigit() or not 0 < int(octets[1]) < 256:
        raise click.BadParameter(f"{prefix!r} is not 127.1 … 127.255", param_hint="--prefix")
    _endpoint(resolver_listen)
    return Settings(directory, port, backend, resolver_listen, metrics_listen, prefix)


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter(f"{text!r} is not IP:PORT", param_hint="--resolver-listen")
    return host.strip("[]"), int(port)


def _up_in_background(settings: Settings) -> int:
    from lab.background import start
    from lab.internet import LabError

    try:
        report = start(settings)
    except LabError as error:
        return _fail(str(error))
    out = console()
    _print_running(report)
    out.print(f"\nStart a resolver on it:  akashi serve -c {report['config']}")
    out.print("Then ask it:")
    _print_expectations(settings)
    out.print(f"\nAsk a server directly:   {_dig(_address_of(report, 'ns1.example.jp.'), report['port'], '+norec')}")
    out.print("All faults: akashi lab cases.  Stop: akashi lab down.")
    return Status.GOOD


def _up_in_foreground(settings: Settings) -> int:
    from lab.client import wait_for_answer
    from lab.directory import LabDirectory
    from lab.internet import LabError
    from lab.process import run

    host, port = _endpoint(settings.resolver_listen)
    config = LabDirectory(settings.directory).config

    async def announce(report: Report) -> str | None:
        _print_running(report)
        answer = await wait_for_answer(host, port, FIRST_NAME, "A", RESOLVER_READY_TIMEOUT_S)
        if answer is None:
            return f"the resolver does not answer on {settings.resolver_listen}"
        console().print(f"\nThe resolver answers on {settings.resolver_listen}. Ask it, from another terminal:")
        _print_expectations(settings)
        console().print("\nAll faults: akashi lab cases.  Ctrl-C stops everything.")
        return None

    try:
        status = run(settings, resolver=[sys.executable, "-m", "resolver", "serve", "-c", str(config)], ready=announce)
    except LabError as error:
        return _fail(str(error))
    click.echo("The lab has stopped; nothing is left running.", err=True)
    return Status.FINDING if status else Status.GOOD


def _dig(address: str, port: int, options: str, name: str = FIRST_NAME) -> str:
    return f"dig @{address} -p {port} {name} {options}"


def _address_of(report: Report, host: str) -> str:
    return next(str(server["address"]) for server in report["servers"] if server["host"] == host)


def _print_running(report: Report) -> None:
    addresses = [server["address"] for server in report["servers"]]
    prefix = ".".join(addresses[0].split(".")[:2])
    out = console()
    out.print(
        f"The mini-Internet is up (pid {report['pid']}): {report['zones']} zones, {report['fault_zones']} of them one per "
        f"fault, on {len(addresses)} addresses {prefix}.x.y, port {report['port']}, served by {report['backend']}."
    )
    if report["backend_note"]:
        out.print(report["backend_note"])


def _print_expectations(settings: Settings) -> None:
    from lab.faults import CATALOGUE

    host, port = _endpoint(settings.resolver_listen)
    shown = [CATALOGUE[name] for name in SHOWN_FAULTS] if settings.faults else []
    out = console()
    for name, expect, because in (
        (FIRST_NAME, "NOERROR, AD", "signed, chain of trust from the root"),
        ("www.example.com", "NOERROR, AD", "the same through a zone with NSEC3 opt-out"),
        ("www.unsigned.jp", "NOERROR, no AD", "its parent proves that it is not signed"),
        *((fault.question.rstrip("."), _expectation(fault.expect), fault.wrong) for fault in shown),
    ):
        # Not a table: these lines are there to be copied, at any width of the terminal.
        out.print(f"  {_dig(host, port, '+dnssec', name)}")
        out.print(f"      {expect}  ({because})", style="dim")


def print_table(table: Table) -> None:
    """Print a table; in a pipe nothing is wrapped or shortened."""
    out = console()
    if not out.is_terminal:
        out.width = 240
    out.print(table)


def _expectation(expect: Any) -> str:
    ede = " or ".join(str(code) for code in expect.ede)
    return f"{expect.rcode}{', AD' if expect.ad else ''}{f', EDE {ede}' if ede else ''}"


def _fail(text: str) -> int:
    click.echo(f"akashi lab: {text}", err=True)
    return Status.FINDING


# -- down, status, break, heal -------------------------------------------------------------------------------------------


@lab.command()
@directory_option
def down(directory: Path) -> None:
    """Stop the lab of a directory. Its keys and files stay, so that the trust anchor is the same next time."""
    from lab.background import stop
    from lab.internet import LabError

    try:
        stopped = stop(_lab_directory(directory))
    except LabError as error:
        raise SystemExit(_fail(str(error))) from None
    if not stopped:
        _not_running(directory)
    console().print("The lab has stopped.")


@lab.command()
@directory_option
@json_option
@click.option("--all", "everything", is_flag=True, help="List the servers of the fault zones too.")
def status(directory: Path, as_json: bool, everything: bool) -> None:
    """What is running: servers, addresses, zones, and what is broken."""
    import json

    if as_json and _lab_directory(directory).running() is None:
        click.echo(json.dumps({"running": False}))
        raise SystemExit(Status.UNREACHABLE)
    report = command(directory, "status")
    if as_json:
        click.echo(json.dumps({"running": True, **report}, indent=2))
    else:
        _print_status(report, everything)


@lab.command()
@directory_option
@click.argument("seconds", type=click.IntRange(-10 * 365 * 86400, 10 * 365 * 86400))
def clock(directory: Path, seconds: int) -> None:
    """Have the mini-Internet live SECONDS ahead of this machine (-3600: an hour behind; 0: at the same time).

    All zones are signed anew by that clock, and the time servers tell it: to the resolver its own clock is wrong.
    """
    command(directory, "clock", offset_s=seconds)
    where = "at this machine's time" if not seconds else f"{abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"
    console().print(f"The mini-Internet lives {where}; all zones are signed anew.")


@lab.command("break")
@directory_option
@click.argument("zone")
@click.argument("fault")
def break_(directory: Path, zone: str, fault: str) -> None:
    """Give a zone of the running lab a fault of the catalogue (`akashi lab cases`)."""
    changed = command(directory, "break", zone=zone, fault=fault)["changed"]
    console().print(f"{zone} now has the fault {fault}; signed again: {', '.join(changed)}.")


@lab.command()
@directory_option
@click.argument("zone")
def heal(directory: Path, zone: str) -> None:
    """Take the fault away from a zone of the running lab."""
    changed = command(directory, "heal", zone=zone)["changed"]
    console().print(f"{zone} is healed; signed again: {', '.join(changed)}.")


def _lab_directory(directory: Path) -> LabDirectory:
    from lab.directory import LabDirectory

    return LabDirectory(directory)


def _not_running(directory: Path) -> NoReturn:
    raise DaemonUnreachable(f"no lab is running in {directory}; start one: akashi lab up --dir {directory}")


def command(directory: Path, do: str, **arguments: object) -> Report:
    """Have the running lab do something; exits with 3 when there is none, with 1 when it refuses."""
    from lab import client
    from lab.errors import LabError

    files = _lab_directory(directory)
    if files.running() is None:
        _not_running(directory)
    try:
        return client.command(files.control_socket, do, **arguments)
    except LabError as error:
        raise SystemExit(_fail(str(error))) from None
    except OSError as error:
        raise DaemonUnreachable(f"the lab in {directory} does not answer: {error}") from None


def _print_status(report: Mapping[str, Any], everything: bool) -> None:
    from datetime import UTC, datetime

    from rich.table import Table

    _print_running(dict(report))
    out = console()
    expires = datetime.fromtimestamp(report["expires"], UTC)
    out.print(f"Resolver: {report['resolver'] or 'none started by the lab'}; configuration {report['config']}")
    out.print(f"Signatures hold until {expires:%Y-%m-%dT%H:%MZ} and are renewed in time.")
    for zone, fault in report["broken"].items():
        out.print(f"Broken: {zone} has the fault {fault}; akashi lab heal {zone}", style="yellow")
    table = Table(box=None, pad_edge=False)
    for heading in ("address", "host", "served by", "zones"):
        table.add_column(heading, overflow="fold")
    hidden = 0
    for server in report["servers"]:
        if not everything and server["host"].endswith(".faults.jp.") and len(server["host"].split(".")) == 5:
            hidden += 1
            continue
        table.add_row(server["address"], server["host"], server["served_by"], " ".join(server["zones"]) or "–")
    print_table(table)
    if hidden:
        out.print(f"… and {hidden} servers of fault zones (--all lists them).")


# -- cases ---------------------------------------------------------------------------------------------------------------


@lab.command()
@json_option
def cases(as_json: bool) -> None:
    """The fault catalogue: what to ask, what is wrong, what a validating resolver should answer."""
    import json

    from rich.table import Table

    from lab.faults import CATALOGUE

    if as_json:
        click.echo(json.dumps([_case(fault) for fault in CATALOGUE.values()], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("fault", "ask (type A)", "expect", "what is wrong"):
        table.add_column(heading, overflow="fold")
    for fault in CATALOGUE.values():
        table.add_row(fault.name, fault.question.rstrip("."), _expectation(fault.expect), fault.wrong)
    print_table(table)


def _case(fault: Any) -> dict[str, object]:
    validated = fault.expect_if_sha1_validates
    return {
        "name": fault.name,
        "zone": fault.zone,
        "question": {"name": fault.question, "type": "A"},
        "wrong": fault.wrong,
        "published": fault.published,
        "expect": _expectation_json(fault.expect),
        "expect_if_sha1_validates": _expectation_json(validated) if validated else None,
    }


def _expectation_json(expect: Any) -> dict[str, object]:
    return {"rcode": expect.rcode, "ad": expect.ad, "ede_any_of": list(expect.ede)}
