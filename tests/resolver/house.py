"""The mesh among signed zones: clients above, authorities below, and time that passes with packets or when told to.

    house = House(root, jp, example)
    house.ask("www.example.jp").security is Security.SECURE

`ask` lets everything run until the answer is there. For what happens in between, `begin` submits and leaves the packets in
`waiting`; `deliver` and `run` answer them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from resolver.mesh import Action, Finish, Forget, Mesh, Send
from resolver.resolution import Resolution
from tests.resolver.play import Half, question, settings
from tests.trust.zones import NOW, SignedZone
from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.policy import Policy
from trust.vocabulary import Address, Ask, Kind, Now, Reply, Trouble
from wire import types as t
from wire.edns import Edns
from wire.message import Message
from wire.name import ROOT, Name, is_subdomain
from wire.rrset import RRset
from wire.text import name_from_text, name_to_text, type_to_text

Change = Callable[[Ask, Message], Message | Trouble]
"""What a server does to its own answer."""
PACKET_S = 0.001


class House:
    """A mesh that trusts the first zone, the root, and the zones' servers around it.

    Each zone is served at its `server`, and at `more[origin]`. `changes`: what servers do to their answers, by address.
    """

    def __init__(self, *zones: SignedZone, more: dict[str, tuple[str, ...]] | None = None, **changes: Any) -> None:
        self.zones = {zone.origin: zone for zone in zones}
        self.servers = {zone.origin: [zone.server.ip, *(more or {}).get(name_to_text(zone.origin), ())] for zone in zones}
        hints = {name_from_text("ns1."): [Address(ip, 53) for ip in self.servers[ROOT]]}
        self.points = TrustPoints([TrustPoint(ROOT, [zones[0].ksk.ds(ROOT)])])
        self.mesh = Mesh(settings(**({"root": hints} | changes)), self.points, Policy(), Half())
        self.now = Now(float(NOW), 1000.0)
        self.changes: dict[str, Change] = {}
        self.asked: list[Ask] = []
        self.waiting: dict[int, Ask] = {}
        self.finished: dict[object, Resolution] = {}

    # --- clients ---------------------------------------------------------------------------------------------------

    def ask(self, name: str, rtype: str = "A", *, cd: bool = False) -> Resolution:
        """A client asks; everything runs until it has its answer."""
        token = object()
        self.begin(token, name, rtype, cd=cd)
        self.run()
        return self.finished.pop(token)

    def begin(self, token: object, name: str, rtype: str = "A", *, cd: bool = False) -> None:
        """A client asks; its packets wait."""
        self._take(self.mesh.submit(token, question(name, rtype), self.now, checking_disabled=cd))

    def packets(self) -> int:
        """Packets since the last call."""
        count = len(self.asked)
        self.asked.clear()
        return count

    # --- time and packets --------------------------------------------------------------------------------------------

    def deliver(self, asked: str) -> None:
        """Answer the first waiting packet with this question, as "name type"."""
        for ask_id, ask in self.waiting.items():
            if _text(ask) == asked:
                self._answer(ask_id)
                return
        raise AssertionError(f"nobody waits for {asked!r}: {[_text(ask) for ask in self.waiting.values()]}")

    def deliver_first(self) -> None:
        """Answer the packet that has waited longest."""
        self._answer(next(iter(self.waiting)))

    def waiting_texts(self) -> list[str]:
        """The questions whose packets wait, as "name type"."""
        return [_text(ask) for ask in self.waiting.values()]

    def run(self) -> None:
        """Answer packets until there are no more."""
        while self.waiting:
            self._answer(next(iter(self.waiting)))

    def passes(self, seconds: float) -> None:
        """Time passes; what is over its deadline ends."""
        self.now = Now(self.now.wall + seconds, self.now.mono + seconds)
        deadline = self.mesh.next_deadline()
        if deadline is not None and deadline <= self.now.mono:
            self._take(self.mesh.expire(self.now))

    def _take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.waiting[action.ask_id] = action.ask
                self.asked.append(action.ask)
            elif isinstance(action, Forget):
                self.waiting.pop(action.ask_id, None)
            elif isinstance(action, Finish):
                self.finished[action.token] = action.resolution

    def _answer(self, ask_id: int) -> None:
        ask = self.waiting.pop(ask_id)
        said = self._say(ask)
        late = ask.timeout_s if said is Trouble.TIMEOUT else PACKET_S
        self.passes(late)
        reply = Reply(self.now, said) if isinstance(said, Message) else Reply(self.now, trouble=said)
        self._take(self.mesh.reply(ask_id, reply))

    # --- trust -------------------------------------------------------------------------------------------------------

    def suspends(self, *names: str) -> None:
        """These negative trust anchors, and no others, come into force."""
        self.points = self.points.with_ntas([Nta(name_from_text(name), "test") for name in names])
        self.mesh.set_trust(self.points)

    # --- authorities -------------------------------------------------------------------------------------------------

    def _say(self, ask: Ask) -> Message | Trouble:
        """What the server says: of the deepest of its zones that encloses the name, a DS from above."""
        strict = ask.qtype == t.DS
        held = [
            origin
            for origin, ips in self.servers.items()
            if ask.server.ip in ips and is_subdomain(ask.qname, origin) and not (strict and origin == ask.qname != ROOT)
        ]
        out = Message(0, t.QR | t.AA)
        out.edns = Edns(1232)
        if not held:
            out.flags = t.QR | t.REFUSED
        else:
            self._fill(out, self.zones[max(held, key=len)], ask)
        change = self.changes.get(ask.server.ip)
        return change(ask, out) if change is not None else out

    def _fill(self, out: Message, zone: SignedZone, ask: Ask) -> None:
        """The zone's answer, with the targets of aliases as far as the zone itself reaches."""
        name: Name | None = ask.qname
        while name is not None and is_subdomain(name, zone.origin):
            child = next((child for child in zone.children if is_subdomain(name, child)), None)
            if child is not None and not (ask.qtype == t.DS and name == child):
                if name == ask.qname:
                    self._refer(out, zone, child)
                return
            step = zone.step(name, ask.qtype)
            out.answer += step.rrsets
            out.authority += [rrset for rrset in step.authority if rrset not in out.authority]
            if step.kind is Kind.NXDOMAIN:
                out.flags |= t.NXDOMAIN
            name = step.target

    def _refer(self, out: Message, zone: SignedZone, child: Name) -> None:
        cut = zone.cut(child)
        ns = zone.data[child, t.NS]
        out.flags = t.QR
        out.authority = [ns, *([cut.ds] if cut.ds is not None else cut.denial)]
        glue = [bytes(int(octet) for octet in ip.split(".")) for ip in self.servers.get(child, ())]
        out.additional = [RRset(ns.rdatas[0], t.A, 3600, glue)] if glue else []


def _text(ask: Ask) -> str:
    return f"{name_to_text(ask.qname)} {type_to_text(ask.qtype)}"


def broken(rtype: int | None = None, name: str | None = None) -> Change:
    """Signatures that do not verify: over the sets of a type, of a name; over all."""

    def change(ask: Ask, out: Message) -> Message:
        for section in (out.answer, out.authority):
            for place, rrset in enumerate(section):
                if (rtype is None or rrset.rtype == rtype) and (name is None or rrset.name == name_from_text(name)):
                    sigs = [sig[:-1] + bytes((sig[-1] ^ 1,)) for sig in rrset.sigs]
                    section[place] = RRset(rrset.name, rrset.rtype, rrset.ttl, rrset.rdatas, sigs)
        return out

    return change


def silent(ask: Ask, out: Message) -> Trouble:
    """No answer at all."""
    return Trouble.TIMEOUT
