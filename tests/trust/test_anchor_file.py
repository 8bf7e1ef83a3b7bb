"""Anchors as text: what operators of other resolvers have is read, and what is written they recognise."""

import re
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import require_binary, require_corpora
from tests.trust.rollover import Follower, key, revoked
from tests.trust.zones import DAY, NOW, KeyPair, n
from trust.algorithms import Key
from trust.anchor_file import WRITERS, read_anchors, to_bind, to_unbound, to_zone
from trust.anchors import MAX_FILE, TrustPoint
from trust.rfc5011 import KeyState, Origin, PointState, State, Timers
from wire.name import ROOT
from wire.text import rdata_to_text

A, B, C, D = (key(index) for index in range(4))
ROOT_KEYS = {20326, 38696}


def tags(points: tuple[TrustPoint, ...]) -> dict[bytes, set[int]]:
    return {
        p.name: {int.from_bytes(ds[:2], "big") for ds in p.ds} | {Key(rdata).tag for rdata in p.dnskeys} for p in points
    }


def text_of(pair: KeyPair) -> str:
    return rdata_to_text(48, pair.rdata)


# --- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "wanted"),
    [(1_300_000_000, {19036}), (1_500_000_000, {19036, 20326}), (1_560_000_000, {20326}), (NOW, ROOT_KEYS)],
)
def test_root_anchors_xml_heeds_its_validity(when: int, wanted: set[int]) -> None:
    data = require_corpora("anchors", "root-anchors-2024.xml").read_bytes()
    assert tags(read_anchors(data, when).points) == {ROOT: wanted}


def test_root_anchors_xml_before_any_is_valid() -> None:
    data = require_corpora("anchors", "root-anchors-2024.xml").read_bytes()
    with pytest.raises(ValueError, match="none of 3 trust anchors is valid now"):
        read_anchors(data, 1_000_000_000)


def test_records_of_several_zones() -> None:
    data = f"; anchors\n. IN DS 20326 8 2 {'E0' * 32}\nexample.jp. 3600 IN DNSKEY {text_of(A)} ; a key\n".encode()
    assert tags(read_anchors(data, NOW).points) == {ROOT: {20326}, n("example.jp"): {A.tag}}


UNBOUND = """; autotrust trust anchor file
;;id: . 1
;;last_queried: 1795368094 ;;Sun Nov 22 17:21:34 2026
;;last_success: 1795368094 ;;Sun Nov 22 17:21:34 2026
;;next_probe_time: 1795409653 ;;Mon Nov 23 04:54:13 2026
;;query_failed: 0
;;query_interval: 43200
;;retry_time: 8640
.\t86400\tIN\tDNSKEY\t{valid} ;{{id = 1 (ksk), size = 256b}} ;;state=2 [  VALID  ] ;;count=0 ;;lastchange=1795368094 ;;Sun
.\t86400\tIN\tDNSKEY\t{pending} ;{{id = 2 (ksk), size = 256b}} ;;state=1 [ ADDPEND ] ;;count=1 ;;lastchange=1795368094 ;;Sun
.\t86400\tIN\tDNSKEY\t{missing} ;{{id = 3 (ksk), size = 256b}} ;;state=3 [ MISSING ] ;;count=0 ;;lastchange=1795368094 ;;Sun
.\t86400\tIN\tDNSKEY\t{revoked} ;{{id = 4 (ksk), size = 256b}} ;;state=4 [ REVOKED ] ;;count=0 ;;lastchange=1795368094 ;;Sun
"""
"""As Unbound 1.17 writes it."""


def test_a_pending_key_in_unbound_s_file_is_no_anchor() -> None:
    text = UNBOUND.format(valid=text_of(A), pending=text_of(B), missing=text_of(C), revoked=text_of(revoked(D)))
    found = read_anchors(text.encode(), NOW)
    assert tags(found.points) == {ROOT: {A.tag, C.tag}}
    assert found.notes == ("key 2 is ADDPEND in the file and was left out", "key 4 is REVOKED in the file and was left out")


def test_a_file_of_pending_keys_alone() -> None:
    text = "\n".join(line for line in UNBOUND.splitlines() if "VALID" not in line and "MISSING" not in line)
    text = text.format(pending=text_of(B), revoked=text_of(revoked(D)))
    with pytest.raises(ValueError, match="key 2 is ADDPEND in the file"):
        read_anchors(text.encode(), NOW)


BIND = """/* from named.conf */
options {{ directory "/var/cache/bind"; }}; // not ours
trust-anchors {{
    # the root
    . initial-key 257 3 15 "{a1}
        {a2}"; // first
    "example.jp" static-ds {ds};
    example.com. initial-key 257 3 15 "{b}";
}};
managed-keys {{ example.net. initial-key 257 3 15 "{c}"; }};
trusted-keys {{ example.org. 257 3 15 "{d}"; }};
"""


def bind_text() -> str:
    data = {pair: text_of(pair).split(" ", 3)[3].replace(" ", "") for pair in (A, B, C, D)}
    tag, algorithm, kind, digest = rdata_to_text(43, A.ds(n("example.jp"))).split(" ", 3)
    ds = f'{tag} {algorithm} {kind} "{digest}"'
    return BIND.format(a1=data[A][:20], a2=data[A][20:], b=data[B], c=data[C], d=data[D], ds=ds)


def test_statements_of_bind() -> None:
    points = read_anchors(bind_text().encode(), NOW).points
    assert tags(points) == {
        ROOT: {A.tag},
        n("example.jp"): {A.tag},
        n("example.com"): {B.tag},
        n("example.net"): {C.tag},
        n("example.org"): {D.tag},
    }
    assert {p.name for p in points if p.ds} == {n("example.jp")}


@pytest.mark.parametrize(
    "broken", ['. initial-key 257 3 15 "abc"', ". initial-key 257 3;", '. magic-key 257 3 15 "AA==";', '. initial-key "x";']
)
def test_broken_statements_say_where(broken: str) -> None:
    with pytest.raises(ValueError, match="trust-anchors: neither an anchor nor the end"):
        read_anchors(f"trust-anchors {{ {broken} }};".encode(), NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n; nothing\n",
        b"\xff\xfe",
        b"www IN A 192.0.2.1\n",
        b"<html></html>",
        b"trust-anchors { };",
        b"x" * (MAX_FILE + 1),
    ],
)
def test_what_holds_no_anchor(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_anchors(data, NOW)


def test_a_revoked_key_is_no_anchor() -> None:
    with pytest.raises(ValueError, match="is revoked"):
        read_anchors(f". IN DNSKEY {text_of(revoked(A))}\n".encode(), NOW)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_nothing_but_value_errors(data: bytes) -> None:
    for prefix in (b"", b"trust-anchors { ", b". IN DS ", b"<TrustAnchor>"):
        try:
            read_anchors(prefix + data, NOW)
        except ValueError:
            continue


# --- writing -----------------------------------------------------------------------------------------------------------


def state_of_all() -> PointState:
    """A key in each state."""
    base = {"since": NOW - 40.0 * DAY, "first_seen": NOW - 50.0 * DAY, "last_seen": NOW - 1.0}
    more = {"hold_s": 30.0 * DAY, "validators": (A.rdata,)}
    keys = (
        KeyState(State.VALID, dnskey=A.rdata, ds=(A.ds(ROOT),), origin=Origin.CONFIGURED, **base),  # type: ignore[arg-type]
        KeyState(State.ADD_PEND, dnskey=B.rdata, **(base | {"since": NOW - DAY, "first_seen": NOW - DAY}), **more),  # type: ignore[arg-type]
        KeyState(State.MISSING, dnskey=C.rdata, **base),  # type: ignore[arg-type]
        KeyState(State.REVOKED, dnskey=D.rdata, **base),  # type: ignore[arg-type]
        KeyState(State.REMOVED, dnskey=key(4).rdata, **base),  # type: ignore[arg-type]
        KeyState(State.VALID, NOW, ds=(key(5).ds(ROOT), key(5).ds(ROOT, 4)), origin=Origin.IMPORTED),
    )
    return PointState(ROOT, keys, NOW - 1.0, NOW - 1.0, NOW + 43200.0, 172800, 10 * DAY)


TRUSTED = {A.tag, C.tag, key(5).tag}


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_written_is_read_again_and_only_what_is_trusted(form: str) -> None:
    text = WRITERS[form]([state_of_all()], NOW, Timers())
    assert tags(read_anchors(text.encode(), NOW).points) == {ROOT: TRUSTED}


@pytest.mark.parametrize("form", WRITERS)
def test_the_real_zone_s_keys_survive(form: str) -> None:
    follow = Follower(A, B)
    follow.look([A], [A], 0)
    text = WRITERS[form]([follow.point], NOW, Timers())
    (point,) = read_anchors(text.encode(), NOW).points
    assert set(point.dnskeys) == {A.rdata, B.rdata}


def test_zone_tells_every_state() -> None:
    text = to_zone([state_of_all()], NOW, Timers())
    for state in State:
        assert (f": {state.value} since" in text) == (state is not State.START)
    assert re.search(rf"key {B.tag} .*AddPend.*hold-down until 2027-02-13T08:00:00Z", text)


def test_unbound_has_its_numbers_and_captions() -> None:
    text = to_unbound(state_of_all(), NOW, Timers())
    assert text.startswith(
        "; autotrust trust anchor file\n;;id: . 1\n;;last_queried: 1799999999 ;;Fri Jan 15 07:59:59 2027\n"
    )
    assert re.findall(r";;state=(\d) \[(.{9})\]", text) == [
        ("2", "  VALID  "),
        ("1", " ADDPEND "),
        ("3", " MISSING "),
        ("4", " REVOKED "),
        ("5", " REMOVED "),
        ("2", "  VALID  "),
        ("2", "  VALID  "),
    ]
    revoked_line = next(line for line in text.splitlines() if "REVOKED" in line)
    assert "\tDNSKEY\t385 3 15 " in revoked_line
    assert ";;query_interval: 86400\n;;retry_time: 17280\n" in text


def test_unbound_keeps_one_trust_point_in_a_file() -> None:
    with pytest.raises(ValueError, match="choose a zone"):
        WRITERS["unbound"]([state_of_all(), state_of_all()], NOW, Timers())


def test_bind_accepts_it(tmp_path: Path) -> None:
    program = require_binary("named-checkconf")
    other = Follower(A, D.ds(n("example.jp"))).point
    file = tmp_path / "anchors.conf"
    file.write_text(to_bind([state_of_all(), other], NOW, Timers()))
    done = subprocess.run([program, str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bind_s_check_would_find_a_fault(tmp_path: Path) -> None:
    program = require_binary("named-checkconf")
    file = tmp_path / "anchors.conf"
    file.write_text(to_bind([state_of_all()], NOW, Timers()).replace("initial-key 257", "initial-key x"))
    assert subprocess.run([program, str(file)], capture_output=True, timeout=30, check=False).returncode != 0


def free_port() -> int:
    """A UDP port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_unbound_goes_on_from_it(tmp_path: Path) -> None:
    """Unbound reads the file and tells in its log which keys it starts from, and in which states."""
    program = require_binary("unbound")
    file = tmp_path / "root.key"
    file.write_text(to_unbound(state_of_all(), NOW, Timers()))
    configuration = tmp_path / "unbound.conf"
    configuration.write_text(
        f'server:\n directory: "{tmp_path}"\n chroot: ""\n username: ""\n pidfile: ""\n use-syslog: no\n logfile: ""\n'
        f' do-daemonize: no\n interface: 127.0.0.1@{free_port()}\n verbosity: 4\n auto-trust-anchor-file: "{file}"\n'
        " do-ip6: no\n do-not-query-address: 0.0.0.0/0\nremote-control:\n control-enable: no\n"
    )
    process = subprocess.Popen(
        [program, "-d", "-c", str(configuration)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    try:
        seen: list[str] = []
        for line in process.stderr:
            seen.append(line)
            if "autotrust probe" in line or "fatal" in line or len(seen) > 2000:
                break
    finally:
        process.kill()
        process.wait(30)
        process.stderr.close()
    log = "".join(seen)
    assert "reading autotrust anchor file" in log and "fatal" not in log
    states = {(int(tag), state) for state, tag in re.findall(r"\[\s*([A-Z]+)\s*\].*id = (\d+) ", log)}
    assert (B.tag, "ADDPEND") in states and (A.tag, "VALID") in states and (C.tag, "MISSING") in states
