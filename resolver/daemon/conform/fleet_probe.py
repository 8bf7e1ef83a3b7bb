"""Asks resolvers what tells whether they validate, and alike: the questions of `akashi fleet check` and of conformance.

Each address is asked like any client would ask it: over UDP with EDNS, DO, AD and NSID, once more after a time-out, over
TCP after TC. dnspython does the talking: this is not the query path. All addresses are asked at once, the questions of one
after each other, so that a resolver meets one packet at a time.

RFC 4035 §3.2.2 (CD), RFC 6840 §5.8 (AD), RFC 5001 (NSID).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from resolver.conform.fleet import Answer, Observed, Report, report

TIMEOUT_S: Final = 3.0
"""Seconds for an answer; a resolver may have to work for it, and DNS clients wait about as long."""
TRIES: Final = 2
PAYLOAD: Final = 1232
MAX_NTAS: Final = 50
"""Names of others' NTAs that a resolver is asked for at most."""

_ANCHORS: Final = ("trust-anchors.akashi.", "trustanchor.unbound.")
_NTAS: Final = "negative-trust-anchors.akashi."


async def check_fleet(
    addresses: Sequence[tuple[str, int]],
    secure: Sequence[str],
    bogus: Sequence[str],
    timeout_s: float = TIMEOUT_S,
    now: datetime | None = None,
) -> Report:
    """Ask every resolver, and say what the answers mean.

    Args:
        addresses: with ports. secure, bogus: names that must and must not validate; without `secure`, the root's SOA.
    """
    now = now or datetime.now(UTC)
    observed = list(await asyncio.gather(*(_observe(_Resolver(*a, timeout_s), secure, bogus, now) for a in addresses)))
    names = {name for one in observed for name in one.ntas or ()}
    wanted = sorted(names)[:MAX_NTAS]
    tried = await asyncio.gather(
        *(_try(_Resolver(*a, timeout_s), one, wanted) for a, one in zip(addresses, observed, strict=True))
    )
    return report([replace(one, tried=answers) for one, answers in zip(observed, tried, strict=True)])


async def _observe(resolver: "_Resolver", secure: Sequence[str], bogus: Sequence[str], now: datetime) -> Observed:
    signed: dict[str, Answer] = {}
    for name in secure or (".",):
        signed[name] = await resolver.ask(name, "SOA" if name == "." else "A")
        if signed[name].problem:
            return Observed(str(resolver), signed)  # it would only cost time to ask more
    broken = {name: (await resolver.ask(name, "A"), await resolver.ask(name, "A", unchecked=True)) for name in bogus}
    anchors = None
    for name in _ANCHORS:
        told = await resolver.ask(name, "TXT", chaos=True)
        if told.rcode == "NOERROR" and told.texts:
            anchors = _anchors(told.texts)
            break
    told = await resolver.ask(_NTAS, "TXT", chaos=True)
    ntas = _ntas(told.texts, now) if told.rcode == "NOERROR" else None
    return Observed(str(resolver), signed, broken, anchors, ntas)


async def _try(resolver: "_Resolver", one: Observed, names: Sequence[str]) -> dict[str, Answer]:
    if all(answer.problem for answer in one.answers):
        return {}
    return {name: await resolver.ask(name, "SOA") for name in names}


def _anchors(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`. 20326 38696`: a zone and the tags of its anchors. What is written otherwise is not understood, and left out."""
    anchors: dict[str, tuple[int, ...]] = {}
    for text in texts:
        zone, *tags = text.split()
        if tags and all(tag.isascii() and tag.isdigit() for tag in tags):
            anchors[zone.lower()] = tuple(
                sorted({int(tag) for tag in tags})
            )  # Unbound tells one twice that it has as DS and DNSKEY
    return anchors


def _ntas(texts: Sequence[str], now: datetime) -> dict[str, str]:
    """`example.jp. 2026-11-23T09:00:00Z`, or `… static`: those that are over are left out."""
    ntas: dict[str, str] = {}
    for text in texts:
        name, _, end = text.partition(" ")
        try:
            over = end not in ("", "static") and datetime.fromisoformat(end) <= now
        except (ValueError, TypeError):
            over = False
        if not over:
            ntas[name.lower()] = end
    return ntas


class _Resolver:
    """One address."""

    def __init__(self, address: str, port: int, timeout_s: float) -> None:
        self._address = address
        self._port = port
        self._timeout_s = timeout_s

    def __str__(self) -> str:
        if self._port == 53:
            return self._address
        return f"[{self._address}]:{self._port}" if ":" in self._address else f"{self._address}:{self._port}"

    async def ask(self, name: str, rtype: str, *, unchecked: bool = False, chaos: bool = False) -> Answer:
        """One question, with what came of it."""
        query = dns.message.make_query(
            dns.name.from_text(name),
            rtype,
            dns.rdataclass.CH if chaos else dns.rdataclass.IN,
            use_edns=0,
            want_dnssec=True,
            payload=PAYLOAD,
            options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")],
        )
        query.flags |= dns.flags.AD
        if unchecked:
            query.flags |= dns.flags.CD
        for _ in range(TRIES):
            try:
                response, _ = await dns.asyncquery.udp_with_fallback(
                    query, self._address, self._timeout_s, self._port, ignore_unexpected=True
                )
            except dns.exception.Timeout:
                continue
            except (OSError, EOFError) as error:
                return Answer(problem=getattr(error, "strerror", None) or "connection closed")
            except (dns.exception.DNSException, dns.query.BadResponse) as error:
                return Answer(problem=f"an answer that makes no sense ({error})")
            return _answer(response)
        return Answer(problem=f"no answer within {self._timeout_s:g} s, {TRIES} times")


def _answer(response: dns.message.Message) -> Answer:
    codes, nsid = [], ""
    for option in response.options:
        if isinstance(option, dns.edns.EDEOption):
            codes.append(int(option.code))
        elif option.otype == dns.edns.OptionType.NSID:
            octets = option.to_wire() or b""
            nsid = octets.decode() if octets.isascii() and octets.decode().isprintable() else octets.hex()
    texts = [
        b" ".join(record.strings).decode("utf-8", "replace")
        for rrset in response.answer
        if rrset.rdtype == dns.rdatatype.TXT
        for record in rrset
    ]
    return Answer(
        rcode=dns.rcode.to_text(response.rcode()),
        authentic=bool(response.flags & dns.flags.AD),
        ede=tuple(codes),
        udp_size=response.payload if response.edns >= 0 else None,
        nsid=nsid,
        texts=tuple(texts),
    )
