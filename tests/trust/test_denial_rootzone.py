"""Denial proofs over the real root zones of 2014 and 2017: every NSEC, every delegation, every gap."""

from pathlib import Path

import pytest

from tests.conftest import require_corpora
from trust.denial import Proof, prove_name_error, prove_no_data, prove_no_ds
from trust.nsec import Nsec, read_nsec
from trust.policy import Budget, Policy
from wire import types as t
from wire.name import ROOT, Name, canonical_key
from wire.rdata import bitmap_has
from wire.rrset import RRset
from wire.text import rrsets_from_text

POLICY = Policy()


def nsec_rrsets(path: Path) -> list[RRset]:
    """The NSEC RRsets of a zone file with one record a line, signatures included."""
    lines = []
    for line in path.read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) > 5 and (fields[3] == "NSEC" or (fields[3] == "RRSIG" and fields[4] == "NSEC")):
            lines.append(line)
    return rrsets_from_text("\n".join(lines))


@pytest.fixture(scope="module", params=["root-2014062501.zone", "root-2017082100.zone"])
def chain(request: pytest.FixtureRequest) -> list[Nsec]:
    rrsets = nsec_rrsets(require_corpora("rootzone", request.param))
    nsecs = [read_nsec(rrset, ROOT) for rrset in rrsets]
    assert len(nsecs) > 500
    assert all(nsecs)
    return sorted((nsec for nsec in nsecs if nsec), key=lambda nsec: canonical_key(nsec.owner))


def successor(name: Name) -> Name:
    """The top-level name right after `name`."""
    return bytes((name[0] + 1,)) + name[1 : name[0] + 1] + b"\0" + b"\0" if name != ROOT else b"\1\0\0"


def test_the_chain_is_closed(chain: list[Nsec]) -> None:
    for nsec, following in zip(chain, chain[1:] + chain[:1], strict=True):
        assert nsec.next == following.owner
    assert [nsec.is_last for nsec in chain].count(True) == 1


def test_every_gap_denies_names_with_the_wildcards_cover(chain: list[Nsec]) -> None:
    apex = chain[0]
    assert apex.owner == ROOT
    for nsec in chain:
        for qname in (successor(nsec.owner), b"\1x" + successor(nsec.owner)):
            denial = prove_name_error(qname, ROOT, [nsec.rrset, apex.rrset], POLICY, Budget())
            assert denial.proof is Proof.PROVEN, (qname, denial)
            assert denial.closest_encloser == ROOT
            # `*.` sorts before every letter, so the apex' NSEC is the one for it.
            if nsec is not apex:
                assert prove_name_error(qname, ROOT, [nsec.rrset], POLICY, Budget()).proof is Proof.MISSING


def test_every_delegation_has_a_ds_or_proves_that_it_has_none(chain: list[Nsec]) -> None:
    signed = 0
    for nsec in chain[1:]:
        assert bitmap_has(nsec.bitmap, t.NS)
        has_ds = bitmap_has(nsec.bitmap, t.DS)
        signed += has_ds
        expected = Proof.WRONG if has_ds else Proof.PROVEN
        assert prove_no_ds(nsec.owner, ROOT, [nsec.rrset], POLICY, Budget()).proof is expected
        assert prove_no_data(nsec.owner, t.DS, ROOT, [nsec.rrset], POLICY, Budget()).proof is expected
        # Whatever else is asked at or below the cut is the child's.
        below = b"\3www" + nsec.owner
        assert not prove_no_data(nsec.owner, t.A, ROOT, [nsec.rrset], POLICY, Budget()).proof.holds
        assert not prove_name_error(below, ROOT, [nsec.rrset, chain[0].rrset], POLICY, Budget()).proof.holds
        assert not prove_no_ds(below, ROOT, [nsec.rrset], POLICY, Budget()).proof.holds
    assert 0 < signed < len(chain) - 1


def test_no_nsec_denies_another_top_level_domain(chain: list[Nsec]) -> None:
    step = max(1, len(chain) // 60)
    for nsec in chain[::step]:
        for other in chain[::step]:
            records = [nsec.rrset, chain[0].rrset]
            assert not prove_name_error(other.owner, ROOT, records, POLICY, Budget()).proof.holds
            if other is not nsec:
                assert not prove_no_ds(other.owner, ROOT, records, POLICY, Budget()).proof.holds
