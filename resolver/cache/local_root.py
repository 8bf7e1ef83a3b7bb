"""A copy of the root zone, which answers as a root server would: iteration asks it first, without a packet.

What it says is validated like anything that came from a server. Where it is of no use, because it has expired or what it
said is bogus by now, the root servers are asked. Who has the copy, verifies it and keeps it current is
`resolver.daemon.local_root.keeper`.

RFC 8806 §2, §3; RFC 1034 §4.3.2; RFC 4035 §3.1.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from trust.vocabulary import Address
from wire import types as t
from wire.edns import Edns
from wire.limits import MAX_UDP
from wire.message import Message
from wire.name import ROOT, Name, canonical_key, count_labels, suffix
from wire.rrset import RRset

HERE: Final = Address("local-root", 0)
"""Who answered, in steps and findings."""


class LocalRoot:
    """The zone. `serial`: of its SOA; `expires_wall`: when it must no longer be used; `answers`: how often it answered."""

    __slots__ = ("_cuts", "_data", "_names", "_nsecs", "_owners", "answers", "expires_wall", "serial")

    def __init__(self, rrsets: Iterable[RRset], expires_wall: float) -> None:
        self._data: dict[tuple[Name, int], RRset] = {(rrset.name, rrset.rtype): rrset for rrset in rrsets}
        self._cuts = {name for name, rtype in self._data if rtype == t.NS and name != ROOT}
        self._owners = {name for name, _ in self._data}
        chain = sorted((canonical_key(name), name) for name, rtype in self._data if rtype == t.NSEC)
        self._nsecs = [key for key, _ in chain]
        self._names = [name for _, name in chain]
        self.serial = int.from_bytes(self._data[ROOT, t.SOA].rdatas[0][-20:-16], "big")
        self.expires_wall = expires_wall
        self.answers = 0

    def __len__(self) -> int:
        """Delegations."""
        return len(self._cuts)

    def respond(self, qname: Name, qtype: int) -> Message:
        """The answer of a root server to a question with DO."""
        self.answers += 1
        out = Message(0, t.QR | t.AA)
        out.edns = Edns(MAX_UDP)
        cut = None if qname == ROOT else suffix(qname, 1)
        if cut in self._cuts and not (qtype == t.DS and qname == cut):
            assert cut is not None
            self._refer(out, cut)
            return out
        found = self._data.get((qname, qtype))
        if found is not None and found.rdatas:
            out.answer.append(found)
            if qname == ROOT and qtype == t.NS:
                out.additional += self._addresses(found)
            return out
        out.authority.append(self._data[ROOT, t.SOA])
        at = self._nsec(qname)
        if qname in self._owners:
            out.authority += at
            return out
        out.flags |= t.NXDOMAIN
        for rrset in (*at, *self._nsec(b"\1*" + ROOT)):
            if rrset not in out.authority:
                out.authority.append(rrset)
        return out

    def _refer(self, out: Message, cut: Name) -> None:
        out.flags = t.QR
        ns = self._data[cut, t.NS]
        ds = self._data.get((cut, t.DS))
        out.authority = [ns, *([ds] if ds is not None else self._nsec(cut))]
        out.additional = self._addresses(ns)

    def _addresses(self, ns: RRset) -> list[RRset]:
        return [found for name in ns.rdatas for rtype in (t.A, t.AAAA) if (found := self._data.get((name, rtype)))]

    def _nsec(self, name: Name) -> list[RRset]:
        """The record that matches or covers the name."""
        if not self._names:
            return []
        return [self._data[self._names[bisect_right(self._nsecs, canonical_key(name)) - 1], t.NSEC]]


def is_root_zone(rrsets: Iterable[RRset]) -> bool:
    """Whether there is what `LocalRoot` needs: an SOA of the root, and nothing but delegations and glue below it."""
    names = {(rrset.name, rrset.rtype) for rrset in rrsets}
    return (ROOT, t.SOA) in names and all(
        name == ROOT or count_labels(name) == 1 or rtype in (t.A, t.AAAA) for name, rtype in names
    )


__all__ = ["HERE", "LocalRoot", "is_root_zone"]
