"""One question explained without a daemon: the production core and driver, an empty memory, no listening socket.

What `akashi explain` runs. `explain_once` starts an event loop of its own; `explain` is for whoever has one and a prober
(the control API). Both give the document of `resolver.explain.report`.

The look with CD set has a memory of its own, so that it says what a client with CD would have met. A running resolver whose
control socket answers tells what it remembers (`resolver.daemon.routes`); here, without one, it is asked over DNS, at the
first address on which the configuration says that it serves.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import resolver
from resolver.config import Config
from resolver.daemon.asking import make_driver, resolve
from resolver.daemon.errors import StartError
from resolver.daemon.policy.build import label_of, make_policy
from resolver.daemon.policy.file import PolicyFileError, read_table
from resolver.daemon.survey import TIMEOUT_S, exchange, survey
from resolver.daemon.worker import Plan, make_plan
from resolver.explain.diagnosis import Fault, Link, find_fault
from resolver.explain.evidence import Contact, Daemon, Evidence, Look, Survey
from resolver.explain.report import Document, document
from resolver.mesh import Mesh
from resolver.policy.rules import ResponsePolicy
from resolver.policy.table import ZoneTable
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from trust.vocabulary import Address, Ask, Cut, Kind, Question, Security, Step
from wire import types as t
from wire.edns import EDE, NSID, read_ede
from wire.name import ROOT, Name, parent
from wire.rdata import name_end
from wire.text import name_from_text

_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, never bound)


def explain_once(
    config: Config, question: Question, *, server: str | None = None, fresh: bool = False, language: str = "en"
) -> Document:
    """Resolve `question` with an empty memory and explain the answer (see `resolver.explain.report`).

    Args:
        server: the only authority asked for the final question, as an IP address; its port is `upstream.port`.
        fresh: leave the running resolver alone.

    Raises:
        StartError: a file that the configuration names makes no sense.
    """
    return asyncio.run(_once(config, question, server, fresh, language))


async def _once(config: Config, question: Question, server: str | None, fresh: bool, language: str) -> Document:
    plan = make_plan(config, serving=False)
    async with prober(plan) as checked, prober(plan) as unchecked:
        said = Daemon() if fresh else await _ask_daemon(unchecked, question, _listening(config))
        only = Address(server, config.upstream.port) if server is not None else None
        policy = _policy_of(config)
        return await explain(checked, unchecked, question, only=only, daemon=said, policy=policy, language=language)


def _policy_of(config: Config) -> ResponsePolicy | None:
    """Local zones, DNS64, and policy zones that are files; those that are transferred only a running daemon has.

    Raises:
        StartError: a file is no policy zone.
    """
    tables: dict[str, ZoneTable] = {}
    for source in config.policy.zones:
        if source.file is None:
            continue
        try:
            for table in read_table(source.file, name_from_text(source.zone)):
                if table is not None:
                    tables[label_of(source)] = table
        except PolicyFileError as error:
            raise StartError(str(error)) from None
    return make_policy(config, 0, tables)


@asynccontextmanager
async def prober(plan: Plan) -> AsyncIterator[Driver]:
    """A mesh and its sockets to servers, with an empty memory; a bug in them surfaces at the end of the block."""
    crashes: list[Exception] = []
    settings = plan.settings.apart(plan.settings.cache_size)
    driver = make_driver(plan, settings, plan.points, Counters(), lambda where, error: crashes.append(error))
    try:
        yield driver
    except RuntimeError as error:
        raise (crashes[0] if crashes else error) from None
    finally:
        driver.close()


async def explain(
    checked: Driver,
    unchecked: Driver,
    question: Question,
    *,
    only: Address | None = None,
    daemon: Daemon | None = None,
    policy: ResponsePolicy | None = None,
    language: str = "en",
) -> Document:
    """Look, gather what stands beside, and report.

    Args:
        checked, unchecked: drivers with the memories to look with; two, so that the CD query is not answered from what the
            checked one has found.
        only: the only authority to ask for the final question. daemon: what the running resolver said.
        policy: what clients are answered under.
    """
    resolution, cd = await asyncio.gather(resolve(checked, question), resolve(unchecked, question, checking_disabled=True))
    surveys: list[Survey] = []
    for cut, about in _worth_asking((checked.mesh, unchecked.mesh), resolution):
        surveys.append(await survey(checked, cut, about, only if not surveys else None))
        if only is not None:
            break
    delegation = None
    fault = find_fault(resolution)
    if fault is not None and fault.link is Link.SERVERS and surveys and surveys[0].zone != ROOT:
        delegation = await resolve(checked, Question(surveys[0].zone, t.DS))
    if only is not None and surveys:
        resolution = _as_told_by(surveys[0], resolution)
    governed = await resolve(checked, question, scope=policy.ordinary) if policy is not None else None
    evidence = Evidence(
        resolution,
        clock.now().wall,
        checked.mesh.memory.policy,
        cd,
        tuple(surveys),
        daemon or Daemon(),
        tuple(await _contacts(unchecked, resolution)),
        f"akashi {resolver.__version__}",
        delegation,
        only,
        governed,
    )
    return document(evidence, language)


# --- authorities ---------------------------------------------------------------------------------------------------


class _Cuts:
    """The cuts that the looks know between them: one that judged forgets a delegation together with its bad DS."""

    def __init__(self, meshes: Iterable[Mesh]) -> None:
        self._known = [mesh.memory.delegations for mesh in meshes]
        self._mono = clock.monotonic()

    def get(self, zone: Name) -> Cut | None:
        """The live cut at exactly this zone."""
        return next((cut for known in self._known if (cut := known.get(zone, self._mono)) is not None), None)

    def closest(self, name: Name) -> Cut:
        """The deepest live cut at or above the name."""
        return max((known.closest(name, self._mono) for known in self._known), key=lambda cut: len(cut.zone))


def _worth_asking(meshes: Iterable[Mesh], resolution: Resolution) -> list[tuple[Cut, Question]]:
    """Whose servers are to be asked one by one, and what: those of the final (or failing) question, and those of the zone
    at fault when it is another one.
    """
    delegations = _Cuts(meshes)
    step = _deciding(resolution)
    if resolution.security is Security.INDETERMINATE and step is not None and step.target is not None:
        # The alias was had; where it leads is what failed.
        question = Question(step.target, resolution.question.rtype)
        return [(delegations.closest(question.name), question)]
    if step is not None and step.server is None and step.kind is not Kind.NODATA:
        return []  # served here (RFC 6761, RFC 6303)
    question = Question(step.name, step.rtype) if step is not None else resolution.question
    cut = delegations.get(step.zone) if step is not None else None
    out = [(cut or delegations.closest(question.name), question)]
    fault = find_fault(resolution)
    if fault is None:
        return out
    above = fault.parent if fault.link is Link.DS else fault.zone
    about = Question(fault.zone, t.DS if fault.link is Link.DS else t.DNSKEY)
    of_fault = delegations.get(above if above is not None else ROOT)
    if of_fault is not None and of_fault.zone != out[0][0].zone and fault.link is not Link.SERVERS:
        out.append((of_fault, about))
    return out


def _deciding(resolution: Resolution) -> Step | None:
    """The first bogus step, else the last one."""
    for step, validated in resolution.steps:
        if validated is not None and validated.verdict.security is Security.BOGUS:
            return step
    return resolution.steps[-1][0] if resolution.steps else None


def _as_told_by(said: Survey, resolution: Resolution) -> Resolution:
    """The resolution as it would have been had only the one server surveyed answered the final question."""
    server = said.servers[0]
    kept = [each for each in resolution.steps if each[0].name != said.question.name]
    steps = [*kept, *server.steps]
    verdict = server.steps[-1][1].verdict if server.steps else None
    bogus = verdict is not None and verdict.security is Security.BOGUS
    text = server.what or (verdict.text if verdict is not None else "")
    code = verdict.reason.ede if verdict is not None else 22
    expires = resolution.expires_mono
    return Resolution(
        resolution.question,
        t.SERVFAIL if bogus or verdict is None else server.rcode or t.NOERROR,
        [(rrset, expires) for step, _ in steps for rrset in step.rrsets],
        [],
        verdict.security if verdict is not None else Security.INDETERMINATE,
        [(code, text)] if code is not None else [],
        expires,
        reason=verdict.reason if verdict is not None else resolution.reason,
        steps=[(step, validated) for step, validated in steps],
        findings=resolution.findings,
    )


# --- contacts ------------------------------------------------------------------------------------------------------


async def _contacts(driver: Driver, resolution: Resolution) -> list[Contact]:
    """The SOA RNAMEs of the zone at fault (else of the answer's zone) and of its parent when that can mend it."""
    fault = find_fault(resolution)
    zones: list[Name] = []
    if fault is not None:
        zones = _zones_of(fault)
    elif resolution.steps:
        step, validated = resolution.steps[-1]
        zones = [validated.zone.zone if validated is not None and validated.zone is not None else step.zone]
    out = []
    for zone in zones:
        found = await resolve(driver, Question(zone, t.SOA), checking_disabled=True)
        sets = [rrset for rrset, _ in (*found.answer, *found.authority) if rrset.rtype == t.SOA and rrset.rdatas]
        if sets:
            rdata = sets[0].rdatas[0]
            start = name_end(rdata, 0)
            out.append(Contact(sets[0].name, rdata[start : name_end(rdata, start)]))
    return out


def _zones_of(fault: Fault) -> list[Name]:
    above = fault.parent if fault.parent is not None or fault.zone == ROOT else parent(fault.zone)
    wanted = {"authority": fault.zone, "parent": above}
    return [zone for party in fault.parties if (zone := wanted.get(party.value)) is not None]


# --- the running resolver ------------------------------------------------------------------------------------------


def _listening(config: Config) -> Address | None:
    """Where the running resolver may be asked: its first address, on this host when it serves on all."""
    for endpoint in config.server.listen:
        address = Address(*endpoint)
        if address.port:
            return Address(_ANYWHERE.get(address.ip, address.ip), address.port)
    return None


async def _ask_daemon(driver: Driver, question: Question, address: Address | None) -> Daemon:
    if address is None:
        return Daemon()
    checked, unchecked = await asyncio.gather(
        _look(driver, question, address, checking_disabled=False),
        _look(driver, question, address, checking_disabled=True),
    )
    return Daemon(address, checked, unchecked)


async def _look(driver: Driver, question: Question, address: Address, *, checking_disabled: bool) -> Look:
    """One query as a client's."""
    ask = Ask(
        address,
        *question,
        ROOT,
        recursion_desired=True,
        checking_disabled=checking_disabled,
        nsid=True,
        timeout_s=TIMEOUT_S,
    )
    reply = await exchange(driver, ask)
    message = reply.message
    if message is None:
        assert reply.trouble is not None  # Reply: one of them is set
        return Look(f"{reply.trouble.value}: {reply.text}" if reply.text else reply.trouble.value)
    options = message.edns.options if message.edns is not None else []
    errors = [read_ede(data) for code, data in options if code == EDE]
    return Look(
        "",
        message.rcode,
        bool(message.flags & t.AD),
        tuple(error for error in errors if error is not None),
        tuple(rrset for rrset in message.answer if rrset.rdatas),
        message.edns.option(NSID) if message.edns is not None else None,
        reply.rtt_s,
    )
