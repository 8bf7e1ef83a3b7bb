"""The root key sentinel: a client learns from two names whether a root key is trusted here.

`root-key-sentinel-is-ta-38696.<any zone>` is answered as ever when key 38696 is a trust anchor of the root, and with
SERVFAIL when it is not; `root-key-sentinel-not-ta-38696.<any zone>` the other way round. A resolver that does not know of
this answers both as ever.

A trust anchor is what validation starts from now: neither a pending nor a revoked key (RFC 8509 §3.2: "a key that is not in
either the AddPend or Revoked state").

RFC 8509 §2, §3.1 (when it applies), §3.2 (what is answered).
"""

import re
from typing import Final

from resolver.resolution import Resolution
from trust.anchors import TrustPoints
from trust.reason import Reason
from trust.rfc8145 import anchor_tags
from trust.vocabulary import Security
from wire import types as t
from wire.name import ROOT, Name

_LABEL: Final = re.compile(rb"root-key-sentinel-(is|not)-ta-([0-9]{5})")
_LENGTHS: Final = (29, 30)
"""Octets of such a label."""


def sentinel_query(name: Name) -> tuple[bool, int] | None:
    """What a name asks: (whether the key is a trust anchor, rather than none; its tag). None: it is no such name."""
    if name[0] not in _LENGTHS:
        return None
    found = _LABEL.fullmatch(name[1 : 1 + name[0]])
    if found is None or int(found[2]) > 0xFFFF:
        return None
    return found[1] == b"is", int(found[2])


def apply_sentinel(resolution: Resolution, points: TrustPoints) -> Resolution:
    """The answer as it is, or SERVFAIL in its place.

    RFC 8509 §3.1: the type asked is A or AAAA, the leftmost label of the name asked (not of an alias's target) is one
    of the two, and the answer was validated as secure, which implies that the client did not set CD.
    """
    question = resolution.question
    if resolution.security is not Security.SECURE or question.rtype not in (t.A, t.AAAA):
        return resolution
    asked = sentinel_query(question.name)
    if asked is None:
        return resolution
    wants_anchor, tag = asked
    root = points.points.get(ROOT)
    is_anchor = root is not None and tag in anchor_tags(root)
    if wants_anchor == is_anchor:
        return resolution
    text = f"root key sentinel: key {tag} is {'a' if is_anchor else 'no'} trust anchor here"
    return Resolution(
        question,
        t.SERVFAIL,
        [],
        [],
        Security.INDETERMINATE,
        [(Reason.SENTINEL.ede or 0, text)],
        resolution.expires_mono,
        reason=Reason.SENTINEL,
        steps=resolution.steps,
    )
