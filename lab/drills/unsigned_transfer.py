"""`unsigned-transfer`: a signed zone moves to an operator without DNSSEC, the wrong way and the right way.

The guideline's 4.2.4 (change of servers) and 4.2.5 (transfer): take the DS away before, not after.
"""

from lab.drills.checks import SETTLE_S, at_parent, bogus, insecure, passed, says, secure, states, unchecked
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

WRONG = "www.example.co.jp."
RIGHT = "www.example.com."
NS_TTL_S = 3.0
"""The TTL of the drill's mini-Internet, and a second for its way to all servers."""

_WRONG_WAY = (
    Step(
        say="Two zones, both signed, both about to move to ns1.unsigned.jp, whose operator does no DNSSEC.",
        type=("akashi lab keys example.co.jp", "akashi lab keys example.com"),
        expect=(secure(WRONG), at_parent("example.co.jp.", "ksk"), secure(RIGHT), at_parent("example.com.", "ksk")),
    ),
    Step(
        say="The wrong way: example.co.jp moves, and its DS stays at jp. The parent says signed, the child is not.",
        type=("akashi lab move example.co.jp ns1.unsigned.jp --unsigned",),
        expect=(bogus(WRONG, 9, 10, within_s=SETTLE_S), at_parent("example.co.jp.", "ksk")),
    ),
    Step(
        say="With CD the data comes: it is DNSSEC (2.6.3). Explain names the link that broke, and who can mend it.",
        type=("akashi explain www.example.co.jp -c $AKASHI_LAB/lab.toml",),
        exits=1,
        expect=(unchecked(WRONG), says(r"DS", "it speaks of the DS"), says("bogus")),
    ),
    Step(
        say="Too late for the right order. The registrant has the DS removed; whoever clears his cache sees it at once.",
        type=(
            "akashi lab ds example.co.jp --none",
            "akashi lab leave example.co.jp",
            "akashi cache flush example.co.jp --subtree -c $AKASHI_LAB/lab.toml",
        ),
        expect=(at_parent("example.co.jp."), insecure(WRONG, within_s=SETTLE_S)),
    ),
)

_RIGHT_WAY = (
    Step(
        say="The right way, 1: example.com has its DS removed while it is still signed where it is (4.2.5).",
        type=("akashi lab ds example.com --none",),
        mood=Mood.ANSWERED,
        expect=(at_parent("example.com."), states("example.com.", ksk="Retired|Dead")),
    ),
    Step(
        say="2: wait until no cache has the DS. The zone is insecure everywhere, and nobody was hurt.",
        wait=(states("example.com.", SETTLE_S, ksk="Dead"),),
        expect=(insecure(RIGHT, within_s=SETTLE_S),),
    ),
    Step(
        say="3: move. The old servers go on with the zone, because caches still lead clients there.",
        type=("akashi lab move example.com ns1.unsigned.jp --unsigned",),
        expect=(insecure(RIGHT),),
    ),
    Step(
        say="4: after the TTL of the NS RRset nobody comes to the old servers any more; they stop.",
        wait=(passed("the TTL of the old NS RRset is over", NS_TTL_S),),
        type=("akashi lab leave example.com",),
        expect=(insecure(RIGHT, within_s=0.0),),
    ),
    Step(
        say="Verify: the chain says insecure, which is the truth, and every name resolves.",
        type=("akashi explain www.example.com -c $AKASHI_LAB/lab.toml",),
        expect=(says("insecure"), insecure(RIGHT), secure("www.example.jp.")),
    ),
)

DRILL = Drill(
    name="unsigned-transfer",
    title="Transfer to an operator without DNSSEC: the wrong way and the right way",
    source="guideline 4.2.4, 4.2.5 (4-5, 4-6)",
    story=(
        "Registrants change their DNS operator. If the new one does no DNSSEC, the DS has to go first, and caches have to "
        "forget it. One registrant does not know that, another does."
    ),
    zone="example.com.",
    watched="wild.example.com.",
    steps=(*_WRONG_WAY, *_RIGHT_WAY),
    needs=("cache flush",),
)
