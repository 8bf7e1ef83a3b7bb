"""What may be believed: signatures, denial proofs, the chain of trust, trust anchors, verdicts. Pure: no I/O, no clock.

Rooms: `vocabulary` (the words between pure code and the world), `reason` (why a verdict is what it is, and its EDE),
`algorithms`, `signature`, `nsec`, `nsec3`, `denial`, `anchors`, `chain` (zone by zone from the trust point) and `validate`
(one answer).
"""
