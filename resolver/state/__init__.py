"""What must survive a restart: trust-anchor states, negative trust anchors and their audit trail.

Rooms: `database` (one SQLite file, its integrity and schema), `anchors_store` (RFC 5011 state), `nta_store` (NTAs).

One process writes: the supervisor. A forked worker must not touch the connection (SQLite forbids it); it holds copies of
what it needs as plain values.
"""
