"""From the configuration to the plain values of the core and of the servers: nothing below knows of TOML.

Raises StartError for what only shows now: a hints or anchors file whose content makes no sense.
"""

import dataclasses
import functools
import os
import secrets
import socket
import stat
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from resolver.config import Config, Endpoint
from resolver.daemon.errors import StartError
from resolver.daemon.hints import root_servers
from resolver.protect.cookies import Cookies, read_secrets
from resolver.protect.protection import Protection
from resolver.protect.rates import ClientRates, Prefixes, Rate, ResponseRates
from resolver.server.access import AccessList
from resolver.server.listen_tcp import TcpBounds
from resolver.server.respond import Identity
from resolver.settings import Minimise, Settings
from trust.anchor_file import read_anchors
from trust.anchors import Nta, TrustPoint, TrustPoints, builtin, merge
from trust.policy import Policy, Sha1
from trust.signature import time_text
from trust.vocabulary import Address
from wire.limits import QUERIES_PER_CLIENT, Limits
from wire.name import Name
from wire.rdata import key_tag
from wire.text import name_from_text, name_to_text

PACKET_SHARE: Final = 4
"""One part in so many of `cache.size` is for whole responses; the rest is for RRsets, from which they are made."""


COOKIE_SECRET: Final = 32
"""Octets of the key of the cookies that servers are sent."""


def worker_count(config: Config) -> int:
    """Worker processes: as configured, or one for each core that we may use."""
    return config.server.workers or len(os.sched_getaffinity(0))


def packet_cache_size(config: Config) -> int:
    """Octets for the packet cache of one worker."""
    return config.cache.size // worker_count(config) // PACKET_SHARE


def build_settings(config: Config) -> Settings:
    """What the core goes by, for one worker."""
    upstream, cache = config.upstream, config.cache
    share = cache.size // worker_count(config)
    return Settings(
        root=root_servers(upstream.root_hints, upstream.port),
        prime=upstream.prime,
        port=upstream.port,
        ipv4=upstream.ipv4,
        ipv6=upstream.ipv6,
        minimise=Minimise(upstream.minimise),
        randomise_case=upstream.randomise_case,
        allow_loopback=upstream.allow_loopback,
        private_servers=upstream.private_servers,
        do_not_query=tuple(str(prefix) for prefix in upstream.do_not_query),
        stub=_server_table(upstream.stub_servers),
        forward=_server_table(upstream.forward_servers),
        cache_size=share - share // PACKET_SHARE,
        min_ttl=cache.min_ttl,
        max_ttl=cache.max_ttl,
        max_negative_ttl=cache.max_negative_ttl,
        serve_stale=cache.serve_stale,
        stale_answer_ttl=cache.stale_answer_ttl,
        stale_max_age=cache.stale_max_age,
        stale_client_timeout=cache.stale_client_timeout,
        prefetch=cache.prefetch,
        tells_readiness=True,
        aggressive_nsec=config.cache.aggressive_nsec,
        local_zones=config.server.local_zones,
        error_reports=config.trust.error_reports,
        ntp_names=tuple([name_from_text(name) for name in config.clock.ntp_names]),
        nta_extended_error=config.trust.nta.extended_error,
        sentinel=config.trust.sentinel,
        cookie_secret=os.urandom(COOKIE_SECRET) if upstream.cookies else b"",
        shadow=frozenset(config.limits.shadow),
    )


def _server_table(table: Mapping[str, tuple[Endpoint, ...]]) -> dict[Name, list[Address]]:
    return {name_from_text(zone): [Address(*server) for server in servers] for zone, servers in table.items()}


def build_policy(config: Config) -> Policy:
    """What counts as a signature."""
    return Policy(Sha1(config.trust.sha1), config.trust.nsec3_max_iterations)


def build_trust(config: Config) -> TrustPoints:
    """Trust anchors, packaged or from files, and the configured negative ones.

    Raises:
        StartError: a file cannot be read or holds no usable anchor.
    """
    sources = config.trust.anchors
    points: list[TrustPoint] = []
    if isinstance(sources, str):
        points = builtin()
    else:
        for path in sources:
            try:
                points += read_anchors(path.read_bytes(), time.time()).points
            except OSError as error:
                raise StartError(f"trust.anchors: {path} cannot be read: {error.strerror}") from None
            except ValueError as error:
                raise StartError(f"trust.anchors: {path}: {error}") from None
    ntas = [Nta(name_from_text(zone), "configured") for zone in config.trust.nta.static]
    return TrustPoints(merge(points), ntas)


def anchor_summary(points: TrustPoints) -> list[str]:
    """Each trust point with its key tags, for the log: `. 20326 38696`."""
    return [
        " ".join([name_to_text(name), *(str(tag) for tag in anchor_tags(point))]) for name, point in points.points.items()
    ]


def anchor_tags(point: TrustPoint) -> list[int]:
    """The key tags of a zone's anchors."""
    tags = {int.from_bytes(ds[:2], "big") for ds in point.ds} | {key_tag(key) for key in point.dnskeys}
    return sorted(tags)


def build_access(config: Config) -> AccessList:
    """Who is served."""
    return AccessList(config.access.allow)


def build_identity(config: Config) -> Identity:
    """What responses say of this instance."""
    server = config.server
    return Identity(
        nsid=(server.nsid or socket.gethostname()).encode("ascii", "replace"),
        max_udp_size=server.max_udp_size,
        idle_timeout_s=server.tcp_idle_timeout if server.edns_tcp_keepalive else None,
    )


def with_trust(identity: Identity, points: TrustPoints) -> Identity:
    """The same instance, telling these trust anchors and negative ones: `. 20326 38696`, `example.jp. static`."""
    return replace(
        identity,
        anchors=tuple(line.encode() for line in anchor_summary(points)),
        ntas=tuple(
            f"{name_to_text(name)} {'static' if nta.expires_wall is None else time_text(nta.expires_wall)}".encode()
            for name, nta in points.ntas.items()
        ),
    )


@functools.cache
def _own_secret() -> bytes:
    """The cookie secret of a daemon that is given none: made once, so that cookies outlive reloads."""
    return secrets.token_bytes(16)


def build_cookie_secrets(config: Config) -> tuple[bytes, ...]:
    """The secrets of DNS cookies, the one that makes them first; () when cookies are off.

    Raises:
        StartError: the file cannot be read, by us or by too many, or holds something else.
    """
    server = config.server
    if not server.cookies:
        return ()
    path = server.cookie_secret
    if path is None:
        return (_own_secret(),)
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise StartError(f"server.cookie-secret: {path} can be read by everybody", f"chmod o= {path}")
            return tuple(read_secrets(file.read(4096)))
    except OSError as error:
        raise StartError(f"server.cookie-secret: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StartError(f"server.cookie-secret: {path}: {error}") from None


def build_protection(config: Config, cookie_secrets: tuple[bytes, ...], limits: Limits) -> Protection:
    """What holds for clients. `limits`: where what is reached is counted."""
    options = config.limits
    prefixes = Prefixes(options.prefix_ipv4, options.prefix_ipv6, options.exempt)
    clients = responses = None
    if options.client_rate or options.response_rate:
        # Without a rate of queries the buckets only tell prefixes.
        clients = ClientRates(options.client_rate, options.client_rate * options.burst, prefixes, pack)
    if options.response_rate:
        responses = ResponseRates(options.response_rate, options.response_rate * options.burst)
    return Protection(
        limits=limits,
        pack=pack,
        prefixes=prefixes,
        cookies=Cookies(cookie_secrets) if cookie_secrets else None,
        demanded=config.server.require_cookie,
        clients=clients,
        responses=responses,
        refusals=Rate(options.refusals, options.refusals),
        per_client=dataclasses.replace(QUERIES_PER_CLIENT, value=options.queries_per_client),
        slip=options.slip,
    )


def pack(address: str) -> bytes:
    """A client address's octets, from the text that the system gives."""
    if ":" not in address:
        return socket.inet_aton(address)
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])


def build_tcp_bounds(config: Config, connections: int) -> TcpBounds:
    """What client connections are bound by. `connections`: as many as descriptors suffice for."""
    server = config.server
    return TcpBounds(min(server.tcp_connections, connections), server.tcp_per_client, server.tcp_idle_timeout)
