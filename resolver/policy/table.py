"""The rules of one policy zone, by trigger, and their way through a message or a file.

Theory: a table is filled record by record (`rpz.add`), so that an incremental transfer changes it in place. It travels in
slices of a few thousand rules, each a JSON object, and no more than one slice is ever worked on without a pause:

    {"qname": {"<name>": 0, "<name>": {"1": [60, ["c0000201"]]}}, "nsip": {"<bits>/<hex>": 3}}

Names are their wire octets read as Latin-1, a number is an action, an object is local data: type → TTL and RDATA.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from resolver.policy.names import NameTable
from resolver.policy.prefixes import Prefix, PrefixTable
from resolver.policy.rule import ACTIONS, Data, Rule, Trigger
from wire.name import Name

SLICE: Final = 4000
"""Rules in a slice."""

Document: TypeAlias = dict[str, Any]
Key: TypeAlias = Name | Prefix

_NUMBERS: Final = {action: number for number, action in enumerate(ACTIONS)}


class Soa(NamedTuple):
    """What the zone's SOA says: `rdata` as a whole, and its numbers, seconds but for the serial."""

    rdata: bytes
    ttl: int
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int

    @classmethod
    def of(cls, rdata: bytes, ttl: int) -> "Soa":
        """From RDATA; raises ValueError when it is too short to be one."""
        if len(rdata) < 22:
            raise ValueError("a malformed SOA record")
        numbers = [int.from_bytes(rdata[pos : pos + 4], "big") for pos in range(len(rdata) - 20, len(rdata), 4)]
        return cls(rdata, ttl, *numbers)


class ZoneTable:
    """Rules by trigger.

    Attributes:
        soa: the zone's; None while there is none. ignored: records that are no rule that we know.
    """

    __slots__ = ("client_ip", "ignored", "nsdname", "nsip", "qname", "response_ip", "soa")

    def __init__(self) -> None:
        self.client_ip = PrefixTable()
        self.qname = NameTable()
        self.response_ip = PrefixTable()
        self.nsdname = NameTable()
        self.nsip = PrefixTable()
        self.soa: Soa | None = None
        self.ignored = 0

    def __len__(self) -> int:
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Rules by trigger."""
        return {
            trigger.value: len(self.prefixes(trigger) if trigger in _BY_ADDRESS else self.names(trigger))
            for trigger in RPZ_TRIGGERS
        }

    def names(self, trigger: Trigger) -> NameTable:
        """The table of a trigger that looks at names."""
        return self.nsdname if trigger is Trigger.NSDNAME else self.qname

    def prefixes(self, trigger: Trigger) -> PrefixTable:
        """The table of a trigger that looks at addresses."""
        if trigger is Trigger.CLIENT_IP:
            return self.client_ip
        return self.nsip if trigger is Trigger.NSIP else self.response_ip

    def get(self, trigger: Trigger, key: Key) -> Rule | None:
        """The rule under exactly this key."""
        if isinstance(key, Prefix):
            return self.prefixes(trigger).get(key)
        return self.names(trigger).get(key)

    def put(self, trigger: Trigger, key: Key, rule: Rule) -> None:
        """Add or replace a rule."""
        if isinstance(key, Prefix):
            self.prefixes(trigger).put(key, rule)
        else:
            self.names(trigger).put(key, rule)

    def drop(self, trigger: Trigger, key: Key) -> None:
        """Remove a rule."""
        if isinstance(key, Prefix):
            self.prefixes(trigger).drop(key)
        else:
            self.names(trigger).drop(key)

    @property
    def waits(self) -> bool:
        """Whether some rule can only be decided when the true answer is there."""
        return bool(len(self.response_ip) or len(self.nsdname) or len(self.nsip))

    # --- slices --------------------------------------------------------------------------------------------------

    def slices(self, size: int = SLICE) -> Iterator[Document]:
        """All rules, so many at a time; at least one slice."""
        slice_: Document = {}
        count = sent = 0
        for trigger in RPZ_TRIGGERS:
            items = self.prefixes(trigger).items() if trigger in _BY_ADDRESS else self.names(trigger).items()
            for key, rule in items:
                slice_.setdefault(trigger.value, {})[encode_key(key)] = encode_rule(rule)
                count += 1
                if count == size:
                    yield slice_
                    slice_, count, sent = {}, 0, sent + 1
        if slice_ or not sent:
            yield slice_

    def take(self, slice_: Mapping[str, Mapping[str, Any]]) -> None:
        """Add a slice. A rule that is None is removed."""
        for label, rules in slice_.items():
            trigger = Trigger(label)
            if trigger in _BY_ADDRESS:
                for key, rule in rules.items():
                    self._set(trigger, decode_prefix(key), rule)
                continue
            names = self.names(trigger)
            for key, rule in rules.items():
                if isinstance(rule, int):
                    names.put(key.encode("latin-1"), ACTIONS[rule])
                else:
                    self._set(trigger, key.encode("latin-1"), rule)

    def _set(self, trigger: Trigger, key: Key, rule: Any) -> None:
        if rule is None:
            self.drop(trigger, key)
        else:
            self.put(trigger, key, decode_rule(rule))


RPZ_TRIGGERS: Final = (Trigger.CLIENT_IP, Trigger.QNAME, Trigger.RESPONSE_IP, Trigger.NSDNAME, Trigger.NSIP)
"""In the order in which they go before each other (draft-vixie-dnsop-dns-rpz-00 §5.4)."""
_BY_ADDRESS: Final = frozenset((Trigger.CLIENT_IP, Trigger.RESPONSE_IP, Trigger.NSIP))


def encode_key(key: Key) -> str:
    """A key as text."""
    return f"{key.bits}/{key.number:x}" if isinstance(key, Prefix) else key.decode("latin-1")


def decode_prefix(text: str) -> Prefix:
    """The reverse for a prefix."""
    bits, _, number = text.partition("/")
    return Prefix(int(bits), int(number, 16))


def encode_rule(rule: Rule | None) -> Any:
    """A rule as JSON."""
    if isinstance(rule, Data):
        return {str(rtype): [ttl, [rdata.hex() for rdata in rdatas]] for rtype, (ttl, rdatas) in rule.sets.items()}
    return None if rule is None else _NUMBERS[rule]


def decode_rule(document: Any) -> Rule:
    """The reverse."""
    if isinstance(document, int):
        return ACTIONS[document]
    return Data(
        {int(rtype): (ttl, [bytes.fromhex(rdata) for rdata in rdatas]) for rtype, (ttl, rdatas) in document.items()}
    )
