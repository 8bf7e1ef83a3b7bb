"""Steps and verdicts for tests of the caches: small, made by hand."""

from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Address, Cut, Kind, Security, Step, Verdict
from wire import types as t
from wire.name import ROOT, replace_suffix
from wire.text import name_from_text, rrsets_from_text, type_from_text

SERVER = Address("192.0.2.53", 53)
SOA = "example. 900 IN SOA ns.example. host.example. 1 2 3 4 300"


def data(records: str) -> Step:
    """An answer from zone-file text."""
    (rrset,) = rrsets_from_text(records)
    return Step(rrset.name, rrset.rtype, Kind.ANSWER, [rrset], [], ROOT, SERVER)


def cname(name: str, target: str, rtype: str = "A", ttl: int = 300) -> Step:
    """An alias that was met when `rtype` was asked for."""
    rrsets = rrsets_from_text(f"{name}. {ttl} IN CNAME {target}.")
    owner, to = name_from_text(name), name_from_text(target)
    return Step(owner, type_from_text(rtype), Kind.CNAME, rrsets, [], ROOT, SERVER, to)


def dname(owner: str, target: str, met_at: str) -> Step:
    """A redirection that was met when `met_at` was asked for."""
    (rrset,) = rrsets_from_text(f"{owner}. 300 IN DNAME {target}.")
    name = name_from_text(met_at)
    to = replace_suffix(name, rrset.name, rrset.rdatas[0])
    return Step(name, t.A, Kind.DNAME, [rrset], [], ROOT, SERVER, to)


def denial(kind: Kind, name: str, rtype: str = "A", soa: str = SOA) -> Step:
    """A name error or an answer without data, with this SOA or ("") with none."""
    return Step(name_from_text(name), type_from_text(rtype), kind, [], rrsets_from_text(soa), ROOT, SERVER)


def validated(security: Security, *, cap_s: int | None = None) -> Validated:
    """What the validator might have said."""
    reason = Reason.VALID if security is Security.SECURE else Reason.BOGUS
    out = Validated(Verdict(security, reason, ROOT))
    out.ttl_cap_s = cap_s
    return out


def cut(zone: str, expires: float, *, forward: bool = False) -> Cut:
    """A cut with one server."""
    return Cut(name_from_text(zone), None, {name_from_text(f"ns.{zone.rstrip('.')}"): [SERVER]}, expires, forward=forward)
