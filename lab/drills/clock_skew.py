"""`clock-skew`: the resolver's own clock is wrong, and all the world seems to have expired."""

from lab.drills.checks import bogus, in_time, says, secure, unchecked
from lab.drills.play import Drill, Step
from lab.drills.stage import Stage

WWW = "www.example.jp."
SKEW_S = 40 * 86400
"""More than the 14 days that the lab's signatures hold, and than the hour that they are older than now."""


def _ahead(stage: Stage) -> str:
    return stage.shift_clock(SKEW_S)


def _behind(stage: Stage) -> str:
    return stage.shift_clock(-SKEW_S)


def _right(stage: Stage) -> str:
    return stage.shift_clock(0)


DRILL = Drill(
    name="clock-skew",
    title="A wrong clock: everything seems expired, or not yet valid",
    source="guideline 2-3, 2-12, 2.6.3; RFC 8914 (EDE 7, 8)",
    story=(
        "After a change of hardware the resolver's clock is weeks off. Suddenly no signed name resolves any more. It looks "
        "as if everybody had forgotten to sign; in truth it is you."
    ),
    zone=".",
    steps=(
        Step(say="All is well.", type=("akashi lab status",), expect=(secure(WWW), secure("www.example.com."))),
        Step(
            say="The resolver comes back with its clock 40 days ahead. Every signature seems to have expired.",
            do=_ahead,
            expect=(bogus(WWW, 7), bogus("www.example.com.", 7), bogus("www.unsigned.jp.", 7), bogus(".", 7, rtype="SOA")),
        ),
        Step(
            say="With CD the data comes: it is DNSSEC (2.6.3). All zones at once, even the root: it is not the zones.",
            expect=(unchecked(WWW), unchecked("www.example.com.")),
        ),
        Step(
            say="By any other clock the signatures hold.",
            expect=(in_time("example.jp.", WWW, "A"), in_time(".", ".", "SOA")),
        ),
        Step(
            say="Explain breaks at the root already, and says to look at our own clock.",
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            exits=1,
            expect=(
                says("expired", "it says that signatures seem to have expired"),
                says(r"this resolver's operator: check the clock first", "it says that the clock is ours to check"),
            ),
        ),
        Step(
            say="Set the clock right (2-3: from a trusted source) and start again.",
            do=_right,
            expect=(secure(WWW), secure("www.example.com.")),
        ),
        Step(
            say="The same with a clock 40 days behind: nothing is valid yet.",
            do=_behind,
            expect=(bogus(WWW, 8), bogus("www.example.com.", 8), unchecked(WWW)),
        ),
        Step(
            say="Explain says the same.",
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            exits=1,
            expect=(
                says("not yet valid|not valid before", "it says that signatures are not yet valid"),
                says(r"this resolver's operator: check the clock first", "it says that the clock is ours to check"),
            ),
        ),
        Step(
            say="Set it right again, and verify.",
            do=_right,
            expect=(secure(WWW), secure("www.example.com."), secure(".", "SOA")),
        ),
    ),
)
