"""Every metric, once: name, kind, labels, what it says, and how it is read. docs/METRICS.md is made from this table.

A metric is read from a `Snapshot`: counts of all workers that are and were, and what the supervisor knows. Label values are
all of our own making (RCODEs, listed types, reasons, codes, limits, zones with anchors), never a client's address or an
arbitrary name, so the number of series is bounded whatever clients ask.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from resolver.cache.servers import EVENTS
from resolver.resolve.reports import ERROR_REPORTS
from trust.reason import Reason
from wire.limits import ALL_LIMITS
from wire.text import name_to_text, rcode_to_text, type_to_text

PREFIX: Final = "akashi_"

Labels: TypeAlias = tuple[str, ...]
Samples: TypeAlias = Iterable[tuple[Labels, float]]
Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What metrics are read from.

    Attributes:
        stats: `Manager.stats()`; `facts`: single numbers of the supervisor's.
        anchors: zone → tags. others: samples by metric name, from whoever hangs them onto the manager.
    """

    stats: Mapping[str, Any]
    facts: Mapping[str, float] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)
    restarts: Sequence[int] = ()
    anchors: Mapping[str, Sequence[int]] = field(default_factory=dict)
    findings: Mapping[str, bool] = field(default_factory=dict)
    others: Mapping[str, Sequence[tuple[Labels, float]]] = field(default_factory=dict)


Read = Callable[[Snapshot], Samples]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` is without the prefix and, for counters, without `_total`; `unit`: seconds, octets or ""."""

    name: str
    kind: Kind
    labels: Labels
    help: str
    read: Read
    source: str = ""


# --- ways of reading ---------------------------------------------------------------------------------------------------


def _count(*names: str) -> Read:
    """The sum of plain counts."""
    return lambda snapshot: [((), sum(snapshot.stats["counters"].get(name, 0) for name in names))]


def _counts(**names: str) -> Read:
    """Plain counts, each under a label's value (`_` is written `-`)."""

    def read(snapshot: Snapshot) -> Samples:
        counters = snapshot.stats["counters"]
        return [((label.replace("_", "-"),), counters.get(name, 0)) for label, name in names.items()]

    return read


def _gauge(name: str) -> Read:
    return lambda snapshot: [((), snapshot.stats["gauges"].get(name, 0))]


def _gauges(**names: str) -> Read:
    def read(snapshot: Snapshot) -> Samples:
        gauges = snapshot.stats["gauges"]
        return [((label,), gauges.get(name, 0)) for label, name in names.items()]

    return read


def _fact(name: str) -> Read:
    return lambda snapshot: [((), snapshot.facts[name])] if name in snapshot.facts else []


def _part(part: str) -> Read:
    """Counts whose keys are label values, with `|` between them."""
    return lambda snapshot: [(tuple(key.split("|")), count) for key, count in snapshot.stats.get(part, {}).items()]


def _other(name: str) -> Read:
    return lambda snapshot: snapshot.others.get(name, ())


def _said(*, keep: Callable[[list[str]], Iterable[Labels]]) -> Read:
    """Sums over the cells of responses; `keep` gives the labels under which a cell counts.

    A cell is [transport, type, RCODE, verdict, reason, errors, NTA].
    """

    def read(snapshot: Snapshot) -> Samples:
        sums: dict[Labels, float] = {}
        for key, count in (*((key, 0) for key in _USUAL), *snapshot.stats.get("responses", {}).items()):
            for labels in keep(key.split("|")):
                sums[labels] = sums.get(labels, 0) + count
        return sums.items()

    return read


_CODES: Final = sorted({reason.ede for reason in Reason if reason.ede is not None})
_USUAL: Final = [
    *(f"{transport}|0|{rcode}|||" for transport in ("udp", "tcp") for rcode in (0, 1, 2, 3, 4, 5)),
    f"udp|0|0|||{','.join(map(str, _CODES))}",
]
"""RCODEs and errors that are there from the start, so that a first SERVFAIL is seen to be an increase."""


def _nta(cell: list[str]) -> Iterable[Labels]:
    return [(name_to_text(bytes.fromhex(cell[6])),)] if len(cell) > 6 and cell[6] else []


def _rcode(cell: list[str]) -> Iterable[Labels]:
    return [(cell[0], rcode_to_text(int(cell[2])))]


def _type(cell: list[str]) -> Iterable[Labels]:
    return [(cell[0], type_to_text(int(cell[1])) if cell[1] != "0" else "other")]


def _verdict(cell: list[str]) -> Iterable[Labels]:
    return [(cell[3], cell[4])] if cell[3] else []


def _stale(snapshot: Snapshot) -> Samples:
    kinds = {Reason.STALE.label: "data", Reason.STALE_NXDOMAIN.label: "nxdomain"}
    sums = dict.fromkeys(kinds.values(), 0.0)
    for key, count in snapshot.stats.get("responses", {}).items():
        kind = kinds.get(key.split("|")[4])
        if kind is not None:
            sums[kind] += count
    return [((kind,), count) for kind, count in sums.items()]


def _ede(cell: list[str]) -> Iterable[Labels]:
    return [(code,) for code in cell[5].split(",") if code]


_HIT_BUCKET: Final = "0.001"
"""Responses of the packet cache take far less; they are put into the first bucket when read."""


def _client_seconds(snapshot: Snapshot) -> Samples:
    counts = dict(snapshot.stats.get("client_seconds", {}))
    counts[_HIT_BUCKET] = counts.get(_HIT_BUCKET, 0) + snapshot.stats["counters"].get("packet_hits", 0)
    return [((bound,), count) for bound, count in counts.items()]


def _upstream_seconds(snapshot: Snapshot) -> Samples:
    return [((bound,), count) for bound, count in snapshot.stats.get("upstream_seconds", {}).items()]


def _cache_hits(snapshot: Snapshot) -> Samples:
    counters = snapshot.stats["counters"]
    return [(("packet",), counters.get("packet_hits", 0)), (("answer",), counters.get("instant_hits", 0))]


def _limits(snapshot: Snapshot) -> Samples:
    out: list[tuple[Labels, float]] = []
    for enforced, part in (("yes", "limits"), ("no", "limits_shadow")):
        hits = snapshot.stats.get(part, {})
        known = [limit.label for limit in ALL_LIMITS if limit.shadowable or enforced == "yes"]
        out += [((label, enforced), hits.get(label, 0)) for label in dict.fromkeys(known) | hits]
    return out


def _defences(snapshot: Snapshot) -> Samples:
    counts = snapshot.stats.get("defences", {})
    return [((event,), counts.get(event, 0)) for event in EVENTS]


def _error_reports(snapshot: Snapshot) -> Samples:
    counts = snapshot.stats.get("error_reports", {})
    return [((result,), counts.get(result, 0)) for result in ERROR_REPORTS]


def _anchors(snapshot: Snapshot) -> Samples:
    return [((zone, str(tag)), 1) for zone, tags in snapshot.anchors.items() for tag in tags]


def policy_hits(stats: Mapping[str, Any]) -> dict[Labels, float]:
    """Hits by policy zone and action: of queries that were answered, and of those that policy wants unanswered."""
    sums: dict[Labels, float] = {}
    answered = ((key.split("|")[7], count) for key, count in stats.get("responses", {}).items() if key.count("|") >= 7)
    for label, count in (*answered, *stats.get("policy_drops", {}).items()):
        for hit in label.split(",") if label else ():
            zone, _, action = hit.partition(":")
            labels = bytes.fromhex(zone).decode(), action
            sums[labels] = sums.get(labels, 0) + count
    return sums


# --- the table ---------------------------------------------------------------------------------------------------------

METRICS: Final = (
    # Clients
    Metric(
        "queries", "counter", ("transport",), "Queries read from clients.", _counts(udp="udp_queries", tcp="tcp_queries")
    ),
    Metric(
        "query_types",
        "counter",
        ("transport", "type"),
        "Responses by the type that was asked for; rare types count as other.",
        _said(keep=_type),
    ),
    Metric(
        "responses", "counter", ("transport", "rcode"), "Responses by RCODE.", _said(keep=_rcode), "guideline 2-10, 2-11"
    ),
    Metric(
        "validations",
        "counter",
        ("verdict", "reason"),
        "Responses by the validator's verdict and its reason (trust/reason.py).",
        _said(keep=_verdict),
        "guideline 2-9, 2-10",
    ),
    Metric(
        "ede", "counter", ("code",), "Extended DNS Errors sent, by INFO-CODE.", _said(keep=_ede), "RFC 8914, guideline 2-6"
    ),
    Metric(
        "client_seconds",
        "histogram",
        (),
        "Time from a query to its response; packet cache hits are in the first bucket and add nothing to the sum.",
        _client_seconds,
    ),
    Metric(
        "refused", "counter", (), "Queries of clients that are not served (access.allow).", _count("refused"), "RFC 5358"
    ),
    Metric("malformed", "counter", (), "Packets that were no query.", _count("malformed")),
    Metric("dropped", "counter", (), "Packets without an answer: no query, or too many unanswered.", _count("dropped")),
    Metric("send_failures", "counter", (), "Responses that the system would not send.", _count("send_failures")),
    Metric(
        "tcp_connections_events",
        "counter",
        ("event",),
        "Client connections accepted, rejected (caps), closed for idleness, cut for not reading.",
        _counts(accepted="tcp_accepted", rejected="tcp_rejected", idle="tcp_idle_closed", cut="tcp_cut"),
        "RFC 7766, RFC 9210",
    ),
    Metric("tcp_connections", "gauge", (), "Client connections that are open.", _gauge("tcp_connections")),
    Metric("unanswered", "gauge", (), "Client queries being worked on.", _gauge("unanswered")),
    Metric("inflight", "gauge", (), "Resolutions in progress, sub-resolutions included.", _gauge("inflight")),
    # Caches
    Metric(
        "cache_hits",
        "counter",
        ("layer",),
        "Queries answered by whole responses (packet), or at once from other caches and local data (answer).",
        _cache_hits,
    ),
    Metric(
        "cache_entries",
        "gauge",
        ("cache",),
        "What the caches hold.",
        _gauges(
            answers="answers",
            packets="packets",
            delegations="delegations",
            zones="zones",
            denials="denials",
            failures="failures",
            servers="servers",
        ),
    ),
    Metric(
        "cache_octets",
        "gauge",
        ("cache",),
        "Memory that the caches take.",
        _gauges(answers="answer_octets", packets="packet_octets"),
    ),
    Metric(
        "cache_limit_octets",
        "gauge",
        ("cache",),
        "Memory that they may take (cache.size).",
        _gauges(answers="answer_limit", packets="packet_limit"),
    ),
    Metric(
        "cache_evictions",
        "counter",
        ("cache",),
        "Entries dropped for want of room.",
        _counts(answers="answer_evictions", packets="packet_evictions"),
    ),
    Metric(
        "stale_answers",
        "counter",
        ("kind",),
        "Responses from expired data because no authority answered (in time), by what they said.",
        _stale,
        "RFC 8767",
    ),
    Metric(
        "prefetches",
        "counter",
        ("result",),
        "Entries fetched anew ahead of their end (started), or not because too many were under way (left-out).",
        _counts(started="prefetches", left_out="prefetches_left_out"),
    ),
    # Servers
    Metric(
        "upstream_exchanges",
        "counter",
        ("family", "transport", "result"),
        "Ended exchanges with name servers: answer, truncated, timeout, unreachable, malformed, case, spoofed,"
        " oversize, limit, abandoned.",
        _part("exchanges"),
    ),
    Metric("upstream_seconds", "histogram", (), "Time to an answer of a name server.", _upstream_seconds),
    Metric(
        "upstream_mismatched",
        "counter",
        (),
        "Packets that came to an open port and were not the answer: more than a few are an attempt at forgery.",
        _count("upstream_mismatched"),
        "RFC 5452",
    ),
    Metric(
        "upstream_defences",
        "counter",
        ("event",),
        "Signs of forgery and odd servers: zones that went over to TCP (forgery-tcp), packets that were no answers"
        " (mismatched), answers too long or without the case or the cookie due, address families that rest.",
        _defences,
        "RFC 5452, RFC 7873, RFC 8305",
    ),
    Metric(
        "upstream_tcp_connections",
        "counter",
        (),
        "TCP connections opened to name servers; one carries several queries.",
        _count("upstream_tcp_opened"),
        "RFC 7766",
    ),
    Metric(
        "forgery_zones",
        "gauge",
        (),
        "Zones now asked over TCP, since answers are forged.",
        _gauge("forgery_zones"),
        "RFC 5452",
    ),
    Metric(
        "limit_hits",
        "counter",
        ("limit", "enforced"),
        "Times that a limit (wire/limits.py) was reached; not enforced: counted only, by limits.shadow.",
        _limits,
        "CVE-2020-8616, CVE-2023-50387, CVE-2023-50868",
    ),
    Metric(
        "error_reports",
        "counter",
        ("result",),
        "Failures of zones whose servers name an agent for reports: told, or why not (`trust.error-reports`).",
        _error_reports,
        "RFC 9567",
    ),
    # Trust
    Metric("trust_anchor", "gauge", ("zone", "tag"), "Trust anchors in force: 1 each.", _anchors, "guideline 2-7, 2-8"),
    Metric(
        "trust_anchor_state",
        "gauge",
        ("zone", "tag", "state"),
        "RFC 5011 state of each key that is followed: 1 for the present state.",
        _other("trust_anchor_state"),
        "RFC 5011 §4.2, guideline 2-7",
    ),
    Metric(
        "trust_anchor_hold_down_seconds",
        "gauge",
        ("zone", "tag"),
        "Seconds until a pending key is accepted.",
        _other("trust_anchor_hold_down_seconds"),
        "RFC 5011 §2.4",
    ),
    Metric(
        "trust_anchor_last_success_timestamp_seconds",
        "gauge",
        ("zone",),
        "When the zone's keys were last seen and validated, seconds since 1970.",
        _other("trust_anchor_last_success_timestamp_seconds"),
        "RFC 5011 §2.3",
    ),
    Metric(
        "trust_anchor_refreshes",
        "counter",
        ("result",),
        "Looks at the keys of trust points: ok, failed, or mismatch (no key of the zone matches a trust anchor).",
        _other("trust_anchor_refreshes"),
        "RFC 5011 §2.3, guideline 2-7",
    ),
    Metric(
        "trust_anchor_transitions",
        "counter",
        ("state",),
        "Keys of trust points that came into a state of RFC 5011.",
        _other("trust_anchor_transitions"),
        "RFC 5011 §4",
    ),
    Metric("trust_generation", "gauge", (), "Counts the changes of anchors and NTAs.", _fact("trust_generation")),
    Metric("ntas", "gauge", (), "Negative trust anchors in force.", _fact("ntas"), "RFC 7646, guideline 2-21"),
    Metric(
        "nta_proposals",
        "gauge",
        (),
        "Negative trust anchors proposed that nobody has decided upon.",
        _other("nta_proposals"),
        "guideline 2-22",
    ),
    Metric(
        "nta_expiry_seconds",
        "gauge",
        ("nta",),
        "Seconds until an active negative trust anchor expires.",
        _other("nta_expiry_seconds"),
        "RFC 7646 §2",
    ),
    Metric(
        "nta_age_seconds",
        "gauge",
        ("nta",),
        "Seconds since a negative trust anchor was put in force.",
        _other("nta_age_seconds"),
        "RFC 7646 §2",
    ),
    Metric(
        "nta_probe_good",
        "gauge",
        ("nta",),
        "Whether every authority of the zone gave a secure answer in the last round of probes.",
        _other("nta_probe_good"),
        "RFC 7646 §2, guideline 2-21",
    ),
    Metric(
        "nta_good_rounds",
        "gauge",
        ("nta",),
        "Good rounds of probes in a row; the anchor retires itself at three.",
        _other("nta_good_rounds"),
    ),
    Metric(
        "nta_answers",
        "counter",
        ("nta",),
        "Responses that were not validated because of this negative trust anchor.",
        _said(keep=_nta),
        "RFC 7646, guideline 2-16",
    ),
    # Watching itself
    Metric(
        "clock_offset_seconds",
        "gauge",
        (),
        "Our clock minus that of the time servers, as the majority of them say: positive when ours is ahead.",
        _other("clock_offset_seconds"),
        "guideline 2-3, 2-12, RFC 5905",
    ),
    Metric(
        "clock_max_offset_seconds",
        "gauge",
        (),
        "Offset from which on the clock counts as wrong (clock.max-offset).",
        _other("clock_max_offset_seconds"),
        "guideline 2-3",
    ),
    Metric(
        "clock_state",
        "gauge",
        ("state",),
        "What is known of our clock: good, wrong or unverified; 1 for the present state.",
        _other("clock_state"),
        "guideline 2-3, 2-12",
    ),
    Metric(
        "clock_last_check_timestamp_seconds",
        "gauge",
        (),
        "When time servers last agreed on an offset, by our clock, seconds since 1970.",
        _other("clock_last_check_timestamp_seconds"),
        "guideline 2-12",
    ),
    Metric(
        "clock_servers",
        "gauge",
        ("state",),
        "Time servers (clock.ntp-servers) by what the last check made of them: good, falseticker, unusable or silent.",
        _other("clock_servers"),
        "guideline 2-3",
    ),
    Metric(
        "clock_synchronised",
        "gauge",
        (),
        "Whether the kernel holds its clock for synchronised; absent where it cannot be asked.",
        _other("clock_synchronised"),
        "guideline 2-3, 2-12",
    ),
    Metric(
        "clock_max_error_seconds",
        "gauge",
        (),
        "How wrong the kernel holds its clock at most.",
        _other("clock_max_error_seconds"),
        "guideline 2-3",
    ),
    Metric(
        "probe_success",
        "gauge",
        ("kind", "via", "name"),
        "Whether the last probe of a configured name (probe.secure, probe.bogus) came out as it must: asked of a resolver"
        " with an empty cache (via resolver), or of our own listener (via service).",
        _other("probe_success"),
        "guideline 2-12",
    ),
    Metric(
        "probe_last_timestamp_seconds",
        "gauge",
        (),
        "When the last round of probes ended, seconds since 1970.",
        _other("probe_last_timestamp_seconds"),
        "guideline 2-12",
    ),
    Metric(
        "servfail_ratio",
        "gauge",
        (),
        "Share of SERVFAIL in the responses of the last five minutes, our own probes left out.",
        _other("servfail_ratio"),
        "guideline 2-13",
    ),
    Metric(
        "servfail_baseline_ratio",
        "gauge",
        (),
        "What the share of SERVFAIL usually is at this hour, as learned.",
        _other("servfail_baseline_ratio"),
        "guideline 2-13, 2-15",
    ),
    Metric(
        "servfail_threshold_ratio",
        "gauge",
        (),
        "Share of SERVFAIL above which the present traffic is anomalous.",
        _other("servfail_threshold_ratio"),
        "guideline 2-13, 2-15",
    ),
    Metric(
        "servfail_anomaly",
        "gauge",
        (),
        "Whether the share of SERVFAIL is above its threshold and has been for two minutes; 0 while it is being learned.",
        _other("servfail_anomaly"),
        "guideline 2-13",
    ),
    Metric(
        "servfail_learning",
        "gauge",
        (),
        "Whether the baseline is still being learned (watch.learning).",
        _other("servfail_learning"),
        "guideline 2-15",
    ),
    Metric(
        "impact_zones",
        "gauge",
        (),
        "Zones that failed for clients in the last hour; at most as many as are remembered.",
        _other("impact_zones"),
        "guideline 2-16",
    ),
    Metric(
        "impact_clients",
        "gauge",
        ("rank",),
        "Distinct clients, estimated, that the failing zone of this rank failed in the last hour (akashi impact names it).",
        _other("impact_clients"),
        "guideline 2-16",
    ),
    Metric(
        "impact_share_ratio",
        "gauge",
        ("rank",),
        "Share of all responses of the last hour that failed because of the zone of this rank.",
        _other("impact_share_ratio"),
        "guideline 2-16",
    ),
    # Policy
    Metric(
        "policy_hits",
        "counter",
        ("zone", "action"),
        "Queries for which a rule of a policy zone, or of the local zones, was met; disabled: nothing was done.",
        lambda snapshot: policy_hits(snapshot.stats).items(),
    ),
    Metric("policy_rules", "gauge", ("zone", "trigger"), "Rules of each policy zone.", _other("policy_rules")),
    Metric(
        "local_root_serial",
        "gauge",
        (),
        "Serial number of the local copy of the root zone.",
        _other("local_root_serial"),
    ),
    Metric(
        "local_root_refreshes",
        "counter",
        ("result",),
        "Looks for news of the root zone: unchanged, full or failed.",
        _other("local_root_refreshes"),
    ),
    Metric("policy_serial", "gauge", ("zone",), "Serial number of each policy zone.", _other("policy_serial")),
    Metric(
        "policy_age_seconds",
        "gauge",
        ("zone",),
        "Seconds since a policy zone was last known to be current.",
        _other("policy_age_seconds"),
    ),
    Metric(
        "policy_refreshes",
        "counter",
        ("zone", "result"),
        "Looks for news of a policy zone: unchanged, full, delta or failed.",
        _other("policy_refreshes"),
        "RFC 1995, RFC 5936",
    ),
    Metric(
        "policy_failing",
        "gauge",
        ("zone",),
        "1 while a policy zone's file is bad, its primaries do not answer or it has expired.",
        _other("policy_failing"),
    ),
    # The daemon
    Metric("workers", "gauge", (), "Worker processes there should be.", _fact("workers")),
    Metric("workers_ready", "gauge", (), "Worker processes that answer clients.", _fact("workers_ready")),
    Metric(
        "worker_restarts",
        "counter",
        ("worker",),
        "Workers that ended unexpectedly and were started anew.",
        lambda snapshot: [((str(index),), count) for index, count in enumerate(snapshot.restarts)],
    ),
    Metric("reloads", "counter", ("result",), "Reloads that were done or refused.", _other("reloads")),
    Metric(
        "reload_generation",
        "gauge",
        (),
        "Counts the configurations that were in force since the start.",
        _fact("generation"),
    ),
    Metric("internal_errors", "counter", (), "Bugs met; each is in the log.", _count("internal_errors")),
    Metric(
        "check_failed",
        "gauge",
        ("check",),
        "Conditions of health: 1 while something is wrong (/readyz, akashi status --health).",
        lambda snapshot: [((name,), float(failed)) for name, failed in snapshot.findings.items()],
        "guideline 2-13",
    ),
    Metric(
        "resident_memory_octets",
        "gauge",
        ("process",),
        "Memory of the supervisor, and of all workers together (what they share since their fork counts for each).",
        _other("resident_memory_octets"),
    ),
    Metric(
        "cpu_seconds", "counter", ("process",), "Processor time, workers that are gone included.", _other("cpu_seconds")
    ),
    Metric(
        "open_files",
        "gauge",
        ("process",),
        "Descriptors that the process with most of them has open.",
        _other("open_files"),
    ),
    Metric("open_files_limit", "gauge", (), "Descriptors that a process may open.", _other("open_files_limit")),
    Metric(
        "tcp_connections_limit",
        "gauge",
        (),
        "Client connections that all workers together keep open (server.tcp-connections).",
        _other("tcp_connections_limit"),
    ),
    Metric(
        "udp_size_octets",
        "gauge",
        ("side",),
        "Largest UDP message sent to clients (server.max-udp-size) and asked of servers (upstream.edns-buffer).",
        _other("udp_size_octets"),
        "guideline 2-4, 2-5, RFC 9715",
    ),
    Metric(
        "state_writable",
        "gauge",
        (),
        "Whether what must survive a restart can be written (trust.state-dir): 1 or 0.",
        _other("state_writable"),
        "RFC 5011, guideline 2-7",
    ),
    Metric("start_time_seconds", "gauge", (), "When the daemon started, seconds since 1970.", _fact("start_time")),
    Metric(
        "build_info",
        "gauge",
        ("version", "python", "core"),
        "What runs: always 1. `core`: compiled where the accelerator is installed, else python.",
        lambda snapshot: (
            [(tuple(snapshot.info[label] for label in ("version", "python", "core")), 1)] if snapshot.info else []
        ),
    ),
)
