"""What is known of one zone's trust, and what the validator asks of the resolver around it.

A `ZoneTrust` is one link of the chain with its evidence, so that `explain` can draw it later. The resolver keeps them by
name; they are good until they expire or the trust points change.

RFC 4035 §4.3 and §5.3.3.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.denial import Denial
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.signature import KeySet, SignatureResult, time_text
from trust.vocabulary import Address, Cut, Note, Now, Security, Verdict
from wire.name import Name
from wire.rrset import RRset
from wire.text import name_to_text

FOREVER: Final = float("inf")


class ZoneTrust:
    """What is known of the trust of one zone.

    Attributes:
        zone: the zone. `zone_trust(name)` gives a ZoneTrust of another, enclosing zone when `name` is no zone cut.
        security: SECURE, INSECURE or BOGUS; `reason`, `text`, `notes`: why; `at`: the zone the reason is about, which is an
            ancestor when the state is inherited.
        keys: the validated keys, when SECURE.
        parent: the zone whose DS or denial of DS decided; None at a trust point.
        point: the trust point, when the zone is one.
        ds, ds_signature: the DS RRset and the signature that holds for it; `denial`: the proof that there is none.
        dnskey, dnskey_signature: the DNSKEY RRset as received and what came of verifying it.
        servers: who gave the DS (or its denial) and the DNSKEY RRset, and who gave bad ones.
        expires_mono: when to look again; `valid_until_wall`: when the first signature of the link expires.
        generation: of the trust points it was concluded under.
    """

    __slots__ = (
        "_verdict",
        "at",
        "denial",
        "dnskey",
        "dnskey_signature",
        "ds",
        "ds_signature",
        "expires_mono",
        "generation",
        "keys",
        "notes",
        "parent",
        "point",
        "reason",
        "security",
        "servers",
        "text",
        "valid_until_wall",
        "zone",
    )

    def __init__(
        self,
        zone: Name,
        security: Security,
        reason: Reason,
        text: str = "",
        *,
        at: Name | None = None,
        notes: tuple[Note, ...] = (),
        parent: "ZoneTrust | None" = None,
        expires_mono: float = 0.0,
        valid_until_wall: float = FOREVER,
        generation: int = 0,
    ) -> None:
        self.zone = zone
        self.security = security
        self.reason = reason
        self.text = text
        self.at = zone if at is None else at
        self.notes = notes
        self.parent = parent
        self.expires_mono = expires_mono
        self.valid_until_wall = valid_until_wall
        self.generation = generation
        self._verdict: Verdict | None = None
        self.keys: KeySet | None = None
        self.point: TrustPoint | None = None
        self.ds: RRset | None = None
        self.ds_signature: SignatureResult | None = None
        self.denial: Denial | None = None
        self.dnskey: RRset | None = None
        self.dnskey_signature: SignatureResult | None = None
        self.servers: Sequence[Address] = ()

    @property
    def secure(self) -> bool:
        """Whether `keys` may be used."""
        return self.security is Security.SECURE

    @property
    def verdict(self) -> Verdict:
        """The state as a verdict: of data that is as secure as the zone. Made once."""
        made = self._verdict
        if made is None:
            made = self._verdict = Verdict(self.security, self.reason, self.at, self.text, self.notes)
        return made

    def is_fresh(self, now: Now, generation: int) -> bool:
        """Whether it may still be used. Both clocks count: a corrected wall clock must not leave an expired signature in
        use.
        """
        return self.generation == generation and now.mono < self.expires_mono and now.wall <= self.valid_until_wall

    def inherited_by(self, zone: Name) -> "ZoneTrust":
        """The state of a zone below this one, which is not secure."""
        return ZoneTrust(
            zone,
            self.security,
            self.reason,
            self.text,
            at=self.at,
            notes=self.notes,
            parent=self,
            expires_mono=self.expires_mono,
            valid_until_wall=self.valid_until_wall,
            generation=self.generation,
        )

    def without_cut(self, denial: Denial | None, expires_mono: float, valid_until_wall: float) -> "ZoneTrust":
        """This zone's state as that of a name in it which is no zone cut: the same, until the denial of a cut ends."""
        copy = ZoneTrust(
            self.zone,
            self.security,
            self.reason,
            self.text,
            at=self.at,
            notes=self.notes,
            parent=self.parent,
            expires_mono=min(self.expires_mono, expires_mono),
            valid_until_wall=min(self.valid_until_wall, valid_until_wall),
            generation=self.generation,
        )
        copy.keys, copy.point = self.keys, self.point
        copy.ds, copy.ds_signature = self.ds, self.ds_signature
        copy.dnskey, copy.dnskey_signature = self.dnskey, self.dnskey_signature
        copy.servers = self.servers
        copy.denial = denial
        return copy

    def __repr__(self) -> str:
        return f"ZoneTrust({self.zone!r}, {self.security.value}, {self.reason.name}, {self.text!r})"


class ZoneStore(Protocol):
    """Where states are kept between resolutions, by the name asked for. A dict will do; the resolver bounds its own."""

    def get(self, name: Name, /) -> ZoneTrust | None:
        """The state kept for the name, fresh or not."""

    def __setitem__(self, name: Name, trust: ZoneTrust, /) -> None: ...


class View(Protocol):
    """What the validator sees of the resolution that it works for."""

    @property
    def points(self) -> TrustPoints:
        """Trust points and NTAs of now."""

    @property
    def policy(self) -> Policy:
        """The operator's choices."""

    @property
    def budget(self) -> Budget:
        """What this resolution has spent."""

    @property
    def zones(self) -> ZoneStore:
        """States known already."""

    def cut(self, zone: Name) -> Cut | None:
        """The live delegation of exactly this zone, if iteration knows it.

        Its `expires_mono` is no later than the end of the TTL of its DS RRset or denial.
        """

    def closest_cut(self, name: Name) -> Cut:
        """The deepest live cut at or above the name; the root's if there is no other."""


def nta_trust(zone: Name, nta: Nta, generation: int) -> ZoneTrust:
    """The state of a zone under an NTA. It is never kept: the NTA may end any second."""
    return ZoneTrust(zone, Security.INSECURE, Reason.NTA, nta_text(nta), at=nta.name, generation=generation)


def nta_text(nta: Nta) -> str:
    """The text of EDE 33: the NTA's name and expiry."""
    if nta.expires_wall is None:
        return f"NTA for {name_to_text(nta.name)}, configured without expiry"
    return f"NTA for {name_to_text(nta.name)} until {time_text(nta.expires_wall)}"


def untrusted(zone: Name, generation: int) -> ZoneTrust:
    """The state of a zone above and at which there is no trust anchor (RFC 4035 §4.3: indeterminate; answered as
    insecure).
    """
    text = f"no trust anchor at or above {name_to_text(zone)}"
    return ZoneTrust(zone, Security.INSECURE, Reason.NO_TRUST_POINT, text, generation=generation)
