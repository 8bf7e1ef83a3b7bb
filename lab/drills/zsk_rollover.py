"""`zsk-rollover`: a new ZSK by pre-publication (RFC 7583 §3.2.1, RFC 6781 §4.1.1.1; guideline 3-22, figure 8)."""

from lab.drills.checks import SETTLE_S, denied, dnskeys, says, secure, signed_by, states
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

ZONE = "example.jp."
WWW = "www.example.jp."

DRILL = Drill(
    name="zsk-rollover",
    title="ZSK roll-over by pre-publication",
    source="guideline 3.4.5, 3.6.2; RFC 7583 §3.2.1; RFC 6781 §4.1.1.1",
    story=(
        "example.jp replaces the key that signs its records. The new ZSK is published before it signs, and the old one "
        "stays published after it has signed for the last time, so that every signature in a cache finds its key."
    ),
    zone=ZONE,
    watched="wild.example.jp.",
    steps=(
        Step(
            say="Look at the zone as it is: one KSK, one ZSK, both Active, and answers are authentic.",
            type=("akashi lab keys example.jp",),
            mood=Mood.SECURE,
            expect=(
                states(ZONE, ksk="Active", zsk="Active"),
                dnskeys(ZONE, "ksk", "zsk"),
                signed_by(ZONE, WWW, "A", "zsk"),
                secure(WWW),
            ),
        ),
        Step(
            say="Generate a new ZSK. Nobody outside knows of it.",
            type=("akashi lab key generate example.jp zsk",),
            expect=(states(ZONE, zsk="Active", zsk_2="Generated"), dnskeys(ZONE, "ksk", "zsk"), secure(WWW)),
        ),
        Step(
            say=(
                "Publish it. It signs nothing yet: resolvers still hold the DNSKEY RRset without it, and could not check "
                "what it signs."
            ),
            type=("akashi lab key publish example.jp zsk-2",),
            expect=(
                states(ZONE, zsk="Active", zsk_2="Published|Ready"),
                dnskeys(ZONE, "ksk", "zsk", "zsk-2"),
                signed_by(ZONE, WWW, "A", "zsk"),
                secure(WWW),
            ),
        ),
        Step(
            say="Somebody is in a hurry and wants to sign with it at once. The lab refuses, and says how long to wait.",
            type=("akashi lab key activate example.jp zsk-2",),
            hurry=True,
            exits=1,
            expect=(says(r"caches may hold DNSKEY RRsets without zsk-2 for [\d.]+ s"), signed_by(ZONE, WWW, "A", "zsk")),
        ),
        Step(
            say=(
                "Wait until every cache has forgotten the old DNSKEY RRset (its TTL, and the time to reach all servers). "
                "The new key is Ready. Sign with it."
            ),
            wait=(states(ZONE, SETTLE_S, zsk_2="Ready"),),
            type=("akashi lab key activate example.jp zsk-2",),
            expect=(
                states(ZONE, zsk="Retired|Dead", zsk_2="Active"),
                dnskeys(ZONE, "ksk", "zsk", "zsk-2"),
                signed_by(ZONE, WWW, "A", "zsk-2"),
                secure(WWW),
            ),
        ),
        Step(
            say=(
                "Signatures by the old key live on in caches. Wait for the largest TTL of the zone; then the old key is "
                "Dead and can be removed."
            ),
            wait=(states(ZONE, SETTLE_S, zsk="Dead"),),
            type=("akashi lab key remove example.jp zsk",),
            expect=(
                states(ZONE, zsk="Removed", zsk_2="Active"),
                dnskeys(ZONE, "ksk", "zsk-2"),
                signed_by(ZONE, WWW, "A", "zsk-2"),
                secure(WWW),
            ),
        ),
        Step(
            say="Verify: look at the whole chain with an empty cache.",
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            expect=(says("secure"), secure(WWW), denied("no-such-name.example.jp.")),
        ),
    ),
)
