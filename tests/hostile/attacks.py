"""Authorities that attack whoever asks them, as data: a mini-Internet in which each attack has a zone of its own.

    root        127.66.0.1    delegates everything
    calm.       127.66.0.2    an honest zone: every name has an A record; how other clients fare is measured by it
    <attack>.   127.66.N.…    one attack each

`respond(ip, transport, query)` is the whole world: what the server at an address sends back for a query's octets, as a list
of `Said`. It keeps no state and knows no sockets, so that it can be played in virtual time (`virtual`), served on loopback
(`sockets`), and put before any resolver that takes a hints file: `hints()`.

An `Attack` says which questions a client asks to set it off, and how many packets one of them may cost us at most.

Built on dnspython alone, so that it shares no mistake with what it attacks.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

ROOT = "127.66.0.1"
CALM = "127.66.0.2"
UDP, TCP = "udp", "tcp"


@dataclass(frozen=True)
class Said:
    """One thing that a server sends: over UDP a packet, over TCP a message with its two octets of length.

    after_s: seconds after the query. slowly_s: over TCP, seconds between two octets. endless: over TCP, sent again and
    again as long as the client reads. elsewhere: over UDP, sent from another address. close: over TCP, hangs up.
    """

    octets: bytes = b""
    after_s: float = 0.0
    slowly_s: float = 0.0
    endless: bool = False
    elsewhere: bool = False
    close: bool = False


Answer = Callable[["Asked"], list[Said]]


@dataclass(frozen=True)
class Asked:
    """A query as a server sees it."""

    query: dns.message.Message
    wire: bytes
    zone: str
    ip: str
    transport: str

    @property
    def name(self) -> str:
        """The name asked for, in lower case, with its dot."""
        return self.query.question[0].name.to_text().lower()

    @property
    def rtype(self) -> int:
        """The type asked for."""
        return int(self.query.question[0].rdtype)

    def reply(self, rcode: int = dns.rcode.NOERROR, *, aa: bool = True) -> dns.message.Message:
        """An answer that echoes the question."""
        out = dns.message.make_response(self.query, recursion_available=False)
        out.set_rcode(rcode)
        if aa:
            out.flags |= dns.flags.AA
        return out

    def address(self, ip: str = "192.0.2.66") -> dns.message.Message:
        """A record for the name when A is asked for, an empty answer otherwise."""
        out = self.reply()
        if self.rtype == dns.rdatatype.A:
            out.answer.append(dns.rrset.from_text(self.query.question[0].name, 60, "IN", "A", ip))
        else:
            out.authority.append(dns.rrset.from_text(self.zone, 60, "IN", "SOA", ". . 1 60 60 60 60"))
        return out

    def refer(self, zone: str, servers: list[str], glue: dict[str, list[str]] | None = None) -> dns.message.Message:
        """A referral."""
        out = self.reply(aa=False)
        out.authority.append(dns.rrset.from_text(zone, 60, "IN", "NS", *servers))
        for name, ips in (glue or {}).items():
            out.additional.append(dns.rrset.from_text(name, 60, "IN", "A", *ips))
        return out


@dataclass(frozen=True)
class Attack:
    """`packets`: what one query of it may cost at most; `addresses`: of its servers; `query`: the n-th question's name."""

    name: str
    why: str
    packets: int
    answer: Answer
    servers: int = 1
    query: Callable[[int], str] = field(default=lambda number: f"x{number}")
    succeeds: bool = False
    """Whether the client gets its answer all the same."""

    @property
    def zone(self) -> str:
        """The zone's name, with its dot."""
        return f"{self.name}."

    def question(self, number: int) -> str:
        """The name that the attacking client asks for at the n-th time."""
        return f"{self.query(number)}.{self.zone}"


def whole(*messages: dns.message.Message, after_s: float = 0.0) -> list[Said]:
    """These messages, as they are."""
    return [Said(message.to_wire(max_size=65535), after_s) for message in messages]


def fitting(asked: Asked, message: dns.message.Message) -> list[Said]:
    """A message, truncated over UDP to what the client takes."""
    size = max(asked.query.payload, 512) if asked.query.edns >= 0 else 512
    try:
        return [Said(message.to_wire(max_size=size if asked.transport == UDP else 65535))]
    except dns.exception.TooBig:
        return truncated(asked)


def truncated(asked: Asked) -> list[Said]:
    """TC, and nothing else."""
    out = asked.reply()
    out.flags |= dns.flags.TC
    return whole(out)


# --- delegations -------------------------------------------------------------------------------------------------------


def nxns(asked: Asked) -> list[Said]:
    """A referral to many servers in a victim's zone, which do not exist (CVE-2020-8616)."""
    label = asked.name.split(".")[0]
    return whole(asked.refer(f"{label}.{asked.zone}", [f"ns{n}-{label}.calm." for n in range(60)]))


def nrdelegation(asked: Asked) -> list[Said]:
    """A referral to 1,500 servers elsewhere, which all need a look-up (NRDelegationAttack, CVE-2022-2795)."""
    return _wide_referral(asked, _NOWHERE, [])


def many_addresses(asked: Asked) -> list[Said]:
    """A referral to servers with a thousand addresses, all of which refuse (CAMP's fan-out)."""
    if asked.ip != server("many-addresses"):
        return whole(asked.reply(dns.rcode.REFUSED, aa=False))
    glue = [(name, bytes((127, 66, 200, 1 + (20 * n + k) % 250))) for n, name in enumerate(_FANS) for k in range(50)]
    return _wide_referral(asked, _FANS, glue)


_NOWHERE = [dns.name.from_text(f"n{n}.silent.").to_wire() for n in range(1500)]
_FANS = [dns.name.from_text(f"ns{n}.many-addresses.").to_wire() for n in range(20)]


def _wide_referral(asked: Asked, servers: list[bytes], glue: list[tuple[bytes, bytes]]) -> list[Said]:
    """A referral below the zone, put together by hand: a library takes longer for it than those who are to suffer."""
    question = asked.wire[12 : asked.wire.index(b"\0", 12) + 5]
    depth = len(".".join(asked.name.rstrip(".").split(".")[-2:])) + 2
    below = struct.pack("!H", 0xC000 | 12 + len(question) - 4 - depth)
    out = [asked.wire[:2] + struct.pack("!5H", 0x8000, 1, 0, len(servers), len(glue)) + question]
    out += [below + struct.pack("!HHIH", 2, 1, 60, len(name)) + name for name in servers]
    out += [name + struct.pack("!HHIH", 1, 1, 60, 4) + ip for name, ip in glue]
    octets = b"".join(out)
    return [Said(octets)] if asked.transport == TCP else truncated(asked)


def cycle(asked: Asked) -> list[Said]:
    """Two zones whose servers have their names in each other, without glue (TsuNAME)."""
    side = "left" if ".left." in f".{asked.name}" else "right"
    other = "right" if side == "left" else "left"
    return whole(asked.refer(f"{side}.{asked.zone}", [f"ns{n}.{other}.{asked.zone}" for n in range(4)]))


def endless_referrals(asked: Asked) -> list[Said]:
    """Whatever is asked for is delegated, to the same server: with a minimised name one label more each time."""
    below = asked.name
    return whole(asked.refer(below, [f"n.{below}"], {f"n.{below}": [asked.ip]}))


def idns(asked: Asked) -> list[Said]:
    """Each delegation's servers are names below another delegation of the same kind (iDNS, infinite delegation)."""
    label = asked.name.rstrip(".").split(".")[-2]
    number = sum(label.encode()) * 7919 % 99991
    return whole(asked.refer(f"{label}.{asked.zone}", [f"ns.d{number + n}-{label[:20]}.{asked.zone}" for n in range(4)]))


def upward(asked: Asked) -> list[Said]:
    """A lame server: refers to the root."""
    return whole(asked.refer(".", ["a.root."], {"a.root.": [ROOT]}))


def to_itself(asked: Asked) -> list[Said]:
    """Refers to the very zone that it was asked as an authority for."""
    return whole(asked.refer(asked.zone, [f"ns0.{asked.zone}"], {f"ns0.{asked.zone}": [asked.ip]}))


def odd_glue(asked: Asked) -> list[Said]:
    """Glue that points at this host, at the network's edge, at everybody."""
    label = asked.name.split(".")[0]
    below = f"{label}.{asked.zone}"
    ips = ["0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1"]
    return whole(asked.refer(below, [f"ns.{below}"], {f"ns.{below}": ips}))


def self_glue(asked: Asked) -> list[Said]:
    """Glue that points at the resolver itself. (The n-th question, in millions, says which one of 127.0.0.0/24 asks.)"""
    if asked.ip.startswith("127.0.0."):
        return whole(asked.reply(dns.rcode.REFUSED, aa=False))
    label = asked.name.rstrip(".").split(".")[-2]
    number = int("0" + "".join(filter(str.isdigit, label))) // 1_000_000 or 1
    below = f"{label}.{asked.zone}"
    return whole(asked.refer(below, [f"ns.{below}"], {f"ns.{below}": [f"127.0.0.{number}"]}))


_THOUSANDS = [(1, 1, 60, bytes((127, 68, number >> 8, number & 255))) for number in range(3000)]


def thousand_addresses(asked: Asked) -> list[Said]:
    """A delegation to one name that has 3,000 addresses, of which none answers."""
    labels = asked.name.rstrip(".").split(".")
    if asked.ip != server("thousand-addresses"):
        return []
    if labels[0].startswith("many"):
        if asked.rtype != dns.rdatatype.A:
            return whole(asked.reply())
        return _raw(asked, _THOUSANDS) if asked.transport == TCP else truncated(asked)
    below = f"{labels[-2]}.{asked.zone}"
    return whole(asked.refer(below, [f"many-{labels[-2]}.{asked.zone}"]))


# --- aliases -----------------------------------------------------------------------------------------------------------


def cname_ladder(asked: Asked) -> list[Said]:
    """Every name is an alias of the next."""
    label, _, rest = asked.name.partition(".")
    number = int(label.rpartition("-")[2]) + 1 if "-" in label else 1
    out = asked.reply()
    out.answer.append(
        dns.rrset.from_text(asked.query.question[0].name, 60, "IN", "CNAME", f"{label.partition('-')[0]}-{number}.{rest}")
    )
    return whole(out)


def cname_camp(asked: Asked) -> list[Said]:
    """A ladder of aliases, each in a zone of its own with servers that have no address (CAMP)."""
    labels = asked.name.rstrip(".").split(".")
    below = f"{labels[-2]}.{asked.zone}"
    if asked.rtype == dns.rdatatype.A and len(labels) > 2 and labels[-2].startswith("ns"):
        return whole(asked.reply(dns.rcode.SERVFAIL))
    return whole(asked.refer(below, [f"a.ns{n}-{labels[-2][:30]}.{asked.zone}" for n in range(20)]))


def dname_ladder(asked: Asked) -> list[Said]:
    """Every zone is a DNAME of the next."""
    labels = asked.name.rstrip(".").split(".")
    step = int(labels[-2][1:]) if len(labels) > 2 and labels[-2][1:].isdigit() and labels[-2][0] == "d" else 0
    owner = f"d{step}.{asked.zone}" if step else f"{labels[-2]}.{asked.zone}"
    out = asked.reply()
    out.answer.append(dns.rrset.from_text(owner, 60, "IN", "DNAME", f"d{step + 1}.{asked.zone}"))
    return whole(out)


# --- silence and refusals ----------------------------------------------------------------------------------------------


def silent(asked: Asked) -> list[Said]:
    """Nothing at all."""
    return []


def late(asked: Asked) -> list[Said]:
    """The answer when nobody waits for it any more."""
    return whole(asked.address(), after_s=20.0)


def refused(asked: Asked) -> list[Said]:
    """REFUSED by every server."""
    return whole(asked.reply(dns.rcode.REFUSED, aa=False))


def form_error(asked: Asked) -> list[Said]:
    """FORMERR, with and without EDNS."""
    return whole(asked.reply(dns.rcode.FORMERR, aa=False))


def bad_cookie(asked: Asked) -> list[Said]:
    """BADCOOKIE for ever, with a new cookie each time."""
    out = asked.reply(dns.rcode.BADCOOKIE)
    for option in asked.query.options:
        if option.otype == dns.edns.OptionType.COOKIE:
            cookie = option.to_wire()[:8] + asked.wire[:2] * 8
            out.use_edns(0, 0, 1232, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)])
            out.set_rcode(dns.rcode.BADCOOKIE)
    return whole(out)


def edns_black_hole(asked: Asked) -> list[Said]:
    """Drops what has EDNS, answers what has none."""
    return [] if asked.query.edns >= 0 else whole(asked.address())


def cookie_black_hole(asked: Asked) -> list[Said]:
    """Drops what has a COOKIE option, answers the rest."""
    return [] if any(o.otype == dns.edns.OptionType.COOKIE for o in asked.query.options) else whole(asked.address())


# --- forgery and noise -------------------------------------------------------------------------------------------------


def wrong_id(asked: Asked) -> list[Said]:
    """A hundred answers with other IDs, and then nothing over UDP; the truth over TCP."""
    good = asked.address()
    if asked.transport == TCP:
        return whole(good)
    return [Said(((asked.query.id + n) % 65536).to_bytes(2, "big") + good.to_wire()[2:]) for n in range(1, 101)]


def wrong_question(asked: Asked) -> list[Said]:
    """The answer to another question; the truth over TCP."""
    if asked.transport == TCP:
        return whole(asked.address())
    other = dns.message.make_query(f"other.{asked.zone}", asked.rtype, id=asked.query.id)
    return whole(*[dns.message.make_response(other)] * 100)


def wrong_case(asked: Asked) -> list[Said]:
    """The question in lower case."""
    lower = dns.message.from_wire(asked.wire)
    lower.question[0].name = dns.name.from_text(asked.name)
    return whole(Asked(lower, asked.wire, asked.zone, asked.ip, asked.transport).address())


def elsewhere(asked: Asked) -> list[Said]:
    """The answer from another address; the truth over TCP."""
    said = whole(asked.address("192.0.2.99"))
    return said if asked.transport == TCP else [Said(one.octets, elsewhere=True) for one in said * 5]


def twice(asked: Asked) -> list[Said]:
    """Every answer many times."""
    return whole(asked.address()) * 50


def oversize(asked: Asked) -> list[Said]:
    """Far more over UDP than the client takes."""
    out = asked.address()
    out.additional.append(dns.rrset.from_text(f"big.{asked.zone}", 60, "IN", "TXT", *[f'"{n:0200}"' for n in range(20)]))
    return whole(out)


def garbage(asked: Asked) -> list[Said]:
    """The right ID and nonsense behind it."""
    return [Said(asked.wire[:2] + b"\x84\0" + bytes(range(200)))]


def _raw(asked: Asked, records: list[tuple[int, int, int, bytes]]) -> list[Said]:
    """An answer of records (type, class, TTL, RDATA) of the name asked for, not one of which a library would write."""
    question = asked.wire[12 : asked.wire.index(b"\0", 12) + 5]
    head = asked.wire[:2] + b"\x84\0\0\1" + len(records).to_bytes(2, "big") + b"\0\0\0\0" + question
    body = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata)) + rdata for rtype, rclass, ttl, rdata in records
    )
    return [Said(head + body)]


def odd_rdata(asked: Asked) -> list[Said]:
    """An A record of three octets among good ones."""
    return _raw(asked, [(1, 1, 60, b"\xc0\0\2\1"), (1, 1, 60, b"\xc0\0\2"), (1, 1, 60, b"\xc0\0\2\2")])


def odd_records(asked: Asked) -> list[Said]:
    """The same record many times, with TTLs over 2^31, others of class CHAOS and of unknown types between them."""
    if asked.rtype != dns.rdatatype.A:
        return whole(asked.address())
    good = (1, 1, 0xFFFFFFF0, b"\xc0\0\2\1")
    return _raw(asked, [good, (1, 3, 60, b"\xc0\0\2\x09"), (65280, 1, 0, b""), *[good] * 30])


def wide_denial(asked: Asked) -> list[Said]:
    """NXDOMAIN with 2,800 NSEC records of as many names, in an unsigned zone."""
    if asked.transport == UDP:
        return truncated(asked)
    out = asked.reply(dns.rcode.NXDOMAIN)
    out.use_edns(False)
    soa = dns.rrset.from_text(asked.zone, 60, "IN", "SOA", ". . 1 60 60 60 60")
    out.authority.append(soa)
    octets = bytearray(out.to_wire())
    apex = 12 + len(asked.query.question[0].name.to_wire()) - len(soa.name.to_wire())
    for number in range(2800):
        label = f"{number:03x}".encode()
        octets += b"\3" + label + struct.pack("!HHHIH", 0xC000 | apex, 47, 1, 60, 4) + b"\0\0\1\x40"
    octets[8:12] = struct.pack("!HH", 2801, 0)
    return [Said(bytes(octets))]


# --- TCP ---------------------------------------------------------------------------------------------------------------


def tc_always(asked: Asked) -> list[Said]:
    """TC over UDP and over TCP."""
    return truncated(asked)


def tcp_hangs_up(asked: Asked) -> list[Said]:
    """TC over UDP; over TCP it hangs up at once."""
    return truncated(asked) if asked.transport == UDP else [Said(close=True)]


def tcp_slow(asked: Asked) -> list[Said]:
    """TC over UDP; over TCP an octet at a time, for minutes."""
    if asked.transport == UDP:
        return truncated(asked)
    return [Said(asked.address().to_wire(), slowly_s=0.5)]


def tcp_endless(asked: Asked) -> list[Said]:
    """TC over UDP; over TCP messages that nobody asked for, without end."""
    if asked.transport == UDP:
        return truncated(asked)
    other = ((asked.query.id + 1) % 65536).to_bytes(2, "big") + asked.address().to_wire()[2:]
    return [Said(other, endless=True)]


def huge(asked: Asked) -> list[Said]:
    """TC over UDP; over TCP 4,000 records in one set."""
    return set_of(asked, 4000)


def set_of(asked: Asked, count: int) -> list[Said]:
    """TC over UDP; over TCP so many records in one set."""
    if asked.transport == UDP:
        return truncated(asked)
    return _raw(asked, [(1, 1, 60, bytes((10, n >> 8, n & 255, 1))) for n in range(count)])


ATTACKS = {
    attack.name: attack
    for attack in (
        Attack("nxns", "CVE-2020-8616", 15, nxns),
        Attack("nrdelegation", "CVE-2022-2795", 20, nrdelegation),
        Attack("many-addresses", "CAMP", 20, many_addresses),
        Attack("cycle", "TsuNAME", 12, cycle, query=lambda number: f"x{number}.left"),
        Attack("endless-referrals", "RFC 1034 §5.3.3", 100, endless_referrals, query=lambda n: "a." * 60 + f"y{n}"),
        Attack("idns", "iDNS", 25, idns),
        Attack("upward", "RFC 9520 §2.3", 8, upward, 3),
        Attack("to-itself", "RFC 1034 §5.3.3", 8, to_itself, 3),
        Attack("odd-glue", "RFC 6890", 10, odd_glue),
        Attack("self-glue", "RFC 1034 §5.3.3", 10, self_glue),
        Attack("thousand-addresses", "CAMP", 24, thousand_addresses),
        Attack("cname-ladder", "RFC 1034 §3.6.2", 16, cname_ladder),
        Attack("cname-camp", "CAMP", 30, cname_camp),
        Attack("dname-ladder", "RFC 6672", 26, dname_ladder, query=lambda number: f"w.x{number}"),
        Attack("silent", "RFC 9520 §2.1", 14, silent, 4),
        Attack("late", "RFC 5452 §9.1", 12, late, 3),
        Attack("refused", "RFC 9520 §2.2", 8, refused, 4),
        Attack("form-error", "RFC 6891 §7", 16, form_error, 3),
        Attack("bad-cookie", "RFC 7873 §5.3", 16, bad_cookie, 3),
        Attack("edns-black-hole", "RFC 6891 §7", 12, edns_black_hole, 3),
        Attack("cookie-black-hole", "RFC 7873", 8, cookie_black_hole, 2, succeeds=True),
        Attack("wrong-id", "RFC 5452 §5", 6, wrong_id, 2, succeeds=True),
        Attack("wrong-question", "RFC 5452 §5", 6, wrong_question, 2, succeeds=True),
        Attack("wrong-case", "RFC 5452, 0x20", 6, wrong_case, succeeds=True),
        Attack("elsewhere", "RFC 5452 §9.1", 12, elsewhere, 2),
        Attack("twice", "RFC 5452", 4, twice, succeeds=True),
        Attack("oversize", "RFC 9715", 6, oversize, succeeds=True),
        Attack("garbage", "RFC 9520 §2.2", 8, garbage, 3),
        Attack("odd-rdata", "RFC 1035 §3.4.1", 8, odd_rdata, 3),
        Attack("odd-records", "RFC 2181 §5, §8", 6, odd_records, succeeds=True),
        Attack("wide-denial", "RFC 2308 §3", 6, wide_denial, succeeds=True),
        Attack("tc-always", "RFC 7766 §5", 12, tc_always, 3),
        Attack("tcp-hangs-up", "RFC 7766", 12, tcp_hangs_up, 3),
        Attack("tcp-slow", "RFC 7766 §6.2.3", 16, tcp_slow, 2),
        Attack("tcp-endless", "RFC 7766", 12, tcp_endless, 2),
        Attack("huge", "CVE-2024-1737", 6, huge),
    )
}  # fmt: skip
_PLACES = {name: number for number, name in enumerate(ATTACKS, 1)}


def server(name: str, number: int = 0) -> str:
    """The address of an attack's server."""
    return f"127.66.{_PLACES[name]}.{number + 1}"


def addresses() -> Iterator[str]:
    """Every address at which somebody answers."""
    yield ROOT
    yield CALM
    for attack in ATTACKS.values():
        for number in range(attack.servers):
            yield server(attack.name, number)
    for number in range(1, 251):
        yield f"127.66.200.{number}"


def hints() -> str:
    """The root's servers as a zone file."""
    return f". 3600 IN NS a.root.\na.root. 3600 IN A {ROOT}\n"


def read(ip: str, transport: str, wire: bytes) -> Asked | None:
    """A query as the server at an address sees it; None when it cannot be read."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if not query.question:
        return None
    last = query.question[0].name.to_text().lower().rstrip(".").rpartition(".")[2]
    return Asked(query, wire, f"{last}." if last else ".", ip, transport)


def respond(ip: str, transport: str, wire: bytes) -> list[Said]:
    """What the server at an address says to a query."""
    asked = read(ip, transport, wire)
    if asked is None:
        return []
    label = asked.zone.rstrip(".")
    if ip == ROOT:
        return whole(_root(asked, label))
    if ip == CALM:
        if asked.name.startswith("ns"):
            return whole(asked.reply(dns.rcode.NXDOMAIN))
        return whole(asked.address("192.0.2.1"))
    attack = ATTACKS.get(label)
    if attack is None:
        return whole(asked.reply(dns.rcode.REFUSED, aa=False))
    return attack.answer(asked)


def _root(asked: Asked, label: str) -> dns.message.Message:
    if not label:
        out = asked.reply()
        if asked.rtype == dns.rdatatype.NS:
            out.answer.append(dns.rrset.from_text(".", 3600, "IN", "NS", "a.root."))
            out.additional.append(dns.rrset.from_text("a.root.", 3600, "IN", "A", ROOT))
        return out
    if label == "calm":
        return asked.refer("calm.", ["ns0.calm."], {"ns0.calm.": [CALM]})
    attack = ATTACKS.get(label)
    if attack is None:
        out = asked.reply(dns.rcode.NXDOMAIN)
        out.authority.append(dns.rrset.from_text(".", 60, "IN", "SOA", ". . 1 60 60 60 60"))
        return out
    names = [f"ns{number}.{attack.zone}" for number in range(attack.servers)]
    return asked.refer(attack.zone, names, {name: [server(label, number)] for number, name in enumerate(names)})
