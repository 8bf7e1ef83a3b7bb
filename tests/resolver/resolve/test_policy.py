"""Resolution under a response policy, from the question to the answer, among signed zones."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest

from resolver.policy.dns64 import Dns64
from resolver.policy.local import LocalKind, LocalZones
from resolver.policy.rule import Override
from resolver.policy.rules import PolicyZone, ResponsePolicy, ZoneOptions
from resolver.policy.table import ZoneTable
from resolver.resolution import Handling, Resolution
from tests.resolver.house import House, broken
from tests.resolver.play import question
from tests.resolver.policy.test_tables import table_of
from tests.trust.zones import SignedZone, n
from trust.reason import Reason
from trust.vocabulary import Ask, Security, Trouble
from wire import types as t
from wire.limits import CHAIN
from wire.message import Message
from wire.text import name_to_text, rrset_to_text, rrsets_from_text, type_to_text

EXAMPLE = """
www 3600 A 192.0.2.80
www 3600 A 192.0.2.81
other 3600 A 192.0.2.90
alias 3600 CNAME www
far 3600 CNAME www.other.jp.
chain 3600 CNAME far
six 3600 A 8.8.8.8
six 3600 AAAA 2001:db8::6
mapped 3600 AAAA ::ffff:192.0.2.1
mapped 3600 A 8.8.4.4
both 3600 AAAA ::ffff:192.0.2.1
both 3600 AAAA 2001:db8::7
four 600 A 8.8.8.8
four-alias 3600 CNAME four
private 3600 A 10.0.0.1
"""
SOA = "@ SOA ns. root. 7 60 30 600 10"


def house(**changes: object) -> House:
    """root → jp → example.jp (signed) and other.jp (unsigned); root → arpa."""
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    arpa = SignedZone("arpa", "8.8.8.8.in-addr 3600 PTR www.example.jp.\n", server="192.0.2.5")
    example = SignedZone("example.jp", EXAMPLE, server="192.0.2.3")
    other = SignedZone("other.jp", "www 3600 A 192.0.2.70\nfour 3600 A 8.8.8.8\n", server="192.0.2.4", signed=False)
    root.delegate(jp)
    root.delegate(arpa)
    jp.delegate(example)
    jp.delegate(other)
    for zone in (root, jp, arpa, example, other):
        zone.sign()
    return House(root, jp, arpa, example, other, **changes)


class Client:
    """Somebody who asks under a policy."""

    def __init__(
        self,
        *tables: ZoneTable | tuple[ZoneTable, dict[str, object]],
        local: LocalZones | None = None,
        dns64: Dns64 | None = None,
        address: str = "198.51.100.7",
    ) -> None:
        self.house = house()
        zones = []
        for index, given in enumerate(tables):
            table, options = given if isinstance(given, tuple) else (given, {})
            label = f"zone{index}.rpz"
            zones.append(PolicyZone(index, ZoneOptions(n(label), label, **options), table))  # type: ignore[arg-type]
        self.policy = ResponsePolicy(1, zones, local, dns64)
        self.address = address

    def ask(self, name: str, rtype: str = "A", *, do: bool = False, cd: bool = False, tcp: bool = False) -> Resolution:
        token = object()
        here = self.house
        scope = self.policy.scope(self.address, dnssec_ok=do, tcp=tcp)
        here._take(here.mesh.submit(token, question(name, rtype), here.now, checking_disabled=cd, scope=scope))
        here.run()
        return here.finished.pop(token)


def lines(resolution: Resolution) -> list[str]:
    """The answer, without TTLs."""
    return [
        " ".join([text.split()[0].rstrip("."), *text.split()[3:]])
        for rrset, _ in resolution.answer
        for text in rrset_to_text(rrset, signatures=False)
    ]


def hits(resolution: Resolution) -> list[tuple[str, str]]:
    return [(hit.zone, hit.action) for hit in resolution.policy]


# --- actions -----------------------------------------------------------------------------------------------------------


def test_without_a_rule_the_answer_is_as_ever() -> None:
    resolution = Client(table_of("bad.example CNAME .")).ask("www.example.jp")
    assert resolution.security is Security.SECURE and not resolution.policy and not resolution.errors


@pytest.mark.parametrize(("target", "rcode"), [(".", t.NXDOMAIN), ("*.", t.NOERROR)])
def test_denials(target: str, rcode: int) -> None:
    client = Client(table_of(SOA, f"www.example.jp CNAME {target}"))
    resolution = client.ask("www.example.jp")
    assert resolution.rcode == rcode and not resolution.answer
    assert resolution.security is Security.INSECURE  # so no AD
    assert [(rrset.rtype, rrset.ttl) for rrset, _ in resolution.authority] == [(t.SOA, 10)]
    assert resolution.errors == [(15, "policy zone zone0.rpz: qname www.example.jp")]
    assert client.house.packets() == 0  # nothing is asked of anybody


def test_data_of_several_types() -> None:
    client = Client((table_of("www.example.jp 900 A 192.0.2.250", "www.example.jp TXT hello"), {"max_ttl": 30}))
    resolution = client.ask("www.example.jp")
    assert lines(resolution) == ["www.example.jp A 192.0.2.250"]
    assert resolution.answer[0][0].ttl == 30  # no longer than the policy allows
    assert [code for code, _ in resolution.errors] == [4]
    assert client.ask("www.example.jp", "MX").rcode == t.NOERROR
    assert len(client.ask("www.example.jp", "ANY").answer) == 2


def test_an_alias_as_data() -> None:
    client = Client(table_of("www.other.jp CNAME www.example.jp.", "www.example.jp CNAME ."))
    resolution = client.ask("www.other.jp")
    # What a rule led to is not looked at again.
    assert lines(resolution) == [
        "www.other.jp CNAME www.example.jp.",
        "www.example.jp A 192.0.2.80",
        "www.example.jp A 192.0.2.81",
    ]
    assert resolution.security is Security.INSECURE
    assert lines(client.ask("www.other.jp", "CNAME")) == ["www.other.jp CNAME www.example.jp."]


def test_a_wildcard_alias_keeps_the_name() -> None:
    resolution = Client(table_of("*.bad.jp CNAME *.garden.example.jp.")).ask("a.b.bad.jp")
    assert lines(resolution) == ["a.b.bad.jp CNAME a.b.bad.jp.garden.example.jp."]
    assert resolution.rcode == t.NXDOMAIN


def test_a_wildcard_alias_that_grows_too_long() -> None:
    label = "a" * 60
    resolution = Client(table_of(f"*.bad.jp CNAME *.{label}.{label}.example.jp.")).ask(f"{label}.{label}.bad.jp")
    assert resolution.rcode == t.YXDOMAIN and not resolution.answer


def test_an_alias_into_a_local_zone() -> None:
    local = LocalZones({}, rrsets_from_text("garden.test. 60 A 192.0.2.240\n"))
    resolution = Client(table_of("www.example.jp CNAME garden.test."), local=local).ask("www.example.jp")
    assert lines(resolution) == ["www.example.jp CNAME garden.test.", "garden.test A 192.0.2.240"]


def test_an_alias_to_what_is_bogus() -> None:
    client = Client(table_of("www.other.jp CNAME www.example.jp."))
    client.house.changes = {"192.0.2.3": broken()}
    assert client.ask("www.other.jp").rcode == t.SERVFAIL


def test_local_aliases_that_go_round() -> None:
    local = LocalZones({}, rrsets_from_text("a.test. 60 CNAME b.test.\nb.test. 60 CNAME a.test.\n"))
    resolution = Client(local=local).ask("a.test")
    assert resolution.rcode == t.NXDOMAIN  # after as many as an alias chain may have, nobody else is asked about test.
    assert len(resolution.answer) == CHAIN.value + 1


def test_drop_and_tcp_only() -> None:
    client = Client(table_of("www.example.jp CNAME rpz-drop.", "other.example.jp CNAME rpz-tcp-only."))
    assert client.ask("www.example.jp").handling is Handling.DROP
    assert client.ask("other.example.jp").handling is Handling.TRUNCATE
    assert client.house.packets() == 0
    resolution = client.ask("other.example.jp", tcp=True)
    assert resolution.handling is Handling.ANSWER and resolution.security is Security.SECURE
    assert hits(resolution) == [("zone0.rpz", "tcp-only")]


def test_passthru_ends_the_matter() -> None:
    client = Client(table_of("www.example.jp CNAME rpz-passthru."), table_of("www.example.jp CNAME ."))
    resolution = client.ask("www.example.jp")
    assert resolution.security is Security.SECURE and len(lines(resolution)) == 2
    assert hits(resolution) == [("zone0.rpz", "passthru")] and not resolution.errors


# --- precedence --------------------------------------------------------------------------------------------------------


def test_the_first_zone_decides_whatever_the_trigger() -> None:
    by_address = table_of("32.80.2.0.192.rpz-ip CNAME *.")
    by_name = table_of("www.example.jp CNAME .", "other.example.jp CNAME .")
    assert Client(by_address, by_name).ask("www.example.jp").rcode == t.NOERROR
    assert Client(by_address, by_name).ask("other.example.jp").rcode == t.NXDOMAIN
    assert Client(by_name, by_address).ask("www.example.jp").rcode == t.NXDOMAIN


def test_triggers_within_a_zone() -> None:
    client = "32.7.100.51.198.rpz-client-ip CNAME *."
    name, address = "www.example.jp CNAME .", "32.80.2.0.192.rpz-ip A 192.0.2.251"
    nsdname, nsip = "ns1.example.jp.rpz-nsdname A 192.0.2.252", "32.53.2.0.192.rpz-nsip A 192.0.2.253"
    assert hits(Client(table_of(client, name, address, nsdname, nsip)).ask("www.example.jp")) == [("zone0.rpz", "nodata")]
    assert hits(Client(table_of(name, address, nsdname, nsip)).ask("www.example.jp")) == [("zone0.rpz", "nxdomain")]
    assert lines(Client(table_of(address, nsdname, nsip)).ask("www.example.jp")) == ["www.example.jp A 192.0.2.251"]
    assert lines(Client(table_of(nsdname, nsip)).ask("www.example.jp")) == ["www.example.jp A 192.0.2.252"]
    assert lines(Client(table_of(nsip)).ask("www.example.jp")) == ["www.example.jp A 192.0.2.253"]


def test_a_wildcard_of_servers() -> None:
    resolution = Client(table_of("*.example.jp.rpz-nsdname CNAME .")).ask("nonexistent.example.jp")
    assert resolution.rcode == t.NXDOMAIN and hits(resolution) == [("zone0.rpz", "nxdomain")]


def test_servers_are_looked_at_when_the_answer_is_cached() -> None:
    client = Client(table_of("ns1.example.jp.rpz-nsdname CNAME ."))
    client.house.ask("www.example.jp")
    client.house.mesh.memory.delegations.clear()
    assert client.ask("www.example.jp").rcode == t.NXDOMAIN


def test_top_level_servers_are_not_looked_at() -> None:
    assert Client(table_of("ns1.jp.rpz-nsdname CNAME .")).ask("www.example.jp").rcode == t.NOERROR


def test_along_the_chain_the_first_name_decides() -> None:
    client = Client(table_of("www.other.jp CNAME ."))
    resolution = client.ask("chain.example.jp")
    assert lines(resolution) == ["chain.example.jp CNAME far.example.jp.", "far.example.jp CNAME www.other.jp."]
    assert resolution.rcode == t.NXDOMAIN and resolution.security is Security.INSECURE
    assert all(ask.qname != n("www.other.jp") for ask in client.house.asked)  # the blocked name itself is not asked for
    first = Client(table_of("far.example.jp A 192.0.2.200"), table_of("chain.example.jp CNAME ."))
    assert first.ask("chain.example.jp").rcode == t.NXDOMAIN


def test_a_server_of_the_first_name_goes_before_the_target() -> None:
    client = Client(table_of("ns1.example.jp.rpz-nsdname CNAME *.", "www.other.jp CNAME ."))
    resolution = client.ask("far.example.jp")
    assert resolution.rcode == t.NOERROR and not resolution.answer


def test_an_exempt_target() -> None:
    client = Client(table_of("www.other.jp CNAME rpz-passthru.", "32.70.2.0.192.rpz-ip CNAME ."))
    assert lines(client.ask("far.example.jp"))[-1] == "www.other.jp A 192.0.2.70"
    assert Client(table_of("32.70.2.0.192.rpz-ip CNAME .")).ask("far.example.jp").rcode == t.NXDOMAIN


def test_the_alias_itself_is_not_followed() -> None:
    resolution = Client(table_of("www.other.jp CNAME .")).ask("far.example.jp", "CNAME")
    assert lines(resolution) == ["far.example.jp CNAME www.other.jp."] and resolution.security is Security.SECURE


# --- overrides ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "rcode", "handling"),
    [
        (Override.NXDOMAIN, t.NXDOMAIN, Handling.ANSWER),
        (Override.NODATA, t.NOERROR, Handling.ANSWER),
        (Override.DROP, t.NOERROR, Handling.DROP),
        (Override.TCP_ONLY, t.NOERROR, Handling.TRUNCATE),
    ],
)
def test_overrides(override: Override, rcode: int, handling: Handling) -> None:
    resolution = Client((table_of("www.example.jp A 192.0.2.200"), {"override": override})).ask("www.example.jp")
    assert (resolution.rcode, resolution.handling, resolution.answer) == (rcode, handling, [])


def test_passthru_as_an_override() -> None:
    client = Client(
        (table_of("www.example.jp CNAME ."), {"override": Override.PASSTHRU}), table_of("www.example.jp CNAME .")
    )
    assert client.ask("www.example.jp").security is Security.SECURE


def test_disabled_only_tells() -> None:
    client = Client((table_of("www.example.jp CNAME ."), {"override": Override.DISABLED}))
    resolution = client.ask("www.example.jp")
    assert resolution.security is Security.SECURE and hits(resolution) == [("zone0.rpz", "disabled")]
    both = Client(
        (table_of("www.example.jp CNAME ."), {"override": Override.DISABLED}), table_of("www.example.jp CNAME *.")
    ).ask("www.example.jp")
    assert hits(both) == [("zone0.rpz", "disabled"), ("zone1.rpz", "nodata")] and not both.answer


@pytest.mark.parametrize(("ede", "codes"), [(16, [16]), (17, [17]), (None, [])])
def test_what_clients_are_told(ede: int | None, codes: list[int]) -> None:
    resolution = Client((table_of("www.example.jp CNAME ."), {"ede": ede})).ask("www.example.jp")
    assert [code for code, _ in resolution.errors] == codes


# --- DNSSEC ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cd", [False, True])
def test_clients_that_ask_for_signatures_get_the_rule_too(cd: bool) -> None:
    resolution = Client(table_of("www.example.jp CNAME .")).ask("www.example.jp", do=True, cd=cd)
    assert resolution.rcode == t.NXDOMAIN and resolution.security is not Security.SECURE


def test_unless_signed_answers_are_to_stay_whole() -> None:
    keeping = (table_of("www.example.jp CNAME .", "www.other.jp CNAME ."), {"break_dnssec": False})
    signed = Client(keeping).ask("www.example.jp", do=True)
    assert signed.rcode == t.NOERROR and signed.security is Security.SECURE
    assert Client(keeping).ask("www.example.jp").rcode == t.NXDOMAIN
    assert Client(keeping).ask("www.other.jp", do=True).rcode == t.NXDOMAIN  # not signed


def test_a_rule_for_what_is_bogus() -> None:
    client = Client(table_of("www.example.jp CNAME ."))
    client.house.changes = {"192.0.2.3": broken()}
    assert client.ask("www.example.jp").rcode == t.NXDOMAIN
    assert client.ask("other.example.jp").security is Security.BOGUS


# --- clients -----------------------------------------------------------------------------------------------------------


def test_clients_are_told_apart() -> None:
    table = table_of("24.0.100.51.198.rpz-client-ip CNAME .", "32.9.100.51.198.rpz-client-ip CNAME rpz-passthru.")
    client = Client(table)
    assert client.ask("www.example.jp").rcode == t.NXDOMAIN
    client.address = "198.51.100.9"
    assert client.ask("www.example.jp").rcode == t.NOERROR
    client.address = "203.0.113.1"
    assert client.ask("www.example.jp").rcode == t.NOERROR
    policy = client.policy
    assert [policy.is_special(a) for a in ("198.51.100.7", "198.51.100.9", "203.0.113.1", "2001:db8::1")] == [
        True,
        True,
        False,
        False,
    ]
    assert policy.by_client and not ResponsePolicy(1).by_client


def test_ordinary_clients_share_a_scope() -> None:
    policy = Client(table_of("www.example.jp CNAME .")).policy
    assert policy.scope("192.0.2.1", dnssec_ok=True, tcp=False) is policy.scope("192.0.2.2", dnssec_ok=False, tcp=False)


# --- expired data ------------------------------------------------------------------------------------------------------


def test_rules_hold_for_expired_data() -> None:
    """RFC 8767: what is served when nobody answers is looked at by the same rules."""
    client = Client(table_of("32.70.2.0.192.rpz-ip CNAME .", "far.example.jp CNAME rpz-passthru."))
    client.house = here = house(serve_stale=True)
    for name in ("www.other.jp", "far.example.jp"):
        assert here.ask(name).answer
    here.passes(7200)
    for zone in here.zones.values():
        here.changes[zone.server.ip] = lambda ask, message: Trouble.TIMEOUT
    blocked = client.ask("www.other.jp")
    assert (blocked.rcode, blocked.answer) == (t.NXDOMAIN, []) and hits(blocked) == [("zone0.rpz", "nxdomain")]
    assert here.ask("www.other.jp").reason is Reason.STALE
    exempt = client.ask("far.example.jp")
    assert lines(exempt)[-1] == "www.other.jp A 192.0.2.70" and exempt.reason is Reason.STALE


# --- local zones -------------------------------------------------------------------------------------------------------


def test_local_zones_go_before_policy_zones() -> None:
    local = LocalZones({n("www.example.jp"): LocalKind.PASSTHRU, n("corp.test"): LocalKind.STATIC})
    client = Client(table_of("www.example.jp CNAME .", "www.corp.test A 192.0.2.9"), local=local)
    assert client.ask("www.example.jp").security is Security.SECURE
    resolution = client.ask("www.corp.test")
    assert resolution.rcode == t.NXDOMAIN and resolution.errors == [(4, "local zone corp.test static")]
    assert [name_to_text(rrset.name) for rrset, _ in resolution.authority] == ["corp.test"]


def test_local_zones_of_other_kinds() -> None:
    local = LocalZones(
        {n("no.test"): LocalKind.REFUSE, n("deny.test"): LocalKind.DENY, n("ads.jp"): LocalKind.NXDOMAIN},
        rrsets_from_text("www.other.jp. 60 AAAA 2001:db8::5\n"),
    )
    client = Client(local=local)
    assert client.ask("a.no.test").rcode == t.REFUSED
    assert client.ask("a.deny.test").handling is Handling.DROP
    assert client.ask("ads.jp").errors == [(15, "local zone ads.jp nxdomain")]
    # A name with local data has no other, also where an alias led there.
    resolution = client.ask("far.example.jp")
    assert lines(resolution) == ["far.example.jp CNAME www.other.jp."] and resolution.rcode == t.NOERROR
    assert lines(client.ask("far.example.jp", "AAAA"))[-1] == "www.other.jp AAAA 2001:db8::5"


# --- DNS64 -------------------------------------------------------------------------------------------------------------

MADE = "64:ff9b::808:808"


def test_addresses_are_made_where_there_are_none() -> None:
    client = Client(dns64=Dns64())
    resolution = client.ask("four.example.jp", "AAAA")
    assert lines(resolution) == [f"four.example.jp AAAA {MADE}"]
    assert resolution.security is Security.SECURE  # RFC 6147 §5.5: both the denial and the address were validated
    assert resolution.answer[0][0].ttl == 300  # the SOA's minimum, which is less than the address's TTL
    assert lines(client.ask("six.example.jp", "AAAA")) == ["six.example.jp AAAA 2001:db8::6"]
    assert lines(client.ask("four-alias.example.jp", "AAAA")) == [
        "four-alias.example.jp CNAME four.example.jp.",
        f"four.example.jp AAAA {MADE}",
    ]
    assert client.ask("four.other.jp", "AAAA").security is Security.INSECURE
    assert client.ask("nonexistent.example.jp", "AAAA").rcode == t.NXDOMAIN
    assert client.ask("private.example.jp", "AAAA").answer == []
    assert lines(client.ask("four.example.jp")) == ["four.example.jp A 8.8.8.8"]


def test_addresses_that_count_as_none() -> None:
    client = Client(dns64=Dns64())
    assert lines(client.ask("mapped.example.jp", "AAAA")) == ["mapped.example.jp AAAA 64:ff9b::808:404"]
    kept = client.ask("both.example.jp", "AAAA")
    assert lines(kept) == ["both.example.jp AAAA 2001:db8::7"] and kept.security is Security.INSECURE


@pytest.mark.parametrize(
    ("do", "cd", "made"), [(False, False, True), (True, False, True), (True, True, False), (False, True, True)]
)
def test_for_whom(do: bool, cd: bool, made: bool) -> None:
    """RFC 6147 §5.5: who sets both DO and CD makes them himself."""
    resolution = Client(dns64=Dns64()).ask("four.example.jp", "AAAA", do=do, cd=cd)
    assert bool(resolution.answer) is made
    assert (resolution.security is Security.SECURE) is not cd


@pytest.mark.parametrize("forged", [t.NSEC, t.A])
def test_nothing_is_made_of_what_is_bogus(forged: int) -> None:
    """RFC 6147 §5.5: neither when the denial of AAAA does not validate, nor when the address does not."""
    client = Client(dns64=Dns64())
    client.house.changes = {"192.0.2.3": broken(forged)}
    resolution = client.ask("four.example.jp", "AAAA")
    assert (resolution.rcode, resolution.security) == (t.SERVFAIL, Security.BOGUS)
    assert resolution.question == question("four.example.jp", "AAAA")


def test_an_authority_that_fails_for_aaaa_only() -> None:
    """RFC 6147 §5.1.2: an error other than NXDOMAIN counts as an answer without addresses."""

    def fails(ask: Ask, message: Message) -> Message:
        if ask.qtype == t.AAAA:
            message.flags |= t.SERVFAIL
            message.answer, message.authority = [], []
        return message

    client = Client(dns64=Dns64())
    client.house.changes = {"192.0.2.4": fails}
    assert client.ask("four.other.jp", "AAAA").rcode == t.NOERROR
    assert lines(client.ask("four.other.jp", "AAAA")) == [f"four.other.jp AAAA {MADE}"]


def test_reverse_names_of_made_addresses() -> None:
    client = Client(dns64=Dns64())
    name = IPv6Address("64:ff9b::8.8.8.8").reverse_pointer
    resolution = client.ask(name, "PTR")
    assert lines(resolution) == [f"{name} CNAME 8.8.8.8.in-addr.arpa.", "8.8.8.8.in-addr.arpa PTR www.example.jp."]
    assert resolution.security is Security.INSECURE and resolution.rcode == t.NOERROR
    private = client.ask(IPv6Address("64:ff9b::10.0.0.1").reverse_pointer, "PTR")
    assert private.rcode == t.NXDOMAIN  # a locally served zone (RFC 6303)


def test_a_choice_of_clients() -> None:
    dns64 = Dns64([IPv6Network("2001:db8:64::/96")], clients=[IPv4Network("198.51.100.0/24")])
    client = Client(dns64=dns64)
    assert lines(client.ask("private.example.jp", "AAAA")) == ["private.example.jp AAAA 2001:db8:64::a00:1"]
    client.address = "203.0.113.1"
    assert client.ask("private.example.jp", "AAAA").answer == []
    assert client.policy.by_client and not client.policy.is_special("203.0.113.1")


def test_ipv4only_arpa_needs_nobody() -> None:
    client = Client(dns64=Dns64())
    assert lines(client.ask("ipv4only.arpa", "AAAA")) == [
        "ipv4only.arpa AAAA 64:ff9b::c000:aa",
        "ipv4only.arpa AAAA 64:ff9b::c000:ab",
    ]
    assert client.ask("ipv4only.arpa", "MX").answer == [] and type_to_text(t.MX) == "MX"


def test_made_of_local_data() -> None:
    table = table_of("www.example.jp A 8.8.8.8", "32.8.8.8.8.rpz-ip CNAME .")
    assert lines(Client(table, dns64=Dns64()).ask("www.example.jp", "AAAA")) == [f"www.example.jp AAAA {MADE}"]
    # What a rule says of the IPv4 address holds for the one made of it.
    assert Client(table_of("32.8.8.8.8.rpz-ip CNAME ."), dns64=Dns64()).ask("four.example.jp", "AAAA").answer == []
