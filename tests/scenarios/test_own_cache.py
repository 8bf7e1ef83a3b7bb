"""Time and the cache: what is kept, for how long, and what is asked again."""

import pytest

from resolver.settings import Minimise
from tests.scenarios.stage import Stage
from trust.vocabulary import Question
from wire import types as t
from wire.text import name_from_text


def test_an_answer_ages_and_is_fetched_again() -> None:
    stage = Stage()
    stage.client("www.example.jp").gets(ad=True, ttl=300, answer="A 192.0.2.80")
    stage.passes(299)
    stage.client("www.example.jp").gets(ad=True, ttl=1).asks(0)
    stage.passes(2)
    again = stage.client("www.example.jp").gets(ad=True, ttl=300)
    assert again.questions[0].startswith("www.example.jp A ")


def test_keys_and_cuts_are_known_for_the_second_name() -> None:
    stage = Stage()
    stage.client("www.example.jp")
    stage.client("mail.example.jp").gets(ad=True).asks(1)


@pytest.mark.parametrize("low", [0, 600])
def test_ttl_bounds(low: int) -> None:
    stage = Stage({"min_ttl": low, "max_ttl": 1000})
    stage.client("www.unsigned.jp").gets(ttl=max(low, 300))
    stage.client("jp", "NS").gets(ttl=1000)
    # RFC 4035 §5.3.3: what is signed is never kept longer than its signer allows.
    stage.client("www.example.jp").gets(ttl=300)


def test_a_denial_is_kept_as_long_as_its_soa_says() -> None:
    stage = Stage()
    stage.client("nx.example.jp").gets("NXDOMAIN", ad=True)
    stage.passes(299)
    stage.client("nx.example.jp").gets("NXDOMAIN", ad=True).asks(0)
    stage.passes(2)
    assert stage.client("nx.example.jp").gets("NXDOMAIN", ad=True).asked


def test_a_denial_is_kept_no_longer_than_allowed() -> None:
    stage = Stage({"max_negative_ttl": 20})
    stage.client("nx.example.jp").gets("NXDOMAIN")
    stage.passes(21)
    assert stage.client("nx.example.jp").gets("NXDOMAIN").asked


def test_nothing_is_below_a_name_that_does_not_exist() -> None:
    # RFC 8020
    stage = Stage()
    stage.client("nx.example.jp").gets("NXDOMAIN", ad=True)
    stage.client("deep.below.nx.example.jp", "MX").gets("NXDOMAIN", ad=True).asks(0)


def test_an_empty_non_terminal_does_exist() -> None:
    stage = Stage()
    stage.client("deep.ent.example.jp").gets("NOERROR", ad=True, answer="")
    stage.client("host.deep.ent.example.jp").gets(ad=True, answer="A 192.0.2.92")


def test_a_type_is_denied_and_another_is_not() -> None:
    stage = Stage()
    stage.client("mail.example.jp", "AAAA").gets("NOERROR", ad=True, answer="")
    stage.client("mail.example.jp", "A").gets("NOERROR", ad=True, answer="A 192.0.2.25")
    stage.client("mail.example.jp", "AAAA").gets("NOERROR", ad=True, answer="").asks(0)


def test_equal_questions_share_one_resolution() -> None:
    stage = Stage()
    mesh, now = stage.simulation.mesh, stage.simulation.now
    question = Question(name_from_text("www.example.jp"), t.A)
    first = mesh.submit("one", question, now)
    assert len(first) == 1
    assert mesh.submit("two", question, now) == []
    assert mesh.inflight == 1


def test_aliases_are_followed_through_zones_and_kept() -> None:
    stage = Stage()
    chain = "CNAME chain2.example.jp., CNAME chain3.example.jp., CNAME chain4.example.com., CNAME chain5.example.com."
    wanted = f"{chain}, CNAME www.example.net., A 203.0.113.131"
    stage.client("chain1.example.jp").gets(ad=True, answer=wanted)
    stage.client("chain1.example.jp").gets(ad=True, answer=wanted).asks(0)
    stage.client("chain3.example.jp").gets(ad=True).asks(0)


def test_a_circle_of_aliases_ends_in_servfail() -> None:
    stage = Stage()
    stage.client("loop1.example.jp").gets("SERVFAIL").asks(below=10)


def test_a_dname_answers_for_all_names_below() -> None:
    stage = Stage()
    first = "DNAME new.example.jp., CNAME www.new.example.jp., A 192.0.2.81"
    stage.client("www.old.example.jp").gets(ad=True, answer=first)
    # The redirection is in the cache; only its target has to be asked for.
    nothing = stage.client("nothing.old.example.jp").gets("NXDOMAIN", ad=True)
    assert nothing.asked
    assert not any(".old." in question for question in nothing.questions)


def test_a_wildcard_answers_with_its_proof() -> None:
    stage = Stage()
    stage.client("some.wild.example.jp").gets(ad=True, answer="A 192.0.2.90")
    stage.client("exact.wild.example.jp").gets(ad=True, answer="A 192.0.2.91")
    stage.client("exact.wild.example.jp", "TXT").gets(ad=True, answer="")


@pytest.mark.parametrize("minimise", list(Minimise))
def test_long_names_are_found_whatever_is_shown_of_them(minimise: Minimise) -> None:
    # All minimised questions go to the one server of ip6.arpa.
    stage = Stage({"minimise": minimise, "local_zones": False})
    name = ".".join("1" + "0" * 23 + "8bf01002") + ".ip6.arpa"
    stage.client(name, "PTR").gets("NXDOMAIN", ad=True).asks(below=20)
    stage.client("_443._tcp.www.example.jp", "TLSA").gets(ad=True)
    stage.client("host.deep.ent.example.com").gets(ad=True, answer="A 203.0.113.92")


def test_minimised_questions_show_no_more_than_needed() -> None:
    stage = Stage({"minimise": Minimise.STRICT})
    reply = stage.client("www.example.jp").gets(ad=True)
    root = {stage.address("a.root-servers.net."), stage.address("b.root-servers.net.")}
    shown = {question.split(" ")[0] for question in reply.questions if question.split("@")[1] in root}
    assert shown == {"jp", "."}
