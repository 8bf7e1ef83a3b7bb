"""An attacker on the path, at random: whatever is replayed, renamed, stripped or made up, nothing false is secure.

The attacker sees all that the zones ever say, owns evil.jp (properly delegated and signed) and its keys, and can answer any
question to the resolver as it likes: referrals, DS and DNSKEY answers, and the answer itself. Each game begins with a true
answer and changes a few things. Then: what is judged SECURE is what the zone says; what is judged INSECURE is at or below a
delegation that its parent proves to be unsigned (or that an opt-out span leaves open).
"""

import functools
import random

from tests.trust.playbook import World
from tests.trust.zones import KeyPair, SignedZone, corrupt, n, sign
from trust.policy import Budget
from trust.reason import Reason
from trust.validate import validate
from trust.vocabulary import Address, Cut, Kind, Security, Step, Verdict
from wire import types as t
from wire.name import ROOT, Name, ancestors, is_subdomain
from wire.rrset import RRset

RECORDS = """www A 192.0.2.7
www TXT "x"
a.ent A 192.0.2.8
*.w A 192.0.2.9
sub.w A 192.0.2.10
alias CNAME www
dd DNAME target.jp.
"""
DENIALS = (t.NSEC, t.NSEC3)


class Stage:
    """The zones, signed once, and all that the attacker can draw from."""

    def __init__(self, *, opt_out: bool, records: str = RECORDS, iterations: int = 0) -> None:
        self.opt_out = opt_out
        self.root = SignedZone(".")
        self.jp = SignedZone("jp", "txt TXT x\n", nsec3=opt_out, opt_out=opt_out, server="192.0.2.2")
        self.example = SignedZone("example.jp", records, server="192.0.2.3")
        self.n3 = SignedZone("n3.jp", records, nsec3=True, iterations=iterations, server="192.0.2.3")
        self.sub = SignedZone("sub.example.jp", "www A 192.0.2.7\n", server="192.0.2.3")
        self.unsigned = SignedZone("unsigned.jp", "www A 192.0.2.9\n", signed=False, server="192.0.2.5")
        self.evil = SignedZone(
            "evil.jp", "www A 203.0.113.66\n*.w A 203.0.113.67\n", keys=(KeyPair(13, 257, 9), KeyPair(13, 256, 9))
        )
        self.root.delegate(self.jp)
        for child in (self.example, self.n3, self.unsigned, self.evil):
            self.jp.delegate(child)
        self.example.delegate(self.sub)
        self.zones = (self.root, self.jp, self.example, self.n3, self.sub, self.unsigned, self.evil)
        for zone in self.zones:
            zone.sign()
        self.pool = [rrset for zone in self.zones for rrset in zone.data.values()]
        self.denials = [rrset for rrset in self.pool if rrset.rtype in DENIALS]
        names = "www X.ent ent a.ent x.w sub.w y.sub.w *.w alias x.dd nx x.www w dd".replace("X.", "b.").split()
        self.questions = [
            (n(f"{name}.{zone}"), rtype) for name in names for zone in ("example.jp", "n3.jp") for rtype in (t.A, t.TXT)
        ]
        apexes = ("example.jp", "n3.jp", "sub.example.jp", "jp", ".", "unsigned.jp")
        self.questions += [(n(zone), rtype) for zone in apexes for rtype in (t.DS, t.DNSKEY, t.SOA, t.NS, t.A, t.NSEC)]
        self.questions += [(n(name), t.A) for name in ("www.sub.example.jp", "nx.sub.example.jp", "nx.jp", "txt.jp", "nx")]
        self.questions += [(n("www.unsigned.jp"), t.A), (n("nx.unsigned.jp"), t.A), (n("www.example.jp"), t.DS)]
        self.names = [
            n(x) for x in ("www.example.jp", "example.jp", "sub.example.jp", "n3.jp", "jp", ".", "evil.jp", "unsigned.jp")
        ]

    def world(self) -> World:
        return World(*self.zones)


@functools.cache
def stage(opt_out: bool) -> Stage:
    return Stage(opt_out=opt_out)


class Attacker:
    """Changes to a true answer, and to what the resolver learns meanwhile."""

    def __init__(self, stage: Stage, world: World, dice: random.Random) -> None:
        self.stage, self.world, self.dice = stage, world, dice

    def sign(self, rrset: RRset) -> bytes:
        """A signature by evil.jp's keys that claims any signer, over the set as it is or as if it were a wildcard's."""
        dice = self.dice
        key = dice.choice((self.stage.evil.zsk, self.stage.evil.ksk))
        signer = dice.choice([*self.stage.names, *ancestors(rrset.name)])
        owner = rrset.name
        if dice.random() < 0.3 and owner != ROOT:
            owner = b"\1*" + dice.choice(ancestors(owner)[1:])
        sig = sign(rrset, key, signer, owner=owner)
        if dice.random() < 0.3:
            tag = dice.choice((self.stage.example.zsk.tag, self.stage.jp.zsk.tag, self.stage.n3.zsk.tag))
            sig = sig[:16] + tag.to_bytes(2, "big") + sig[18:]
        return sig

    def forged(self, rrset: RRset) -> RRset:
        """The set, changed in one way."""
        dice = self.dice
        copy = RRset(rrset.name, rrset.rtype, rrset.ttl, list(rrset.rdatas), list(rrset.sigs))
        match dice.randrange(8):
            case 0:
                copy.sigs = []
            case 1:
                copy.sigs = [corrupt(sig) for sig in copy.sigs]
            case 2 if copy.rdatas:
                copy.sigs = [self.sign(copy)]
            case 3 if copy.rdatas:
                copy.sigs.insert(0, self.sign(copy))
            case 4:
                copy.name = dice.choice(self.stage.questions)[0]
            case 5:
                other = dice.choice(self.stage.pool)
                copy.sigs = list(other.sigs)
            case 6:
                same = [x for x in self.stage.pool if x.rtype == copy.rtype]
                copy.rdatas = list(dice.choice(same).rdatas) if same else copy.rdatas
            case _ if copy.sigs:
                sig = copy.sigs[0]
                copy.sigs = [sig[:3] + bytes((dice.randrange(5),)) + sig[4:]]
        return copy

    def replayed(self, step: Step) -> Step:
        """The answer to another question, passed off as that to this one."""
        name, rtype = self.dice.choice(self.stage.questions)
        other = self.world.answer(name, rtype)
        target = self.dice.choice((other.target, step.target))
        rrsets = [
            RRset(step.name if self.dice.random() < 0.7 else r.name, r.rtype, r.ttl, r.rdatas, r.sigs) for r in other.rrsets
        ]
        return Step(step.name, step.rtype, other.kind, rrsets, other.authority, step.zone, step.server, target)

    def change(self, step: Step) -> Step:
        """One change of the answer or of the resolver's surroundings."""
        dice, stage = self.dice, self.stage
        match dice.randrange(11):
            case 0:
                return self.replayed(step)
            case 1 | 2 if step.rrsets:
                step.rrsets = [self.forged(rrset) for rrset in step.rrsets]
            case 3 if step.authority:
                place = dice.randrange(len(step.authority))
                step.authority = [*step.authority[:place], *step.authority[place + 1 :]]
            case 4 if step.authority:
                place = dice.randrange(len(step.authority))
                step.authority = [*step.authority[:place], self.forged(step.authority[place]), *step.authority[place + 1 :]]
            case 5:
                step.authority = [*step.authority, *dice.sample(stage.denials, 3)]
            case 6:
                step.kind = dice.choice((Kind.NODATA, Kind.NXDOMAIN))
                step.rrsets = []
                zone = self.world.holder(step.name)
                own = [r for r in stage.denials if is_subdomain(r.name, zone.origin)]
                step.authority = [*dice.sample(own or stage.denials, min(4, len(own or stage.denials)))]
            case 7:
                step.zone = dice.choice(ancestors(step.name))
            case 8:
                self.refer(dice.choice(ancestors(step.name)))
            case 9:
                name = dice.choice(ancestors(step.name))
                self.world.script[name, t.DS] = [self.answer_ds(name)]
            case _:
                name = dice.choice(ancestors(step.name))
                self.world.script[name, t.DNSKEY] = [self.answer_dnskey(name)]
        return step

    def refer(self, name: Name) -> None:
        """A referral to a name, true or not, with any DS or denial."""
        dice, stage = self.dice, self.stage
        if name == ROOT:
            return
        ds = None
        if dice.random() < 0.5:
            ds = RRset(name, t.DS, 300, [stage.evil.ksk.ds(name)])
            ds.sigs = [self.sign(ds)] if dice.random() < 0.7 else []
        denial = dice.sample(stage.denials, 3) if dice.random() < 0.7 else []
        above = dice.choice(ancestors(name)[1:])
        self.world.cuts[name] = Cut(name, above, {}, self.world.now.mono + 3600, ds, denial)

    def answer_ds(self, name: Name) -> Step:
        dice, stage = self.dice, self.stage
        server = Address("203.0.113.1", 53)
        if dice.random() < 0.4:
            ds = RRset(name, t.DS, 300, [stage.evil.ksk.ds(name)])
            ds.sigs = [self.sign(ds)]
            return Step(name, t.DS, Kind.ANSWER, [ds], [], ROOT, server)
        if dice.random() < 0.3:
            alias = RRset(name, t.CNAME, 300, [n("www.evil.jp")])
            alias.sigs = [self.sign(alias)] if dice.random() < 0.7 else []
            return Step(name, t.DS, Kind.CNAME, [alias], [], ROOT, server, n("www.evil.jp"))
        kind = dice.choice((Kind.NODATA, Kind.NXDOMAIN))
        return Step(name, t.DS, kind, [], dice.sample(stage.pool, 4) + dice.sample(stage.denials, 3), ROOT, server)

    def answer_dnskey(self, name: Name) -> Step:
        keys = RRset(name, t.DNSKEY, 300, [self.stage.evil.ksk.rdata, self.stage.evil.zsk.rdata])
        true = self.world.holder(name).data.get((name, t.DNSKEY))
        if true is not None and self.dice.random() < 0.5:
            keys.rdatas += true.rdatas
        keys.sigs = [sign(keys, self.stage.evil.ksk, name), *(true.sigs if true else [])]
        return Step(name, t.DNSKEY, Kind.ANSWER, [keys], [], ROOT, Address("203.0.113.1", 53))


def is_true(world: World, step: Step) -> bool:
    """Whether the zone that holds the name says so."""
    truth = world.holder(step.name, strict=step.rtype == t.DS).step(step.name, step.rtype)
    if step.rtype == t.NSEC and step.kind is Kind.ANSWER:
        found = world.holder(step.name).data.get((step.name, t.NSEC))
        above = world.holder(step.name, strict=True).data.get((step.name, t.NSEC))
        return any(x is not None and set(x.rdatas) == set(step.rrsets[0].rdatas) for x in (found, above))
    if truth.kind is not step.kind:
        return False
    if not step.rrsets:
        return True
    true, said = truth.rrsets[0], step.rrsets[0]
    return true == said and (step.kind is Kind.ANSWER or truth.target == step.target)


def may_be_insecure(stage: Stage, step: Step) -> bool:
    subject = step.name[step.name[0] + 1 :] if step.rtype == t.DS and step.name != ROOT else step.name
    if is_subdomain(subject, stage.unsigned.origin):
        return True
    below_jp = [name for name in ancestors(step.name) if len(ancestors(name)) == 3 and is_subdomain(name, stage.jp.origin)]
    # An opt-out span leaves open whether there is an unsigned delegation at a name without NSEC3.
    return stage.opt_out and any(not stage.jp.matching(name) for name in below_jp)


class Games:
    """Games on one stage: a true answer, some changes, and the verdict beside what the zones say."""

    def __init__(self, the_stage: Stage, dice: random.Random) -> None:
        self.stage, self.dice = the_stage, dice
        self.known = the_stage.world()
        for origin in ("example.jp", "n3.jp", "sub.example.jp", "evil.jp", "unsigned.jp"):
            self.known.trust(origin)

    def play(self) -> tuple[Verdict, int]:
        """One game; returns the verdict and how many changes were made. Asserts that nothing false is secure, nor kept."""
        the_stage, dice = self.stage, self.dice
        world = the_stage.world()
        if dice.random() < 0.5:
            world.zones = dict(self.known.zones)
        if dice.random() < 0.3:
            world.hidden = {n(x) for x in dice.sample(("example.jp", "sub.example.jp", "unsigned.jp", "n3.jp"), 2)}
        step = world.answer(*dice.choice(the_stage.questions))
        attacker = Attacker(the_stage, world, dice)
        changes = dice.randrange(5)
        for _ in range(changes):
            step = attacker.change(step)
        world.budget = Budget()
        verdict = world.play(validate(step, world, world.now)).verdict
        where = (step, verdict)
        if verdict.security is Security.SECURE:
            assert is_true(world, step), where
        elif verdict.security is Security.INSECURE:
            assert may_be_insecure(the_stage, step), where
        elif not changes:
            assert verdict.reason is Reason.VALID, where
        for kept in world.zones.values():
            # Nor is anything kept that would harm the next question.
            assert not kept.secure or kept.zone in (zone.origin for zone in the_stage.zones), where
            if kept.secure:
                assert kept.keys is not None and {k.rdata for k in kept.keys.keys} <= set(
                    world.by_name[kept.zone].data[kept.zone, t.DNSKEY].rdatas
                ), where
        return verdict, changes
