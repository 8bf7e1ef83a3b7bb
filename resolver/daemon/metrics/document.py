"""Writes docs/METRICS.md from the table of metrics.

python -m resolver.daemon.metrics.document            write it
python -m resolver.daemon.metrics.document --check    exit 1 when it is stale
"""

import sys
from pathlib import Path

import click

from resolver.daemon.metrics.table import METRICS, PREFIX, Metric
from resolver.server.tally import CLIENT_BOUNDS, MAX_CELLS, TYPES, UPSTREAM_BOUNDS
from wire.text import type_to_text

FILE = Path(__file__).resolve().parents[3] / "docs" / "METRICS.md"

_HEAD = """\
# Metrics

Generated from `resolver/daemon/metrics/table.py` by `python -m resolver.daemon.metrics.document`; do not edit.

The supervisor serves them on `metrics.listen` (by default `127.0.0.1:9153`), for all workers together:

| path | answers |
| --- | --- |
| `/metrics` | everything below, in Prometheus's text format, or as OpenMetrics when asked for |
| `/healthz` | 200 while the supervisor runs |
| `/readyz` | 200 while clients are answered and nothing is wrong, else 503 and a line for each thing that is |

```console
$ curl -s http://127.0.0.1:9153/metrics | grep '^akashi_responses'
$ curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:9153/readyz
```

Counters never go down while the daemon runs: those of workers that ended are added up. Of a worker that was killed, what it
counted in the last seconds is lost. At a restart of the daemon they begin at 0, which `rate()` knows how to read.

Labels have a bounded number of values, whatever clients ask: never a client's address, never a name out of a query. Types
other than {types} are `other`. There are at most {cells:,} different combinations of transport, type, RCODE,
verdict, reason and errors; beyond that, type and errors are left out.

| metric | kind | labels | what it says | source |
| --- | --- | --- | --- | --- |
"""

_TAIL = """
Buckets of `akashi_client_seconds`: {client}. Of `akashi_upstream_seconds`: {upstream}.
"""


def name_of(metric: Metric) -> str:
    """As Prometheus shows it."""
    return f"{PREFIX}{metric.name}{'_total' if metric.kind == 'counter' else ''}"


def text() -> str:
    """The text of docs/METRICS.md."""
    types = ", ".join(sorted(type_to_text(rtype) for rtype in TYPES))
    parts = [_HEAD.replace("{types}", types).replace("{cells:,}", f"{MAX_CELLS:,}")]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "—"
        parts.append(f"| `{name_of(metric)}` | {metric.kind} | {labels} | {metric.help} | {metric.source or '—'} |\n")
    client, upstream = (", ".join(f"{bound:g}" for bound in bounds) for bounds in (CLIENT_BOUNDS, UPSTREAM_BOUNDS))
    parts.append(_TAIL.format(client=f"{client} s", upstream=f"{upstream} s"))
    return "".join(parts)


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when the file is stale.")
def main(check: bool) -> None:
    stale = not FILE.exists() or FILE.read_text("utf-8") != text()
    if stale and check:
        click.echo("docs/METRICS.md is stale; run `python -m resolver.daemon.metrics.document`", err=True)
    elif stale:
        FILE.write_text(text(), "utf-8")
        click.echo("docs/METRICS.md written")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
