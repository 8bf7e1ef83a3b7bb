"""DESIGN §4's table of Extended DNS Errors, row by row: a client's query in, the codes of the response out.

Everything is real but sockets and time: the service, the mesh, the validator, signed zones. A new row is a function marked
with `row(code)` that returns the last response.
"""

import struct
from collections.abc import Callable
from ipaddress import IPv4Network

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from resolver.cache.packets import PacketCache
from resolver.policy import rpz
from resolver.policy.local import LocalKind, LocalZones
from resolver.policy.rules import PolicyZone, ResponsePolicy, Scope, ZoneOptions
from resolver.policy.table import ZoneTable
from resolver.resolution import Resolution
from resolver.server.access import AccessList
from resolver.server.counters import Counters
from resolver.server.respond import Identity
from resolver.server.service import Service
from tests.resolver.house import Change, House, broken, silent
from tests.resolver.server.queries import make_query
from tests.resolver.server.world import Silent
from tests.trust.zones import DAY, NOW, KeyPair, SignedZone
from trust.vocabulary import Ask, Now, Question, Transport, Trouble
from wire import types as t
from wire.message import Message
from wire.text import name_from_text, rrsets_from_text

TABLE = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 29, 30, 33)
"""The codes of DESIGN §4."""
EXAMPLE_AT = "192.0.2.3"
CLIENT = "127.0.0.1"
WWW = "www.example.jp"


class Counter:
    """A service whose mesh is that of a house."""

    def __init__(self, here: House, *, allow: AccessList | None = None, policy: ResponsePolicy | None = None) -> None:
        self.here = here
        self.service = Service(self, allow or AccessList(), Identity(b"rows"), Counters(), PacketCache(1 << 20), Silent())
        self.service.policy = policy

    def submit(
        self, waiter: object, question: Question, *, checking_disabled: bool = False, scope: Scope | None = None
    ) -> None:
        """As the driver's."""
        here = self.here
        here._take(here.mesh.submit(waiter, question, here.now, checking_disabled=checking_disabled, scope=scope))
        here.run()
        resolution: Resolution = here.finished.pop(waiter)
        waiter.finish(resolution, Now(here.now.wall, here.now.mono))  # type: ignore[attr-defined]

    def renew(self, question: Question) -> None:
        """As the driver's."""

    def ask(self, query: dns.message.Message | bytes) -> dns.message.Message:
        """The response to a client's query."""
        got: list[bytes] = []
        packet = query if isinstance(query, bytes) else query.to_wire()
        assert self.service.take(packet, CLIENT, Transport.UDP, got.append)
        (response,) = got
        return dns.message.from_wire(response)


Row = Callable[[], dns.message.Message]
ROWS: dict[int, Row] = {}


def row(code: int) -> Callable[[Row], Row]:
    """A scenario in which a client is told this code."""

    def put(scenario: Row) -> Row:
        assert code not in ROWS
        ROWS[code] = scenario
        return scenario

    return put


def codes(response: dns.message.Message) -> list[int]:
    return [int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)]


# --- zones -------------------------------------------------------------------------------------------------------------


def zones(
    *,
    ds: Callable[[SignedZone], list[bytes]] | None = None,
    edit: Callable[[SignedZone], object] | None = None,
    nsec3: bool = False,
    iterations: int = 0,
    keys: tuple[KeyPair, KeyPair] | None = None,
    **settings: object,
) -> House:
    """root → jp → example.jp. `edit`: what is done to example.jp when it is signed."""
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    example = SignedZone(
        "example.jp", "www 300 A 192.0.2.80\n", server=EXAMPLE_AT, nsec3=nsec3, iterations=iterations, keys=keys
    )
    root.delegate(jp)
    jp.delegate(example, ds(example) if ds is not None else None)
    for zone in (root, jp, example):
        zone.sign()
    if edit is not None:
        edit(example)
    return House(root, jp, example, **settings)  # type: ignore[arg-type]


def asks(here: House, name: str = WWW, rtype: str = "A") -> dns.message.Message:
    return Counter(here).ask(make_query(name, rtype, edns=True, do=True))


def fails(here: House, change: Change) -> House:
    here.changes = {EXAMPLE_AT: change}
    return here


def resigned(inception: int, expiration: int) -> Callable[[SignedZone], None]:
    return lambda zone: zone.sign_set(zone.get(WWW, "A"), inception, expiration)


def altered(place: int, value: int) -> Callable[[SignedZone], list[bytes]]:
    """The DS RRset with one octet of its head replaced: 2 is the algorithm, 3 the digest type."""

    def change(zone: SignedZone) -> list[bytes]:
        ds = bytearray(zone.ksk.ds(zone.origin))
        ds[place] = value
        return [bytes(ds)]

    return change


# --- what the zone is like ---------------------------------------------------------------------------------------------


@row(1)
def unsupported_algorithm() -> dns.message.Message:
    return asks(zones(ds=altered(2, 200)))


@row(2)
def unsupported_digest() -> dns.message.Message:
    return asks(zones(ds=altered(3, 200)))


@row(5)
def the_anchors_zone_gives_no_keys() -> dns.message.Message:
    here = zones()

    def keyless(ask: Ask, out: Message) -> Message | Trouble:
        return Trouble.TIMEOUT if ask.qtype == t.DNSKEY else out

    here.changes = {"192.0.2.1": keyless}
    return asks(here)


@row(6)
def signature_that_does_not_verify() -> dns.message.Message:
    return asks(fails(zones(), broken(t.A)))


@row(7)
def expired() -> dns.message.Message:
    return asks(zones(edit=resigned(NOW - 2 * DAY, NOW - DAY)))


@row(8)
def not_yet_valid() -> dns.message.Message:
    return asks(zones(edit=resigned(NOW + DAY, NOW + 2 * DAY)))


@row(25)
def expired_before_valid() -> dns.message.Message:
    return asks(zones(edit=resigned(NOW + DAY, NOW - DAY)))


@row(9)
def no_key_fits_the_ds() -> dns.message.Message:
    return asks(zones(ds=altered(4, 0)))


@row(10)
def no_signature() -> dns.message.Message:
    return asks(zones(edit=lambda zone: zone.edit(lambda rrset: rrset.sigs.clear(), WWW, "A")))


@row(11)
def no_zone_key_bit() -> dns.message.Message:
    whole = KeyPair(13, 257)
    ksk = whole.altered(flags=1)
    return asks(zones(keys=(ksk, KeyPair(13, 256))))


@row(12)
def no_proof() -> dns.message.Message:
    def bare(ask: Ask, out: Message) -> Message:
        out.authority = [rrset for rrset in out.authority if rrset.rtype != t.NSEC]
        return out

    return asks(fails(zones(), bare), "none.example.jp")


@row(27)
def too_many_iterations() -> dns.message.Message:
    return asks(zones(nsec3=True, iterations=151), "none.example.jp")


@row(29)
def made_from_denials() -> dns.message.Message:
    here = zones()
    asks(here, "none.example.jp")
    return asks(here, "nonf.example.jp")


@row(33)
def under_an_nta() -> dns.message.Message:
    here = fails(zones(), broken())
    here.suspends("example.jp")
    return asks(here)


# --- what the servers do -----------------------------------------------------------------------------------------------


@row(22)
def no_authority_answers() -> dns.message.Message:
    return asks(fails(zones(), silent))


@row(23)
def the_network_fails() -> dns.message.Message:
    return asks(fails(zones(), lambda ask, out: Trouble.UNREACHABLE))


@row(24)
def nonsense() -> dns.message.Message:
    return asks(fails(zones(), lambda ask, out: Trouble.MALFORMED))


@row(13)
def remembered_failure() -> dns.message.Message:
    here = fails(zones(), silent)
    asks(here)
    return asks(here)


@row(3)
def expired_data() -> dns.message.Message:
    here = zones(serve_stale=True)
    asks(here)
    here.passes(310)
    return asks(fails(here, silent))


@row(19)
def expired_denial() -> dns.message.Message:
    here = zones(serve_stale=True, aggressive_nsec=False)
    asks(here, "none.example.jp")
    here.passes(310)
    return asks(fails(here, silent), "none.example.jp")


@row(14)
def not_ready() -> dns.message.Message:
    here = zones(tells_readiness=True)
    here.changes = {"192.0.2.1": silent}
    return asks(here)


# --- what the operator wants said --------------------------------------------------------------------------------------


def feed(record: str, ede: int) -> ResponsePolicy:
    """A response policy zone of one rule, `record`, whose refusals have this code."""
    zone, table = name_from_text("rpz.example"), ZoneTable()
    (rrset,) = rrsets_from_text(record, origin="rpz.example.", default_ttl=60)
    rpz.add(table, zone, rrset.name, rrset.rtype, rrset.ttl, rrset.rdatas[0])
    return ResponsePolicy(1, [PolicyZone(0, ZoneOptions(zone, "rpz.example", ede=ede), table)])


def under(policy: ResponsePolicy) -> dns.message.Message:
    return Counter(zones(), policy=policy).ask(make_query(WWW, edns=True, do=True))


@row(4)
def forged_data() -> dns.message.Message:
    return under(feed(f"{WWW} A 192.0.2.99", 15))


@row(15)
def blocked() -> dns.message.Message:
    return under(ResponsePolicy(1, local=LocalZones({name_from_text("example.jp"): LocalKind.NXDOMAIN})))


@row(16)
def censored() -> dns.message.Message:
    return under(feed(f"{WWW} CNAME .", 16))


@row(17)
def filtered() -> dns.message.Message:
    return under(feed(f"{WWW} CNAME *.", 17))


# --- what the client does ----------------------------------------------------------------------------------------------


@row(18)
def client_not_served() -> dns.message.Message:
    return Counter(zones(), allow=AccessList([IPv4Network("198.51.100.0/24")])).ask(make_query(WWW, edns=True))


@row(20)
def no_recursion_desired() -> dns.message.Message:
    return Counter(zones()).ask(make_query(WWW, edns=True, rd=False))


@row(21)
def another_opcode() -> dns.message.Message:
    packet = bytearray(make_query(WWW, edns=True).to_wire())
    (flags,) = struct.unpack_from("!H", packet, 2)
    struct.pack_into("!H", packet, 2, flags | 2 << 11)
    return Counter(zones()).ask(bytes(packet))


@row(30)
def zone_transfer() -> dns.message.Message:
    return asks(zones(), "example.jp", "AXFR")


# --- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(ROWS), ids=str)
def test_a_client_is_told(code: int) -> None:
    assert code in codes(ROWS[code]())


@pytest.mark.parametrize("code", sorted(set(ROWS) - {1, 2, 27, 29, 33, 3, 19, 4, 15, 16, 17}), ids=str)
def test_and_gets_no_data(code: int) -> None:
    response = ROWS[code]()
    assert response.rcode() != dns.rcode.NOERROR
    assert not response.answer
    assert not response.flags & dns.flags.AD


@pytest.mark.parametrize("code", [1, 2, 27, 33], ids=str)
def test_what_is_insecure_is_answered_without_ad(code: int) -> None:
    response = ROWS[code]()
    assert response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    assert not response.flags & dns.flags.AD


@pytest.mark.parametrize(
    ("code", "rcode", "said", "text"),
    [
        (4, "NOERROR", ["192.0.2.99"], f"policy zone rpz.example: qname {WWW}"),
        (15, "NXDOMAIN", [], "local zone example.jp nxdomain"),
        (16, "NXDOMAIN", [], f"policy zone rpz.example: qname {WWW}"),
        (17, "NOERROR", [], f"policy zone rpz.example: qname {WWW}"),
    ],
)
def test_what_the_operator_wants_said_has_no_ad_and_names_the_rule(
    code: int, rcode: str, said: list[str], text: str
) -> None:
    response = ROWS[code]()
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert [rdata.to_text() for rrset in response.answer for rdata in rrset] == said
    assert not response.flags & dns.flags.AD
    (option,) = [option for option in response.options if isinstance(option, dns.edns.EDEOption)]
    assert (int(option.code), option.text) == (code, text)


def test_every_row_has_its_scenario() -> None:
    assert set(ROWS) == set(TABLE)


def test_a_healthy_answer_has_none() -> None:
    response = asks(zones())
    assert codes(response) == []
    assert response.flags & dns.flags.AD
