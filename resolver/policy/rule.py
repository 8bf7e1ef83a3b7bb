"""What a rule of a policy zone does, and what found it.

draft-vixie-dnsop-dns-rpz-00 §3 (actions), §4 (triggers).
"""

from enum import Enum
from typing import Final, TypeAlias


class Action(Enum):
    """What becomes of an answer. The value is a metric's label."""

    NXDOMAIN = "nxdomain"
    """The name does not exist."""
    NODATA = "nodata"
    """The name has no such data."""
    PASSTHRU = "passthru"
    """The answer stays as it is, whatever later rules say."""
    DROP = "drop"
    """No answer at all."""
    TCP_ONLY = "tcp-only"
    """Over UDP a truncated answer, over TCP the true one."""
    DATA = "data"
    """Other data in place of the true one."""
    REFUSED = "refused"
    """RCODE REFUSED; of local zones only."""


class Trigger(Enum):
    """What a rule looks at. The value is used in texts and messages."""

    CLIENT_IP = "client-ip"
    """The client's address."""
    QNAME = "qname"
    """The name asked for, or one that an alias led to."""
    RESPONSE_IP = "ip"
    """An address in the answer."""
    NSDNAME = "nsdname"
    """The name of a server of the zone."""
    NSIP = "nsip"
    """The address of a server of the zone."""
    LOCAL = "local"
    """A local zone of the configuration."""


class Override(Enum):
    """What the operator makes of a whole zone's rules, whatever they say themselves."""

    GIVEN = "given"
    """What each rule says."""
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    PASSTHRU = "passthru"
    DROP = "drop"
    TCP_ONLY = "tcp-only"
    DISABLED = "disabled"
    """Nothing: it is only counted and logged what would have been."""

    @property
    def action(self) -> Action | None:
        """The action in place of the rule's own; None when the rule's own counts, or none does."""
        if self is Override.GIVEN or self is Override.DISABLED:
            return None
        return Action(self.value)


class Data:
    """Local data of a rule: type → TTL and RDATA (canonical, as in an RRset)."""

    __slots__ = ("sets",)

    def __init__(self, sets: dict[int, tuple[int, list[bytes]]] | None = None) -> None:
        self.sets: dict[int, tuple[int, list[bytes]]] = {} if sets is None else sets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and self.sets == other.sets

    def __hash__(self) -> int:
        return hash(tuple(self.sets))


Rule: TypeAlias = Action | Data

ACTIONS: Final = tuple(Action)
"""In the order of their numbers in messages."""
