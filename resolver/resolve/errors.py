"""Reasons and findings → Extended DNS Errors: (INFO-CODE, text), most specific first (RFC 8914, DESIGN §4).

Texts are short ASCII: an operator reads them in `dig`.
"""

from collections.abc import Iterable

from trust.reason import Reason
from trust.vocabulary import Finding, Verdict
from wire.limits import MAX_EDE_TEXT
from wire.text import name_to_text, type_to_text

Error = tuple[int, str]

OTHER = 0
NO_REACHABLE_AUTHORITY = 22
NETWORK_ERROR = 23
INVALID_DATA = 24
CACHED_ERROR = 13
_OF_TIME = (7, 8, 25)
"""Signature expired, not yet valid, expired before valid."""


def errors_of_verdict(verdict: Verdict, *, nta: bool) -> list[Error]:
    """What a verdict says to the client; nothing for SECURE. `nta`: whether EDE 33 is wanted."""
    out: list[Error] = []
    if verdict.reason.ede is not None and (nta or verdict.reason is not Reason.NTA):
        out += _codes(verdict.reason, verdict.text)
    for note in verdict.notes:
        out += _codes(note.reason, note.text)
    return merge(out) if len(out) > 1 else out


def _codes(reason: Reason, text: str) -> list[Error]:
    """A reason's codes, the more specific first; the text goes with it."""
    code, also = reason.ede, reason.ede_also
    out = [] if code is None else [(code, text)]
    if also is not None:
        out.append((also, ""))
    return out


def errors_of_failure(reason: Reason, text: str, findings: list[Finding]) -> list[Error]:
    """What a failed resolution says to the client."""
    servers = describe(findings)
    out: list[Error] = []
    if reason in (Reason.NO_AUTHORITY, Reason.CYCLE, Reason.NETWORK, Reason.CHAIN_UNREACHABLE):
        out.append((NO_REACHABLE_AUTHORITY, text or servers or "no usable name server address"))
    elif reason.ede is not None:
        out.append((reason.ede, text or servers))
        if servers and reason.ede != NO_REACHABLE_AUTHORITY:
            out.append((NO_REACHABLE_AUTHORITY, servers))
    network = [finding for finding in findings if finding.network]
    if network:
        out.append((NETWORK_ERROR, describe(network)))
    malformed = [finding for finding in findings if finding.what.startswith("malformed")]
    if malformed:
        out.append((INVALID_DATA, describe(malformed)))
    return merge(out)


def describe(findings: list[Finding]) -> str:
    """Each server tried and what it did last, as many as fit into one EDE text; those not asked at all come last."""
    last: dict[tuple[str, bytes], Finding] = {}
    for finding in sorted(findings, key=lambda finding: finding.what.startswith("not queried")):
        last[finding.server.ip if finding.server else "", finding.ns_name or b""] = finding
    out = ""
    room = MAX_EDE_TEXT - len("; and 9999 more")
    for count, finding in enumerate(last.values()):
        piece = _describe(finding)
        if not out:
            out = piece if len(piece) <= room else f"{piece[: room - 3]}..."
        elif len(out) + len("; ") + len(piece) <= room:
            out = f"{out}; {piece}"
        else:
            return f"{out}; and {len(last) - count} more"
    return out


def _describe(finding: Finding) -> str:
    name, rtype = finding.question
    about = f"{name_to_text(name)}/{type_to_text(rtype)}"
    if finding.server is None and finding.ns_name is None:
        return finding.what
    if finding.server is None:
        return f"name server {name_to_text(finding.ns_name or name)}: {finding.what}"
    return f"{finding.server.ip} {finding.what} for {about}"


def remembered(errors: list[Error]) -> list[Error]:
    """The same errors when SERVFAIL comes from a cache: 13 beside the original codes (RFC 8914 §4.14)."""
    return merge([*errors, (CACHED_ERROR, "")])


def with_clock(errors: list[Error], note: str) -> list[Error]:
    """The same errors; those about times say, too, that our clock is wrong (guideline 2-3)."""
    room = MAX_EDE_TEXT - len(note)
    return [(code, text[:room] + note if code in _OF_TIME else text) for code, text in errors]


def merge(errors: Iterable[Error]) -> list[Error]:
    """One entry for each code, in order; the first text of a code stands unless it is empty."""
    out: dict[int, str] = {}
    for code, text in errors:
        out[code] = out.get(code) or text
    return list(out.items())
