"""Rules by domain name: exact ones, and wildcards for everything below a name.

Theory: two dictionaries. An exact rule goes before a wildcard, a longer wildcard before a shorter
(draft-vixie-dnsop-dns-rpz-00 §5.3). Keys are whole names, values shared constants for all rules but those with data.

Deviation: a wildcard covers every name below it, also where a longer exact rule makes an empty non-terminal in between;
RFC 4592 would have that hide the wildcard, which nobody who writes a block list means.
"""

from collections.abc import Iterator

from resolver.policy.rule import Rule
from wire.name import ROOT, Name, is_wildcard, wildcard


class NameTable:
    """Rules by name. A key with a leading asterisk label is a wildcard."""

    __slots__ = ("_below", "_exact")

    def __init__(self) -> None:
        self._exact: dict[Name, Rule] = {}
        self._below: dict[Name, Rule] = {}

    def __len__(self) -> int:
        return len(self._exact) + len(self._below)

    def get(self, key: Name) -> Rule | None:
        """The rule under exactly this key."""
        return self._below.get(key[2:]) if is_wildcard(key) else self._exact.get(key)

    def put(self, key: Name, rule: Rule) -> None:
        """Add or replace a rule."""
        if is_wildcard(key):
            self._below[key[2:]] = rule
        else:
            self._exact[key] = rule

    def drop(self, key: Name) -> None:
        """Remove the rule under a key, if there is one."""
        if is_wildcard(key):
            self._below.pop(key[2:], None)
        else:
            self._exact.pop(key, None)

    def find(self, name: Name) -> tuple[Name, Rule] | None:
        """The rule for a name, with its key."""
        rule = self._exact.get(name)
        if rule is not None:
            return name, rule
        below = self._below
        if below:
            while name != ROOT:
                name = name[name[0] + 1 :]
                rule = below.get(name)
                if rule is not None:
                    return wildcard(name), rule
        return None

    def items(self) -> Iterator[tuple[Name, Rule]]:
        """Every key with its rule."""
        yield from self._exact.items()
        for name, rule in self._below.items():
            yield wildcard(name), rule
