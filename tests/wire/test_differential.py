"""Our reader beside dnspython's: the recorded and the fuzzers' packets, generated ones, and all of these made worse.

Each packet is read alike by both, refused by both, or differs for a reason listed in `oracle.REASONS`; nothing crashes; and
what we read is the same after composing and reading it again.
"""

import base64
import collections
import contextlib
import gzip
import json
import tarfile
import time
from random import Random

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import require_corpora
from tests.wire import generate, oracle
from tests.wire.build import WWW, answering, message, name, opt, option, pointer, question, record
from tests.wire.mutate import mutate
from tests.wire.oracle import BOTH_REFUSE, SAME, explain, recomposed, same_message, view
from tests.wire.steady import steady
from wire import types as t
from wire.reader import FormError, read

SECONDS = 0.01
"""What one packet may take, in processor time."""

MUTATIONS = 15000


@pytest.fixture(scope="module")
def recorded() -> list[bytes]:
    """Messages recorded from real servers."""
    with gzip.open(require_corpora("recorded", "messages.jsonl.gz"), "rt") as lines:
        return [base64.b64decode(json.loads(line)["wire"]) for line in lines]


@pytest.fixture(scope="module")
def fuzzed() -> list[bytes]:
    """Packets that fuzzers of DNS parsers found interesting."""
    with tarfile.open(require_corpora("fuzz", "packets.tar.gz")) as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        return [file.read() for file in files if file is not None]


def tally(packets: list[bytes]) -> dict[str, int]:
    """How many packets were read alike, refused by both, or differ for which reason."""
    return dict(collections.Counter(explain(view(wire)) for wire in packets))


# --- corpora -----------------------------------------------------------------------------------------------------


def test_recorded_messages(recorded: list[bytes]) -> None:
    """All but one are read alike; a DS of a wrong length in one of them is for our validator, not our reader, to refuse."""
    assert len(recorded) == 4701
    assert tally(recorded) == {SAME: 4700, "RDATA opaque to us": 1}


def test_fuzzed_packets(fuzzed: list[bytes]) -> None:
    assert len(fuzzed) == 9774
    counts = tally(fuzzed)
    assert counts == {
        SAME: 9646,
        BOTH_REFUSE: 70,
        "type without a class in dnspython": 24,
        "dynamic update": 18,
        "RDATA opaque to us": 16,
    }


def test_no_packet_takes_long(recorded: list[bytes], fuzzed: list[bytes]) -> None:
    slow = []
    for wire in recorded + fuzzed:
        best = float("inf")
        for _ in range(3):  # a collection of garbage, or another process, may get in the way once
            start = time.process_time()
            with contextlib.suppress(FormError):
                read(wire)
            best = min(best, time.process_time() - start)
            if best < SECONDS:
                break
        else:
            slow.append((best, wire.hex()))
    assert slow == []


def test_what_is_read_can_be_composed_and_read_again(recorded: list[bytes], fuzzed: list[bytes]) -> None:
    readable = 0
    for wire in recorded + fuzzed:
        try:
            first = read(wire)
        except FormError:
            continue
        readable += 1
        assert same_message(first, read(recomposed(first))), wire.hex()
    assert readable > 14000


def test_mutated_packets(recorded: list[bytes], fuzzed: list[bytes]) -> None:
    """Reproducible; the readers agree also on what is broken."""
    random = Random(9619)
    seeds = recorded + fuzzed
    counts = tally([mutate(random, random.choice(seeds), random.choice(seeds)) for _ in range(MUTATIONS)])
    # The test is worth something only while both outcomes are frequent.
    assert counts[SAME] > MUTATIONS // 10
    assert counts[BOTH_REFUSE] > MUTATIONS // 10
    assert set(counts) <= {SAME, BOTH_REFUSE} | {reason.name for reason in oracle.REASONS}


# --- generated ---------------------------------------------------------------------------------------------------


@steady(250)
@given(st.randoms(use_true_random=False))
def test_generated_messages(random: Random) -> None:
    """Written by hand with any compression a sender may choose: read alike, always."""
    wire, _ = generate.message(random)
    assert explain(view(wire)) == SAME


@steady(250)
@given(st.randoms(use_true_random=False), st.sampled_from([0.02, 0.1]))
def test_generated_messages_with_wild_pointers(random: Random, wild: float) -> None:
    """Pointers to anywhere, and in RDATA where they may not be: refused by both, or read alike."""
    wire, went_wild = generate.message(random, wild)
    assert explain(view(wire)) in ({SAME, BOTH_REFUSE, "pointer into the header"} if went_wild else {SAME})


@steady(250)
@given(st.randoms(use_true_random=False))
def test_generated_and_mutated_messages(random: Random) -> None:
    wire, _ = generate.message(random)
    other, _ = generate.message(random)
    explain(view(mutate(random, wire, other)))


# Octets of which RDATA may be made: lengths, pointers, small numbers, pieces of names.
PIECES = [b"\0", b"\1", b"\1a", b"\2", b"\x08\1\2", b"\x20", b"\x40", b"\xff", b"\0\1\x40", b"\0\6\x40\1\0\0\0\3"]
PIECES += [
    pointer(12),
    pointer(16),
    pointer(44),
    WWW,
    bytes(4),
    bytes(16),
    bytes(18),
    b"\1\0\0\0\0\x01h",
    b"\3TXT",
    b"x" * 20,
]
rdatas = st.one_of(st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join), st.binary(max_size=30))
rtypes = st.one_of(
    st.sampled_from([int(rtype) for rtype in dns.rdatatype.RdataType if rtype != t.OPT]), st.integers(0, 65535)
)


@steady(1500)
@given(rtypes, rdatas, st.sampled_from([t.IN, t.IN, t.IN, t.CH]))
def test_random_rdata(rtype: int, rdata: bytes, rclass: int) -> None:
    """RDATA of any type, well-formed or not, of the length that RDLENGTH says."""
    explain(view(answering(record(pointer(12), rtype, rdata, rclass=rclass), record(pointer(12), t.A, bytes(4)))))


labels = st.sampled_from(["www", "WWW", "example", "jp", "com", "a", "b" * 63])
names = st.lists(labels, max_size=3).map(lambda parts: ".".join([*parts, ""]) or ".")
texts = st.one_of(
    st.tuples(st.just("A"), st.integers(0, 255).map(lambda last: f"192.0.2.{last}")),
    st.tuples(st.just("AAAA"), st.integers(0, 65535).map(lambda last: f"2001:db8::{last:x}")),
    st.tuples(st.sampled_from(["NS", "CNAME", "PTR", "DNAME"]), names),
    st.tuples(st.just("MX"), names.map(lambda name: f"10 {name}")),
    st.tuples(st.just("SRV"), names.map(lambda name: f"1 2 53 {name}")),
    st.tuples(st.just("SOA"), st.tuples(names, names).map(lambda pair: f"{pair[0]} {pair[1]} 1 2 3 4 5")),
    st.tuples(st.just("NAPTR"), names.map(lambda name: f'1 2 "u" "E2U+sip" "!^.*$!sip:a@b!" {name}')),
    st.tuples(st.just("RP"), st.tuples(names, names).map(" ".join)),
    st.tuples(st.just("NSEC"), names.map(lambda name: f"{name} A NS TYPE1234")),
    st.tuples(st.just("RRSIG"), names.map(lambda name: f"A 13 2 300 20261201000000 20261101000000 1 {name} c2ln")),
    st.tuples(st.just("NSEC3"), st.just("1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS DS RRSIG")),
    st.tuples(st.just("DS"), st.just("60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118")),
    st.tuples(st.just("TXT"), st.just('"a" "b c" ""')),
    st.tuples(st.just("CAA"), st.just('0 issue "ca.example"')),
    st.tuples(st.just("HTTPS"), names.map(lambda name: f"1 {name} alpn=h2")),
    st.tuples(st.just("LOC"), st.just("52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m")),
)
records = st.tuples(st.integers(1, 3), names, st.integers(0, 2**31 - 1), texts)


@steady(300)
@given(names, st.lists(records, max_size=25), st.sampled_from([-1, 0]))
def test_messages_written_by_dnspython(asked: str, entries: list[tuple[int, str, int, tuple[str, str]]], edns: int) -> None:
    """dnspython's own compression."""
    response = dns.message.make_response(dns.message.make_query(asked, "A", use_edns=edns, payload=1232))
    for section, owner, ttl, (rtype, text) in entries:
        response.sections[section].append(dns.rrset.from_text(dns.name.from_text(owner), ttl, "IN", rtype, text))
    assert explain(view(response.to_wire(max_size=65535))) == SAME


# --- the list of reasons -----------------------------------------------------------------------------------------


UPDATE = 5 << 11
ZONE = question(WWW, t.SOA)
MANY_POINTERS = [record(b"\1a" + pointer(12), 65280, b"")]
MANY_POINTERS += [record(b"\1a" + pointer(32 + 14 * index), 65280, b"") for index in range(17)]

# One packet for each listed difference.
EXAMPLES = [
    (oracle.THEY_REFUSE, "RDATA opaque to us", answering(record(pointer(12), t.DS, b"\0\1\x0d\2short"))),
    (oracle.THEY_REFUSE, "bit maps with trailing zeros", answering(record(pointer(12), t.NSEC, b"\0\0\2\x40\0"))),
    (oracle.THEY_REFUSE, "malformed option", message([], additionals=[opt(option(8, b"\0\1\xff\0"))])),
    (
        oracle.THEY_REFUSE,
        "TSIG out of place",
        answering(record(pointer(12), t.TSIG, name("hmac-sha256") + bytes(16), rclass=255)),
    ),
    (oracle.THEY_REFUSE, "chain of more than 16 pointers", answering(*MANY_POINTERS)),
    (
        oracle.THEY_REFUSE,
        "dynamic update",
        message([ZONE], [], [record(pointer(12), t.TXT, b"\0", rclass=t.CLASS_ANY)], flags=UPDATE),
    ),
    (oracle.WE_REFUSE, "more than one question", message([question(WWW), question(WWW)])),
    (oracle.WE_REFUSE, "pointer into the header", answering(record(pointer(10), t.A, bytes(4)))),
    (
        oracle.WE_REFUSE,
        "dynamic update",
        message([ZONE], [], [record(pointer(12), t.NS, b"", rclass=t.CLASS_ANY)], flags=UPDATE),
    ),
    (oracle.WE_REFUSE, "type without a class in dnspython", answering(record(pointer(12), t.MINFO, b"\0\0\0"))),
    (oracle.CONTENT, "type without a class in dnspython", answering(record(pointer(12), t.MG, pointer(16)))),
    (
        oracle.CONTENT,
        "dynamic update",
        message([ZONE], [], [record(pointer(12), t.ANY, b"", rclass=t.CLASS_ANY)], flags=UPDATE),
    ),
    (oracle.CONTENT, "address of class CHAOS", answering(record(pointer(12), t.A, name("A") + b"\0\1", rclass=t.CH))),
    (oracle.CONTENT, "empty ISDN sub-address", answering(record(pointer(12), t.ISDN, b"\1a\0"))),
    (oracle.CONTENT, "option written anew", message([], additionals=[opt(option(15, b"\0\7expired\0"))])),
]


@pytest.mark.parametrize(("listed", "reason", "wire"), EXAMPLES, ids=[reason for _, reason, _ in EXAMPLES])
def test_listed_differences(listed: tuple[oracle.Reason, ...], reason: str, wire: bytes) -> None:
    case = view(wire)
    assert explain(case) == reason
    assert oracle.listed_for(case) is listed


def test_no_reason_is_listed_that_nothing_needs() -> None:
    assert [name for _, name, _ in EXAMPLES] == [reason.name for reason in oracle.REASONS]
    assert all(reason.why.endswith(".") for reason in oracle.REASONS)


@pytest.mark.parametrize("damage", ["id", "rdata", "missing", "ttl", "refused"])
def test_the_oracle_sees_differences(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader with a fault is found out: here ours is made to have one."""
    wire = answering(record(pointer(12), t.A, bytes(4)), record(pointer(12), t.MX, b"\0\1" + pointer(16)))

    def faulty(packet: bytes) -> object:
        m = read(packet)
        if damage == "id":
            m.id += 1
        elif damage == "rdata":
            m.answer[0].rdatas.append(b"more")
        elif damage == "missing":
            m.answer.pop()
        elif damage == "ttl":
            m.answer[0].ttl += 1
        else:
            raise FormError("for no reason", m)
        return m

    assert explain(view(wire)) == SAME
    monkeypatch.setattr(oracle, "read", faulty)
    with pytest.raises(AssertionError, match="unexplained difference"):
        explain(view(wire))
