"""The reader of replay scenarios, the comparison of messages, and the scripted world."""

import textwrap

import dns.flags
import dns.message
import dns.name
import pytest

from tests.conftest import require_corpora
from tests.scenarios import rpl
from tests.scenarios.compare import mismatches, read
from tests.scenarios.rpl import ScenarioError, StepKind, parse, parse_record
from tests.scenarios.world import RTT_S, World, arrival, reply_to
from trust.vocabulary import Address, Ask, Now, Transport, Trouble
from wire import types as t
from wire.text import name_from_text

HEAD = """\
; a comment
    stub-addr: 192.0.2.1   # the root
    stub-name: ns.root.
    trust-anchor: "example. 3600 IN DS 1 8 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF "
    trust-anchor: . IN DS 2 8 2 FF112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
    val-override-date: "20181130121751"
    query-minimization: off
    do-ip6: no
    domain-insecure: net.
    features: min_ttl = 300
    harden-glue: "no"
CONFIG_END
"""

BODY = """\
SCENARIO_BEGIN A title; with more
RANGE_BEGIN 0 100
    ADDRESS 192.0.2.1 ; first
    ADDRESS 2001:DB8:0::1
ENTRY_BEGIN
MATCH opcode qtype qname
ADJUST copy_id
REPLY QR AA NOERROR
SECTION QUESTION
www.example. IN A
SECTION ANSWER
www.example. IN A 192.0.2.80
www.example. 60 IN TXT ( "a ( b" ; comment
    "c" )
SECTION AUTHORITY
ENTRY_END
ENTRY_BEGIN
MATCH opcode subdomain
ADJUST copy_id copy_query
REPLY QR AA TC NXDOMAIN
SECTION QUESTION
nx.example. IN A
ENTRY_END
RANGE_END
STEP 1 QUERY
ENTRY_BEGIN
REPLY RD DO
SECTION QUESTION
www.example. IN A
ENTRY_END
STEP 5 REPLY
ENTRY_BEGIN
MATCH qname tcp
REPLY QR SERVFAIL
SECTION QUESTION
once.example. IN A
ENTRY_END
STEP 10 CHECK_ANSWER
ENTRY_BEGIN
MATCH all
REPLY QR RD RA
SECTION QUESTION
www.example. IN A
SECTION ANSWER
www.example. IN A 192.0.2.80
SECTION AUTHORITY
ENTRY_END
STEP 20 TIME_PASSES ELAPSE 4000 ; long
SCENARIO_END
"""


def test_head() -> None:
    head = parse(HEAD + BODY).head
    assert head.stub_addresses == ["192.0.2.1"]
    assert [str(name) for name in head.stub_names] == ["ns.root."]
    assert [(str(anchor.owner), str(anchor.rdata).split()[0]) for anchor in head.anchors] == [("example.", "1"), (".", "2")]
    assert head.wall == 1543580271  # 2018-11-30T12:17:51Z
    assert (head.minimise, head.ipv4, head.ipv6) == (False, True, False)
    assert [str(name) for name in head.insecure] == ["net."]
    assert head.features == {"min_ttl": "300"}
    assert head.unknown == {"harden-glue": "no"}


def test_ranges_and_steps() -> None:
    scenario = parse(HEAD + BODY)
    assert scenario.title == "A title; with more"
    [span] = scenario.ranges
    assert (span.first, span.last, span.addresses) == (0, 100, ["192.0.2.1", "2001:db8::1"])
    first, second = span.entries
    assert first.match == {"opcode", "qtype", "qname"}
    assert first.flags == dns.flags.QR | dns.flags.AA
    assert [str(record) for record in first.sections["answer"]] == [
        "www.example. A 192.0.2.80",
        'www.example. 60 TXT "a ( b" "c"',
    ]
    # A section that is mentioned and empty is not one that is absent.
    assert first.sections["authority"] == []
    assert "additional" not in first.sections
    assert second.rcode == 3
    kinds = [(step.number, step.kind) for step in scenario.steps]
    assert kinds == [
        (1, StepKind.QUERY),
        (5, StepKind.REPLY),
        (10, StepKind.CHECK_ANSWER),
        (20, StepKind.TIME_PASSES),
    ]
    query = scenario.steps[0].entry
    assert query is not None
    assert query.do
    assert scenario.steps[3].elapse_s == 4000


def test_raw_message() -> None:
    text = HEAD + BODY.replace(
        "SECTION AUTHORITY\nENTRY_END\nENTRY", "SECTION RAW\nb5c9ca3d ; half\n5010\nENTRY_END\nENTRY"
    )
    assert parse(text).ranges[0].entries[0].raw == bytes.fromhex("b5c9ca3d5010")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MATCH opcode qtype qname", "MATCH opcode colour", r"line 18: unknown: colour"),
        ("REPLY QR AA NOERROR", "REPLY QR PERHAPS", r"line 20: 'PERHAPS' is neither a flag"),
        ("SECTION AUTHORITY", "SECTION AUTHORS", r"line 27: no section is called 'AUTHORS'"),
        ("www.example. IN A 192.0.2.80", "www.example. IN A 192.0.2", r"line 24: www.example.: "),
        ('    "c" )', '    "c"', r"line 25: www.example.: "),
        ("RANGE_BEGIN 0 100", "RANGE_BEGIN 0", r"line 14: RANGE_BEGIN wants two numbers"),
        ("ADDRESS 192.0.2.1", "ADDRESS 192.0.2.256", r"line 15: .*192.0.2.256"),
        ("STEP 10 CHECK_ANSWER", "STEP 1 CHECK_ANSWER", r"step numbers do not rise"),
        ("STEP 1 QUERY", "STEP 1 QUESTION", r"line 37: not a step"),
        ("STEP 20 TIME_PASSES ELAPSE 4000", "STEP 20 TIME_PASSES 4000", r"TIME_PASSES wants"),
        ("STEP 20 TIME_PASSES ELAPSE 4000", "STEP 20 QUERY", r"QUERY without an entry"),
        ("SCENARIO_END\n", "", r"no SCENARIO_END"),
        ("SCENARIO_BEGIN", "SCENARIO", r"line 13: 'SCENARIO' where SCENARIO_BEGIN should be"),
        ("CONFIG_END", "", r"line 13: 'SCENARIO_BEGIN A title; with more' is not 'key: value'"),
        ("do-ip6: no", "do-ip6: maybe", r"line 8: do-ip6: 'maybe' is neither yes nor no"),
        ("trust-anchor: . IN DS", "trust-anchor: . IN A 192.0.2.1 ;", r"line 5: trust-anchor: neither DS nor DNSKEY"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    text = HEAD + BODY
    assert old in text
    with pytest.raises(ScenarioError, match=message):
        parse(text.replace(old, new, 1))


def test_record_defaults() -> None:
    assert parse_record("a.example IN A 192.0.2.1").ttl is None
    assert parse_record("a.example. 0 IN A 192.0.2.1").ttl == 0
    assert parse_record("a.example.\t60\tSOA . . 0 0 0 0 0").ttl == 60
    assert str(parse_record("IN.example. A 192.0.2.1").owner) == "IN.example."


def test_digest_of_a_wrong_length_is_kept() -> None:
    odd = parse_record(". IN DS 49060 8 1 " + "AB" * 32)
    assert odd.rdata.to_wire() == (49060).to_bytes(2, "big") + b"\x08\x01" + b"\xab" * 32


def test_every_file_of_the_corpus_can_be_read() -> None:
    files = sorted(require_corpora("rpl").glob("*.rpl"))
    assert len(files) >= 94
    for path in files:
        scenario = rpl.load(path)
        assert any(step.kind is StepKind.CHECK_ANSWER for step in scenario.steps), path.name
        assert set(scenario.head.unknown) <= {"harden-glue", "do-not-query-localhost"}, path.name


# Comparison


def expected(match: str, body: str) -> rpl.Entry:
    text = f"STEP 1 CHECK_ANSWER\nENTRY_BEGIN\nMATCH {match}\n{textwrap.dedent(body)}\nENTRY_END\nSCENARIO_END\n"
    entry = parse("CONFIG_END\nSCENARIO_BEGIN x\n" + text).steps[0].entry
    assert entry is not None
    return entry


MESSAGE = """\
id 1
opcode QUERY
rcode NOERROR
flags QR RD RA
edns 0
eflags DO
payload 1232
;QUESTION
WWW.example. IN A
;ANSWER
www.EXAMPLE. 55 IN CNAME b.example.
b.example. 60 IN A 192.0.2.2
b.example. 60 IN A 192.0.2.1
;AUTHORITY
example. 60 IN NS ns.example.
;ADDITIONAL
"""

GOOD = """\
REPLY QR RD RA DO NOERROR
SECTION QUESTION
www.example. IN A
SECTION ANSWER
b.example. IN A 192.0.2.1
b.example. IN A 192.0.2.2
www.example. IN CNAME B.example.
"""


def message_of(text: str) -> dns.message.Message:
    return read(dns.message.from_text(text).to_wire())


def test_all_looks_only_at_sections_that_are_mentioned() -> None:
    assert mismatches(expected("all", GOOD), message_of(MESSAGE)) == []
    found = mismatches(expected("all", GOOD + "SECTION AUTHORITY\n"), message_of(MESSAGE))
    assert found == ["authority has besides example. 60 NS ns.example."]


ANSWER_DIFFERS = ["answer lacks b.example. A 192.0.2.9", "answer has besides b.example. 60 A 192.0.2.1"]


@pytest.mark.parametrize(
    ("match", "old", "new", "found"),
    [
        ("all", "RD RA DO NOERROR", "RD RA AD DO NOERROR", ["flags QR RD RA instead of QR RD RA AD"]),
        ("rcode", "NOERROR", "NXDOMAIN", ["rcode NOERROR instead of NXDOMAIN"]),
        ("opcode", "REPLY", "REPLY NOTIFY", ["opcode QUERY"]),
        ("answer", "192.0.2.1\n", "192.0.2.9\n", ANSWER_DIFFERS),
        ("qname", "www.example. IN A", "w.example. IN A", ["name WWW.example. instead of w.example."]),
        ("qcase", "www.example. IN A", "WWW.Example. IN A", ["name WWW.example. not spelt WWW.Example."]),
        ("qtype", "www.example. IN A", "www.example. IN AAAA", ["type A instead of AAAA"]),
        ("question", "www.example. IN A", "www.example. CH A", ["class 1 instead of 3"]),
        ("subdomain", "www.example. IN A", "b.example. IN A", ["name WWW.example. not below b.example."]),
        ("ttl answer", "www.example. IN CNAME", "www.example. 54 IN CNAME", None),
        ("tcp", "", "", ["not over TCP"]),
    ],
)  # fmt: skip
def test_each_mismatch_is_told(match: str, old: str, new: str, found: list[str] | None) -> None:
    assert old in GOOD
    got = mismatches(expected(match, GOOD.replace(old, new, 1)), message_of(MESSAGE))
    if found is None:
        assert got
    else:
        assert got == found


def test_ttl_is_compared_when_asked_for() -> None:
    with_ttls = GOOD.replace(" IN CNAME", " 55 IN CNAME").replace("b.example. IN A", "b.example. 60 IN A")
    assert mismatches(expected("answer ttl", with_ttls), message_of(MESSAGE)) == []


def test_do_is_wanted_only_when_written() -> None:
    without = MESSAGE.replace("eflags DO\n", "")
    assert mismatches(expected("flags", GOOD), message_of(without)) == ["DO not set"]
    assert mismatches(expected("flags", GOOD.replace(" DO ", " ")), message_of(MESSAGE)) == []


# The world

SERVER = Address("192.0.2.1", 53)


def ask(name: str, server: Address = SERVER, transport: Transport = Transport.UDP, *, edns: bool = True) -> Ask:
    return Ask(server, name_from_text(name), t.A, name_from_text("."), transport=transport, edns=edns, timeout_s=0.7)


@pytest.fixture
def world() -> World:
    return World(parse(HEAD + BODY), step=1)


NOW = Now(1e9, 50.0)


def test_an_entry_becomes_a_message(world: World) -> None:
    exchange = world.ask(ask("www.example"), 2.0)
    assert exchange.answered
    assert arrival(exchange) == 2.0 + RTT_S
    message = reply_to(exchange, NOW).message
    assert message is not None
    assert message.flags == t.QR | t.AA
    assert [(rrset.rtype, rrset.ttl) for rrset in message.answer] == [(t.A, rpl.DEFAULT_TTL), (t.TXT, 60)]
    assert message.edns is not None
    assert message.edns.dnssec_ok


def test_opt_comes_back_only_when_sent(world: World) -> None:
    message = reply_to(world.ask(ask("www.example", edns=False), 0.0), NOW).message
    assert message is not None
    assert message.edns is None


def test_copy_query_answers_for_names_below(world: World) -> None:
    message = reply_to(world.ask(ask("deep.nx.example"), 0.0), NOW).message
    assert message is not None
    assert message.truncated
    assert (message.qname, message.rcode) == (name_from_text("deep.nx.example"), t.NXDOMAIN)


def test_nobody_answers_at_an_address_without_a_range(world: World) -> None:
    exchange = world.ask(ask("www.example", Address("192.0.2.2", 53)), 1.0)
    assert arrival(exchange) == pytest.approx(1.7)
    assert reply_to(exchange, NOW).trouble is Trouble.TIMEOUT


def test_a_range_ends_with_its_last_step(world: World) -> None:
    world.step = 101
    assert not world.ask(ask("www.example"), 0.0).answered


def test_a_server_fails_questions_that_are_not_in_the_script(world: World) -> None:
    exchange = world.ask(ask("other.example"), 1.0)
    message = reply_to(exchange, NOW).message
    assert message is not None
    assert (message.rcode, message.qname) == (t.SERVFAIL, name_from_text("other.example"))
    assert exchange.entry is None


def test_an_entry_for_ns_answers_a_minimised_question(world: World) -> None:
    text = HEAD + BODY.replace("www.example. IN A\nSECTION ANSWER", "www.example. IN NS\nSECTION ANSWER", 1)
    message = reply_to(World(parse(text), step=1).ask(ask("www.example"), 0.0), NOW).message
    assert message is not None
    assert (message.rcode, message.qtype, len(message.answer)) == (t.NOERROR, t.A, 2)


def test_a_reply_step_answers_once_and_not_in_the_past(world: World) -> None:
    def answers(world: World, transport: Transport) -> bool:
        return world.ask(ask("once.example", transport=transport), 0.0).entry is not None

    assert not answers(world, Transport.UDP)  # the entry wants TCP
    assert answers(world, Transport.TCP)
    assert not answers(world, Transport.TCP)
    assert not answers(World(world.scenario, step=6), Transport.TCP)


def raw_world(hexes: str, adjust: str) -> World:
    body = BODY.replace(
        "SECTION QUESTION\nwww.example. IN A\nSECTION ANSWER", "SECTION RAW\n" + hexes + "\nSECTION ANSWER", 1
    )
    return World(parse(HEAD + body.replace("ADJUST copy_id", f"ADJUST {adjust}", 1)), step=1)


def test_a_malformed_answer_is_told_from_a_foreign_one() -> None:
    broken = "0000 8400 0001 0001 0000 0000 03777777 07 6578616d706c65 00 0001 0001 c0"
    exchange = raw_world(broken, "raw_id").ask(ask("www.example"), 0.0)
    assert exchange.trouble is Trouble.MALFORMED
    exchange = raw_world(broken, "copy_query").ask(ask("www.example"), 0.0)
    assert exchange.trouble is Trouble.TIMEOUT


def test_an_answer_to_another_question_is_ignored() -> None:
    other = "0000 8400 0001 0000 0000 0000 03777777 07 6578616d706c65 00 001c 0001"
    exchange = raw_world(other, "raw_id").ask(ask("www.example"), 0.0)
    assert (exchange.trouble, exchange.text) == (Trouble.TIMEOUT, "not an answer to our question")
    # FORMERR from a server older than EDNS may come without a question.
    exchange = raw_world("0000 8001 0000 0000 0000 0000", "raw_id").ask(ask("www.example"), 0.0)
    assert exchange.answered


def test_names_keep_their_case_on_the_way_back(world: World) -> None:
    exchange = world.ask(ask("www.example"), 0.0)
    assert exchange.answer is not None
    assert dns.message.from_wire(exchange.answer).question[0].name == dns.name.from_text("www.example.")
