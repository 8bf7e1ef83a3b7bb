"""What is remembered: answers, delegations, servers, failures, zone trust. Pure: times come in as values.

Rooms: `answers` (RRsets and denials with their verdicts), `delegations` (zone cuts), `servers` (round-trip times, back-off,
quirks), `failures` (RFC 9520), `packets` (whole responses by query bytes) and `memory` (all of them together).
"""
