"""Writes conf/grafana/akashi.json, Grafana's dashboard, from the table of panels below; `--check`: is the file fresh?

    python tools/grafana_dashboard.py

Every query is run against a real Prometheus that scrapes a running daemon: tests/e2e/test_monitoring.py.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).resolve().parent.parent / "conf" / "grafana" / "akashi.json"
SELECT: Final = 'job="$job",instance=~"$instance"'
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS: Final = 24
HEIGHT: Final = 8


@dataclass(frozen=True)
class Panel:
    """One graph, number or table.

    `queries`: PromQL with {S} for the selection of instances → legend; `unit`: Grafana's name of it.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    about: str = ""
    stack: bool = False
    top: float | None = None


def rate(metric: str, by: str = "") -> str:
    """A rate over Grafana's own interval, summed by these labels."""
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))" if by else f"sum(rate({metric}[$__rate_interval]))"


def quantile(share: float, metric: str) -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{S}}[$__rate_interval])))"


ROWS: Final[dict[str, list[Panel]]] = {
    "At a glance": [
        Panel("Instances up", {'sum(up{job="$job",instance=~"$instance"})': ""}, kind="stat", width=4),
        Panel("Queries a second", {rate("akashi_queries_total{S}"): ""}, "reqps", "stat", 4),
        Panel(
            "SERVFAIL",
            {rate('akashi_responses_total{S,rcode="SERVFAIL"}') + " / " + rate("akashi_responses_total{S}"): ""},
            "percentunit",
            "stat",
            4,
        ),
        Panel(
            "Secure",
            {
                rate('akashi_validations_total{S,verdict="secure"}') + " / " + rate("akashi_validations_total{S}"): "",
            },
            "percentunit",
            "stat",
            4,
            "Share of validated responses that are secure.",
        ),
        Panel("Negative trust anchors", {"max(akashi_ntas{S})": ""}, kind="stat", width=4),
        Panel("Failing checks", {"sum(akashi_check_failed{S})": ""}, kind="stat", width=4),
    ],
    "Traffic": [
        Panel("Queries", {rate("akashi_queries_total{S}", "instance, transport"): "{{instance}} {{transport}}"}, "reqps"),
        Panel(
            "Responses by RCODE",
            {rate("akashi_responses_total{S}", "rcode"): "{{rcode}}"},
            "reqps",
            about="Guideline 2-10.",
            stack=True,
        ),
        Panel("Responses by type", {rate("akashi_query_types_total{S}", "type"): "{{type}}"}, "reqps", stack=True),
        Panel(
            "Time to a response",
            {quantile(share, "akashi_client_seconds"): f"{share:.0%}" for share in (0.5, 0.95, 0.99)},
            "s",
            about="Hits of the packet cache count into the first bucket (1 ms).",
        ),
        Panel(
            "Not answered, refused, malformed",
            {rate(f"akashi_{name}_total{{S}}"): name for name in ("dropped", "send_failures", "refused", "malformed")},
            "reqps",
        ),
        Panel(
            "TCP connections of clients",
            {
                "sum(akashi_tcp_connections{S})": "open",
                "sum(akashi_tcp_connections_limit{S})": "limit",
                rate("akashi_tcp_connections_events_total{S}", "event"): "{{event}} a second",
            },
        ),
    ],
    "Verdicts": [
        Panel(
            "Responses by verdict",
            {rate("akashi_validations_total{S}", "verdict"): "{{verdict}}"},
            "reqps",
            about="Guideline 2-11.",
            stack=True,
        ),
        Panel(
            "Bogus, by reason",
            {rate('akashi_validations_total{S,verdict="bogus"}', "reason"): "{{reason}}"},
            "reqps",
            about="The reasons are those of trust/reason.py; the log names zone, record and key.",
        ),
        Panel(
            "Share of SERVFAIL and what is usual",
            {
                "max(akashi_servfail_ratio{S})": "now",
                "max(akashi_servfail_baseline_ratio{S})": "baseline",
                "max(akashi_servfail_threshold_ratio{S})": "threshold",
            },
            "percentunit",
            about="Guideline 2-13, 2-15. While the baseline is being learned only the first line is there.",
        ),
    ],
    "EDE": [
        Panel(
            "Extended DNS Errors by code",
            {rate("akashi_ede_total{S}", "code"): "EDE {{code}}"},
            "reqps",
            width=12,
            about="RFC 8914: 6 bogus, 7 expired, 8 not yet valid, 9 no DNSKEY, 10 no RRSIG, 12 no NSEC, 22, 23 network.",
        ),
        Panel(
            "Clients hit by the zones that fail most",
            {"max by (rank) (akashi_impact_clients{S})": "rank {{rank}}"},
            width=6,
            about="Estimated distinct clients of the last hour; akashi impact names the zones. Guideline 2-16.",
        ),
        Panel("Zones that failed in the last hour", {"max(akashi_impact_zones{S})": ""}, kind="stat", width=6),
    ],
    "Cache": [
        Panel(
            "Answered from a cache",
            {
                "sum by (layer) (rate(akashi_cache_hits_total{S}[$__rate_interval]))"
                " / ignoring(layer) group_left () " + rate("akashi_queries_total{S}"): "{{layer}}"
            },
            "percentunit",
            stack=True,
            top=1,
        ),
        Panel("Entries", {"sum by (cache) (akashi_cache_entries{S})": "{{cache}}"}),
        Panel(
            "Memory",
            {
                "sum by (cache) (akashi_cache_octets{S})": "{{cache}}",
                "sum by (cache) (akashi_cache_limit_octets{S})": "{{cache}}, limit",
            },
            "bytes",
        ),
        Panel("Dropped for want of room", {rate("akashi_cache_evictions_total{S}", "cache"): "{{cache}}"}, "cps"),
        Panel(
            "Waiting",
            {"sum(akashi_unanswered{S})": "client queries", "sum(akashi_inflight{S})": "resolutions"},
        ),
        Panel(
            "Fetched ahead, and answered with stale data",
            {
                rate("akashi_prefetches_total{S}", "result"): "prefetches {{result}}",
                rate("akashi_stale_answers_total{S}"): "stale answers",
            },
            "cps",
        ),
        Panel(
            "Limits that were hit",
            {
                rate("akashi_limit_hits_total{S}", "limit, enforced")
                + " > 0 or "
                + rate("akashi_limit_hits_total{S}"): "{{limit}} {{enforced}}"
            },
            "cps",
        ),
    ],
    "Upstream": [
        Panel(
            "Exchanges by result",
            {
                rate(
                    "akashi_upstream_exchanges_total{S}", "family, transport, result"
                ): "{{family}} {{transport}} {{result}}"
            },
            "cps",
        ),
        Panel(
            "Time to an answer of a name server",
            {quantile(share, "akashi_upstream_seconds"): f"{share:.0%}" for share in (0.5, 0.95, 0.99)},
            "s",
        ),
        Panel(
            "Packets that were not the answer",
            {rate("akashi_upstream_mismatched_total{S}"): "mismatched"},
            "pps",
            about="RFC 5452: more than a few are an attempt at forgery.",
        ),
        Panel(
            "Signs of forgery, odd servers",
            {
                rate("akashi_upstream_defences_total{S}", "event"): "{{event}} a second",
                "sum(akashi_forgery_zones{S})": "zones asked over TCP",
            },
        ),
        Panel(
            "Reports to zones' operators (RFC 9567)", {rate("akashi_error_reports_total{S}", "result"): "{{result}}"}, "cps"
        ),
    ],
    "Trust": [
        Panel(
            "Trust anchors in force",
            {"max by (zone, tag) (akashi_trust_anchor{S})": "{{zone}} {{tag}}"},
            kind="table",
            about="Guideline 2-7, 2-8.",
        ),
        Panel(
            "RFC 5011 states",
            {"max by (zone, tag, state) (akashi_trust_anchor_state{S})": "{{zone}} {{tag}} {{state}}"},
            kind="table",
        ),
        Panel(
            "Age of the last good look at the keys",
            {"time() - max by (instance, zone) (akashi_trust_anchor_last_success_timestamp_seconds{S})": "{{zone}}"},
            "s",
        ),
        Panel("Looks at the keys", {"sum by (result) (akashi_trust_anchor_refreshes_total{S})": "{{result}}"}),
        Panel("Changes of keys' states", {"sum by (state) (akashi_trust_anchor_transitions_total{S})": "{{state}}"}),
        Panel("Changes of anchors and NTAs", {"max by (instance) (akashi_trust_generation{S})": "{{instance}}"}),
    ],
    "NTA": [
        Panel(
            "In force, until",
            {"max by (instance, nta) (akashi_nta_expiry_seconds{S})": "{{instance}} {{nta}}"},
            "s",
            about="Guideline 2-21, 2-22.",
        ),
        Panel("Age", {"max by (instance, nta) (akashi_nta_age_seconds{S})": "{{instance}} {{nta}}"}, "s"),
        Panel("Responses not validated because of one", {rate("akashi_nta_answers_total{S}", "nta"): "{{nta}}"}, "reqps"),
        Panel(
            "Good rounds of probes (three end it)",
            {"max by (instance, nta) (akashi_nta_good_rounds{S})": "{{instance}} {{nta}}"},
        ),
        Panel("Proposals that wait", {"max by (instance) (akashi_nta_proposals{S})": "{{instance}}"}),
    ],
    "Policy": [
        Panel("Rules that were met", {rate("akashi_policy_hits_total{S}", "zone, action"): "{{zone}} {{action}}"}, "reqps"),
        Panel("Age of policy zones", {"max by (zone) (akashi_policy_age_seconds{S})": "{{zone}}"}, "s"),
        Panel("Policy zones that fail", {"max by (zone) (akashi_policy_failing{S})": "{{zone}}"}, top=1),
    ],
    "Watching itself": [
        Panel(
            "Clock",
            {
                "max by (instance) (akashi_clock_offset_seconds{S})": "{{instance}} offset",
                "max by (instance) (akashi_clock_max_error_seconds{S})": "{{instance}} kernel's worst case",
            },
            "s",
            about="Guideline 2-3.",
        ),
        Panel(
            "State of the clock",
            {"max by (instance, state) (akashi_clock_state{S}) == 1": "{{instance}} {{state}}"},
            kind="table",
        ),
        Panel(
            "Probes",
            {"min by (kind, via, name) (akashi_probe_success{S})": "{{kind}} {{name}} via {{via}}"},
            about="Guideline 2-12: 1 when the name came out as it must.",
            top=1,
        ),
        Panel("Anomaly of SERVFAIL", {"max by (instance) (akashi_servfail_anomaly{S})": "{{instance}}"}, top=1),
        Panel("Learning the baseline", {"max by (instance) (akashi_servfail_learning{S})": "{{instance}}"}, top=1),
        Panel("Checks that fail", {"max by (instance, check) (akashi_check_failed{S})": "{{instance}} {{check}}"}, top=1),
    ],
    "Process": [
        Panel(
            "Workers",
            {"sum(akashi_workers{S})": "wanted", "sum(akashi_workers_ready{S})": "ready"},
        ),
        Panel(
            "Memory",
            {"sum by (instance, process) (akashi_resident_memory_octets{S})": "{{instance}} {{process}}"},
            "bytes",
        ),
        Panel(
            "Processor",
            {rate("akashi_cpu_seconds_total{S}", "instance, process"): "{{instance}} {{process}}"},
            about="Seconds a second: 1 is one core.",
        ),
        Panel(
            "Descriptors",
            {
                "max by (process) (akashi_open_files{S})": "{{process}}, the most of a process",
                "max(akashi_open_files_limit{S})": "limit",
            },
        ),
        Panel(
            "Restarts, reloads, bugs",
            {
                "sum(akashi_worker_restarts_total{S})": "worker restarts",
                "sum by (result) (akashi_reloads_total{S})": "reloads {{result}}",
                "sum(akashi_internal_errors_total{S})": "internal errors",
            },
        ),
        Panel("Version", {"max by (instance, version, python) (akashi_build_info{S})": ""}, kind="table"),
        Panel("Up for", {"time() - max by (instance) (akashi_start_time_seconds{S})": "{{instance}}"}, "s", "stat"),
        Panel("State can be written", {"min by (instance) (akashi_state_writable{S})": "{{instance}}"}, kind="stat"),
    ],
}


def panel(made: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """As Grafana has it."""
    height = 4 if made.kind == "stat" and made.width == 4 else HEIGHT
    defaults: dict[str, Any] = {"unit": made.unit, "min": None if made.unit == "s" else 0}
    if made.top is not None:
        defaults["max"] = made.top
    if made.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 20 if made.stack else 0,
            "stacking": {"mode": "normal" if made.stack else "none"},
            "showPoints": "never",
        }
    out: dict[str, Any] = {
        "id": number,
        "type": made.kind,
        "title": made.title,
        "description": made.about,
        "datasource": DATASOURCE,
        "gridPos": {"h": height, "w": made.width, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.replace("{S", "{" + SELECT),
                "legendFormat": legend or "__auto",
            }
            | ({"instant": True, "format": "table"} if made.kind == "table" else {})
            for index, (query, legend) in enumerate(made.queries.items())
        ],
    }
    if made.kind == "timeseries":
        out["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    elif made.kind == "stat":
        out["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    else:
        out["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]
    return out


def panels() -> list[dict[str, Any]]:
    """Rows with their panels, from left to right and downwards."""
    out: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        out.append(
            {"id": len(out) + 1, "type": "row", "title": title, "collapsed": False, "panels": []}
            | {"gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}}
        )
        y, x, height = y + 1, 0, 0
        for made in row:
            if x + made.width > COLUMNS:
                y, x, height = y + height, 0, 0
            shown = panel(made, len(out) + 1, x, y)
            out.append(shown)
            x, height = x + made.width, max(height, shown["gridPos"]["h"])
        y += height
    return out


def variable(name: str, query: str, *, several: bool) -> dict[str, Any]:
    """A choice at the head of the dashboard, of a label's values."""
    everything = {"text": "All", "value": "$__all"}
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        "current": everything if several else {},
    }


def dashboard() -> dict[str, Any]:
    """The whole."""
    return {
        "uid": "akashi",
        "title": "Akashi",
        "description": "Akashi, a validating recursive resolver: traffic, validation, trust, health.",
        "tags": ["dns", "dnssec", "akashi"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "current": {},
                    "refresh": 1,
                },
                variable("job", "label_values(akashi_build_info, job)", several=False),
                variable("instance", 'label_values(akashi_build_info{job="$job"}, instance)', several=True),
            ]
        },
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "datasource": DATASOURCE,
                    "enable": True,
                    "iconColor": "red",
                    "expr": 'ALERTS{alertstate="firing",alertname=~"Akashi.*"}',
                    "titleFormat": "{{alertname}}",
                    "textFormat": "{{instance}}",
                }
            ]
        },
        "panels": panels(),
    }


def main() -> int:
    """Write the file, or say whether it is fresh."""
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if FILE.is_file() and FILE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{FILE} is stale: run python tools/grafana_dashboard.py", file=sys.stderr)
        return 1
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
