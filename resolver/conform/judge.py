"""Facts → a finding for each item, and the level that is reached (guideline 2.7).

A finding carries the key of its sentence and what goes into it (`words`), so that both languages say the same. What cannot
be found out counts as missed where a level needs it: a level is reached when it was shown, not when nothing speaks against.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from resolver.conform.facts import Facts
from resolver.conform.fleet import Validates, anchors_text
from resolver.conform.items import BY_NUMBER, ITEMS, Item

DEFAULT_BUFFER: Final = 1232


class Met(Enum):
    """Whether an item holds."""

    YES = "met"
    NO = "missed"
    ATTESTED = "attested"
    """The operator says so; no daemon can see it."""
    NOTED = "noted"
    """A deviation from a SHOULD that no level needs, or a MAY that is not used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One item. `words`: keys of sentences, each with what goes into it."""

    item: Item
    met: Met
    words: tuple[tuple[str, dict[str, object]], ...]

    @property
    def holds(self) -> bool:
        """Whether its level may be reached."""
        return self.met is not Met.NO


@dataclass(slots=True)
class _Says:
    """A finding in the making."""

    met: Met = Met.YES
    words: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def say(self, key: str, **values: object) -> "_Says":
        self.words.append((key, values))
        return self

    def miss(self, key: str, **values: object) -> "_Says":
        self.met = Met.NO
        return self.say(key, **values)

    def note(self, key: str, **values: object) -> "_Says":
        self.met = Met.NOTED
        return self.say(key, **values)


def judge(facts: Facts) -> list[Finding]:
    """A finding for each item, in the guideline's order."""
    found = {number: _finding(number, one(facts)) for number, one in _JUDGES.items()}
    reached = level(list(found.values()))
    # 2-14 is about the levels themselves, and in none of them.
    found["2-14"] = _finding("2-14", _Says().say("level", level=reached) if reached else _Says().note("level-none"))
    return [found[item.number] for item in ITEMS]


def _finding(number: str, says: _Says) -> Finding:
    return Finding(BY_NUMBER[number], says.met, tuple(says.words))


def level(findings: Sequence[Finding]) -> int:
    """The level reached: 0 when a MUST does not hold."""
    reached = 0
    for wanted in (1, 2, 3):
        if not all(finding.holds for finding in findings if finding.item.level == wanted):
            break
        reached = wanted
    return reached


# --- 2.2: before anything else -----------------------------------------------------------------------------------


def _all_validate(facts: Facts) -> _Says:
    says = _Says()
    if not facts.settings.resolvers:
        return says.miss("no-resolvers")
    for one in facts.fleet.standings:
        if one.validates is Validates.YES:
            says.say("validates", address=one.address, why=one.why)
        else:
            says.miss(f"validates-{one.validates.name.lower()}", address=one.address, why=one.why)
    if not any(probe.kind == "bogus" for probe in facts.probes):
        says.say("no-bogus-name")
    return says


def _none_left(facts: Facts) -> _Says:
    """The same evidence; and they agree in what they trust."""
    says = _Says()
    if not facts.settings.resolvers:
        return says.miss("no-resolvers")
    left = [one.address for one in facts.fleet.standings if one.validates is Validates.NO]
    if left:
        says.miss("left-behind", addresses=", ".join(left))
    for one in facts.fleet.standings:
        if one.validates in (Validates.DEAD, Validates.UNCLEAR):
            says.miss("not-shown", address=one.address, why=one.why)
    if not says.words:
        says.say("none-left", count=len(facts.fleet.standings))
    known = [one for one in facts.fleet.standings if one.anchors is not None]
    if known and len({str(sorted((one.anchors or {}).items())) for one in known}) > 1:
        said = "; ".join(f"{one.address}: {anchors_text(one.anchors or {})}" for one in known)
        says.say("anchors-differ", said=said)
    return says


def _clock(facts: Facts) -> _Says:
    clock, says = facts.clock, _Says()
    if clock.wrong:
        return says.miss("clock-wrong", offset=_offset(clock.offset), allowed=f"{clock.max_offset:g}")
    if clock.offset is not None:
        said = {"offset": _offset(clock.offset), "reached": clock.reached, "servers": clock.servers}
        return says.say("clock-right", age=int(clock.age or 0), **said)
    if clock.reached:
        return says.miss("clock-disagree", reached=clock.reached, servers=clock.servers)
    if clock.servers:
        # What the kernel says is no help here: the operator asked for a second opinion, and there is none.
        says.miss("clock-no-server", servers=clock.servers)
        return says.say("clock-kernel") if clock.kernel else says
    if clock.kernel:
        return says.say("clock-kernel")
    return says.miss("clock-unknown")


def _offset(offset: float | None) -> str:
    return f"{offset or 0.0:+.3f}"


def _buffer(facts: Facts) -> _Says:
    says = _Says()
    for one in facts.fleet.standings:
        if one.validates is Validates.DEAD:
            continue
        if one.buffer is None:
            says.miss("edns-lost", address=one.address)
        elif not one.buffer_fits:
            says.miss("edns-large", address=one.address, buffer=one.buffer)
        else:
            says.say("edns-fits", address=one.address, buffer=one.buffer)
    return says.say("edns-ours", upstream=facts.settings.edns_buffer, client=facts.settings.max_udp_size)


def _default_buffer(facts: Facts) -> _Says:
    ours = {facts.settings.edns_buffer, facts.settings.max_udp_size}
    if ours == {DEFAULT_BUFFER}:
        return _Says().say("edns-default", default=DEFAULT_BUFFER)
    return _Says().note("edns-not-default", ours=", ".join(map(str, sorted(ours))), default=DEFAULT_BUFFER)


def _errors(facts: Facts) -> _Says:
    told = [one.address for one in facts.fleet.standings if one.tells_errors]
    if told:
        return _Says().say("ede-seen", addresses=", ".join(told))
    return _Says().say("ede-on")


# --- 2.4: at the start -------------------------------------------------------------------------------------------


def _newest_anchor(facts: Facts) -> _Says:
    root, says = facts.root, _Says()
    ours = _tags(root.trusted)
    if not root.trusted:
        return says.miss("anchor-none")
    if root.live is None:
        return says.miss("anchor-not-compared", ours=ours, problem=root.problem)
    live = _tags(root.live)
    if not root.validates:
        return says.miss("anchor-stale", ours=ours, live=live, problem=root.problem)
    if root.unknown:
        return says.miss("anchor-missing", ours=ours, live=live, missing=_tags(root.unknown))
    says.say("anchor-newest", ours=ours, live=live)
    if root.pending:
        says.say("anchor-pending", pending=_tags(root.pending))
    if root.following:
        says.say("anchor-followed", last=root.last_success or "-")
    return says


def _tags(tags: tuple[int, ...]) -> str:
    return " ".join(map(str, tags)) or "-"


def _packaged(facts: Facts) -> _Says:
    if facts.root.builtin:
        return _Says().say("anchor-packaged", version=facts.settings.version)
    if facts.root.following:
        return _Says().note("anchor-file-followed")
    return _Says().note("anchor-file")


def _logged(facts: Facts) -> _Says:
    if not facts.settings.log_failures:
        return _Says().miss("log-off")
    if facts.settings.log_level == "error":
        return _Says().miss("log-level", level=facts.settings.log_level)
    return _Says().say("log-on")


def _by_rcode(facts: Facts) -> _Says:
    return _counted(facts, "by-rcode", facts.responses)


def _by_verdict(facts: Facts) -> _Says:
    return _counted(facts, "by-verdict", facts.validations)


def _counted(facts: Facts, key: str, counts: dict[str, int]) -> _Says:
    if not facts.settings.metrics:
        return _Says().miss("metrics-off")
    said = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]) if count)
    says = _Says().say(key, counts=said or "0", where=facts.settings.metrics)
    if facts.scraped is None:
        return says.say("never-scraped")
    return says.say("scraped", ago=int(facts.scraped))


# --- 2.5: every day ----------------------------------------------------------------------------------------------


def _monitored(facts: Facts) -> _Says:
    says = _Says()
    if not facts.clock.servers and facts.clock.kernel is None:
        says.miss("clock-not-monitored")
    elif not facts.clock.known_good:
        says.say("clock-monitored-bad")
    else:
        says.say("clock-monitored")
    secure = [probe for probe in facts.probes if probe.kind == "secure"]
    if not secure:
        return says.miss("no-probe")
    for probe in facts.probes:
        if probe.ok is None:
            says.miss("probe-waiting", name=probe.name)
        elif not probe.ok:
            says.miss("probe-fails", name=probe.name, problem=f"{probe.problem} ({probe.via})")
    well = dict.fromkeys(probe.name for probe in facts.probes if probe.ok)
    return says.say("probes-well", names=", ".join(well)) if well else says


def _ratio(facts: Facts) -> _Says:
    learning = facts.learning
    if learning is None or not facts.settings.metrics:
        return _Says().miss("baseline-off")
    says = _Says().say("ratio", ratio="-" if learning.ratio is None else f"{learning.ratio:.2%}")
    return says.say("ratio-anomaly") if learning.anomaly else says


def _threshold(facts: Facts) -> _Says:
    learning = facts.learning
    if learning is None:
        return _Says().miss("baseline-off")
    if learning.threshold is None:
        return _Says().say("baseline-learning", minutes=learning.learnt, wanted=learning.wanted)
    says = _Says().say("baseline-threshold", minutes=learning.learnt, threshold=f"{learning.threshold:.2%}")
    if learning.suggested is not None:
        says.say("baseline-suggests", suggested=f"{learning.suggested:.2%}")
    return says


# --- 2.6, 2.7: when something fails ------------------------------------------------------------------------------


def _attested(facts: Facts, number: str) -> _Says:
    """An item that only people can answer for."""
    said = facts.settings.attested.get(number)
    if said is None:
        return _Says().miss("attest", number=number)
    if said.expired:
        return _Says().miss("attest-old", number=number, date=said.date, text=said.text)
    return _Says(Met.ATTESTED).say("attested", date=said.date, text=said.text)


def _impact(facts: Facts) -> _Says:
    return _attested(facts, "2-16").say("impact", zones=facts.failing_zones)


def _nsid(facts: Facts) -> _Says:
    says = _Says()
    for one in facts.fleet.standings:
        if one.nsid:
            says.say("nsid", address=one.address, nsid=one.nsid)
        elif one.validates is not Validates.DEAD:
            says.miss("nsid-none", address=one.address)
    if not facts.fleet.standings:
        says.miss("no-resolvers")
    if facts.explained is not None and facts.explained.nsids:
        says.say("nsid-authorities", count=facts.explained.nsids)
    return says


def _examined(facts: Facts) -> _Says:
    chain = facts.explained
    if chain is None:
        return _Says().miss("explain-no-name")
    if chain.problem:
        return _Says().miss("explain-fails", name=chain.name, problem=chain.problem)
    return _Says().say("explain-works", name=chain.name, links=chain.links)


def _contact(facts: Facts) -> _Says:
    return _Says().say("contact")


def _community(facts: Facts) -> _Says:
    return _attested(facts, "2-20")


def _possible(facts: Facts) -> _Says:
    return _Says().say("nta-possible", count=facts.ntas)


def _agreed(facts: Facts) -> _Says:
    says = _attested(facts, "2-22")
    says.say("nta-limits", lifetime=facts.settings.max_lifetime)
    return says.say("nta-approval" if facts.settings.require_approval else "nta-no-approval")


_JUDGES: Final[dict[str, Callable[[Facts], _Says]]] = {
    "2-1": _all_validate,
    "2-2": _none_left,
    "2-3": _clock,
    "2-4": _buffer,
    "2-5": _default_buffer,
    "2-6": _errors,
    "2-7": _newest_anchor,
    "2-8": _packaged,
    "2-9": _logged,
    "2-10": _by_rcode,
    "2-11": _by_verdict,
    "2-12": _monitored,
    "2-13": _ratio,
    "2-15": _threshold,
    "2-16": _impact,
    "2-17": _nsid,
    "2-18": _examined,
    "2-19": _contact,
    "2-20": _community,
    "2-21": _possible,
    "2-22": _agreed,
}
