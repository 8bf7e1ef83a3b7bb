"""Names that must be found although our clock is wrong: those of the servers that set it (`clock.ntp-names`).

The deadlock: the system's time daemon asks us for the address of `ntp.example`, a signed name; our clock is an hour off, so
its signatures count as expired; so the time daemon gets no address, and the clock stays wrong.

The way out: for the configured names, for addresses only, and only while the clock is known to be wrong or nobody could say
that it is right, an answer that fails for reasons of time is validated once more without regard to times. Every signature
must still verify by the chain of trust, and everything else must hold. What passes is answered as INSECURE, never with AD,
with the Extended DNS Error of what failed (7, 8) beside it; it is not remembered as valid. What fails for any other reason
stays bogus.

The risk: while the clock is not verified, somebody on the way can replay expired signed data for these names. He gains that
a time daemon asks an address which was once the name's; NTP itself must withstand a bad server (RFC 8633 §4).

RFC 4035 §5.3.1 (times), RFC 8633 §4 (time servers' names), guideline 2-3.
"""

from dataclasses import replace
from typing import Final

from resolver.cache.memory import Memory, View, ZoneTrusts
from resolver.resolve.link import Link
from trust.policy import Policy
from trust.reason import Reason
from trust.validate import validate
from trust.vocabulary import Question, Security, Steps, Verdict
from wire import types as t
from wire.limits import BOGUS_TTL
from wire.name import is_subdomain

_OF_TIME: Final = frozenset((Reason.SIGNATURE_EXPIRED, Reason.SIGNATURE_NOT_YET_VALID))
_ADDRESSES: Final = frozenset((t.A, t.AAAA))
EXCUSE: Final = "; answered all the same (clock.ntp-names)"


class TimelessView(View):
    """A view that looks at no times; zone trust is built anew for it and forgotten with it."""

    __slots__ = ("_policy", "_zones")

    def __init__(self, view: View) -> None:
        super().__init__(view.memory, view.budget, view.now)
        self._policy = replace(view.memory.policy, timeless=True)
        self._zones = ZoneTrusts(view.memory.answers, view.memory.delegations)

    @property
    def policy(self) -> Policy:
        """The operator's, without times."""
        return self._policy

    @property
    def zones(self) -> ZoneTrusts:
        """Only what this view has seen."""
        return self._zones


def is_excusable(question: Question, memory: Memory) -> bool:
    """Whether a client's question may be answered in spite of times, now."""
    names = memory.settings.ntp_names
    if not names or memory.clock_verified or question.rtype not in _ADDRESSES:
        return False
    return any(is_subdomain(question.name, name) for name in names)


def excuse(link: Link, view: View) -> Steps[Link]:
    """A bogus link, or what it is when times do not count: insecure."""
    validated = link.validated
    if validated is None or validated.verdict.security is not Security.BOGUS or validated.verdict.reason not in _OF_TIME:
        return link
    timeless = yield from validate(link.step, TimelessView(view), view.now)
    if timeless.verdict.security not in (Security.SECURE, Security.INSECURE):
        return link
    was = validated.verdict
    timeless.verdict = Verdict(Security.INSECURE, was.reason, was.at, was.text + EXCUSE, was.notes)
    return Link(link.step, timeless, min(link.expires, view.now.mono + BOGUS_TTL))
