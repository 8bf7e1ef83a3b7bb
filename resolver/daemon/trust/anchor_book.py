"""The trust points of this resolver: their RFC 5011 state, what is in force, and every change to them.

Theory: the state is what is stored, merged at the start and after a reload with what is configured (`trust.anchor_merge`).
A look at a zone's keys (`trust.rfc5011.observe`) or an operator's command makes a new state, which is first written, then
believed, then logged, transition by transition. What cannot be written is not done: the old state stays, and the next look
comes to the same conclusion again. Only a revocation takes effect even then, since it is the safe side.

At the start, each with a line in the log and none of them with less validation than before:

| found | outcome |
| --- | --- |
| no state | the configuration's anchors; first refresh at once |
| state not refreshed for long | it is used; pending keys begin their hold-down anew at the next sighting |
| damaged state (a file cut in half, too) | moved aside; then as with no state |
| clock behind what the state has seen | the state is used; no key is accepted: signatures are not valid yet |
| clock ahead | likewise: signatures are expired |
| anchors of unsupported algorithms or digests alone | as unsigned (RFC 4035 §5.2), an error and a finding |
| no anchor matches the zone's keys | bogus (EDE 9) until an anchor is imported or the zone is mended |
| no directory to write to | the anchors are followed in memory; a finding of health |

With `follow` off the configuration's anchors stand as they are, and nothing is stored.

RFC 5011 §2, §5; guideline 2-7. The schedule is `trust.anchor_keeper`'s.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from resolver.state.anchors_store import AnchorsStore
from resolver.state.database import DamageError, Database, Log, StateError
from trust.algorithms import Key
from trust.anchor_merge import Merged, merge_configured, merge_imported
from trust.anchors import TrustPoint
from trust.delegation import usable_ds
from trust.policy import Policy
from trust.reason import Reason
from trust.rfc5011 import Event, Observation, PointState, State, Timers, Transition, missed, observe, trust_point
from trust.signature import time_text
from wire.name import Name, is_strict_subdomain
from wire.rrset import RRset
from wire.text import name_to_text

DAY: Final = 86400.0
UNSUPPORTED: Final = "no trust anchor has an algorithm and digest that are supported: it counts as unsigned"
IGNORED_KEPT: Final = 1000
"""Keys that were not taken up, remembered so that each is logged once."""


class NoTrustPointError(LookupError):
    """There is no trust point of this name."""


@dataclass(slots=True)
class Counts:
    """For metrics. `transitions`: by the state entered."""

    refreshed: int = 0
    failed: int = 0
    mismatched: int = 0
    unwritten: int = 0
    signalled: int = 0
    transitions: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))


class AnchorBook:
    """The trust points.

    Attributes:
        points: RFC 5011 state by zone; `policy`, `timers`: what is gone by; `following`: whether RFC 5011 is on.
        now: gives wall seconds; `counts`: for metrics.
        problems: by zone, what is wrong with its anchors now (empty: nothing).
        unwritten: why the last change could not be written; "" when it could.
    """

    def __init__(
        self,
        configured: Iterable[TrustPoint],
        policy: Policy,
        *,
        database: Database | None,
        log: Log,
        now: Callable[[], float],
        timers: Timers | None = None,
        follow: bool = True,
    ) -> None:
        """`database`: None keeps the state in memory; `now`: wall seconds."""
        self.policy = policy
        self.timers = timers or Timers()
        self.following = follow
        self.points: dict[Name, PointState] = {}
        self.counts = Counts()
        self.problems: dict[Name, str] = {}
        self.unwritten = ""
        self.configured = {point.name: point for point in configured}
        self._database = database
        self._store: AnchorsStore | None = None
        self._log = log
        self.now = now
        self._ignored: set[str] = set()

    # --- start and reload -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin with what is stored and configured.

        Raises:
            StateError: the database cannot be used at all.
        """
        if not self.following:
            self._tell_unsupported()
            return
        stored = self._load()
        self._check_clock(stored)
        self._merge(stored)
        self._tell_unsupported()
        opened = "memory" if self._database is None else self._database.opened.value
        for name, point in self.points.items():
            keys = [f"{key.tag} {key.state.value}" for key in point.keys]
            self._log.info("trust-point", zone=name_to_text(name), keys=keys, state=opened)

    def configure(
        self, configured: Iterable[TrustPoint], policy: Policy, timers: Timers | None = None, *, follow: bool = True
    ) -> None:
        """Other anchors, policy or timers from now on (after a reload); `follow`: whether RFC 5011 is on."""
        self.configured = {point.name: point for point in configured}
        self.policy = policy
        self.timers = timers or self.timers
        if follow != self.following:
            self.following = follow
            self.points, self.problems = {}, {}
            self.open()
            return
        if self.following:
            self._merge(dict(self.points))
        self._tell_unsupported()

    def _load(self) -> dict[Name, PointState]:
        if self._database is None:
            return {}
        self._store = AnchorsStore(self._database)
        try:
            return self._store.load()
        except DamageError as error:
            self._database.rebuild(str(error))
            return {}

    def _check_clock(self, stored: dict[Name, PointState]) -> None:
        now = self.now()
        for name, point in stored.items():
            seen = max((at for at in (point.last_attempt, point.last_success) if at is not None), default=None)
            zone = name_to_text(name)
            if seen is not None and now < seen - DAY:
                self._log.error(
                    "clock-behind-state",
                    zone=zone,
                    clock=time_text(now),
                    state=time_text(seen),
                    advice="set the clock; until then signatures count as not yet valid and no key is accepted",
                )
            elif point.last_success is not None and now - point.last_success > self.timers.longest_gap_s:
                self._log.warning(
                    "trust-state-stale",
                    zone=zone,
                    clock=time_text(now),
                    last_success=time_text(point.last_success),
                    outcome="its anchors are used; pending keys start their hold-down anew",
                )

    def _merge(self, stored: dict[Name, PointState]) -> None:
        """Make one state out of what is stored and what is configured."""
        now = self.now()
        merged = {
            name: merge_configured(stored.get(name), self.configured.get(name), name, now)
            for name in {**stored, **self.configured}
        }
        if not self._write(list(merged.values()), [name for name, one in merged.items() if one.point is None]):
            # The operator's word holds for this run, and is merged again at the next start.
            self._log.warning("trust-state-in-memory", outcome="the configuration's anchors are used all the same")
        self.points = {name: one.point for name, one in merged.items() if one.point is not None}
        for name in self.problems.keys() - self.points.keys():
            del self.problems[name]
        for one in merged.values():
            self._tell_of(one, quiet=not stored)

    # --- what is in force -----------------------------------------------------------------------------------------

    def in_force(self) -> tuple[list[TrustPoint], list[Name]]:
        """The trust points of now; and those that are deleted (RFC 5011 §5) though configured."""
        if not self.following:
            return list(self.configured.values()), []
        points, gone = [], []
        for name, state in self.points.items():
            superior = any(is_strict_subdomain(name, other) for other in self.points)
            point = trust_point(state, superior=superior)
            if point is None:
                gone.append(name)
            else:
                points.append(point)
        return points, gone

    @property
    def finding(self) -> str:
        """What is wrong with the trust anchors now; "" when nothing is."""
        parts = [f"{name_to_text(name)}: {problem}" for name, problem in self.problems.items()]
        parts += [f"{name_to_text(name)}: {UNSUPPORTED}" for name in self.unsupported()]
        if self.unwritten:
            parts.append(self.unwritten)
        elif self.following and self._database is None:
            parts.append("trust anchor states are not kept over a restart: no state directory")
        return "; ".join(parts)

    def unsupported(self) -> list[Name]:
        """Trust points none of whose anchors can be used: by RFC 4035 §5.2 they count as unsigned."""
        algorithms = self.policy.algorithms
        return [
            point.name
            for point in self.in_force()[0]
            if not usable_ds(point.ds, self.policy)[0] and not any(key[3] in algorithms for key in point.dnskeys)
        ]

    def _tell_unsupported(self) -> None:
        for name in self.unsupported():
            self._log.error("trust-anchor-unsupported", zone=name_to_text(name), problem=UNSUPPORTED)

    def known(self, name: Name) -> PointState:
        """The state of a trust point.

        Raises:
            NoTrustPointError: there is none of this name.
        """
        if name not in self.points:
            raise NoTrustPointError(f"{name_to_text(name)} is no trust point")
        return self.points[name]

    def configured_states(self) -> dict[Name, PointState]:
        """What the configuration says, as states: for listings where nothing is followed."""
        merged = [merge_configured(None, point, name, self.now()) for name, point in self.configured.items()]
        return {one.point.name: one.point for one in merged if one.point is not None}

    def history(self, limit: int = 100) -> list[Transition]:
        """The last transitions, newest first; none when nothing is stored."""
        return [] if self._store is None else self._store.history(limit)

    # --- looks at a zone's keys -----------------------------------------------------------------------------------

    def missed(self, name: Name, text: str) -> None:
        """No RRset could be had."""
        self.counts.failed += 1
        state = missed(self.known(name), self.now(), text, self.timers)
        self._write([Merged(state, (), ())], [])
        self.points[name] = state  # times alone: better in memory than nowhere
        self._log.warning(
            "trust-refresh-failed",
            zone=name_to_text(name),
            problem=text,
            failures=state.failures,
            next=time_text(state.next_refresh),
        )

    def observed(self, name: Name, rrset: RRset, server: str) -> tuple[Observation, tuple[Transition, ...]]:
        """The zone's DNSKEY RRset as received; gives what was seen, and the transitions that took effect."""
        before = self.known(name)
        seen = observe(before, rrset, self.now(), self.policy, self.timers)
        zone = name_to_text(name)
        self._tell_ignored(zone, seen.ignored)
        moves = seen.transitions
        if self._write([Merged(seen.point, moves, ())], []) or not moves:
            self.points[name] = seen.point
        else:
            moves = tuple(move for move in moves if move.event is Event.REV_BIT)
            self.points[name] = missed(_with_revocations(before, seen), self.now(), self.unwritten, self.timers)
        self._tell_of(Merged(self.points[name], moves, ()))
        if seen.ok:
            self.counts.refreshed += 1
            self.problems.pop(name, None)
            self._log.info("trust-refreshed", zone=zone, server=server, next=time_text(self.points[name].next_refresh))
        else:
            self._not_ok(name, seen, rrset, server)
        return seen, moves

    def _not_ok(self, name: Name, seen: Observation, rrset: RRset, server: str) -> None:
        """No trust anchor signs what the zone's server gave."""
        self.counts.failed += 1
        facts: dict[str, object] = {}
        event = "trust-refresh-failed"
        if not self.points[name].trusted:
            event = "trust-point-without-anchor"
            facts["advice"] = "every key is revoked: import a new trust anchor (akashi trust import)"
        elif seen.reason is Reason.ANCHOR_MISMATCH:
            self.counts.mismatched += 1
            event = "trust-anchor-mismatch"
            facts["trusted"] = sorted(key.tag for key in self.points[name].trusted)
            facts["published"] = sorted({Key(rdata).tag for rdata in rrset.rdatas})
            facts["advice"] = "if the zone changed its keys, import the new trust anchor (akashi trust import)"
        elif seen.reason in (Reason.SIGNATURE_EXPIRED, Reason.SIGNATURE_NOT_YET_VALID):
            facts["clock"] = time_text(self.now())
            facts["advice"] = "is the clock right?"
        self.problems[name] = seen.text or event
        self._log.error(event, zone=name_to_text(name), problem=seen.text, server=server, **facts)

    # --- the operator's commands ----------------------------------------------------------------------------------

    def import_anchors(
        self, points: Iterable[TrustPoint], *, alone: bool = False, why: str = "imported"
    ) -> list[Transition]:
        """Trust these anchors at once, and for good; `alone`: instead of all others of their zones; `why`: for the records.

        Raises:
            StateError: it could not be written; nothing is changed.
            ValueError: RFC 5011 is off, so that only the configuration counts.
        """
        self._must_follow()
        merged = [merge_imported(self.points.get(p.name), p, self.now(), why, alone=alone) for p in points]
        return self._change(merged)

    def forget(self, name: Name, why: str = "forgotten") -> list[Transition]:
        """Forget the state of a zone, revocations included, and begin again with what the configuration says.

        Raises:
            NoTrustPointError, StateError, ValueError: as above.
        """
        self._must_follow()
        now = self.now()
        dropped = tuple(
            Transition(name, key.tag, key.algorithm, key.state, State.START, None, now, why)
            for key in self.known(name).keys
        )
        begun = merge_configured(None, self.configured.get(name), name, now)
        moves = self._change([replace(begun, transitions=dropped + begun.transitions)], [name])
        self.problems.pop(name, None)
        return moves

    def _change(self, merged: Sequence[Merged], gone: Sequence[Name] = ()) -> list[Transition]:
        if not self._write(merged, gone):
            raise StateError(self.unwritten, "nothing was changed")
        for name in gone:
            self.points.pop(name, None)
        for one in merged:
            if one.point is not None:
                self.points[one.point.name] = one.point
            self._tell_of(one)
        return [move for one in merged for move in one.transitions]

    def _must_follow(self) -> None:
        if not self.following:
            raise ValueError("trust.rfc5011 is off: trust anchors come from trust.anchors alone")

    # --- writing --------------------------------------------------------------------------------------------------

    def _write(self, merged: Sequence[Merged], gone: Sequence[Name]) -> bool:
        """Write states with their transitions; False when they could not be."""
        if self._store is None:
            return True
        points = [one.point for one in merged if one.point is not None]
        try:
            self._store.save(points, [move for one in merged for move in one.transitions], gone)
        except StateError as error:
            self.counts.unwritten += 1
            self.unwritten = error.problem
            self._log.error("state-not-written", problem=error.problem, advice=error.advice)
            return False
        self.unwritten = ""
        return True

    def _tell_of(self, merged: Merged, *, quiet: bool = False) -> None:
        """A line in the log for each transition; `quiet`: at the first start, where the anchors are no news."""
        for warning in merged.warnings:
            self._log.error("trust-anchor-revoked", problem=warning)
        for move in merged.transitions:
            self.counts.transitions[move.new] += 1
            if quiet:
                continue
            tell = self._log.warning if move.event in (Event.KEY_REM, Event.REV_BIT) else self._log.info
            tell(
                "trust-anchor",
                zone=name_to_text(move.zone),
                key=move.key_tag,
                algorithm=move.algorithm,
                before=move.old.value,
                now=move.new.value,
                by=move.event.value if move.event else "operator",
                why=move.why,
            )

    def _tell_ignored(self, zone: str, ignored: Iterable[str]) -> None:
        for text in ignored:
            mark = f"{zone} {text}"
            if mark not in self._ignored and len(self._ignored) < IGNORED_KEPT:
                self._ignored.add(mark)
                self._log.warning("trust-key-ignored", zone=zone, key=text)


def _with_revocations(before: PointState, seen: Observation) -> PointState:
    """The state before, with only the revocations of what was seen."""
    revoked = {move.key_tag for move in seen.transitions if move.event is Event.REV_BIT}
    keys = list(before.keys)
    for key in seen.point.keys:
        if key.state is State.REVOKED and key.tag in revoked:
            # It may have been known by its digests alone until now.
            keys = [old for old in keys if old.dnskey != key.dnskey and not (not old.dnskey and set(old.ds) <= set(key.ds))]
            keys.append(key)
    return replace(before, keys=tuple(keys))
