"""`emergency-rollover-keeping-chain`: the KSK has leaked; it is replaced without the zone ever becoming insecure.

The guideline's 3.5.3.1, step by step; RFC 6781 §4.2.1.1.
"""

from lab.drills.checks import SETTLE_S, at_parent, dnskeys, says, secure, signed_by, states
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

ZONE = "example.jp."
WWW = "www.example.jp."

DRILL = Drill(
    name="emergency-rollover-keeping-chain",
    title="Emergency KSK roll-over, chain of trust kept",
    source="guideline 3.5.3.1; RFC 6781 §4.2.1.1",
    story=(
        "The private KSK of example.jp has leaked. Whoever has it can sign a DNSKEY RRset of his own until the DS that "
        "names it is gone from all caches. So it has to go quickly, and yet in order: the zone stays secure throughout."
    ),
    zone=ZONE,
    watched="wild.example.jp.",
    steps=(
        Step(
            say="The zone as it is when the leak is noticed. The leaked key is ksk.",
            type=("akashi lab keys example.jp",),
            mood=Mood.SECURE,
            expect=(states(ZONE, ksk="Active", zsk="Active"), at_parent(ZONE, "ksk"), secure(WWW)),
        ),
        Step(
            say="Guideline step 1: Add a new KSK; the leaked one stays for now. Shorten the TTL of the DNSKEY RRset.",
            type=(
                "akashi lab key generate example.jp ksk",
                "akashi lab key publish example.jp ksk-2",
                "akashi lab policy example.jp --dnskey-ttl 1",
            ),
            expect=(states(ZONE, ksk="Active", ksk_2="Published|Ready"), dnskeys(ZONE, "ksk", "ksk-2", "zsk"), secure(WWW)),
        ),
        Step(
            say="Guideline step 2: Both KSKs sign; the signatures hold just longer than it takes to change the DS.",
            type=("akashi lab policy example.jp --dnskey-validity 600",),
            expect=(signed_by(ZONE, ZONE, "DNSKEY", "ksk", "ksk-2"), secure(WWW)),
        ),
        Step(
            say="Guideline step 3: Apply to the registrar for the new DS. jp publishes it as soon as the new KSK is Ready.",
            wait=(states(ZONE, SETTLE_S, ksk_2="Ready"),),
            type=("akashi lab ds example.jp ksk-2",),
            expect=(at_parent(ZONE, "ksk-2"), states(ZONE, ksk="Retired|Dead", ksk_2="Active"), secure(WWW)),
        ),
        Step(
            say="Removing the leaked key now would hurt those who still hold the old DS. The lab refuses.",
            type=("akashi lab key remove example.jp ksk",),
            hurry=True,
            exits=1,
            expect=(says("caches may hold a DS RRset that only ksk matches"), secure(WWW)),
        ),
        Step(
            say="Guideline step 4: Wait until the old DS has left every cache. Now the leaked key is worth nothing.",
            wait=(states(ZONE, SETTLE_S, ksk="Dead"),),
            expect=(dnskeys(ZONE, "ksk", "ksk-2", "zsk"), secure(WWW)),
        ),
        Step(
            say="Guideline step 5: Remove the leaked KSK; TTL and validity go back to what they were.",
            type=(
                "akashi lab key remove example.jp ksk",
                "akashi lab policy example.jp --dnskey-ttl 2 --dnskey-validity 0",
            ),
            expect=(
                states(ZONE, ksk="Removed", ksk_2="Active"),
                dnskeys(ZONE, "ksk-2", "zsk"),
                signed_by(ZONE, ZONE, "DNSKEY", "ksk-2"),
                secure(WWW),
            ),
        ),
        Step(
            say="Verify: look at the whole chain with an empty cache.",
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            expect=(says("secure"), secure(WWW)),
        ),
    ),
)
