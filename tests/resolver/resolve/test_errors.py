"""Reasons and findings → Extended DNS Errors: which codes, in which order, and texts that stay short."""

import pytest

from resolver.resolve.errors import describe, errors_of_failure, errors_of_verdict, merge
from tests.resolver.play import question
from trust.reason import Reason
from trust.vocabulary import Address, Finding, Note, Security, Verdict
from wire.limits import MAX_EDE_TEXT
from wire.name import ROOT
from wire.text import name_from_text

WWW = question("www.example.jp")


def finding(ip: str = "192.0.2.1", what: str = "REFUSED", ns: str = "ns.example.jp", **more: bool) -> Finding:
    return Finding(Address(ip, 53), name_from_text(ns), WWW, what, **more)


# --- verdicts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "codes"),
    [
        (Reason.VALID, []),
        (Reason.UNSIGNED_DELEGATION, []),
        (Reason.SIGNATURE_EXPIRED, [7]),
        (Reason.NO_MATCHING_DNSKEY, [9]),
        (Reason.UNSUPPORTED_ALGORITHM, [1]),
        (Reason.NSEC3_ITERATIONS, [27]),
        (Reason.NTA, [33]),
        (Reason.LIMIT, [0]),
    ],
)
def test_code_of_a_verdict(reason: Reason, codes: list[int]) -> None:
    verdict = Verdict(Security.BOGUS, reason, ROOT, "why")
    assert errors_of_verdict(verdict, nta=True) == [(code, "why") for code in codes]


def test_an_nta_is_told_if_wanted() -> None:
    verdict = Verdict(Security.INSECURE, Reason.NTA, ROOT, "NTA for example.jp")
    assert errors_of_verdict(verdict, nta=False) == []


def test_notes_follow_the_reason_and_repeat_no_code() -> None:
    notes = (
        Note(Reason.CHAIN_UNREACHABLE, "nobody"),
        Note(Reason.SIGNATURE_EXPIRED, "again"),
        Note(Reason.UNSIGNED_DELEGATION, "no code"),
    )
    verdict = Verdict(Security.BOGUS, Reason.SIGNATURE_EXPIRED, ROOT, "expired", notes)
    assert errors_of_verdict(verdict, nta=True) == [(7, "expired"), (22, "nobody")]


def test_merging_keeps_the_order_and_the_first_text_there_is() -> None:
    assert merge([(7, ""), (22, "a"), (7, "b"), (22, "c"), (7, "d")]) == [(7, "b"), (22, "a")]


# --- failures ----------------------------------------------------------------------------------------------------------


def test_nobody_was_of_use() -> None:
    errors = errors_of_failure(Reason.NO_AUTHORITY, "", [finding()])
    assert errors == [(22, "192.0.2.1 REFUSED for www.example.jp/A")]


def test_nobody_answered() -> None:
    errors = errors_of_failure(Reason.NO_AUTHORITY, "", [finding(), finding("192.0.2.2", "timed out", network=True)])
    assert [code for code, _ in errors] == [22, 23]
    assert "192.0.2.1" in errors[0][1]
    assert "192.0.2.2" in errors[0][1]
    assert errors[1] == (23, "192.0.2.2 timed out for www.example.jp/A")


def test_there_was_nobody_to_ask() -> None:
    assert errors_of_failure(Reason.NO_AUTHORITY, "", []) == [(22, "no usable name server address")]


def test_a_limit_is_named_and_so_are_the_servers() -> None:
    errors = errors_of_failure(Reason.LIMIT, "limit packets-per-query of 100 reached", [finding()])
    assert errors == [
        (0, "limit packets-per-query of 100 reached"),
        (22, "192.0.2.1 REFUSED for www.example.jp/A"),
    ]


def test_malformed_data() -> None:
    errors = errors_of_failure(Reason.INVALID_DATA, "", [finding(what="malformed answer: TTL cut off")])
    assert [code for code, _ in errors] == [24, 22]


# --- descriptions ------------------------------------------------------------------------------------------------------


def test_of_each_server_what_it_did_last() -> None:
    findings = [finding(what="timed out"), finding("192.0.2.2"), finding(what="SERVFAIL")]
    assert describe(findings) == "192.0.2.1 SERVFAIL for www.example.jp/A; 192.0.2.2 REFUSED for www.example.jp/A"


def test_a_name_server_without_address() -> None:
    lost = Finding(None, name_from_text("ns.lost"), question("ns.lost", "AAAA"), "has no address (nodata)")
    assert describe([lost]) == "name server ns.lost: has no address (nodata)"


def test_nothing_to_say() -> None:
    assert describe([]) == ""


@pytest.mark.parametrize("count", [1, 2, 5, 20, 200, 2000])
@pytest.mark.parametrize("what", ["REFUSED", "malformed answer: " + "x" * 300])
def test_descriptions_are_bounded_and_say_what_they_leave_out(count: int, what: str) -> None:
    text = describe([finding(f"192.0.{i // 250}.{i % 250}", what) for i in range(count)])
    assert len(text) <= MAX_EDE_TEXT
    assert text.startswith("192.0.0.0 " + what[:20])
    told = text.count("192.0.")
    assert 0 < told <= count
    assert text.endswith(f"; and {count - told} more") == (told < count)


def test_long_and_strange_names_do_not_run_over() -> None:
    # A name of 255 octets may take 1000 characters in presentation format.
    name = b"".join(b"\x3f" + b"\0" * 63 for _ in range(3)) + b"\x3c" + b"\0" * 60 + b"\0"
    lost = [Finding(None, b"\1" + bytes((65 + i,)) + name[64:], question("x"), "has no address") for i in range(5)]
    text = describe(lost)
    assert text.startswith("name server ")
    assert len(text) <= MAX_EDE_TEXT
    assert text.isascii()
