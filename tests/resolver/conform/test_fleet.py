"""What the answers of several resolvers say of them."""

import pytest

from resolver.conform.fleet import Answer, Observed, Validates, report, stand

AD = Answer("NOERROR", authentic=True, udp_size=1232, nsid="a")
PLAIN = Answer("NOERROR", udp_size=1232, nsid="a")
FAILED = Answer("SERVFAIL", ede=(7,), udp_size=1232, nsid="a")
DEAD = Answer(problem="no answer within 3 s, 2 times")


def observed(address="192.0.2.1", secure=AD, broken=(FAILED, PLAIN), **more):
    return Observed(address, {"good.example.": secure}, {} if broken is None else {"bad.example.": broken}, **more)


@pytest.mark.parametrize(
    ("secure", "broken", "verdict"),
    [
        (AD, (FAILED, PLAIN), Validates.YES),
        (AD, None, Validates.YES),
        (PLAIN, (FAILED, PLAIN), Validates.NO),
        (PLAIN, (PLAIN, PLAIN), Validates.NO),
        # AD from somewhere else, and broken names all the same: it forwards to one that validates, and to another.
        (AD, (PLAIN, PLAIN), Validates.NO),
        (AD, (Answer("NXDOMAIN", udp_size=1232), PLAIN), Validates.NO),
        # It fails with CD as well: that says nothing about validation.
        (AD, (FAILED, FAILED), Validates.UNCLEAR),
        (AD, (DEAD, PLAIN), Validates.UNCLEAR),
        (AD, (Answer("REFUSED", udp_size=1232), PLAIN), Validates.UNCLEAR),
        (Answer("REFUSED", udp_size=1232), (Answer("REFUSED", udp_size=1232), PLAIN), Validates.UNCLEAR),
        (FAILED, (FAILED, PLAIN), Validates.UNCLEAR),
        (DEAD, None, Validates.DEAD),
        (DEAD, (DEAD, DEAD), Validates.DEAD),
    ],
)
def test_the_verdict(secure, broken, verdict):
    standing = stand(observed(secure=secure, broken=broken))
    assert standing.validates is verdict
    assert standing.why


def test_the_one_that_is_left_behind_is_named():
    found = report([observed("192.0.2.1"), observed("192.0.2.2", PLAIN, (PLAIN, PLAIN)), observed("192.0.2.3", DEAD, None)])
    assert [one.validates for one in found.standings] == [Validates.YES, Validates.NO, Validates.DEAD]
    assert len(found.findings) == 2
    assert found.findings[0].startswith("192.0.2.2 does not validate: bad.example., which is broken, came as NOERROR")
    assert found.findings[1] == "192.0.2.3 does not answer: no answer within 3 s, 2 times"
    assert found.as_json()["agree"] is False


def test_nothing_to_find():
    anchors = {".": (20326, 38696)}
    found = report([observed("192.0.2.1", anchors=anchors, ntas={}), observed("192.0.2.2", anchors=anchors)])
    assert found.findings == ()
    assert found.as_json()["agree"] is True


def test_anchors_that_differ():
    found = report([observed("192.0.2.1", anchors={".": (20326, 38696)}), observed("192.0.2.2", anchors={".": (20326,)})])
    assert found.findings == ("trust anchors differ: 192.0.2.1: . 20326 38696; 192.0.2.2: . 20326",)


def test_who_does_not_tell_anchors_is_not_compared():
    assert report([observed("192.0.2.1", anchors={".": (1,)}), observed("192.0.2.2")]).findings == ()


def test_an_nta_at_one_of_two():
    ntas = {"bad.example.": "2026-11-23T00:00:00Z"}
    there = observed("192.0.2.1", broken=None, ntas=ntas, tried={"bad.example.": PLAIN})
    silent = observed("192.0.2.2", tried={"bad.example.": FAILED})
    found = report([there, silent])
    assert found.findings == ("the NTA for bad.example. is in force at 192.0.2.1 but not at 192.0.2.2",)


def test_an_nta_that_another_brand_has_too_shows_in_its_answers():
    ntas = {"bad.example.": "static"}
    there = observed("192.0.2.1", broken=None, ntas=ntas, tried={"bad.example.": PLAIN})
    silent = observed("192.0.2.2", broken=None, tried={"bad.example.": PLAIN})
    assert report([there, silent]).findings == ()
    assert report([there, silent]).standings[1].ntas == ("bad.example.",)


@pytest.mark.parametrize(
    ("size", "finding"),
    [
        (None, "192.0.2.1: answers without EDNS; it is lost on the way, or not spoken"),
        (4096, "192.0.2.1: an EDNS buffer of 4096 octets is above common MTUs (guideline 2-4)"),
        (1452, None),
        (512, None),
    ],
)
def test_edns(size, finding):
    answer = Answer("NOERROR", authentic=True, udp_size=size)
    assert report([observed(secure=answer, broken=None)]).findings == (() if finding is None else (finding,))


def test_edns_that_is_lost_now_and_then():
    standing = stand(observed(broken=(Answer("SERVFAIL"), PLAIN)))
    assert standing.buffer is None
    assert not standing.buffer_fits
