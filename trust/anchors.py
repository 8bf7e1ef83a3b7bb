"""Where trust begins and where it is suspended: trust points, negative trust anchors, and reading anchors from files.

Theory: a `TrustPoints` is an immutable snapshot. Every change makes a new one with a higher `generation`, and what was
concluded under an older one is no longer used. For a name, the nearest thing at or above it governs: a trust point (the
chain starts there) or an NTA in force (insecure). So an NTA never weakens an anchor configured below it, and an NTA at the
very name of a trust point suspends that (RFC 7646 §5: it takes precedence).

Limitations: the detached signature of root-anchors.xml (RFC 9718 §4) is not verified here.

RFC 4033 §2, RFC 4035 §4.4, RFC 5011 §2.3 and §5, RFC 6840 §5.10 (of nested trust points the closest), RFC 7646, RFC 9718.
"""

import base64
import binascii
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from trust.algorithms import PROTOCOL, Key
from wire import types as t
from wire.name import ROOT, Name
from wire.rrset import RRset
from wire.text import name_from_text, name_to_text, rrsets_from_text, type_to_text

MAX_FILE: Final = 1 << 20
"""Octets of an anchor file: the present root-anchors.xml has 1,860."""

BUILTIN_ROOT: Final = """
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
"""
"""KSK-2017 and KSK-2024 of the root."""


class TrustPoint:
    """A name with trust anchors.

    Attributes:
        name: the zone; `ds`, `dnskeys`: RDATA of the anchors, either kind or both.
    """

    __slots__ = ("dnskeys", "ds", "name")

    def __init__(self, name: Name, ds: Iterable[bytes] = (), dnskeys: Iterable[bytes] = ()) -> None:
        self.name = name
        self.ds = tuple(dict.fromkeys(ds))
        self.dnskeys = tuple(dict.fromkeys(dnskeys))

    def __repr__(self) -> str:
        return f"TrustPoint({self.name!r}, {len(self.ds)} DS, {len(self.dnskeys)} DNSKEY)"


class Nta:
    """A negative trust anchor (RFC 7646): the name and all below it are treated as insecure.

    Attributes:
        text: why, for listings; `expires_wall`: when it ends, seconds since 1970; None when it is configured for good.
    """

    __slots__ = ("expires_wall", "name", "text")

    def __init__(self, name: Name, text: str = "", expires_wall: float | None = None) -> None:
        self.name = name
        self.text = text
        self.expires_wall = expires_wall

    def in_force(self, now_wall: float) -> bool:
        """Whether it has not expired."""
        return self.expires_wall is None or now_wall < self.expires_wall

    def __repr__(self) -> str:
        return f"Nta({self.name!r}, {self.expires_wall})"


class TrustPoints:
    """The trust points and NTAs of one moment.

    Attributes:
        points, ntas: by name; `generation`: counts up with every change.
    """

    __slots__ = ("_only", "generation", "ntas", "points")

    def __init__(self, points: Iterable[TrustPoint] = (), ntas: Iterable[Nta] = (), generation: int = 0) -> None:
        self.points: Mapping[Name, TrustPoint] = MappingProxyType({point.name: point for point in points})
        self.ntas: Mapping[Name, Nta] = MappingProxyType({nta.name: nta for nta in ntas})
        self.generation = generation
        # The root's trust point when nothing else governs any name: the usual case, and no name need be walked up.
        self._only = self.points.get(ROOT) if len(self.points) == 1 and not self.ntas else None

    def governing(self, name: Name, now_wall: float) -> TrustPoint | Nta | None:
        """What is nearest at or above `name`: an NTA in force or a trust point; None when there is neither.

        RFC 7646 §5: an NTA takes precedence over a trust point of the same name; a trust point below an NTA starts anew.
        """
        if self._only is not None:
            return self._only
        points, ntas = self.points, self.ntas
        while True:
            nta = ntas.get(name)
            if nta is not None and nta.in_force(now_wall):
                return nta
            point = points.get(name)
            if point is not None:
                return point
            if name == ROOT:
                return None
            name = name[name[0] + 1 :]

    def trust_point(self, name: Name) -> TrustPoint | None:
        """The deepest trust point at or above `name`, whatever the NTAs."""
        while True:
            point = self.points.get(name)
            if point is not None or name == ROOT:
                return point
            name = name[name[0] + 1 :]

    def nta(self, name: Name, now_wall: float) -> Nta | None:
        """The NTA in force that governs `name`, if one does."""
        found = self.governing(name, now_wall)
        return found if isinstance(found, Nta) else None

    def with_points(self, points: Iterable[TrustPoint]) -> "TrustPoints":
        """Other trust points, the same NTAs, the next generation."""
        return TrustPoints(points, self.ntas.values(), self.generation + 1)

    def with_ntas(self, ntas: Iterable[Nta]) -> "TrustPoints":
        """The same trust points, other NTAs, the next generation."""
        return TrustPoints(self.points.values(), ntas, self.generation + 1)


def builtin() -> list[TrustPoint]:
    """The root's trust point as packaged (guideline 2-7, 2-8)."""
    return points_from_text(BUILTIN_ROOT)


def merge(points: Iterable[TrustPoint]) -> list[TrustPoint]:
    """Anchors of several sources, one trust point a name."""
    ds: dict[Name, list[bytes]] = {}
    keys: dict[Name, list[bytes]] = {}
    for point in points:
        ds.setdefault(point.name, []).extend(point.ds)
        keys.setdefault(point.name, []).extend(point.dnskeys)
    return [TrustPoint(name, ds[name], keys[name]) for name in ds]


def points_from_file(data: bytes, now_wall: float) -> list[TrustPoint]:
    """Anchors of a file's contents: root-anchors.xml, or DS and DNSKEY records in zone-file format.

    Raises:
        ValueError: neither; or nothing in it can be used.
    """
    if len(data) > MAX_FILE:
        raise ValueError(f"{len(data)} octets of trust anchors; at most {MAX_FILE} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"trust anchors are not text: {error}") from None
    return points_from_xml(text, now_wall) if text.lstrip().startswith("<") else points_from_text(text)


def points_from_text(text: str) -> list[TrustPoint]:
    """Anchors in zone-file format: DS and DNSKEY records of any number of names.

    Raises:
        ValueError: malformed, another type of record, a DNSKEY that cannot be an anchor, or no record at all.
    """
    points = [_point(rrset) for rrset in rrsets_from_text(text)]
    if not points:
        raise ValueError("no trust anchor: neither a DS nor a DNSKEY record")
    return merge(points)


def _point(rrset: RRset) -> TrustPoint:
    """The anchors of one RRset."""
    where = name_to_text(rrset.name)
    if rrset.rclass != t.IN:
        raise ValueError(f"trust anchor for {where}: class is not IN")
    if rrset.rtype == t.DS and rrset.rdatas:
        for ds in rrset.rdatas:
            _check_ds(where, ds)
        return TrustPoint(rrset.name, rrset.rdatas)
    if rrset.rtype == t.DNSKEY and rrset.rdatas:
        for rdata in rrset.rdatas:
            _check_dnskey(where, Key(rdata))
        return TrustPoint(rrset.name, (), rrset.rdatas)
    raise ValueError(f"trust anchor for {where}: a DS or DNSKEY record is wanted, not {type_to_text(rrset.rtype)}")


_DIGEST_LENGTHS: Final = {1: 20, 2: 32, 4: 48}


def _check_ds(where: str, ds: bytes) -> None:
    wanted = _DIGEST_LENGTHS.get(ds[3])
    if wanted is not None and len(ds) != 4 + wanted:
        raise ValueError(f"trust anchor for {where}: digest type {ds[3]} has {wanted} octets, not {len(ds) - 4}")


def _check_dnskey(where: str, key: Key) -> None:
    if key.protocol != PROTOCOL:
        raise ValueError(f"trust anchor for {where}: protocol of key {key.tag} is {key.protocol}, not 3")
    if key.revoked:
        raise ValueError(f"trust anchor for {where}: key {key.tag} is revoked")
    if not key.zone_key:
        raise ValueError(f"trust anchor for {where}: key {key.tag} has no zone-key bit")


# --- root-anchors.xml (RFC 9718 §2) ----------------------------------------------------------------------------------


def points_from_xml(text: str, now_wall: float) -> list[TrustPoint]:
    """The anchors of a root-anchors.xml that are valid at `now_wall` (seconds since 1970).

    Raises:
        ValueError: not such a file, malformed, a public key that does not fit its digest, or none valid at that time.
    """
    if len(text) > MAX_FILE:
        raise ValueError(f"{len(text)} characters of XML; at most {MAX_FILE} are read")
    # A document type could define entities (their expansion has no bound); RFC 9718 has none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("root-anchors.xml with a document type is refused")
    try:
        root = ET.fromstring(text.lstrip())  # noqa: S314 - bounded, no document type, no entities
    except (ET.ParseError, ValueError) as error:
        raise ValueError(f"not well-formed XML: {error}") from None
    if root.tag != "TrustAnchor":
        raise ValueError(f"<TrustAnchor> is wanted, not <{root.tag}>")
    zone = name_from_text(_field(root, "Zone"))
    digests = root.findall("KeyDigest")
    valid = [_key_digest(zone, item) for item in digests if _is_valid(item, now_wall)]
    if not valid:
        raise ValueError(f"none of {len(digests)} trust anchors is valid now")
    return [TrustPoint(zone, valid)]


_Element: TypeAlias = "ET.Element[str]"


def _field(element: _Element, tag: str) -> str:
    found = element.findall(tag)
    if len(found) != 1 or not (text := (found[0].text or "").strip()):
        raise ValueError(f"<{element.tag}>: exactly one <{tag}> with content is wanted")
    return text


def _number(element: _Element, tag: str, highest: int) -> int:
    text = _field(element, tag)
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > highest:
        raise ValueError(f"<{tag}>{text[:20]}: a number from 0 to {highest} is wanted")
    return int(text)


def _is_valid(item: _Element, now_wall: float) -> bool:
    """RFC 9718 §2.1.3: from validFrom on, and before validUntil when there is one."""
    start, end = _time(item, "validFrom"), _time(item, "validUntil")
    return (start is None or start <= now_wall) and (end is None or now_wall < end)


def _time(item: _Element, attribute: str) -> float | None:
    text = item.get(attribute)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{attribute} {text[:40]!r} is no date") from None
    if moment.tzinfo is None:
        raise ValueError(f"{attribute} {text[:40]!r} has no time zone")
    return moment.timestamp()


def _key_digest(zone: Name, item: _Element) -> bytes:
    """The DS RDATA of one KeyDigest."""
    try:
        digest = bytes.fromhex(_field(item, "Digest"))
    except ValueError as error:
        raise ValueError(f"<Digest>: {error}") from None
    tag = _number(item, "KeyTag", 65535)
    ds = tag.to_bytes(2, "big") + bytes((_number(item, "Algorithm", 255), _number(item, "DigestType", 255))) + digest
    _check_ds(name_to_text(zone), ds)
    if item.find("PublicKey") is not None:
        # RFC 9718 §2.1.2: the key itself may be given; then it is the one that the digest is of.
        try:
            public = base64.b64decode("".join(_field(item, "PublicKey").split()), validate=True)
        except binascii.Error as error:
            raise ValueError(f"<PublicKey>: {error}") from None
        flags = _number(item, "Flags", 65535)
        key = Key(flags.to_bytes(2, "big") + bytes((PROTOCOL, ds[2])) + public)
        _check_dnskey(name_to_text(zone), key)
        if not key.matches_ds(zone, ds):
            raise ValueError(f"<PublicKey> of key tag {tag} does not have the <Digest> beside it")
    return ds
