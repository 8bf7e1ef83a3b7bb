"""What the operator wants answered instead of the truth: response policy zones, local zones, DNS64. Pure.

Theory: everything here is data and look-ups; `resolver.resolve.policy` puts them around a resolution, `resolver.daemon`
brings the zones (files, transfers) and hands them to the workers. A `ResponsePolicy` never changes: a changed zone
makes another one, under another generation, and a resolution goes by the one under which it began.

Rooms: `rule` (what a rule does), `names` and `prefixes` (tables to find one), `table` (one zone's), `rpz` (records to
rules), `local` (zones of the configuration), `rules` (all zones in their order, and what a client's address
makes of them), `dns64`, `transfer` (AXFR and IXFR as a state machine).

draft-vixie-dnsop-dns-rpz-00, RFC 6147, RFC 6052, RFC 7050, RFC 8880, RFC 5936, RFC 1995.
"""
