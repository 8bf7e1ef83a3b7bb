"""What is allowed but worth a word: settings for labs, departures from the guideline, options without effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.config.model import OPTIONS, Config
from resolver.config.options import Effect


@dataclass(frozen=True, slots=True)
class Notice:
    """One remark on a valid configuration."""

    key: str
    text: str
    source: str = ""


def notices(config: Config) -> Iterator[Notice]:
    """Remarks for the operator, in no order of weight."""
    yield from _access(config)
    yield from _labs(config)
    yield from _guideline(config)
    for difference in Config().differences(config):
        if difference.option.facts.effect is Effect.LATER:
            yield Notice(difference.key, "has no effect yet in this version")


def _access(config: Config) -> Iterator[Notice]:
    allow = config.access.allow
    public = any(not endpoint.ip.is_loopback for endpoint in config.server.listen)
    if public and any(prefix.prefixlen == 0 for prefix in allow):
        yield Notice("access.allow", "everybody is served: an open resolver can be used for attacks", "RFC 5358")
    if not allow:
        yield Notice("access.allow", "nobody is served")
    elif public and all(prefix.is_loopback for prefix in allow):
        yield Notice("access.allow", "only clients on this host are served, although others can reach server.listen")


def _labs(config: Config) -> Iterator[Notice]:
    upstream = config.upstream
    if upstream.allow_loopback:
        yield Notice("upstream.allow-loopback", "for labs only: delegations can direct queries to services of this host")
    if upstream.private_servers:
        yield Notice("upstream.private-servers", "delegations can direct queries into private networks", "RFC 6890")
    if upstream.port != OPTIONS["upstream.port"].default:
        yield Notice("upstream.port", "for labs only: on the Internet name servers listen on port 53", "RFC 1035 §4.2")
    trust, day = config.trust, 86400
    if trust.add_hold_down < 30 * day or trust.remove_hold_down < 30 * day or trust.shortest_refresh < 3600:
        yield Notice("trust.add-hold-down", "for labs only: RFC 5011 holds keys down for 30 days, asks hourly", "RFC 5011")


def _guideline(config: Config) -> Iterator[Notice]:
    usual = "the guideline recommends the software's default"
    if config.server.max_udp_size != OPTIONS["server.max-udp-size"].default:
        yield Notice("server.max-udp-size", usual, "guideline 2-5")
    if config.upstream.edns_buffer != OPTIONS["upstream.edns-buffer"].default:
        yield Notice("upstream.edns-buffer", usual, "guideline 2-5")
    if config.trust.nta.static:
        yield Notice("trust.nta.static", "these names are not validated, without end", "RFC 7646, guideline 2-21")
    if not config.trust.rfc5011:
        yield Notice("trust.rfc5011", "a rollover of the root key must be followed by hand", "guideline 2-7")
    if not config.log.validation_failures:
        yield Notice("log.validation-failures", "validation errors should be logged", "guideline 2-9")
    if 0 < len(config.clock.ntp_servers) < 3:
        yield Notice("clock.ntp-servers", "of fewer than three time servers a false one cannot be told", "guideline 2-3")
    if config.clock.ntp_names and not config.clock.ntp_servers:
        yield Notice(
            "clock.ntp-names", "without clock.ntp-servers only the kernel says whether the clock is right", "guideline 2-3"
        )
    if config.log.queries:
        yield Notice("log.queries", "every query of every user is written to the log", "RFC 9076")
    if config.policy.log_hits:
        yield Notice("policy.log-hits", "what users look up that policy answers is written to the log", "RFC 9076")
    if config.trust.sha1 == "validate":
        yield Notice("trust.sha1", "SHA-1 signatures are no longer safe to rely on", "RFC 9905")
