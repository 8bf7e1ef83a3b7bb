"""`python -m bench.resilience`: every attack against every resolver, into docs/RESILIENCE.md."""

import datetime
import os
import sys
from pathlib import Path

import click

from bench import namespace
from bench.peers import RESOLVERS
from bench.resilience import table
from bench.resilience.measure import ATTACKS, addresses_up, measure
from bench.resilience.world import serving


@click.command()
@click.option("--only", default="", help="Attacks, with commas: the others stay as they were measured before.")
@click.option("--resolvers", default="akashi,unbound,bind", help="With commas; Akashi first.")
@click.option("--data", type=click.Path(path_type=Path), default=table.DATA, help="Where the figures go.")
def main(only: str, resolvers: str, data: Path) -> None:
    """Attack every resolver with every attack."""
    names = [name for name in resolvers.split(",") if RESOLVERS[name].version() is not None]
    try:
        namespace.enter(sys.argv[1:], module="bench.resilience")
    except namespace.NamespaceError as error:
        raise click.ClickException(str(error)) from error
    addresses_up(len(names))
    chosen = only.split(",") if only else list(ATTACKS)
    meta = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "versions": {name: (RESOLVERS[name].title, RESOLVERS[name].version()) for name in names},
        "load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
    }
    found = table.load(data) if only else {}
    with serving() as authorities:
        for attack in chosen:
            found[attack] = measure(attack, names, authorities)
            click.echo(table.markdown(meta, {attack: found[attack]}).splitlines()[-1])
            table.save(meta, {name: found[name] for name in ATTACKS if name in found}, data)
    if data == table.DATA:
        table.publish()
        click.echo(f"wrote docs/{table.PAGE.name}: {len(found)} attacks")


if __name__ == "__main__":
    # The daemons live where the search path of an ordinary user does not lead.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    main(prog_name="python -m bench.resilience")
