"""The cache over a restart: what was known is known again, unjudged, as long as it would have been; bad files are not."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from resolver.daemon.cache_file import restore, save
from resolver.resolution import Resolution
from tests.resolver.house import House, broken
from tests.trust.zones import NOW, SignedZone
from trust.vocabulary import Now, Security
from wire import types as t

QUESTIONS = [
    ("www.example.jp", "A"),
    ("alias.example.jp", "A"),
    ("nx.example.jp", "A"),
    ("www.example.jp", "TXT"),
    ("a.dd.example.jp", "A"),
]
RECORDS = """www 600 A 192.0.2.7
alias 600 CNAME www
dd 600 DNAME t
a.t 600 A 192.0.2.9
"""


def house(*, signed_with: int = 13) -> House:
    root, jp = SignedZone("."), SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, server="192.0.2.3", algorithm=signed_with)
    root.delegate(jp)
    jp.delegate(example)
    for zone in (example, jp, root):
        zone.sign()
    return House(root, jp, example, aggressive_nsec=False)


def said(resolution: Resolution) -> object:
    return resolution.rcode, resolution.security, [(r.name, r.rtype, r.rdatas) for r, _ in resolution.answer]


def restored(path: Path, here: House, *, later: float = 0.0) -> int:
    """Restart: another house, `later` seconds after."""
    here.now = Now(NOW + later, here.now.mono)
    return asyncio.run(restore(path, here.mesh.memory, lambda: here.now, structlog.get_logger()))


def saved(path: Path, here: House) -> int:
    here.now = Now(float(NOW), here.now.mono)
    return save(path, here.mesh.memory, here.now, lambda: 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache-0.rrsets"


def test_what_was_known_is_known_again_and_judged_anew(path: Path) -> None:
    before, after = house(), house()
    first = [said(before.ask(*question)) for question in QUESTIONS]
    count = saved(path, before)
    assert count >= len(QUESTIONS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert restored(path, after) == count
    assert not path.exists()
    assert all(entry.security is None for entry in after.mesh.memory.answers.entries())
    assert [said(after.ask(*question)) for question in QUESTIONS] == first
    assert {ask.qtype for ask in after.asked} <= {t.DS, t.DNSKEY, t.A, t.AAAA}
    assert before_question() not in [(ask.qname, ask.qtype) for ask in after.asked]
    assert after.packets() < before.packets()


def test_ttls_go_on_counting(path: Path) -> None:
    before, after = house(), house()
    before.ask("www.example.jp")
    saved(path, before)
    restored(path, after, later=400.0)
    (_, expires), *_ = after.ask("www.example.jp").answer
    assert 190 < expires - after.now.mono <= 200
    late = house()
    saved(path, before)
    # The records of a day (DNSKEY and others) have gone too.
    assert restored(path, late, later=7200.0) == 0


def test_what_no_longer_verifies_is_bogus_and_other_servers_are_asked(path: Path) -> None:
    """The zone has other keys by now: what was kept is no exception, and the server is asked anew."""
    before, after = house(), house(signed_with=15)
    before.ask("www.example.jp")
    saved(path, before)
    restored(path, after)
    assert after.ask("www.example.jp").security in (Security.SECURE, Security.BOGUS)
    after.passes(70)
    assert after.ask("www.example.jp").security is Security.SECURE


def test_bogus_data_is_not_kept(path: Path) -> None:
    before, after = house(), house()
    before.changes["192.0.2.3"] = broken(t.A)
    assert before.ask("www.example.jp").security is Security.BOGUS
    saved(path, before)
    restored(path, after)
    assert after.mesh.memory.answers.peek(*before_question(), after.now.mono) is None


def before_question() -> tuple[bytes, int]:
    return b"\x03www\x07example\x02jp\0", t.A


def test_what_is_known_already_stays(path: Path) -> None:
    before, after = house(), house()
    before.ask("www.example.jp")
    saved(path, before)
    assert after.ask("www.example.jp").security is Security.SECURE
    restored(path, after)
    entry = after.mesh.memory.answers.peek(*before_question(), after.now.mono)
    assert entry is not None
    assert entry.security is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda octets: octets[: len(octets) // 2],
        lambda octets: octets[:20],
        lambda octets: b"",
        lambda octets: octets[:-1] + bytes((octets[-1] ^ 1,)),
        lambda octets: octets.replace(b'"format": 1', b'"format": 2'),
        lambda octets: octets.replace(b'"answers"', b'"root-zone"'),
        lambda octets: b"\0" * 5000,
    ],
)
def test_a_bad_file_is_removed_and_starting_goes_on(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    before, after = house(), house()
    before.ask("www.example.jp")
    saved(path, before)
    path.write_bytes(spoil(path.read_bytes()))
    assert restored(path, after) == 0
    assert not path.exists()
    assert after.ask("www.example.jp").security is Security.SECURE


@pytest.mark.parametrize("later", [-3600.0, 90_000.0])
def test_a_file_from_the_future_or_long_ago_is_not_used(path: Path, later: float) -> None:
    before, after = house(), house()
    before.ask("www.example.jp")
    saved(path, before)
    assert restored(path, after, later=later) == 0
    assert not path.exists()


def test_no_file_is_no_trouble(path: Path) -> None:
    assert restored(path, house()) == 0


def test_gathering_ends_when_its_time_is_over(path: Path) -> None:
    before = house()
    before.ask("www.example.jp")
    times = iter((0.0, 10.0))
    assert save(path, before.mesh.memory, before.now, lambda: next(times)) == 0
