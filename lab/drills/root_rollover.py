"""`root-rollover`: the root changes its KSK, resolvers follow by RFC 5011, and two attackers try their luck.

Hold-downs that are thirty days in the world are seconds here (`trust.add-hold-down`, `trust.remove-hold-down`).
"""

from lab.drills.checks import SETTLE_S, anchors, bogus, dnskeys, not_anchored, says, secure, signed_by, states
from lab.drills.play import Drill, Step
from lab.drills.stage import Stage
from lab.drills.watch import Mood

WWW = "www.example.jp."
HOLD_DOWN_S = 6
"""Longer than the attacker's key stays."""
REMOVE_HOLD_DOWN_S = 2
_C = "-c $AKASHI_LAB/lab.toml"
_STATUS = f"akashi trust status {_C}"
_REFRESH = f"akashi trust refresh {_C}"


def _restart(stage: Stage) -> str:
    stage.restart_resolver()
    return "(resolver stopped) akashi serve -c $AKASHI_LAB/lab.toml"


_ADD = (
    Step(
        say="One KSK signs the root's DNSKEY RRset, and it is the resolver's trust anchor: Valid.",
        type=("akashi lab keys .", _STATUS),
        mood=Mood.SECURE,
        expect=(states(".", ksk="Active"), anchors(within_s=SETTLE_S, ksk="Valid"), secure(WWW)),
    ),
    Step(
        say="The root publishes a second KSK, which signs nothing yet. The resolver sees it without trusting it: AddPend.",
        type=("akashi lab key generate . ksk", "akashi lab key publish . ksk-2", _REFRESH, _STATUS),
        expect=(
            dnskeys(".", "ksk", "ksk-2", "zsk"),
            signed_by(".", ".", "DNSKEY", "ksk"),
            anchors(ksk="Valid", ksk_2="AddPend"),
            secure(WWW),
        ),
    ),
    Step(
        say="It stays there, in every RRset that a trusted key signs, for the whole hold-down. Then it is Valid.",
        wait=(anchors(within_s=SETTLE_S + HOLD_DOWN_S, ksk="Valid", ksk_2="Valid"),),
        type=(_STATUS,),
        expect=(secure(WWW),),
    ),
)

_ATTACKS = (
    Step(
        say=(
            "An attacker has stolen the root's KSK. He adds a key of his own, properly signed. The resolver sees it: "
            "AddPend, as with any new key."
        ),
        type=("akashi lab key generate . ksk", "akashi lab key publish . ksk-3", _REFRESH),
        expect=(dnskeys(".", "ksk", "ksk-2", "ksk-3", "zsk"), anchors(ksk="Valid", ksk_2="Valid", ksk_3="AddPend")),
    ),
    Step(
        say="That is what the hold-down is for: the root notices, and its true RRset lacks that key. The key is forgotten.",
        hurry=True,
        type=("akashi lab key remove . ksk-3", _REFRESH),
        expect=(dnskeys(".", "ksk", "ksk-2", "zsk"), not_anchored("ksk-3"), anchors(ksk="Valid", ksk_2="Valid")),
    ),
    Step(
        say=(
            "Another attacker, without any key of the root, sends a DNSKEY RRset with a key of his own. No trusted key "
            "signs it: the refresh fails, nothing is taken up, and users get SERVFAIL rather than his data."
        ),
        type=(
            "akashi lab break . bad-rrsig-dnskey",
            "akashi lab key generate . ksk",
            "akashi lab key publish . ksk-4",
            _REFRESH,
        ),
        exits=1,
        mood=Mood.AWAY,
        expect=(
            not_anchored("ksk-4"),
            anchors(ksk="Valid", ksk_2="Valid"),
            bogus(WWW, 6, 9, within_s=SETTLE_S),
        ),
    ),
    Step(
        say="He is gone; the true RRset is back.",
        type=(
            "akashi lab key remove . ksk-4",
            "akashi lab heal .",
            _REFRESH,
            f"akashi cache flush --all {_C}",
        ),
        expect=(not_anchored("ksk-4"), secure(WWW, within_s=SETTLE_S)),
    ),
)

_CHANGE = (
    Step(
        say="The change: from now on the new KSK signs. Resolvers that trust it notice nothing.",
        type=("akashi lab key activate . ksk-2",),
        mood=Mood.SECURE,
        expect=(
            states(".", ksk="Retired|Dead", ksk_2="Active"),
            signed_by(".", ".", "DNSKEY", "ksk-2"),
            anchors(ksk="Valid", ksk_2="Valid"),
            secure(WWW),
        ),
    ),
    Step(
        say="The root revokes the old KSK: its REVOKE bit is set, and it signs that itself. It is never trusted again.",
        type=("akashi lab key revoke . ksk", _REFRESH, _STATUS),
        expect=(
            states(".", ksk="Revoked", ksk_2="Active"),
            signed_by(".", ".", "DNSKEY", "ksk", "ksk-2"),
            anchors(ksk="Revoked", ksk_2="Valid"),
            secure(WWW),
        ),
    ),
    Step(
        say="The old KSK leaves the zone. After the remove hold-down the resolver has it down as Removed.",
        type=("akashi lab key remove . ksk", _REFRESH),
        expect=(
            dnskeys(".", "ksk-2", "zsk"),
            anchors(within_s=SETTLE_S + REMOVE_HOLD_DOWN_S, ksk="Removed", ksk_2="Valid"),
            secure(WWW),
        ),
    ),
    Step(
        say=(
            "Verify: restart. The configuration still names the old key; what was learned since counts more. The new key "
            "is the anchor; neither the old one nor those of the attackers come back."
        ),
        do=_restart,
        expect=(
            anchors(ksk="Removed", ksk_2="Valid"),
            not_anchored("ksk-3"),
            not_anchored("ksk-4"),
            secure(WWW),
            secure(".", "SOA"),
        ),
    ),
    Step(
        say="The anchors as other resolvers read them.",
        type=(f"akashi trust export {_C}",),
        expect=(says(r"DNSKEY|DS", "there is a key to export"), secure(WWW)),
    ),
)

DRILL = Drill(
    name="root-rollover",
    title="The root changes its KSK (RFC 5011), and attackers add keys",
    source="guideline 2-7, 2.7.1; RFC 5011; RFC 7583 §3.3.4",
    story=(
        "The root replaces its KSK, as it does in 2026. Resolvers learn the new key by watching it for a hold-down of "
        "thirty days, here of seconds. Meanwhile two attackers add keys of their own, one with a stolen key, one without."
    ),
    zone=".",
    watched="wild.example.jp.",
    ttl=1,
    settings=(
        f"trust.remove-hold-down={REMOVE_HOLD_DOWN_S}s",
        "trust.shortest-refresh=1s",
    ),
    hold_down_s=HOLD_DOWN_S,
    steps=(*_ADD, *_ATTACKS, *_CHANGE),
    needs=("trust status", "trust refresh", "trust export"),
)
