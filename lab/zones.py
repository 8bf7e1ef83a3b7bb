"""The zones of the mini-Internet, before signing: who serves them, where, and what they contain.

Each `Spec` is one zone. SOA and NS records, addresses of the name servers, delegations, DS and glue are not written here:
they follow from the table of hosts and from which zones exist (lab/internet.py). The zones of the fault catalogue are
made in lab/faults.py.

Addresses of servers are 127.x.y.z with a configurable prefix 127.x; the last two octets say what lives there:

    0.*    root                         2.*    second level, by group of servers
    1.*    top-level domains            3.*    faults.jp, the parent of the fault zones
                                        100.*  fault zones, in the order of the catalogue

All other data uses addresses and names reserved for documentation and benchmarking (RFC 5737, RFC 3849, RFC 2544,
RFC 2606), except for the names under jp, which the project's documents use throughout.
"""

from dataclasses import dataclass

from dns.dnssectypes import Algorithm

from lab.signer import Denial, Nsec, Nsec3

# Host -> last two octets of its address.
HOSTS: dict[str, tuple[int, int]] = {
    "a.root-servers.net.": (0, 1),
    "b.root-servers.net.": (0, 2),
    "a.dns.jp.": (1, 1),
    "b.dns.jp.": (1, 2),
    "a.gtld-servers.net.": (1, 11),
    "b.gtld-servers.net.": (1, 12),
    "a.ns.arpa.": (1, 21),
    "ns1.example.jp.": (2, 1),
    "ns2.example.jp.": (2, 2),
    "ns1.example.net.": (2, 11),
    "ns2.example.net.": (2, 12),
    "ns1.unsigned.jp.": (2, 21),
    "ns1.example.co.jp.": (2, 31),
    "glueless.example.com.": (2, 41),
    "ns1.faults.jp.": (3, 1),
    "ns2.faults.jp.": (3, 2),
}
FAULT_HOST_OCTET = 100

ROOT_TTL = 86400
TLD_TTL = 3600
LEAF_TTL = 300
DEFAULT_DENIAL = Nsec()


@dataclass(frozen=True)
class Spec:
    """One zone: content in master-file text relative to the origin, and how it is signed, linked and served."""

    origin: str
    hosts: tuple[str, ...]
    text: str = ""
    ttl: int = LEAF_TTL
    signed: bool = True
    linked: bool = True
    """Whether the parent publishes a DS for it."""
    algorithm: int = Algorithm.ECDSAP256SHA256
    denial: Denial = DEFAULT_DENIAL
    zsk_signs_keys: bool = False
    key_owner: str | None = None
    """Whose keys sign it; None means its own."""


_ROOT_SERVERS = ("a.root-servers.net.", "b.root-servers.net.")
_JP_SERVERS = ("a.dns.jp.", "b.dns.jp.")
_GTLD_SERVERS = ("a.gtld-servers.net.", "b.gtld-servers.net.")
_EXAMPLE_JP_SERVERS = ("ns1.example.jp.", "ns2.example.jp.")
_EXAMPLE_NET_SERVERS = ("ns1.example.net.", "ns2.example.net.")

# A long TXT, so that its answer exceeds any UDP size used here and has to come over TCP.
_LONG_TEXT = " ".join(f'"{chr(97 + i) * 200}"' for i in range(12))

_EXAMPLE_JP = f"""
@            A      192.0.2.1
@            AAAA   2001:db8:1::1
@            MX     10 mail
@            TXT    "v=spf1 mx -all"
@            CAA    0 issue "ca.example.net"
www          A      192.0.2.80
www          AAAA   2001:db8:1::80
www          HTTPS  1 . alpn=h2,h3 ipv4hint=192.0.2.80
_443._tcp.www TLSA  3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
mail         A      192.0.2.25
many         A      192.0.2.101
many         A      192.0.2.102
many         A      192.0.2.103
_sip._tcp    SRV    0 5 5060 mail
naptr        NAPTR  10 100 "s" "SIP+D2T" "" _sip._tcp
long         TXT    {_LONG_TEXT}
host         A      198.18.0.10
; aliases: within the zone, to other zones, in chains, in circles, to nowhere
short        CNAME  www
alias        CNAME  www.example.com.
to-unsigned  CNAME  www.unsigned.jp.
to-bogus     CNAME  rrsig-exp-all.faults.jp.
to-nowhere   CNAME  nonexistent
chain1       CNAME  chain2
chain2       CNAME  chain3
chain3       CNAME  chain4.example.com.
loop1        CNAME  loop2
loop2        CNAME  loop1
old          DNAME  new
www.new      A      192.0.2.81
www.new      TXT    "reached through the DNAME at old"
abroad       DNAME  example.com.
stretch      DNAME  a-target-that-is-much-longer-than-its-owner.example.com.
; wildcards, and names that stand in their way
*.wild       A      192.0.2.90
*.wild       TXT    "made by a wildcard"
exact.wild   A      192.0.2.91
*.wildalias  CNAME  www
; empty non-terminals: ent, deep.ent
host.deep.ent A     192.0.2.92
"""

_SUB_EXAMPLE_JP = """
@            A      192.0.2.110
www          A      192.0.2.111
"""

_INSECURE_EXAMPLE_JP = """
@            A      192.0.2.120
www          A      192.0.2.121
"""

_EXAMPLE_COM = """
@            A      203.0.113.1
@            AAAA   2001:db8:2::1
@            MX     10 mail
www          A      203.0.113.80
www          AAAA   2001:db8:2::80
mail         A      203.0.113.25
chain4       CNAME  chain5
chain5       CNAME  www.example.net.
*.wild       A      203.0.113.90
exact.wild   A      203.0.113.91
host.deep.ent A     203.0.113.92
old          DNAME  new
www.new      A      203.0.113.81
"""

_EXAMPLE_NET = """
@            A      203.0.113.130
www          A      203.0.113.131
www          AAAA   2001:db8:3::131
"""

_UNSIGNED_JP = """
@            A      192.0.2.140
@            MX     10 www
www          A      192.0.2.141
www          AAAA   2001:db8:4::141
alias        CNAME  www.example.jp.
*.wild       A      192.0.2.142
host.deep.ent A     192.0.2.143
old          DNAME  new
www.new      A      192.0.2.144
"""

_UNSIGNED_COM = """
@            A      203.0.113.150
www          A      203.0.113.151
"""

_ISLAND = """
@            A      192.0.2.160
www          A      192.0.2.161
"""

_EXAMPLE_CO_JP = """
@            A      192.0.2.170
www          A      192.0.2.171
*            A      192.0.2.172
*            MX     10 www
exact        A      192.0.2.173
"""

_IDN_JP = """
@            A      192.0.2.180
www          A      192.0.2.181
"""

_GLUELESS_JP = """
@            A      192.0.2.190
www          A      192.0.2.191
"""

_REVERSE = """
10.0         PTR    host.example.jp.
"""

_FAULTS_JP = """
@            A      192.0.2.240
@            TXT    "each zone below has one fault; see: akashi lab cases"
www          A      192.0.2.241
"""

SPECS: tuple[Spec, ...] = (
    Spec(".", _ROOT_SERVERS, ttl=ROOT_TTL),
    # As on the real Internet, the zones that name the root and gTLD servers are not signed.
    Spec("root-servers.net.", _ROOT_SERVERS, ttl=ROOT_TTL, signed=False),
    Spec("gtld-servers.net.", _GTLD_SERVERS, ttl=TLD_TTL, signed=False),
    Spec("jp.", _JP_SERVERS, ttl=TLD_TTL),
    Spec("com.", _GTLD_SERVERS, ttl=TLD_TTL, denial=Nsec3(opt_out=True)),
    Spec("net.", _GTLD_SERVERS, ttl=TLD_TTL, denial=Nsec3()),
    Spec("arpa.", ("a.ns.arpa.",), ttl=TLD_TTL),
    Spec("in-addr.arpa.", ("a.ns.arpa.",), ttl=TLD_TTL),
    Spec("ip6.arpa.", ("a.ns.arpa.",), ttl=TLD_TTL),
    Spec("example.jp.", _EXAMPLE_JP_SERVERS, _EXAMPLE_JP),
    # Parent and child on the same servers, with a DS and without.
    Spec("sub.example.jp.", _EXAMPLE_JP_SERVERS, _SUB_EXAMPLE_JP),
    Spec("insecure.example.jp.", _EXAMPLE_JP_SERVERS, _INSECURE_EXAMPLE_JP, signed=False),
    Spec("18.198.in-addr.arpa.", _EXAMPLE_JP_SERVERS, _REVERSE),
    # Name servers out of bailiwick: the com servers have no glue for them.
    Spec("example.com.", _EXAMPLE_NET_SERVERS, _EXAMPLE_COM, denial=Nsec3()),
    Spec("example.net.", _EXAMPLE_NET_SERVERS, _EXAMPLE_NET),
    Spec("unsigned.jp.", ("ns1.unsigned.jp.",), _UNSIGNED_JP, signed=False),
    # Insecure through opt-out: no NSEC3 record names it.
    Spec("unsigned.com.", ("ns1.unsigned.jp.",), _UNSIGNED_COM, signed=False),
    # Signed, below an unsigned zone: secure for those only who have its anchor (RFC 4033 §2, "island of security").
    Spec("island.unsigned.jp.", ("ns1.unsigned.jp.",), _ISLAND, linked=False),
    # co.jp is an empty non-terminal of jp; this zone has a wildcard at its apex.
    Spec("example.co.jp.", ("ns1.example.co.jp.",), _EXAMPLE_CO_JP, denial=Nsec3()),
    Spec("xn--wgv71a119e.jp.", ("ns1.example.co.jp.",), _IDN_JP),
    # Its only server has to be resolved through com and net first.
    Spec("glueless.jp.", ("glueless.example.com.",), _GLUELESS_JP),
    Spec("faults.jp.", ("ns1.faults.jp.", "ns2.faults.jp."), _FAULTS_JP),
)
