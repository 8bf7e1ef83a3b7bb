"""`nta`: from the alarm to the negative trust anchor and back (guideline 2.6.3 to 2.7.3.2; RFC 7646)."""

from lab.drills.checks import SETTLE_S, bogus, insecure, logged, says, secure, unchecked
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

WWW = "www.example.jp."
ELSEWHERE = "www.example.com."
_C = "-c $AKASHI_LAB/lab.toml"

_FIND = (
    Step(
        say="All is well. An NTA for a zone that validates is refused: it could only do harm.",
        type=(f'akashi nta propose example.jp --reason "only a test" --operator operator-1 {_C}',),
        exits=1,
        mood=Mood.SECURE,
        expect=(says("validates now"), secure(WWW), secure(ELSEWHERE)),
    ),
    Step(
        say="The signatures of example.jp expire, and as caches run out, users get SERVFAIL.",
        type=("akashi lab break example.jp rrsig-exp-all",),
        mood=Mood.AWAY,
        expect=(bogus(WWW, 7, within_s=SETTLE_S),),
    ),
    Step(
        say="The alarm: the log has a line that names zone, record, key and time (2-9).",
        expect=(logged(r"validation.*example\.jp.*expired|expired.*example\.jp", "the failed validation"),),
    ),
    Step(
        say="Is it DNSSEC? Ask with CD: the data comes, so it is nothing else (2.6.3). Other zones are fine: it is not us.",
        expect=(unchecked(WWW), secure(ELSEWHERE)),
    ),
    Step(
        say="Look at the chain of trust: where does it break, and on whose side? (2.6.3)",
        type=(f"akashi explain www.example.jp {_C}",),
        exits=1,
        expect=(
            says("expired", "it says that signatures have expired"),
            says("must sign anew", "it says that the zone's operator has to mend it"),
            says("akashi nta propose example.jp", "it says what to type next"),
        ),
    ),
)

_DECIDE = (
    Step(
        say=(
            "The decision (2.7.3.2), by the procedure agreed beforehand (2-22). Is it no attack? The registrant says so, "
            "not we. Will it take long? Their signer's key is lost. How many are hit? Enough. One person proposes; the "
            "evidence is taken along. Nothing has changed yet."
        ),
        type=(
            "akashi nta propose example.jp --reason 'registrant confirms: signer lost, no attack' --ticket DRILL-1 "
            f"--lifetime 1h --operator operator-1 {_C}",
        ),
        expect=(says("proposed"), bogus(WWW, 7)),
    ),
    Step(
        say="The same person may not approve it.",
        type=(f"akashi nta approve example.jp --operator operator-1 {_C}",),
        exits=1,
        expect=(says("somebody else must approve"), bogus(WWW, 7)),
    ),
    Step(
        say="Another person does. It is in force with the next query: data, no AD, and EDE 33 says why. No flush.",
        type=(f"akashi nta approve example.jp --operator operator-2 {_C}", f"akashi nta list {_C}"),
        expect=(insecure(WWW, ede=33), insecure("example.jp.", ede=33), secure(ELSEWHERE)),
    ),
)

_END = (
    Step(
        say="The zone is signed anew. The NTA is still in force; it would retire by itself after several good probes.",
        type=("akashi lab heal example.jp",),
        mood=Mood.ANSWERED,
        expect=(insecure(WWW, within_s=SETTLE_S, ede=33),),
    ),
    Step(
        say="See that the zone validates at every server, then take the NTA away. It is validated from the next query on.",
        type=(f"akashi nta remove example.jp --reason 'signed anew' --operator operator-1 {_C}",),
        expect=(secure(WWW),),
    ),
    Step(
        say="Verify: the chain, every answer from now on, and the audit trail (who, when, why; nobody has altered it).",
        mood=Mood.SECURE,
        type=(f"akashi explain www.example.jp {_C}", f"akashi nta history example.jp --verify {_C}"),
        expect=(
            says("operator-1", "the audit trail names who proposed"),
            says("operator-2", "the audit trail names who approved"),
            says("DRILL-1|signer lost", "the audit trail says why"),
            secure(WWW),
        ),
    ),
)

DRILL = Drill(
    name="nta",
    title="A negative trust anchor, from the alarm to its end",
    source="guideline 2.6.3, 2.6.4, 2.7.3.2 (2-21, 2-22); RFC 7646",
    story=(
        "Many of your users need example.jp, and since this morning it does not validate. You find out why, make sure that "
        "it is no attack, and two of you decide to suspend validation for it for a while."
    ),
    zone="example.jp.",
    watched="wild.example.jp.",
    steps=(*_FIND, *_DECIDE, *_END),
    needs=("nta propose", "nta approve", "nta history"),
)
