"""Every sentence that `explain` says, in one table: another language is another column of it.

A text is a template of `str.format`; its fields are named, so that a translation may put them in another order. Texts that
the validator itself makes (verdicts, denials: `Verdict.text`) are quoted as they are: they are what stands in logs and in
Extended DNS Errors, and are looked up by their wording. In the one sentence about the failing link they come after a gloss.
"""

from collections.abc import Mapping
from typing import Final

from resolver.explain.texts_ja import JAPANESE, REASONS

_ENGLISH: Final[Mapping[str, str]] = {
    # --- durations
    "left.days": "{days} d {hours} h left",
    "left.hours": "{hours} h {minutes} min left",
    "left.minutes": "{minutes} min left",
    "ago.days": "expired {days} d {hours} h ago",
    "ago.hours": "expired {hours} h {minutes} min ago",
    "ago.minutes": "expired {minutes} min ago",
    "from.days": "valid only in {days} d {hours} h",
    "from.hours": "valid only in {hours} h {minutes} min",
    "from.minutes": "valid only in {minutes} min",
    # --- the outcome in one sentence
    "sentence.secure": "The answer for {name} is secure: every link from the trust anchor holds.",
    "sentence.insecure": "The answer for {name} is insecure: {text}.",
    "sentence.insecure.plain": "nothing vouches for it",
    "sentence.unchecked": "The answer for {name} was not checked.",
    # --- the failing link
    "link.anchor": "The chain breaks at its very top, at the trust anchor of {zone}: {text}.",
    "link.ds": "The chain breaks at the delegation from {parent} to {zone}: {text}.",
    "link.keys": "The chain breaks between the DS at {parent} and the keys of {zone}: {text}.",
    "link.answer": "The chain holds down to {zone}; the answer itself does not: {text}.",
    "link.denial": "The chain holds down to {zone}; the proof that there is no such data does not: {text}.",
    "link.servers": "The servers of {zone} gave no usable answer: {text}.",
    "link.alias": "The aliases of {zone} lead nowhere: {text}.",
    "link.resolver": "This resolver gave up: {text}.",
    # --- who can mend it
    "who.authority": "the operator of {zone}",
    "who.sign": "the operator of {zone} must sign anew; check this resolver's own clock first",
    "who.keys": "the operator of {zone} together with its parent {parent}: the DS at the parent must fit the zone's keys",
    "who.parent": "the operator of the parent {parent}, whose DS or proof about {zone} does not hold",
    "who.clock": "this resolver's operator: check the clock first, for even the trust anchor's own zone seems out of time",
    "who.anchor": "this resolver's operator: the configured trust anchors do not match the keys of {zone}",
    "who.limit": "this resolver's operator: a limit of the resolver was reached",
    "who.reach": "the operator of {zone}'s servers, unless this resolver's own network is at fault",
    "who.unusable": "the operator of {zone}: its delegation names only addresses that may not be asked from the Internet",
    "who.network": "this resolver's operator: even the trust anchor's own zone cannot be reached",
    "who.nta": "this resolver's operator: a negative trust anchor is in force",
    "who.no-anchor": "nobody: no trust anchor is configured above this name",
    "who.old": "the operator of {zone}: signed, but in a way that validators no longer count",
    # --- the next step (guideline 2.6.3, 2.6.4, 2.7.3.2)
    "next.none": "Nothing needs to be done.",
    "next.daemon": "The chain holds here and the running resolver still fails, so the cause is likely in the resolver "
    "itself (2.6.3): read its log, compare its trust anchors and clock, then drop what it holds: akashi cache flush {name}",
    "next.authority": "The cause is on the authoritative side (2.6.3). By your procedure (2.6.4), decide whether to act: "
    "tell your users, and send this evidence to {contact} (2-19). If it is no attack and mending takes long, a negative "
    "trust anchor may be proposed (2.7.3.2): akashi nta propose {zone}",
    "next.clock": "Compare this host's clock with a trusted source (2-3), set it right, and explain again.",
    "next.anchor": "Compare the configured trust anchors with the published ones (2-7): akashi trust status",
    "next.limit": "Read the resolver's log for the limit named here; explain again when the load is lower.",
    "next.unusable": "The cause is on the authoritative side (2.6.3), and not in DNSSEC: the parent's addresses must be "
    "put right. Write to {contact}. Should they be right in your own network: upstream.private-servers, upstream.stub.",
    "next.reach": "Even with CD set there is no answer, so DNSSEC is not the (only) cause (2.6.3). Check from here that "
    "the addresses below can be reached over UDP and TCP; then write to {contact}.",
    "next.unreached": "Check from here that the servers of {zone} can be reached over UDP and TCP, with answers as "
    "large as a set of keys; then write to {contact}.",
    "next.alias": "The cause is on the authoritative side, not in DNSSEC: an alias must be changed. Write to {contact}.",
    "next.nta": "Watch for the zone to validate again (2.7.3.2); the anchor ends by itself: akashi nta show {zone}",
    "next.nobody": "the zone's technical contact",
    # --- guideline 2.6.3, step by step
    "step.cd.title": "Ask again with CD (Checking Disabled) set",
    "step.cd.found": "checked: {checked}; with CD: {unchecked}",
    "step.cd.missing": "not asked",
    "step.cd.dnssec": "It resolves only without checking: the fault lies in DNSSEC.",
    "step.cd.both": "It resolves either way: nothing fails because of DNSSEC.",
    "step.cd.neither": "It resolves in neither way: the fault is not, or not only, in DNSSEC.",
    "step.chain.title": "Check that the chain of trust can be built",
    "step.chain.holds": "It can: if clients fail all the same, the cause is likely in the full resolver; analyse its logs.",
    "step.chain.ends": "It ends, as it should, where {zone} is provably unsigned or not covered by a trust anchor.",
    "step.chain.nta": "It is not asked for: a negative trust anchor covers the name.",
    "step.chain.breaks": "It cannot: the cause is on the authoritative side.",
    "step.chain.ours": "It cannot, and the cause is on this resolver's side.",
    "step.chain.unknown": "It could not be tried: there is no answer to check.",
    "step.servers.found": "{good} of {all} gave an answer that may be believed",
    "step.servers.title": "Ask every authoritative server by itself",
    # --- delegations
    "ds.matches": "matches key {tag}",
    "ds.unsupported.algorithm": "not counted: algorithm not supported",
    "ds.unsupported.digest": "not counted: digest type not supported",
    "ds.weaker": "not counted: SHA-1 beside a better digest (RFC 4509)",
    "ds.differs": "digest differs from that of key {tag}",
    "ds.revoked": "points at key {tag}, which is revoked",
    "ds.unfit": "points at key {tag}, which has no zone-key bit",
    "ds.none": "no key with tag {tag} and this algorithm in the zone",
    "ds.unknown": "the zone's keys are not known",
    "anchor.matches": "matches key {tag}",
    "anchor.none": "no such key in the zone now",
    # --- denials
    "denial.nsec.match": "{owner} exists and has {types}; {wanted} is not among them.",
    "denial.nsec.match.cut": "{owner} is delegated ({types}) and has no {wanted}.",
    "denial.nsec.cover": "Between {owner} and {next} there is no name, so there is no {name}.",
    "denial.nsec.wildcard": "Between {owner} and {next} there is no name, so there is no wildcard {name} either.",
    "denial.nsec.parent": "Between {owner} and {next} there is no name; {name} exists only because {next} is below it.",
    "denial.nsec.other": "From {owner} the next name is {next}; types at {owner}: {types}.",
    "denial.nsec3.match": "The hash of {name} is there, and has {types}; {wanted} is not among them.",
    "denial.nsec3.encloser": "The hash of {name} is there: it is the nearest existing name.",
    "denial.nsec3.cover": "The hash of {name} falls into a gap, so there is no such name.",
    "denial.nsec3.optout": "The hash of {name} falls into an opt-out gap: unsigned delegations may hide in it.",
    "denial.nsec3.wildcard": "The hash of the wildcard {name} falls into a gap, so nothing stands in for the name.",
    "denial.nsec3.other": "A gap of the hash chain that this question does not touch.",
    "denial.nsec3.dear": "Not hashed again: {iterations} iterations.",
    "denial.compact": "The server says by a type of its own (NXNAME) that {owner} does not exist (RFC 9824).",
    "denial.nothing": "no type at all",
    # --- servers
    "servers.agree": "All {count} servers that answered say the same.",
    "servers.agree.one": "The one server of the zone answered.",
    "servers.bogus": "None of their answers validates.",
    "servers.bogus.one": "Its answer does not validate.",
    "servers.none": "None of the servers gave a usable answer.",
    "servers.differ.security": "The servers disagree: {good} give an answer that validates, {bad} do not ({list}).",
    "servers.differ.data": "The servers disagree: they give {count} different answers.",
    "servers.differ.serial": "The servers serve different versions of the zone: serials {serials}.",
    "servers.silent": "{count} of {all} gave no usable answer ({list}).",
    "servers.left-out": "{count} more were not asked.",
    "servers.alone": "Only {server} was asked, as the command line wanted.",
    "servers.stranger": "It is not among the name servers of {zone}.",
    # --- the running resolver
    "daemon.not-asked": "No running resolver was asked.",
    "daemon.silent": "No running resolver answered at {address} ({what}).",
    "daemon.nothing": "The running resolver remembers nothing of it: the next client gets what is found then.",
    "daemon.no-worker": "No worker of the running resolver told what it remembers.",
    "daemon.age": "What it remembers is {age} s old and lasts {ttl} s more.",
    "daemon.failure": "It remembers a failure, for {ttl} s more.",
    "daemon.workers": "{count} of its {all} workers remember it so; the others differ or know nothing.",
    "daemon.nta-in-force": "In force there: {nta}.",
    "daemon.same": "The running resolver answers the same as the fresh look.",
    "daemon.both": "The running resolver and the fresh look agree: both fail.",
    "daemon.worse": "The running resolver fails where the fresh look succeeds: what it remembers is out of date, or its "
    "trust anchors or clock differ.",
    "daemon.better": "The running resolver still answers where the fresh look fails: it lives on what it remembers, "
    "which will run out.",
    "daemon.nta": "The running resolver answers where the fresh look fails: a negative trust anchor is in force there.",
    "daemon.ad": "The running resolver and the fresh look differ in whether the answer is secure.",
    "daemon.data": "The running resolver gives other data than the fresh look.",
    "daemon.rcode": "The running resolver answers {rcode}, the fresh look {fresh}.",
    # --- response policy
    "policy.rule": "Response policy zone {zone} has a rule for it: {rule} ({action}).",
    "policy.local": "The local zone {rule} governs it ({action}).",
    "policy.passthru": "Response policy zone {zone} exempts it: {rule}.",
    "policy.disabled": "Response policy zone {zone} has a rule for it that is only logged: {rule}.",
    "policy.dns64": "DNS64 makes addresses for it, or takes some away.",
    "policy.truth": "A client gets the answer above all the same.",
    "policy.rcode": "Instead of the answer above a client gets {rcode}, without data.",
    "policy.records": "Instead of the answer above a client gets {rcode} with {count} record(s).",
    "policy.drop": "A client gets no answer at all.",
    "policy.truncate": "A client gets an empty, truncated answer over UDP; over TCP it gets the answer above.",
    "page.policy": "Response policy",
    "word.client": "what a client gets",
    # --- the tree on a terminal
    "tree.chain": "chain of trust",
    "tree.remembered": "what the running resolver remembers",
    "tree.anchor": "trust anchor configured here",
    "tree.ds": "DS at {parent}: key {tag}, {algorithm}, {digest}: {text}",
    "tree.dnskey": "DNSKEY {tag}: {role}, flags {flags}, {algorithm}",
    "tree.no-ds": "no DS ({proof}): {text}",
    "tree.denial": "denial ({proof}): {text}",
    "tree.signature": "key {tag} of {signer}, {begins} to {ends} ({left})",
    "tree.servers": "servers of {zone}, asked for {question}: {sentence}",
    "tree.latency": "{ms} ms over {transport}",
    "tree.cd": "With CD set: {rcode}. {means}",
    "tree.contact": "Contact ({role}): {mail} (SOA of {zone})",
    # --- page and drawing
    "page.title": "{name} {type}: {verdict}",
    "page.made": "Made {at} by {by} (times are UTC)",
    "page.who": "Who can mend it",
    "page.next": "Next step",
    "page.contact": "Contact",
    "page.contact.of": "{mail} (SOA of {zone})",
    "page.validity": "First signature to expire",
    "page.errors": "Extended DNS Errors",
    "page.chain": "Chain of trust",
    "page.links": "Link by link",
    "page.answer": "Answer",
    "page.servers": "What every server says",
    "page.servers.of": "{question} at the servers of {zone}",
    "page.compare": "Other looks at the same question",
    "page.procedure": "Telling the cause apart (guideline 2.6.3)",
    "page.trouble": "What servers did during resolution",
    "page.drawing": "Drawing of the chain of trust of {name}; the same in words stands beside it.",
    "page.foot": "Evidence gathered with an empty memory, by the validator that answers clients. "
    "The same content for programs: akashi explain {name} {type} --json",
    "word.secure": "secure",
    "word.insecure": "insecure",
    "word.bogus": "bogus",
    "word.indeterminate": "no verdict",
    "word.unchecked": "unchecked",
    "word.fresh": "fresh, checked",
    "word.fresh.cd": "fresh, CD set",
    "word.daemon": "running resolver",
    "word.daemon.cd": "running resolver, CD set",
    "word.worker": "running resolver, worker {worker}, from memory",
    "word.nothing": "nothing remembered",
    "word.failure": "failed",
    "word.age": "{age} s old",
    "word.life": "{ttl} s left",
    "word.root": "the root",
    "col.look": "look",
    "col.rcode": "RCODE",
    "col.security": "verdict",
    "col.data": "data",
    "col.server": "server",
    "col.says": "says",
    "col.latency": "latency",
    "col.zone": "its zone",
    "server.nsid": "NSID {nsid}",
    "server.no-nsid": "no NSID",
    "server.serial": "serial {serial}",
    "server.keys": "keys {keys}",
    "server.digest": "digest {digest}",
    "chain.anchor": "trust anchor",
    "chain.again": "{zone} (as above)",
    "chain.ds": "DS at {parent}",
    "chain.no-ds": "no DS at {parent}",
    "chain.rrsig": "RRSIG over {covers}",
    "chain.by": "by key {tag} of {signer}",
    "chain.keyset": "keys signed by {tag}, {left}",
    "chain.no-sig": "no signature that holds",
    "chain.above": "not reached: the chain is broken above",
    "chain.told": "told by {servers}",
    "role.KSK": "key-signing key (SEP)",
    "role.ZSK": "zone-signing key",
    "role.none": "no zone key",
    "mark.revoked": "revoked",
    "mark.signs": "signs the DNSKEY set",
    "mark.no-zone-key": "no zone-key bit",
    "kind.answer": "data",
    "kind.cname": "alias (CNAME)",
    "kind.dname": "redirection (DNAME)",
    "kind.nodata": "no data of this type",
    "kind.nxdomain": "no such name",
    "kind.none": "no answer",
}

TABLES: Final[Mapping[str, Mapping[str, str]]] = {"en": _ENGLISH, "ja": JAPANESE}
"""Language (BCP 47, two letters) -> texts. What a table lacks is said in English."""


class Words:
    """The texts of one language."""

    __slots__ = ("_reasons", "_table", "language")

    def __init__(self, language: str = "en") -> None:
        self.language = language if language in TABLES else "en"
        self._table = {**_ENGLISH, **TABLES[self.language]}
        self._reasons = REASONS if self.language == "ja" else {}

    def __call__(self, key: str, /, **fields: object) -> str:
        """The text under `key` with its fields filled in; an unknown key is a bug and raises KeyError."""
        return self._table[key].format(**fields)

    def because(self, reason: str, text: str) -> str:
        """The validator's words about a reason (its label), which are English; in another language behind a gloss."""
        gloss = self._reasons.get(reason)
        if gloss is None:
            return text
        return f"{gloss} ({text})" if text and text != reason else gloss

    def left(self, seconds: float) -> str:
        """How long a signature is still valid, or since when it is not."""
        return self._span("left" if seconds >= 0 else "ago", abs(seconds))

    def not_yet(self, seconds: float) -> str:
        """In how many seconds a signature becomes valid."""
        return self._span("from", seconds)

    def _span(self, which: str, seconds: float) -> str:
        minutes = int(seconds) // 60
        if minutes >= 48 * 60:
            return self(f"{which}.days", days=minutes // 1440, hours=minutes % 1440 // 60)
        if minutes >= 60:
            return self(f"{which}.hours", hours=minutes // 60, minutes=minutes % 60)
        return self(f"{which}.minutes", minutes=minutes)
