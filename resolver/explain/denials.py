"""Proofs of absence, read out in words: what each NSEC and NSEC3 record says about the question.

The validator has found the proof (`trust.denial`); here its records are only read aloud, each by itself.

Limitations: NSEC3 hashes are made anew to say which name a record is about, so records with more iterations than the
validator counts are not read out.

RFC 4035 §5.4, RFC 5155 §8, RFC 9824.
"""

from typing import Final

from resolver.explain.texts import Words
from trust.denial import Denial
from trust.nsec import Nsec
from trust.nsec3 import nsec3_covers, nsec3_hash, nsec3_matches
from trust.proof import is_ancestor_delegation, is_nxname
from wire import types as t
from wire.name import ROOT, Name, ancestors, is_strict_subdomain, is_subdomain, parent, wildcard
from wire.rdata import Nsec3, bitmap_has, bitmap_types
from wire.rrset import RRset
from wire.text import name_to_text, type_to_text

_MOST_ITERATIONS: Final = 150
_MOST_TYPES: Final = 12


def read_out(denial: Denial, name: Name, rtype: int, words: Words) -> list[str]:
    """What the records say, in the proof's order: a sentence for each part that a record plays in it."""
    sentences: list[str] = []
    for rrset in denial.used:
        if rrset.rtype == t.NSEC:
            sentences += _nsec(Nsec(rrset), name, rtype, denial.closest_encloser, words)
        elif rrset.rtype == t.NSEC3:
            sentences += _nsec3(rrset, name, rtype, denial.closest_encloser, words)
    return sentences


def _nsec(record: Nsec, name: Name, rtype: int, encloser: Name | None, words: Words) -> list[str]:
    owner, following = name_to_text(record.owner), name_to_text(record.next)
    if is_nxname(record.bitmap):
        return [words("denial.compact", owner=owner)]
    types = _types(record.bitmap, words)
    out: list[str] = []
    for asked in (name, *_wildcards(name, encloser)):
        if record.matches(asked) and not bitmap_has(record.bitmap, rtype):
            cut = is_ancestor_delegation(record.bitmap)
            key = "denial.nsec.match.cut" if cut else "denial.nsec.match"
            out.append(words(key, owner=owner, types=types, wanted=type_to_text(rtype)))
    if record.covers(name):
        key = "denial.nsec.parent" if record.shows_empty_non_terminal(name) else "denial.nsec.cover"
        out.append(words(key, owner=owner, next=following, name=name_to_text(name)))
    for asked in _wildcards(name, encloser or (record.closest_encloser(name) if record.covers(name) else None)):
        if record.covers(asked):
            out.append(words("denial.nsec.wildcard", owner=owner, next=following, name=name_to_text(asked)))
            break
    return out or [words("denial.nsec.other", owner=owner, next=following, types=types)]


def _nsec3(rrset: RRset, name: Name, rtype: int, encloser: Name | None, words: Words) -> list[str]:
    record = Nsec3(rrset.rdatas[0])
    zone = parent(rrset.name)
    if record.iterations > _MOST_ITERATIONS:
        return [words("denial.nsec3.dear", iterations=record.iterations)]

    def hashed(of: Name) -> bytes:
        return nsec3_hash(of, record.salt, record.iterations)

    path = [above for above in ancestors(name) if is_subdomain(above, zone)]
    wild = _wildcards(name, encloser)
    out: list[str] = []
    for asked in (name, *wild):
        if nsec3_matches(rrset, zone, hashed(asked)) and not bitmap_has(record.bitmap, rtype):
            facts = {"types": _types(record.bitmap, words), "wanted": type_to_text(rtype)}
            out.append(words("denial.nsec3.match", name=name_to_text(asked), **facts))
    for asked in path[1:]:
        if nsec3_matches(rrset, zone, hashed(asked)):
            out.append(words("denial.nsec3.encloser", name=name_to_text(asked)))
            break
    # RFC 5155 §1.3: the next closer name is one label below the closest encloser; try it before longer ones.
    for asked in reversed(path):
        if (encloser is None or is_strict_subdomain(asked, encloser)) and nsec3_covers(rrset, zone, hashed(asked)):
            key = "denial.nsec3.optout" if record.opt_out else "denial.nsec3.cover"
            out.append(words(key, name=name_to_text(asked)))
            break
    for asked in wild:
        if nsec3_covers(rrset, zone, hashed(asked)):
            out.append(words("denial.nsec3.wildcard", name=name_to_text(asked)))
            break
    return out or [words("denial.nsec3.other")]


def _wildcards(name: Name, encloser: Name | None) -> list[Name]:
    """The wildcards that could stand in for the name: of the closest encloser when it is known, else of all ancestors."""
    if name == ROOT:
        return []
    above = [encloser] if encloser is not None else ancestors(parent(name))
    return [wildcard(each) for each in above if len(each) + 2 <= 255]


def _types(bitmap: bytes, words: Words) -> str:
    names = [type_to_text(rtype) for rtype in bitmap_types(bitmap)]
    if not names:
        return words("denial.nothing")
    shown = ", ".join(names[:_MOST_TYPES])
    return shown if len(names) <= _MOST_TYPES else f"{shown}, ..."
