"""Do several resolvers validate alike? What their answers say (guideline 2-1, 2-2). Pure: the daemon's `fleet_probe` asks.

A resolver *validates* when signed names come with AD and broken names do not come at all, but do with CD. AD alone does not
settle it: something in between may validate for a resolver that does not.

Trust anchors are known from `trust-anchors.akashi` or `trustanchor.unbound` (class CH, TXT), NTAs from
`negative-trust-anchors.akashi`, and of a resolver that does not tell, from what it does with the names that others have an
NTA for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

MTU_PAYLOAD: Final = 1452
"""Octets of UDP payload that fit an Ethernet frame over IPv6 (1500 - 40 - 8): more is above common MTUs (2-4)."""

NOERROR, SERVFAIL, NXDOMAIN = "NOERROR", "SERVFAIL", "NXDOMAIN"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; nothing but `problem` when nothing did.

    Attributes:
        rcode: mnemonic. ede: codes. udp_size: that its OPT tells, None without OPT. texts: strings of TXT records.
    """

    rcode: str = ""
    authentic: bool = False
    ede: tuple[int, ...] = ()
    udp_size: int | None = None
    nsid: str = ""
    texts: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that one resolver was asked.

    Attributes:
        secure: signed names → answer. bogus: broken names → answer, and answer with CD.
        anchors: zone → key tags, None when it does not tell. ntas: names → when each ends, None when it does not tell.
        tried: names of others' NTAs → answer.
    """

    address: str
    secure: dict[str, Answer] = field(default_factory=dict)
    bogus: dict[str, tuple[Answer, Answer]] = field(default_factory=dict)
    anchors: dict[str, tuple[int, ...]] | None = None
    ntas: dict[str, str] | None = None
    tried: dict[str, Answer] = field(default_factory=dict)

    @property
    def answers(self) -> Iterable[Answer]:
        """The answers about names."""
        yield from self.secure.values()
        for answer, unchecked in self.bogus.values():
            yield answer
            yield unchecked


class Validates(Enum):
    """The verdict about one resolver."""

    YES = "validates"
    NO = "does not validate"
    DEAD = "does not answer"
    UNCLEAR = "unclear"
    """It answers, but not as a resolver in order would: signed names fail."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One resolver.

    Attributes:
        why: what was seen, in a sentence. buffer: octets of UDP that it tells, None when its answers carry no OPT.
        ntas: names of NTAs in force there, as far as known.
    """

    address: str
    validates: Validates
    why: str
    buffer: int | None
    nsid: str
    anchors: dict[str, tuple[int, ...]] | None
    ntas: tuple[str, ...] | None
    tells_errors: bool

    @property
    def buffer_fits(self) -> bool:
        """Whether its EDNS buffer is there and within common MTUs."""
        return self.buffer is not None and self.buffer <= MTU_PAYLOAD

    def as_json(self) -> dict[str, object]:
        """For people's programs."""
        return {
            "address": self.address,
            "validates": self.validates.name.lower(),
            "why": self.why,
            "edns_buffer": self.buffer,
            "nsid": self.nsid or None,
            "anchors": None if self.anchors is None else {zone: list(tags) for zone, tags in self.anchors.items()},
            "ntas": None if self.ntas is None else list(self.ntas),
            "extended_errors": self.tells_errors,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The fleet. `findings`: what is not as it should be, one sentence each."""

    standings: tuple[Standing, ...]
    findings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """For people's programs."""
        return {
            "agree": not self.findings,
            "resolvers": [standing.as_json() for standing in self.standings],
            "findings": list(self.findings),
        }


def report(observed: Sequence[Observed]) -> Report:
    """What the answers say."""
    standings = tuple(stand(one) for one in observed)
    return Report(standings, tuple(_findings(standings, {nta for one in observed for nta in one.tried})))


def stand(one: Observed) -> Standing:
    """What one resolver's answers say of it."""
    verdict, why = _verdict(one)
    sizes = [answer.udp_size for answer in one.answers if not answer.problem]
    # One answer without OPT is enough: EDNS is lost somewhere, be it only sometimes.
    buffer = None if not sizes or None in sizes else max(size for size in sizes if size is not None)
    ntas = one.ntas if one.ntas is not None else _behaves(one)
    return Standing(
        one.address,
        verdict,
        why,
        buffer,
        next((answer.nsid for answer in one.answers if answer.nsid), ""),
        one.anchors,
        None if ntas is None else tuple(sorted(ntas)),
        any(answer.ede for answer, _ in one.bogus.values()),
    )


def _verdict(one: Observed) -> tuple[Validates, str]:
    answers = list(one.answers)
    if answers and all(answer.problem for answer in answers):
        return Validates.DEAD, answers[0].problem
    for name, (answer, _) in one.bogus.items():
        if answer.rcode in (NOERROR, NXDOMAIN):
            return Validates.NO, f"{name}, which is broken, came as {_said(answer)}"
    for name, answer in one.secure.items():
        if answer.problem:
            return Validates.UNCLEAR, f"{name}: {answer.problem}"
        if answer.rcode not in (NOERROR, NXDOMAIN):
            return Validates.UNCLEAR, f"{name}, which is signed, came as {_said(answer)}"
        if not answer.authentic:
            return Validates.NO, f"{name}, which is signed, came as {_said(answer)}"
    for name, (answer, unchecked) in one.bogus.items():
        if answer.problem:
            return Validates.UNCLEAR, f"{name}: {answer.problem}"
        if answer.rcode != SERVFAIL:
            return Validates.UNCLEAR, f"{name}, which is broken, came as {_said(answer)}"
        if unchecked.rcode not in (NOERROR, NXDOMAIN):
            return (
                Validates.UNCLEAR,
                f"{name} fails with CD as well ({_said(unchecked)}): it is not validation that refuses it",
            )
    seen = [f"{name} {_said(answer)}" for name, answer in one.secure.items()]
    seen += [f"{name} {_said(answer)}" for name, (answer, _) in one.bogus.items()]
    return Validates.YES, ", ".join(seen)


def _said(answer: Answer) -> str:
    """`NOERROR with AD`, `SERVFAIL`, `no answer within 3 s`."""
    if answer.problem:
        return answer.problem
    return f"{answer.rcode} with AD" if answer.authentic else f"{answer.rcode} without AD"


def _behaves(one: Observed) -> dict[str, str] | None:
    """Names of others' NTAs that this one answers although they are broken; None when it was asked for none."""
    if not one.tried:
        return None
    return {name: "" for name, answer in one.tried.items() if answer.rcode in (NOERROR, NXDOMAIN) and not answer.authentic}


def _findings(standings: Sequence[Standing], ntas: set[str]) -> Iterable[str]:
    for one in standings:
        if one.validates is not Validates.YES:
            yield f"{one.address} {one.validates.value}: {one.why}"
        if one.validates is Validates.DEAD:
            continue
        if one.buffer is None:
            yield f"{one.address}: answers without EDNS; it is lost on the way, or not spoken"
        elif not one.buffer_fits:
            yield f"{one.address}: an EDNS buffer of {one.buffer} octets is above common MTUs (guideline 2-4)"
    yield from _differences(standings)
    for name in sorted(ntas):
        # Whoever validates tells something about an NTA; the others answer broken names anyway.
        asked = [one for one in standings if one.validates is Validates.YES and one.ntas is not None]
        without = [one.address for one in asked if one.ntas is not None and name not in one.ntas]
        having = [one.address for one in asked if one.ntas is not None and name in one.ntas]
        if without and having:
            yield f"the NTA for {name} is in force at {', '.join(having)} but not at {', '.join(without)}"


def _differences(standings: Sequence[Standing]) -> Iterable[str]:
    """Trust anchors that are not the same everywhere."""
    known = [one for one in standings if one.anchors is not None]
    groups: dict[tuple[tuple[str, tuple[int, ...]], ...], list[str]] = {}
    for one in known:
        groups.setdefault(tuple(sorted((one.anchors or {}).items())), []).append(one.address)
    if len(groups) > 1:
        said = "; ".join(
            f"{', '.join(addresses)}: {anchors_text(dict(anchors)) or 'none'}" for anchors, addresses in groups.items()
        )
        yield f"trust anchors differ: {said}"


def anchors_text(anchors: dict[str, tuple[int, ...]]) -> str:
    """`. 20326 38696; example.jp. 4711`."""
    return "; ".join(f"{zone} {' '.join(map(str, tags))}" for zone, tags in sorted(anchors.items()))
