"""Nothing false is secure, whatever an attacker on the path does: a few thousand games (`make fuzz` plays a million)."""

import random
from collections import Counter

import pytest

from tests.trust.forgery import Games, stage
from trust.vocabulary import Security


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("opt_out", [False, True])
def test_nothing_false_is_secure(opt_out: bool, seed: int) -> None:
    games = Games(stage(opt_out), random.Random(seed))
    count: Counter[Security] = Counter()
    changed_and_secure = 0
    for _ in range(700):
        verdict, changes = games.play()
        count[verdict.security] += 1
        changed_and_secure += verdict.security is Security.SECURE and changes > 0
    assert count[Security.SECURE] > 100 and count[Security.BOGUS] > 200 and count[Security.INSECURE] > 20, count
    assert changed_and_secure > 20, "some changes do no harm: the game is near enough to the truth"
