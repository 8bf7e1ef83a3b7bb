"""Server cookies: the vectors of RFC 9018 appendix A, a second implementation of the hash, times, secrets."""

import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.protect.cookies import Cookies, Standing, is_lawful, read_secrets
from tests.resolver.protect.siphash import siphash24

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OLD, NEW = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715"), bytes.fromhex("445536bcd2513298075a5d379663c962")
CLIENT = bytes.fromhex("2464c4abcf10c957")
V4, OTHER_V4 = socket.inet_aton("198.51.100.100"), socket.inet_aton("203.0.113.203")
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8:220:1:59de:d0f4:8769:82b8")
NOW = 0x5CF79F11


def cookie_of(option, secrets=(SECRET,), client=V4, wall=NOW):
    return Cookies(secrets).judge(option, client, wall)


class TestRfc9018AppendixA:
    """Each vector: what the server of the example says."""

    def test_a1_learning_a_new_server_cookie(self):
        standing, said = cookie_of(CLIENT)
        assert standing is Standing.NEW
        assert said.hex() == "2464c4abcf10c957010000005cf79f111f8130c3eee29480"

    def test_a2_the_same_client_learning_a_renewed_one(self):
        shown = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")
        standing, said = cookie_of(shown, wall=0x5CF7A871)
        assert standing is Standing.GOOD
        assert said.hex() == "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"

    def test_a3_reserved_octets_count_as_they_came(self):
        shown = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
        assert cookie_of(shown, client=OTHER_V4, wall=0x5CF78F71 + 3540)[0] is Standing.GOOD
        renewed = Cookies([SECRET]).make(shown[:8], OTHER_V4, 0x5CF7A9AC)
        assert renewed.hex() == "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"

    def test_a4_ipv6_and_a_rolled_over_secret(self):
        shown = bytes.fromhex("22681ab97d52c298010000005cf7c57926556bd0934c72f8")
        standing, said = cookie_of(shown, (NEW, OLD), V6, 0x5CF7C609)
        assert standing is Standing.GOOD
        assert said.hex() == "22681ab97d52c298010000005cf7c609a6bb79d16625507a"
        assert cookie_of(shown, (NEW,), V6, 0x5CF7C609)[0] is Standing.BAD, "once the old secret is gone"


def test_the_second_opinion_knows_the_vector_of_the_siphash_paper():
    assert siphash24(bytes(range(16)), bytes(range(15))).hex() == "e545be4961ca29a1"


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    st.integers(0, 1 << 40),
)
def test_what_is_made_is_what_the_rfc_says(secret, client_cookie, client, wall):
    """RFC 9018 §4.4, by the second implementation."""
    head = client_cookie + b"\1\0\0\0" + (wall % 2**32).to_bytes(4, "big")
    assert Cookies([secret]).make(client_cookie, client, wall) == head + siphash24(secret, head + client)


@pytest.mark.parametrize(
    ("age", "good", "renewed"),
    [
        (-301, False, True),
        (-300, True, False),
        (0, True, False),
        (1800, True, False),
        (1801, True, True),
        (3600, True, True),
        (3601, False, True),
        (1 << 31, False, True),
        (1 << 32, True, False),
    ],
)
@pytest.mark.parametrize("start", [NOW, 100, (1 << 32) - 100])
def test_the_window_of_time(start, age, good, renewed):
    """RFC 9018 §4.3, in serial number arithmetic: it works across the end of 32 bits."""
    cookies = Cookies([SECRET])
    shown = cookies.make(CLIENT, V4, start + (1 << 32))
    standing, said = cookies.judge(shown, V4, start + (1 << 32) + age)
    assert standing is (Standing.GOOD if good else Standing.BAD)
    assert (said != shown) == renewed
    assert cookies.judge(said, V4, start + (1 << 32) + age)[0] is Standing.GOOD, "what is said in return holds"


@given(st.binary(min_size=16, max_size=40))
def test_nobody_guesses_one(shown):
    assert cookie_of(shown)[0] is Standing.BAD


@given(st.integers(0, 23), st.integers(1, 255))
def test_any_octet_counts(place, change):
    good = bytearray(Cookies([SECRET]).make(CLIENT, V4, NOW))
    good[place] ^= change
    assert cookie_of(bytes(good))[0] is Standing.BAD


def test_a_cookie_is_its_clients_own():
    shown = Cookies([SECRET]).make(CLIENT, V4, NOW)
    assert cookie_of(shown)[0] is Standing.GOOD
    assert cookie_of(shown, client=OTHER_V4)[0] is Standing.BAD
    assert cookie_of(shown, client=V6)[0] is Standing.BAD
    assert cookie_of(shown, (OLD, SECRET))[0] is Standing.GOOD
    assert cookie_of(shown, (OLD,))[0] is Standing.BAD
    assert cookie_of(shown[:-1])[0] is Standing.BAD


def test_a_cookie_of_the_previous_secret_is_answered_with_one_of_the_present():
    """RFC 9018 §5, every stage of a roll-over: no client is ever without a valid cookie."""
    stages = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
    shown = Cookies(stages[0]).make(CLIENT, V4, NOW)
    for before, after in itertools.pairwise(stages):
        # Some servers of the set are a stage ahead.
        for secrets in (before, after, before):
            standing, shown = cookie_of(shown, secrets)
            assert standing is Standing.GOOD
        shown = cookie_of(shown, after)[1]


@pytest.mark.parametrize("length", range(48))
def test_lengths(length):
    """RFC 7873 §4: 8 of the client, or these and 8 to 32 of the server."""
    assert is_lawful(bytes(length)) == (length == 8 or 16 <= length <= 40)


def test_secrets_from_a_file():
    text = f"# Cookie secrets\n{SECRET.hex()}   # since June\n\n  {OLD.hex().upper()}\n"
    assert read_secrets(text) == [SECRET, OLD]


@pytest.mark.parametrize("text", ["", "# nothing", "abcd", "zz" * 16, SECRET.hex() + "00", f"{SECRET.hex()}\n" * 4])
def test_files_that_make_no_sense_are_not_quoted(text):
    with pytest.raises(ValueError, match=r"line \d is not|it holds \d secrets") as caught:
        read_secrets(text)
    assert not text or text[:8] not in str(caught.value)


@pytest.mark.parametrize("secrets", [(), (b"short",)])
def test_secrets_are_checked(secrets):
    with pytest.raises(ValueError, match="16 octets"):
        Cookies(secrets)
