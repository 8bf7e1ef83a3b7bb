"""What an authority's answer is: tables of answers, and what is made of each.

All are read as answers of a server of example., which delegates sub.example., unless a test says otherwise.
"""

import pytest

from resolver.iteration.response import Reading, Shape, read_response
from tests.resolver.play import message
from trust.vocabulary import Address, Cut, Kind
from wire import types as t
from wire.limits import ADDRESSES_PER_CUT, ADDRESSES_PER_NS, CHAIN, MAX_PROOF_SETS, NS_PER_CUT, RECORDS_PER_SET
from wire.message import Message
from wire.name import ROOT
from wire.text import name_from_text, name_to_text, type_from_text, type_to_text

SERVER = Address("192.0.2.53", 53)
NOW = 1000.0
SOA = "example. 900 IN SOA ns.example. host.example. 1 2 3 4 300\n"
UPWARD = ". 3600 IN NS ns.root.\n"
A = "www.example. 300 IN A 192.0.2.1\n"
REFERRAL = "sub.example. 3600 IN NS ns.sub.example.\n"
DS = "sub.example. 600 IN DS 1 13 2 " + "00" * 32 + "\n"
NSEC = "sub.example. 400 IN NSEC www.example. NS RRSIG NSEC\n"
AA, RA = t.QR | t.AA, t.QR | t.RA
NEITHER, BOTH = t.QR, t.QR | t.AA | t.RA


def read(
    answer: Message, name: str = "www.example", rtype: str = "A", *, zone: str = "example", forward: bool = False
) -> Reading:
    cut = Cut(name_from_text(zone), ROOT, {}, NOW + 3600, forward=forward)
    return read_response(answer, name_from_text(name), type_from_text(rtype), cut, SERVER, NOW, 5353)


def links(reading: Reading) -> list[str]:
    """The steps in words: `name type kind (-> target)`."""
    assert reading.shape is Shape.STEPS, (reading.shape, reading.text)
    out = []
    for step in reading.steps:
        assert (step.server, step.zone) == (SERVER, name_from_text("example"))
        to = f" -> {name_to_text(step.target)}" if step.target is not None else ""
        out.append(f"{name_to_text(step.name)} {type_to_text(step.rtype)} {step.kind.value}{to}")
    return out


# --- data --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [AA, BOTH, NEITHER])
def test_data(flags: int) -> None:
    reading = read(message(A, flags=flags))
    assert links(reading) == ["www.example A answer"]
    assert reading.text == ""
    assert reading.steps[0].rrsets[0].rdatas == [bytes((192, 0, 2, 1))]


def test_data_of_a_cache_is_a_last_resort() -> None:
    reading = read(message(A, flags=RA))
    assert links(reading) == ["www.example A answer"]
    assert reading.text == "answers from a cache"


def test_a_forwarder_is_a_cache_and_meant_to_be_one() -> None:
    assert read(message(A, flags=RA), forward=True).text == ""


def test_data_goes_before_the_rcode() -> None:
    assert links(read(message(A, SOA, rcode=t.NXDOMAIN))) == ["www.example A answer"]


def test_a_wildcards_proof_comes_along() -> None:
    proof = "a.example. 300 IN NSEC z.example. A RRSIG NSEC\n"
    (step,) = read(message(A, proof + "example. 300 IN NS ns.example.")).steps
    assert [type_to_text(rrset.rtype) for rrset in step.authority] == ["NSEC"]


def test_any_takes_all_that_is_there_at_the_name() -> None:
    other = 'www.example. 300 IN TXT "x"\nmail.example. 300 IN A 192.0.2.2\n'
    (step,) = read(message(A + other), rtype="ANY").steps
    assert sorted(type_to_text(rrset.rtype) for rrset in step.rrsets) == ["A", "TXT"]


def test_signatures_asked_for_are_data() -> None:
    sig = "www.example. {} IN RRSIG {} 13 2 300 20300101000000 20200101000000 1 example. AAAA\n"
    (step,) = read(message(sig.format(300, "A") + sig.format(60, "TXT")), rtype="RRSIG").steps
    assert (step.kind, len(step.rrsets), len(step.rrsets[0].rdatas), step.rrsets[0].ttl) == (Kind.ANSWER, 1, 2, 60)


def test_signatures_without_what_they_cover_are_no_data() -> None:
    sig = "www.example. 300 IN RRSIG A 13 2 300 20300101000000 20200101000000 1 example. AAAA\n"
    reading = read(message(sig))
    assert links(reading) == ["www.example A nodata"]
    assert reading.text == "answers another question"


# --- aliases -----------------------------------------------------------------------------------------------------------


ALIASES: dict[str, tuple[str, str, list[str]]] = {
    "with its target": (
        "www.example. 60 IN CNAME a.example.\na.example. 60 IN A 192.0.2.1",
        "A",
        ["www.example A cname -> a.example", "a.example A answer"],
    ),
    "in any order": (
        "a.example. 60 IN A 192.0.2.1\nwww.example. 60 IN CNAME a.example.",
        "A",
        ["www.example A cname -> a.example", "a.example A answer"],
    ),
    "alone": ("www.example. 60 IN CNAME a.example.", "A", ["www.example A cname -> a.example"]),
    "out of the zone": (
        "www.example. 60 IN CNAME a.other.\na.other. 60 IN A 192.0.2.66",
        "A",
        ["www.example A cname -> a.other"],
    ),
    "out of the zone and back": (
        "www.example. 60 IN CNAME a.other.\na.other. 60 IN CNAME b.example.\nb.example. 60 IN A 192.0.2.66",
        "A",
        ["www.example A cname -> a.other"],
    ),
    "asked for itself": ("www.example. 60 IN CNAME a.example.", "CNAME", ["www.example CNAME answer"]),
    "of itself": ("www.example. 60 IN CNAME www.example.", "A", ["www.example A cname -> www.example"]),
    "in a circle": (
        "www.example. 60 IN CNAME a.example.\na.example. 60 IN CNAME www.example.",
        "A",
        ["www.example A cname -> a.example", "a.example A cname -> www.example"],
    ),
    "beside data": ("www.example. 60 IN CNAME a.example.\n" + A, "A", ["www.example A answer"]),
}


@pytest.mark.parametrize("case", ALIASES)
def test_alias(case: str) -> None:
    answer, rtype, wanted = ALIASES[case]
    assert links(read(message(answer), rtype=rtype)) == wanted


def test_a_long_chain_ends_at_the_limit() -> None:
    records = "\n".join(f"n{i}.example. 60 IN CNAME n{i + 1}.example." for i in range(100))
    assert len(read(message(records), "n0.example").steps) == CHAIN.value + 1


DENIED_TARGETS = [
    # RFC 2308 §2.1, §2.2: RCODE and SOA speak of the last name
    ("a.example", SOA, t.NXDOMAIN, ["a.example A nxdomain"]),
    ("a.example", SOA, t.NOERROR, ["a.example A nodata"]),
    # without SOA nothing is said about it
    ("a.example", "", t.NXDOMAIN, []),
    ("a.example", "", t.NOERROR, []),
    # the SOA of another zone says nothing about it either
    ("a.example", "b.example. 900 IN SOA ns.example. host.example. 1 2 3 4 300", t.NXDOMAIN, []),
    # a name outside the zone is not this server's to deny
    ("a.other", SOA, t.NXDOMAIN, []),
]


@pytest.mark.parametrize(("target", "authority", "rcode", "more"), DENIED_TARGETS)
def test_the_end_of_an_alias_may_be_denied(target: str, authority: str, rcode: int, more: list[str]) -> None:
    reading = read(message(f"www.example. 60 IN CNAME {target}.", authority, rcode=rcode))
    assert links(reading) == [f"www.example A cname -> {target}", *more]


DNAME = "old.example. 60 IN DNAME new.example.\n"
REDIRECTIONS: dict[str, tuple[str, str, str, list[str]]] = {
    "without the synthesised alias": (
        "www.old.example",
        "A",
        DNAME + "www.new.example. 60 IN A 192.0.2.1",
        ["www.old.example A dname -> www.new.example", "www.new.example A answer"],
    ),
    "with it": (
        "www.old.example",
        "A",
        DNAME + "www.old.example. 60 IN CNAME www.new.example.\nwww.new.example. 60 IN A 192.0.2.1",
        ["www.old.example A dname -> www.new.example", "www.new.example A answer"],
    ),
    "with a false one": (
        "www.old.example",
        "A",
        DNAME + "www.old.example. 60 IN CNAME evil.example.\nevil.example. 60 IN A 192.0.2.66",
        ["www.old.example A dname -> www.new.example"],
    ),
    "with data below it": (
        "www.old.example",
        "A",
        DNAME + "www.old.example. 60 IN A 192.0.2.66",
        ["www.old.example A dname -> www.new.example"],
    ),
    "a question for the alias": (
        "www.old.example",
        "CNAME",
        DNAME + "www.old.example. 60 IN CNAME www.new.example.",
        ["www.old.example CNAME dname -> www.new.example"],
    ),
    "a question for itself": ("old.example", "DNAME", DNAME, ["old.example DNAME answer"]),
    "at its owner nothing is redirected": (
        "old.example",
        "A",
        DNAME + "old.example. 60 IN A 192.0.2.1",
        ["old.example A answer"],
    ),
    "of a name that only ends alike": ("bold.example", "A", DNAME, ["bold.example A nodata"]),
}


@pytest.mark.parametrize("case", REDIRECTIONS)
def test_redirection(case: str) -> None:
    name, rtype, answer, wanted = REDIRECTIONS[case]
    assert links(read(message(answer), name, rtype)) == wanted


def test_a_redirection_that_leads_too_far_has_no_target() -> None:
    # RFC 6672 §2.2: YXDOMAIN
    label = "x" * 63
    answer = f"old.example. 60 IN DNAME {label}.{label}.{label}.example."
    (step,) = read(message(answer, rcode=t.YXDOMAIN), f"{label}.old.example").steps
    assert (step.kind, step.target) == (Kind.DNAME, None)


def test_yxdomain_without_a_redirection_is_of_no_use() -> None:
    assert read(message(rcode=t.YXDOMAIN)).shape is Shape.UNHELPFUL


# --- denials -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rcode", "authority", "flags", "wanted"),
    [
        (t.NOERROR, SOA, AA, "nodata"),
        (t.NXDOMAIN, SOA, AA, "nxdomain"),
        (t.NOERROR, SOA, NEITHER, "nodata"),  # an authority that forgets AA
        (t.NXDOMAIN, SOA, NEITHER, "nxdomain"),
        (t.NOERROR, "", AA, "nodata"),  # RFC 2308 §2.2, type 3: no SOA
        (t.NXDOMAIN, "", AA, "nxdomain"),
        (t.NOERROR, "example. 60 IN NS ns.example.", AA, "nodata"),  # the zone's own NS set is no referral
        (t.NOERROR, SOA + REFERRAL, AA, "nodata"),  # nor is one beside a SOA
    ],
)
def test_denial(rcode: int, authority: str, flags: int, wanted: str) -> None:
    reading = read(message("", authority, rcode=rcode, flags=flags), "www.sub.example")
    assert links(reading) == [f"www.sub.example A {wanted}"]
    assert reading.text == ""


def test_proofs_of_the_zone_come_along_and_nothing_else() -> None:
    authority = SOA + NSEC + UPWARD + "other. 900 IN SOA ns.other. host.other. 1 2 3 4 300\nother. 9 IN NSEC z.other. A\n"
    (step,) = read(message("", authority, rcode=t.NXDOMAIN)).steps
    assert [(name_to_text(r.name), type_to_text(r.rtype)) for r in step.authority] == [
        ("example", "SOA"),
        ("sub.example", "NSEC"),
    ]


def test_nothing_at_all_without_aa_is_a_denial_as_a_last_resort() -> None:
    reading = read(message(flags=NEITHER))
    assert links(reading) == ["www.example A nodata"]
    assert reading.text == "not authoritative, nothing said"


@pytest.mark.parametrize(
    "answer", ["mail.example. 60 IN A 192.0.2.66", 'www.example. 60 IN TXT "x"', "a.other. 60 IN A 1.1.1.1"]
)
def test_an_answer_to_another_question_is_a_denial_as_a_last_resort(answer: str) -> None:
    reading = read(message(answer))
    assert links(reading) == ["www.example A nodata"]
    assert reading.text == "answers another question"


def test_a_ds_denied_by_the_child_is_of_no_use() -> None:
    child = "sub.example. 900 IN SOA ns.sub.example. host.example. 1 2 3 4 300"
    reading = read(message("", child), "sub.example", "DS")
    assert (reading.shape, reading.text) == (Shape.UNHELPFUL, "answers DS for the child side")
    assert read(message("", child), "sub.example", "A").shape is Shape.STEPS
    assert read(message("", SOA), "sub.example", "DS").shape is Shape.STEPS


# --- referrals ---------------------------------------------------------------------------------------------------------


def referred(answer: Message, name: str = "www.sub.example") -> Cut:
    reading = read(answer, name)
    assert reading.shape is Shape.REFERRAL, (reading.shape, reading.text)
    assert reading.cut is not None
    return reading.cut


@pytest.mark.parametrize("flags", [NEITHER, AA, RA, BOTH])
def test_referral(flags: int) -> None:
    cut = referred(message("", REFERRAL, "ns.sub.example. 60 IN A 192.0.2.7", flags=flags))
    assert (name_to_text(cut.zone), cut.parent) == ("sub.example", name_from_text("example"))
    assert cut.servers == {name_from_text("ns.sub.example"): [Address("192.0.2.7", 5353)]}
    assert (cut.ds, cut.denial, cut.forward) == (None, [], False)


@pytest.mark.parametrize(
    ("authority", "ttl"), [(REFERRAL, 3600), (REFERRAL + DS, 600), (REFERRAL + NSEC, 400), (REFERRAL + DS + NSEC, 600)]
)
def test_a_referral_lives_as_long_as_the_least_of_what_it_says(authority: str, ttl: int) -> None:
    assert referred(message("", authority, flags=NEITHER)).expires_mono == NOW + ttl


def test_a_signed_delegation_brings_its_ds_and_an_unsigned_one_its_proof() -> None:
    signed = referred(message("", REFERRAL + DS + NSEC, flags=NEITHER))
    assert signed.ds is not None
    assert signed.denial == []
    unsigned = referred(message("", REFERRAL + NSEC, flags=NEITHER))
    assert unsigned.ds is None
    assert [type_to_text(rrset.rtype) for rrset in unsigned.denial] == ["NSEC"]


def test_the_ds_of_another_zone_is_not_this_ones() -> None:
    other = DS.replace("sub.", "other.")
    assert referred(message("", REFERRAL + other, flags=NEITHER)).ds is None


NOT_DOWNWARD = {
    "upwards": UPWARD,
    "to itself": "example. 60 IN NS ns.example.",
    "beside": "other. 60 IN NS ns.other.",
    "to a sibling": "b.example. 60 IN NS ns.b.example.",
    "below the name": "a.www.example. 60 IN NS ns.example.",
}


@pytest.mark.parametrize("case", NOT_DOWNWARD)
def test_a_referral_that_does_not_lead_nearer_is_lame(case: str) -> None:
    reading = read(message("", NOT_DOWNWARD[case], flags=NEITHER))
    assert (reading.shape, reading.text) == (Shape.LAME, "refers upwards")


def test_a_name_error_refers_nowhere() -> None:
    assert read(message("", REFERRAL, rcode=t.NXDOMAIN), "www.sub.example").shape is Shape.STEPS


def test_a_forwarder_refers_nowhere() -> None:
    assert read(message("", REFERRAL, flags=RA), "www.sub.example", forward=True).shape is Shape.STEPS


GLUE = [
    ("ns.sub.example. 60 IN A 192.0.2.7", ["192.0.2.7"]),
    ("ns.sub.example. 60 IN AAAA 2001:db8::7", ["2001:db8::7"]),
    ("ns.sub.example. 60 IN A 192.0.2.7\nns.sub.example. 60 IN AAAA 2001:db8::7", ["192.0.2.7", "2001:db8::7"]),
    # of a server that the referral does not name
    ("ns2.sub.example. 60 IN A 192.0.2.66", []),
    ("", []),
]


@pytest.mark.parametrize(("additional", "ips"), GLUE)
def test_glue(additional: str, ips: list[str]) -> None:
    cut = referred(message("", REFERRAL, additional, flags=NEITHER))
    assert [address.ip for address in cut.servers[name_from_text("ns.sub.example")]] == ips


@pytest.mark.parametrize(("host", "used"), [("ns.sub.example", True), ("ns.b.example", True), ("ns.other", False)])
def test_glue_counts_within_the_referring_zone_only(host: str, used: bool) -> None:
    answer = message("", f"sub.example. 60 IN NS {host}.", f"{host}. 60 IN A 192.0.2.7", flags=NEITHER)
    assert bool(referred(answer).servers[name_from_text(host)]) == used


def test_servers_and_addresses_are_bounded() -> None:
    names = "\n".join(f"sub.example. 60 IN NS n{i:03}.example." for i in range(50))
    glue = "\n".join(f"n{i:03}.example. 60 IN A 192.0.{i}.{j}" for i in range(50) for j in range(20))
    cut = referred(message("", names, glue, flags=NEITHER))
    assert len(cut.servers) == NS_PER_CUT.value
    counts = [len(addresses) for addresses in cut.servers.values()]
    assert max(counts) == ADDRESSES_PER_NS.value
    assert sum(counts) == ADDRESSES_PER_CUT.value


def test_thirteen_servers_with_an_address_of_each_family_keep_all() -> None:
    names = "\n".join(f"sub.example. 60 IN NS n{i:03}.example." for i in range(13))
    glue = "\n".join(f"n{i:03}.example. 60 IN A 192.0.2.{i}\nn{i:03}.example. 60 IN AAAA 2001:db8::{i}" for i in range(13))
    cut = referred(message("", names, glue, flags=NEITHER))
    assert [len(addresses) for addresses in cut.servers.values()] == [2] * 13


# --- of no use ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rcode", "text"),
    [
        (t.FORMERR, "FORMERR"),
        (t.SERVFAIL, "SERVFAIL"),
        (t.NOTIMP, "NOTIMP"),
        (t.REFUSED, "REFUSED"),
        (t.NOTAUTH, "NOTAUTH"),
        (10, "RCODE 10"),
    ],
)
def test_rcodes_that_say_nothing_of_the_name(rcode: int, text: str) -> None:
    # not even with data
    reading = read(message(A, SOA, rcode=rcode))
    assert (reading.shape, reading.text) == (Shape.UNHELPFUL, text)


@pytest.mark.parametrize(
    ("authority", "rcode", "flags"),
    [
        (UPWARD, t.NOERROR, NEITHER),
        (UPWARD, t.NOERROR, RA),
        ("", t.NXDOMAIN, NEITHER),
        ("", t.NOERROR, RA),
        (SOA, t.NXDOMAIN, RA),  # a cache that denies
        (SOA, t.NOERROR, RA),
    ],
)
def test_servers_that_are_no_authority(authority: str, rcode: int, flags: int) -> None:
    reading = read(message("", authority, rcode=rcode, flags=flags))
    assert reading.shape is Shape.LAME
    assert reading.text


def test_a_denying_cache_is_what_a_forwarder_is() -> None:
    assert links(read(message("", SOA, rcode=t.NXDOMAIN, flags=RA), forward=True)) == ["www.example A nxdomain"]


# --- sets of too many records (CVE-2024-1737) --------------------------------------------------------------------------


def many(owner: str, rtype: str, count: int) -> str:
    """So many records of one set."""
    rdata = {"A": "10.0.{0}.{1}", "TXT": "t{0}x{1}", "DS": "{2} 13 2 " + "00" * 32, "NSEC": "n{2}.example. A"}[rtype]
    return "".join(f"{owner} 60 IN {rtype} {rdata.format(n >> 8, n & 255, n)}\n" for n in range(count))


@pytest.mark.parametrize("rtype", ["A", "TXT"])
def test_a_set_may_have_so_many_records_and_no_more(rtype: str) -> None:
    most = RECORDS_PER_SET.value
    whole = read(message(many("www.example.", rtype, most), flags=AA), "www.example", rtype)
    assert len(whole.steps[0].rrsets[0].rdatas) == most
    reading = read(message(many("www.example.", rtype, most + 1), flags=AA), "www.example", rtype)
    assert (reading.shape, reading.text) == (Shape.EXCESSIVE, f"records-per-rrset of {most}")


def test_of_any_all_sets_at_the_name_count() -> None:
    most = RECORDS_PER_SET.value
    text = many("www.example.", "A", most // 2) + many("www.example.", "TXT", most // 2)
    assert read(message(text), "www.example", "ANY").shape is Shape.STEPS
    assert read(message(text + "www.example. 60 IN MX 1 a.\n"), "www.example", "ANY").shape is Shape.EXCESSIVE
    assert read(message(text + "www.example. 60 IN MX 1 a.\n"), "www.example", "TXT").shape is Shape.STEPS


def test_an_alias_to_too_many_records() -> None:
    text = "www.example. 60 IN CNAME a.example.\n" + many("a.example.", "A", RECORDS_PER_SET.value + 1)
    assert read(message(text)).shape is Shape.EXCESSIVE


def test_a_referral_with_too_many_ds() -> None:
    assert read(message("", REFERRAL + many("sub.example.", "DS", 1001)), "www.sub.example").shape is Shape.EXCESSIVE
    assert read(message("", REFERRAL + many("sub.example.", "DS", 1000)), "www.sub.example").shape is Shape.REFERRAL


def test_a_proof_with_too_many_records_is_left_out() -> None:
    reading = read(message("", SOA + many("a.example.", "NSEC", 1001) + NSEC, rcode=t.NXDOMAIN))
    assert [rrset.rtype for rrset in reading.steps[0].authority] == [t.SOA, t.NSEC]
    assert reading.steps[0].authority[1].rdatas and len(reading.steps[0].authority[1].rdatas) == 1


def test_a_referral_keeps_no_more_proofs_than_any_proof_looks_at() -> None:
    proofs = "".join(f"n{number}.example. 60 IN NSEC o{number}.example. A\n" for number in range(500))
    below = read(message("", REFERRAL + proofs), "www.sub.example").cut
    assert below is not None and len(below.denial) == MAX_PROOF_SETS
