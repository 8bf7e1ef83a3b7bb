"""Beside Unbound, on the same zones served by real NSD, Knot DNS, BIND and PowerDNS: the same RCODE, AD and answer.

Unbound asks on port 53 only, so the authorities listen there, on 127.x.y.z: that takes root or a low
`net.ipv4.ip_unprivileged_port_start`.

The questions are generated from the zones themselves with a fixed seed: every owner name, names beside, above and below
them, many types. Differences that are right are listed in EXPLAINED, each with its reason; any other one fails.
"""

import os
import random
from collections.abc import Callable, Iterator

import dns.flags
import dns.name
import dns.rdatatype
import pytest

import lab.internet
from lab import background
from lab.daemons import FLAVOURS
from lab.directory import LabDirectory, Settings
from lab.internet import Internet, LabError
from lab.keys import KeyStore
from tests.conftest import require_binary
from tests.e2e.resolvers import Resolver, Said, akashi, unbound

# A prefix for each server and test process: two processes may run this file at once.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PREFIX = {name: f"127.{101 + 4 * (_PROCESS % 30) + place}" for place, name in enumerate(sorted(FLAVOURS))}
PER_BACKEND = 600
TYPES = ("A", "AAAA", "MX", "TXT", "NS", "SOA", "DS", "DNSKEY", "CNAME", "SRV", "PTR", "CAA", "HTTPS", "NAPTR", "TYPE65280")

Question = tuple[str, str]


class Pair:
    """Akashi and Unbound before the same authorities."""

    def __init__(self, ours: Resolver, theirs: Resolver, questions: list[Question]) -> None:
        self.ours = ours
        self.theirs = theirs
        self.questions = questions


@pytest.fixture(scope="module", params=sorted(FLAVOURS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    backend: str = request.param
    program = require_binary("unbound")
    require_binary(FLAVOURS[backend].program)
    root = tmp_path_factory.mktemp(f"differential-{backend}")
    settings = Settings(root / "lab", 53, backend, metrics_listen="", prefix=PREFIX[backend])
    try:
        background.start(settings)
    except LabError as error:
        if "ermission" in str(error):
            pytest.skip(f"port 53 cannot be used: {error}")
        raise
    directory = LabDirectory(root / "lab")
    try:
        net = lab.internet.build(net_time(directory), prefix=settings.prefix, keys=KeyStore(directory.keys))
        with (
            akashi(directory.config, root) as ours,
            unbound(program, root, directory.hints, directory.anchor) as theirs,
        ):
            yield Pair(ours, theirs, questions(net, PER_BACKEND, seed=sum(backend.encode())))
    finally:
        background.stop(directory)


def net_time(directory: LabDirectory) -> float:
    """When the lab was signed, near enough: its files are new."""
    return directory.anchor.stat().st_mtime


def questions(net: Internet, count: int, seed: int) -> list[Question]:
    """Questions about what is in the zones, and about what is not."""
    dice = random.Random(seed)
    faults = dns.name.from_text("faults.jp.")
    names: set[dns.name.Name] = set()
    for origin, zone in net.zones.items():
        if origin.is_subdomain(faults):
            continue  # what is broken on purpose has its own test
        for node in zone.types_by_name():
            names.add(node)
            names.update(_around(node, origin))
    usable = sorted(name for name in names if len(name.to_wire()) <= 200 and not _is_hash(name))
    every = [(name.to_text(), rtype) for name in usable for rtype in TYPES]
    return dice.sample(every, min(count, len(every)))


def _around(name: dns.name.Name, origin: dns.name.Name) -> list[dns.name.Name]:
    """Names beside, above and below."""
    out = [_prefixed("x", name), _prefixed("a.b", name)]
    if name != origin:
        out += [_prefixed("nx", name.parent()), name.parent()]
    if name.labels and name.labels[0] == b"*":
        out += [_prefixed("expanded", name.parent()), _prefixed("deep.expanded", name.parent())]
    return out


def _prefixed(labels: str, name: dns.name.Name) -> dns.name.Name:
    return dns.name.from_text(labels, name)


def _is_hash(name: dns.name.Name) -> bool:
    return any(len(label) == 32 for label in name.labels)


# --- differences that are right --------------------------------------------------------------------------------------

Explained = tuple[str, Callable[[Question, Said, Said], bool]]

EXPLAINED: list[Explained] = [
    (
        "RFC 6672 §3.2 with RFC 1034 §4.3.2 step 3a: a question for CNAME below a DNAME is answered by the CNAME made from "
        "it, and by the DNAME; Unbound 1.17 follows it, and takes what it finds for bogus or not by what is in its cache",
        lambda question, ours, theirs: (
            question[1] == "CNAME"
            and ours.rcode == "NOERROR"
            and {rtype for _, rtype, _ in ours.answer} >= {"DNAME", "CNAME"}
        ),
    ),
]


def explained(question: Question, ours: Said, theirs: Said) -> str | None:
    """The reason why the two may differ here; None when they may not."""
    for reason, applies in EXPLAINED:
        if applies(question, ours, theirs):
            return reason
    return None


def compare(pair: Pair, chosen: list[Question], *, flags: int = 0, dnssec: bool = True) -> list[str]:
    """Every difference without an explanation. With CD Unbound sets AD from its cache; we never do (DESIGN §4)."""
    out = []
    for question in chosen:
        ours = pair.ours.ask(*question, flags=flags, dnssec=dnssec)
        theirs = pair.theirs.ask(*question, flags=flags, dnssec=dnssec)
        same = (ours.rcode, ours.answer) == (theirs.rcode, theirs.answer) and (ours.ad == theirs.ad or flags & dns.flags.CD)
        if not same and explained(question, ours, theirs) is None:
            out.append(f"{question[0]} {question[1]}\n  akashi:  {ours}\n  unbound: {theirs}")
    return out


def _report(differences: list[str], asked: int) -> str:
    return f"{len(differences)} of {asked} differ:\n" + "\n".join(differences[:20])


def test_same_answers_cold_and_warm(pair: Pair) -> None:
    assert len(pair.questions) == PER_BACKEND  # four backends: 2,400 questions
    differences = compare(pair, pair.questions)
    assert not differences, _report(differences, len(pair.questions))
    again = compare(pair, pair.questions[::3])
    assert not again, "from the cache: " + _report(again, len(pair.questions) // 3)


@pytest.mark.parametrize(
    ("flags", "dnssec"),
    [(dns.flags.CD, True), (dns.flags.AD, False), (0, False)],
    ids=["CD", "AD without DO", "neither"],
)
def test_same_answers_for_other_clients(pair: Pair, flags: int, dnssec: bool) -> None:
    chosen = pair.questions[::5]
    differences = compare(pair, chosen, flags=flags, dnssec=dnssec)
    assert not differences, _report(differences, len(chosen))


def test_checking_disabled_is_never_authenticated(pair: Pair) -> None:
    for question in pair.questions[::20]:
        assert not pair.ours.ask(*question, flags=dns.flags.CD).ad
