"""Signed authorities that attack a validator, beside those of `attacks`: the same mini-Internet, its root signed.

    root        127.66.0.1    signed; delegates the zones of `attacks` without DS, and those below with one
    honest.     127.66.0.3    signed and honest: host0 … have A records; how other clients fare is measured by it
    <attack>.   127.67.N.…    signed, one attack each

`World.respond` has the signature of `attacks.respond` and no state but signatures it made before.

Each attack says what the data is in truth (`Attack.truth`); every one but INSECURE has to end in SERVFAIL. Their keys are
genuine where the attack needs a chain of trust, and moduli of nothing where it needs many keys of one tag.

Built on dnspython and the lab alone, so that it shares no mistake with what it attacks.

Limitations: keys that collide are RSA, whose modulus can be chosen for its tag; ECDSA ones would have to be searched for.
"""

import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import dns.dnssec
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.dnssectypes import Algorithm
from dns.name import Name
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG

from lab.authority import Authority
from lab.keys import KSK_FLAGS, Key, KeyStore, Validity
from lab.records import parse, rdata, rrset_of
from lab.responder import Responder
from lab.signer import Nsec, Plan, sign
from tests.hostile import attacks
from tests.hostile.attacks import CALM, ROOT, TCP, Asked, Said, fitting, whole

HONEST = "127.66.0.3"
MANY = 120
"""Signatures and DS-linked keys of the KeyTrap attacks: what fits into one message over TCP."""
FEW = 60
"""Keys of a zone: below the number of which a validator might refuse the zone."""
DEEP = 110
"""Labels of the names whose closest encloser is looked for."""
KEYS = KeyStore()
P256, P384, RSA = Algorithm.ECDSAP256SHA256, Algorithm.ECDSAP384SHA384, Algorithm.RSASHA256


class Zone:
    """A signed zone whose records are made, and signed, when they are asked for."""

    def __init__(self, origin: str, algorithm: int, validity: Validity, extra: Callable[["Zone"], list[DNSKEY]]) -> None:
        self.origin = dns.name.from_text(origin)
        self.key = KEYS.key(f"hostile-{algorithm}", algorithm, KSK_FLAGS)
        self.validity = validity
        self._kept: dict[tuple[str, ...], list[dns.rrset.RRset]] = {}
        self.keys = rrset_of(self.origin, 60, [self.key.dnskey, *extra(self)])
        self.keys_signature = self.signature(self.keys)

    def ds(self) -> DS:
        """What the parent says."""
        return dns.dnssec.make_ds(self.origin, self.key.dnskey, "SHA256")

    def signed(self, name: Name | str, rtype: str, *values: str) -> list[dns.rrset.RRset]:
        """A record set and the zone's signature over it."""
        kept = self._kept.get((str(name).lower(), rtype, *values))
        if kept is None:
            rrset = dns.rrset.from_text(str(name), 60, "IN", rtype, *values)
            kept = [rrset, self.signature(rrset)]
            self._kept[str(name).lower(), rtype, *values] = kept
        return kept

    def signature(self, rrset: dns.rrset.RRset) -> dns.rrset.RRset:
        """The zone's signature over a record set."""
        return rrset_of(rrset.name, rrset.ttl, [self.key.sign(rrset, self.origin, self.validity)])

    def soa(self) -> list[dns.rrset.RRset]:
        """The SOA record, signed."""
        return self.signed(self.origin, "SOA", ". . 1 60 60 60 60")

    def nonsense(self, rrset: dns.rrset.RRset, tag: int, algorithm: int, count: int, octets: int) -> dns.rrset.RRset:
        """Signatures over a record set that are none, all by one key tag."""
        return rrset_of(
            rrset.name,
            rrset.ttl,
            [
                rdata(
                    RRSIG,
                    dns.rdatatype.RRSIG,
                    rrset.rdtype,
                    algorithm,
                    len(rrset.name) - 1,
                    rrset.ttl,
                    self.validity.expiration,
                    self.validity.inception,
                    tag,
                    self.origin,
                    b"\0" + noise(f"{rrset.name} {number}", octets - 1),
                )
                for number in range(count)
            ],
        )


def noise(seed: str, octets: int) -> bytes:
    """Octets without meaning, the same each time."""
    return hashlib.shake_128(seed.encode()).digest(octets)


@functools.cache
def colliding(tag: int, count: int) -> list[DNSKEY]:
    """RSA keys of one tag (RFC 4034 appendix B): two octets of the modulus make up for the others."""
    keys: list[DNSKEY] = []
    for number in range(count):
        modulus = bytearray(noise(f"{tag} {number}", 256))
        modulus[0], modulus[-1], modulus[10:12] = modulus[0] | 0x80, modulus[-1] | 1, b"\0\0"
        missing = tag - dns.dnssec.key_id(_rsa(modulus))
        for word in (missing, missing - 1, missing + 1):
            modulus[10:12] = (word % 65536).to_bytes(2, "big")
            if dns.dnssec.key_id(key := _rsa(modulus)) == tag:
                keys.append(key)
                break
    return keys


def _rsa(modulus: bytearray) -> DNSKEY:
    return rdata(DNSKEY, dns.rdatatype.DNSKEY, KSK_FLAGS, 3, RSA, b"\3\1\0\1" + bytes(modulus))


Answer = Callable[[Asked, Zone], list[Said]]
TAG = 12345


@dataclass(frozen=True)
class Attack:
    """`packets`, `verifications`, `hashes` (NSEC3): what one query of it may cost; `truth`: what the data is."""

    name: str
    why: str
    packets: int
    answer: Answer
    verifications: int = 8
    hashes: int = 0
    truth: str = "bogus"
    servers: int = 1
    algorithm: int = P256
    keys: Callable[[Zone], list[DNSKEY]] = field(default=lambda _: [])
    large: bool = False
    """Too much for UDP, whatever is asked: TC at once saves the attacker's work."""
    query: Callable[[int], str] = field(default=lambda number: f"x{number}")

    @property
    def zone(self) -> str:
        """The zone's name, with its dot."""
        return f"{self.name}."

    @property
    def succeeds(self) -> bool:
        """Whether the client gets its answer all the same."""
        return self.truth == "insecure"

    def question(self, number: int) -> str:
        """The name that the attacking client asks for at the n-th time."""
        return f"{self.query(number)}.{self.zone}"


def reply(asked: Asked, rcode: int, answer: Iterable[dns.rrset.RRset], authority: Iterable[dns.rrset.RRset]) -> list[Said]:
    """An answer of these sections, truncated over UDP if need be."""
    out = asked.reply(dns.rcode.Rcode(rcode))
    out.answer.extend(answer)
    out.authority.extend(authority)
    return fitting(asked, out)


def own_keys(asked: Asked, zone: Zone) -> list[Said]:
    """The zone's keys and their signature by its own."""
    return reply(asked, 0, [zone.keys, zone.keys_signature], [])


def at_apex(asked: Asked, zone: Zone) -> bool:
    """Whether the zone's own name is asked for."""
    return asked.name == zone.origin.to_text()


def address(asked: Asked) -> dns.rrset.RRset:
    """An A record for the name asked for."""
    return dns.rrset.from_text(asked.name, 60, "IN", "A", "192.0.2.66")


# --- KeyTrap -------------------------------------------------------------------------------------------------------------


def key_sig_trap(asked: Asked, zone: Zone) -> list[Said]:
    """An answer with 120 signatures, each by any of 60 keys of one tag (KeyTrap, CVE-2023-50387)."""
    a = address(asked)
    return reply(asked, 0, [a, zone.nonsense(a, TAG, RSA, MANY, 256)], [])


def sig_jam(asked: Asked, zone: Zone) -> list[Said]:
    """An answer with 200 signatures by one P-384 key (KeyTrap's SigJam)."""
    a = address(asked)
    return reply(asked, 0, [a, zone.nonsense(a, zone.key.tag, P384, 200, 96)], [])


def many_sets(asked: Asked, zone: Zone) -> list[Said]:
    """NXDOMAIN with 20 NSEC records, each with 8 signatures by colliding keys: limits of a set, many times."""
    out = list(zone.soa())
    for number in range(20):
        nsec = dns.rrset.from_text(f"p{number}.{zone.origin}", 60, "IN", "NSEC", f"p{number}a.{zone.origin} A RRSIG NSEC")
        out += [nsec, zone.nonsense(nsec, TAG, RSA, 8, 256)]
    return reply(asked, dns.rcode.NXDOMAIN, [], out)


def key_trap_keys(asked: Asked, zone: Zone) -> list[Said]:
    """A DNSKEY set of 100 keys that all have the DS's tag, with 100 signatures (KeyTrap on the keys themselves)."""
    a = address(asked)
    return reply(asked, 0, [a, zone.signature(a)], [])


def _nonsense_keys(asked: Asked, zone: Zone) -> list[Said]:
    return reply(asked, 0, [zone.keys, zone.nonsense(zone.keys, zone.key.tag, RSA, 100, 256)], [])


def hash_trap(asked: Asked, zone: Zone) -> list[Said]:
    """A delegation with 200 DS and 120 keys, all of one tag: 24,000 digests to compare (KeyTrap's HashTrap)."""
    child = ".".join(asked.name.rstrip(".").split(".")[-2:]) + "."
    if asked.ip == server("hash-trap", 1):
        keys = rrset_of(dns.name.from_text(child), 60, colliding(TAG, MANY))
        if asked.rtype == dns.rdatatype.DNSKEY:
            return reply(asked, 0, [keys, zone.nonsense(keys, TAG, RSA, 8, 256)], [])
        a = address(asked)
        return reply(asked, 0, [a, zone.nonsense(a, TAG, RSA, 8, 256)], [])
    ds = zone.signed(child, "DS", *(f"{TAG} 8 2 {noise(str(n), 32).hex()}" for n in range(200)))
    if asked.rtype == dns.rdatatype.DS:
        return reply(asked, 0, ds, [])
    out = asked.refer(child, [f"ns.{child}"], {f"ns.{child}": [server("hash-trap", 1)]})
    out.authority.extend(ds)
    return fitting(asked, out)


# --- denials -------------------------------------------------------------------------------------------------------------


def _nsec3s(zone: Zone, iterations: int, salts: Iterable[str], count: int) -> Iterator[list[dns.rrset.RRset]]:
    """The apex's NSEC3 and others that match and cover nothing, under each salt."""
    for salt in salts:
        octets = bytes.fromhex(salt)
        names = [zone.origin, *(dns.name.from_text(f"q{n}", zone.origin) for n in range(count))]
        for name in names:
            label = dns.dnssec.nsec3_hash(name, octets, iterations, 1).lower()
            last = "0" if label[-1] != "0" else "1"
            after = label[:-1] + chr(ord(label[-1]) + 1 if label[-1] not in "9v" else ord(last))
            yield zone.signed(
                f"{label}.{zone.origin}", "NSEC3", f"1 0 {iterations} {salt} {after} A NS SOA RRSIG DNSKEY NSEC3PARAM"
            )


def _nsec3_answer(asked: Asked, zone: Zone, iterations: int, salts: Iterable[str], count: int) -> list[Said]:
    if asked.name.count(".") < DEEP:
        return reply(asked, 0, [], zone.soa())  # a minimised name: it exists
    out = list(zone.soa())
    for signed in _nsec3s(zone, iterations, salts, count):
        out += signed
    return reply(asked, dns.rcode.NXDOMAIN, [], out)


def nsec3_encloser(asked: Asked, zone: Zone) -> list[Said]:
    """NXDOMAIN for a name of 110 labels; its encloser is the apex, 50 iterations for each try (CVE-2023-50868)."""
    return _nsec3_answer(asked, zone, 50, ["ab" * 30], 3)


def nsec3_salts(asked: Asked, zone: Zone) -> list[Said]:
    """The same with 12 chains of different salts."""
    return _nsec3_answer(asked, zone, 50, [f"{n:060x}" for n in range(1, 13)], 1)


def nsec3_unsigned(asked: Asked, zone: Zone) -> list[Said]:
    """NXDOMAIN by NSEC3 records of 2,500 iterations whose signatures are none: bogus, not insecure (RFC 9276 §3.2)."""
    label = dns.dnssec.nsec3_hash(zone.origin, b"", 0, 1).lower()
    owner = dns.name.from_text(label, zone.origin)
    nsec3 = dns.rrset.from_text(owner, 60, "IN", "NSEC3", f"1 0 2500 - {label} A NS SOA RRSIG DNSKEY NSEC3PARAM")
    out = [*zone.soa(), nsec3, zone.nonsense(nsec3, zone.key.tag, P256, 1, 64)]
    return reply(asked, dns.rcode.NXDOMAIN, [], out)


def padded_denial(asked: Asked, zone: Zone) -> list[Said]:
    """NXDOMAIN with 200 genuine NSEC records that prove nothing (CVE-2026-11605)."""
    out = list(zone.soa())
    for number in range(200):
        out += zone.signed(f"p{number}.{zone.origin}", "NSEC", f"p{number}a.{zone.origin} A RRSIG NSEC")
    return reply(asked, dns.rcode.NXDOMAIN, [], out)


def nsec_outside(asked: Asked, zone: Zone) -> list[Said]:
    """NXDOMAIN by a genuine NSEC whose next name is outside the zone (CVE-2026-13321)."""
    nsec = zone.signed(zone.origin, "NSEC", "zzzz. NS SOA RRSIG NSEC DNSKEY")
    return reply(asked, dns.rcode.NXDOMAIN, [], [*zone.soa(), *nsec])


def labels_low(asked: Asked, zone: Zone) -> list[Said]:
    """An A record whose signature is over `*.`: fewer labels than the signer has (CVE-2026-11721)."""
    a = address(asked)
    wild = dns.rrset.from_text("*.", 60, "IN", "A", "192.0.2.66")
    signature = zone.signature(wild)
    signature.name = a.name
    return reply(asked, 0, [a, signature], [])


def stripped(asked: Asked, zone: Zone) -> list[Said]:
    """An answer of a signed zone without signatures."""
    return reply(asked, 0, [address(asked)] if asked.rtype == dns.rdatatype.A else [], [])


def stripped_delegation(asked: Asked, zone: Zone) -> list[Said]:
    """A referral of a signed zone with neither DS nor a proof that there is none, to a server that then answers."""
    child = ".".join(asked.name.rstrip(".").split(".")[-2:]) + "."
    if asked.ip == server("stripped-delegation", 1):
        return reply(asked, 0, [address(asked)] if asked.rtype == dns.rdatatype.A else [], [])
    if asked.rtype == dns.rdatatype.DS:
        return reply(asked, 0, [], [])
    return whole(asked.refer(child, [f"ns.{child}"], {f"ns.{child}": [server("stripped-delegation", 1)]}))


# --- aliases into the unknown --------------------------------------------------------------------------------------------


def _alias(asked: Asked, zone: Zone, ds: str | None) -> list[Said]:
    """An alias into a delegated zone on the same server: alias and target in one answer, no referral anywhere."""
    labels = asked.name.rstrip(".").split(".")
    if len(labels) == 1:
        return reply(asked, 0, [], zone.soa())
    top = labels[-2]
    if not top.startswith("cold"):
        target = f"w.cold{top}.{zone.origin}"
        alias = zone.signed(asked.name, "CNAME", target)
        return reply(asked, 0, [*alias, dns.rrset.from_text(target, 60, "IN", "A", "192.0.2.66")], [])
    child = f"{top}.{zone.origin}"
    if asked.rtype == dns.rdatatype.DS and len(labels) == 2:
        if ds:
            return reply(asked, 0, zone.signed(child, "DS", ds), [])
        return reply(asked, 0, [], [*zone.soa(), *zone.signed(child, "NSEC", f"{top}a.{zone.origin} NS RRSIG NSEC")])
    if asked.rtype == dns.rdatatype.A and len(labels) > 2:
        return whole(asked.address())
    out = asked.reply()
    out.authority.append(dns.rrset.from_text(child, 60, "IN", "SOA", ". . 1 60 60 60 60"))
    return whole(out)


def alias_to_insecure(asked: Asked, zone: Zone) -> list[Said]:
    """A signed alias of a name in an unsigned child zone on the same server, both in one answer, cold cache."""
    return _alias(asked, zone, None)


def alias_to_stripped(asked: Asked, zone: Zone) -> list[Said]:
    """The same, but the child zone has a DS: the unsigned target is forged."""
    return _alias(asked, zone, f"{TAG} 13 2 {'ab' * 32}")


ATTACKS = {
    attack.name: attack
    for attack in (
        Attack("key-sig-trap", "CVE-2023-50387", 8, key_sig_trap, 24, large=True, keys=lambda _: colliding(TAG, FEW)),
        Attack("sig-jam", "CVE-2023-50387", 8, sig_jam, 24, large=True, algorithm=P384),
        Attack("many-sets", "CVE-2023-50387", 8, many_sets, 64, large=True, keys=lambda _: colliding(TAG, FEW)),
        Attack("key-trap-keys", "CVE-2023-50387", 8, key_trap_keys, 24, algorithm=RSA,
               keys=lambda zone: colliding(zone.key.tag, 100)),
        Attack("hash-trap", "CVE-2023-50387", 10, hash_trap, 24, large=True, servers=2, query=lambda n: f"www.x{n}"),
        Attack("nsec3-encloser", "CVE-2023-50868", 20, nsec3_encloser, 24, 24, query=lambda n: "a." * DEEP + f"x{n}"),
        Attack("nsec3-salts", "CVE-2023-50868", 20, nsec3_salts, 40, 150, query=lambda n: "a." * DEEP + f"x{n}"),
        Attack("nsec3-unsigned", "RFC 9276 §3.2", 8, nsec3_unsigned),
        Attack("padded-denial", "CVE-2026-11605", 8, padded_denial, 64, large=True),
        Attack("nsec-outside", "CVE-2026-13321", 8, nsec_outside),
        Attack("labels-low", "CVE-2026-11721", 8, labels_low),
        Attack("stripped", "RFC 4035 §5.5", 10, stripped),
        Attack("stripped-delegation", "RFC 4035 §5.2", 10, stripped_delegation, servers=2, query=lambda n: f"www.x{n}"),
        Attack("alias-to-insecure", "RFC 4035 §5.2", 10, alias_to_insecure, truth="insecure"),
        Attack("alias-to-stripped", "RFC 4035 §5.2", 12, alias_to_stripped),
    )
}  # fmt: skip
_PLACES = {name: number for number, name in enumerate(ATTACKS, 1)}


def server(name: str, number: int = 0) -> str:
    """The address of an attack's server."""
    return f"127.67.{_PLACES[name]}.{number + 1}"


def addresses() -> Iterator[str]:
    """Every address at which somebody answers, those of `attacks` included."""
    yield from attacks.addresses()
    yield HONEST
    for attack in ATTACKS.values():
        for number in range(attack.servers):
            yield server(attack.name, number)


class World:
    """The signed mini-Internet, its signatures valid for a day from `now`."""

    def __init__(self, now: float | None = None, hosts: int = 100) -> None:
        start = int(time.time() if now is None else now)
        self.validity = Validity(start - 3600, start + 86400)
        self.zones = {
            attack.zone: Zone(attack.zone, attack.algorithm, self.validity, attack.keys) for attack in ATTACKS.values()
        }
        key = KEYS.key("hostile-13", P256, KSK_FLAGS)
        self._root_key = key
        self._root = self._honest(dns.name.root, ROOT, self._root_text(key), start)
        text = "@ SOA . . 1 60 60 60 60\n@ NS ns\n" + f"ns A {HONEST}\n"
        text += "".join(f"host{number} A 192.0.2.{1 + number % 250}\n" for number in range(hosts))
        self._honest_zone = self._honest(dns.name.from_text("honest."), HONEST, text, start)

    def _honest(self, origin: Name, ip: str, text: str, now: int) -> Responder:
        key = self._root_key
        zone = sign(Plan(origin, parse(origin, text, 3600), key, key, Nsec(), now, self.validity, published=[key.dnskey]))
        return Responder("hostile", ip, {origin: Authority(zone)}, {})

    def _root_text(self, key: Key) -> str:
        lines = ["@ SOA . . 1 60 60 60 60", "@ NS a.root.", f"a.root. A {ROOT}"]
        lines += ["calm. NS ns0.calm.", f"ns0.calm. A {CALM}", "honest. NS ns.honest.", f"ns.honest. A {HONEST}"]
        honest = dns.dnssec.make_ds(dns.name.from_text("honest."), key.dnskey, "SHA256")
        lines.append(f"honest. DS {honest.to_text()}")
        for one, place in [(a, attacks.server) for a in attacks.ATTACKS.values()] + [(a, server) for a in ATTACKS.values()]:
            for number in range(one.servers):
                lines += [f"{one.zone} NS ns{number}.{one.zone}", f"ns{number}.{one.zone} A {place(one.name, number)}"]
        lines += [f"{zone.origin} DS {zone.ds().to_text()}" for zone in self.zones.values()]
        return "\n".join(lines) + "\n"

    def anchor(self) -> str:
        """The root's DS record as a zone file."""
        return f". 3600 IN DS {dns.dnssec.make_ds(dns.name.root, self._root_key.dnskey, 'SHA256').to_text()}\n"

    def respond(self, ip: str, transport: str, wire: bytes) -> list[Said]:
        """What the server at an address says to a query."""
        if ip in (ROOT, HONEST):
            octets = (self._root if ip == ROOT else self._honest_zone).respond(wire, "", tcp=transport == TCP)
            return [] if octets is None else [Said(octets)]
        if not ip.startswith("127.67."):
            return attacks.respond(ip, transport, wire)
        asked = attacks.read(ip, transport, wire)
        if asked is None:
            return []
        attack = ATTACKS.get(asked.zone.rstrip("."))
        if attack is None:
            return whole(asked.reply(dns.rcode.REFUSED, aa=False))
        zone = self.zones[asked.zone]
        if asked.rtype == dns.rdatatype.DNSKEY and at_apex(asked, zone):
            return _nonsense_keys(asked, zone) if attack.name == "key-trap-keys" else own_keys(asked, zone)
        if at_apex(asked, zone):
            return reply(asked, 0, [], zone.soa())
        if attack.large and transport != TCP:
            return attacks.truncated(asked)
        return attack.answer(asked, zone)
