"""The fault catalogue: one entry per way in which a zone can be broken, with the answer a validating resolver owes.

Every entry becomes the zone `<name>.faults.jp`. Such a zone is signed with RSA/SHA-256 and NSEC3 (no iterations, no
salt), its KSK and ZSK both sign the DNSKEY RRset, and the entry changes what it says. The same entries can be applied to
any zone of a running lab.

The cases marked `published` are those of the 2023 Internet Measurement Conference study on Extended DNS Errors and of its
follow-up; the others are ours. Expectations are for the default configuration; `expect_if_sha1_validates` says what changes
for a resolver that still validates SHA-1 signatures (RFC 9905 §2 forbids them to signers, and lets resolvers treat them as
insecure).

RFC 8914 (codes), RFC 4034, RFC 5155, RFC 9276.
"""

from dataclasses import dataclass
from enum import Enum

from dns.dnssectypes import Algorithm
from dns.rdatatype import RdataType

from lab import steps
from lab.signer import Denial, Nsec, Nsec3
from lab.steps import Behaviour, EditStep, ParentStep, PlanStep, When

FAULTS_ZONE = "faults.jp."
NONEXISTENT_LABEL = "nonexistent"


class Ask(Enum):
    """Which question shows the fault (type A always)."""

    APEX = "apex"
    NONEXISTENT = "nonexistent"


@dataclass(frozen=True)
class Expectation:
    """The answer owed: RCODE, AD bit, and Extended DNS Errors of which one has to be there (none listed: none needed)."""

    rcode: str
    ad: bool = False
    ede: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fault:
    """One fault: what is wrong, how it is built, what it is asked and what the answer should be."""

    name: str
    wrong: str
    expect: Expectation
    ask: Ask = Ask.APEX
    signed: bool = True
    algorithm: int | None = None
    denial: Denial | None = None
    plan: PlanStep | None = None
    edit: tuple[EditStep, ...] = ()
    parent: ParentStep | None = None
    behaviour: Behaviour = Behaviour.NORMAL
    expect_if_sha1_validates: Expectation | None = None
    published: bool = True

    @property
    def zone(self) -> str:
        """The zone of the mini-Internet that has the fault."""
        return f"{self.name}.{FAULTS_ZONE}"

    def question_in(self, zone: str) -> str:
        """The name to ask for (type A) to see the fault in a zone."""
        return zone if self.ask is Ask.APEX else f"{NONEXISTENT_LABEL}.{zone}"

    @property
    def question(self) -> str:
        """The name to ask for (type A) to see the fault in its own zone."""
        return self.question_in(self.zone)


SECURE = Expectation("NOERROR", ad=True)
INSECURE = Expectation("NOERROR")
_NX = Ask.NONEXISTENT
_NSEC3 = Nsec3()


def _bogus(*ede: int) -> Expectation:
    return Expectation("SERVFAIL", ede=ede)


def _insecure(ede: int) -> Expectation:
    return Expectation("NOERROR", ede=(ede,))


def _algorithm(name: str, number: int, expect: Expectation, validated: Expectation | None = None) -> Fault:
    # RFC 5155 §2: algorithms 1, 3 and 5 stand for NSEC, their aliases 6 and 7 and everything later for either.
    denial: Denial = Nsec() if number in (1, 3, 5) else _NSEC3
    return Fault(
        name,
        f"signed with algorithm {number}",
        expect,
        algorithm=number,
        denial=denial,
        expect_if_sha1_validates=validated,
    )


def _iterations(count: int, expect: Expectation) -> Fault:
    wrong = f"NSEC3 with {count} iteration{'s' if count > 1 else ''}"
    return Fault(f"nsec3-iter-{count}", wrong, expect, ask=_NX, denial=Nsec3(iterations=count))


def _glue(name: str, address: str) -> Fault:
    return Fault(name, f"the only glue is {address}", _bogus(22), parent=steps.only_glue(address))


def _plan(name: str, wrong: str, plan: PlanStep, *ede: int) -> Fault:
    return Fault(name, wrong, _bogus(*ede), plan=plan)


def _edit(name: str, wrong: str, edit: EditStep, *ede: int) -> Fault:
    return Fault(name, wrong, _bogus(*ede), edit=(edit,))


def _nsec3(name: str, wrong: str, *edit: EditStep, ede: tuple[int, ...]) -> Fault:
    return Fault(name, wrong, _bogus(*ede), ask=_NX, denial=_NSEC3, edit=edit)


def _ds(name: str, wrong: str, parent: ParentStep, expect: Expectation, validated: Expectation | None = None) -> Fault:
    return Fault(name, wrong, expect, parent=parent, expect_if_sha1_validates=validated)


_CONTROL = (
    Fault("valid", "nothing", SECURE),
    Fault("unsigned", "not signed, no DS", INSECURE, signed=False, parent=steps.drop_ds),
    Fault("no-ds", "signed, the parent has no DS", INSECURE, parent=steps.drop_ds),
)

_SERVERS = (
    Fault("allow-query-none", "its server refuses everybody", _bogus(22), behaviour=Behaviour.REFUSE),
    Fault(
        "allow-query-localhost",
        "its server refuses everybody but itself",
        _bogus(22),
        behaviour=Behaviour.REFUSE_OTHERS,
    ),
    Fault("not-auth", "delegated to a server that does not serve it", _bogus(22), behaviour=Behaviour.NOT_SERVED),
)

_DS = (
    _ds("ds-bad-tag", "DS key tag does not match the KSK", steps.change_ds(tag_by=1), _bogus(9)),
    _ds(
        "ds-bad-key-algo",
        "DS algorithm 7, the key has 8",
        steps.change_ds(algorithm=steps.RSASHA1_NSEC3),
        _insecure(1),
        _bogus(9),
    ),
    _ds("ds-unassigned-key-algo", "DS algorithm 100 (unassigned)", steps.change_ds(algorithm=100), _insecure(1)),
    _ds("ds-reserved-key-algo", "DS algorithm 200 (reserved)", steps.change_ds(algorithm=200), _insecure(1)),
    _ds(
        "ds-unassigned-digest-algo",
        "DS digest type 100 (unassigned)",
        steps.change_ds(digest_type=100),
        _insecure(2),
    ),
    _ds("ds-bogus-digest-value", "DS digest does not match the KSK", steps.change_ds(wrong_digest=True), _bogus(9)),
)

_TIMES = (
    _plan("rrsig-exp-all", "all signatures have expired", steps.sign_all(When.EXPIRED), 7),
    _edit("rrsig-exp-a", "the signature over the apex A has expired", steps.resign_apex_a(When.EXPIRED), 7),
    _plan("rrsig-not-yet-all", "all signatures are not valid yet", steps.sign_all(When.FUTURE), 8),
    _edit("rrsig-not-yet-a", "the signature over the apex A is not valid yet", steps.resign_apex_a(When.FUTURE), 8),
    _plan("rrsig-exp-before-all", "all signatures expire before their inception", steps.sign_all(When.INVERTED), 25),
    _edit(
        "rrsig-exp-before-a",
        "the signature over the apex A expires before its inception",
        steps.resign_apex_a(When.INVERTED),
        25,
    ),
)

_SIGNATURES = (
    _edit("rrsig-no-all", "all signatures removed", steps.drop_all_signatures, 10),
    _edit("rrsig-no-a", "the signature over the apex A removed", steps.drop_signatures(RdataType.A), 10),
    _plan("no-rrsig-ksk", "the KSK's signature over DNSKEY removed", steps.ksk_does_not_sign, 10),
    _plan("no-rrsig-dnskey", "all signatures over DNSKEY removed", steps.nobody_signs_keys, 10),
    _edit(
        "bad-rrsig-ksk",
        "the KSK's signature over DNSKEY corrupted",
        steps.corrupt_signatures(RdataType.DNSKEY, only_ksk=True),
        6,
    ),
    _edit("bad-rrsig-dnskey", "all signatures over DNSKEY corrupted", steps.corrupt_signatures(RdataType.DNSKEY), 6),
)

_DENIAL = (
    _nsec3("bad-nsec3-hash", "NSEC3 owner hashes altered", steps.alter_nsec3_owners, ede=(6, 12)),
    _nsec3("bad-nsec3-next", "NSEC3 next-hash fields altered", steps.alter_nsec3_next, ede=(6,)),
    _nsec3(
        "bad-nsec3param-salt",
        "NSEC3PARAM salt wrong, the server finds no NSEC3",
        steps.alter_nsec3param_salt,
        ede=(12,),
    ),
    _nsec3("bad-nsec3-rrsig", "signatures over NSEC3 corrupted", steps.corrupt_signatures(RdataType.NSEC3), ede=(6,)),
    _nsec3("nsec3-missing", "NSEC3 records removed", steps.drop_nsec3, ede=(12,)),
    _nsec3("nsec3-rrsig-missing", "signatures over NSEC3 removed", steps.drop_signatures(RdataType.NSEC3), ede=(10, 12)),
    _nsec3("nsec3param-missing", "NSEC3PARAM removed", steps.drop_nsec3param, ede=(10, 12)),
    _nsec3("no-nsec3param-nsec3", "NSEC3PARAM and NSEC3 removed", steps.drop_nsec3param, steps.drop_nsec3, ede=(10, 12)),
    _iterations(1, Expectation("NXDOMAIN", ad=True)),
    *(_iterations(count, Expectation("NXDOMAIN", ede=(27,))) for count in (51, 101, 151, 200)),
)

_KEYS = (
    _plan("no-dnskey", "the DNSKEY RRset removed", steps.publish_no_keys, 9),
    _plan("no-zsk", "the ZSK removed from DNSKEY", steps.withhold_zsk, 6, 9),
    _plan("bad-zsk", "the ZSK altered", steps.alter_zsk, 6, 9),
    _plan("no-ksk", "the KSK removed from DNSKEY", steps.withhold_ksk, 9),
    _plan("bad-ksk", "the KSK altered", steps.alter_ksk, 9),
    _plan("no-dnskey-256", "the ZSK without the zone-key bit", steps.clear_zone_bit(zsk=True), 11),
    _plan("no-dnskey-257", "the KSK without the zone-key bit", steps.clear_zone_bit(ksk=True), 11, 9),
    _plan("no-dnskey-256-257", "both keys without the zone-key bit", steps.clear_zone_bit(ksk=True, zsk=True), 11),
    _plan("bad-zsk-algo", "the ZSK says algorithm 7, it signs with 8", steps.publish_zsk_as(7), 6, 9),
    _plan("unassigned-zsk-algo", "the ZSK says algorithm 100, it signs with 8", steps.publish_zsk_as(100), 6, 9),
    _plan("reserved-zsk-algo", "the ZSK says algorithm 200, it signs with 8", steps.publish_zsk_as(200), 6, 9),
    _plan("bad-ksk-algo", "the KSK says algorithm 7, it signs with 8", steps.publish_ksk_as(7), 9),
    _plan("unassigned-ksk-algo", "the KSK says algorithm 100, it signs with 8", steps.publish_ksk_as(100), 9),
    _plan("reserved-ksk-algo", "the KSK says algorithm 200, it signs with 8", steps.publish_ksk_as(200), 9),
)

_ALGORITHMS = (
    _algorithm("rsamd5", Algorithm.RSAMD5, _insecure(1)),
    _algorithm("dsa", Algorithm.DSA, _insecure(1)),
    _algorithm("dsa-nsec3-sha1", Algorithm.DSANSEC3SHA1, _insecure(1)),
    _algorithm("rsasha1", Algorithm.RSASHA1, _insecure(1), SECURE),
    _algorithm("rsasha1-nsec3-sha1", Algorithm.RSASHA1NSEC3SHA1, _insecure(1), SECURE),
    _algorithm("rsasha256", Algorithm.RSASHA256, SECURE),
    _algorithm("rsasha512", Algorithm.RSASHA512, SECURE),
    _algorithm("ecdsap256sha256", Algorithm.ECDSAP256SHA256, SECURE),
    _algorithm("ecdsap384sha384", Algorithm.ECDSAP384SHA384, SECURE),
    _algorithm("ed25519", Algorithm.ED25519, SECURE),
    _algorithm("ed448", Algorithm.ED448, SECURE),
)

_ADDRESSES = (
    _glue("v4-private-10", "10.0.0.1"),
    _glue("v4-private-172", "172.16.0.1"),
    _glue("v4-private-192", "192.168.0.1"),
    _glue("v4-this-host", "0.0.0.0"),  # noqa: S104 - an address in data, nobody binds it
    _glue("v4-loopback", "127.0.0.1"),
    _glue("v4-link-local", "169.254.0.1"),
    _glue("v4-doc", "198.51.100.0"),
    _glue("v4-reserved", "240.0.0.1"),
    _glue("v6-mapped", "::ffff:1.2.3.4"),
    _glue("v6-unspecified", "::"),
    _glue("v4-hex", "c000:201::"),
    _glue("v6-link-local", "fe80::a:b:c:d"),
    _glue("v6-localhost", "::1"),
    _glue("v6-mapped-dep", "::1.2.3.4"),
    _glue("v6-doc", "2001:db8::1"),
    _glue("v6-unique-local", "fc05::20:1"),
    _glue("v6-nat64", "64:ff9b::1.2.3.4"),
    _glue("v6-multicast", "ff02::16"),
)

_OURS = (
    Fault(
        "unsigned-transfer",
        "moved to an operator without DNSSEC: not signed, the DS is still there",
        _bogus(9),
        plan=steps.unsign,
        published=False,
    ),
    Fault(
        "dnssec-stripped",
        "signed, its server knows no DNSSEC and leaves the signatures out",
        _bogus(10),
        behaviour=Behaviour.NO_DNSSEC,
        published=False,
    ),
    Fault("silent", "its server never answers", _bogus(22, 23), behaviour=Behaviour.SILENT, published=False),
    Fault("servfail", "its server answers SERVFAIL", _bogus(22, 23), behaviour=Behaviour.SERVFAIL, published=False),
    Fault("tcp-only", "its server truncates every UDP answer", SECURE, behaviour=Behaviour.TRUNCATE, published=False),
    Fault(
        "no-edns",
        "not signed, its server answers FORMERR to EDNS",
        INSECURE,
        signed=False,
        parent=steps.drop_ds,
        behaviour=Behaviour.NO_EDNS,
        published=False,
    ),
)

# The order gives each fault zone its address; append only.
CATALOGUE: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *_CONTROL,
        *_SERVERS,
        *_DS,
        *_TIMES,
        *_SIGNATURES,
        *_DENIAL,
        *_KEYS,
        *_ALGORITHMS,
        *_ADDRESSES,
        *_OURS,
    )
}
