"""Small signed zones for tests: keys, records, signatures (by dnspython: a second opinion), NSEC or NSEC3, faults.

A `SignedZone` holds RRsets as the reader would give them, with their signatures, and answers questions as an authority
would, in the form of Steps.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from trust.algorithms import Key, digest
from trust.vocabulary import Address, Cut, Kind, Step
from wire import types as t
from wire.name import (
    Name,
    ancestors,
    canonical_key,
    is_strict_subdomain,
    is_subdomain,
    parent,
    replace_suffix,
    wildcard,
)
from wire.rrset import RRset
from wire.text import name_from_text, rrsets_from_text, type_from_text

NOW = 1_800_000_000
"""The tests' wall clock."""
DAY = 86400
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def n(text: str) -> Name:
    return name_from_text(text)


class KeyPair:
    """A private key and its DNSKEY RDATA."""

    def __init__(self, algorithm: int, flags: int, index: int = 0, protocol: int = 3) -> None:
        self.private = _private(algorithm, index * 2 + (flags & 1))
        made = dns.dnssec.make_dnskey(self.private.public_key(), dns.dnssectypes.Algorithm.make(algorithm), flags, protocol)
        self.rdata: bytes = made.to_wire()  # type: ignore[assignment]

    def altered(self, flags: int | None = None, algorithm: int | None = None, protocol: int | None = None) -> "KeyPair":
        """The same private key under another DNSKEY head."""
        copy = object.__new__(KeyPair)
        copy.private = self.private
        head = bytearray(self.rdata[:4])
        if flags is not None:
            head[0:2] = flags.to_bytes(2, "big")
        if protocol is not None:
            head[2] = protocol
        if algorithm is not None:
            head[3] = algorithm
        copy.rdata = bytes(head) + self.rdata[4:]
        return copy

    @property
    def tag(self) -> int:
        return Key(self.rdata).tag

    @property
    def algorithm(self) -> int:
        return self.rdata[3]

    def ds(self, zone: Name, digest_type: int = 2) -> bytes:
        made = digest(zone, self.rdata, digest_type) or b"\x55" * 32
        return self.tag.to_bytes(2, "big") + bytes((self.algorithm, digest_type)) + made


@functools.cache
def _private(algorithm: int, index: int) -> Private:
    """One key each test run for every algorithm and index: making RSA keys takes long."""
    if algorithm == 13:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == 14:
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == 15:
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == 16:
        return ed448.Ed448PrivateKey.generate()
    return rsa.generate_private_key(65537, 1024)


def sign(
    rrset: RRset,
    key: KeyPair,
    zone: Name,
    inception: int = NOW - DAY,
    expiration: int = NOW + DAY,
    owner: Name | None = None,
    original_ttl: int | None = None,
) -> bytes:
    """RDATA of an RRSIG over the set (as it would be at `owner`), made by dnspython."""
    name = dns.name.from_wire(owner or rrset.name, 0)[0]
    rtype = dns.rdatatype.RdataType.make(rrset.rtype)
    rdatas = [dns.rdata.from_wire(dns.rdataclass.IN, rtype, r, 0, len(r)) for r in rrset.rdatas]
    made = dns.rrset.from_rdata_list(name, rrset.ttl if original_ttl is None else original_ttl, rdatas)
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DNSKEY, key.rdata, 0, len(key.rdata))
    assert isinstance(rdata, DNSKEY)
    sig = dns.dnssec.sign(
        made,
        key.private,
        dns.name.from_wire(zone, 0)[0],
        rdata,
        # dnspython insists on inception before expiration; `retimed` makes what it refuses.
        inception=inception,
        expiration=expiration,
        policy=dns.dnssec.allow_all_policy,
        verify=False,
    )
    return sig.to_wire() or b""


def corrupt(sig: bytes) -> bytes:
    """The signature with one bit of its last octet changed."""
    return sig[:-1] + bytes((sig[-1] ^ 1,))


class SignedZone:
    """A zone. `records` in zone-file format, names relative to the origin; SOA and NS are added.

    Attributes:
        data: RRsets by (owner, type), signed by `sign`.
    """

    def __init__(
        self,
        origin: str,
        records: str = "",
        *,
        algorithm: int = 13,
        keys: tuple[KeyPair, KeyPair] | None = None,
        signed: bool = True,
        nsec3: bool = False,
        iterations: int = 0,
        opt_out: bool = False,
        inception: int = NOW - DAY,
        expiration: int = NOW + DAY,
        server: str = "192.0.2.1",
    ) -> None:
        self.origin = n(origin)
        self.server = Address(server, 53)
        self.signed = signed
        self.nsec3 = nsec3
        self.iterations = iterations
        self.opt_out = opt_out
        self.inception, self.expiration = inception, expiration
        self.ksk, self.zsk = keys or (KeyPair(algorithm, 257), KeyPair(algorithm, 256))
        head = "@ 3600 SOA ns1 host 1 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 3600 A 192.0.2.53\n"
        self.data: dict[tuple[Name, int], RRset] = {}
        for rrset in rrsets_from_text(head + records, origin=origin if origin.endswith(".") else origin + "."):
            self.data[rrset.name, rrset.rtype] = rrset
        self.children: dict[Name, SignedZone] = {}
        if signed:
            self.publish(self.ksk.rdata, self.zsk.rdata)

    def publish(self, *dnskeys: bytes) -> None:
        """Put these keys into the DNSKEY RRset (unsigned yet)."""
        self.data[self.origin, t.DNSKEY] = RRset(self.origin, t.DNSKEY, 3600, list(dnskeys))

    def delegate(self, child: "SignedZone", ds: Iterable[bytes] | None = None) -> "SignedZone":
        """Make the child a delegation, with a DS for its KSK unless others are given; none for an unsigned child."""
        if ds is None:
            ds = [child.ksk.ds(child.origin)] if child.signed else []
        ds = list(ds)
        self.data[child.origin, t.NS] = RRset(child.origin, t.NS, 3600, [b"\x03ns1" + child.origin])
        if ds:
            self.data[child.origin, t.DS] = RRset(child.origin, t.DS, 3600, ds)
        self.children[child.origin] = child
        return child

    def is_below_cut(self, name: Name) -> bool:
        return any(is_strict_subdomain(name, cut) for cut in self.children)

    def sign(self) -> "SignedZone":
        """Make the denial chain and sign everything that is the zone's own."""
        if not self.signed:
            return self
        self._make_denials()
        for rrset in self.data.values():
            self.sign_set(rrset)
        return self

    def sign_set(self, rrset: RRset, inception: int | None = None, expiration: int | None = None) -> None:
        """(Re)sign one set: DNSKEY by both keys, others by the ZSK; what the zone does not own stays unsigned."""
        rrset.sigs = []
        delegated = rrset.name in self.children and rrset.rtype not in (t.DS, t.NSEC)
        if delegated or self.is_below_cut(rrset.name):
            return
        first = self.inception if inception is None else inception
        last = self.expiration if expiration is None else expiration
        for key in (self.ksk, self.zsk) if rrset.rtype == t.DNSKEY else (self.zsk,):
            if first > last:
                rrset.sigs.append(self._backwards(rrset, key, first, last))
            else:
                rrset.sigs.append(sign(rrset, key, self.origin, first, last))

    def _backwards(self, rrset: RRset, key: KeyPair, inception: int, expiration: int) -> bytes:
        good = sign(rrset, key, self.origin, expiration, inception)
        return good[:8] + expiration.to_bytes(4, "big") + inception.to_bytes(4, "big") + good[16:]

    def edit(self, change: Callable[[RRset], None], name: str | None = None, rtype: str | None = None) -> "SignedZone":
        """Apply a fault to the sets of a name and type; of all, when left out."""
        for (owner, number), rrset in self.data.items():
            if (name is None or owner == n(name)) and (rtype is None or number == type_from_text(rtype)):
                change(rrset)
        return self

    def get(self, name: str, rtype: str) -> RRset:
        return self.data[n(name), type_from_text(rtype)]

    # --- denial ---------------------------------------------------------------------------------------------------

    def _types(self, name: Name) -> list[int]:
        present = [rtype for owner, rtype in self.data if owner == name and rtype not in (t.NSEC, t.NSEC3)]
        return [x for x in present if x in (t.NS, t.DS)] if name in self.children else present

    def _names(self) -> list[Name]:
        own = {owner for owner, rtype in self.data if rtype != t.NSEC3 and not self.is_below_cut(owner)}
        if self.nsec3:
            own |= {a for owner in own for a in ancestors(owner) if is_subdomain(a, self.origin)}
            if self.opt_out:
                own -= {c for c in self.children if (c, t.DS) not in self.data}
        return sorted(own, key=canonical_key)

    def _make_denials(self) -> None:
        names = self._names()
        if not self.nsec3:
            for name, following in zip(names, names[1:] + names[:1], strict=True):
                types = [*self._types(name), t.RRSIG, t.NSEC]
                self.data[name, t.NSEC] = RRset(name, t.NSEC, 300, [following + bitmap(types)])
            return
        head = b"\1" + bytes((self.opt_out,)) + self.iterations.to_bytes(2, "big") + b"\0"
        self.data[self.origin, t.NSEC3PARAM] = RRset(
            self.origin, t.NSEC3PARAM, 0, [b"\1\0" + self.iterations.to_bytes(2, "big") + b"\0"]
        )
        hashes = sorted((self.hash(name), name) for name in names)
        for (hashed, name), (following, _) in zip(hashes, hashes[1:] + hashes[:1], strict=True):
            types = self._types(name)
            signed = name not in self.children or t.DS in types
            types = [*types, t.RRSIG] if types and signed else types
            owner = self.nsec3_owner(hashed)
            self.data[owner, t.NSEC3] = RRset(owner, t.NSEC3, 300, [head + b"\x14" + following + bitmap(types)])

    def hash(self, name: Name) -> bytes:
        made = hashlib.sha1(name).digest()
        for _ in range(self.iterations):
            made = hashlib.sha1(made).digest()
        return made

    def nsec3_owner(self, hashed: bytes) -> Name:
        number, digits = int.from_bytes(hashed, "big"), b"0123456789abcdefghijklmnopqrstuv"
        label = bytes(digits[number >> shift & 31] for shift in range(155, -1, -5))
        return b"\x20" + label + self.origin

    def matching(self, name: Name) -> list[RRset]:
        """The record that matches the name."""
        if not self.nsec3:
            found = self.data.get((name, t.NSEC))
        else:
            found = self.data.get((self.nsec3_owner(self.hash(name)), t.NSEC3))
        return [found] if found else []

    def covering(self, name: Name) -> list[RRset]:
        """The record that covers the name."""
        if not self.nsec3:
            lower = [o for o, x in self.data if x == t.NSEC and canonical_key(o) < canonical_key(name)]
            return [self.data[max(lower, key=canonical_key), t.NSEC]] if lower else []
        owners = sorted(o for o, x in self.data if x == t.NSEC3)
        if not owners:
            return []
        target = self.nsec3_owner(self.hash(name))
        below = [o for o in owners if o < target]
        return [self.data[below[-1] if below else owners[-1], t.NSEC3]]

    # --- answers --------------------------------------------------------------------------------------------------

    def exists(self, name: Name) -> bool:
        return any(is_subdomain(owner, name) for owner, rtype in self.data if rtype != t.NSEC3)

    def encloser(self, name: Name) -> tuple[Name, Name]:
        """Closest encloser and next closer name of a name that does not exist."""
        closer = name
        while not self.exists(parent(closer)):
            closer = parent(closer)
        return parent(closer), closer

    def step(self, name: Name, rtype: int) -> Step:
        """What the zone's authority answers."""
        rrset = None if rtype == t.NSEC3 else self.data.get((name, rtype))
        if rrset is not None:
            return self._data(name, rtype, Kind.ANSWER, rrset)
        alias = self.data.get((name, t.CNAME))
        if alias is not None:
            return self._data(name, rtype, Kind.CNAME, alias)
        for above in ancestors(name)[1:]:
            dname = self.data.get((above, t.DNAME))
            if dname is not None:
                made = self._data(name, rtype, Kind.DNAME, dname)
                made.target = replace_suffix(name, above, dname.rdatas[0])
                return made
        if self.exists(name):
            return self._denial(name, rtype, Kind.NODATA, self._no_data(name))
        return self._synthesised(name, rtype)

    def _no_data(self, name: Name) -> list[RRset]:
        if self.matching(name):
            return self.matching(name)
        if not self.nsec3:  # an empty non-terminal
            return self.covering(name)
        closer = name  # opt-out: closest provable encloser
        while not self.matching(parent(closer)):
            closer = parent(closer)
        return self.matching(parent(closer)) + self.covering(closer)

    def _synthesised(self, name: Name, rtype: int) -> Step:
        encloser, closer = self.encloser(name)
        source = wildcard(encloser)
        for wanted, kind in ((rtype, Kind.ANSWER), (t.CNAME, Kind.CNAME)):
            rrset = self.data.get((source, wanted))
            if rrset is not None:
                copy = RRset(name, wanted, rrset.ttl, rrset.rdatas, rrset.sigs)
                made = self._data(name, rtype, kind, copy)
                made.authority = self.covering(closer)
                return made
        if self.exists(source):
            proof = self.matching(source) + self.covering(closer) + (self.matching(encloser) if self.nsec3 else [])
            return self._denial(name, rtype, Kind.NODATA, proof)
        proof = self.covering(closer) + self.covering(source) + (self.matching(encloser) if self.nsec3 else [])
        return self._denial(name, rtype, Kind.NXDOMAIN, proof)

    def _data(self, name: Name, rtype: int, kind: Kind, rrset: RRset) -> Step:
        target = rrset.rdatas[0] if kind is Kind.CNAME else None
        return Step(name, rtype, kind, [rrset], [], self.origin, self.server, target)

    def _denial(self, name: Name, rtype: int, kind: Kind, proof: list[RRset]) -> Step:
        unique = list({id(rrset): rrset for rrset in proof}.values()) if self.signed else []
        return Step(name, rtype, kind, [], [self.data[self.origin, t.SOA], *unique], self.origin, self.server)

    def cut(self, child: Name, expires_mono: float = 3600.0) -> Cut:
        """The referral to a child."""
        ds = self.data.get((child, t.DS))
        denial = [] if ds or not self.signed else self._no_data(child)
        return Cut(child, self.origin, {}, expires_mono, ds, denial)


def bitmap(types: Iterable[int]) -> bytes:
    """Type bit maps (RFC 4034 §4.1.2)."""
    out = b""
    windows: dict[int, bytearray] = {}
    for rtype in types:
        bits = windows.setdefault(rtype >> 8, bytearray(32))
        bits[(rtype & 255) >> 3] |= 0x80 >> (rtype & 7)
    for window, bits in sorted(windows.items()):
        body = bytes(bits).rstrip(b"\0")
        out += bytes((window, len(body))) + body
    return out
