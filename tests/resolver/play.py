"""A play for the pure core: what it asks, line by line, and what the world replies.

    play = Play(iterate(question, view, everything))
    play.asks(ROOT_SERVER, "www.example.", "A").replies(referral(…))
    outcome = play.returns()

Time passes only when a reply says so.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from resolver.cache.memory import Memory, View
from resolver.settings import Minimise, Settings
from trust.anchors import TrustPoint, TrustPoints
from trust.policy import Budget, Policy
from trust.vocabulary import Address, Ask, Effect, Need, Now, Outcome, Question, Reply, Step, Steps, Transport, Trouble
from wire import types as t
from wire.edns import Edns
from wire.message import Message
from wire.name import ROOT
from wire.text import name_from_text, rrsets_from_text, type_from_text

R = TypeVar("R")
ROOT_SERVER = "198.51.100.1"
START = Now(1_700_000_000.0, 1000.0)


class Half:
    """Dice that always show the middle."""

    def random(self) -> float:
        return 0.5


def question(name: str, rtype: str = "A") -> Question:
    """A question from text."""
    return Question(name_from_text(name), type_from_text(rtype))


def settings(**changes: Any) -> Settings:
    """Settings with one root server and everything that asks by itself off."""
    plain: dict[str, Any] = {
        "root": {name_from_text("ns.root."): [Address(ROOT_SERVER, 53)]},
        "prime": False,
        "minimise": Minimise.OFF,
        "private_servers": True,
    }
    return Settings(**(plain | changes))


def view(points: list[TrustPoint] | None = None, **changes: Any) -> View:
    """A view of an empty memory."""
    memory = Memory(settings(**changes), TrustPoints(points or []), Policy(), Half())
    return View(memory, Budget(), START)


def message(
    answer: str = "", authority: str = "", additional: str = "", *, rcode: int = t.NOERROR, flags: int = t.QR | t.AA
) -> Message:
    """An authority's answer from zone-file text."""
    out = Message(0, flags | rcode)
    out.answer = rrsets_from_text(answer)
    out.authority = rrsets_from_text(authority)
    out.additional = rrsets_from_text(additional)
    out.edns = Edns(1232)
    return out


def referral(authority: str, additional: str = "") -> Message:
    """A referral: no AA."""
    return message("", authority, additional, flags=t.QR)


class Play(Generic[R]):
    """Drives one generator and checks each of its lines."""

    def __init__(self, generator: Steps[R], seen: View | None = None) -> None:
        self._generator = generator
        self._view = seen
        self.now = START
        self.effect: Effect | None = None
        self.result: R | None = None
        self.over = False
        self._go(lambda: next(generator))

    def _go(self, step: Callable[[], Effect]) -> None:
        try:
            self.effect = step()
        except StopIteration as stop:
            self.effect, self.result, self.over = None, stop.value, True

    def asks(
        self, ip: str, name: str, rtype: str = "A", *, over: Transport = Transport.UDP, edns: bool = True
    ) -> "Play[R]":
        """The next line is this packet."""
        assert isinstance(self.effect, Ask), f"{self.effect!r} instead of a packet; result {self.result!r}"
        seen = (self.effect.server.ip, self.effect.qname, self.effect.qtype, self.effect.transport, self.effect.edns)
        assert seen == (ip, *question(name, rtype), over, edns)
        return self

    def needs(self, name: str, rtype: str) -> "Play[R]":
        """The next line is this sub-resolution."""
        assert isinstance(self.effect, Need), f"{self.effect!r} instead of a need; result {self.result!r}"
        assert self.effect.question == question(name, rtype)
        return self

    def replies(self, reply: Message | Trouble | Outcome | Step, *, after_s: float = 0.01, text: str = "") -> "Play[R]":
        """The world's answer, `after_s` seconds later."""
        self.now = Now(self.now.wall + after_s, self.now.mono + after_s)
        if self._view is not None:
            self._view.now = self.now
        if isinstance(reply, Step):
            reply = Outcome(Question(reply.name, reply.rtype), [reply])
        out = Reply(
            self.now,
            reply if isinstance(reply, Message) else None,
            reply if isinstance(reply, Outcome) else None,
            reply if isinstance(reply, Trouble) else None,
            after_s,
            text,
        )
        self._go(lambda: self._generator.send(out))
        return self

    def returns(self) -> R:
        """The play is over; its result."""
        assert self.over, f"still asks {self.effect!r}"
        assert self.result is not None
        return self.result


__all__ = ["ROOT", "ROOT_SERVER", "Half", "Play", "message", "question", "referral", "settings", "view"]
