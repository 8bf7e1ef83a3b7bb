"""Playing a replay scenario: the real mesh, the real answer composer, virtual time, no sockets.

    python -m tests.scenarios.play FILE…          # one line a file
    python -m tests.scenarios.play --trace FILE   # every question, answer, verdict and EDE

Theory: QUERY composes the client's packet, submits its question to the mesh and keeps what `resolver.server.respond` makes
of the resolution; CHECK_ANSWER reads those bytes with dnspython and compares. Everything that the resolver asks goes to the
scripted world (`tests.scenarios.world`); what nobody answers times out in virtual time.

Settings of the play: no 0x20 and no priming (the file's root address is the root), SHA-1 validates (most files are of its
time), all addresses may be asked (many are documentation prefixes), names of RFC 6761 are not answered locally (many files
live in `example.` and `test.`).
"""

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from resolver.mesh import Mesh
from resolver.resolution import Resolution
from resolver.server.respond import Identity, respond
from resolver.settings import Minimise, Settings
from tests.scenarios import compare
from tests.scenarios.rpl import Entry, Head, Scenario, ScenarioError, Step, StepKind, load
from tests.scenarios.simulation import Simulation
from tests.scenarios.world import Exchange, World
from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.policy import Policy, Sha1
from trust.vocabulary import Address, Now, Question, Transport
from wire import types as t
from wire.name import ROOT
from wire.reader import read
from wire.text import name_to_text, rcode_to_text, type_to_text

ROOT_SERVERS = ("198.41.0.4", "2001:503:ba3e::2:30")
"""The hints of a file that names none: a.root-servers.net."""

IDENTITY = Identity(nsid=b"replay")
START_MONO = 1000.0
DEFAULT_WALL = 1_500_000_000.0
"""The clock of a file that does not set one (such files have no signatures)."""


@dataclass(frozen=True)
class Failure:
    """A step that did not come out as written."""

    step: int
    line: int
    what: str

    def __str__(self) -> str:
        return f"step {self.step} (line {self.line}): {self.what}"


@dataclass(frozen=True)
class Leniency:
    """What of a file is not asked of us. All that is not named here still is.

    Attributes:
        ignore: step number → sections that are not compared at that step.
        rcode: step number → the RCODE that we give instead of the file's.
        questions: CHECK_OUT_QUERY and MANDATORY do not count, only what the client gets does.
    """

    ignore: Mapping[int, frozenset[str]] = field(default_factory=dict)
    rcode: Mapping[int, str] = field(default_factory=dict)
    questions: bool = False


STRICT = Leniency()


@dataclass
class Play:
    """One performance of a scenario. `seed` decides all of the resolver's dice."""

    scenario: Scenario
    seed: int = 1
    leniency: Leniency = STRICT
    trace: bool = False
    failures: list[Failure] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)

    def __post_init__(self) -> None:
        head = self.scenario.head
        self.world = World(self.scenario)
        mesh = Mesh(settings_of(head), points_of(head), Policy(sha1=Sha1.VALIDATE), random.Random(self.seed))
        wall = DEFAULT_WALL if head.wall is None else head.wall
        self.simulation = Simulation(mesh, self.world, Now(wall, START_MONO), watch=self._watch)
        self._answer: dns.message.Message | None = None
        self._asked_from = 0

    def run(self) -> list[Failure]:
        """Play all the steps; returns what failed."""
        for step in self.scenario.steps:
            self.world.step = step.number
            self._say(f"step {step.number} {step.kind.name}")
            self._perform(step)
        if not self.leniency.questions:
            entries = [entry for span in self.scenario.ranges for entry in span.entries]
            for entry in entries:
                if entry.mandatory and entry.line not in self.world.used:
                    self._fail(self.scenario.steps[-1], entry.line, "mandatory entry was never asked for")
        return self.failures

    def _perform(self, step: Step) -> None:
        match step.kind:
            case StepKind.QUERY:
                assert step.entry is not None
                self._query(step, step.entry)
            case StepKind.CHECK_ANSWER:
                assert step.entry is not None
                self._check_answer(step, step.entry)
            case StepKind.CHECK_OUT_QUERY:
                assert step.entry is not None
                self._check_out_query(step, step.entry)
            case StepKind.TIME_PASSES:
                self._answer = None
                self.simulation.pass_time(step.elapse_s)
            case StepKind.TIMEOUT:
                self.simulation.settle()
            case StepKind.REPLY | StepKind.NOTHING:
                pass

    def _query(self, step: Step, entry: Entry) -> None:
        self._asked_from = len(self.world.exchanges)
        self._answer = None
        packet = client_packet(entry)
        query = read(packet)
        question = Question(query.qname, query.qtype)
        self._say(f"  client: {_question(question.name, question.rtype)} {_flags(query.flags)}{' do' if entry.do else ''}")
        try:
            resolution = self.simulation.resolve(question, checking_disabled=bool(query.flags & t.CD))
        except TimeoutError as error:
            self._fail(step, step.line, str(error))
            return
        self.resolutions.append(resolution)
        self._say_resolution(resolution)
        self._answer = compare.read(respond(query, resolution, self.simulation.now.mono, Transport.TCP, IDENTITY))
        self.simulation.settle()

    def _check_answer(self, step: Step, entry: Entry) -> None:
        if self._answer is None:
            self._fail(step, entry.line, "there is no answer")
            return
        ignored = self.leniency.ignore.get(step.number, frozenset())
        if step.number in self.leniency.rcode:
            entry = replace(entry, rcode=int(dns.rcode.from_text(self.leniency.rcode[step.number])))
        for what in compare.mismatches(entry, self._answer, ignored=ignored):
            self._fail(step, entry.line, what)

    def _check_out_query(self, step: Step, entry: Entry) -> None:
        asked = self.world.exchanges[self._asked_from :]
        if not self.leniency.questions and not any(not compare.mismatches(entry, compare.read(one.query)) for one in asked):
            self._fail(step, entry.line, "no such question went out")

    def _fail(self, step: Step, line: int, what: str) -> None:
        self.failures.append(Failure(step.number, line, what))
        self._say(f"  FAILED: {what}")

    # The trace

    def _say(self, text: str) -> None:
        if self.trace:
            click.echo(text)

    def _watch(self, exchange: Exchange) -> None:
        ask = exchange.ask
        how = f"{ask.server.ip}/{ask.transport.value}{'' if ask.edns else ' without EDNS'}"
        self._say(f"  {exchange.at:9.3f} {_question(ask.qname, ask.qtype)} @{how} for zone {name_to_text(ask.zone)}")
        if exchange.trouble is not None:
            self._say(f"            -> {exchange.trouble.value}: {exchange.text}")
        if exchange.answer is not None:
            source = exchange.text if exchange.entry is None else f"line {exchange.entry.line}"
            self._say(f"            -> {source}: {summary(exchange.answer)}")

    def _say_resolution(self, resolution: Resolution) -> None:
        verdict = f"{resolution.security.value} ({resolution.reason.label})"
        self._say(f"  {self.simulation.elapsed:9.3f} {rcode_to_text(resolution.rcode)} {verdict}")
        indent = " " * 12
        for code, text in resolution.errors:
            self._say(f"{indent}EDE {code} {text}")
        for link, validated in resolution.steps:
            where = f"{link.kind.value} from zone {name_to_text(link.zone)}"
            said = "not validated" if validated is None else str(validated.verdict)
            self._say(f"{indent}{_question(link.name, link.rtype)}: {where}: {said}")
        for finding in resolution.findings:
            self._say(f"{indent}finding: {finding}")


def settings_of(head: Head) -> Settings:
    """What the head says about resolution."""
    forward = [Address(ip, 53) for ip in head.forward_addresses]
    root = [Address(ip, 53) for ip in head.stub_addresses or ROOT_SERVERS]
    plain = Settings(root={ROOT: root})
    return Settings(
        root={ROOT: root},
        prime=False,
        ipv4=head.ipv4,
        ipv6=head.ipv6,
        minimise=Minimise.OFF if head.minimise is False else Minimise.RELAXED,
        randomise_case=False,
        allow_loopback=True,
        private_servers=True,
        forward={ROOT: forward} if forward else {},
        min_ttl=int(head.features.get("min_ttl", plain.min_ttl)),
        max_ttl=int(head.features.get("max_ttl", plain.max_ttl)),
        local_zones=False,
    )


def points_of(head: Head) -> TrustPoints:
    """The head's anchors, one trust point a name, and its `domain-insecure` names as NTAs."""
    points = []
    for owner in dict.fromkeys(anchor.owner for anchor in head.anchors):
        rdatas = [(a.rtype, a.rdata.to_wire()) for a in head.anchors if a.owner == owner]
        ds = [rdata for rtype, rdata in rdatas if rtype == t.DS and rdata is not None]
        keys = [rdata for rtype, rdata in rdatas if rtype == t.DNSKEY and rdata is not None]
        points.append(TrustPoint(owner.to_digestable(), ds, keys))
    return TrustPoints(points, [Nta(name.to_digestable(), "domain-insecure") for name in head.insecure])


def client_packet(entry: Entry) -> bytes:
    """The client's query. It always has OPT, so that Extended DNS Errors come back."""
    out = dns.message.Message(id=0x1234)
    out.flags = dns.flags.Flag(entry.flags)
    out.set_opcode(dns.opcode.Opcode.make(entry.opcode))
    out.use_edns(0, int(dns.flags.DO) if entry.do else 0, 4096)
    for line in entry.question:
        rclass, rtype = dns.rdataclass.RdataClass.make(line.rclass), dns.rdatatype.RdataType.make(line.rtype)
        out.question.append(dns.rrset.RRset(line.name, rclass, rtype))
    return out.to_wire()


def summary(wire: bytes) -> str:
    """A message in one line."""
    message = compare.read(wire)
    parts = [dns.rcode.to_text(message.rcode()), dns.flags.to_text(message.flags)]
    for name in ("answer", "authority", "additional"):
        section = getattr(message, name)
        sets = dict.fromkeys(f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)}" for rrset in section)
        if sets:
            parts.append(f"{name}: {', '.join(sets)}")
    return "; ".join(parts)


def _question(name: bytes, rtype: int) -> str:
    return f"{name_to_text(name)} {type_to_text(rtype)}"


def _flags(flags: int) -> str:
    return dns.flags.to_text(dns.flags.Flag(flags)).lower()


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--trace", is_flag=True, help="Show every question, answer, verdict and EDE.")
@click.option("--seed", default=1, show_default=True, help="Of the resolver's dice.")
def main(files: tuple[Path, ...], trace: bool, seed: int) -> None:
    """Play replay scenarios; exit 1 when one fails."""
    good = 0
    for path in files:
        try:
            failures = Play(load(path), seed=seed, trace=trace).run()
        except ScenarioError as error:
            click.echo(f"{path.name}: {error}")
            continue
        good += not failures
        click.echo(f"{path.name}: {'ok' if not failures else '; '.join(map(str, failures))}")
    click.echo(f"{good} of {len(files)} pass")
    sys.exit(good != len(files))


if __name__ == "__main__":
    main()
