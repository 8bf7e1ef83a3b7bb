"""Options that are each allowed but do not go together.

One function a contradiction; each yields what is wrong, and the options it is about, most telling first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from resolver.config.findings import ABSENT, Finding
from resolver.config.model import OPTIONS, Config
from resolver.config.values import Endpoint, show_duration


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What is wrong, with which options."""

    keys: tuple[str, ...]
    problem: str
    allowed: str = ""
    source: str = ""
    value: object = ABSENT

    def finding(self, config: Config) -> Finding:
        option = OPTIONS[self.keys[0]]
        value = option.kind.show(config.value(option)) if self.value is ABSENT else self.value
        return Finding(self.problem, key=self.keys[0], value=value, allowed=self.allowed, source=self.source)


def contradictions(config: Config) -> Iterator[Contradiction]:
    """Everything in the configuration that does not go together."""
    for check in _CHECKS:
        yield from check(config)


def _ttl_bounds(config: Config) -> Iterator[Contradiction]:
    cache = config.cache
    if cache.min_ttl > cache.max_ttl:
        allowed = f"0 to {cache.max_ttl}"
        yield Contradiction(("cache.min-ttl", "cache.max-ttl"), f"above max-ttl, which is {cache.max_ttl}", allowed)


def _no_address_family(config: Config) -> Iterator[Contradiction]:
    if not config.upstream.ipv4 and not config.upstream.ipv6:
        keys = ("upstream.ipv4", "upstream.ipv6")
        yield Contradiction(keys, "off together with ipv6: no server could be asked", "true for at least one of ipv4, ipv6")


def _nta_lifetimes(config: Config) -> Iterator[Contradiction]:
    nta = config.trust.nta
    if nta.default_lifetime > nta.max_lifetime:
        longest = show_duration(nta.max_lifetime)
        keys = ("trust.nta.default-lifetime", "trust.nta.max-lifetime")
        yield Contradiction(keys, f"above max-lifetime, which is {longest}", f"10s to {longest}", "RFC 7646")


def _nta_for_root(config: Config) -> Iterator[Contradiction]:
    if "." in config.trust.nta.static:
        problem = "the root would switch off validation altogether"
        yield Contradiction(("trust.nta.static",), problem, "names below the root", "RFC 7646, guideline 2-1")


def _tcp_caps(config: Config) -> Iterator[Contradiction]:
    server = config.server
    if server.tcp_per_client > server.tcp_connections:
        problem = f"above tcp-connections, which is {server.tcp_connections}"
        keys = ("server.tcp-per-client", "server.tcp-connections")
        yield Contradiction(keys, problem, f"1 to {server.tcp_connections}", "RFC 7766 §6.2.2")


def _cookie_demand(config: Config) -> Iterator[Contradiction]:
    if config.server.require_cookie and not config.server.cookies:
        keys = ("server.require-cookie", "server.cookies")
        yield Contradiction(keys, "on while cookies is off: nobody could show one", "false", "RFC 7873 §5.2")


def _stub_and_forward(config: Config) -> Iterator[Contradiction]:
    for zone in config.upstream.stub.keys() & config.upstream.forward.keys():
        problem = "in stub and in forward: questions can go only one way"
        yield Contradiction(("upstream.stub", "upstream.forward"), problem, "a zone in one of the two tables", value=zone)


def _unusable_servers(config: Config) -> Iterator[Contradiction]:
    """A stub or forward zone whose every server is ruled out by other options, or that leads back here."""
    upstream = config.upstream
    for key, table in (("upstream.stub", upstream.stub_servers), ("upstream.forward", upstream.forward_servers)):
        for zone, servers in table.items():
            if not any(upstream.ipv6 if server.ip.version == 6 else upstream.ipv4 for server in servers):
                family = "ipv6" if not upstream.ipv6 else "ipv4"
                problem = f"no usable server for {zone}: {family} is off"
                yield Contradiction((key, f"upstream.{family}"), problem, value=[str(server) for server in servers])
            for server in servers:
                if any(server.ip in prefix for prefix in upstream.do_not_query):
                    problem = f"a server of {zone} that do-not-query forbids"
                    yield Contradiction((key, "upstream.do-not-query"), problem, value=str(server))
                if any(_reaches(server, endpoint) for endpoint in config.server.listen):
                    problem = f"a server of {zone} that is this daemon itself: questions would go round in circles"
                    yield Contradiction((key, "server.listen"), problem, value=str(server))


def _reaches(server: Endpoint, listening: Endpoint) -> bool:
    """Whether a packet to `server` certainly arrives at `listening`."""
    on_this_host = listening.ip.is_unspecified and server.ip.is_loopback and server.ip.version == listening.ip.version
    return server.port == listening.port and (server.ip == listening.ip or on_this_host)


def _doubles(config: Config) -> Iterator[Contradiction]:
    listen = [endpoint for endpoint in config.server.listen if endpoint.port]
    for endpoint in sorted({endpoint for endpoint in listen if listen.count(endpoint) > 1}):
        yield Contradiction(("server.listen",), "listed twice", value=str(endpoint))
    for name in sorted(set(config.probe.secure) & set(config.probe.bogus)):
        keys = ("probe.bogus", "probe.secure")
        yield Contradiction(keys, "in secure and in bogus: it cannot be both", source="guideline 2-12", value=name)


def _port_conflict(config: Config) -> Iterator[Contradiction]:
    metrics = config.metrics.listen
    if metrics and metrics.port and any(_overlap(metrics, endpoint) for endpoint in config.server.listen):
        yield Contradiction(("metrics.listen", "server.listen"), "taken by server.listen", "another address or port")


def _overlap(one: Endpoint, other: Endpoint) -> bool:
    """Whether both cannot be bound over TCP at once."""
    if one.port != other.port or one.ip.version != other.ip.version:
        return False
    return one.ip == other.ip or one.ip.is_unspecified or other.ip.is_unspecified


def _policy_zones(config: Config) -> Iterator[Contradiction]:
    zones = [source.zone for source in config.policy.zones]
    for zone in sorted({zone for zone in zones if zones.count(zone) > 1}):
        yield Contradiction(("policy.zones",), "listed twice", "each policy zone once", value=zone)


_CHECKS: tuple[Callable[[Config], Iterator[Contradiction]], ...] = (
    _ttl_bounds,
    _no_address_family,
    _nta_lifetimes,
    _nta_for_root,
    _tcp_caps,
    _cookie_demand,
    _stub_and_forward,
    _unusable_servers,
    _doubles,
    _port_conflict,
    _policy_zones,
)
