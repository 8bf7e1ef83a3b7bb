"""Telling a zone's servers which trust anchors are in use: the names of Key Tag queries.

The query is for `_ta-4f66-9728.<zone>`, type NULL: the tags of all trust anchors of the zone, in hexadecimal, ascending.
The answer does not matter. It is sent whenever the zone's DNSKEY RRset is asked for to refresh the anchors: about once a
day for the root.

Limitations: a label holds twelve tags; more are told in several queries, on which the RFC is silent.

RFC 8145 §5.
"""

from collections.abc import Iterable
from typing import Final

from trust.algorithms import Key
from trust.anchors import TrustPoint
from wire.limits import MAX_NAME
from wire.name import Name

PER_LABEL: Final = 12
"""`_ta` and twelve times `-xxxx`: 63 octets."""


def anchor_tags(point: TrustPoint) -> list[int]:
    """The key tags of a zone's trust anchors, ascending, each once."""
    return sorted({int.from_bytes(ds[:2], "big") for ds in point.ds} | {Key(key).tag for key in point.dnskeys})


def key_tag_names(zone: Name, tags: Iterable[int]) -> list[Name]:
    """The names to be asked for, type NULL; none when there are no tags, or the zone's name leaves no room."""
    ordered = sorted(set(tags))
    names: list[Name] = []
    for start in range(0, len(ordered), PER_LABEL):
        # RFC 8145 §5.1: "_ta-" and the tags, each as four lower-case hexadecimal digits, smallest first, joined by "-".
        label = b"_ta-" + b"-".join(f"{tag:04x}".encode() for tag in ordered[start : start + PER_LABEL])
        name = bytes((len(label),)) + label + zone
        if len(name) <= MAX_NAME:
            names.append(name)
    return names
