"""`expired-signatures`: a zone's signer has stopped; what users, operators and the log see, and what is done."""

from lab.drills.checks import SETTLE_S, bogus, insecure, logged, says, secure, unchecked
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

WWW = "www.example.jp."

DRILL = Drill(
    name="expired-signatures",
    title="Expired signatures: find, explain, wait, clear",
    source="guideline 2.6.3, 2.6.4, 2.7.3.1, 2-9; RFC 8914 (EDE 7)",
    story=(
        "The signer of example.jp stopped weeks ago and nobody noticed, until the signatures expired. You run the "
        "resolver: find out what is wrong and whose it is, let them mend it, and make your users see that it is mended."
    ),
    zone="example.jp.",
    watched="wild.example.jp.",
    steps=(
        Step(
            say="All is well.",
            type=("akashi lab keys example.jp",),
            mood=Mood.SECURE,
            expect=(secure(WWW), secure("www.example.com.")),
        ),
        Step(
            say="The signatures expire. As caches run out, users get SERVFAIL.",
            type=("akashi lab break example.jp rrsig-exp-all",),
            mood=Mood.AWAY,
            expect=(bogus(WWW, 7, within_s=SETTLE_S),),
        ),
        Step(
            say="The alarm: the resolver's log has a line that names zone, record, key and time (2-9).",
            expect=(logged(r"validation.*example\.jp.*expired|expired.*example\.jp", "the failed validation"),),
        ),
        Step(
            say="Is it DNSSEC? Ask with CD: the data comes, so it is nothing else (2.6.3).",
            expect=(unchecked(WWW),),
        ),
        Step(
            say="Is it us? Other zones are fine, so it is neither our clock nor our trust anchor.",
            expect=(secure("www.example.com."), insecure("www.unsigned.jp.")),
        ),
        Step(
            say="Look at the chain of trust: it holds down to jp and breaks at example.jp. Their side has to sign anew.",
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            exits=1,
            expect=(
                says(r"jp +\S* ?secure", "jp is secure"),
                says("expired", "it says that signatures have expired"),
                says(r"must sign anew", "it says who can mend it"),
            ),
        ),
        Step(
            say="Keep the same as evidence for their contact (2-19).",
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml --json",),
            exits=1,
            expect=(says('"security": "bogus"', "the evidence says bogus"),),
        ),
        Step(
            say="They have signed anew. To let users see it at once, clear what is remembered of the zone (2.7.3.1).",
            type=(
                "akashi lab heal example.jp",
                "akashi cache flush example.jp --subtree -c $AKASHI_LAB/lab.toml",
            ),
            expect=(secure(WWW, within_s=SETTLE_S),),
        ),
        Step(
            say="Verify: the chain, and every answer from now on.",
            mood=Mood.SECURE,
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            expect=(says("secure"), secure(WWW)),
        ),
    ),
    needs=("cache flush",),
)
