"""Reasons and findings → Extended DNS Errors: each code of DESIGN §4, their order, their texts."""

import pytest

from resolver.resolve.errors import describe, errors_of_failure, errors_of_verdict, merge, remembered
from trust.reason import Reason
from trust.vocabulary import Address, Finding, Note, Question, Security, Verdict
from wire import types as t
from wire.limits import MAX_EDE_TEXT
from wire.name import Name
from wire.text import name_from_text as n

ZONE = n("example.jp")
ASKED = Question(n("www.example.jp"), t.A)

TABLE = {
    1: (Reason.UNSUPPORTED_ALGORITHM,),
    2: (Reason.UNSUPPORTED_DIGEST,),
    5: (Reason.INDETERMINATE,),
    6: (Reason.SIGNATURE_INVALID, Reason.SIGNATURE_UNSUPPORTED, Reason.DENIAL_WRONG, Reason.RRSIG_MALFORMED, Reason.BOGUS),
    7: (Reason.SIGNATURE_EXPIRED,),
    8: (Reason.SIGNATURE_NOT_YET_VALID,),
    9: (Reason.NO_MATCHING_DNSKEY, Reason.DNSKEY_MISSING, Reason.ANCHOR_MISMATCH, Reason.SIGNING_KEY_MISSING),
    10: (Reason.RRSIG_MISSING,),
    11: (Reason.NO_ZONE_KEY_BIT,),
    12: (Reason.DENIAL_MISSING, Reason.DENIAL_UNFIT),
    25: (Reason.SIGNATURE_EXPIRED_BEFORE_VALID,),
    27: (Reason.NSEC3_ITERATIONS,),
    29: (Reason.SYNTHESISED,),
    33: (Reason.NTA,),
}


def finding(ip: str, what: str, *, network: bool = False) -> Finding:
    return Finding(Address(ip, 53), n("ns.example.jp"), ASKED, what, network)


REFUSED = finding("192.0.2.1", "REFUSED")
SILENT = finding("192.0.2.2", "timed out", network=True)
GARBLED = finding("192.0.2.3", "malformed answer: name too long")


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"), [(c, reason) for c, reasons in TABLE.items() for reason in sorted(reasons, key=str)]
)
def test_the_code_of_a_verdict(code: int, reason: Reason) -> None:
    errors = errors_of_verdict(Verdict(Security.BOGUS, reason, ZONE, "why"), nta=True)
    assert errors[0] == (code, "why")
    assert errors[1:] == ([(6, "")] if reason in (Reason.SIGNING_KEY_MISSING, Reason.DENIAL_UNFIT) else [])


def test_what_is_secure_or_rightly_insecure_says_nothing() -> None:
    for reason in (Reason.VALID, Reason.UNSIGNED_DELEGATION, Reason.OPT_OUT, Reason.NO_TRUST_POINT):
        assert errors_of_verdict(Verdict(Security.INSECURE, reason, ZONE, "why"), nta=True) == []


def test_an_nta_may_be_kept_quiet() -> None:
    verdict = Verdict(Security.INSECURE, Reason.NTA, ZONE, "NTA", (Note(Reason.SYNTHESISED, "made"),))
    assert errors_of_verdict(verdict, nta=True) == [(33, "NTA"), (29, "made")]
    assert errors_of_verdict(verdict, nta=False) == [(29, "made")]


def test_notes_follow_the_reason_one_option_a_code() -> None:
    notes = (Note(Reason.DENIAL_MISSING, "no proof"), Note(Reason.RRSIG_MISSING, "another"))
    verdict = Verdict(Security.BOGUS, Reason.RRSIG_MISSING, ZONE, "unsigned", notes)
    assert errors_of_verdict(verdict, nta=True) == [(10, "unsigned"), (12, "no proof")]


# --- failures --------------------------------------------------------------------------------------------------------


def test_each_server_and_what_it_did() -> None:
    errors = dict(errors_of_failure(Reason.NO_AUTHORITY, "", [REFUSED, SILENT, GARBLED]))
    assert list(errors) == [22, 23, 24]
    about = "for www.example.jp/A"
    assert errors[22] == "; ".join(
        [
            f"192.0.2.1 REFUSED {about}",
            f"192.0.2.2 timed out {about}",
            f"192.0.2.3 malformed answer: name too long {about}",
        ]
    )
    assert errors[23] == f"192.0.2.2 timed out {about}"
    assert errors[24] == f"192.0.2.3 malformed answer: name too long {about}"


def test_all_answers_malformed() -> None:
    assert [code for code, _ in errors_of_failure(Reason.INVALID_DATA, "", [GARBLED])] == [24, 22]


def test_a_limit_is_named() -> None:
    errors = errors_of_failure(Reason.LIMIT, "limit packets of 100 reached", [REFUSED])
    assert errors == [(0, "limit packets of 100 reached"), (22, "192.0.2.1 REFUSED for www.example.jp/A")]


def test_nobody_to_ask() -> None:
    assert errors_of_failure(Reason.NO_AUTHORITY, "", []) == [(22, "no usable name server address")]
    assert errors_of_failure(Reason.ALIAS_LOOP, "loop", []) == [(0, "loop")]


def test_many_servers_fit_into_one_text() -> None:
    text = describe([finding(f"192.0.2.{number}", "REFUSED") for number in range(40)])
    assert len(text) <= MAX_EDE_TEXT
    assert "more" in text


# --- from a cache ----------------------------------------------------------------------------------------------------


def test_13_stands_beside_the_original_codes_and_once() -> None:
    original = [(7, "expired"), (22, "")]
    assert remembered(original) == [*original, (13, "")]
    assert remembered(remembered(original)) == remembered(original)
    assert merge([(6, ""), (6, "later"), (7, "x")]) == [(6, "later"), (7, "x")]


def test_names_in_texts_are_ascii() -> None:
    odd: Name = n(r"\200\255.example.jp")
    text = describe([Finding(None, odd, Question(odd, t.A), "has no address (nxdomain)")])
    assert text.isascii()
