"""Iteration: from the closest known zone cut to an answer, one referral after another (RFC 1034 §5.3.3). Pure.

Rooms: `iterate` (the walk), `exchange` (one zone's servers: choose, ask, try the next), `response` (what an answer is:
data, alias, denial, referral, or of no use), `addresses` (which addresses may be asked), `minimise` (RFC 9156).
"""
