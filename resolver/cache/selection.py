"""Which part of the memory an operator means: a name, a subtree, a type, only what is bogus."""

from dataclasses import dataclass

from trust.vocabulary import Security
from wire.name import ROOT, Name, is_subdomain


@dataclass(frozen=True, slots=True)
class Selection:
    """What is meant; the default is everything.

    Attributes:
        name: the name; `subtree`: with all that is below it.
        rtype: only data of this type; None: of every type.
        bogus: only what validation refused, and remembered failures.
    """

    name: Name = ROOT
    subtree: bool = True
    rtype: int | None = None
    bogus: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.name == ROOT and self.subtree and self.rtype is None and not self.bogus

    def covers(self, name: Name) -> bool:
        """Whether the name is meant, whatever the type."""
        return name == self.name or (self.subtree and is_subdomain(name, self.name))

    def covers_type(self, rtype: int) -> bool:
        """Whether the type is meant."""
        return self.rtype is None or self.rtype == rtype

    def covers_security(self, security: Security | None) -> bool:
        """Whether data with this verdict (None: unchecked) is meant."""
        return not self.bogus or security is Security.BOGUS
