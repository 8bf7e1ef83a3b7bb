"""What may be believed: signatures, denial proofs, the chain of trust, trust anchors, verdicts. Pure: no I/O, no clock.

Rooms: `vocabulary` (the words between pure code and the world), `reason` (why a verdict is what it is, and its EDE),
`policy` (the operator's choices, the budget), `algorithms`, `signature` (one RRset), `nsec`, `nsec3`, `denial`, `anchors`
(where trust begins, NTAs), `delegation` (from DS to keys), `zone` (what is known of one), `chain` (zone by zone from the
trust point, on the `evidence` that came) and `validate` (one answer).
"""
