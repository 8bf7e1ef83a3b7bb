"""The walk from the closest known cut to the answer, referral by referral.

`iterate()` is linear: prime the root if need be, pick the closest cut, ask its servers about as much of the name as they
need to know, and follow what comes back. What it learns of zone cuts it stores at once; data it returns, unjudged.

When no server of a remembered cut is of use, the parent is asked whether it delegates to others by now: else a zone that
has moved would be lost until the TTL of its old delegation, days for most TLDs. That is done as soon as each of them was
silent once, for the time that a second round takes would be missing later; the second round comes after it.

Limitations: one question is outstanding at a time for one resolution. Aliases are followed by `resolver.resolve`, as far
as the answering zone's bailiwick reaches the links come back together.

RFC 1034 §5.3.3, RFC 9156, RFC 9609, RFC 4035 §4.2 (DS at the parent).
"""

from resolver.cache.answers import Rank
from resolver.cache.local_root import HERE
from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.iteration.exchange import WAITS_FOR_ITSELF, ExcessiveSetError, Exchange, LimitReachedError, OverQuotaError
from resolver.iteration.minimise import next_name
from resolver.iteration.response import Reading, Shape, read_response, servers_of
from resolver.settings import Minimise
from trust.reason import Reason
from trust.vocabulary import Address, Cut, Finding, Kind, Need, Outcome, Question, Step, Steps, question_of
from wire import types as t
from wire.limits import REFERRALS
from wire.name import ROOT, Name, is_strict_subdomain, is_subdomain, parent

ROOT_NS = Question(ROOT, t.NS)


def iterate(
    question: Question, view: View, address_filter: AddressFilter, avoid: frozenset[Address] = frozenset()
) -> Steps[Outcome]:
    """Find the answer to `question` from the authorities. Never raises: a failure is an Outcome without steps.

    `avoid`: servers not to be asked, since what they said before was bad.
    """
    findings: list[Finding] = []
    try:
        steps = yield from _walk(question, view, address_filter, avoid, findings)
    except LimitReachedError as limit:
        failure = Reason.OVER_QUOTA if isinstance(limit, OverQuotaError) else Reason.LIMIT
        if isinstance(limit, ExcessiveSetError):
            failure = Reason.EXCESSIVE
        return Outcome(question, [], failure, findings, f"limit {limit} reached")
    if steps is None:
        failure = failure_of(findings)
        network = all(finding.network for finding in findings)
        limits = [Finding(None, None, question, text, network) for text in view.budget.refusals]
        return Outcome(question, [], failure, limits + findings)
    return Outcome(question, steps, None, findings)


def failure_of(findings: list[Finding]) -> Reason:
    """The reason that fits what the servers did."""
    if findings and all(finding.what.startswith("malformed") for finding in findings):
        return Reason.INVALID_DATA
    if findings and all(finding.what == WAITS_FOR_ITSELF for finding in findings):
        return Reason.CYCLE
    return Reason.NO_AUTHORITY


def _walk(
    question: Question,
    view: View,
    address_filter: AddressFilter,
    avoid: frozenset[Address],
    findings: list[Finding],
) -> Steps[list[Step] | None]:
    qname, qtype = question
    # RFC 4035 §4.2: the DS RRset of a name is asked of the zone above it.
    cut = view.closest_cut(parent(qname) if qtype == t.DS and qname != ROOT else qname)
    if _wants_priming(cut, question, view):
        yield Need(ROOT_NS)
        cut = view.closest_cut(cut.zone)
    remembered = cut
    known = cut.zone
    minimising = _may_minimise(cut, view)
    steps_minimised = 0
    exchange = Exchange(cut, view, address_filter, findings, avoid)
    exchange.once = not avoid and view.memory.delegations.may_look_again(cut, view.now.mono)
    second_round = exchange.once
    begun: dict[Address, int] = {}
    for hop in range(1, REFERRALS.hard + 1):
        if hop > REFERRALS.value and hop > view.budget.ceiling(REFERRALS, hop):
            break
        if minimising:
            known = _skip_known(qname, known, view)
            sent = next_name(qname, known, steps_minimised)
        else:
            sent = qname
        full = sent == qname
        if not full:
            steps_minimised += 1
        asked = question if full else question_of(sent, t.A)
        reading = None if cut.zone != ROOT or avoid else _from_copy(asked, cut, view)
        if reading is None:
            reading = yield from exchange.ask(asked, minimised=not full)
        if reading is None:
            short: dict[Address, int] = {}
            if not (full or exchange.only_silence or view.memory.settings.minimise is Minimise.STRICT):
                # RFC 9156 §2.3: a server that chokes on the short question may know the whole name. One that says nothing
                # to it does not get both.
                minimising = False
                short = exchange.silent
            elif cut is remembered and not avoid and (elsewhere := _elsewhere(cut, view)) is not None:
                second_round = exchange.once and exchange.may_retry
                begun = exchange.tries
                cut = elsewhere
                known = cut.zone
            elif second_round and is_subdomain(remembered.zone, cut.zone):
                second_round = False  # nobody knows of other servers
                begun = begun or exchange.tries
                cut = remembered
                known = cut.zone
            else:
                return None
            exchange = Exchange(cut, view, address_filter, findings, avoid)
            exchange.once = second_round and is_strict_subdomain(remembered.zone, cut.zone)
            exchange.begun = (begun if cut.zone == remembered.zone else {}) | short
            continue
        if reading.shape is Shape.REFERRAL:
            below = reading.cut
            assert below is not None
            below.expires_mono = min(below.expires_mono, view.now.mono + view.memory.settings.max_ttl)
            view.memory.delegations.put(below)
            if qtype == t.DS and below.zone == qname:
                # A parent that does not know DS refers instead of denying it: its proof, if any, is in the referral.
                return [Step(qname, qtype, Kind.NODATA, [], below.denial, cut.zone, None)]
            if below.zone == remembered.zone:
                if _same_servers(below, remembered) and not second_round:
                    return None  # they have been asked
                second_round = False
            cut = below
            known = cut.zone
            exchange = Exchange(cut, view, address_filter, findings, avoid)
            exchange.begun = begun if cut.zone == remembered.zone else {}
            continue
        if full:
            if question == ROOT_NS and _primes(view):
                _learn_root(reading, view)
            return reading.steps
        first = reading.steps[0]
        if first.kind is Kind.NXDOMAIN and view.memory.settings.minimise is Minimise.STRICT:
            return [Step(qname, qtype, Kind.NXDOMAIN, [], first.authority, first.zone, first.server)]
        if first.kind in (Kind.NXDOMAIN, Kind.DNAME):
            # RFC 9156 §3: broken servers deny empty non-terminals; the whole name settles it.
            minimising = False
        else:
            view.memory.store(first, view.now.mono, None, Rank.REFERRED)
            known = sent
    raise LimitReachedError(view.budget.limits.text(REFERRALS))


def _from_copy(question: Question, cut: Cut, view: View) -> Reading | None:
    """What our own copy of the root zone answers (RFC 8806); None when there is none in force."""
    copy = view.memory.local_root
    if copy is None or cut.forward or view.now.wall >= copy.expires_wall or ROOT in view.memory.settings.stub:
        return None
    message = copy.respond(*question)
    reading = read_response(message, *question, cut, HERE, view.now.mono, view.memory.settings.port, view.budget)
    return reading if reading.shape in (Shape.STEPS, Shape.REFERRAL) else None


def _elsewhere(cut: Cut, view: View) -> Cut | None:
    """Where to go on when no server of a remembered cut is of use: to where the zone is by now, or to the parent to ask."""
    mono = view.now.mono
    by_now = view.memory.delegations.get(cut.zone, mono)
    if by_now is not None and not _same_servers(by_now, cut):
        return by_now
    return view.closest_cut(parent(cut.zone)) if view.memory.delegations.look_again(cut, mono) else None


def _same_servers(left: Cut, right: Cut) -> bool:
    return {name: set(found) for name, found in left.servers.items()} == {
        name: set(found) for name, found in right.servers.items()
    }


def _skip_known(qname: Name, known: Name, view: View) -> Name:
    """The deepest name above `qname` that earlier minimised questions showed to exist within the same cut."""
    above = parent(qname)
    if len(above) <= len(known):
        return known
    answers = view.memory.answers
    mono = view.now.mono
    while len(above) > len(known):
        entry = answers.exact(above, t.A, mono)
        if entry is not None and entry.kind is not Kind.DNAME and is_subdomain(above, known):
            return above
        above = parent(above)
    return known


def _may_minimise(cut: Cut, view: View) -> bool:
    # A forwarder must see the whole question: it does the iterating.
    return view.memory.settings.minimise is not Minimise.OFF and not cut.forward


def _wants_priming(cut: Cut, question: Question, view: View) -> bool:
    """RFC 9609 §3: the hints are only good for asking the root who its servers are."""
    if cut.zone != ROOT or cut.forward or question == ROOT_NS:
        return False
    copy = view.memory.local_root
    if copy is not None and view.now.wall < copy.expires_wall:
        return False
    return _primes(view) and not view.memory.delegations.is_primed(view.now.mono)


def _primes(view: View) -> bool:
    """Whether what the root says of its servers replaces the hints; servers configured for the root itself stand."""
    settings = view.memory.settings
    return settings.prime and ROOT not in settings.stub


def _learn_root(reading: Reading, view: View) -> None:
    """Keep the root's own NS set as the root cut; servers without an address in the answer keep their hints' (§3.3)."""
    step = reading.steps[0]
    if step.kind is not Kind.ANSWER or step.rrset is None:
        return
    rrset = step.rrset
    settings = view.memory.settings
    servers = servers_of(rrset, reading.additional, ROOT, settings.port, view.budget)
    for name, addresses in servers.items():
        if not addresses:
            addresses.extend(settings.root.get(name, []))
    if any(servers.values()):
        ttl = min(max(rrset.ttl, 60), settings.max_ttl)
        view.memory.delegations.put(Cut(ROOT, None, servers, view.now.mono + ttl))
