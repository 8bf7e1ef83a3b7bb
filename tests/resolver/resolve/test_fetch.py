"""Cached steps made to fit other questions, and sub-resolutions that remember only what is everybody's."""

import pytest

from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.resolve.fetch import fetch, lookup, recall
from tests.resolver.cache.steps import cname, data, denial, dname, validated
from tests.resolver.play import ROOT_SERVER, Play, message, question, referral, view
from trust.reason import Reason
from trust.vocabulary import Address, Kind, Outcome, Security, Step, Trouble
from wire.text import name_from_text, name_to_text, type_to_text


def remembering(*steps: Step, security: Security | None = None) -> View:
    seen = view()
    for step in steps:
        seen.memory.store(step, seen.now.mono, None if security is None else validated(security))
    return seen


def found(seen: View, name: str, rtype: str = "A") -> str:
    """The fitted step in words: `name type kind (-> target)`, or nothing."""
    known = lookup(question(name, rtype), seen)
    if known is None:
        return ""
    step, _ = known
    to = f" -> {name_to_text(step.target)}" if step.target is not None else ""
    return f"{name_to_text(step.name)} {type_to_text(step.rtype)} {step.kind.value}{to}"


ALIAS = cname("www.example", "a.example")
REDIRECTION = dname("old.example", "new.example", met_at="www.old.example")
NAME_ERROR = denial(Kind.NXDOMAIN, "nx.example")
NOTHING = denial(Kind.NODATA, "ent.example")

FITTED = [
    (ALIAS, "www.example", "A", "www.example A cname -> a.example"),
    (ALIAS, "www.example", "AAAA", "www.example AAAA cname -> a.example"),
    (ALIAS, "www.example", "CNAME", "www.example CNAME answer"),
    (ALIAS, "www.example", "NSEC", ""),
    (ALIAS, "x.www.example", "A", ""),
    (REDIRECTION, "www.old.example", "A", "www.old.example A dname -> www.new.example"),
    (REDIRECTION, "a.b.old.example", "MX", "a.b.old.example MX dname -> a.b.new.example"),
    (REDIRECTION, "old.example", "DNAME", "old.example DNAME answer"),
    (REDIRECTION, "old.example", "A", ""),
    (NAME_ERROR, "nx.example", "A", "nx.example A nxdomain"),
    (NAME_ERROR, "nx.example", "MX", "nx.example MX nxdomain"),
    (NAME_ERROR, "below.nx.example", "MX", "below.nx.example MX nxdomain"),
    (NOTHING, "ent.example", "A", "ent.example A nodata"),
    (NOTHING, "ent.example", "MX", ""),
    (NOTHING, "below.ent.example", "A", ""),
]


@pytest.mark.parametrize(("step", "name", "rtype", "wanted"), FITTED)
def test_fitting(step: Step, name: str, rtype: str, wanted: str) -> None:
    assert found(remembering(step, security=Security.SECURE), name, rtype) == wanted


@pytest.mark.parametrize(("step", "name", "rtype", "wanted"), [case for case in FITTED if case[3]])
def test_the_proof_and_the_server_come_along(step: Step, name: str, rtype: str, wanted: str) -> None:
    known = lookup(question(name, rtype), remembering(step, security=Security.SECURE))
    assert known is not None
    fitted, entry = known
    assert (fitted.server, fitted.zone, fitted.authority) == (step.server, step.zone, step.authority)
    assert fitted.rrsets == step.rrsets
    assert entry.is_of(step)


def test_what_fits_is_the_very_step() -> None:
    known = lookup(question("www.example"), remembering(ALIAS))
    assert known is not None
    assert known[0] is ALIAS


def test_an_unproven_name_error_is_of_its_own_name() -> None:
    seen = remembering(NAME_ERROR, security=Security.INSECURE)
    assert found(seen, "nx.example") == "nx.example A nxdomain"
    assert found(seen, "below.nx.example") == ""


def test_a_redirection_that_leads_too_far() -> None:
    label = "x" * 60
    step = dname("old.example", f"{label}.{label}.{label}.example", met_at="www.old.example")
    known = lookup(question(f"xxx{label}.old.example"), remembering(step))
    assert known is not None
    assert (known[0].kind, known[0].target) == (Kind.DNAME, None)


# --- recalling ---------------------------------------------------------------------------------------------------------


def test_data_is_recalled_unjudged() -> None:
    outcome = recall(question("www.example"), remembering(ALIAS, security=Security.BOGUS))
    assert outcome is not None
    assert (outcome.steps, outcome.failure) == ([ALIAS], None)


def test_a_failure_in_force_is_recalled_and_data_goes_before_it() -> None:
    seen = view()
    asked = question("www.example")
    assert recall(asked, seen) is None
    seen.memory.failures.put(asked, Reason.NO_AUTHORITY, "why", [], [], seen.now.mono)
    outcome = recall(asked, seen)
    assert outcome is not None
    assert (outcome.steps, outcome.failure, outcome.text) == ([], Reason.NO_AUTHORITY, "why")
    seen.memory.store(data("www.example. 300 IN A 192.0.2.1"), seen.now.mono, None)
    outcome = recall(asked, seen)
    assert outcome is not None
    assert outcome.steps


# --- sub-resolutions ---------------------------------------------------------------------------------------------------


def start(name: str, seen: View, avoid: frozenset[Address] = frozenset()) -> Play[Outcome]:
    return Play(fetch(question(name), seen, AddressFilter(seen.memory.settings), avoid), seen)


def test_all_links_of_an_answer_are_kept() -> None:
    seen = view()
    play = start("www.example", seen)
    play.asks(ROOT_SERVER, "www.example").replies(
        message("www.example. 60 IN CNAME a.example.\na.example. 60 IN A 192.0.2.1")
    )
    assert len(play.returns().steps) == 2
    assert found(seen, "www.example", "TXT") == "www.example TXT cname -> a.example"
    assert found(seen, "a.example") == "a.example A answer"
    assert start("a.example", seen).returns().steps[0].kind is Kind.ANSWER


def test_with_servers_to_avoid_the_cache_is_passed_over() -> None:
    seen = remembering(data("www.example. 300 IN A 192.0.2.1"))
    start("www.example", seen, frozenset((Address("192.0.2.66", 53),))).asks(ROOT_SERVER, "www.example")


def test_silence_is_remembered() -> None:
    seen = view()
    play = start("www.example", seen)
    while not play.over:
        play.asks(ROOT_SERVER, "www.example").replies(Trouble.TIMEOUT)
    assert play.returns().failure is Reason.NO_AUTHORITY
    failure = seen.memory.failures.get(question("www.example"), seen.now.mono)
    assert failure is not None
    assert [code for code, _ in failure.errors] == [22, 23]


def test_that_no_other_server_has_better_data_is_not() -> None:
    seen = view()
    play = start("www.example", seen, frozenset((Address(ROOT_SERVER, 53),)))
    assert play.returns().failure is Reason.NO_AUTHORITY
    assert seen.memory.failures.get(question("www.example"), seen.now.mono) is None


def test_that_the_askers_budget_is_used_up_is_not() -> None:
    # One who makes long chains could else spoil the names to which they lead.
    seen = view()
    play = start("www.example", seen).asks(ROOT_SERVER, "www.example")
    assert play.replies(Trouble.LIMIT, text="packets-per-query of 100").returns().failure is Reason.LIMIT
    assert seen.memory.failures.get(question("www.example"), seen.now.mono) is None


def test_that_the_asker_is_waited_for_is_not() -> None:
    seen = view()
    play = start("www.example", seen)
    play.asks(ROOT_SERVER, "www.example").replies(referral("example. 60 IN NS ns.other."))
    play.needs("ns.other", "A").replies(Trouble.CYCLE)
    play.needs("ns.other", "AAAA").replies(Trouble.CYCLE)
    assert play.returns().failure is Reason.CYCLE
    assert seen.memory.failures.get(question("www.example"), seen.now.mono) is None
    assert seen.memory.delegations.get(name_from_text("example"), seen.now.mono) is not None
