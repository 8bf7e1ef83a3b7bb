"""Every option of the daemon, one section a class; `Config` is the whole, immutable.

This is the only place where an option is declared: conf/akashi.toml and docs/CONFIG.md are generated from it
(`python -m resolver.config.generate`), error messages quote it. `Config()` is the default configuration. Files are read
by `resolver.config.loading`, which also refuses unknown keys and contradictions between options.

Attribute names are the keys with `-` written as `_`. Durations are seconds, sizes are octets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from resolver.config.options import LOCAL, Option, Reload, Section, option, options_of
from resolver.config.policy_values import Dns64Prefixes, LocalZoneTable, PolicyZones, Records, V4Prefixes, V6Prefixes
from resolver.config.values import (
    MAX_PORT,
    Addresses,
    Attestations,
    BuiltinOrFile,
    BuiltinOrFiles,
    Count,
    Directory,
    Duration,
    Endpoint,
    Endpoints,
    Flag,
    LimitNames,
    Nsid,
    OptionalEndpoint,
    OptionalFile,
    Prefixes,
    Ratio,
    Seconds,
    ServerAddress,
    ServerTable,
    Size,
    SocketPath,
    User,
    Zones,
)

MAX_UDP_PAYLOAD = 1232
"""Guideline 2-4, RFC 9715: the largest DNS message that crosses an IPv6 path of minimum MTU unfragmented (1280-40-8)."""

HOUR = 3600
DAY = 24 * HOUR
MIB = 1024**2


class ServerSection(Section):
    """The side that clients see: addresses, processes, answer sizes and TCP."""

    listen: Endpoints = option(
        ["127.0.0.1:53", "[::1]:53"],
        "Addresses and ports on which clients are served, over UDP and TCP alike.",
        source="RFC 1035 §4.2, RFC 7766 §5",
        reload=Reload.RESTART,
        low=1,
        note="port 0 takes a free port",
    )
    workers: Count = option(
        0,
        "Number of worker processes; 0 starts one per processor core.",
        source=LOCAL,
        reload=Reload.RESTART,
        low=0,
        high=256,
    )
    user: User = option(
        "",
        'System user to become once the ports are bound, so that a flaw in the daemon is not root\'s; "" stays as started.',
        source=LOCAL,
        reload=Reload.RESTART,
    )
    nsid: Nsid = option(
        "",
        'Identifier given to clients that ask which instance answered; "" gives the host name.',
        source="RFC 5001, guideline 2-17",
        reload=Reload.LIVE,
    )
    max_udp_size: Count = option(
        MAX_UDP_PAYLOAD,
        "Largest answer sent over UDP, in octets, whatever larger buffer the client offers; fragments get lost and can be"
        " forged.",
        source="guideline 2-4, guideline 2-5, RFC 9715",
        reload=Reload.LIVE,
        low=512,
        high=MAX_UDP_PAYLOAD,
    )
    tcp_connections: Count = option(
        500,
        "Client TCP connections that a worker keeps open at once.",
        source="RFC 7766 §6.2.2, RFC 9210",
        reload=Reload.LIVE,
        low=1,
        high=100_000,
    )
    tcp_per_client: Count = option(
        25,
        "How many of these one client address (IPv6: prefix) may hold, so that one client cannot take them all.",
        source="RFC 7766 §6.2.2, RFC 9210",
        reload=Reload.LIVE,
        low=1,
        high=100_000,
        note="not above tcp-connections",
    )
    tcp_idle_timeout: Duration = option(
        "10s",
        "How long a client TCP connection may stay idle before it is closed.",
        source="RFC 7766 §6.2.3, RFC 9210",
        reload=Reload.LIVE,
        low=0.1,
        high=600,
    )
    edns_tcp_keepalive: Flag = option(
        True,
        "Tell clients that ask over TCP how long their connection may stay idle.",
        source="RFC 7828",
        reload=Reload.LIVE,
    )
    cookies: Flag = option(
        True,
        "Give clients that know DNS cookies one, by which they can later show that their address is not forged.",
        source="RFC 7873, RFC 9018",
        reload=Reload.LIVE,
    )
    cookie_secret: OptionalFile = option(
        "",
        "File with the secrets of the cookies, shared by servers of an anycast address: 32 hexadecimal digits a line; the"
        ' first makes cookies, all verify (for roll-over); "" makes one at each start.',
        source="RFC 9018 §5",
        reload=Reload.LIVE,
        note="readable by the daemon's user, not by everybody",
    )
    require_cookie: Flag = option(
        False,
        "Clients that show a DNS cookie over UDP must show a valid one; others of them get BADCOOKIE and come again.",
        source="RFC 7873 §5.2.3",
        reload=Reload.LIVE,
        note="not without cookies",
    )
    local_zones: Flag = option(
        True,
        "Answer special-use and locally served names (localhost, reverse names of private addresses …) here instead of"
        " asking the Internet; a stub or forward zone of the same name goes first.",
        source="RFC 6303, RFC 6761, RFC 7793",
        reload=Reload.LIVE,
    )


class AccessSection(Section):
    """Who may ask."""

    allow: Prefixes = option(
        ["127.0.0.0/8", "::1/128"],
        "Clients that are served; all others get REFUSED with EDE 18, because an open resolver is a tool for attacks.",
        source="RFC 5358, RFC 8914 §4.19",
        reload=Reload.LIVE,
    )


class UpstreamSection(Section):
    """The side that authoritative servers see: where resolution starts and how questions are asked."""

    root_hints: BuiltinOrFile = option(
        "builtin",
        "Where to find the root servers at start: the packaged list, or a zone file with NS and address records.",
        source="RFC 9609",
        reload=Reload.LIVE,
    )
    prime: Flag = option(
        True,
        "Ask a root server for the current list of root servers at start; off, the hints are used as they are.",
        source="RFC 9609",
        reload=Reload.LIVE,
    )
    port: Count = option(
        53,
        "Port on which name servers are asked; other values are for labs only.",
        source="RFC 1035 §4.2",
        reload=Reload.LIVE,
        low=1,
        high=MAX_PORT,
    )
    ipv4: Flag = option(
        True,
        "Ask name servers over IPv4.",
        source="RFC 3901 §4",
        reload=Reload.LIVE,
        note="not off together with ipv6",
    )
    ipv6: Flag = option(
        True,
        "Ask name servers over IPv6.",
        source="RFC 3901 §4",
        reload=Reload.LIVE,
        note="not off together with ipv4",
    )
    minimise: Literal["off", "relaxed", "strict"] = option(
        "relaxed",
        "Show each server only the part of the name it needs; relaxed asks with the full name where a server cannot cope,"
        " strict fails.",
        source="RFC 9156",
        reload=Reload.LIVE,
    )
    randomise_case: Flag = option(
        True,
        "Mix upper and lower case in the question name and demand it back, which makes forged answers harder (0x20).",
        source="RFC 5452, RFC 4343",
        reload=Reload.LIVE,
    )
    cookies: Flag = option(
        True,
        "Send DNS cookies to name servers: those that answer with one of their own cannot be impersonated by who does not"
        " see it.",
        source="RFC 7873, RFC 9018",
        reload=Reload.LIVE,
    )
    edns_buffer: Count = option(
        MAX_UDP_PAYLOAD,
        "Size of UDP answer, in octets, that we tell name servers we can take; a larger one would arrive in fragments or"
        " not at all.",
        source="guideline 2-4, guideline 2-5, RFC 9715",
        reload=Reload.LIVE,
        low=512,
        high=MAX_UDP_PAYLOAD,
    )
    allow_loopback: Flag = option(
        False,
        "Ask name servers whose address is in 127.0.0.0/8 or ::1; for labs only.",
        source="RFC 6890, RFC 1122 §3.2.1.3",
        reload=Reload.LIVE,
    )
    private_servers: Flag = option(
        False,
        "Ask name servers found at private, link-local, documentation and other special-purpose addresses, which on the"
        " Internet are mistakes or traps.",
        source="RFC 6890, RFC 1918",
        reload=Reload.LIVE,
    )
    do_not_query: Prefixes = option(
        [],
        "Addresses that are never asked, whatever a delegation says.",
        source=LOCAL,
        reload=Reload.LIVE,
    )
    stub: ServerTable = option(
        {},
        "Zones whose authoritative servers are given here instead of found by delegation; these addresses may be private or"
        " loopback.",
        source=LOCAL,
        reload=Reload.LIVE,
        note="no zone that is in forward too",
    )
    forward: ServerTable = option(
        {},
        "Zones whose questions go to other recursive servers; their answers are validated here all the same.",
        source="RFC 2308 §1, RFC 4035 §4",
        reload=Reload.LIVE,
        note="no zone that is in stub too",
    )

    local_root: Flag = option(
        False,
        "Keep a copy of the root zone, verified from the trust anchor down, and find top-level domains in it without asking"
        " a root server; while there is none that verifies, root servers are asked as usual.",
        source="RFC 8806, RFC 8976",
        reload=Reload.RESTART,
    )
    local_root_file: OptionalFile = option(
        "",
        "A file that somebody else keeps current with the root zone, one record a line; empty: it is transferred.",
        source="RFC 8806 §2",
        reload=Reload.RESTART,
    )
    local_root_servers: Endpoints = option(
        [
            "170.247.170.2:53",
            "192.33.4.12:53",
            "192.5.5.241:53",
            "193.0.14.129:53",
            "192.0.32.132:53",
            "192.0.47.132:53",
        ],
        "Servers that the root zone is transferred from, each tried in turn (AXFR): some root servers, and ICANN's for just"
        " this.",
        source="RFC 8806",
        reload=Reload.RESTART,
    )

    @property
    def stub_servers(self) -> dict[str, tuple[Endpoint, ...]]:
        """`stub` with every port filled in."""
        return self._with_ports(self.stub)

    @property
    def forward_servers(self) -> dict[str, tuple[Endpoint, ...]]:
        """`forward` with every port filled in."""
        return self._with_ports(self.forward)

    def _with_ports(self, table: Mapping[str, tuple[ServerAddress, ...]]) -> dict[str, tuple[Endpoint, ...]]:
        return {zone: tuple(server.at(self.port) for server in servers) for zone, servers in table.items()}


class CacheSection(Section):
    """What is remembered, how much and for how long."""

    size: Size = option(
        "256M",
        "Memory for cached data, all workers together, each having an equal share.",
        source=LOCAL,
        reload=Reload.RESTART,
        low=MIB,
        high=1024 * 1024 * MIB,
    )
    min_ttl: Seconds = option(
        0,
        "Shortest time a record is kept; above 0 it overrides what the zone's owner asked for.",
        source="RFC 2181 §8",
        reload=Reload.LIVE,
        low=0,
        high=DAY,
        note="not above max-ttl",
    )
    max_ttl: Seconds = option(
        86400,
        "Longest time a record is kept, so that an old mistake does not outlive a day.",
        source="RFC 1035 §7.3, RFC 8767 §4",
        reload=Reload.LIVE,
        low=0,
        high=7 * DAY,
    )
    max_negative_ttl: Seconds = option(
        3600,
        "Longest time that a name or type is remembered not to exist.",
        source="RFC 2308 §5, RFC 9077",
        reload=Reload.LIVE,
        low=0,
        high=DAY,
    )
    persist: Flag = option(
        False,
        "Keep what is cached over a restart: each worker writes it into the state directory when it is stopped in order,"
        " and reads it when it starts; everything is validated anew.",
        source=LOCAL,
        reload=Reload.RESTART,
    )
    serve_stale: Flag = option(
        False,
        "Answer from expired data when no authoritative server can be reached.",
        source="RFC 8767",
        reload=Reload.LIVE,
    )
    stale_answer_ttl: Seconds = option(
        "30s",
        "TTL of records in an answer from expired data.",
        source="RFC 8767 §4",
        reload=Reload.LIVE,
        low=1,
        high=300,
    )
    stale_max_age: Seconds = option(
        "1d",
        "How long after its end data may still be served, if no authoritative server can be reached.",
        source="RFC 8767 §5",
        reload=Reload.LIVE,
        low=60,
        high=7 * DAY,
    )
    stale_client_timeout: Duration = option(
        "1.8s",
        "How long a client waits for fresh data before it gets expired data; the resolution goes on without it.",
        source="RFC 8767 §5",
        reload=Reload.LIVE,
        low=0.05,
        high=10,
    )
    aggressive_nsec: Flag = option(
        True,
        "Answer from cached denial proofs that already cover a name, which spares authoritative servers random-name"
        " attacks.",
        source="RFC 8198",
        reload=Reload.LIVE,
    )
    prefetch: Flag = option(
        True,
        "Fetch popular data anew shortly before it expires, so that no client has to wait for it.",
        source=LOCAL,
        reload=Reload.LIVE,
    )


class NtaSection(Section):
    """Negative trust anchors: zones that are temporarily not validated."""

    default_lifetime: Duration = option(
        "1h",
        "Lifetime of a negative trust anchor for which none is given.",
        source="RFC 7646, guideline 2-22",
        reload=Reload.LIVE,
        low=10,
        high=7 * DAY,
        note="not above max-lifetime",
    )
    max_lifetime: Duration = option(
        "7d",
        "Longest lifetime that may be asked for, so that none is forgotten.",
        source="RFC 7646, guideline 2-22",
        reload=Reload.LIVE,
        low=10,
        high=7 * DAY,
    )
    require_approval: Flag = option(
        True,
        "A negative trust anchor takes effect only when a second person approves it.",
        source="guideline 2-22",
        reload=Reload.LIVE,
    )
    identity: Literal["operator", "peer"] = option(
        "operator",
        "Who counts as the person that acts: the operator's name given with the command (else the system user), or the"
        " system user at the other end of the control socket only.",
        source="guideline 2-22",
        reload=Reload.LIVE,
    )
    recheck_interval: Duration = option(
        "5m",
        "How often the zone is probed with validation on, to retire the negative trust anchor once the zone is repaired.",
        source="RFC 7646, guideline 2-21",
        reload=Reload.LIVE,
        low=1,
        high=DAY,
    )
    extended_error: Flag = option(
        True,
        "Tell clients by EDE 33 that a negative trust anchor is why an answer was not validated.",
        source="RFC 8914, guideline 2-6",
        reload=Reload.LIVE,
    )
    static: Zones = option(
        [],
        "Negative trust anchors that never expire; for a lab, or a zone inside your own network.",
        source="RFC 7646, guideline 2-21",
        reload=Reload.LIVE,
        note="not the root",
    )


class TrustSection(Section):
    """Where trust starts, how it is kept current, and what counts as a signature."""

    anchors: BuiltinOrFiles = option(
        "builtin",
        "Trust anchors: the packaged ones of the root, or files of DS and DNSKEY records or root-anchors.xml.",
        source="guideline 2-7, guideline 2-8, RFC 9718",
        reload=Reload.LIVE,
    )
    rfc5011: Flag = option(
        True,
        "Follow rollovers of the trust anchors by watching the zone's own signed key set.",
        source="RFC 5011, guideline 2-7",
        reload=Reload.LIVE,
    )
    add_hold_down: Duration = option(
        "30d",
        "How long a new key must be seen, signed by a trusted one, until it is trusted; or its TTL, if that is longer.",
        source="RFC 5011 §2.4.1",
        reload=Reload.LIVE,
        low=1,
        high=365 * DAY,
        note="shorter than 30d for labs only",
    )
    remove_hold_down: Duration = option(
        "30d",
        "How long a revoked key is remembered after it left the zone.",
        source="RFC 5011 §2.4.2",
        reload=Reload.LIVE,
        low=1,
        high=365 * DAY,
        note="shorter than 30d for labs only",
    )
    shortest_refresh: Duration = option(
        "1h",
        "Least time between two looks at the zone's keys.",
        source="RFC 5011 §2.3",
        reload=Reload.LIVE,
        low=1,
        high=DAY,
        note="shorter than 1h for labs only",
    )
    signal: Flag = option(
        True,
        "Tell the root servers which trust anchors are in use, by which the effect of a root rollover is measured.",
        source="RFC 8145",
        reload=Reload.LIVE,
    )
    sentinel: Flag = option(
        True,
        "Let clients find out with special names whether a root key is trusted here.",
        source="RFC 8509",
        reload=Reload.LIVE,
    )
    error_reports: Flag = option(
        False,
        "Tell a failing zone's operator what fails, if its servers name an agent for that; at most one report a second.",
        source="RFC 9567",
        reload=Reload.RESTART,
        note="a report tells the agent which name was asked for",
    )
    state_dir: Directory = option(
        "/var/lib/akashi",
        "Directory of what must survive a restart: trust anchor states, negative trust anchors and their audit trail.",
        source="RFC 5011, guideline 2-22",
        reload=Reload.RESTART,
    )
    sha1: Literal["insecure", "validate"] = option(
        "insecure",
        "What is signed only with SHA-1 (algorithms 5 and 7, DS digest 1) counts as unsigned, or is validated as of old.",
        source="RFC 9905",
        reload=Reload.LIVE,
    )
    nsec3_max_iterations: Count = option(
        50,
        "Denial proofs with more NSEC3 iterations make the answer insecure, because each costs that many hashes.",
        source="RFC 9276 §3.2",
        reload=Reload.LIVE,
        low=0,
        high=150,
    )
    nta: NtaSection = NtaSection()


class LimitsSection(Section):
    """Budgets against abuse; wire/limits.py lists them, docs/RESILIENCE.md tells of each."""

    shadow: LimitNames = option(
        [],
        "Limits that are counted where they would have refused, and enforced only at a far higher ceiling: to see what a"
        " limit would cost before it counts.",
        source=LOCAL,
        reload=Reload.LIVE,
    )
    client_rate: Count = option(
        0,
        "UDP queries a second that a worker takes from one client prefix; 0 is any number; clients with a valid DNS cookie"
        " and TCP are not counted.",
        source="RFC 5358, RFC 4732 §3",
        reload=Reload.LIVE,
        low=0,
        high=10_000_000,
    )
    response_rate: Count = option(
        0,
        "Equal UDP responses a second that a worker sends to one client prefix; 0 is any number; a denial equals any other"
        " of its zone, an error every other with its RCODE.",
        source="RFC 5358",
        reload=Reload.LIVE,
        low=0,
        high=10_000_000,
    )
    burst: Duration = option(
        "2s",
        "How long a prefix may be silent to save up for a burst at these two rates.",
        source=LOCAL,
        reload=Reload.LIVE,
        low=0.01,
        high=60,
    )
    slip: Count = option(
        2,
        "Of the queries over these rates every so many-th is answered shortly (TC, or BADCOOKIE), so that real clients find"
        " their way; 0 is none.",
        source="RFC 7873 §5.2.3",
        reload=Reload.LIVE,
        low=0,
        high=100,
    )
    prefix_ipv4: Count = option(
        24, "Length of the IPv4 prefixes by which clients are counted.", source=LOCAL, reload=Reload.LIVE, low=8, high=32
    )
    prefix_ipv6: Count = option(
        56,
        "Length of the IPv6 prefixes by which clients are counted.",
        source="RFC 6177",
        reload=Reload.LIVE,
        low=16,
        high=128,
    )
    queries_per_client: Count = option(
        2000,
        "Queries of one client prefix that a worker resolves at once, of 20000 in all; more are dropped, over TCP answered"
        " SERVFAIL.",
        source="RFC 4732 §3",
        reload=Reload.LIVE,
        low=1,
        high=20_000,
    )
    refusals: Count = option(
        100,
        "REFUSED a second that a worker sends to clients that are not served; the others get nothing.",
        source="RFC 5358",
        reload=Reload.LIVE,
        low=0,
        high=10_000_000,
    )
    exempt: Prefixes = option(
        [],
        "Clients for which client-rate, response-rate, queries-per-client and server.tcp-per-client do not hold:"
        " forwarders, load balancers, monitoring.",
        source=LOCAL,
        reload=Reload.LIVE,
    )


class Dns64Section(Section):
    """IPv6 addresses made from IPv4 ones, for clients behind a NAT64."""

    enabled: Flag = option(
        False,
        "Make addresses where a name has none of IPv6, as far as its IPv4 ones are not bogus.",
        source="RFC 6147",
        reload=Reload.LIVE,
    )
    prefixes: Dns64Prefixes = option(
        ["64:ff9b::/96"],
        "Prefixes of the NAT64; each IPv4 address is given under every one of them.",
        source="RFC 6052 §2.2, RFC 6147 §5.2",
        reload=Reload.LIVE,
        low=1,
        high=8,
    )
    exclude: V6Prefixes = option(
        ["::ffff:0:0/96"],
        "IPv6 addresses that count as none, so that others are made in their place.",
        source="RFC 6147 §5.1.4",
        reload=Reload.LIVE,
    )
    exclude_ipv4: V4Prefixes = option(
        [],
        "IPv4 addresses of which none is made; under the well-known prefix those that are not global never are.",
        source="RFC 6052 §3.1, RFC 6147 §5.1.4",
        reload=Reload.LIVE,
    )
    clients: Prefixes = option(
        [],
        "Clients for whom addresses are made; [] is everybody, and a choice keeps these out of the packet cache.",
        source="RFC 6147 §5.1",
        reload=Reload.LIVE,
    )


class PolicySection(Section):
    """What is answered instead of the truth: response policy zones in the order in which they count, local zones."""

    zones: PolicyZones = option(
        [],
        "Response policy zones, by file or by transfer from primaries; the first that has a rule decides.",
        source="RFC 5936, RFC 1995",
        reload=Reload.LIVE,
        low=0,
        high=64,
        note="[[policy.zones]] tables stand in place of this line, behind the rest of [policy]",
    )
    local_zones: LocalZoneTable = option(
        {},
        "Zones that are answered here: static, transparent, redirect, nxdomain, nodata, refuse, deny or passthru.",
        source=LOCAL,
        reload=Reload.LIVE,
    )
    local_data: Records = option(
        [],
        "Records that are given out for their names, with EDE 4; one in no local zone makes a transparent one.",
        source="RFC 8914 §4.5",
        reload=Reload.LIVE,
    )
    local_extended_error: Literal["blocked", "censored", "filtered", "forged", "none"] = option(
        "blocked",
        "What clients are told when a local zone of kind nxdomain, nodata, redirect without data, or refuse answers.",
        source="RFC 8914 §4.16",
        reload=Reload.LIVE,
    )
    log_hits: Flag = option(
        False,
        "One line for each answer that a policy rule decided; it tells what your users look up, so keep it off unless you"
        " must.",
        source="RFC 9076",
        reload=Reload.LIVE,
    )
    dns64: Dns64Section = Dns64Section()


class MetricsSection(Section):
    """Prometheus metrics and health."""

    listen: OptionalEndpoint = option(
        "127.0.0.1:9153",
        'Address and port of /metrics, /healthz and /readyz; "" is off.',
        source="guideline 2-10, guideline 2-11, guideline 2-13",
        reload=Reload.RESTART,
    )


class ControlSection(Section):
    """The socket by which the other commands speak with the daemon."""

    socket: SocketPath = option(
        "/run/akashi/control.sock",
        'Unix socket of the control commands, which only root and the daemon\'s own user may use; "" is off.',
        source=LOCAL,
        reload=Reload.RESTART,
    )


class ClockSection(Section):
    """The clock, on which every signature's validity hangs."""

    ntp_servers: Addresses = option(
        [],
        "Time servers with which the clock is compared, never set; addresses, because a name could not be validated with"
        " a wrong clock.",
        source="guideline 2-3, RFC 5905",
        reload=Reload.LIVE,
    )
    max_offset: Duration = option(
        "1s",
        "Offset from which on the clock counts as wrong, in metrics and readiness.",
        source="guideline 2-3, guideline 2-12",
        reload=Reload.LIVE,
        low=0.001,
        high=HOUR,
    )
    interval: Duration = option(
        "5m",
        "How often the time servers are asked; once a minute while the clock is wrong or unverified.",
        source="guideline 2-12, RFC 5905 §7.3",
        reload=Reload.LIVE,
        low=1,
        high=HOUR,
        note="shorter than 64s for labs only",
    )
    ntp_names: Zones = option(
        [],
        "Names, and those below them, whose addresses are answered without AD although signatures are expired or not yet"
        " valid, while the clock is wrong or unverified: so that what sets the clock finds its servers.",
        source="guideline 2-3, RFC 8633 §4",
        reload=Reload.LIVE,
        high=32,
    )


class ProbeSection(Section):
    """Names that the daemon looks up for itself, to know that it works."""

    secure: Zones = option(
        [],
        "Signed names that must be answered with AD.",
        source="guideline 2-12",
        reload=Reload.LIVE,
        high=32,
    )
    bogus: Zones = option(
        [],
        "Broken names that must be answered with SERVFAIL.",
        source="guideline 2-12",
        reload=Reload.LIVE,
        note="no name that is in secure too",
        high=32,
    )
    interval: Duration = option(
        "60s",
        "How often the probes are made.",
        source="guideline 2-12",
        reload=Reload.LIVE,
        low=1,
        high=10 * 60,
        note="shorter than 30s for labs only",
    )
    readiness: Flag = option(
        True,
        "Whether /readyz says no when a bogus name is answered with data, or no secure name validates, twice in a row.",
        source="guideline 2-12",
        reload=Reload.LIVE,
    )


class WatchSection(Section):
    """What the daemon learns of its own traffic."""

    learning: Duration = option(
        "1d",
        "How long the usual share of SERVFAIL is learned before more than usual counts as an anomaly.",
        source="guideline 2-13, guideline 2-15",
        reload=Reload.LIVE,
        low=0,
        high=60 * DAY,
    )
    servfail_threshold: Ratio = option(
        0,
        "Share of SERVFAIL over five minutes that is an anomaly, instead of the learned threshold; 0 is the learned one.",
        source="guideline 2-13, guideline 2-15",
        reload=Reload.LIVE,
    )
    impact: Flag = option(
        True,
        "Count failing zones and how many distinct clients they fail for; no client's address is kept.",
        source="guideline 2-16",
        reload=Reload.LIVE,
    )


class LogSection(Section):
    """What is written to the log (standard error)."""

    level: Literal["debug", "info", "warning", "error"] = option(
        "info", "The least urgent kind of line that is written.", source=LOCAL, reload=Reload.LIVE
    )
    format: Literal["text", "json"] = option(
        "text", "Lines for people, or one JSON object a line for a collector.", source=LOCAL, reload=Reload.LIVE
    )
    validation_failures: Flag = option(
        True,
        "One line for each new validation failure, with zone, record, key tag, server and reason.",
        source="guideline 2-9",
        reload=Reload.LIVE,
    )
    queries: Flag = option(
        False,
        "One line for each client query; it tells what your users look up, so keep it off unless you must.",
        source="guideline 2-9, RFC 9076",
        reload=Reload.LIVE,
    )


class ConformSection(Section):
    """What `akashi conform` cannot find out by itself."""

    resolvers: Addresses = option(
        [],
        "Every address that clients are given, whatever serves it: all of them have to validate; without a port, 53.",
        source="guideline 2-1, guideline 2-2",
        reload=Reload.LIVE,
        low=0,
        high=64,
    )
    attest: Attestations = option(
        {},
        "What only people can answer for, by item of the guideline: since when, and what was agreed.",
        source="guideline 2-16, guideline 2-20, guideline 2-22",
        reload=Reload.LIVE,
    )
    attest_max_age: Duration = option(
        "400d",
        "How long an attestation counts before somebody has to look at it again.",
        source="guideline 2-14",
        reload=Reload.LIVE,
        low=DAY,
        high=3650 * DAY,
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """An option that differs between two configurations."""

    option: Option
    before: object
    after: object

    @property
    def key(self) -> str:
        return self.option.path

    @property
    def reloadable(self) -> bool:
        return self.option.facts.reload is Reload.LIVE


class Config(Section):
    """The whole configuration."""

    server: ServerSection = ServerSection()
    access: AccessSection = AccessSection()
    upstream: UpstreamSection = UpstreamSection()
    cache: CacheSection = CacheSection()
    trust: TrustSection = TrustSection()
    policy: PolicySection = PolicySection()
    limits: LimitsSection = LimitsSection()
    metrics: MetricsSection = MetricsSection()
    control: ControlSection = ControlSection()
    clock: ClockSection = ClockSection()
    probe: ProbeSection = ProbeSection()
    watch: WatchSection = WatchSection()
    conform: ConformSection = ConformSection()
    log: LogSection = LogSection()

    def value(self, option: Option) -> object:
        """The parsed value of an option."""
        section: object = self
        for name in option.section.split("."):
            section = getattr(section, name.replace("-", "_"))
        value: object = getattr(section, option.attribute)
        return value

    def differences(self, other: Config) -> tuple[Difference, ...]:
        """Options whose value in `other` is not this one's, in the order of declaration."""
        pairs = ((option, self.value(option), other.value(option)) for option in OPTIONS.values())
        return tuple(Difference(option, before, after) for option, before, after in pairs if before != after)


OPTIONS: Mapping[str, Option] = {option.path: option for option in options_of(Config)}
"""Every option by its path, `trust.nta.max-lifetime`, in the order of declaration."""

SECTIONS: frozenset[str] = frozenset(
    section[: end if end >= 0 else None]
    for section in {option.section for option in OPTIONS.values()}
    for end in (section.find("."), -1)
)
"""Every section by its path: `server`, …, `trust`, `trust.nta`."""
