"""What each authority said, side by side, and whether they agree; what the running resolver says beside the fresh look.

Two answers are the same when kind and records are (TTLs and signatures aside: signatures may be made by each server anew).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from resolver.explain.diagnosis import answers
from resolver.explain.evidence import Daemon, Evidence, Look, ServerSaid, Survey
from resolver.explain.links import Document
from resolver.explain.terms import error_name, nsid_text
from resolver.explain.texts import Words
from resolver.resolution import Resolution
from trust.reason import Reason
from trust.vocabulary import Address, Security, Step
from wire import types as t
from wire.rrset import RRset
from wire.text import (
    name_to_text,
    rcode_to_text,
    rdata_to_text,
    rrset_to_text,
    rrsets_from_text,
    type_to_text,
)

_DIGITS = 12
"""Hexadecimal digits of a digest that are shown: enough to see a difference at a glance."""


# --- authorities ---------------------------------------------------------------------------------------------------


def survey_of(survey: Survey, alone: Address | None, words: Words) -> Document:
    """One zone's servers: a row each, whether they agree, and a sentence or more about it."""
    rows = [_row(said) for said in survey.servers]
    name, rtype = survey.question
    agree, sentences = _agreement(survey, words)
    if alone is not None:
        sentences = [words("servers.alone", server=alone.ip)]
        if all(said.ns_name is None for said in survey.servers):
            sentences.append(words("servers.stranger", zone=name_to_text(survey.zone)))
    if survey.left_out:
        sentences.append(words("servers.left-out", count=survey.left_out))
    return {
        "zone": name_to_text(survey.zone),
        "question": {"name": name_to_text(name), "type": type_to_text(rtype)},
        "agree": agree,
        "sentence": " ".join(sentences),
        "servers": rows,
    }


def _row(said: ServerSaid) -> Document:
    steps = [step for step, _ in said.steps]
    last = steps[-1] if steps else None
    return {
        "address": said.address.ip,
        "name": name_to_text(said.ns_name) if said.ns_name is not None else None,
        "what": said.what,
        "rcode": rcode_to_text(said.rcode) if said.rcode is not None else None,
        "kind": last.kind.value if last is not None else None,
        "security": said.security.value if said.security is not None else None,
        "text": said.text,
        "records": _lines(steps),
        "digest": digest_of(steps) if steps else None,
        "serial": said.serial,
        "keys": sorted(said.keys) if said.keys is not None else None,
        "nsid": nsid_text(said.nsid) if said.nsid is not None else None,
        "latency_ms": round(said.latency_s * 1000, 1) if said.latency_s is not None else None,
        "transport": said.transport,
    }


def _agreement(survey: Survey, words: Words) -> tuple[bool, list[str]]:
    """Whether all servers say the same, and what is to be said about it."""
    useful = [said for said in survey.servers if said.steps]
    silent = [said for said in survey.servers if not said.steps]
    if not useful:
        return False, [words("servers.none")]
    out: list[str] = []
    good = [said for said in useful if said.security is not Security.BOGUS]
    bad = [said for said in useful if said.security is Security.BOGUS]
    if good and bad:
        listed = ", ".join(said.address.ip for said in bad)
        out.append(words("servers.differ.security", good=len(good), bad=len(bad), list=listed))
    count = len({digest_of([step for step, _ in said.steps]) for said in useful})
    if count > 1:
        out.append(words("servers.differ.data", count=count))
    serials = sorted({said.serial for said in useful if said.serial is not None})
    if len(serials) > 1:
        out.append(words("servers.differ.serial", serials=", ".join(map(str, serials))))
    if silent:
        listed = ", ".join(said.address.ip for said in silent)
        out.append(words("servers.silent", count=len(silent), all=len(survey.servers), list=listed))
    agree = not out
    one = len(survey.servers) == 1
    if agree:
        out.append(words("servers.agree.one") if one else words("servers.agree", count=len(useful)))
    if not good:
        out.append(words("servers.bogus.one" if len(useful) == 1 else "servers.bogus"))
    return agree, out


def digest_of(steps: Sequence[Step]) -> str:
    """Twelve hexadecimal digits that are equal when kind and records of the answers are."""
    digest = hashlib.sha256()
    for step in steps:
        digest.update(step.kind.value.encode() + b"\0" + step.name)
        for rrset in sorted(step.rrsets, key=lambda rrset: (rrset.name, rrset.rtype)):
            digest.update(rrset.name + rrset.rtype.to_bytes(2, "big"))
            for rdata in sorted(rrset.rdatas):
                digest.update(len(rdata).to_bytes(2, "big") + rdata)
    return digest.hexdigest()[:_DIGITS]


def _lines(steps: Sequence[Step]) -> list[str]:
    return [line for step in steps for rrset in step.rrsets for line in rrset_to_text(rrset, signatures=False)]


_RCODES = {rcode_to_text(rcode): rcode for rcode in (t.NOERROR, t.NXDOMAIN, t.SERVFAIL)}
_AGREEING = ("daemon.same", "daemon.both")


# --- looks at the whole answer -------------------------------------------------------------------------------------


def unchecked_of(resolution: Resolution | None, words: Words) -> Document | None:
    """The same question with CD set."""
    if resolution is None:
        return None
    return {
        "rcode": rcode_to_text(resolution.rcode),
        "records": [line for rrset, _ in resolution.answer for line in rrset_to_text(rrset, signatures=False)],
        "errors": errors_of(resolution.errors),
    }


def errors_of(errors: Sequence[tuple[int, str]]) -> list[Document]:
    """Extended DNS Errors with their names."""
    return [{"code": code, "name": error_name(code), "text": text} for code, text in errors]


def daemon_of(evidence: Evidence, words: Words) -> Document:
    """What the running resolver says, and how it compares with the fresh look."""
    daemon = evidence.daemon
    if daemon.workers is not None:
        return _memory_of(evidence, daemon, daemon.workers, words)
    look = daemon.checked if daemon.checked is not None and not daemon.checked.what else None
    return {
        "source": "dns" if daemon.address is not None else None,
        "asked": daemon.address is not None,
        "address": f"{daemon.address.ip} port {daemon.address.port}" if daemon.address is not None else None,
        "answered": look is not None,
        "agrees": look is not None and _compare(evidence, look) in _AGREEING,
        "sentence": _sentence(evidence, daemon, words),
        "checked": _look(daemon.checked),
        "unchecked": _look(daemon.unchecked),
        "nta": None,
        "workers": [],
    }


def daemon_fails(evidence: Evidence) -> bool:
    """Whether the running resolver fails where the fresh look does not."""
    daemon = evidence.daemon
    if daemon.workers is not None:
        telling = _telling(daemon.workers)
        return telling is not None and _compare(evidence, _as_look(telling)) == "daemon.worse"
    look = daemon.checked
    return look is not None and not look.what and _compare(evidence, look) == "daemon.worse"


# --- what its workers remember -----------------------------------------------------------------------------------------


def _memory_of(evidence: Evidence, daemon: Daemon, workers: Sequence[Mapping[str, Any]], words: Words) -> Document:
    """What the workers would tell a client from memory, and how it compares with the fresh look."""
    telling = _telling(workers)
    sentences = []
    agrees = False
    if telling is None:
        sentences.append(words("daemon.nothing" if workers else "daemon.no-worker"))
    else:
        look = _as_look(telling)
        compared = _compare(evidence, look)
        agrees = compared in _AGREEING
        fresh = rcode_to_text(evidence.resolution.rcode)
        sentences.append(words(compared, rcode=telling["rcode"], fresh=fresh))
        if telling["age"] is not None:
            sentences.append(words("daemon.age", age=telling["age"], ttl=telling["ttl"]))
        else:
            sentences.append(words("daemon.failure", ttl=telling["ttl"]))
        alike = sum(worker["state"] == telling["state"] for worker in workers)
        if alike < len(workers):
            sentences.append(words("daemon.workers", count=alike, all=len(workers)))
    if daemon.nta:
        sentences.append(words("daemon.nta-in-force", nta=daemon.nta))
    return {
        "source": "memory",
        "asked": True,
        "address": None,
        "answered": telling is not None,
        "agrees": agrees,
        "sentence": " ".join(sentences),
        "checked": _look(_as_look(telling)) if telling is not None else None,
        "unchecked": None,
        "nta": daemon.nta or None,
        "workers": [dict(worker) for worker in workers],
    }


def _telling(workers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The worker to tell of: one that would fail, else one that would answer; None when none remembers anything."""
    for states in (("bogus", "failure"), ("answer",)):
        for worker in workers:
            if worker["state"] in states:
                return worker
    return None


def _as_look(worker: Mapping[str, Any]) -> Look:
    """A worker's memory as the answer that a client would get from it."""
    failed = worker["state"] != "answer"
    lines = [] if failed else [line for step in worker["steps"] for line in step["records"]]
    return Look(
        "",
        _RCODES[worker["rcode"]],
        None if worker["security"] == "unchecked" else worker["security"] == "secure",
        tuple((error["code"], error["text"]) for error in worker["errors"]),
        tuple(rrsets_from_text("\n".join(lines))),
        latency_s=None,
    )


def _look(look: Look | None) -> Document | None:
    if look is None or look.what:
        return None
    return {
        "rcode": rcode_to_text(look.rcode),
        "authentic": bool(look.authentic),
        "records": [line for rrset in look.answer for line in rrset_to_text(rrset, signatures=False)],
        "errors": errors_of(look.errors),
        "nsid": nsid_text(look.nsid) if look.nsid is not None else None,
        "latency_ms": round(look.latency_s * 1000, 1) if look.latency_s is not None else None,
    }


def _sentence(evidence: Evidence, daemon: Daemon, words: Words) -> str:
    if daemon.address is None or daemon.checked is None:
        return words("daemon.not-asked")
    if daemon.checked.what:
        address = f"{daemon.address.ip} port {daemon.address.port}"
        return words("daemon.silent", address=address, what=daemon.checked.what)
    rcodes = {"rcode": rcode_to_text(daemon.checked.rcode), "fresh": rcode_to_text(evidence.resolution.rcode)}
    return words(_compare(evidence, daemon.checked), **rcodes)


def _compare(evidence: Evidence, look: Look) -> str:
    """The key of the text that says how the running resolver's answer differs from the fresh one."""
    fresh = evidence.resolution
    if not answers(look.rcode) and answers(fresh.rcode):
        return "daemon.worse"
    if answers(look.rcode) and not answers(fresh.rcode):
        return "daemon.nta" if any(code == Reason.NTA.ede for code, _ in look.errors) else "daemon.better"
    if not answers(look.rcode):
        return "daemon.both"
    if look.rcode != fresh.rcode:
        return "daemon.rcode"
    if look.authentic is not None and look.authentic != (fresh.security is Security.SECURE):
        return "daemon.ad"
    return "daemon.same" if _data(look.answer) == _data([rrset for rrset, _ in fresh.answer]) else "daemon.data"


def _data(rrsets: Sequence[RRset]) -> set[tuple[bytes, int, str]]:
    return {
        (rrset.name, rrset.rtype, rdata_to_text(rrset.rtype, rdata))
        for rrset in rrsets
        if rrset.rtype != t.RRSIG
        for rdata in rrset.rdatas
    }
