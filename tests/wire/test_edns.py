"""OPT and its options, as octets."""

import dns.edns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.build import opt, option
from tests.wire.steady import steady
from wire.edns import COOKIE, EDE, NSID, PADDING, Edns, ede, padding, parse_options, read_ede
from wire.limits import MAX_EDE_TEXT
from wire.types import DO


def test_to_wire() -> None:
    edns = Edns(1232, DO, [(NSID, b"ns1"), (COOKIE, bytes(8))], version=0, extended_rcode=1)
    options = option(3, b"ns1") + option(10, bytes(8))
    assert edns.to_wire() == opt(options, payload=1232, ttl=0x01008000)
    assert Edns(512).to_wire() == opt(payload=512)


def test_dnssec_ok() -> None:
    assert Edns(1232, DO).dnssec_ok
    assert not Edns(1232, 0x7FFF).dnssec_ok


def test_option_gives_the_first() -> None:
    edns = Edns(1232, 0, [(NSID, b"1"), (NSID, b"2")])
    assert edns.option(NSID) == b"1"
    assert edns.option(COOKIE) is None


@steady()
@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=20)), max_size=5))
def test_options_round_trip(options: list[tuple[int, bytes]]) -> None:
    """Order and repetitions are kept."""
    assert parse_options(Edns(1232, 0, options).to_wire()[11:]) == options


@pytest.mark.parametrize("rdata", [b"\0", b"\0\3", b"\0\3\0", b"\0\3\0\1", b"\0\3\0\2a", option(3, b"ab") + b"\0"])
def test_options_cut_short(rdata: bytes) -> None:
    with pytest.raises(ValueError, match="EDNS option"):
        parse_options(rdata)


def test_ede() -> None:
    assert ede(7) == (EDE, b"\0\7")
    assert ede(24, "no") == (EDE, b"\0\x18no")
    assert read_ede(b"\0\x18no") == (24, "no")
    assert read_ede(b"\0\7") == (7, "")
    assert read_ede(b"\0\7expired\0") == (7, "expired")  # RFC 8914 §2: a terminating null is possible
    assert read_ede(b"\0\7\xff") == (7, "�")
    assert read_ede(b"\0") is None
    assert read_ede(b"") is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * MAX_EDE_TEXT, MAX_EDE_TEXT),
        ("x" * (MAX_EDE_TEXT + 1), MAX_EDE_TEXT),
        ("x" * (MAX_EDE_TEXT - 1) + "é", MAX_EDE_TEXT - 1),  # two octets, one of which would not fit
        ("x" * (MAX_EDE_TEXT - 2) + "é", MAX_EDE_TEXT),
        ("x" * (MAX_EDE_TEXT - 2) + "証", MAX_EDE_TEXT - 2),  # three
        ("x" * (MAX_EDE_TEXT - 3) + "😀", MAX_EDE_TEXT - 3),  # four
    ],
)
def test_ede_text_is_cut_between_characters(text: str, kept: int) -> None:
    data = ede(0, text)[1]
    assert len(data) == 2 + kept
    assert text.startswith(data[2:].decode("utf-8"))


@steady()
@given(st.integers(0, 65535), st.text(max_size=300))
def test_ede_is_what_dnspython_reads(code: int, text: str) -> None:
    """Whatever the text, the option is well-formed UTF-8 and of bounded length."""
    number, data = ede(code, text)
    assert len(data) <= 2 + MAX_EDE_TEXT
    parsed = dns.edns.option_from_wire(number, data, 0, len(data))
    assert isinstance(parsed, dns.edns.EDEOption)
    assert parsed.code == code
    assert text.encode("utf-8", "replace").startswith((parsed.text or "").encode())


def test_ede_survives_lone_surrogates() -> None:
    assert ede(0, "\ud800") == (EDE, b"\0\0?")


@pytest.mark.parametrize("used", [0, 1, 100, 463, 464, 465, 467, 468, 469, 1000, 4000])
def test_padding_fills_the_block(used: int) -> None:
    """RFC 8467 §4.1."""
    code, data = padding(used)
    assert code == PADDING
    assert (used + 4 + len(data)) % 468 == 0
    assert len(data) < 468
    assert not any(data)
    assert (used + 4 + len(padding(used, 128)[1])) % 128 == 0


def test_shorter_opt_drops_texts_first_then_options_from_the_end() -> None:
    edns = Edns(1232, DO, [ede(33, "an NTA is in force"), (COOKIE, bytes(16)), ede(7, "expired"), (NSID, b"ns1")])
    full = edns.to_wire()
    assert edns.text_size == len("an NTA is in force") + len("expired")
    assert edns.to_wire_within(len(full)) == full
    without_last_text = [ede(33, "an NTA is in force"), (COOKIE, bytes(16)), ede(7), (NSID, b"ns1")]
    assert edns.to_wire_within(len(full) - 1) == Edns(1232, DO, without_last_text).to_wire()
    without_texts = [ede(33), (COOKIE, bytes(16)), ede(7), (NSID, b"ns1")]
    assert edns.to_wire_within(len(full) - 8) == Edns(1232, DO, without_texts).to_wire()
    bare = len(full) - edns.text_size
    assert edns.to_wire_within(bare) == Edns(1232, DO, without_texts).to_wire()
    assert edns.to_wire_within(bare - 1) == Edns(1232, DO, without_texts[:3]).to_wire()
    assert edns.to_wire_within(0) == Edns(1232, DO).to_wire()
    assert edns.to_wire() == full  # nothing was changed in place


@steady()
@given(
    st.lists(
        st.one_of(st.tuples(st.integers(0, 20), st.binary(max_size=20)), st.text(max_size=20).map(lambda s: ede(6, s)))
    ),
    st.integers(0, 300),
)
def test_shorter_opt_fits(options: list[tuple[int, bytes]], size: int) -> None:
    out = Edns(1232, 0, options).to_wire_within(size)
    assert len(out) <= max(size, 11)
    kept = parse_options(out[11:])
    assert [code for code, _ in kept] == [code for code, _ in options[: len(kept)]]
