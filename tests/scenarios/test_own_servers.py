"""Servers that die, lie, stammer or change: what a client still gets, and what it costs."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.scenarios.play import Play
from tests.scenarios.rpl import parse
from tests.scenarios.stage import Stage
from trust.vocabulary import Ask, Transport

NS1, NS2 = "ns1.example.jp.", "ns2.example.jp."
SEEDS = range(1, 9)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_server_of_two_is_dead(seed: int) -> None:
    stage = Stage(seed=seed)
    stage.falls_silent(NS1)
    stage.client("www.example.jp").gets(ad=True)
    dead = stage.address(NS1)
    asked = [ask for i in range(30) for ask in stage.client(f"n{i}.example.jp").gets("NXDOMAIN", ad=True).asked]
    # Once it is known to be dead it costs a probe now and then, not one time-out a question.
    assert sum(ask.server.ip == dead for ask in asked) <= 8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_woke_is_used_again(seed: int) -> None:
    stage = Stage(seed=seed)
    stage.falls_silent(NS1)
    for i in range(10):
        stage.client(f"a{i}.example.jp").gets("NXDOMAIN")
    stage.wakes(NS1)
    stage.falls_silent(NS2)
    stage.client("www.example.jp").gets(ad=True)


def test_all_servers_are_dead_and_come_back() -> None:
    stage = Stage()
    stage.client("www.example.jp").gets(ad=True)
    stage.falls_silent(NS1, NS2)
    stage.client("www.example.jp").gets(ad=True).asks(0)
    stage.passes(301)
    failed = stage.client("www.example.jp").gets("SERVFAIL", ede=22).gets("SERVFAIL", ede=23)
    assert failed.took_s <= 10.001
    # RFC 9520: nobody is asked again at once.
    stage.client("www.example.jp").gets("SERVFAIL", ede=13).asks(0)
    stage.wakes(NS1, NS2)
    stage.passes(300)
    stage.client("www.example.jp").gets(ad=True, ede=0)


def test_failures_back_off() -> None:
    stage = Stage()
    stage.falls_silent(NS1, NS2)
    asked = []
    for _ in range(60):
        asked.append(len(stage.client("www.example.jp").gets("SERVFAIL").asked))
        stage.passes(10)
    assert sum(1 for count in asked[30:] if count) <= 3
    assert sum(1 for count in asked if count) >= 3


def test_the_root_is_silent() -> None:
    stage = Stage()
    stage.client("www.example.jp").gets(ad=True)
    stage.falls_silent("a.root-servers.net.", "b.root-servers.net.")
    stage.client("mail.example.jp").gets(ad=True)
    stage.client("www.example.com").gets("SERVFAIL", ede=22)


def test_truncated_answers_come_over_tcp() -> None:
    stage = Stage()
    reply = stage.client("long.example.jp", "TXT").gets(ad=True)
    assert [ask.transport for ask in reply.asked if ask.qname.startswith(b"\4long")] == [Transport.UDP, Transport.TCP]


def test_a_zone_that_answers_over_tcp_only() -> None:
    stage = Stage()
    stage.breaks("example.jp", "tcp-only")
    stage.client("www.example.jp").gets(ad=True)


def test_signed_and_without_edns_can_only_fail() -> None:
    stage = Stage()
    stage.client("www.example.jp").gets(ad=True)

    def formerr(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        """Know no EDNS, and no DNSSEC."""
        for section in (message.answer, message.authority, message.additional):
            section[:] = [] if ask.edns else [rrset for rrset in section if rrset.rdtype.name != "RRSIG"]
        message.use_edns(False)
        message.set_rcode(dns.rcode.FORMERR if ask.edns else dns.rcode.NOERROR)
        return message

    stage.alters(NS1, formerr)
    stage.alters(NS2, formerr)
    reply = stage.client("mail.example.jp").gets("SERVFAIL")
    # Never without EDNS below a signed cut.
    assert all(ask.edns for ask in reply.asked)


def test_a_server_without_edns_is_asked_without_it_below_an_unsigned_cut() -> None:
    stage = Stage()
    stage.breaks("unsigned.jp", "no-edns")
    first = stage.client("www.unsigned.jp").gets(ad=False, answer="A 192.0.2.141")
    assert [ask.edns for ask in first.asked if ask.qname.startswith(b"\3www")] == [True, False]
    second = stage.client("unsigned.jp", "MX").gets(answer="MX 10 www.unsigned.jp.")
    assert [ask.edns for ask in second.asked] == [False]


def recursive(ask: Ask, message: dns.message.Message) -> dns.message.Message:
    """Answer like a resolver: RA without AA."""
    message.flags = message.flags & ~dns.flags.AA | dns.flags.RA
    return message


def test_answers_of_resolvers_are_a_last_resort() -> None:
    stage = Stage()
    stage.alters(NS1, recursive)
    stage.client("www.example.jp").gets(ad=True)
    stage.alters(NS2, recursive)
    stage.client("mail.example.jp").gets(ad=True, answer="A 192.0.2.25")


def lame(ask: Ask, message: dns.message.Message) -> dns.message.Message:
    """Refer upwards."""
    for section in (message.answer, message.authority, message.additional):
        section.clear()
    message.flags &= ~dns.flags.AA
    message.authority.append(dns.rrset.from_text(".", 3600, "IN", "NS", "a.root-servers.net."))
    return message


def test_a_lame_server_is_left_alone() -> None:
    stage = Stage()
    stage.alters(NS1, lame)
    stage.client("www.example.jp").gets(ad=True)
    replies = [stage.client(f"n{i}.example.jp").gets("NXDOMAIN", ad=True) for i in range(20)]
    asked = [ask.server.ip for reply in replies for ask in reply.asked]
    assert asked.count(stage.address(NS1)) <= 1
    stage.alters(NS2, lame)
    stage.client("many.example.jp").gets("SERVFAIL", ede=22)


def test_one_server_refuses() -> None:
    stage = Stage()

    def refuse(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        for section in (message.answer, message.authority, message.additional):
            section.clear()
        message.set_rcode(dns.rcode.REFUSED)
        return message

    stage.alters(NS1, refuse)
    for i in range(8):
        stage.client(f"n{i}.example.jp").gets("NXDOMAIN", ad=True)


def test_records_out_of_bailiwick_are_not_believed() -> None:
    stage = Stage()

    def poison(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        message.authority.append(dns.rrset.from_text("unsigned.com.", 9999, "IN", "NS", "evil.unsigned.jp."))
        message.additional.append(dns.rrset.from_text("evil.unsigned.jp.", 9999, "IN", "A", "127.53.66.66"))
        message.additional.append(dns.rrset.from_text("www.unsigned.com.", 9999, "IN", "A", "127.53.66.66"))
        message.answer.append(dns.rrset.from_text("www.unsigned.com.", 9999, "IN", "A", "127.53.66.66"))
        return message

    stage.alters("ns1.unsigned.jp.", poison)
    stage.client("www.unsigned.jp").gets(answer="A 192.0.2.141")
    stage.alters("ns1.unsigned.jp.", None)
    reply = stage.client("www.unsigned.com").gets(answer="A 203.0.113.151")
    assert all(ask.server.ip != "127.53.66.66" for ask in reply.asked)


def test_the_target_of_an_alias_is_asked_of_its_own_zone() -> None:
    stage = Stage()

    def forge(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        message.answer.append(dns.rrset.from_text("www.unsigned.jp.", 9999, "IN", "A", "127.53.66.66"))
        return message

    stage.alters(NS1, forge)
    stage.alters(NS2, forge)
    stage.client("to-unsigned.example.jp").gets(ad=False, answer="CNAME www.unsigned.jp., A 192.0.2.141")
    stage.client("www.unsigned.jp").gets(answer="A 192.0.2.141")


def test_a_delegation_ends_when_its_parent_says_so() -> None:
    # The ghost domain: a child that keeps renewing its own NS set must not outlive its delegation.
    stage = Stage()
    stage.client("www.unsigned.jp").gets(answer="A 192.0.2.141")

    def undelegate(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        if b"\x08unsigned\2jp" in ask.qname:
            lame(ask, message)
            message.set_rcode(dns.rcode.REFUSED)
        return message

    stage.alters("a.dns.jp.", undelegate)
    stage.alters("b.dns.jp.", undelegate)
    for _ in range(2):
        stage.client("unsigned.jp", "NS").gets(answer="NS ns1.unsigned.jp.")
        stage.client("www.unsigned.jp").gets(answer="A 192.0.2.141")
        stage.passes(400)
    # Its parent's TTL is an hour. The child renews its NS set all the while.
    for _ in range(10):
        stage.client("unsigned.jp", "NS")
        stage.passes(299)
    stage.client("www.unsigned.jp").gets("SERVFAIL", ede=22)


def test_servers_without_glue_are_found_through_other_zones() -> None:
    stage = Stage()
    stage.client("www.glueless.jp").gets(ad=True, answer="A 192.0.2.191")
    stage.client("glueless.jp").gets(ad=True).asks(1)


def test_servers_that_wait_for_each_other() -> None:
    stage = Stage()

    def in_circles(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        """Delegate two unsigned zones, each to a server in the other."""
        for zone, host in (("one.unsigned.jp.", "ns.two.unsigned.jp."), ("two.unsigned.jp.", "ns.one.unsigned.jp.")):
            if message.question[0].name.is_subdomain(dns.name.from_text(zone)):
                lame(ask, message)
                message.authority[:] = [dns.rrset.from_text(zone, 3600, "IN", "NS", host)]
                message.set_rcode(dns.rcode.NOERROR)
        return message

    stage.alters("ns1.unsigned.jp.", in_circles)
    stage.client("www.one.unsigned.jp").gets("SERVFAIL", ede=22).asks(below=20)


LONELY = """\
    stub-addr: 192.0.2.1
    query-minimization: on
CONFIG_END
SCENARIO_BEGIN A deep name at a single server
RANGE_BEGIN 0 100
    ADDRESS 192.0.2.1
ENTRY_BEGIN
MATCH opcode qtype qname
ADJUST copy_id
REPLY QR AA NOERROR
SECTION QUESTION
a.b.c.d.e.f.g.h. IN TXT
SECTION ANSWER
a.b.c.d.e.f.g.h. IN TXT "deep"
ENTRY_END
ENTRY_BEGIN
MATCH opcode subdomain
ADJUST copy_id copy_query
REPLY QR AA NOERROR
SECTION QUESTION
h. IN A
SECTION AUTHORITY
. IN SOA . . 1 2 3 4 5
ENTRY_END
RANGE_END
STEP 1 QUERY
ENTRY_BEGIN
REPLY RD
SECTION QUESTION
a.b.c.d.e.f.g.h. IN TXT
ENTRY_END
STEP 2 CHECK_ANSWER
ENTRY_BEGIN
MATCH all
REPLY QR RD RA NOERROR
SECTION QUESTION
a.b.c.d.e.f.g.h. IN TXT
SECTION ANSWER
a.b.c.d.e.f.g.h. IN TXT "deep"
ENTRY_END
SCENARIO_END
"""


def test_a_deep_name_at_a_single_server() -> None:
    # Each minimised question has its tries; together they may be more than one server is asked for one question.
    play = Play(parse(LONELY))
    assert play.run() == []
    assert len(play.world.exchanges) == 8


def test_priming() -> None:
    stage = Stage({"prime": True})
    first = stage.client("www.example.jp").gets(ad=True)
    assert first.questions[0].split(" @")[0] == ". NS"
    assert not any(question.startswith(". NS") for question in stage.client("www.example.com").questions)
    stage.passes(86401)
    assert stage.client("www.example.jp").gets(ad=True).questions[0].split(" @")[0] == ". NS"
