"""`python -m bench.ede_table`: what Akashi and the installed peers say of every published case, into docs/EDE.md."""

import datetime
import os
import sys

import click

from bench import namespace
from bench.ede.document import OURS, PAGE, YES, read, write
from bench.ede.measure import PUBLISHED, measure
from bench.peers import RESOLVERS
from bench.summary import ACCELERATED
from lab.faults import CATALOGUE


@click.command()
@click.option("--only", default="", help="Cases, with commas; then the table is printed instead of written.")
@click.option("--resolvers", default="", help="Resolvers beside ours, with commas (all that are installed).")
def main(only: str, resolvers: str) -> None:
    """Measure every published case; exit status 1 when there is one in which a peer says more than we do."""
    chosen = resolvers.split(",") if resolvers else [name for name in RESOLVERS if name != ACCELERATED]
    names = [OURS, *(name for name in chosen if name != OURS and RESOLVERS[name].version() is not None)]
    try:
        namespace.enter(sys.argv[1:], module="bench.ede_table")
    except namespace.NamespaceError as error:
        raise click.ClickException(str(error)) from error
    faults = [CATALOGUE[case] for case in only.split(",")] if only else PUBLISHED
    measured = measure(names, faults, lambda what: click.echo(f"asking {what} …", err=True))
    titles = {name: f"{RESOLVERS[name].title} {RESOLVERS[name].version()}" for name in names}
    page = write(measured, titles, datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"))
    if only or resolvers:
        click.echo(page)
        return
    PAGE.write_text(page)
    less = [case for case, (_, mark) in read()[1].items() if mark != YES]
    click.echo(f"wrote docs/{PAGE.name}: {len(faults)} cases" + (f"; less specific: {', '.join(less)}" if less else ""))
    sys.exit(1 if less else 0)


if __name__ == "__main__":
    # The daemons live where the search path of an ordinary user does not lead.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    main(prog_name="python -m bench.ede_table")
