"""Rules by domain name: exact ones, and wildcards for names below a name.

Theory: two dictionaries of rules. As in any zone (RFC 4592) a wildcard stands for a name only when nothing nearer exists:
neither a rule, nor an empty non-terminal that a longer rule makes. So for each name that has something below it is counted
how much (`_inner`): it exists as long as that is not nothing. Keys are whole names, values shared constants for all rules
but those with data.
"""

from collections.abc import Iterator

from resolver.policy.rule import Rule
from wire.name import ROOT, Name, is_wildcard, wildcard


class NameTable:
    """Rules by name. A key with a leading asterisk label is a wildcard."""

    __slots__ = ("_below", "_exact", "_inner")

    def __init__(self) -> None:
        self._exact: dict[Name, Rule] = {}
        self._below: dict[Name, Rule] = {}
        self._inner: dict[Name, int] = {}

    def __len__(self) -> int:
        return len(self._exact) + len(self._below)

    def get(self, key: Name) -> Rule | None:
        """The rule under exactly this key."""
        return self._below.get(key[2:]) if is_wildcard(key) else self._exact.get(key)

    def put(self, key: Name, rule: Rule) -> None:
        """Add or replace a rule."""
        if is_wildcard(key):
            above = key[2:]
            if above not in self._below:
                self._grow(above)
            self._below[above] = rule
            return
        if key not in self._exact and key not in self._inner and key != ROOT:
            self._grow(key[key[0] + 1 :])
        self._exact[key] = rule

    def drop(self, key: Name) -> None:
        """Remove the rule under a key, if there is one."""
        if is_wildcard(key):
            if self._below.pop(key[2:], None) is not None:
                self._shrink(key[2:])
        elif self._exact.pop(key, None) is not None and key not in self._inner and key != ROOT:
            self._shrink(key[key[0] + 1 :])

    def _grow(self, above: Name) -> None:
        """Something new exists directly below a name."""
        inner = self._inner
        while (count := inner.get(above)) is None:
            inner[above] = 1
            if above == ROOT or above in self._exact:
                return
            above = above[above[0] + 1 :]
        inner[above] = count + 1

    def _shrink(self, above: Name) -> None:
        """Something directly below a name exists no longer."""
        inner = self._inner
        while inner[above] == 1:
            del inner[above]
            if above == ROOT or above in self._exact:
                return
            above = above[above[0] + 1 :]
        inner[above] -= 1

    def find(self, name: Name) -> tuple[Name, Rule] | None:
        """The rule for a name, with its key."""
        rule = self._exact.get(name)
        if rule is not None:
            return name, rule
        below = self._below
        if not below or name in self._inner:
            return None
        while name != ROOT:
            name = name[name[0] + 1 :]
            if name in self._inner or name in self._exact:
                # The closest encloser: its wildcard, or none (RFC 4592 §3.3.1).
                rule = below.get(name)
                return None if rule is None else (wildcard(name), rule)
        return None

    def items(self) -> Iterator[tuple[Name, Rule]]:
        """Every key with its rule."""
        yield from self._exact.items()
        for name, rule in self._below.items():
            yield wildcard(name), rule
