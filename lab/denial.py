"""Proofs of non-existence, from the server's side: which NSEC or NSEC3 records go with an answer.

Terms: a record *matches* a name when it stands at that name (or at its hash), and *covers* it when the name falls
between the record and its successor. The *closest encloser* is the longest existing ancestor of a name; the *next closer*
name is one label longer, towards the name.

A server can only return what its zone holds. In a zone whose chain was tampered with, the record that would match may be
gone; then the one before it is returned, as the usual servers do, and it is for the resolver to notice.

RFC 4035 §3.1.3, RFC 5155 §7.2, RFC 7129.
"""

from bisect import bisect_right
from typing import Protocol, cast

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.NSEC3PARAM import NSEC3PARAM
from dns.rrset import RRset

from lab.records import Zone
from lab.signer import Nsec3

WILDCARD = b"*"


class Proofs(Protocol):
    """The proofs that a zone can give; each returns NSEC or NSEC3 RRsets, none twice."""

    def no_data(self, name: Name, encloser: Name) -> list[RRset]:
        """`name` exists (or is an empty non-terminal) without the type asked for."""

    def no_name(self, name: Name, encloser: Name) -> list[RRset]:
        """`name` does not exist, nor does a wildcard at its closest encloser."""

    def expanded(self, name: Name, encloser: Name) -> list[RRset]:
        """`name` does not exist, a wildcard at its closest encloser answered for it."""

    def expanded_no_data(self, name: Name, encloser: Name) -> list[RRset]:
        """`name` does not exist, and the wildcard at its closest encloser lacks the type asked for."""


def proofs_of(zone: Zone) -> Proofs:
    """How this zone proves what is not there, found out as a server does: by looking at its apex."""
    parameters = zone.get(zone.origin, RdataType.NSEC3PARAM)
    if parameters:
        return Nsec3Proofs(zone, cast(NSEC3PARAM, parameters[0]))
    if zone.get(zone.origin, RdataType.NSEC):
        return NsecProofs(zone)
    return NoProofs()


class NoProofs:
    """A zone that is unsigned, or that looks so to its server."""

    def no_data(self, name: Name, encloser: Name) -> list[RRset]:
        return []

    def no_name(self, name: Name, encloser: Name) -> list[RRset]:
        return []

    def expanded(self, name: Name, encloser: Name) -> list[RRset]:
        return []

    def expanded_no_data(self, name: Name, encloser: Name) -> list[RRset]:
        return []


class NsecProofs:
    """RFC 4035 §3.1.3."""

    def __init__(self, zone: Zone) -> None:
        self._owners = sorted(name for name, rdtype in zone.rrsets if rdtype == RdataType.NSEC)
        self._records = {name: zone.rrsets[name, RdataType.NSEC] for name in self._owners}

    def no_data(self, name: Name, encloser: Name) -> list[RRset]:
        # An empty non-terminal has no NSEC; the one before it shows by its next name that there is something below.
        return [self._at_or_before(name)]

    def no_name(self, name: Name, encloser: Name) -> list[RRset]:
        return _distinct(self._at_or_before(name), self._at_or_before(_wildcard_at(encloser)))

    def expanded(self, name: Name, encloser: Name) -> list[RRset]:
        return [self._at_or_before(name)]

    def expanded_no_data(self, name: Name, encloser: Name) -> list[RRset]:
        return self.no_name(name, encloser)

    def _at_or_before(self, name: Name) -> RRset:
        return self._records[self._owners[bisect_right(self._owners, name) - 1]]


class Nsec3Proofs:
    """RFC 5155 §7.2, over those NSEC3 records that agree with the NSEC3PARAM."""

    def __init__(self, zone: Zone, parameters: NSEC3PARAM) -> None:
        self._hashing = Nsec3(parameters.iterations, parameters.salt)
        chain = {
            owner.labels[0]: rrset
            for owner, rrset in zone.nsec3.items()
            if (cast(NSEC3, rrset[0]).iterations, cast(NSEC3, rrset[0]).salt) == (parameters.iterations, parameters.salt)
        }
        self._labels = sorted(chain)
        self._records = chain

    def no_data(self, name: Name, encloser: Name) -> list[RRset]:
        match = self._records.get(self._hashing.hash(name))
        if match:
            return [match]
        # RFC 5155 §7.2.4: an insecure delegation that opt-out left out; the closest *provable* encloser is above it.
        return self._closest_encloser(name, name.parent())

    def no_name(self, name: Name, encloser: Name) -> list[RRset]:
        return _distinct(*self._closest_encloser(name, encloser), *self._cover(_wildcard_at(encloser)))

    def expanded(self, name: Name, encloser: Name) -> list[RRset]:
        return self._cover(_next_closer(name, encloser))

    def expanded_no_data(self, name: Name, encloser: Name) -> list[RRset]:
        return self.no_name(name, encloser)

    def _closest_encloser(self, name: Name, encloser: Name) -> list[RRset]:
        """RFC 5155 §7.2.1: a match for the closest encloser and a cover for the next closer name."""
        provable = encloser
        while self._hashing.hash(provable) not in self._records and len(provable.labels) > 1:
            provable = provable.parent()
        if self._hashing.hash(provable) not in self._records:
            provable = encloser
        return _distinct(*self._cover(provable), *self._cover(_next_closer(name, provable)))

    def _cover(self, name: Name) -> list[RRset]:
        """The record at the hash of a name, or else the one before it."""
        if not self._labels:
            return []
        return [self._records[self._labels[bisect_right(self._labels, self._hashing.hash(name)) - 1]]]


def _wildcard_at(encloser: Name) -> Name:
    return Name((WILDCARD, *encloser.labels))


def _next_closer(name: Name, encloser: Name) -> Name:
    return Name(name.labels[-len(encloser.labels) - 1 :])


def _distinct(*rrsets: RRset) -> list[RRset]:
    return list({rrset.name: rrset for rrset in rrsets}.values())
