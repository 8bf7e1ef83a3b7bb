"""One table of texts: every key that the code uses is there, every key that is there is used, and fields fit."""

import re
import string

import pytest

from resolver.explain.diagnosis import Link, _fault
from resolver.explain.svg import _wrap, columns, shorten
from resolver.explain.texts import TABLES, Words
from resolver.explain.texts_ja import REASONS
from tests.conftest import ROOT
from trust.reason import Reason
from trust.vocabulary import Kind, Security

ROOMS = [path for path in sorted((ROOT / "resolver/explain").glob("*.py")) if path.name not in ("texts.py", "texts_ja.py")]
SOURCES = "".join(path.read_text() for path in (*ROOMS, ROOT / "resolver/cli/explain.py"))
MADE = (
    {f"link.{link.value}" for link in Link}
    | {f"kind.{kind.value}" for kind in Kind}
    | {f"word.{security.value}" for security in Security}
    | {"word.unchecked", "mark.signs", "mark.revoked", "mark.no-zone-key"}
    | {f"role.{role}" for role in ("KSK", "ZSK", "none")}
    | {f"{span}.{unit}" for span in ("left", "ago", "from") for unit in ("days", "hours", "minutes")}
    | {f"policy.{key}" for key in ("passthru", "disabled", "drop", "truncate")}
    | {f"col.{key}" for key in ("server", "says", "security", "latency", "zone")}
)
"""Keys that are put together."""
POLICY = {reason.label for reason in Reason if reason.ede in (4, 15, 16, 17)}


def fields(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}


def test_every_key_is_used():
    unused = {key for key in TABLES["en"] if f'"{key}"' not in SOURCES and f"'{key}'" not in SOURCES and key not in MADE}
    assert unused == set()


def test_every_key_used_is_there():
    used = set(re.findall(r"""(?:words|say|Words\(\))\(["']([a-z0-9.-]+)["']""", SOURCES)) | MADE
    assert used - set(TABLES["en"]) == set()
    assert len(used) > 60


@pytest.mark.parametrize("language", TABLES)
def test_translations_have_the_same_fields(language):
    for key, template in TABLES[language].items():
        assert fields(template) == fields(TABLES["en"][key]), key


def test_an_unknown_language_is_english_and_an_unknown_key_a_bug():
    words = Words("xx")
    assert words.language == "en"
    with pytest.raises(KeyError):
        words("no.such.text")


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 min left"),
        (59 * 60, "59 min left"),
        (3600, "1 h 0 min left"),
        (48 * 3600 - 1, "47 h 59 min left"),
        (48 * 3600, "2 d 0 h left"),
        (-60, "expired 1 min ago"),
        (-90 * 86400 - 3600, "expired 90 d 1 h ago"),
    ],
)
def test_time_left(seconds, text):
    assert Words().left(seconds) == text


def test_time_to_come():
    assert Words().not_yet(3 * 86400) == "valid only in 3 d 0 h"


# --- Japanese ----------------------------------------------------------------------------------------------------------


def test_nothing_is_left_in_english():
    assert set(TABLES["ja"]) == set(TABLES["en"])
    same = {key for key, template in TABLES["ja"].items() if template == TABLES["en"][key]}
    # Names of things, and forms of names only.
    assert same == {
        *("page.title", "word.secure", "word.insecure", "word.bogus", "col.rcode", "server.nsid"),
    }


def test_every_reason_of_a_fault_has_its_gloss():
    never_told = {"valid", "unsignable", "cached-failure", "stale", "stale-nxdomain", "synthesised", "root-key-sentinel"}
    refusals = {"not-ready", "prohibited", "rd-not-set", "not-supported", "invalid-query-type"}
    ours = {reason.label for reason in Reason} - never_told - refusals - POLICY
    assert ours - set(REASONS) == set()


def test_the_validators_words_come_after_the_gloss():
    words = Words("ja")
    assert words.because("signature-expired", "signature expired 2026-11-20") == (
        "署名の有効期間が過ぎています (signature expired 2026-11-20)"
    )
    assert words.because("limit", "limit") == "上限に達しました"
    assert words.because("no-such-reason", "as it is") == "as it is"
    assert Words("en").because("signature-expired", "as it is") == "as it is"


def test_lines_are_folded_by_width():
    assert columns("key 12345") == 9
    assert columns("鍵 12345") == 8
    folded = _wrap("信頼の連鎖が切れています。鍵 12345 と一致しません", 20, 9)
    assert all(columns(line) <= 20 for line in folded)
    assert not any(line.startswith(("。", "、")) for line in folded)
    assert "".join(folded).replace(" ", "") == "信頼の連鎖が切れています。鍵12345と一致しません"
    assert columns(shorten("信頼の連鎖が切れています", 10)) <= 10


def test_sentences_of_a_fault_in_japanese():
    fault = _fault(Link.KEYS, b"\x07example\x02jp\x00", b"\x02jp\x00", Reason.NO_MATCHING_DNSKEY, "no key fits")
    words = Words("ja")
    where = {"zone": "example.jp", "parent": "jp"}
    assert words(f"link.{fault.link.value}", **where, text=words.because(fault.reason.label, fault.text)) == (
        "信頼の連鎖が jp にある DS と example.jp の鍵 (DNSKEY) の間で切れています: "
        "DS と一致する鍵がゾーンにありません (no key fits)"
    )
    assert words(fault.who, **where).startswith("example.jp の管理者と、親ゾーン jp の管理者")
    assert words(fault.next, zone="example.jp", contact="hostmaster@example.jp").endswith("akashi nta propose example.jp")
