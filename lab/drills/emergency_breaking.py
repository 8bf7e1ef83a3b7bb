"""`emergency-rollover-breaking-chain`: the private KSK is lost; the zone becomes insecure for a while, never bogus.

The guideline's 3.5.3.2, step by step; RFC 6781 §4.2.1.2.
"""

from lab.drills.checks import SETTLE_S, at_parent, dnskeys, insecure, says, secure, signed_by, states
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

ZONE = "example.jp."
WWW = "www.example.jp."

DRILL = Drill(
    name="emergency-rollover-breaking-chain",
    title="Emergency KSK roll-over, chain of trust broken for a while",
    source="guideline 3.5.3.2; RFC 6781 §4.2.1.2",
    story=(
        "The private KSK of example.jp is lost, and no backup can be read. Nothing can be signed with it any more, so the "
        "chain has to be broken on purpose: without a DS the zone is insecure, and everything resolves. What must not "
        "happen is that the key changes while a cache still has the DS: that would be bogus."
    ),
    zone=ZONE,
    watched="wild.example.jp.",
    steps=(
        Step(
            say="The zone as it is: signatures made before the loss still hold.",
            type=("akashi lab keys example.jp",),
            mood=Mood.SECURE,
            expect=(states(ZONE, ksk="Active"), at_parent(ZONE, "ksk"), secure(WWW)),
        ),
        Step(
            say="Guideline step 1: Apply to the registrar for the removal of the DS. It takes its time; then jp has none.",
            type=("akashi lab ds example.jp --none",),
            mood=Mood.ANSWERED,
            expect=(at_parent(ZONE), states(ZONE, ksk="Retired|Dead")),
        ),
        Step(
            say="Somebody wants to change the key at once. The lab refuses: caches still have the DS.",
            type=("akashi lab key remove example.jp ksk",),
            hurry=True,
            exits=1,
            expect=(says("caches may hold a DS RRset that only ksk matches"), dnskeys(ZONE, "ksk", "zsk")),
        ),
        Step(
            say="Guideline step 2: As caches forget the DS, resolvers see the zone as insecure: data, but no AD.",
            expect=(insecure(WWW, within_s=SETTLE_S),),
        ),
        Step(
            say="Guideline step 3: Wait out the whole TTL of the DS; until then not a record of the zone is changed.",
            wait=(states(ZONE, SETTLE_S, ksk="Dead"),),
            expect=(dnskeys(ZONE, "ksk", "zsk"), insecure(WWW)),
        ),
        Step(
            say="Guideline step 4: Replace the KSK. The zone is signed with the new one; nobody checks.",
            type=(
                "akashi lab key generate example.jp ksk",
                "akashi lab key remove example.jp ksk",
                "akashi lab key publish example.jp ksk-2",
            ),
            expect=(
                states(ZONE, ksk="Removed", ksk_2="Published|Ready"),
                dnskeys(ZONE, "ksk-2", "zsk"),
                signed_by(ZONE, ZONE, "DNSKEY", "ksk-2"),
                insecure(WWW),
            ),
        ),
        Step(
            say="Guideline step 5: Apply for the new DS, once no cache has the old DNSKEY RRset.",
            wait=(states(ZONE, SETTLE_S, ksk_2="Ready"),),
            type=("akashi lab ds example.jp ksk-2",),
            expect=(at_parent(ZONE, "ksk-2"), states(ZONE, ksk_2="Active")),
        ),
        Step(
            say="Guideline step 6: As caches learn of the DS, the chain of trust is whole again.",
            expect=(secure(WWW, within_s=SETTLE_S),),
        ),
        Step(
            say="Verify: look at the whole chain with an empty cache, and at every answer from now on.",
            mood=Mood.SECURE,
            type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
            expect=(says("secure"), secure(WWW)),
        ),
    ),
)
