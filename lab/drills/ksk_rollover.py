"""`ksk-rollover`: a new KSK by the double-KSK method, then another by double-DS (RFC 7583 §3.3; guideline 3-12)."""

from lab.drills.checks import SETTLE_S, at_parent, denied, dnskeys, says, secure, signed_by, states
from lab.drills.play import Drill, Step
from lab.drills.watch import Mood

ZONE = "example.jp."
WWW = "www.example.jp."

_DOUBLE_KSK = (
    Step(
        say="Look at the zone as it is: the DS at jp names the one KSK, which signs the DNSKEY RRset.",
        type=("akashi lab keys example.jp",),
        mood=Mood.SECURE,
        expect=(
            states(ZONE, ksk="Active", zsk="Active"),
            dnskeys(ZONE, "ksk", "zsk"),
            at_parent(ZONE, "ksk"),
            signed_by(ZONE, ZONE, "DNSKEY", "ksk"),
            secure(WWW),
        ),
    ),
    Step(
        say="Double-KSK, 1: generate a KSK and publish it. Both KSKs sign the DNSKEY RRset; the DS stays.",
        type=("akashi lab key generate example.jp ksk", "akashi lab key publish example.jp ksk-2"),
        expect=(
            states(ZONE, ksk="Active", ksk_2="Published|Ready"),
            dnskeys(ZONE, "ksk", "ksk-2", "zsk"),
            signed_by(ZONE, ZONE, "DNSKEY", "ksk", "ksk-2"),
            at_parent(ZONE, "ksk"),
            secure(WWW),
        ),
    ),
    Step(
        say="A registrar's form is filled in at once. Too early: a cached DNSKEY RRset lacks the new KSK.",
        type=("akashi lab ds example.jp ksk-2",),
        hurry=True,
        exits=1,
        expect=(says(r"caches may hold DNSKEY RRsets without these keys"), at_parent(ZONE, "ksk")),
    ),
    Step(
        say="Double-KSK, 2: wait out the TTL of the DNSKEY RRset. Ready; now jp publishes the new DS instead of the old.",
        wait=(states(ZONE, SETTLE_S, ksk_2="Ready"),),
        type=("akashi lab ds example.jp ksk-2",),
        expect=(
            states(ZONE, ksk="Retired|Dead", ksk_2="Active"),
            at_parent(ZONE, "ksk-2"),
            dnskeys(ZONE, "ksk", "ksk-2", "zsk"),
            secure(WWW),
        ),
    ),
    Step(
        say="Double-KSK, 3: wait out the TTL of the DS. No cache has the old one; the old KSK is Dead. Remove it.",
        wait=(states(ZONE, SETTLE_S, ksk="Dead"),),
        type=("akashi lab key remove example.jp ksk",),
        expect=(
            states(ZONE, ksk="Removed", ksk_2="Active"),
            dnskeys(ZONE, "ksk-2", "zsk"),
            signed_by(ZONE, ZONE, "DNSKEY", "ksk-2"),
            secure(WWW),
        ),
    ),
)

_DOUBLE_DS = (
    Step(
        say="Double-DS, 1: generate a third KSK. Its DS is published first, beside that of the Active one; the zone stays.",
        type=("akashi lab key generate example.jp ksk", "akashi lab ds example.jp ksk-2 ksk-3"),
        expect=(
            states(ZONE, ksk_2="Active", ksk_3="Published|Ready"),
            at_parent(ZONE, "ksk-2", "ksk-3"),
            dnskeys(ZONE, "ksk-2", "zsk"),
            secure(WWW),
        ),
    ),
    Step(
        say="Double-DS, 2: once no cache has the DS RRset without it, exchange the KSKs in the zone.",
        wait=(states(ZONE, SETTLE_S, ksk_3="Ready"),),
        type=("akashi lab key publish example.jp ksk-3", "akashi lab key remove example.jp ksk-2"),
        expect=(
            states(ZONE, ksk_2="Retired|Dead", ksk_3="Active"),
            dnskeys(ZONE, "ksk-3", "zsk"),
            signed_by(ZONE, ZONE, "DNSKEY", "ksk-3"),
            secure(WWW),
        ),
    ),
    Step(
        say="Double-DS, 3: wait out the TTL of the DNSKEY RRset; then jp drops the DS of the old KSK.",
        wait=(states(ZONE, SETTLE_S, ksk_2="Dead"),),
        type=("akashi lab ds example.jp ksk-3",),
        expect=(states(ZONE, ksk_2="Removed", ksk_3="Active"), at_parent(ZONE, "ksk-3"), secure(WWW)),
    ),
    Step(
        say="Verify: look at the whole chain with an empty cache.",
        type=("akashi explain www.example.jp -c $AKASHI_LAB/lab.toml",),
        expect=(says("secure"), secure(WWW), denied("no-such-name.example.jp.")),
    ),
)

DRILL = Drill(
    name="ksk-rollover",
    title="KSK roll-over: double-KSK, then double-DS",
    source="guideline 3-12, 3.4.5, 3.6.2; RFC 7583 §3.3; RFC 6781 §4.1.2",
    story=(
        "example.jp replaces its KSK, which takes the parent's help. First as the guideline says, with two KSKs in the "
        "zone while the DS changes; then once more the other way round, with two DS at the parent while the KSK changes. "
        "Resolvers must not notice either."
    ),
    zone=ZONE,
    watched="wild.example.jp.",
    steps=(*_DOUBLE_KSK, *_DOUBLE_DS),
)
