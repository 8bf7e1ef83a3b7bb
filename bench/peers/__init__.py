"""The resolvers that are measured: how each is configured and started.

All alike: one worker or thread, the same cache size, validation on with the hierarchy's trust anchor, failures of
validation logged, statistics on as far as the program has a switch for them, room for as many TCP clients as the load
generator needs, IPv4 only, everything else as the program comes.
"""

from bench.peers.akashi import Akashi, AkashiAccelerated
from bench.peers.base import Resolver, Setup
from bench.peers.bind import Bind
from bench.peers.knot import KnotResolver
from bench.peers.powerdns import PowerDns
from bench.peers.unbound import Unbound

RESOLVERS: dict[str, Resolver] = {
    resolver.name: resolver for resolver in (Akashi(), AkashiAccelerated(), Unbound(), Bind(), KnotResolver(), PowerDns())
}

__all__ = ["RESOLVERS", "Resolver", "Setup"]
