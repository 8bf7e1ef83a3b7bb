"""Names of numbers, instants of 32-bit times, mail addresses of RNAMEs, NSIDs."""

import pytest

from resolver.explain.svg import clean, shorten
from resolver.explain.terms import algorithm_name, digest_name, error_name, instant, mail_address, nsid_text
from trust.reason import Reason
from wire.text import name_from_text


def test_numbers_have_names():
    assert (algorithm_name(13), algorithm_name(99)) == ("ECDSAP256SHA256", "algorithm 99")
    assert (digest_name(2), digest_name(77)) == ("SHA-256", "digest type 77")
    assert (error_name(7), error_name(4000)) == ("Signature Expired", "EDE 4000")


def test_every_code_that_we_send_has_a_name():
    assert not [reason for reason in Reason if reason.ede is not None and error_name(reason.ede).startswith("EDE ")]


def test_an_instant_is_the_one_nearest_to_now():
    # RFC 4034 §3.1.5, RFC 1982: across the wrap of 2106.
    assert instant(1_700_000_000, 1_700_000_100.5) == 1_700_000_000
    wrap = 1 << 32
    assert instant(5, wrap - 10) == wrap + 5
    assert instant(wrap - 5, wrap + 10) == wrap - 5


@pytest.mark.parametrize(
    "rname, mail",
    [
        ("hostmaster.example.jp.", "hostmaster@example.jp"),
        (r"first\.last.example.jp.", "first.last@example.jp"),
        (".", None),
        ("localhost.", None),
    ],
)
def test_mail_addresses(rname, mail):
    assert mail_address(name_from_text(rname)) == mail


def test_nsids():
    assert nsid_text(b"ns1.tyo") == "ns1.tyo"
    assert nsid_text(b"\x01\xff") == "0x01ff"
    assert nsid_text(b"") == "0x"


def test_long_texts_keep_both_ends():
    assert shorten("short", 5) == "short"
    short = shorten("a" * 30 + ".example.jp", 20)
    assert len(short) == 20 and short.startswith("aaa") and short.endswith("le.jp")


def test_what_xml_forbids_goes():
    assert clean("a\x00b\x07\ufffe") == "a\ufffdb\ufffd\ufffd"
