"""Links judged: other servers for what is bogus, what is remembered of it and for how long, and changes of trust."""

from collections.abc import Callable

import pytest

from tests.resolver.house import Change, House, broken, silent
from tests.resolver.play import question
from tests.trust.zones import KeyPair, SignedZone, n
from trust.reason import Reason
from trust.vocabulary import Address, Ask, Security
from wire import types as t
from wire.limits import BOGUS_TTL, FAILURE_TTL, PACKETS, SIG_PER_RESOLUTION
from wire.message import Message
from wire.rrset import RRset

SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS
RECORDS = "www 3600 A 192.0.2.80\nmail 3600 A 192.0.2.25\nalias 3600 CNAME www\n"
FIRST, SECOND, THIRD = "192.0.2.3", "192.0.2.4", "192.0.2.5"


def house(
    *servers: str, ds: Callable[[SignedZone], list[bytes]] | None = None, signed: bool = True, **settings: object
) -> House:
    """root → jp → example.jp, the last at FIRST and at these."""
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, server=FIRST, signed=signed)
    root.delegate(jp)
    jp.delegate(example, ds(example) if ds else None)
    for zone in (root, jp, example):
        zone.sign()
    return House(root, jp, example, more={"example.jp": servers}, **settings)


def example_of(here: House) -> SignedZone:
    return here.zones[n("example.jp")]


def replace_zsk(here: House) -> None:
    """RFC 6781 §4.1.1.1 done in haste: the old key and its signatures vanish at once."""
    example = example_of(here)
    example.zsk = KeyPair(13, 256, index=7)
    example.publish(example.ksk.rdata, example.zsk.rdata)
    example.sign()


def life(here: House, name: str = "www.example.jp") -> float:
    """Seconds for which the name's A is kept yet."""
    entry = here.mesh.memory.answers.exact(n(name), t.A, here.now.mono)
    assert entry is not None
    return entry.expires - here.now.mono


def wrong_ds(zone: SignedZone) -> list[bytes]:
    ds = zone.ksk.ds(zone.origin)
    return [ds[:-1] + bytes((ds[-1] ^ 1,))]


def codes(errors: list[tuple[int, str]]) -> list[int]:
    return [code for code, _ in errors]


# --- healthy -----------------------------------------------------------------------------------------------------------


def test_secure_and_kept_with_its_verdict() -> None:
    here = house()
    resolution = here.ask("www.example.jp")
    assert (resolution.rcode, resolution.security, resolution.errors) == (t.NOERROR, SECURE, [])
    here.packets()
    again = here.ask("www.example.jp")
    assert (again.security, here.packets()) == (SECURE, 0)
    assert life(here) == pytest.approx(3600, abs=1)


def test_an_unsigned_zone_is_insecure() -> None:
    resolution = house(signed=False).ask("www.example.jp")
    assert (resolution.rcode, resolution.security, resolution.errors) == (t.NOERROR, INSECURE, [])


# --- bogus -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [FIRST, SECOND])
@pytest.mark.parametrize("name", ["www.example.jp", "alias.example.jp", "nx.example.jp"])
def test_what_is_bogus_at_one_server_is_asked_of_the_others(bad: str, name: str) -> None:
    here = house(SECOND)
    here.changes[bad] = broken()
    resolution = here.ask(name)
    assert resolution.rcode == (t.NXDOMAIN if name.startswith("nx") else t.NOERROR)
    assert (resolution.security, resolution.errors) == (SECURE, [])


def test_a_server_without_signatures_is_passed_over() -> None:
    def stripped(ask: Ask, out: Message) -> Message:
        out.answer = [RRset(r.name, r.rtype, r.ttl, r.rdatas) for r in out.answer]
        out.authority = [RRset(r.name, r.rtype, r.ttl, r.rdatas) for r in out.authority if r.rtype == t.SOA]
        return out

    here = house(SECOND)
    here.changes[FIRST] = stripped
    for name in ("www.example.jp", "mail.example.jp", "nx.example.jp"):
        assert here.ask(name).security is SECURE


def test_two_others_are_asked_and_no_more() -> None:
    servers = [f"192.0.2.{i}" for i in range(3, 13)]
    here = house(*servers[1:])
    assert here.ask("mail.example.jp").security is SECURE
    here.packets()
    for server in servers:
        here.changes[server] = broken(t.A)
    resolution = here.ask("www.example.jp")
    asked = [ask.server.ip for ask in here.asked]
    assert (resolution.rcode, resolution.security, resolution.reason) == (t.SERVFAIL, BOGUS, Reason.SIGNATURE_INVALID)
    assert len(asked) == len(set(asked)) == 3


def test_bogus_data_is_kept_briefly_and_said_to_be_remembered() -> None:
    here = house(SECOND)
    here.changes[FIRST] = here.changes[SECOND] = broken(t.A)
    first = here.ask("www.example.jp")
    assert codes(first.errors) == [6]
    assert "www.example.jp/A" in first.errors[0][1]
    here.packets()
    again = here.ask("www.example.jp")
    assert (codes(again.errors), here.packets()) == ([6, 13], 0)
    assert life(here) <= BOGUS_TTL
    here.changes.clear()
    here.passes(BOGUS_TTL + 1)
    assert here.ask("www.example.jp").security is SECURE


def test_clients_that_check_themselves_get_the_bogus_data() -> None:
    here = house()
    here.changes[FIRST] = broken(t.A)
    assert here.ask("www.example.jp").rcode == t.SERVFAIL
    here.packets()
    resolution = here.ask("www.example.jp", cd=True)
    assert (resolution.rcode, resolution.security) == (t.NOERROR, Security.INDETERMINATE)
    assert resolution.answer[0][0].rdatas == [bytes((192, 0, 2, 80))]
    assert here.packets() == 0


@pytest.mark.parametrize("first", ["CD", "nobody"])
def test_bogus_by_its_chain_is_kept_no_longer(first: str) -> None:
    """Data that a client with CD fetched is kept for its TTL; that it turns out bogus may change much sooner."""
    here = house(ds=wrong_ds)
    if first == "CD":
        here.ask("www.example.jp", cd=True)
        assert life(here) == pytest.approx(3600, abs=1)
    resolution = here.ask("www.example.jp")
    assert (resolution.security, resolution.reason) == (BOGUS, Reason.NO_MATCHING_DNSKEY)
    assert life(here) <= BOGUS_TTL


def test_bogus_by_its_chain_is_not_kept_longer_than_the_chain() -> None:
    """Else a zone that was mended would fail for two minutes: one for its own, one for what was asked at the end of it."""
    here = house(ds=wrong_ds)
    here.ask("www.example.jp")
    here.passes(BOGUS_TTL - 10)
    assert here.ask("mail.example.jp").security is BOGUS
    assert life(here, "mail.example.jp") <= 10


@pytest.mark.parametrize("rtype", [t.DNSKEY, t.DS, t.A, t.NSEC, None], ids=["DNSKEY", "DS", "A", "NSEC", "all"])
@pytest.mark.parametrize("name", ["www.example.jp", "nx.example.jp"])
@pytest.mark.parametrize("at", [[FIRST], ["192.0.2.2"], [FIRST, "192.0.2.2"]], ids=["zone", "parent", "both"])
def test_what_is_mended_is_seen_within_a_minute(rtype: int | None, name: str, at: list[str]) -> None:
    """Whatever the TTL of the bad records, and though there is no other server to ask."""
    here = house()
    for server in at:
        here.changes[server] = broken(rtype)
    here.ask(name)
    here.passes(30)
    here.ask(f"other.{name}")
    here.changes.clear()
    here.passes(BOGUS_TTL + 1)
    resolution = here.ask(name)
    assert (resolution.security, resolution.errors) == (SECURE, [])


def test_keys_that_nobody_gives_are_a_passing_fault() -> None:
    here = house()

    def no_keys(ask: Ask, out: Message) -> Message:
        if ask.qtype == t.DNSKEY:
            out.flags = t.QR | t.REFUSED
            out.answer = []
        return out

    here.changes[FIRST] = no_keys
    resolution = here.ask("www.example.jp")
    assert (resolution.security, resolution.reason) == (BOGUS, Reason.CHAIN_UNREACHABLE)
    assert codes(resolution.errors) == [22]
    assert life(here) <= FAILURE_TTL
    here.changes.clear()
    here.passes(FAILURE_TTL + 1)
    assert here.ask("www.example.jp").security is SECURE


def test_data_outlives_the_absence_of_its_keys() -> None:
    """Fetched for a client with CD, and judged while nobody gave the keys: it stays for its own TTL."""
    here = house()
    here.ask("www.example.jp", cd=True)
    here.changes["192.0.2.2"] = here.changes[FIRST] = silent
    assert here.ask("www.example.jp").security is BOGUS
    assert life(here) > 3500
    assert here.ask("www.example.jp", cd=True).rcode == t.NOERROR
    here.changes.clear()
    here.passes(400)
    here.packets()
    assert here.ask("www.example.jp").security is SECURE


def test_a_bad_dnskey_at_one_server_does_not_make_the_zone_unreachable() -> None:
    # The DNSKEY RRset is asked for again elsewhere; that there is no elsewhere is no failure of the question.
    here = house()
    here.changes[FIRST] = broken(t.DNSKEY)
    first = here.ask("www.example.jp")
    second = here.ask("mail.example.jp")
    asked = here.ask("example.jp", "DNSKEY")
    assert [codes(r.errors)[0] for r in (first, second, asked)] == [6, 6, 6]


def test_a_rolled_key_is_fetched_before_anything_is_called_bogus() -> None:
    # The DNSKEY RRset is still in the cache.
    here = house()
    assert here.ask("www.example.jp").security is SECURE
    replace_zsk(here)
    here.packets()
    assert here.ask("mail.example.jp").security is SECURE
    assert [(ask.qname, ask.qtype) for ask in here.asked] == [(n("mail.example.jp"), t.A), (n("example.jp"), t.DNSKEY)]


def test_cached_data_of_a_key_that_is_gone_is_fetched_anew_even_from_the_server_that_gave_it() -> None:
    """An NTA elsewhere has every verdict made anew; the cached set's key has meanwhile been replaced in haste."""
    here = house()
    assert here.ask("www.example.jp").security is SECURE
    replace_zsk(here)
    assert here.ask("mail.example.jp").security is SECURE
    here.suspends("other.jp")
    assert here.ask("www.example.jp").security is SECURE


# --- what comes along with an alias ------------------------------------------------------------------------------------


def forged_target(ask: Ask, out: Message) -> Message:
    """Give the target of an alias another address, unsigned."""
    if len(out.answer) == 2:
        out.answer[1] = RRset(n("www.example.jp"), t.A, 3600, [bytes((192, 0, 2, 66))])
    return out


def test_what_is_known_to_be_secure_is_not_replaced_by_what_comes_with_an_alias() -> None:
    here = house()
    assert here.ask("www.example.jp").security is SECURE
    here.changes[FIRST] = forged_target
    through = here.ask("alias.example.jp")
    assert through.security is SECURE
    assert [rrset.rdatas for rrset, _ in through.answer][-1] == [bytes((192, 0, 2, 80))]
    assert here.ask("www.example.jp").security is SECURE


def test_a_client_that_checks_itself_does_not_change_it_either() -> None:
    here = house()
    here.ask("www.example.jp")
    here.changes[FIRST] = forged_target
    through = here.ask("alias.example.jp", cd=True)
    assert [rrset.rdatas for rrset, _ in through.answer][-1] == [bytes((192, 0, 2, 66))]
    here.packets()
    resolution = here.ask("www.example.jp")
    assert (resolution.security, here.packets()) == (SECURE, 0)


def test_what_is_not_known_is_judged() -> None:
    here = house()
    here.changes[FIRST] = forged_target
    assert here.ask("alias.example.jp").security is BOGUS


def test_what_is_known_needs_no_new_judgement() -> None:
    here = house()
    here.ask("www.example.jp")
    before = here.mesh.memory.answers.exact(n("www.example.jp"), t.A, here.now.mono)
    resolution = here.ask("alias.example.jp")
    assert before is not None
    generation = here.mesh.memory.points.generation
    known, link = before.verdict(generation), resolution.steps[1][1]
    assert known is not None
    assert link is not None
    # What came along with the alias has octets of its own; what was kept is what counts.
    assert link.signatures[0][1].rrsig_rdata is known.signatures[0][1].rrsig_rdata


# --- beside what is proven ----------------------------------------------------------------------------------------------


def test_what_a_client_with_cd_fetched_does_not_hide_what_is_proven_of_the_name() -> None:
    """RFC 8198: the denial is in force; the client with CD has no use for it and fetched something of its own."""
    here = house()
    assert here.ask("nx.example.jp").security is SECURE
    here.changes[FIRST] = broken()
    here.ask("ny.example.jp", cd=True)
    for _ in range(2):  # judged now, and kept as bogus
        resolution = here.ask("ny.example.jp")
        assert (resolution.rcode, resolution.security, codes(resolution.errors)) == (t.NXDOMAIN, SECURE, [29])


def test_where_nothing_is_proven_it_stays_bogus() -> None:
    here = house()
    assert here.ask("www.example.jp").security is SECURE
    here.changes[FIRST] = broken()
    here.ask("ny.example.jp", cd=True)
    for _ in range(2):
        resolution = here.ask("ny.example.jp")
        assert (resolution.rcode, resolution.security) == (t.SERVFAIL, BOGUS)


def test_what_is_proven_no_longer_does_not_stand_in() -> None:
    here = house()
    assert here.ask("nx.example.jp").security is SECURE
    here.changes[FIRST] = broken(None)
    here.ask("ny.example.jp", cd=True)
    here.passes(3600)
    assert here.ask("ny.example.jp").security is BOGUS


# --- limits ------------------------------------------------------------------------------------------------------------


def evil(here: House, records: str) -> None:
    """An unsigned zone at FIRST too, delegated by jp."""
    zone = SignedZone("evil.jp", records, server="192.0.2.66", signed=False)
    jp = here.zones[n("jp")]
    jp.delegate(zone)
    jp.sign()
    here.zones[zone.origin] = zone
    here.servers[zone.origin] = ["192.0.2.66"]


def packets_allowed(here: House, count: int) -> None:
    here.mesh.limits.lowered[PACKETS.label] = count


def test_who_uses_up_his_packets_does_not_spoil_the_names_he_leads_to() -> None:
    seen = set()
    for count in range(1, 10):
        here = house()
        evil(here, "www 60 CNAME www.example.jp.\n")
        packets_allowed(here, count)
        seen.add(here.ask("www.evil.jp").reason)
        packets_allowed(here, 100)
        resolution = here.ask("www.example.jp")
        assert (resolution.rcode, resolution.security, resolution.errors) == (t.NOERROR, SECURE, []), count
    assert seen == {Reason.LIMIT, Reason.UNSIGNED_DELEGATION}


def test_who_uses_up_his_verifications_does_not_either() -> None:
    seen = set()
    for count in range(1, 9):
        here = house()
        evil(here, "www 60 CNAME www.example.jp.\n")
        here.mesh.limits.lowered[SIG_PER_RESOLUTION.label] = count
        first = here.ask("www.evil.jp")
        seen.add(first.reason)
        here.mesh.limits.lowered.clear()
        resolution = here.ask("www.example.jp")
        assert (resolution.rcode, resolution.security, resolution.errors) == (t.NOERROR, SECURE, []), count
    assert seen == {Reason.LIMIT, Reason.UNSIGNED_DELEGATION}


def test_what_reaches_a_limit_by_itself_is_remembered() -> None:
    here = house()
    packets_allowed(here, 2)
    assert here.ask("www.example.jp").reason is Reason.LIMIT
    here.packets()
    again = here.ask("www.example.jp")
    assert (again.rcode, codes(again.errors)[-1], here.packets()) == (t.SERVFAIL, 13, 0)


# --- changes of trust --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [broken(t.A), broken(t.DNSKEY)], ids=["its own", "of the keys"])
def test_an_nta_acts_at_the_next_question_and_so_does_its_end(fault: Change) -> None:
    here = house()
    here.changes[FIRST] = fault
    assert here.ask("www.example.jp").security is BOGUS
    here.suspends("example.jp")
    under = here.ask("www.example.jp")
    assert (under.rcode, under.security, under.reason, codes(under.errors)) == (t.NOERROR, INSECURE, Reason.NTA, [33])
    here.suspends()
    after = here.ask("www.example.jp")
    assert (after.rcode, after.security) == (t.SERVFAIL, BOGUS)
    assert life(here) <= BOGUS_TTL


def test_an_nta_for_another_name_changes_nothing() -> None:
    here = house()
    here.ask("www.example.jp")
    here.packets()
    here.suspends("other.jp", "sub.www.example.jp")
    assert (here.ask("www.example.jp").security, here.packets()) == (SECURE, 0)  # it is judged anew, from the cache


@pytest.mark.parametrize("when", ["www.example.jp A", "example.jp DNSKEY", "jp DNSKEY", ". DNSKEY"])
@pytest.mark.parametrize("names", [["example.jp"], ["jp"], ["."]])
def test_an_nta_that_comes_while_a_question_is_under_way_governs_its_answer(when: str, names: list[str]) -> None:
    here = house()
    here.changes[FIRST] = broken(t.A)
    here.begin("client", "www.example.jp")
    _run_up_to(here, when)
    here.suspends(*names)
    here.run()
    for resolution in (here.finished["client"], here.ask("www.example.jp")):
        assert (resolution.rcode, resolution.security, resolution.reason) == (t.NOERROR, INSECURE, Reason.NTA)


@pytest.mark.parametrize("when", ["www.example.jp A", "example.jp DNSKEY", "jp DNSKEY", ". DNSKEY"])
def test_an_nta_that_ends_meanwhile_governs_nothing_more(when: str) -> None:
    here = house()
    here.suspends("other.jp")
    here.begin("client", "www.example.jp")
    _run_up_to(here, when)
    here.suspends()
    here.run()
    assert here.finished["client"].security is SECURE
    here.packets()
    assert (here.ask("www.example.jp").security, here.packets()) == (SECURE, 0)


def test_a_verdict_of_before_is_not_taken_for_one_of_now() -> None:
    """What another client fetched and judged while trust changed is judged anew."""
    here = house()
    here.begin("client", "www.example.jp")
    _run_up_to(here, "example.jp DNSKEY")
    here.points = here.points.with_points([])
    here.mesh.set_trust(here.points)
    here.run()
    assert here.finished["client"].security is INSECURE
    assert here.ask("www.example.jp").security is INSECURE


def _run_up_to(here: House, asked: str) -> None:
    """Answer packets until this question waits."""
    while True:
        waiting = here.waiting_texts()
        assert waiting
        if asked in waiting:
            return
        here.deliver(waiting[0])


def test_silence_is_remembered_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    here = house()
    here.changes[FIRST] = silent
    first = here.ask("www.example.jp")
    assert (first.rcode, codes(first.errors)) == (t.SERVFAIL, [22, 23])
    here.packets()
    again = here.ask("www.example.jp")
    assert (codes(again.errors), here.packets()) == ([22, 23, 13], 0)


def test_data_goes_before_a_remembered_failure() -> None:
    here = house()
    asked = question("www.example.jp")
    here.ask("alias.example.jp")  # brings the target along
    here.mesh.memory.failures.put(asked, Reason.NO_AUTHORITY, "", [(22, "")], [], here.now.mono)
    assert here.ask("www.example.jp").security is SECURE


def test_findings_name_the_server() -> None:
    here = house()
    here.changes[FIRST] = silent
    resolution = here.ask("www.example.jp")
    assert {finding.server for finding in resolution.findings} == {Address(FIRST, 53)}


# --- clients that check themselves, beside those that do not -----------------------------------------------------------


@pytest.mark.parametrize("fault", [broken(), broken(t.A)], ids=["all", "data"])
@pytest.mark.parametrize("first", [True, False], ids=["CD last", "CD first"])
def test_a_cd_query_at_the_same_time_does_not_wash_what_is_bogus(fault: Change, first: bool) -> None:
    """Whose answer comes last does not matter: what was judged bogus stays so when the same data comes unjudged."""
    here = house(SECOND)
    here.ask("example.jp", "SOA")
    here.changes = {FIRST: fault, SECOND: fault}
    here.begin("checked", "www.example.jp")
    here.begin("unchecked", "www.example.jp", cd=True)
    ids = [ask_id for ask_id, ask in here.waiting.items() if ask.qname == n("www.example.jp")]
    assert len(ids) == 2
    late = ids[1] if first else ids[0]
    asked = here.waiting.pop(late)
    here.run()
    here.waiting[late] = asked
    here.run()
    assert here.finished["checked"].security is BOGUS
    assert here.finished["unchecked"].rcode == t.NOERROR
    here.changes = {}
    here.packets()
    assert here.ask("www.example.jp").security is BOGUS
    assert here.packets() == 0
